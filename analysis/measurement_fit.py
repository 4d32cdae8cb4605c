"""What a tracking system does to positions, read from the fixes that it left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import schema as c
from analysis.arrays import BoolArray, FloatArray, IntArray
from analysis.cleaning import compute_session_spans, split_fixes
from analysis.io import Observations
from analysis.measurement import MeasurementConfig
from analysis.stops import StopConfig, compute_speeds
from layouts import Store

_MIN_GAP_S = 4.0  # shorter pauses between fixes are the system's rhythm
_MIN_STANDING_S = 12  # stretches of standing from which the noise is learned
_OUTLIER_M = 2.0  # a fix this far from its neighbours' median is an outlier
_LAGS = (1, 2, 3, 4, 6)
_MIN_PAIRS = 200
_MEDIAN_OF_NORMAL = 0.6745  # median of the absolute value of a standard normal
_MAX_SHARE = 0.4


@dataclass(frozen=True)
class _Grid:
    """Clean positions as arrays; sessions are numbered as the fixes are."""

    session: IntArray
    t_s: IntArray
    xy: FloatArray


def estimate_measurement(
    observations: Observations, positions: pd.DataFrame, store: Store
) -> MeasurementConfig:
    """Estimate how a tracking system distorts what happens, from what it handed over.

    Noise and its correlation come from stretches where people stood (so small steps made while standing
    count as noise), rhythm and gaps from the times of the fixes, outliers from fixes far from their
    neighbours, lost ends from sessions that begin or end away from the doors. Attributes that are not
    recorded are not estimated (`unknown_share` is 0): a model that was learned from them draws them as well.

    Parameters
    ----------
    observations
        Raw fixes and receipts.
    positions
        What `clean_tracks` made of the fixes.
    store
        Gives doors and tills.

    Returns
    -------
    config
        For `observe`; where too little was seen of something, its default.
    """
    session, t, xy = split_fixes(observations.tracks)
    default = MeasurementConfig()
    is_next = np.diff(session) == 0
    step = np.diff(t)[is_next]
    if not len(step):
        return default
    rhythm_s = float(np.median(step))
    is_gap = step > max(_MIN_GAP_S, 3.0 * rhythm_s)
    interval_s = _fit_uniform(step[~is_gap])
    names = pd.Index(observations.tracks[c.SESSION_ID].drop_duplicates().astype(str))
    grid = _Grid(
        names.get_indexer(pd.Index(positions[c.SESSION_ID].astype(str))).astype("int64"),
        positions[c.T_S].to_numpy(dtype="int64"),
        positions[[c.X, c.Y]].to_numpy(dtype="float64"),
    )
    deviation_m = np.hypot(*(xy - _interpolate(session, t, grid)).T)
    outlier_share, outlier_sd_m = _estimate_outliers(deviation_m, default)
    is_near = deviation_m <= _OUTLIER_M
    stretch = _find_standing(session[is_near], t[is_near], grid)
    noise_sd_m, correlation = _estimate_noise(stretch, xy[is_near], default)
    spans = compute_session_spans(observations.tracks, positions, store)
    receipts = observations.receipts.drop_duplicates(c.BASKET_ID)
    return MeasurementConfig(
        noise_sd_m=noise_sd_m,
        noise_correlation=correlation,
        min_interval_s=interval_s[0],
        max_interval_s=interval_s[1],
        outlier_share=outlier_share,
        outlier_sd_m=outlier_sd_m,
        truncated_share=float((~spans[c.IS_COMPLETE]).mean()),
        unlinked_share=float((receipts[c.SESSION_ID] == "").mean()) if len(receipts) else 0.0,
        unknown_share=0.0,
        **_estimate_gaps(step, is_gap, rhythm_s),
    )


def _fit_uniform(values: FloatArray) -> tuple[float, float]:
    """Ends of the uniform distribution with the same 5 % and 95 % quantiles; never below 0.1 s."""
    low, high = np.quantile(values, [0.05, 0.95])
    beyond = (high - low) / 18.0
    return max(round(float(low - beyond), 3), 0.1), max(round(float(high + beyond), 3), 0.1)


def _estimate_gaps(step: FloatArray, is_gap: BoolArray, rhythm_s: float) -> dict[str, float]:
    """How often tracks are lost and for how long; a gap is one step between fixes longer than its length."""
    if is_gap.sum() < 20:
        return {"gaps_per_hour": float(is_gap.sum() / step.sum() * 3600.0)}
    shortest, longest = _fit_uniform(step[is_gap] - rhythm_s)
    return {
        "gaps_per_hour": float(is_gap.sum() / step.sum() * 3600.0),
        "min_gap_s": shortest,
        "max_gap_s": max(longest, shortest),
    }


def _interpolate(session: IntArray, t: FloatArray, grid: _Grid) -> FloatArray:
    """Clean position at the time of each fix [m], shape (n, 2)."""
    scale = float(max(t.max(), grid.t_s.max()) + 10.0)  # one time line, session after session
    line, known = session * scale + t, grid.session * scale + grid.t_s
    return np.column_stack([np.interp(line, known, grid.xy[:, axis]) for axis in (0, 1)])


def _estimate_outliers(deviation_m: FloatArray, default: MeasurementConfig) -> tuple[float, float]:
    """Share of gross outliers and their standard deviation on each axis [m] (a Rayleigh tail beyond 2 m)."""
    far = deviation_m[deviation_m > _OUTLIER_M]
    if len(far) < 20:
        return len(far) / max(len(deviation_m), 1), default.outlier_sd_m
    variance = max(float(np.mean(far**2)) - _OUTLIER_M**2, 0.1) / 2.0
    seen = float(np.exp(-(_OUTLIER_M**2) / (2.0 * variance)))
    return min(len(far) / len(deviation_m) / seen, _MAX_SHARE), float(np.sqrt(variance))


def _estimate_noise(stretch: IntArray, xy: FloatArray, default: MeasurementConfig) -> tuple[float, float]:
    """Standard deviation on each axis [m] and correlation from fix to fix, in stretches of standing.

    Of first-order autoregressive errors, fixes that are k apart differ by a variance of 2 s^2 (1 - r^k); s
    and r are the ones that fit best. Medians instead of means: a step aside now and then does not count.
    """
    variances = []
    for lag in _LAGS:
        is_pair = (stretch[lag:] >= 0) & (stretch[lag:] == stretch[:-lag])
        difference = np.abs(xy[lag:] - xy[:-lag])[is_pair]
        if len(difference) < _MIN_PAIRS:
            return default.noise_sd_m, default.noise_correlation
        variances.append((float(np.median(difference)) / _MEDIAN_OF_NORMAL) ** 2 / 2.0)
    seen = np.maximum(variances, 1e-6)
    correlation = np.arange(0.0, 0.96, 0.01)
    shape = (1.0 - correlation[:, None] ** np.array(_LAGS)) / seen  # (n_correlations, n_lags)
    sd2 = shape.sum(axis=1) / (shape**2).sum(axis=1)
    best = int(((sd2[:, None] * shape - 1.0) ** 2).sum(axis=1).argmin())
    return float(np.sqrt(sd2[best])), float(correlation[best])


def _find_standing(session: IntArray, t: FloatArray, grid: _Grid) -> IntArray:
    """Number of the standing stretch that each fix lies in, -1 for none; the 3 s at its ends are left out."""
    slow = np.flatnonzero(compute_speeds(grid.session, grid.t_s, grid.xy) < StopConfig().max_speed_mps)
    breaks = (np.diff(grid.session[slow]) != 0) | (np.diff(grid.t_s[slow]) != 1)
    first, last = slow[np.r_[True, breaks][: len(slow)]], slow[np.r_[breaks, True][: len(slow)]]
    is_long = grid.t_s[last] - grid.t_s[first] >= _MIN_STANDING_S
    first, last = first[is_long], last[is_long]
    if not len(first):
        return np.full(len(t), -1, dtype="int64")
    scale = float(max(t.max(), grid.t_s.max()) + 10.0)
    begin = grid.session[first] * scale + grid.t_s[first] + 3.0
    end = grid.session[last] * scale + grid.t_s[last] - 3.0
    line = session * scale + t
    stretch = np.searchsorted(begin, line, side="right") - 1
    return np.where((stretch >= 0) & (line <= end[np.maximum(stretch, 0)]), stretch, -1)
