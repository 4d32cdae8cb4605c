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


def test_with_hypotheses_the_interval_covers_what_differs_between_them():
    """300 models of eight hypotheses, sd 1 between and 0.5 within: 90 to 99 % of new draws are covered.

    With luck as large as what hypotheses leave open it is 89 %: their difference is hardly known.
    """
    rng = np.random.default_rng(3)
    covered, narrow = [], []
    for _ in range(300):
        truth, *means = rng.normal(0.0, 1.0, 9)
        difference = np.tile(means, 4) + rng.normal(0.0, 0.5, 32)
        lift = compute_lift(np.ones(32), 1 + difference, n_hypotheses=8)
        covered.append(lift.ci95[0] <= truth <= lift.ci95[1])
        narrow.append(lift.luck_se)
    assert 0.9 < np.mean(covered) < 0.99
    assert np.mean(narrow) == pytest.approx(0.5 / np.sqrt(32), rel=0.1)


def test_a_further_error_widens_the_interval():
    control, variant = np.ones(10), 1 + np.linspace(0.1, 0.3, 10)
    plain, wider = compute_lift(control, variant), compute_lift(control, variant, error_sd=0.5)
    assert plain.mean == wider.mean
    assert wider.ci95[1] - wider.mean > 0.97 > plain.ci95[1] - plain.mean
    assert wider.p_value > plain.p_value


def test_no_difference_is_exactly_none_whatever_the_error():
    lift = compute_lift(np.ones(4), np.ones(4), n_hypotheses=2, error_sd=1.0)
    assert (lift.mean, lift.ci95, lift.p_value) == (0.0, (0.0, 0.0), 1.0)
