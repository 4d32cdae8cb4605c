"""Divergences and what chance alone would make."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon

from analysis import (
    compute_divergence,
    count_by_category,
    count_by_zone,
    count_cell_visits,
    estimate_divergence_floor,
    jensen_shannon_divergence,
    noise_floor,
)
from layouts import ConfigError


def test_it_is_the_square_of_the_distance():
    p, q = np.random.default_rng(1).random((2, 9))
    assert jensen_shannon_divergence(p, q) == pytest.approx(jensenshannon(p, q) ** 2)
    assert jensen_shannon_divergence(p, q, base=2) == pytest.approx(jensenshannon(p, q, base=2) ** 2)


def test_equal_gives_zero_and_disjoint_gives_ln_2():
    assert jensen_shannon_divergence(np.array([1, 2, 0]), np.array([2, 4, 0])) == 0.0
    assert jensen_shannon_divergence(np.array([3, 0]), np.array([0, 1])) == pytest.approx(np.log(2))


def test_the_floor_is_what_two_samples_of_one_distribution_show():
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.full(40, 5.0))
    seen = [jensen_shannon_divergence(rng.multinomial(3000, p), rng.multinomial(1000, p)) for _ in range(300)]
    assert noise_floor(3000, 1000, 40) == pytest.approx(np.mean(seen), rel=0.1)


def test_the_paper_figure_is_the_floor_of_1540_purchases():
    assert noise_floor(1540, 1540, 61) == pytest.approx(0.0097, abs=0.0001)


def test_sessions_that_repeat_themselves_raise_the_floor():
    rng = np.random.default_rng(3)
    favourites = rng.integers(0, 20, 200)
    counts = np.zeros((200, 20))
    counts[np.arange(200), favourites] = 10.0  # ten purchases each, all of one kind: 200 facts, not 2,000
    floor = estimate_divergence_floor(counts, 200, rng, n_splits=200).mean
    assert floor == pytest.approx(noise_floor(200, 200, 20), rel=0.2)


def test_a_divergence_travels_with_its_floor_and_sizes():
    found = compute_divergence(np.array([10, 30, 0]), np.array([30, 10, 0]), base=2)
    assert (found.n, found.m, found.k, found.base) == (40, 40, 2, 2)
    assert found.floor == pytest.approx(noise_floor(40, 40, 2, base=2))
    assert found.value > found.floor


def test_counts_follow_the_order_of_the_store(tiny_store):
    picks = pd.DataFrame({"sku_id": ["MILK", "JAM", "MILK"], "zone_id": ["cold", "north", "cold"]})
    by_zone = dict(zip(tiny_store.zone_index, count_by_zone(picks, tiny_store), strict=True))
    assert by_zone == {**dict.fromkeys(tiny_store.zone_index, 0), "cold": 2, "north": 1}
    by_category = dict(zip(tiny_store.categories, count_by_category(picks, tiny_store), strict=True))
    assert by_category == {"bakery": 0, "breakfast": 1, "dairy": 2, "snacks": 0}


def test_a_session_counts_once_in_a_cell(tiny_store):
    positions = pd.DataFrame({"session_id": ["a", "a", "b"], "x": [1.25] * 3, "y": [1.25] * 3})
    assert count_cell_visits(positions, tiny_store).sum() == 2


def test_an_empty_histogram_is_refused():
    with pytest.raises(ConfigError, match="each with a count"):
        jensen_shannon_divergence(np.zeros(3), np.ones(3))
