"""Who walks through shelves: raw output of policies and simulated tracks, held against the floor plan.

A policy's *raw* output is what it says before anything walks it: cells or positions at a fixed interval, or
the stops. Straight lines between these show what the model has learned of the floor by itself; simulated
tracks show what is left once the simulator has walked them. Two rates are told, because people cut corners
between two fixes: every line that touches something solid, and those whose way round is longer by more than a
metre. Observed tracks belong into the table as well: their rate is that of the measurement.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from analysis import check_floor
from analysis import schema as c
from layouts import Store
from models import LayoutView

_TOUCH_M = 1e-3  # a line along an edge touches nothing


def tabulate_crossings(
    sources: Mapping[str, pd.DataFrame], store: Store, *, interval_s: float | None = None
) -> pd.DataFrame:
    """Tell for each source how often its people leave the floor or walk through something solid.

    Parameters
    ----------
    sources
        Name (a policy, `observed`, ...) -> positions `session_id, x, y` [m] with `t_s` [s] or, as simulated
        tracks have it, a time `t`; in any order.
    store
        Its floor, walls and fixtures.
    interval_s
        Compare all sources at fixes at least so far apart [s]; rates grow with the interval, so sources of
        different rates cannot be compared without it. None takes the positions as they are.

    Returns
    -------
    table
        One row a source: `source, n_positions, off_floor_share, n_moves, straight_share` (moves whose
        straight line touches a fixture or a wall) and `crossing_share` (those that would have to go round by
        more than a metre). Standing still is no move.
    """
    rows = []
    for source, positions in sources.items():
        time = c.T_S if c.T_S in positions else c.T
        table = positions.sort_values([c.SESSION_ID, time], kind="stable")
        table = table if interval_s is None else thin_positions(table, interval_s)
        checks = check_floor(table, store)
        rows.append(
            {
                "source": source,
                "n_positions": checks.n_positions,
                "off_floor_share": checks.off_floor_share,
                "n_moves": checks.n_steps,
                "straight_share": count_blocked_lines(table, store) / max(checks.n_steps, 1),
                "crossing_share": checks.crossing_share,
            }
        )
    return pd.DataFrame(rows)


def thin_positions(positions: pd.DataFrame, interval_s: float) -> pd.DataFrame:
    """Keep the first position of every interval since each session's first; sorted by session and time."""
    time = positions[c.T_S] if c.T_S in positions else positions[c.T]
    since = time - time.groupby(positions[c.SESSION_ID]).transform("min")
    since_s = since if c.T_S in positions else since.dt.total_seconds()
    nth = np.floor(since_s.to_numpy(dtype=float) / interval_s + 1e-9).astype(np.int64)
    return positions[~positions.assign(nth=nth).duplicated([c.SESSION_ID, "nth"])]


def count_blocked_lines(positions: pd.DataFrame, store: Store) -> int:
    """Count straight lines from one position to the next that touch a fixture, a wall or the outside.

    Parameters
    ----------
    positions
        `session_id, x, y` [m], sorted by session and time.
    store
        Its floor, walls and fixtures.
    """
    xy = np.round(positions[[c.X, c.Y]].to_numpy(dtype=float), 6)
    session = pd.factorize(positions[c.SESSION_ID])[0]
    lines = np.concatenate([xy[:-1], xy[1:]], axis=1)[np.diff(session) == 0]
    lines = lines[(lines[:, :2] != lines[:, 2:]).any(axis=1)]
    distinct, times = np.unique(lines, axis=0, return_counts=True)  # cells repeat, so lines do
    solid = store.space.solid.buffer(-_TOUCH_M)
    shapely.prepare(solid)
    is_blocked = shapely.intersects(solid, shapely.linestrings(distinct.reshape(-1, 2, 2)))
    return int(times[is_blocked].sum())


def place_stops(zone: NDArray[np.integer], view: LayoutView) -> pd.DataFrame:
    """Turn the stops of journeys into positions: the door, the standing cell of each zone, the nearest till.

    Parameters
    ----------
    zone
        Zones of each journey in order, shape (n, n_stops_max), padded with -1 at the end.
    view
        The store.

    Returns
    -------
    positions
        `session_id, t_s, x, y`; `t_s` is the number of the stop: stops have no clock before they are walked.
    """
    n, width = zone.shape
    places = np.concatenate([np.full((n, 1), view.entrance), zone, np.full((n, 1), -1)], axis=1)
    n_stops = (zone >= 0).sum(axis=1)
    last = places[np.arange(n), n_stops]
    places[np.arange(n), n_stops + 1] = view.nearest_checkout[last]
    row, step = np.nonzero(np.arange(width + 2) <= n_stops[:, None] + 1)
    walks = view.store.walks
    xy = walks.grid.xy[walks.place_cell[places[row, step]]]
    return pd.DataFrame(
        {c.SESSION_ID: row.astype(str), c.T_S: step.astype(float), c.X: xy[:, 0], c.Y: xy[:, 1]}
    )
