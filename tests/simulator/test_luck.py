"""Luck is uniform, independent between keys, and the same however it is asked for."""

import numpy as np
import pytest
from scipy import stats

from simulator import Luck, Purpose, stable_key, stable_keys

SHOPPERS = np.arange(50_000)


def p_value_of_uniformity(u: np.ndarray, n_bins: int = 100) -> float:
    return float(stats.chisquare(np.bincount((u * n_bins).astype(int), minlength=n_bins)).pvalue)


@pytest.mark.parametrize("purpose", [Purpose.ARRIVAL, Purpose.NEXT_ZONE, Purpose.SERVICE])
@pytest.mark.parametrize("seed", [0, 1, -5, 2**63])
def test_draws_of_neighbouring_shoppers_are_uniform(purpose: Purpose, seed: int) -> None:
    assert p_value_of_uniformity(Luck(seed).uniform(purpose, SHOPPERS)) > 1e-4


def test_draws_over_seeds_replications_and_purposes_are_uniform() -> None:
    u = np.array([
        Luck(seed, replication).uniform(purpose, 3)
        for seed in range(40)
        for replication in range(20)
        for purpose in Purpose
    ])  # fmt: skip
    assert p_value_of_uniformity(u, 20) > 1e-4


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Luck(1).uniform(Purpose.DWELL, SHOPPERS, 0), Luck(1).uniform(Purpose.DWELL, SHOPPERS, 1)),
        (Luck(1).uniform(Purpose.DWELL, SHOPPERS, 0), Luck(1).uniform(Purpose.DWELL, 0, SHOPPERS)),
        (Luck(1).uniform(Purpose.DWELL, SHOPPERS), Luck(1).uniform(Purpose.DWELL, SHOPPERS + 1)),
        (Luck(1).uniform(Purpose.DWELL, SHOPPERS), Luck(1).uniform(Purpose.SERVICE, SHOPPERS)),
        (Luck(1, 0).uniform(Purpose.DWELL, SHOPPERS), Luck(1, 1).uniform(Purpose.DWELL, SHOPPERS)),
        (Luck(1).uniform(Purpose.DWELL, SHOPPERS), Luck(2).uniform(Purpose.DWELL, SHOPPERS)),
        (Luck(0, 1).uniform(Purpose.DWELL, SHOPPERS), Luck(1, 0).uniform(Purpose.DWELL, SHOPPERS)),
    ],
    ids=["decision", "key order", "next shopper", "purpose", "replication", "seed", "seed for replication"],
)
def test_streams_with_different_keys_are_independent(first: np.ndarray, second: np.ndarray) -> None:
    n_bins = 8
    table = np.bincount((first * n_bins).astype(int) * n_bins + (second * n_bins).astype(int), minlength=64)
    # against the uniform square: catches both dependence and identical streams
    assert stats.chisquare(table).pvalue > 1e-4


def test_a_draw_does_not_depend_on_batch_or_order() -> None:
    luck = Luck(7, 3)
    whole = luck.normal(Purpose.SPEED, SHOPPERS[:999, None], np.arange(5))
    order = np.random.default_rng(0).permutation(999)
    assert np.array_equal(whole[order], luck.normal(Purpose.SPEED, SHOPPERS[order, None], np.arange(5)))
    assert whole[17, 4] == luck.normal(Purpose.SPEED, 17, 4)
    assert np.array_equal(whole[:, 2], luck.normal(Purpose.SPEED, SHOPPERS[:999].astype(np.int32), 2))


def test_draws_stay_inside_the_open_interval_at_the_extreme_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    extremes = np.array([0, 2**64 - 1], dtype=np.uint64)
    monkeypatch.setattr(Luck, "bits", lambda self, purpose, *keys: extremes)
    u = Luck(0).uniform(Purpose.SPEED)
    assert 0 < u[0] < 1e-15
    assert 1 - 1e-15 < u[1] < 1
    assert np.isfinite(Luck(0).gumbel(Purpose.SPEED)).all()
    assert np.isfinite(Luck(0).normal(Purpose.SPEED)).all()


def test_inverted_draws_follow_their_laws() -> None:
    luck = Luck(11)
    assert stats.kstest(luck.exponential(Purpose.DWELL, SHOPPERS), "expon").pvalue > 1e-4
    assert stats.kstest(luck.gumbel(Purpose.DWELL, SHOPPERS), "gumbel_r").pvalue > 1e-4
    assert stats.kstest(luck.normal(Purpose.DWELL, SHOPPERS), "norm").pvalue > 1e-4


def test_gumbel_maximum_draws_from_the_given_probabilities() -> None:
    p = np.array([0.5, 0.3, 0.15, 0.05])
    choice = np.argmax(np.log(p) + Luck(5).gumbel(Purpose.NEXT_ZONE, SHOPPERS[:, None], np.arange(4)), axis=1)
    assert stats.chisquare(np.bincount(choice, minlength=4), p * len(SHOPPERS)).pvalue > 1e-4


def test_stable_key_is_pinned_and_a_key_like_any_other() -> None:
    assert stable_key("milk") == stable_keys(["bread", "milk"])[1] == 10623896633482289613
    assert 0 < Luck(0).uniform(Purpose.PURCHASE, 4, stable_key("milk")) < 1
    assert Luck(0).uniform(Purpose.PURCHASE, -1) == Luck(0).uniform(Purpose.PURCHASE, 2**64 - 1)


def test_a_key_that_is_not_an_integer_is_refused() -> None:
    with pytest.raises(TypeError, match="must be an integer"):
        Luck(0).uniform(Purpose.PURCHASE, np.array([0.5]))
