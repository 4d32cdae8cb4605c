"""Gates that come before any divergence: nobody stands off the floor, nobody walks through a shelf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely

from analysis import schema as c
from analysis.arrays import BoolArray, FloatArray
from layouts import Store

_TOUCH_M = 1e-3  # standing at an edge is standing on the floor
_DETOUR_M = 1.0


@dataclass(frozen=True)
class FloorChecks:
    """Counts of what cannot happen in a store.

    Attributes
    ----------
    n_positions, n_off_floor
        Positions, and those in a fixture, in a wall or outside the store.
    n_steps, n_crossings
        Moves from one position to the next of the same session, and those through a fixture or a wall.
    """

    n_positions: int
    n_off_floor: int
    n_steps: int
    n_crossings: int

    @property
    def off_floor_share(self) -> float:
        """Share of the positions."""
        return self.n_off_floor / max(self.n_positions, 1)

    @property
    def crossing_share(self) -> float:
        """Share of the moves."""
        return self.n_crossings / max(self.n_steps, 1)

    def __add__(self, other: FloorChecks) -> FloorChecks:
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return FloorChecks(*(mine + theirs for mine, theirs in both))


def check_floor(positions: pd.DataFrame, store: Store) -> FloorChecks:
    """Count positions off the floor and moves through fixtures or walls.

    Parameters
    ----------
    positions
        `session_id, x, y` [m], sorted by session and time.
    store
        Says where people can walk.

    Returns
    -------
    checks
        Standing still is no move. See `find_crossings` for what counts as a crossing.
    """
    xy = positions[[c.X, c.Y]].to_numpy(dtype="float64")
    session = pd.factorize(positions[c.SESSION_ID])[0]
    is_step = (np.diff(session) == 0) & (np.abs(np.diff(xy, axis=0)).max(axis=1, initial=0.0) > 1e-9)
    before = np.flatnonzero(is_step)
    return FloorChecks(
        n_positions=len(xy),
        n_off_floor=int(find_off_floor(xy, store).sum()),
        n_steps=len(before),
        n_crossings=int(find_crossings(xy[before], xy[before + 1], store).sum()),
    )


def find_off_floor(xy: FloatArray, store: Store) -> BoolArray:
    """Mark points [m], shape (n, 2), that lie in a fixture, in a wall or outside the store."""
    floor = store.walkable.buffer(_TOUCH_M)
    shapely.prepare(floor)
    return np.asarray(~shapely.contains_xy(floor, xy[:, 0], xy[:, 1]))


def find_crossings(start: FloatArray, end: FloatArray, store: Store) -> BoolArray:
    """Mark moves that lead through a fixture or a wall.

    The straight line must meet something solid, and the way round it must be longer than the line by more
    than 1 m: between two seconds people turn corners, and the line between them then cuts the corner.

    Parameters
    ----------
    start, end
        Positions [m], shape (n, 2).
    store
        Says where people can walk.

    Returns
    -------
    is_crossing
        Shape (n,).
    """
    solid = store.space.solid.buffer(-_TOUCH_M)
    shapely.prepare(solid)
    is_crossing = np.array(shapely.intersects(solid, shapely.linestrings(np.stack([start, end], axis=1))))
    meets = np.flatnonzero(is_crossing)
    if len(meets):
        cells = store.grid.nearest(start[meets]), store.grid.nearest(end[meets])
        around_m = np.array([store.walks.distance_m(a, b) for a, b in zip(*cells, strict=True)])
        straight_m = np.linalg.norm(store.grid.xy[cells[0]] - store.grid.xy[cells[1]], axis=1)
        is_crossing[meets] = around_m - straight_m > _DETOUR_M
    return np.asarray(is_crossing, dtype=bool)
