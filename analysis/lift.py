"""Lift: how much a variant differs from the control, paired by replication."""

from __future__ import annotations

import math
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
        95 % interval of the mean; NaN with a single pair that differs.
    relative
        `mean` divided by the mean of the control; NaN if that is 0.
    p_value
        Two-sided, of no difference at all.
    n
        Number of pairs.
    luck_se
        Standard error that comes from the luck of the simulated shoppers alone.
    hypothesis_sd
        Standard deviation between the hypotheses of the model: what its data leave open.
    """

    mean: float
    ci95: tuple[float, float]
    relative: float
    p_value: float
    n: int
    luck_se: float
    hypothesis_sd: float


def compute_lift(
    control: FloatArray, variant: FloatArray, *, n_hypotheses: int = 1, error_sd: float = 0.0
) -> Lift:
    """Compare two layouts by paired replications.

    The interval covers three things: the luck of the replications; what the model's data leave open, where
    replications were lived under several hypotheses in turn (analysis of variance, one way, random effects);
    and `error_sd`. With no hypotheses and no further error it is the interval of the paired t-test.

    Parameters
    ----------
    control, variant
        One KPI of each replication, shape (n_replications,); equal positions are pairs.
    n_hypotheses
        Replication r was lived under hypothesis r mod `n_hypotheses`.
    error_sd
        Standard deviation of further errors, in the unit of the KPI: what no hypothesis covers.

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
        return Lift(0.0, (0.0, 0.0), 0.0, 1.0, n, 0.0, 0.0)
    relative = mean / base if base else float("nan")
    if n == 1:
        nan = float("nan")
        return Lift(mean, (nan, nan), relative, nan, n, nan, nan)
    n_means = min(n_hypotheses, n)
    luck_se, hypothesis_sd = _split_variance(difference, n_means)
    left_open = hypothesis_sd * math.sqrt(1.0 + 1.0 / n_means)  # of the truth from the mean of as many
    error = math.hypot(luck_se, left_open, error_sd)
    # Welch and Satterthwaite: variances that are hardly known widen the interval by their share in the whole
    unsure = luck_se**4 / max(n - n_means, 1 if n_means > 1 else n - 1) + left_open**4 / max(n_means - 1, 1)
    freedom = error**4 / unsure if unsure > 0 else math.inf
    half = float(stats.t.ppf(0.975, freedom)) * error
    p_value = float(2.0 * stats.t.sf(abs(mean) / error, freedom)) if error > 0 else 0.0
    return Lift(mean, (mean - half, mean + half), relative, p_value, n, luck_se, hypothesis_sd)


def _split_variance(difference: FloatArray, n_groups: int) -> tuple[float, float]:
    """Standard error by luck, standard deviation between groups.

    What cannot be told from luck, as no hypothesis was lived twice, is put down to the hypotheses.
    """
    n = len(difference)
    if n_groups == 1:
        return float(difference.std(ddof=1) / np.sqrt(n)), 0.0
    group = np.arange(n) % n_groups
    size = np.bincount(group)
    means = np.bincount(group, difference) / size
    between = float(means.var(ddof=1))
    if n == n_groups:
        return 0.0, math.sqrt(between)
    within = float(((difference - means[group]) ** 2).sum() / (n - n_groups))
    luck = within * float((1.0 / size).mean())  # of a mean of one group
    return math.sqrt(within / n), math.sqrt(max(between - luck, 0.0))
