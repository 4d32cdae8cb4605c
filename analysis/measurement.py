"""The measurement layer: what a tracking system and a till would have handed over of a simulated day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from analysis import schema as c
from analysis.arrays import BoolArray, FloatArray, IntArray
from analysis.io import Observations
from layouts import ConfigError, Store


@dataclass(frozen=True, kw_only=True)
class MeasurementConfig:
    """How a tracking system distorts what happens; the defaults are those of a good indoor system.

    Attributes
    ----------
    noise_sd_m, noise_correlation
        Error of a fix on each axis, and its correlation with the one before (first-order autoregression).
    min_interval_s, max_interval_s
        Time between fixes, uniform.
    gaps_per_hour, min_gap_s, max_gap_s
        How often a track is lost, and for how long, uniform.
    outlier_share, outlier_sd_m
        Share of fixes that are grossly off, and by how much more.
    truncated_share, max_lost_share
        Share of sessions that lose one end, and at most this much of their time with it.
    unlinked_share
        Share of receipts that cannot be linked to a track.
    unknown_share
        Share of customer attributes that were not recorded.
    """

    noise_sd_m: float = 0.3
    noise_correlation: float = 0.6
    min_interval_s: float = 0.5
    max_interval_s: float = 2.0
    gaps_per_hour: float = 10.0
    min_gap_s: float = 4.0
    max_gap_s: float = 30.0
    outlier_share: float = 0.006
    outlier_sd_m: float = 4.0
    truncated_share: float = 0.03
    max_lost_share: float = 0.4
    unlinked_share: float = 0.15
    unknown_share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.min_interval_s <= self.max_interval_s or not 0 < self.min_gap_s <= self.max_gap_s:
            raise ConfigError("intervals and gaps must be positive, the shortest no longer than the longest")
        if not 0 <= self.noise_correlation < 1:
            raise ConfigError(f"noise_correlation must lie in [0, 1), got {self.noise_correlation}")
        for name in ("outlier_share", "truncated_share", "max_lost_share", "unlinked_share", "unknown_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in [0, 1], got {getattr(self, name)}")


def observe(
    tracks: pd.DataFrame,
    receipts: pd.DataFrame,
    sessions: pd.DataFrame,
    store: Store,
    rng: np.random.Generator,
    config: MeasurementConfig | None = None,
) -> Observations:
    """Turn true simulated tables into observed data.

    Parameters
    ----------
    tracks
        True positions `session_id, t, x, y`, one a second, sorted by session and time.
    receipts
        The columns of `pos`.
    sessions
        `session_id` and any columns; those of text are customer attributes and stay, numbers are dropped.
    store
        The layout that was walked; receipts are checked against it.
    rng
        Draws everything that goes wrong.
    config
        How much goes wrong.

    Returns
    -------
    observations
        As `load_observations` would read them.
    """
    config = config or MeasurementConfig()
    unknown = set(receipts[c.SKU_ID]) - set(store.sku_index)
    if unknown:
        raise ConfigError(f"receipts name SKUs that the store does not carry: {sorted(unknown)[:3]}")
    receipts = receipts[list(c.RECEIPT_COLUMNS)].reset_index(drop=True)
    baskets, basket = np.unique(receipts[c.BASKET_ID].to_numpy(dtype="str"), return_inverse=True)
    is_unlinked = (rng.random(len(baskets)) < config.unlinked_share)[basket]
    receipts[c.SESSION_ID] = receipts[c.SESSION_ID].astype("str").where(~is_unlinked, "")
    measured = _measure(tracks, rng, config)
    seen = sessions[sessions[c.SESSION_ID].isin(measured[c.SESSION_ID].cat.categories)]
    return Observations(
        tracks=measured, receipts=receipts, sessions=_blur_attributes(seen, rng, config.unknown_share)
    )


def _measure(tracks: pd.DataFrame, rng: np.random.Generator, config: MeasurementConfig) -> pd.DataFrame:
    session, names = pd.factorize(tracks[c.SESSION_ID].astype("str"))
    ms = tracks[c.T].dt.as_unit("ms").astype("int64").to_numpy()
    first = np.flatnonzero(np.r_[True, np.diff(session) != 0])
    last = np.r_[first[1:], len(session)] - 1
    duration_s = (ms[last] - ms[first]) / 1000.0
    fix_session, fix_t = _draw_times(duration_s, rng, config)
    # all sessions on one time line, a second apart, so that one call interpolates them
    origin = np.r_[0.0, np.cumsum(duration_s + 1.0)][:-1]
    line = (ms - ms[first][session]) / 1000.0 + origin[session]
    true_xy = tracks[[c.X, c.Y]].to_numpy(dtype="float64")
    xy = np.column_stack([np.interp(fix_t + origin[fix_session], line, true_xy[:, k]) for k in (0, 1)])
    xy += _draw_noise(len(xy), rng, config)
    keep = _keep_seen(fix_session, fix_t, duration_s, rng, config)
    stamp = ms[first][fix_session] + np.rint(fix_t * 1000.0).astype("int64")
    return pd.DataFrame(
        {
            c.SESSION_ID: pd.Categorical.from_codes(
                fix_session[keep], categories=pd.Index(names, dtype="str")
            ),
            c.T: pd.to_datetime(stamp[keep], unit="ms", utc=True).as_unit("ms"),
            c.X: xy[keep, 0].round(2),
            c.Y: xy[keep, 1].round(2),
        }
    )


def _draw_times(
    duration_s: FloatArray, rng: np.random.Generator, config: MeasurementConfig
) -> tuple[IntArray, FloatArray]:
    """Session and time since its start of each fix; the first fix is at 0."""
    n_each = np.floor(duration_s / config.min_interval_s).astype("int64") + 1
    session = np.repeat(np.arange(len(duration_s)), n_each)
    step = rng.uniform(config.min_interval_s, config.max_interval_s, len(session))
    total = np.cumsum(step)
    start = total[np.cumsum(n_each) - n_each]
    t = total - start[session]
    keep = t <= duration_s[session]
    return session[keep], t[keep]


def _draw_noise(n: int, rng: np.random.Generator, config: MeasurementConfig) -> FloatArray:
    """Autocorrelated errors and gross outliers [m], shape (n, 2)."""
    rho = config.noise_correlation
    innovation = rng.normal(0.0, config.noise_sd_m * np.sqrt(1.0 - rho**2), (n, 2))
    noise = np.asarray(lfilter([1.0], [1.0, -rho], innovation, axis=0), dtype="float64")
    is_outlier = rng.random(n) < config.outlier_share
    noise[is_outlier] += rng.normal(0.0, config.outlier_sd_m, (int(is_outlier.sum()), 2))
    return noise


def _keep_seen(
    session: IntArray,
    t: FloatArray,
    duration_s: FloatArray,
    rng: np.random.Generator,
    config: MeasurementConfig,
) -> BoolArray:
    """Mark the fixes that lie in no gap and at no lost end; each session keeps at least its longest part."""
    n = len(duration_s)
    lost = np.where(rng.random(n) < config.truncated_share, rng.uniform(0.0, config.max_lost_share, n), 0.0)
    at_start = rng.random(n) < 0.5
    share = t / np.maximum(duration_s[session], 1e-9)
    keep = np.where(at_start[session], share >= lost[session], share <= 1.0 - lost[session])
    n_gaps = rng.poisson(duration_s / 3600.0 * config.gaps_per_hour)
    gap_session = np.repeat(np.arange(n), n_gaps)
    begin = rng.uniform(0.0, 1.0, len(gap_session)) * duration_s[gap_session]
    length = rng.uniform(config.min_gap_s, config.max_gap_s, len(gap_session))
    first_row = np.searchsorted(session, np.arange(n + 1))
    for which, start, stop in zip(gap_session, begin, begin + length, strict=True):
        rows = slice(first_row[which], first_row[which + 1])
        in_gap = (t[rows] > start) & (t[rows] < stop)
        if (keep[rows] & ~in_gap).sum() >= 2:
            keep[rows] &= ~in_gap
    return np.asarray(keep, dtype=bool)


def _blur_attributes(sessions: pd.DataFrame, rng: np.random.Generator, share: float) -> pd.DataFrame:
    blurred = {c.SESSION_ID: sessions[c.SESSION_ID].astype("str").reset_index(drop=True)}
    for name in sessions.columns:
        column = sessions[name].reset_index(drop=True)
        is_text = isinstance(column.dtype, (pd.StringDtype, pd.CategoricalDtype)) or column.dtype == object
        if name != c.SESSION_ID and is_text:
            blurred[name] = column.astype("str").where(rng.random(len(column)) >= share, c.UNKNOWN)
    return pd.DataFrame(blurred)
