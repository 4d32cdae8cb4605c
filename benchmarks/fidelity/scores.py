"""How close predicted lifts come to the true ones; pure functions of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

DEAD_BAND = 0.005  # a true lift below this share of the control, or below two standard errors, has no sign


def compute_skill(predicted: Sequence[float] | np.ndarray, true: Sequence[float] | np.ndarray) -> float:
    """Skill of predicted lifts: 1 - SSE / SST, where SST is the squared error of "no change".

    Parameters
    ----------
    predicted, true
        Lifts of the same edits, in the same unit.

    Returns
    -------
    skill
        1 for a perfect prediction, 0 for "no change", negative for worse than that; NaN if nothing changed.
    """
    d, d_hat = np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)
    total = float(np.sum(d**2))
    return 1.0 - float(np.sum((d_hat - d) ** 2)) / total if total > 0 else float("nan")


def compute_expected_skill_limit(
    true: Sequence[float] | np.ndarray, se: Sequence[float] | np.ndarray
) -> float:
    """Skill that the exact lifts would be given, as the truth itself is an estimate with standard errors."""
    total = float(np.sum(np.asarray(true, dtype=float) ** 2))
    return 1.0 - float(np.sum(np.asarray(se, dtype=float) ** 2)) / total if total > 0 else float("nan")


def has_sign(true: float, se: float, *, dead_band: float = DEAD_BAND) -> bool:
    """Tell whether a true relative lift is far enough from zero for its sign to count."""
    return abs(true) > max(dead_band, 2 * se)


def judge_sign(predicted: float, true: float, se: float) -> str:
    """Say `right` or `wrong`, or `too small` where the sign of the truth does not count."""
    if not has_sign(true, se):
        return "too small"
    return "right" if predicted * true > 0 else "wrong"


def compute_level(per_basket: Sequence[float] | np.ndarray, n_shoppers: int) -> tuple[float, float]:
    """Mean per shopper and its standard error, where shoppers without a basket count as zero.

    Parameters
    ----------
    per_basket
        E.g. the profit of each receipt; at most `n_shoppers` of them.
    n_shoppers
        Everybody who entered.
    """
    values = np.asarray(per_basket, dtype=float)
    mean = float(values.sum()) / n_shoppers
    variance = float(np.sum(values**2)) / n_shoppers - mean**2
    return mean, float(np.sqrt(max(variance, 0.0) / n_shoppers))


@dataclass(frozen=True)
class Judged:
    """One prediction beside its truth; all lifts are relative, 0.01 is 1 %.

    Attributes
    ----------
    case, edit, kind
        Store, edit, and kind of the edit; `null` edits change nothing and are scored by themselves.
    true, se
        True lift and its standard error.
    mean, lower, upper
        Predicted lift with its 95 % interval.
    """

    case: str
    edit: str
    kind: str
    true: float
    se: float
    mean: float
    lower: float
    upper: float


NULL = "null"  # kind of the edits that change nothing
SIGN_DEAD_BAND = 0.01  # the sign must be right from here on


def score_predictions(judged: Sequence[Judged]) -> dict[str, float]:
    """Score one predictor over edits of one or several stores.

    Returns
    -------
    scores
        ``n_edits``; ``skill`` against "no change", and ``skill_without_largest`` true lift;
        ``skill_limit`` that the noise of the truth leaves; ``sign_accuracy`` where the true lift is above
        1 %; ``spearman`` and ``regret`` (share of profit) within stores, averaged over them; ``coverage`` of
        the 95 % interval, its mean width relative to the mean absolute error, ``mean_absolute_error``;
        ``slope`` of truth on prediction; ``null_effect``, the largest predicted where nothing changes.
        NaN where the edits cannot tell.
    """
    edits = [item for item in judged if item.kind != NULL]
    true, se, mean, lower, upper = (
        np.array([getattr(item, name) for item in edits], dtype=float)
        for name in ("true", "se", "mean", "lower", "upper")
    )
    if not len(edits):
        return {"n_edits": 0.0}
    small = np.arange(len(edits)) != np.abs(true).argmax()
    error = float(np.abs(mean - true).mean())
    stores = [
        np.array([item.case == name for item in edits]) for name in sorted({item.case for item in edits})
    ]
    nulls = [abs(item.mean) for item in judged if item.kind == NULL]
    return {
        "n_edits": float(len(edits)),
        "skill": compute_skill(mean, true),
        "skill_without_largest": compute_skill(mean[small], true[small]),
        "skill_limit": compute_expected_skill_limit(true, se),
        "sign_accuracy": compute_sign_accuracy(mean, true, se),
        "spearman": _mean([compute_rank_correlation(mean[rows], true[rows]) for rows in stores]),
        "regret": _mean([compute_regret(mean[rows], true[rows]) for rows in stores]),
        "coverage": float(np.mean((lower <= true) & (true <= upper))),
        "width_by_error": float((upper - lower).mean()) / error if error > 0 else float("nan"),
        "mean_absolute_error": error,
        "slope": compute_slope(mean, true),
        "null_effect": max(nulls, default=float("nan")),
    }


def score_by_kind(judged: Sequence[Judged]) -> dict[str, dict[str, float]]:
    """Score a predictor for each kind of edit."""
    kinds = sorted({item.kind for item in judged})
    return {kind: score_predictions([item for item in judged if item.kind == kind]) for kind in kinds}


def take_median_over_stores(judged: Sequence[Judged]) -> dict[str, float]:
    """Score a predictor in each store by itself, and take the median of every figure."""
    names = sorted({item.case for item in judged})
    scores = [score_predictions([item for item in judged if item.case == name]) for name in names]
    figures = sorted({figure for score in scores for figure in score})
    found = {
        figure: [score[figure] for score in scores if np.isfinite(score.get(figure, np.nan))]
        for figure in figures
    }
    return {figure: float(np.median(values)) if values else float("nan") for figure, values in found.items()}


def compute_sign_accuracy(
    predicted: Sequence[float] | np.ndarray,
    true: Sequence[float] | np.ndarray,
    se: Sequence[float] | np.ndarray,
) -> float:
    """Share of right signs where the true lift is above 1 % and two standard errors; NaN if nowhere."""
    counts = [has_sign(t, s, dead_band=SIGN_DEAD_BAND) for t, s in zip(true, se, strict=True)]
    is_right = np.asarray(predicted) * np.asarray(true) > 0
    return float(is_right[counts].mean()) if any(counts) else float("nan")


def compute_rank_correlation(
    predicted: Sequence[float] | np.ndarray, true: Sequence[float] | np.ndarray
) -> float:
    """Spearman's rank correlation; 0 for a prediction that ranks nothing, NaN if the truth does not."""
    if len(true) < 2 or np.ptp(true) == 0:
        return float("nan")
    return float(spearmanr(predicted, true).statistic) if np.ptp(predicted) > 0 else 0.0


def compute_regret(predicted: Sequence[float] | np.ndarray, true: Sequence[float] | np.ndarray) -> float:
    """Lift of the best edit minus that of the edit predicted to be best; "change nothing" is an edit."""
    options, outcomes = np.append(0.0, predicted), np.append(0.0, true)
    return float(outcomes.max() - outcomes[options.argmax()])


def compute_slope(predicted: Sequence[float] | np.ndarray, true: Sequence[float] | np.ndarray) -> float:
    """Slope of a straight line of truth on prediction; NaN if all predictions are alike."""
    if len(true) < 2 or np.ptp(predicted) == 0:
        return float("nan")
    return float(np.polyfit(predicted, true, 1)[0])


def _mean(values: Sequence[float]) -> float:
    """Mean of the finite ones."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
