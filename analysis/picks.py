"""Which stop each receipt line was taken at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely

from analysis import schema as c
from analysis.arrays import FloatArray, IntArray
from layouts import Store

LINES_AT_STOP = "n_lines_at_a_stop"
LINES_RELABELLED = "n_lines_that_moved_a_stop"
LINES_INSERTED = "n_lines_that_inserted_a_stop"
LINES_FAR = "n_lines_far_from_the_track"
LINES_NOWHERE = "n_lines_of_skus_in_no_zone"


@dataclass(frozen=True)
class TrackRows:
    """Cleaned positions as arrays, sorted by session and time.

    Attributes
    ----------
    first
        First row of each session and the number of rows at the end, shape (n_sessions + 1,).
    t_s, xy, speed_mps
        Whole second, position [m] and speed of each row, shapes (n,), (n, 2), (n,).
    """

    first: IntArray
    t_s: IntArray
    xy: FloatArray
    speed_mps: FloatArray


def assign_picks(
    stops: pd.DataFrame,
    lines: pd.DataFrame,
    rows: TrackRows,
    store: Store,
    *,
    relabel_m: float,
    far_m: float,
    inserted_dwell_s: int,
) -> tuple[pd.DataFrame, IntArray, dict[str, int]]:
    """Give every receipt line the stop where it was most likely taken.

    A line goes to a stop of its session in a zone where its SKU stands. If there are several, stops that no
    other line explains come first, then the longer ones (dwell shared by the lines already there). If there
    is none, a stop without purchase nearby was read as the wrong zone and is corrected; else a stop is
    inserted where the track came closest.

    Parameters
    ----------
    stops
        `session` (number), `zone` (index), `t_s`, `dwell_s`, `x`, `y`; any row order.
    lines
        `session` (number), `sku` (index).
    rows
        The cleaned positions of the sessions.
    store
        Says where SKUs stand.
    relabel_m
        A stop without purchase at most this far from a zone may be given to it.
    far_m
        A track that comes no nearer than this counts as far in the report.
    inserted_dwell_s
        Dwell of an inserted stop.

    Returns
    -------
    stops
        The stops, some with another zone, inserted ones at the end.
    stop_of_line
        Row into `stops` of each line, shape (n_lines,); -1 if the SKU stands nowhere.
    report
        How many lines took which way.
    """
    chosen = _choose_stops(stops, lines, store)
    is_placed = np.asarray(store.stands.any(axis=0))
    n_nowhere = int((~is_placed[lines["sku"]]).sum())
    placer = _Placer(stops, chosen, rows, store, inserted_dwell_s)
    report = {LINES_AT_STOP: int((chosen >= 0).sum()), LINES_RELABELLED: 0, LINES_INSERTED: 0, LINES_FAR: 0}
    for line in np.flatnonzero(chosen < 0):
        session, sku = int(lines["session"].iloc[line]), int(lines["sku"].iloc[line])
        homes = np.flatnonzero(store.stands[:, sku])
        if not len(homes) or rows.first[session] == rows.first[session + 1]:
            continue
        stop = placer.find_in(session, homes)
        if stop < 0:
            stop = placer.relabel(session, homes, relabel_m)
            report[LINES_RELABELLED] += stop >= 0
        if stop < 0:
            stop, distance_m = placer.insert(session, homes)
            report[LINES_INSERTED] += 1
            report[LINES_FAR] += distance_m > far_m
        chosen[line] = stop
        placer.n_picks[stop] += 1
    report[LINES_NOWHERE] = n_nowhere
    return placer.to_frame(), chosen, {name: int(count) for name, count in report.items()}


def _choose_stops(stops: pd.DataFrame, lines: pd.DataFrame, store: Store) -> IntArray:
    """Stop of each line that has a fitting one, else -1."""
    lines = lines.reset_index(drop=True)
    pairs = lines.assign(line=lines.index).merge(
        stops.assign(stop=np.arange(len(stops)))[["session", "zone", "stop", c.DWELL_S]], on="session"
    )
    pairs = pairs[store.stands[pairs["zone"], pairs["sku"]]]
    n_fitting = pairs.groupby("line")["stop"].transform("size")
    sure = pairs[n_fitting == 1]
    n_sure = np.bincount(sure["stop"], minlength=len(stops))
    pairs = pairs.assign(
        is_explained=n_sure[pairs["stop"]] > 0,
        share=pairs[c.DWELL_S] / (1 + n_sure[pairs["stop"]]),
    ).sort_values(["line", "is_explained", "share", "stop"], ascending=[True, True, False, True])
    best = pairs.drop_duplicates("line")
    chosen = np.full(len(lines), -1, dtype="int64")
    chosen[best["line"]] = best["stop"]
    return chosen


class _Placer:
    """Corrects and inserts stops for lines that found none; the few that need it, one by one."""

    def __init__(
        self, stops: pd.DataFrame, chosen: IntArray, rows: TrackRows, store: Store, dwell_s: int
    ) -> None:
        self.n_picks = np.bincount(chosen[chosen >= 0], minlength=len(stops)).tolist()
        self._columns = {
            name: stops[name].tolist() for name in ("session", "zone", c.T_S, c.DWELL_S, c.X, c.Y)
        }
        self._dtypes = {name: stops[name].dtype for name in self._columns}
        self._rows, self._dwell_s = rows, dwell_s
        self._polygons = np.array([zone.polygon for zone in store.zones])
        self._of_session: dict[int, list[int]] = {}
        for stop, session in enumerate(self._columns["session"]):
            self._of_session.setdefault(session, []).append(stop)

    def find_in(self, session: int, homes: IntArray) -> int:
        """A stop of the session in one of the zones, made for an earlier line; -1 if none."""
        zone = self._columns["zone"]
        return next((stop for stop in self._of_session.get(session, []) if zone[stop] in homes), -1)

    def relabel(self, session: int, homes: IntArray, limit_m: float) -> int:
        """Give the nearest stop without purchase to the nearest of the zones, if near enough."""
        free = [stop for stop in self._of_session.get(session, []) if not self.n_picks[stop]]
        if not free:
            return -1
        points = shapely.points([(self._columns[c.X][stop], self._columns[c.Y][stop]) for stop in free])
        distance_m = shapely.distance(points[:, None], self._polygons[homes][None])
        row, column = np.unravel_index(distance_m.argmin(), distance_m.shape)
        if distance_m[row, column] > limit_m:
            return -1
        self._columns["zone"][free[row]] = int(homes[column])
        return free[row]

    def insert(self, session: int, homes: IntArray) -> tuple[int, float]:
        """Add a stop where the track came closest to one of the zones, slow moments preferred."""
        rows = slice(self._rows.first[session], self._rows.first[session + 1])
        xy = self._rows.xy[rows]
        distance_m = shapely.distance(shapely.points(xy)[:, None], self._polygons[homes][None])
        cost = np.maximum(distance_m - 0.3, 0.0) + 0.5 * self._rows.speed_mps[rows, None]
        row, column = np.unravel_index(cost.argmin(), cost.shape)
        values = (
            session,
            int(homes[column]),
            int(self._rows.t_s[rows][row]),
            self._dwell_s,
            *xy[row].tolist(),
        )
        for name, value in zip(self._columns, values, strict=True):
            self._columns[name].append(value)
        self.n_picks.append(0)
        self._of_session.setdefault(session, []).append(len(self.n_picks) - 1)
        return len(self.n_picks) - 1, float(distance_m[row, column])

    def to_frame(self) -> pd.DataFrame:
        return pd.DataFrame(self._columns).astype(self._dtypes)  # lists forget the types of empty columns
