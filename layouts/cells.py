"""The 50 cm cells of a store: where a person can stand, and which steps between cells are legal.

A cell is walkable if its centre lies on the floor at least 5 cm from anything and can be reached from an
entrance. A step joins a cell to one of its eight neighbours if the straight line between their centres
touches nothing; a diagonal step needs both cells beside it too, so nobody cuts a corner.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from shapely.geometry.base import BaseGeometry

from layouts.arrays import BoolArray, FloatArray, IntArray, lock
from layouts.space import Plan, Space

CELL_M = 0.5
CLEARANCE_M = 0.05
ZONE_SNAP_M = 0.3  # a zone too thin to hold a cell's centre is shopped from the nearest cell within this
SHARED_STORES = 64  # how many stores' derived geometry is kept for copies


@dataclass(frozen=True, eq=False)
class Lattice:
    """Walkable cells and legal steps of a space, before any zone is drawn on it."""

    origin: tuple[float, float]
    walkable: BoolArray  # (n_rows, n_cols)
    xy: FloatArray  # (n_cells, 2)
    steps: csr_array  # (n_cells, n_cells) metres, symmetric

    @cached_property
    def tree(self) -> cKDTree:
        """Search tree over the centres."""
        return cKDTree(self.xy)


@dataclass(frozen=True, eq=False)
class CellGrid:
    """Walkable cells of a store with the zone that each lies in; row 0 is the lowest y.

    Attributes
    ----------
    cell_m
        Side of a cell [m].
    origin
        Lower left corner of cell (0, 0) [m]; the cells are centred on the floor's bounding box.
    walkable
        True where a person can stand, shape (n_rows, n_cols).
    xy
        Centres of the walkable cells [m], shape (n_cells, 2), row by row.
    zone
        Zone index of each walkable cell or -1, shape (n_cells,).
    """

    cell_m: float
    origin: tuple[float, float]
    walkable: BoolArray
    xy: FloatArray
    zone: IntArray
    lattice: Lattice

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return self.walkable.shape[0], self.walkable.shape[1]

    @property
    def n_cells(self) -> int:
        """Number of walkable cells."""
        return len(self.xy)

    @cached_property
    def cell_ids(self) -> IntArray:
        """Walkable cell id of every cell or -1, shape (n_rows, n_cols)."""
        ids = np.full(self.shape, -1, dtype=np.int64)
        ids[self.walkable] = np.arange(self.n_cells)
        return ids

    @cached_property
    def rows_cols(self) -> IntArray:
        """Row and column of each walkable cell, shape (n_cells, 2)."""
        return np.argwhere(self.walkable)

    def cell_at(self, xy: FloatArray) -> IntArray:
        """Find the walkable cell that contains each point.

        Parameters
        ----------
        xy
            Points [m], shape (n, 2).

        Returns
        -------
        cells
            Cell ids, shape (n,); -1 where the point lies in no walkable cell.
        """
        col, row = np.floor((np.asarray(xy, dtype=float) - self.origin) / self.cell_m).astype(np.int64).T
        inside = (row >= 0) & (row < self.shape[0]) & (col >= 0) & (col < self.shape[1])
        cells = np.full(len(row), -1, dtype=np.int64)
        cells[inside] = self.cell_ids[row[inside], col[inside]]
        return cells

    def nearest(self, xy: FloatArray) -> IntArray:
        """Find the walkable cell whose centre is nearest to each point [m], (n, 2) -> (n,)."""
        return np.asarray(self.lattice.tree.query(np.asarray(xy, dtype=float))[1], dtype=np.int64)


@lru_cache(maxsize=SHARED_STORES)
def build_lattice(space: Space) -> Lattice:
    """Lay the cells over the floor's bounding box and keep those that an entrance can reach.

    They stand out by as much on either side, so a mirrored store has mirrored cells: laid from one corner,
    they moved the lifts that a model predicts of a mirrored store by up to 0.8 points.

    Without an entrance every cell with clearance counts, so that the validator can still name the other
    faults.
    """
    x0, y0, x1, y1 = space.floor.bounds
    n_cols, n_rows = (max(1, int(np.ceil(side / CELL_M - 1e-9))) for side in (x1 - x0, y1 - y0))
    x0, y0 = (x0 + x1 - n_cols * CELL_M) / 2, (y0 + y1 - n_rows * CELL_M) / 2
    cols, rows = np.meshgrid(np.arange(n_cols), np.arange(n_rows))
    centres = np.stack([x0 + CELL_M * (cols + 0.5), y0 + CELL_M * (rows + 0.5)], axis=-1).reshape(-1, 2)
    solid = space.solid
    shapely.prepare(solid)
    is_clear = ~shapely.dwithin(solid, shapely.points(centres), CLEARANCE_M - 1e-9)
    steps = _legal_steps(is_clear.reshape(n_rows, n_cols), centres[is_clear], solid)
    is_reached = _reached_cells(centres[is_clear], steps, space.entrance_xy)
    walkable = is_clear.copy()
    walkable[is_clear] = is_reached
    kept = np.flatnonzero(is_reached)
    return Lattice(
        origin=(x0, y0),
        walkable=lock(walkable.reshape(n_rows, n_cols)),
        xy=lock(np.round(centres[walkable], 9)),
        steps=csr_array(steps[kept][:, kept]),
    )


def _legal_steps(is_clear: BoolArray, xy: FloatArray, solid: BaseGeometry) -> csr_array:
    """Find the steps between clear cells, as a symmetric matrix of metres; zero means no step."""
    ids = np.full(np.array(is_clear.shape) + 2, -1, dtype=np.int64)  # a border of -1 saves all edge cases
    ids[1:-1, 1:-1][is_clear] = np.arange(len(xy))
    row, col = np.nonzero(ids >= 0)
    ends = []
    for d_row, d_col in ((0, 1), (1, 0), (1, 1), (1, -1)):
        target = ids[row + d_row, col + d_col]
        legal = (target >= 0) & (ids[row + d_row, col] >= 0) & (ids[row, col + d_col] >= 0)
        ends.append(np.stack([ids[row, col][legal], target[legal]], axis=1))
    pairs = np.concatenate(ends)
    pairs = pairs[~shapely.intersects(solid, shapely.linestrings(xy[pairs]))]
    metres = np.linalg.norm(xy[pairs[:, 0]] - xy[pairs[:, 1]], axis=1)
    sources, targets = np.concatenate([pairs, pairs[:, ::-1]]).T
    return csr_array((np.tile(metres, 2), (sources, targets)), shape=(len(xy), len(xy)))


def _reached_cells(xy: FloatArray, steps: csr_array, entrance_xy: FloatArray) -> BoolArray:
    """Mark the cells that are connected to the cell nearest to an entrance."""
    if not len(xy) or not len(entrance_xy):
        return np.ones(len(xy), dtype=bool)
    component = connected_components(steps, directed=False)[1]
    doors = cKDTree(xy).query(entrance_xy)[1]
    return np.isin(component, component[doors])


@lru_cache(maxsize=SHARED_STORES)
def find_zone_cells(plan: Plan) -> tuple[IntArray, ...]:
    """List the walkable cells of each zone, nearest to the zone's centroid first.

    A cell belongs to a zone if its centre lies in it or on its edge. A zone that holds no centre gets the
    one nearest cell within 30 cm that is not behind something; empty if there is none.
    """
    lattice = build_lattice(plan.space)
    polygons = np.array(plan.zone_polygons, dtype=object)
    if not len(polygons) or not len(lattice.xy):
        return tuple(np.empty(0, dtype=np.int64) for _ in polygons)
    tree = shapely.STRtree(shapely.points(lattice.xy))
    zone, cell = tree.query(polygons, predicate="intersects")
    centroids = shapely.get_coordinates(shapely.centroid(polygons))
    from_centroid_m = np.round(np.linalg.norm(lattice.xy[cell] - centroids[zone], axis=1), 6)
    order = np.lexsort([cell, from_centroid_m, zone])
    bounds = np.searchsorted(zone[order], np.arange(len(polygons) + 1))
    cells = [cell[order[a:b]] for a, b in pairwise(bounds)]
    return tuple(
        c if len(c) else _snap_zone(polygons[z], plan.space, lattice, tree) for z, c in enumerate(cells)
    )


def _snap_zone(polygon: BaseGeometry, space: Space, lattice: Lattice, tree: shapely.STRtree) -> IntArray:
    """Nearest cell in reach of a zone that holds no cell's centre."""
    near = np.sort(tree.query(polygon, predicate="dwithin", distance=ZONE_SNAP_M))
    points = shapely.points(lattice.xy[near])
    is_open = ~shapely.intersects(space.solid.buffer(-1e-3), shapely.shortest_line(points, polygon))
    near, points = near[is_open], points[is_open]
    return near[np.argsort(np.round(shapely.distance(points, polygon), 6), kind="stable")[:1]]


@lru_cache(maxsize=SHARED_STORES)
def build_grid(plan: Plan) -> CellGrid:
    """Lay the plan's zones over its cells; where two zones touch, the lower zone index has the cell."""
    lattice = build_lattice(plan.space)
    zone = np.full(len(lattice.xy), -1, dtype=np.int64)
    for index, cells in reversed(list(enumerate(find_zone_cells(plan)))):
        zone[cells] = index
    return CellGrid(
        cell_m=CELL_M,
        origin=lattice.origin,
        walkable=lattice.walkable,
        xy=lattice.xy,
        zone=lock(zone),
        lattice=lattice,
    )
