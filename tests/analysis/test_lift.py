"""Lift, paired by replication."""

import numpy as np
import pytest
from scipy import stats

from analysis import compute_lift
from layouts import ConfigError


def test_a_layout_against_itself_gives_exactly_zero():
    profit = np.random.default_rng(1).normal(3, 1, 30)
    lift = compute_lift(profit, profit.copy())
    assert (lift.mean, lift.ci95, lift.relative, lift.p_value, lift.n) == (0.0, (0.0, 0.0), 0.0, 1.0, 30)


def test_it_is_the_paired_t_test():
    rng = np.random.default_rng(2)
    control = rng.normal(3, 1, 20)
    variant = control + rng.normal(0.1, 0.2, 20)
    lift = compute_lift(control, variant)
    expected = stats.ttest_rel(variant, control)
    assert lift.p_value == pytest.approx(expected.pvalue)
    assert lift.ci95 == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert lift.relative == pytest.approx(lift.mean / control.mean())


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    draws = rng.normal(0.5, 1.0, (2000, 6))
    covered = [low <= 0.5 <= high for low, high in (compute_lift(np.ones(6), 1 + d).ci95 for d in draws)]
    assert np.mean(covered) == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 2000))


def test_one_pair_has_no_interval():
    lift = compute_lift(np.array([2.0]), np.array([3.0]))
    assert lift.mean == 1.0
    assert np.isnan([*lift.ci95, lift.p_value]).all()


def test_unequal_numbers_are_refused():
    with pytest.raises(ConfigError, match="equally many"):
        compute_lift(np.ones(3), np.ones(4))
