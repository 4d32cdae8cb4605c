"""What can be seen from where: how well each zone's shelf is in view from each cell, and along each way."""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy.sparse import csr_array

from layouts.arrays import FloatArray, IntArray, lock
from layouts.cells import SHARED_STORES, build_grid
from layouts.space import Plan
from layouts.walk_graph import NO_CELL, WalkGraph, build_walks

if TYPE_CHECKING:
    from layouts.store import Store

SIGHT_M = 2.5  # a shopper in the middle of a 2 m aisle sees both faces
TARGETS_AT_ONCE = 64  # bounds the memory that leg views take
TOUCH_M = 1e-3  # a line may run along the face of a shelf: solids shrink by this before they hide anything


def compute_sight(store: "Store") -> FloatArray:
    """Tell how well each zone's shelf is seen from each cell.

    Returns
    -------
    sight
        Shape (n_cells, n_zones), float32 in [0, 1]: 1 in the zone, falling linearly to 0 at 2.5 m from it;
        0 where anything solid stands on the straight line from the cell to the nearest point of the zone.
        Which way the shopper faces is not counted.
    """
    return build_sight(store.plan)


def compute_leg_views(store: "Store") -> FloatArray:
    """Tell how much of each zone is seen on the way between any two places.

    Returns
    -------
    views
        Shape (n_places, n_places, n_zones), float32 metres: along the shortest path from place a to place
        b, the sum of step length times sight of the zone (mean of the step's two cells). Time spent
        standing is not counted.
    """
    return build_leg_views(store.plan)


@lru_cache(maxsize=SHARED_STORES)
def build_sight(plan: Plan) -> FloatArray:
    """Compute the sight of a plan; see `compute_sight`."""
    grid = build_grid(plan)
    polygons = np.array(plan.zone_polygons, dtype=object)
    sight = np.zeros((grid.n_cells, len(polygons)), dtype=np.float32)
    if not sight.size:
        return sight
    points = shapely.points(grid.xy)
    cell, zone = shapely.STRtree(polygons).query(points, predicate="dwithin", distance=SIGHT_M)
    lines = shapely.shortest_line(points[cell], polygons[zone])
    hiding = plan.space.solid.buffer(-TOUCH_M, join_style="mitre")
    shapely.prepare(hiding)
    metres = shapely.length(lines)
    is_seen = (metres == 0.0) | ~shapely.intersects(hiding, lines)
    sight[cell, zone] = np.where(is_seen, 1.0 - metres / SIGHT_M, 0.0)
    return lock(sight)


@lru_cache(maxsize=SHARED_STORES)
def build_leg_views(plan: Plan) -> FloatArray:
    """Compute the leg views of a plan; see `compute_leg_views`."""
    walks, sight = build_walks(plan), build_sight(plan)
    n_places, n_zones = walks.n_places, walks.n_zones
    views = np.zeros((n_places, n_places, n_zones), dtype=np.float32)
    for start in range(0, n_places, TARGETS_AT_ONCE):
        targets = np.arange(start, min(start + TARGETS_AT_ONCE, n_places))
        metres = _metres_per_cell(walks, targets)  # (n_places * n_targets, n_cells)
        views[:, targets] = np.asarray(metres @ sight).reshape(n_places, len(targets), n_zones)
    return lock(views)


def _metres_per_cell(walks: WalkGraph, targets: IntArray) -> csr_array:
    """Metres walked in each cell (half of every step that ends there) from all places to some."""
    n_places, xy = walks.n_places, walks.grid.xy
    follow = np.stack([_next_cells(walks, int(cell)) for cell in walks.place_cell[targets]])
    source, towards = (index.ravel() for index in np.indices((n_places, len(targets))))
    pair = np.flatnonzero(walks.place_cell[source] != NO_CELL)
    cell, towards = walks.place_cell[source[pair]], towards[pair]
    rows, cols, weights = [], [], []
    while len(pair):  # all pairs walk one step at a time
        following = follow[towards, cell]
        walking = following != NO_CELL
        pair, cell, following, towards = pair[walking], cell[walking], following[walking], towards[walking]
        half_m = 0.5 * np.linalg.norm(xy[cell] - xy[following], axis=1)
        rows += [pair, pair]
        cols += [cell, following]
        weights += [half_m, half_m]
        cell = following
    shape = (n_places * len(targets), len(xy))
    if not rows:
        return csr_array(shape, dtype=np.float32)
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(cols))
    return csr_array(entries, shape=shape, dtype=np.float32)


def _next_cells(walks: WalkGraph, target: int) -> IntArray:
    """Next cells towards a place, or nothing but ends if the place has no cell."""
    return np.full(len(walks.grid.xy), NO_CELL) if target == NO_CELL else walks.next_cells_to(target)
