import math

import numpy as np
import pytest

from benchmarks.scores import compute_expected_skill_limit, compute_level, compute_skill, judge_sign


def test_skill_is_one_for_the_truth_and_zero_for_no_change():
    true = [0.02, -0.01, 0.005]
    assert compute_skill(true, true) == 1.0
    assert compute_skill([0.0, 0.0, 0.0], true) == 0.0


def test_skill_by_hand():
    # errors 0.01 and 0.01 against changes 0.02 and -0.01: 1 - 2 / 5
    assert compute_skill([0.03, 0.0], [0.02, -0.01]) == pytest.approx(0.6)


def test_overclaiming_twice_the_truth_is_no_better_than_no_change():
    assert compute_skill([0.04, -0.02], [0.02, -0.01]) == pytest.approx(0.0)


def test_skill_of_edits_that_change_nothing_is_not_a_number():
    assert math.isnan(compute_skill([0.01], [0.0]))


def test_a_noisy_truth_limits_the_skill_that_can_be_seen():
    assert compute_expected_skill_limit([0.02, -0.01], [0.01, 0.01]) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("predicted", "true", "se", "verdict"),
    [
        (0.03, 0.01, 0.001, "right"),
        (-0.03, 0.01, 0.001, "wrong"),
        (0.0, 0.01, 0.001, "wrong"),
        (0.03, 0.004, 0.001, "too small"),  # below half a percent
        (0.03, 0.01, 0.006, "too small"),  # below two standard errors
    ],
)
def test_sign_counts_where_the_truth_is_clear(predicted, true, se, verdict):
    assert judge_sign(predicted, true, se) == verdict


def test_shoppers_without_a_basket_count_in_the_level():
    mean, se = compute_level([2.0, 4.0], 4)
    assert mean == 1.5
    assert se == pytest.approx(np.std([2.0, 4.0, 0.0, 0.0]) / 2)
