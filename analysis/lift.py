"""Lift: how much a variant differs from the control, paired by replication."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.arrays import FloatArray
from layouts import ConfigError


@dataclass(frozen=True)
class Lift:
    """Variant minus control.

    Attributes
    ----------
    mean
        Mean difference, in the unit of the KPI.
    ci95
        95 % interval of the mean from the paired t distribution; NaN with a single pair that differs.
    relative
        `mean` divided by the mean of the control; NaN if that is 0.
    p_value
        Two-sided, paired t-test.
    n
        Number of pairs.
    """

    mean: float
    ci95: tuple[float, float]
    relative: float
    p_value: float
    n: int


def compute_lift(control: FloatArray, variant: FloatArray) -> Lift:
    """Compare two layouts by paired replications.

    The interval covers the luck of the replications, not what the model does not know.

    Parameters
    ----------
    control, variant
        One KPI of each replication, shape (n_replications,); equal positions are pairs.

    Returns
    -------
    lift
        Exactly 0, with interval [0, 0] and p-value 1, if no pair differs.
    """
    control, variant = np.asarray(control, dtype="float64"), np.asarray(variant, dtype="float64")
    if control.shape != variant.shape or control.ndim != 1 or not control.size:
        raise ConfigError(f"a lift needs equally many replications, got {control.shape} and {variant.shape}")
    difference = variant - control
    n, mean, base = len(difference), float(difference.mean()), float(control.mean())
    if not difference.any():
        return Lift(mean=0.0, ci95=(0.0, 0.0), relative=0.0, p_value=1.0, n=n)
    relative = mean / base if base else float("nan")
    if n == 1:
        return Lift(mean, (float("nan"), float("nan")), relative, float("nan"), n)
    error = float(difference.std(ddof=1) / np.sqrt(n))
    half = float(stats.t.ppf(0.975, n - 1)) * error
    p_value = float(2.0 * stats.t.sf(abs(mean) / error, n - 1)) if error > 0 else 0.0
    return Lift(mean, (mean - half, mean + half), relative, p_value, n)
