"""Floors hold what independent samples of the same world really show."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from analysis import estimate_divergence_floor, jensen_shannon_divergence
from analysis.distances import compute_distances, estimate_distance_floors
from analysis.noise_floors import estimate_floor
from analysis.session_sample import Values
from layouts import ConfigError


def draw_sessions(rng: np.random.Generator, n: int, p: np.ndarray, events: int = 6) -> np.ndarray:
    """Counts of sessions that each return to one bin of their own, shape (n, k)."""
    counts = rng.multinomial(events, p, n).astype(float)
    counts[np.arange(n), rng.choice(len(p), n, p=p)] += events
    return counts


@pytest.mark.parametrize(("n", "k"), [(200, 20), (200, 2000), (40, 300)])
def test_the_floor_is_what_two_samples_show_however_sparse(n, k):
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.full(k, 0.5))
    pairs = [(draw_sessions(rng, n, p), draw_sessions(rng, n, p)) for _ in range(40)]
    shown = [jensen_shannon_divergence(a.sum(axis=0), b.sum(axis=0)) for a, b in pairs]
    floors = [estimate_divergence_floor(csr_array(a), n, rng, n_splits=60) for a, _ in pairs[:10]]
    assert np.mean([floor.mean for floor in floors]) == pytest.approx(np.mean(shown), rel=0.12)
    assert np.mean([floor.upper95 for floor in floors]) > np.mean(shown)


def test_sparse_and_dense_counts_give_the_same_floor():
    counts = draw_sessions(np.random.default_rng(2), 50, np.full(10, 0.1))
    floors = [
        estimate_divergence_floor(table, 70, np.random.default_rng(3))
        for table in (counts, csr_array(counts))
    ]
    assert floors[0] == floors[1]
    in_bits = estimate_divergence_floor(counts, 70, np.random.default_rng(3), base=2)
    assert in_bits.mean == pytest.approx(floors[0].mean / np.log(2))


def test_more_sessions_on_the_other_side_lower_the_floor():
    counts = draw_sessions(np.random.default_rng(4), 100, np.full(30, 1 / 30))
    few, many = (estimate_divergence_floor(counts, m, np.random.default_rng(5)).mean for m in (100, 10_000))
    assert many == pytest.approx(few / 2, rel=0.1)


def test_one_in_twenty_samples_lies_above_the_mark():
    rng = np.random.default_rng(6)
    p = np.full(40, 1 / 40)
    n_above = 0
    for _ in range(200):
        seen, other = draw_sessions(rng, 150, p), draw_sessions(rng, 150, p)
        mark = estimate_divergence_floor(seen, 150, rng, n_splits=60).upper95
        n_above += jensen_shannon_divergence(seen.sum(axis=0), other.sum(axis=0)) > mark
    assert 1 <= n_above <= 24  # 10 expected; three standard deviations and the error of the mark


def test_distances_of_a_shift_are_the_shift():
    values = np.arange(10.0)
    assert compute_distances(values, values) == (0.0, 0.0)
    wasserstein, ks = compute_distances(values, values + 3.0)
    assert wasserstein == pytest.approx(3.0)
    assert ks == pytest.approx(0.3)
    assert compute_distances(np.zeros(3), np.full(5, 2.0)) == (2.0, 1.0)


def test_the_floor_of_a_distance_is_what_two_samples_show():
    rng = np.random.default_rng(7)
    n, per_session = 300, 4

    def draw() -> Values:
        level = rng.lognormal(3.0, 0.6, n)  # sessions differ, so values of one session are alike
        value = np.repeat(level, per_session) * rng.lognormal(0.0, 0.1, n * per_session)
        return Values(np.repeat(np.arange(n), per_session), value)

    shown = np.mean([compute_distances(draw().value, draw().value) for _ in range(60)], axis=0)
    floors = [estimate_distance_floors(draw(), n, n, rng) for _ in range(6)]
    found = np.mean([[floor.mean for floor in pair] for pair in floors], axis=0)
    assert found == pytest.approx(shown, rel=0.15)


def test_a_floor_needs_two_sessions():
    with pytest.raises(ConfigError, match="at least 2 sessions"):
        estimate_floor(lambda a, b: a[:, 0], 1, 5, np.random.default_rng(0))


def test_without_any_count_there_is_no_floor():
    floor = estimate_divergence_floor(np.zeros((30, 4)), 30, np.random.default_rng(0))
    assert np.isnan([floor.mean, floor.upper95]).all()
