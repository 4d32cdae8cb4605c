"""Where people stood: slow stretches of a cleaned track, each second given to the zone that explains it best.

Two neighbouring zones (above all the two faces of a narrow aisle) cannot be told apart from one noisy
position. So the seconds of a slow stretch are decided together: a hidden Markov model whose states are the
zones nearby and "nowhere", whose observations are the signed distances to the zone polygons, and in which a
zone that the session's receipt speaks for is easier to enter (Viterbi; Rabiner 1989, Proc. IEEE 77, section
III.B).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from scipy.special import log_ndtr

from analysis.arrays import BoolArray, Float32Array, FloatArray, IntArray
from layouts import ConfigError, Store, ZoneType

_REACH_M = 1.6  # signed distances are known up to here; farther counts as this far
_CELL_M = 0.1
_CHUNK = 200_000


@dataclass(frozen=True, kw_only=True)
class StopConfig:
    """When a person stands, and how sure a position is.

    Attributes
    ----------
    max_speed_mps
        Standing is slower than this, measured over four seconds.
    max_pause_s
        Faster moments this short don't end a stretch.
    min_run_s
        Shorter stretches are walking.
    position_sd_m
        How far a cleaned position may be off.
    information_per_s
        Share of a second's evidence that is new: errors of a tracking system are correlated in time, 0.25
        means a correlation of 0.6 from second to second.
    switch_cost
        Log odds against changing zone within a stretch, each second.
    purchase_bonus
        Log odds in favour of a zone where something on the session's receipt stands.
    nowhere_m
        Standing farther than this outside every zone is a stop nowhere.
    n_candidates
        Zones considered for a stretch.
    """

    max_speed_mps: float = 0.32
    max_pause_s: int = 1
    min_run_s: int = 2
    position_sd_m: float = 0.3
    information_per_s: float = 0.25
    switch_cost: float = 4.0
    purchase_bonus: float = 2.5
    nowhere_m: float = 0.45
    n_candidates: int = 6

    def __post_init__(self) -> None:
        if not (self.max_speed_mps > 0 and self.position_sd_m > 0 and self.min_run_s >= 1):
            raise ConfigError("max_speed_mps and position_sd_m must be positive, min_run_s at least 1")
        if self.n_candidates < 1:
            raise ConfigError(f"n_candidates must be at least 1, got {self.n_candidates}")


@dataclass(frozen=True)
class Stops:
    """Stops in order of session and time; one row per stretch of seconds in one zone.

    Attributes
    ----------
    session, zone
        Session number and zone index, shape (n_stops,); zone -1 is standing outside every zone.
    t_s, dwell_s
        Begin [s since the session's first fix] and length, shape (n_stops,).
    xy
        Mean position [m], shape (n_stops, 2).
    """

    session: IntArray
    zone: IntArray
    t_s: IntArray
    dwell_s: IntArray
    xy: FloatArray


def compute_speeds(session: IntArray, t_s: IntArray, xy: FloatArray) -> FloatArray:
    """Speed [m/s] at each second, over the two seconds before and after (fewer at gaps and ends)."""
    n = len(session)
    index = np.arange(n)
    ends = []
    for sign in (-1, 1):
        end = index.copy()
        for step in (1, 2):
            other = np.clip(index + sign * step, 0, n - 1)
            near = (session[other] == session) & (np.abs(t_s[other] - t_s) == step)
            end = np.where(near, other, end)
        ends.append(end)
    span = np.maximum(t_s[ends[1]] - t_s[ends[0]], 1)
    return np.asarray(np.hypot(*(xy[ends[1]] - xy[ends[0]]).T) / span)


def detect_stops(
    session: IntArray,
    t_s: IntArray,
    xy: FloatArray,
    store: Store,
    *,
    bought: BoolArray | None = None,
    config: StopConfig | None = None,
) -> Stops:
    """Find the stops of all sessions at once.

    Parameters
    ----------
    session, t_s, xy
        Session number, whole second and position [m] of each row, sorted; shapes (n,), (n,), (n, 2).
    store
        Gives the zones. Entrance zones are nowhere.
    bought
        Whether the receipt of a session names a SKU that stands in a zone, shape (n_sessions, n_zones); None
        if receipts are to have no say.
    config
        Thresholds.

    Returns
    -------
    stops
        Stops nowhere are in it (zone -1); nothing has been merged or left out for being short.
    """
    config = config or StopConfig()
    rows, run = _find_slow_runs(session, t_s, compute_speeds(session, t_s, xy), config)
    if not len(rows):
        empty = np.zeros(0, dtype="int64")
        return Stops(empty, empty, empty, empty, np.zeros((0, 2)))
    evidence = ZoneEvidence(store, config)
    starts = np.flatnonzero(np.r_[True, run[1:] != run[:-1]])
    zones, log_likelihood = _find_candidates(
        evidence, xy[rows], starts, session[rows[starts]], bought, config
    )
    bonus = np.zeros(zones.shape, dtype="float32")
    if bought is not None:
        of_run = session[rows[starts]][:, None]
        bonus[:] = np.where(zones >= 0, bought[of_run, zones] * config.purchase_bonus, 0.0)
    state = decode_zones(log_likelihood, starts, bonus, switch_cost=config.switch_cost)
    zone = zones[run, state]
    return _collect(session[rows], t_s[rows], xy[rows], run, zone)


class ZoneEvidence:
    """Log-probability that a person measured at a place stands in a zone, from a table of signed distances.

    Parameters
    ----------
    store
        Gives the zones.
    config
        Gives the error of a position.
    """

    def __init__(self, store: Store, config: StopConfig) -> None:
        x0, y0, x1, y1 = store.floor.bounds
        self._origin = np.array([x0, y0])
        n_x, n_y = (int(np.ceil((high - low) / _CELL_M)) + 1 for low, high in ((x0, x1), (y0, y1)))
        self._shape = (n_y, n_x)
        self.distance_m = np.full((len(store.zones), n_y, n_x), -_REACH_M, dtype="float32")
        for index, zone in enumerate(store.zones):
            if zone.zone_type != ZoneType.ENTRANCE:
                self._measure(self.distance_m[index], zone.polygon)
        scaled = self.distance_m / config.position_sd_m
        self._table = log_ndtr(scaled).reshape(len(store.zones), -1).T.astype("float32").copy()
        self.nowhere = float(log_ndtr(-config.nowhere_m / config.position_sd_m))

    def log_likelihood(self, xy: FloatArray) -> Float32Array:
        """Shape (n, n_zones)."""
        return np.asarray(self._table[self._cell(xy)])

    def _measure(self, table: Float32Array, polygon: shapely.Polygon) -> None:
        """Fill in metres to the zone's border, positive inside, for the places around it."""
        low = np.floor((np.array(polygon.bounds[:2]) - _REACH_M - self._origin) / _CELL_M).astype(int)
        high = np.ceil((np.array(polygon.bounds[2:]) + _REACH_M - self._origin) / _CELL_M).astype(int) + 1
        x = np.arange(max(low[0], 0), min(high[0], self._shape[1]))
        y = np.arange(max(low[1], 0), min(high[1], self._shape[0]))
        points = shapely.points(*np.meshgrid(x * _CELL_M + self._origin[0], y * _CELL_M + self._origin[1]))
        outside = shapely.distance(points, polygon)
        inside = shapely.distance(points, polygon.boundary)
        signed = np.where(outside > 0, -np.minimum(outside, _REACH_M), inside)
        table[y[0] : y[-1] + 1, x[0] : x[-1] + 1] = signed

    def _cell(self, xy: FloatArray) -> IntArray:
        column, row = np.rint((xy - self._origin) / _CELL_M).astype("int64").T
        return np.clip(row, 0, self._shape[0] - 1) * self._shape[1] + np.clip(column, 0, self._shape[1] - 1)


def decode_zones(
    log_likelihood: Float32Array, starts: IntArray, bonus: Float32Array, *, switch_cost: float
) -> IntArray:
    """Most likely state of each second of many runs at once (Viterbi with one cost for every change).

    Parameters
    ----------
    log_likelihood
        Of each second and state, shape (n_seconds, n_states); the runs one after another.
    starts
        First row of each run, shape (n_runs,).
    bonus
        Log odds in favour of entering a state, shape (n_runs, n_states).
    switch_cost
        Log odds against a change.

    Returns
    -------
    state
        Shape (n_seconds,).
    """
    n_seconds, n_states = log_likelihood.shape
    length = np.diff(np.r_[starts, n_seconds])
    order = np.argsort(-length, kind="stable")
    first, length = starts[order], length[order]
    n_active = np.searchsorted(-length, -np.arange(length[0]), side="left")  # runs longer than k
    came_from = np.zeros((n_seconds, n_states), dtype="int8")
    score = bonus[order] + log_likelihood[first]
    for k in range(1, length[0]):
        m = n_active[k]
        best = score[:m].argmax(axis=1)
        enter = score[np.arange(m), best][:, None] - switch_cost + bonus[order[:m]]
        stays = score[:m] >= enter
        came_from[first[:m] + k] = np.where(stays, np.arange(n_states), best[:, None])
        score[:m] = np.where(stays, score[:m], enter) + log_likelihood[first[:m] + k]
    state = np.zeros(n_seconds, dtype="int64")
    current = score.argmax(axis=1)
    for k in range(length[0] - 1, -1, -1):
        m = n_active[k]
        state[first[:m] + k] = current[:m]
        current[:m] = came_from[first[:m] + k, current[:m]]
    return state


def _find_slow_runs(
    session: IntArray, t_s: IntArray, speed: FloatArray, config: StopConfig
) -> tuple[IntArray, IntArray]:
    """Rows that belong to slow stretches, and the number of the stretch of each."""
    is_slow = speed < config.max_speed_mps
    slow_rows = np.flatnonzero(is_slow)
    if not len(slow_rows):
        return slow_rows, slow_rows
    pause = np.diff(t_s[slow_rows]) - 1
    same = (np.diff(session[slow_rows]) == 0) & (pause <= config.max_pause_s)
    first = slow_rows[np.r_[True, ~same]]
    last = slow_rows[np.r_[~same, True]]
    is_long = t_s[last] - t_s[first] + 1 >= config.min_run_s
    first, last = first[is_long], last[is_long]
    length = last - first + 1
    number = np.repeat(np.arange(len(first)), length)
    rows = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length) + np.repeat(first, length)
    return rows, number


def _find_candidates(
    evidence: ZoneEvidence,
    xy: FloatArray,
    starts: IntArray,
    run_session: IntArray,
    bought: BoolArray | None,
    config: StopConfig,
) -> tuple[IntArray, Float32Array]:
    """The likeliest zones of each run with "nowhere" (-1) last, and the evidence of each second for them."""
    bounds = np.r_[starts, len(xy)]
    n_runs, n_zones = len(starts), evidence.distance_m.shape[0]
    n_kept = min(config.n_candidates, n_zones)
    zones = np.full((n_runs, n_kept + 1), -1, dtype="int64")
    kept = np.empty((len(xy), n_kept + 1), dtype="float32")
    kept[:, -1] = evidence.nowhere
    begin = 0
    while begin < n_runs:
        end = max(int(np.searchsorted(bounds, bounds[begin] + _CHUNK)) - 1, begin + 1)
        rows = slice(bounds[begin], bounds[end])
        value = evidence.log_likelihood(xy[rows])
        weight = np.add.reduceat(np.exp(value), starts[begin:end] - bounds[begin], axis=0)
        if bought is not None:
            weight *= np.where(bought[run_session[begin:end]], np.exp(config.purchase_bonus), 1.0)
        zones[begin:end, :-1] = np.argsort(-weight, axis=1, kind="stable")[:, :n_kept]
        of_row = np.repeat(np.arange(begin, end), np.diff(bounds[begin : end + 1]))
        kept[rows, :-1] = np.take_along_axis(value, zones[of_row, :-1], axis=1)
        begin = end
    return zones, kept * np.float32(config.information_per_s)


def _collect(session: IntArray, t_s: IntArray, xy: FloatArray, run: IntArray, zone: IntArray) -> Stops:
    """One stop per stretch of seconds of one run in one zone."""
    is_first = np.r_[True, (np.diff(run) != 0) | (np.diff(zone) != 0)]
    first = np.flatnonzero(is_first)
    last = np.r_[first[1:], len(run)] - 1
    count = last - first + 1
    mean = np.column_stack([np.add.reduceat(xy[:, k], first) / count for k in (0, 1)])
    return Stops(session[first], zone[first], t_s[first], t_s[last] - t_s[first] + 1, mean)
