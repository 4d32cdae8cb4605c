"""Zone KPIs: who came through a zone, stopped, bought, and what it earned.

The funnel is counted from true or cleaned positions, second by second, and from receipt lines that know
their zone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from analysis import schema as c
from analysis.arrays import FloatArray, IntArray
from layouts import Store

STOP_S = 8.0
"""A visit this long counts as a stop in `stop_rate` and `engage_dwell_s`."""

_TILE_M = 0.25  # most positions lie in a tile that one zone, or none, has to itself: no need to look closer
_MIXED = -2


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
    polygons = np.array([zone.polygon for zone in store.zones], dtype=object)
    tree = shapely.STRtree(polygons)
    x0, y0, x1, y1 = store.floor.bounds
    column, row = np.floor((xy - (x0, y0)) / _TILE_M).astype("int64").T
    n_columns, n_rows = (int(np.ceil(side / _TILE_M)) for side in (x1 - x0, y1 - y0))
    of_tile = _find_tile_zones(tree, (x0, y0), n_columns, n_rows)
    is_inside = (column >= 0) & (column < n_columns) & (row >= 0) & (row < n_rows)
    zone = np.full(len(xy), _MIXED, dtype="int64")
    zone[is_inside] = of_tile[row[is_inside], column[is_inside]]
    unclear = np.flatnonzero(zone == _MIXED)
    zone[unclear] = _lowest_hit(tree, shapely.points(xy[unclear]))
    return zone


def _find_tile_zones(
    tree: shapely.STRtree, origin: tuple[float, float], n_columns: int, n_rows: int
) -> IntArray:
    """Zone that holds all of each tile, -1 where none touches it, `_MIXED` where only the point can tell."""
    x, y = (np.arange(n) * _TILE_M + start for n, start in zip((n_columns, n_rows), origin, strict=True))
    left, low = np.meshgrid(x, y)
    tiles = shapely.box(left, low, left + _TILE_M, low + _TILE_M).ravel()
    n_touching = np.bincount(tree.query(tiles, predicate="intersects")[0], minlength=len(tiles))
    inside, zone = tree.query(tiles, predicate="covered_by")
    result = np.where(n_touching == 0, -1, _MIXED)
    result[inside] = np.where(n_touching[inside] == 1, zone, _MIXED)
    return result.reshape(n_rows, n_columns)


def _lowest_hit(tree: shapely.STRtree, points: NDArray[np.object_]) -> IntArray:
    none = len(tree.geometries)
    zone = np.full(len(points), none, dtype="int64")
    point, index = tree.query(points, predicate="intersects")
    np.minimum.at(zone, point, index)
    return np.where(zone == none, -1, zone)


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
    xy = positions[[c.X, c.Y]].to_numpy(dtype="float64")
    cell = np.array(store.grid.cell_at(xy))
    is_off = cell < 0
    if is_off.any():
        cell[is_off] = store.grid.nearest(xy[is_off])
    return np.bincount(cell, minlength=len(store.grid.xy)).astype("float64")


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
    session = pd.factorize(positions[c.SESSION_ID])[0]
    t_s = positions[c.T_S].to_numpy(dtype="float64")
    zone = find_zones(positions[[c.X, c.Y]].to_numpy(dtype="float64"), store)
    is_new = np.ones(len(zone), dtype=bool)
    is_new[1:] = (np.diff(session) != 0) | (np.diff(zone) != 0) | (np.diff(t_s) > 1.5)
    first = np.flatnonzero(is_new)
    length = np.diff(np.r_[first, len(zone)])
    first, length = first[zone[first] >= 0], length[zone[first] >= 0]
    zone_ids = np.array([each.zone_id for each in store.zones], dtype=object)
    return pd.DataFrame(
        {
            c.SESSION_ID: positions[c.SESSION_ID].iloc[first].to_numpy(),
            c.ZONE_ID: pd.Series(zone_ids[zone[first]], dtype="str"),
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
    is_stop = entries[c.DWELL_S] >= STOP_S
    entered = entries[[c.SESSION_ID, c.ZONE_ID]].astype("str").drop_duplicates()
    bought = picks[[c.SESSION_ID, c.ZONE_ID]].astype("str").drop_duplicates()
    both = entered.merge(bought, on=[c.SESSION_ID, c.ZONE_ID])
    n_entries = _count(entries[c.ZONE_ID], zone_ids)
    n_entered = _count(entered[c.ZONE_ID], zone_ids)
    profit = (picks[c.QTY] * picks[c.MARGIN]).groupby(picks[c.ZONE_ID].astype("str")).sum()
    stay_s = entries[is_stop].groupby(c.ZONE_ID)[c.DWELL_S].median()
    table = pd.DataFrame(
        {
            c.REACH: n_entered / n_sessions,
            c.STOP_RATE: _count(entries.loc[is_stop, c.ZONE_ID], zone_ids) / n_entries.where(n_entries > 0),
            c.ENGAGE_DWELL_S: stay_s.reindex(zone_ids).astype("float64"),
            c.VISITS: n_entries / n_sessions,
            c.PURCHASES: _count(picks[c.ZONE_ID], zone_ids) / n_sessions,
            c.CONVERSION: _count(both[c.ZONE_ID], zone_ids) / n_entered.where(n_entered > 0),
            c.PROFIT: profit.reindex(zone_ids, fill_value=0.0).astype("float64") / n_sessions,
        },
        index=zone_ids,
    )
    return table.reset_index()


def _count(zone: pd.Series, zone_ids: pd.Index) -> pd.Series:
    counts = np.bincount(zone_ids.get_indexer(pd.Index(zone)), minlength=len(zone_ids))
    return pd.Series(counts, index=zone_ids, dtype="float64")
