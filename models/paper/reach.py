"""What can be taken from where: the zone that a purchase of a category in a cell is made in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from layouts import Store

AT_TILL_M = 1.5  # standing this near to a till is waiting there or being served


def find_till_cells(store: Store) -> NDArray[np.bool_]:
    """Whether standing in a cell is waiting at a till or being served there, shape (n_cells,)."""
    tills = np.array([till.xy for till in store.checkouts]).reshape(-1, 2)
    apart_m = np.hypot(*(store.grid.xy[:, None] - tills[None]).transpose(2, 0, 1))
    return np.asarray(apart_m.min(axis=1, initial=np.inf) <= AT_TILL_M)


def measure_reach(store: Store, reach_m: float) -> NDArray[np.float32]:
    """Walking distance [m] from each cell to the nearest cell of each zone, shape (n_cells, n_zones).

    Infinite beyond `reach_m` and for zones that cannot be reached.
    """
    distance_m = np.full((store.grid.n_cells, store.n_zones), np.inf, dtype=np.float32)
    steps = store.grid.lattice.steps
    for zone, cells in enumerate(store.walks.zone_cells):
        if len(cells):
            distance_m[:, zone] = dijkstra(steps, indices=cells, min_only=True, limit=reach_m + 1e-6)
    return distance_m


def find_homes(store: Store, reach_m: float) -> NDArray[np.int64]:
    """Zone in which a category is taken from each cell, shape (n_cells, n_categories); -1 if out of reach.

    It is the nearest of the zones within `reach_m` of walking in which the category stands; of equally near
    ones the one nearest to the door (zones are in that order).
    """
    stands = np.zeros((store.n_zones, len(store.categories)), dtype=bool)
    zone, sku = np.nonzero(store.stands)
    stands[zone, store.sku_category[sku]] = True
    distance_m = measure_reach(store, reach_m)
    home = np.full((store.grid.n_cells, len(store.categories)), -1, dtype=np.int64)
    for category in range(len(store.categories)):
        zones = np.flatnonzero(stands[:, category])
        if len(zones):
            near = distance_m[:, zones]
            is_near = np.isfinite(near.min(axis=1))
            home[is_near, category] = zones[near[is_near].argmin(axis=1)]
    return home
