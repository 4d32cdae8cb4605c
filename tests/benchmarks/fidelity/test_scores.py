import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fidelity.scores import (
    Judged,
    compute_expected_skill_limit,
    compute_level,
    compute_rank_correlation,
    compute_regret,
    compute_skill,
    compute_slope,
    judge_sign,
    score_by_kind,
    score_predictions,
    take_median_over_stores,
)


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


def judge(case, kind, true, mean, *, half=0.005, se=0.0005):
    return Judged(
        case=case,
        edit=f"{case}-{true}",
        kind=kind,
        true=true,
        se=se,
        mean=mean,
        lower=mean - half,
        upper=mean + half,
    )


EDITS = [
    judge("a", "goods", 0.02, 0.03),
    judge("a", "goods", -0.01, 0.0),
    judge("a", "null", 0.0, 0.001),
    judge("b", "displays", 0.10, 0.05),
    judge("b", "displays", -0.02, -0.02),
]


def test_scores_by_hand():
    scores = score_predictions(EDITS)
    assert scores["n_edits"] == 4
    # squared errors 1, 1, 25, 0 against squared changes 4, 1, 100, 4, all times 1e-4
    assert scores["skill"] == pytest.approx(1 - 27 / 109)
    assert scores["skill_without_largest"] == pytest.approx(1 - 2 / 9)
    # -0.01 is not above 1 %; of the other three all signs are right
    assert scores["sign_accuracy"] == 1.0
    assert scores["spearman"] == pytest.approx(1.0)
    assert scores["regret"] == 0.0
    assert scores["coverage"] == 0.25
    assert scores["mean_absolute_error"] == pytest.approx(0.07 / 4)
    assert scores["width_by_error"] == pytest.approx(0.01 / (0.07 / 4))
    assert scores["null_effect"] == pytest.approx(0.001)


def test_slope_is_that_of_truth_on_prediction():
    assert compute_slope([0.01, 0.02, 0.03], [0.02, 0.04, 0.06]) == pytest.approx(2.0)
    assert math.isnan(compute_slope([0.0, 0.0], [0.02, 0.04]))


def test_regret_counts_that_nothing_may_be_changed():
    assert compute_regret([-0.01, -0.02], [0.03, 0.01]) == pytest.approx(0.03)  # keeps today's layout
    assert compute_regret([0.01, 0.02], [0.03, -0.01]) == pytest.approx(0.04)  # takes the wrong one
    assert compute_regret([0.01, 0.02], [-0.03, -0.01]) == pytest.approx(0.01)  # nothing would be best


def test_a_prediction_that_ranks_nothing_has_no_rank_correlation():
    assert compute_rank_correlation([0.0, 0.0, 0.0], [0.01, 0.02, -0.01]) == 0.0
    assert compute_rank_correlation([0.3, 0.2, 0.1], [0.01, 0.02, 0.03]) == pytest.approx(-1.0)


def test_the_median_is_over_stores_and_kinds_are_scored_apart():
    # a: 1 - 2 / 5; b: 1 - 25 / 104
    assert take_median_over_stores(EDITS)["skill"] == pytest.approx((0.6 + 1 - 25 / 104) / 2)
    kinds = score_by_kind(EDITS)
    assert kinds["goods"]["skill"] == pytest.approx(0.6)
    assert kinds["displays"]["mean_absolute_error"] == pytest.approx(0.025)


def test_only_null_edits_leave_nothing_to_score():
    assert score_predictions(EDITS[2:3]) == {"n_edits": 0.0}


LIFTS = st.lists(
    st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)).map(
        lambda pair: (round(pair[0], 4), round(pair[1], 4))
    ),
    min_size=2,
    max_size=12,
)


@given(LIFTS)
def test_scores_keep_their_bounds(lifts):
    scores = score_predictions([judge("a", "goods", true, mean) for true, mean in lifts])
    assert scores["regret"] >= 0
    assert 0 <= scores["coverage"] <= 1
    for name in ("skill", "sign_accuracy"):
        assert math.isnan(scores[name]) or scores[name] <= 1
    assert math.isnan(scores["spearman"]) or -1.0000001 <= scores["spearman"] <= 1.0000001


@given(LIFTS, st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_the_order_of_edits(lifts, random):
    judged = [judge("a", "goods", true, mean) for true, mean in lifts]
    shuffled = judged[:]
    random.shuffle(shuffled)
    first, again = score_predictions(judged), score_predictions(shuffled)
    for name in ("skill", "spearman", "coverage", "mean_absolute_error", "slope", "sign_accuracy"):
        assert first[name] == pytest.approx(again[name], nan_ok=True, rel=1e-6, abs=1e-9)
