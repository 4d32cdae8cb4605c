"""Zone KPIs: who came through a zone, stopped, bought, and what it earned.

The funnel is counted from true or cleaned positions, second by second, and from receipt lines that know
their zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from analysis import schema as c
from analysis.arrays import BoolArray, FloatArray, IntArray
from layouts import Store

STOP_S = 8.0
"""A visit this long counts as a stop in `stop_rate` and `engage_dwell_s`."""

_TILE_M = 0.25  # most positions lie in a tile that one zone, or none, has to itself: no need to look closer
_N_SPLITS = 2  # how often a tile that a border crosses is cut into four
_MIXED = -2
_STORES_KEPT = 16  # whose tiles are kept, as the replications of a run all ask about the same few


def find_zones(xy: FloatArray, store: Store) -> IntArray:
    """Zone that each point lies in.

    Parameters
    ----------
    xy
        Points [m], shape (n, 2).

    Returns
    -------
    zone
        Zone index, shape (n,); -1 outside every zone, the lower index on a shared border.
    """
    tiles = _lay_tiles(store)
    n_rows, n_columns = tiles.zone.shape
    column, row = np.floor((xy - tiles.origin) / tiles.side_m).astype("int64").T
    is_inside = (column >= 0) & (column < n_columns) & (row >= 0) & (row < n_rows)
    zone = np.full(len(xy), _MIXED, dtype="int64")
    zone[is_inside] = tiles.zone[row[is_inside], column[is_inside]]
    unclear = np.flatnonzero(zone == _MIXED)
    zone[unclear] = _lowest_hit(tiles.tree, shapely.points(xy[unclear]))
    return zone


@dataclass(frozen=True, eq=False)
class _Tiles:
    """What the tiles over a store's floor tell of its zones."""

    origin: FloatArray  # lower left corner [m]
    side_m: float
    zone: IntArray  # (n_rows, n_columns): that holds all of a tile, -1 where none touches it, else `_MIXED`
    tree: shapely.STRtree


@lru_cache(maxsize=_STORES_KEPT)
def _lay_tiles(store: Store) -> _Tiles:
    tree = shapely.STRtree(np.array([zone.polygon for zone in store.zones], dtype=object))
    x0, y0, x1, y1 = store.floor.bounds
    n_columns, n_rows = (int(np.ceil(side / _TILE_M)) for side in (x1 - x0, y1 - y0))
    side_m, zone = _TILE_M, np.full((n_rows, n_columns), _MIXED)
    for level in range(_N_SPLITS + 1):
        if level:
            side_m, zone = side_m / 2, zone.repeat(2, axis=0).repeat(2, axis=1)
        row, column = np.nonzero(zone == _MIXED)
        left, low = x0 + side_m * column, y0 + side_m * row
        zone[row, column] = _find_holders(tree, shapely.box(left, low, left + side_m, low + side_m))
    return _Tiles(np.array([x0, y0]), side_m, zone, tree)


def _find_holders(tree: shapely.STRtree, boxes: NDArray[np.object_]) -> IntArray:
    """Zone that holds all of each box, -1 where none touches it, `_MIXED` where a closer look is needed."""
    n_touching = np.bincount(tree.query(boxes, predicate="intersects")[0], minlength=len(boxes))
    inside, zone = tree.query(boxes, predicate="covered_by")
    holder = np.where(n_touching == 0, -1, _MIXED)
    holder[inside] = np.where(n_touching[inside] == 1, zone, _MIXED)
    return holder


def _lowest_hit(tree: shapely.STRtree, points: NDArray[np.object_]) -> IntArray:
    none = len(tree.geometries)
    zone = np.full(len(points), none, dtype="int64")
    point, index = tree.query(points, predicate="intersects")
    np.minimum.at(zone, point, index)
    return np.where(zone == none, -1, zone)


def _find_steps(positions: pd.DataFrame, *, also: BoolArray | None = None) -> tuple[FloatArray, IntArray]:
    """Where each step begins: rows whose position differs from the row before, and those of `also`.

    Most seconds of a visit are spent standing: what depends on the place alone need be found but once.

    Returns
    -------
    xy, first
        Position [m], shape (n_steps, 2), and first row, shape (n_steps,).
    """
    x, y = (positions[name].to_numpy(dtype="float64") for name in (c.X, c.Y))
    is_first = np.ones(len(x), dtype=bool)
    is_first[1:] = (x[1:] != x[:-1]) | (y[1:] != y[:-1])
    first = np.flatnonzero(is_first if also is None else is_first | also)
    return np.column_stack([x[first], y[first]]), first


def compute_occupancy(positions: pd.DataFrame, store: Store) -> FloatArray:
    """Seconds spent in each walkable cell, all sessions together.

    Parameters
    ----------
    positions
        `x, y` [m], one row a second. Rows in no walkable cell count in the nearest.

    Returns
    -------
    occupancy_s
        Shape (n_cells,).
    """
    xy, first = _find_steps(positions)
    n_seconds = np.diff(first, append=len(positions))
    cell = np.array(store.grid.cell_at(xy))
    is_off = cell < 0
    if is_off.any():
        cell[is_off] = store.grid.nearest(xy[is_off])
    return np.bincount(cell, n_seconds, minlength=len(store.grid.xy)).astype("float64")


def compute_zone_entries(positions: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Every pass through or stay in a zone: consecutive seconds inside one zone polygon.

    Parameters
    ----------
    positions
        `session_id, t_s, x, y`, one row a second, sorted by session and time.
    store
        Gives the zones.

    Returns
    -------
    entries
        `session_id, zone_id, t_s` (first second inside), `dwell_s` (seconds inside), in the order of
        `positions`. A second missing from `positions` ends an entry.
    """
    session, t_s = pd.factorize(positions[c.SESSION_ID])[0], positions[c.T_S].to_numpy(dtype="float64")
    is_new = np.ones(len(t_s), dtype=bool)
    is_new[1:] = (session[1:] != session[:-1]) | (t_s[1:] - t_s[:-1] > 1.5)
    xy, step = _find_steps(positions, also=is_new)
    zone = find_zones(xy, store)
    is_new = is_new[step]
    is_new[1:] |= zone[1:] != zone[:-1]
    first, zone = step[is_new], zone[is_new]
    length = np.diff(first, append=len(t_s))
    first, length, zone = first[zone >= 0], length[zone >= 0], zone[zone >= 0]
    zone_ids = np.array([each.zone_id for each in store.zones], dtype=object)
    return pd.DataFrame(
        {
            c.SESSION_ID: positions[c.SESSION_ID].iloc[first].to_numpy(),
            c.ZONE_ID: pd.Series(zone_ids[zone], dtype="str"),
            c.T_S: t_s[first],
            c.DWELL_S: length.astype("float64"),
        }
    )


def compute_zone_kpis(
    entries: pd.DataFrame, picks: pd.DataFrame, store: Store, n_sessions: int
) -> pd.DataFrame:
    """KPIs of every zone, per shopper where they are sums.

    Parameters
    ----------
    entries
        What `compute_zone_entries` gave.
    picks
        `session_id, zone_id, qty, margin`, one row per receipt line.
    store
        Gives the zones; also those that nobody entered are in the result.
    n_sessions
        Number of shoppers that `entries` and `picks` cover. Of observed sessions pass only those with a
        receipt: for the rest it is unknown what they bought.

    Returns
    -------
    kpis
        One row per zone in the store's order: `zone_id`; `reach`, share of shoppers who enter; `stop_rate`,
        share of entries of 8 s or longer; `engage_dwell_s`, median seconds of those; `visits` (entries),
        `purchases` (receipt lines) and `profit` per shopper; `conversion`, share of those who entered who
        bought there. NaN where a share has no denominator.
    """
    zone_ids = pd.Index([zone.zone_id for zone in store.zones], name=c.ZONE_ID)
    n_zones = len(zone_ids)
    session, named = pd.factorize(pd.concat([entries[c.SESSION_ID], picks[c.SESSION_ID]], ignore_index=True))
    at, sold_at = (zone_ids.get_indexer(pd.Index(table[c.ZONE_ID])) for table in (entries, picks))
    has_entered, has_bought = np.zeros((2, len(named), n_zones), dtype=bool)
    has_entered[session[: len(at)], at] = True
    has_bought[session[len(at) :], sold_at] = True
    n_entries = _count(at, zone_ids)
    n_entered, n_both = (
        pd.Series(has.sum(axis=0), index=zone_ids, dtype="float64")
        for has in (has_entered, has_entered & has_bought)
    )
    is_stop = (entries[c.DWELL_S] >= STOP_S).to_numpy()
    stay_s = entries.loc[is_stop, c.DWELL_S].groupby(at[is_stop]).median()
    profit = (picks[c.QTY] * picks[c.MARGIN]).groupby(sold_at).sum().reindex(range(n_zones), fill_value=0.0)
    table = pd.DataFrame(
        {
            c.REACH: n_entered / n_sessions,
            c.STOP_RATE: _count(at[is_stop], zone_ids) / n_entries.where(n_entries > 0),
            c.ENGAGE_DWELL_S: stay_s.reindex(range(n_zones)).to_numpy(dtype="float64"),
            c.VISITS: n_entries / n_sessions,
            c.PURCHASES: _count(sold_at, zone_ids) / n_sessions,
            c.CONVERSION: n_both / n_entered.where(n_entered > 0),
            c.PROFIT: pd.Series(profit.to_numpy(), index=zone_ids, dtype="float64") / n_sessions,
        },
        index=zone_ids,
    )
    return table.reset_index()


def _count(zone: IntArray, zone_ids: pd.Index) -> pd.Series:
    return pd.Series(np.bincount(zone, minlength=len(zone_ids)), index=zone_ids, dtype="float64")
