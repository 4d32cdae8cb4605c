"""Sessions as a statistical sample: what each of them did, in the form that comparisons need.

The session is the unit that is drawn independently, so everything is kept by session: counts (one sparse
row per session) and values (each with the session that it belongs to).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from analysis import schema as c
from analysis.arrays import BoolArray, FloatArray, IntArray
from analysis.io import Observations
from analysis.journeys import Journeys
from layouts import Store

COUNTS = (
    "cell_seconds",
    "cell_sessions",
    "zone_visits",
    "zone_transitions",
    "zone_purchases",
    "category_purchases",
)
"""What is counted by bin, see `sample_sessions`."""

UNITS = {
    "duration": "s",
    "path_length": "m",
    "stops": "stops",
    "dwell": "s",
    "basket_lines": "lines",
    "basket_units": "units",
    "basket_value": "money",
}
"""Measures of a session (`dwell`: of a stop) with their units; `money` is the store's currency."""


@dataclass(frozen=True, eq=False)
class Values:
    """One measure: the number of the session and the value of each row, both of shape (n,)."""

    session: IntArray
    value: FloatArray


@dataclass(frozen=True, eq=False)
class SessionSample:
    """What each session of a sample did.

    Attributes
    ----------
    attributes
        One row per session, one column per customer attribute.
    counts
        By the names of `COUNTS`: of each session and bin, shape (n_sessions, k).
    values
        By the names of `UNITS`.
    """

    attributes: pd.DataFrame
    counts: Mapping[str, csr_array]
    values: Mapping[str, Values]

    @property
    def n(self) -> int:
        """Number of sessions."""
        return len(self.attributes)

    def select(self, keep: BoolArray) -> SessionSample:
        """Return the sessions that are marked, shape (n_sessions,)."""
        number = np.cumsum(keep) - 1
        rows = np.flatnonzero(keep)
        return SessionSample(
            attributes=self.attributes[keep].reset_index(drop=True),
            counts={name: table[rows] for name, table in self.counts.items()},
            values={
                name: Values(number[of.session[keep[of.session]]], of.value[keep[of.session]])
                for name, of in self.values.items()
            },
        )


def sample_sessions(
    observations: Observations, journeys: Journeys, positions: pd.DataFrame, store: Store
) -> SessionSample:
    """Gather what each session did, observed or simulated alike.

    Parameters
    ----------
    observations
        Gives receipts; those without a track are not counted.
    journeys
        What `build_journeys` made of them.
    positions
        Clean positions, one a second.
    store
        Gives cells, zones and categories.

    Returns
    -------
    sample
        Counts: `cell_seconds` and `cell_sessions` (was the session in the cell at all) by walkable cell;
        `zone_visits` (stops) and `zone_purchases` (receipt lines, where they were picked) by zone;
        `zone_transitions` from stop to stop, the way in and the way out included, by pair;
        `category_purchases` (receipt lines) by category. Values: `duration`, `path_length` (see
        `measure_paths`) and the number of `stops` of complete sessions, the `dwell` of each stop; lines,
        units and value of the baskets of sessions with a receipt.
    """
    ids = pd.Index(journeys.sessions[c.SESSION_ID])
    visits, picks = journeys.visits, journeys.picks
    at_visit = ids.get_indexer(pd.Index(visits[c.SESSION_ID]))
    of_pick = ids.get_indexer(pd.Index(picks[c.SESSION_ID]))
    zone = _zones_of(visits, store)
    category = store.sku_category[picks[c.SKU_ID].astype("str").map(store.sku_index).astype("int64")]
    seconds, walked_m = _count_cells(ids, positions, store)
    counts = {
        "cell_seconds": seconds,
        "cell_sessions": (seconds > 0).astype("float64"),
        "zone_visits": _count(at_visit, zone, (len(ids), store.n_zones)),
        "zone_transitions": _count_transitions(at_visit, zone, len(ids), store.n_zones),
        "zone_purchases": _count(of_pick, _zones_of(picks, store), (len(ids), store.n_zones)),
        "category_purchases": _count(of_pick, category, (len(ids), len(store.categories))),
    }
    return SessionSample(
        attributes=journeys.sessions.drop(columns=[*_SESSION_COLUMNS], errors="ignore"),
        counts=counts,
        values=_measure_sessions(journeys, at_visit, walked_m) | _measure_baskets(observations, ids),
    )


_STRIDE_M = 1.0
_SESSION_COLUMNS = (c.SESSION_ID, c.ENTRY_TS, c.DURATION_S, c.HAS_RECEIPT, c.IS_COMPLETE)


def _zones_of(table: pd.DataFrame, store: Store) -> IntArray:
    return table[c.ZONE_ID].astype("str").map(store.zone_index).to_numpy(dtype="int64")


def _count(session: IntArray, column: IntArray, shape: tuple[int, int]) -> csr_array:
    table = csr_array((np.ones(len(session)), (session, column)), shape=shape)
    table.sum_duplicates()
    return table


def _count_transitions(session: IntArray, zone: IntArray, n_sessions: int, n_zones: int) -> csr_array:
    """Pairs of successive zones of each session; `n_zones` stands for outside, before and after."""
    is_first = np.diff(session, prepend=-1) != 0
    is_last = np.diff(session, append=-1) != 0
    before = np.where(is_first, n_zones, np.roll(zone, 1))
    source, target = np.r_[before, zone[is_last]], np.r_[zone, np.full(is_last.sum(), n_zones)]
    pair = source * (n_zones + 1) + target
    return _count(np.r_[session, session[is_last]], pair, (n_sessions, (n_zones + 1) ** 2))


def _count_cells(ids: pd.Index, positions: pd.DataFrame, store: Store) -> tuple[csr_array, FloatArray]:
    """Seconds of each session in each cell, and metres that each walked, shape (n_sessions,)."""
    session = np.asarray(ids.get_indexer(pd.Index(positions[c.SESSION_ID].astype("str"))), dtype="int64")
    xy = positions[[c.X, c.Y]].to_numpy(dtype="float64")
    cell = np.array(store.grid.cell_at(xy), dtype="int64")
    is_off = cell < 0
    if is_off.any():
        cell[is_off] = store.grid.nearest(xy[is_off])
    seconds = _count(session, cell, (len(ids), store.grid.n_cells))
    return seconds, measure_paths(session, xy, len(ids))


def measure_paths(session: IntArray, xy: FloatArray, n_sessions: int) -> FloatArray:
    """Metres that each session walked: the line through positions that are at least 1 m apart.

    The jitter of someone who stands does not reach from one such position to the next.

    Parameters
    ----------
    session, xy
        Session number and position [m] of each row, sorted by session and time; shapes (n,), (n, 2).
    n_sessions
        Number of sessions.
    """
    metres = [0.0] * n_sessions
    last, x0, y0 = -1, 0.0, 0.0
    for of, x, y in zip(session.tolist(), xy[:, 0].tolist(), xy[:, 1].tolist(), strict=True):
        if of != last:
            last, x0, y0 = of, x, y
            continue
        step2 = (x - x0) ** 2 + (y - y0) ** 2
        if step2 >= _STRIDE_M**2:
            metres[of] += step2**0.5
            x0, y0 = x, y
    return np.array(metres)


def _measure_sessions(journeys: Journeys, at_visit: IntArray, walked_m: FloatArray) -> dict[str, Values]:
    sessions = journeys.sessions
    complete = np.flatnonzero(sessions[c.IS_COMPLETE].to_numpy(dtype=bool))
    n_stops = np.bincount(at_visit, minlength=len(sessions)).astype("float64")
    return {
        "duration": Values(complete, sessions[c.DURATION_S].to_numpy(dtype="float64")[complete]),
        "path_length": Values(complete, walked_m[complete]),
        "stops": Values(complete, n_stops[complete]),
        "dwell": Values(at_visit, journeys.visits[c.DWELL_S].to_numpy(dtype="float64")),
    }


def _measure_baskets(observations: Observations, ids: pd.Index) -> dict[str, Values]:
    receipts = observations.receipts
    session = ids.get_indexer(pd.Index(receipts[c.SESSION_ID]))
    lines = receipts.assign(session=session, value=receipts[c.QTY] * receipts[c.UNIT_PRICE])[session >= 0]
    baskets = lines.groupby("session").agg(
        lines=(c.SKU_ID, "size"), units=(c.QTY, "sum"), value=("value", "sum")
    )
    of = baskets.index.to_numpy(dtype="int64")
    return {f"basket_{name}": Values(of, baskets[name].to_numpy(dtype="float64")) for name in baskets}
