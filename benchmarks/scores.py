"""How close predicted lifts come to the true ones; pure functions of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DEAD_BAND = 0.005  # a true lift below this share of the control, or below two standard errors, has no sign


def compute_skill(predicted: Sequence[float], true: Sequence[float]) -> float:
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


def compute_expected_skill_limit(true: Sequence[float], se: Sequence[float]) -> float:
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
