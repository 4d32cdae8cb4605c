"""Raw fixes to clean positions: one a second, without jumps, noise or positions inside fixtures.

A tracking system hands over positions that are noisy (a few decimetres, correlated from fix to fix),
irregular in time, with gaps and gross outliers. What comes out is what every other function of this floor
expects: a 1 Hz grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely

from analysis import schema as c
from analysis.arrays import BoolArray, FloatArray, IntArray
from layouts import ConfigError, ObservationError, Store


@dataclass(frozen=True, kw_only=True)
class CleaningConfig:
    """How raw fixes become positions.

    Attributes
    ----------
    max_deviation_m
        A fix farther than this from the median of its neighbours in time is a jump.
    max_speed_mps
        A fix that needs more than this speed both to reach and to leave is a jump as well.
    smoothing_s
        Standard deviation of the Gaussian window that takes out the noise.
    max_gap_s
        Longer gaps stay empty, unless the person is found where they were lost ...
    max_still_gap_s, max_still_m
        ... within this time and distance: then they stood there.
    door_radius_m
        A session is complete if it starts this near an entrance and ends this near a checkout or an exit.
    """

    max_deviation_m: float = 2.0
    max_speed_mps: float = 4.0
    smoothing_s: float = 1.5
    max_gap_s: float = 6.0
    max_still_gap_s: float = 60.0
    max_still_m: float = 1.2
    door_radius_m: float = 6.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ConfigError(f"{name} must be positive, got {value}")


def clean_tracks(tracks: pd.DataFrame, store: Store, config: CleaningConfig | None = None) -> pd.DataFrame:
    """Turn raw fixes into one position a second.

    Jumps are removed, short gaps filled along the straight line, long gaps left out (no rows), noise
    smoothed, and positions inside fixtures or off the floor moved to the nearest walkable cell.

    Parameters
    ----------
    tracks
        `session_id, t, x, y`, sorted by session and time (as `load_observations` gives them).
    store
        Says where people can stand.
    config
        Thresholds; the defaults suit systems of a few decimetres and 0.5 to 2 Hz.

    Returns
    -------
    positions
        `session_id` (category), `t_s` whole seconds since the session's first fix, `x, y` [m].

    Raises
    ------
    ObservationError
        If not one position is left.
    """
    config = config or CleaningConfig()
    session, t, xy = split_fixes(tracks)
    keep = _find_plausible(session, t, xy, config)
    if not keep.any():
        raise ObservationError("tracking holds no usable position; it needs at least one fix with x and y")
    session, t, xy = session[keep], t[keep], xy[keep]
    grid_session, grid_t, grid_xy = _resample(session, t, xy, config)
    grid_xy = _smooth(grid_session, grid_t, grid_xy, sigma_s=config.smoothing_s)
    grid_xy = move_to_walkable(grid_xy, store)
    names = tracks[c.SESSION_ID].astype("category").cat.categories
    code = _codes_by_name(tracks)[grid_session]
    return pd.DataFrame(
        {
            c.SESSION_ID: pd.Categorical.from_codes(code, categories=names),
            c.T_S: grid_t,
            c.X: grid_xy[:, 0],
            c.Y: grid_xy[:, 1],
        }
    )


def compute_session_spans(
    tracks: pd.DataFrame, positions: pd.DataFrame, store: Store, config: CleaningConfig | None = None
) -> pd.DataFrame:
    """Say when each session began, how long it lasted and whether both its ends were seen.

    Parameters
    ----------
    tracks, positions
        Raw fixes, and what `clean_tracks` made of them.
    store
        Gives entrances, checkouts and exits.

    Returns
    -------
    spans
        `session_id` (in order of appearance), `entry_ts` (UTC), `duration_s`, `is_complete`. Sessions of
        which no position is left are not counted.
    """
    config = config or CleaningConfig()
    by_session = positions.groupby(c.SESSION_ID, observed=True, sort=False)
    first, last = by_session[[c.X, c.Y]].first(), by_session[[c.X, c.Y]].last()
    entry = tracks.groupby(c.SESSION_ID, observed=True, sort=False)[c.T].min().reindex(first.index)
    doors = np.array([door.xy for door in store.entrances])
    ways_out = np.array([door.xy for door in store.exits] + [till.xy for till in store.checkouts])
    starts = _distance_to_nearest(first.to_numpy(), doors) <= config.door_radius_m
    ends = _distance_to_nearest(last.to_numpy(), ways_out) <= config.door_radius_m
    return pd.DataFrame(
        {
            c.SESSION_ID: first.index.astype(str),
            c.ENTRY_TS: entry.to_numpy(),
            c.DURATION_S: by_session[c.T_S].last().to_numpy(dtype="float64"),
            c.IS_COMPLETE: starts & ends,
        }
    ).assign(**{c.ENTRY_TS: pd.DatetimeIndex(entry)})


def move_to_walkable(xy: FloatArray, store: Store) -> FloatArray:
    """Move positions that lie in a fixture or off the floor to the nearest walkable cell's centre.

    Parameters
    ----------
    xy
        Positions [m], shape (n, 2).

    Returns
    -------
    moved
        A copy, shape (n, 2); positions where people can stand are unchanged.
    """
    moved = xy.copy()
    is_off = ~shapely.contains_xy(store.walkable, xy[:, 0], xy[:, 1])
    if is_off.any():
        moved[is_off] = store.grid.xy[store.grid.nearest(xy[is_off])]
    return moved


def split_fixes(tracks: pd.DataFrame) -> tuple[IntArray, FloatArray, FloatArray]:
    """Turn fixes into arrays; those without a position or out of time order are left out.

    Parameters
    ----------
    tracks
        `session_id, t, x, y`, sorted by session and time.

    Returns
    -------
    session, t_s, xy
        Session number (0.. in order of appearance), seconds since the session's first fix and position [m];
        shapes (n,), (n,), (n, 2).
    """
    session = pd.factorize(tracks[c.SESSION_ID])[0].astype("int64")
    t = tracks[c.T].dt.as_unit("ms").astype("int64").to_numpy() / 1000.0
    starts = np.flatnonzero(np.r_[True, session[1:] != session[:-1]])
    t = t - t[starts][session]
    xy = tracks[[c.X, c.Y]].to_numpy(dtype="float64")
    good = np.isfinite(xy).all(axis=1) & np.r_[True, (np.diff(t) > 0) | (np.diff(session) != 0)]
    return session[good], t[good], xy[good]


def _codes_by_name(tracks: pd.DataFrame) -> IntArray:
    """Category code of each session number."""
    category = tracks[c.SESSION_ID].astype("category")
    return np.asarray(category.cat.codes[~category.duplicated().to_numpy()], dtype="int64")


def _find_plausible(session: IntArray, t: FloatArray, xy: FloatArray, config: CleaningConfig) -> BoolArray:
    """Mark the fixes that are no jumps: near the median of their neighbours and reachable at human speed."""
    n = len(session)
    if not n:
        return np.zeros(0, dtype=bool)
    index = np.arange(n)
    neighbours = np.full((6, n, 2), np.nan)
    speed = np.zeros((2, n))
    for row, step in enumerate((-3, -2, -1, 1, 2, 3)):
        other = np.clip(index + step, 0, n - 1)
        near = (session[other] == session) & (other == index + step) & (np.abs(t[other] - t) <= 6.0)
        neighbours[row, near] = xy[other[near]]
        if abs(step) == 1:
            gap = np.maximum(np.abs(t[other] - t), 0.5)
            speed[int(step > 0)] = np.where(near, np.hypot(*(xy[other] - xy).T) / gap, np.inf)
    median = _median_of_rows(neighbours)
    deviation = np.hypot(*(xy - median).T)
    is_jump = deviation > config.max_deviation_m
    is_jump |= (speed > config.max_speed_mps).all(axis=0) & (deviation > 0.5 * config.max_deviation_m)
    return ~is_jump  # no neighbours: NaN deviation, kept


def _median_of_rows(values: FloatArray) -> FloatArray:
    """Median over axis 0 of up to six values, NaN left out (much quicker than `nanmedian`)."""
    ordered = np.sort(values, axis=0)  # NaN goes last
    count = np.isfinite(values).sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.maximum(count // 2, 0)[None] % len(values), axis=0)[0]
    return (low + high) / 2.0


def _resample(
    session: IntArray, t: FloatArray, xy: FloatArray, config: CleaningConfig
) -> tuple[IntArray, IntArray, FloatArray]:
    """Interpolate to whole seconds, all sessions at once on one time line; drop what lies in long gaps."""
    starts = np.flatnonzero(np.r_[True, session[1:] != session[:-1]])
    ends = np.r_[starts[1:], len(session)] - 1
    first = np.ceil(t[starts]).astype("int64")
    count = np.maximum(np.floor(t[ends]).astype("int64") - first + 1, 0)
    grid_row = np.repeat(np.arange(len(starts)), count)
    grid_t = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    origin = np.r_[0.0, np.cumsum(t[ends] + 1.0)][:-1]  # where each session begins on the line
    line = t + np.repeat(origin, ends - starts + 1)
    grid_line = grid_t + origin[grid_row]
    grid_xy = np.column_stack([np.interp(grid_line, line, xy[:, k]) for k in (0, 1)])
    after = np.clip(np.searchsorted(line, grid_line), 1, len(line) - 1)
    gap = np.where(line[after] > grid_line, line[after] - line[after - 1], 0.0)
    moved = np.hypot(*(xy[after] - xy[after - 1]).T)
    is_still = (gap <= config.max_still_gap_s) & (moved <= config.max_still_m)
    keep = (gap <= config.max_gap_s) | is_still
    return session[starts][grid_row[keep]], grid_t[keep], grid_xy[keep]


def _smooth(session: IntArray, t: IntArray, xy: FloatArray, *, sigma_s: float) -> FloatArray:
    """Gaussian mean over the seconds around each, within the session and not across gaps."""
    n = len(session)
    piece = np.cumsum(np.r_[True, (np.diff(session) != 0) | (np.diff(t) != 1)])
    total, weight = xy.copy(), np.ones(n)
    for step in range(1, int(np.ceil(2.5 * sigma_s)) + 1):
        w = float(np.exp(-0.5 * (step / sigma_s) ** 2))
        same = (piece[step:] == piece[:-step]) * w
        total[step:] += xy[:-step] * same[:, None]
        total[:-step] += xy[step:] * same[:, None]
        weight[step:] += same
        weight[:-step] += same
    return total / weight[:, None]


def _distance_to_nearest(xy: FloatArray, places: FloatArray) -> FloatArray:
    return np.asarray(np.hypot(*(xy[:, None] - places[None]).transpose(2, 0, 1)).min(axis=1))
