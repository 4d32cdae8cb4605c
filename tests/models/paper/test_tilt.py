"""Choosing among candidates makes whole journeys match observed ones on average."""

import numpy as np
import pytest

from models.paper.tilt import choose_candidates, count_groups, fit_tilt, group_words

WORDS = ("<door>", "000000", "000001", "111111", "<buy:milk>", "<buy:tea>", "<exit>", "")
DOOR, NEAR, NEARBY, FAR, MILK, TEA, EXIT = range(7)


def test_words_are_grouped_by_block_and_by_what_is_bought():
    group = group_words(WORDS)
    assert group[NEAR] == group[NEARBY]
    assert len({group[NEAR], group[FAR], group[MILK], group[TEA]}) == 4
    assert group[[DOOR, EXIT, 7]].tolist() == [-1, -1, -1]


def test_visits_and_what_is_bought_where_are_counted():
    group = group_words(WORDS)
    journeys = [np.array([DOOR, NEAR, NEARBY, MILK, EXIT]), np.array([DOOR, FAR, TEA, TEA, EXIT])]
    counts = count_groups(journeys, WORDS, group).toarray()
    n_groups = group.max() + 1
    assert counts[:, group[NEAR]].tolist() == [2, 0]
    assert counts[:, group[TEA]].tolist() == [0, 2]
    assert counts[:, n_groups + group[NEAR]].tolist() == [1, 0]
    assert counts[:, n_groups + group[FAR]].tolist() == [0, 2]


def write(rng, n, far_share, milk_share):
    """Journeys that go far or not, then buy milk or tea."""
    is_far, is_milk = rng.random(n) < far_share, rng.random(n) < milk_share
    return [
        np.array([DOOR, NEAR, FAR if far else NEARBY, MILK if milk else TEA, EXIT])
        for far, milk in zip(is_far, is_milk, strict=True)
    ]


def test_a_drifting_model_is_put_right():
    """Four of ten go far where two of ten are written to; twice as much milk is written as was bought."""
    rng = np.random.default_rng(0)
    n, n_each = 3000, 8
    observed = write(rng, n, 0.4, 0.3)
    lots = [write(rng, n_each, 0.2, 0.6) for _ in range(n)]
    weights = fit_tilt(observed, lots, WORDS)
    fresh = write(rng, n * n_each, 0.2, 0.6)
    chosen = choose_candidates(fresh, WORDS, weights, rng.random((n, n_each)))
    assert np.mean([FAR in journey for journey in chosen]) == pytest.approx(0.4, abs=0.03)
    assert np.mean([MILK in journey for journey in chosen]) == pytest.approx(0.3, abs=0.03)


def test_a_model_that_is_right_is_left_alone():
    rng = np.random.default_rng(1)
    weights = fit_tilt(write(rng, 4000, 0.4, 0.3), [write(rng, 8, 0.4, 0.3) for _ in range(3000)], WORDS)
    assert np.ptp(weights[0, [NEAR, FAR, MILK, TEA]]) < 0.2


def test_without_weights_every_candidate_has_the_same_chance():
    rng = np.random.default_rng(2)
    n = 4000
    candidates = [np.array([DOOR, cell, EXIT]) for _ in range(n) for cell in (NEAR, FAR)]
    chosen = choose_candidates(candidates, WORDS, np.zeros((2, len(WORDS))), rng.random((n, 2)))
    assert np.mean([FAR in journey for journey in chosen]) == pytest.approx(0.5, abs=0.03)
