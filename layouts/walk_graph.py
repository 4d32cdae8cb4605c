"""Walking distances and paths over the legal steps between cells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import networkx as nx
import numpy as np
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from layouts.arrays import FloatArray, IntArray, lock
from layouts.cells import SHARED_STORES, CellGrid, build_grid, build_lattice, find_zone_cells
from layouts.space import Plan

NO_CELL = -1
N_NEIGHBOURS = 8  # cells that one can step to where nothing is in the way
# Which of the shortest ways people take: steps beside a shelf or wall count for so much more, and every step
# for so much more or less. So little that no way becomes longer; twice as much for shelves as for chance is
# an assumption; docs/validation.md says what it does.
SHELF_SIDE = 2e-5
UNEVENNESS = 1e-5
N_STRANDS = 16  # ways to one till or exit, as everybody goes there; to any other cell there is one


@dataclass(frozen=True, eq=False)
class WalkGraph:
    """Where one can walk, how far it is and which way one goes.

    *Places* are the points that journeys run between: zones, then entrances, checkouts and exits, in the
    store's order.

    Attributes
    ----------
    grid
        The cells that the graph joins.
    place_cell
        Standing cell of each place, shape (n_places,); -1 if it cannot be reached.
    zone_cells
        Cells of each zone, the standing cell (nearest to the centroid) first.
    n_zones, n_entrances, n_checkouts, n_exits
        How many places of each kind there are.
    seen_xy
        Where somebody who stands on a cell is seen [m], shape (n_cells, 2): in its middle, or at the door,
        till or exit that lies in it. Ways are timed from middle to middle all the same.
    """

    grid: CellGrid
    place_cell: IntArray
    zone_cells: tuple[IntArray, ...]
    n_zones: int
    n_entrances: int
    n_checkouts: int
    n_exits: int
    seen_xy: FloatArray
    _routes: dict[int, tuple[FloatArray, IntArray]] = field(default_factory=dict, repr=False)
    _walked: dict[tuple[int, int], IntArray] = field(default_factory=dict, repr=False)

    @property
    def n_places(self) -> int:
        """Number of places."""
        return len(self.place_cell)

    @property
    def zone_places(self) -> slice:
        """Places that are zones; place index and zone index agree."""
        return slice(0, self.n_zones)

    @property
    def entrance_places(self) -> slice:
        """Places that are entrances."""
        return slice(self.n_zones, self.n_zones + self.n_entrances)

    @property
    def checkout_places(self) -> slice:
        """Places that are checkouts."""
        start = self.entrance_places.stop
        return slice(start, start + self.n_checkouts)

    @property
    def exit_places(self) -> slice:
        """Places that are exits."""
        return slice(self.checkout_places.stop, self.n_places)

    @cached_property
    def graph(self) -> nx.Graph:
        """Cells as a networkx graph: node attribute `xy` [m], edge attribute `weight` [m]."""
        graph = nx.Graph()
        graph.add_nodes_from((cell, {"xy": tuple(xy)}) for cell, xy in enumerate(self.grid.xy.tolist()))
        steps = self.grid.lattice.steps.tocoo()
        edges = zip(steps.row.tolist(), steps.col.tolist(), steps.data.tolist(), strict=True)
        graph.add_weighted_edges_from((a, b, metres) for a, b, metres in edges if a < b)
        return graph

    def distances_to(self, target: int) -> FloatArray:
        """Compute the walking distance from every cell to `target` [m], shape (n_cells,) float32."""
        return self._route(target)[0]

    def next_cells_to(self, target: int) -> IntArray:
        """Cell that follows each cell on a shortest way to `target`, shape (n_cells,); -1 at the target."""
        return self._route(target)[1]

    def next_cells_walked_to(self, target: int, strand: int = 0) -> IntArray:
        """Cell that follows each cell on the way that people take to `target`, shape (n_cells,).

        It is a shortest one too, but of the many that are as short another for each target and strand, and in
        the middle of an aisle rather than along its shelves. -1 at the target.
        """
        key = int(target), int(strand)
        if key not in self._walked:
            _, before = dijkstra(
                self._uneven_steps(*key), directed=True, indices=key[0], return_predecessors=True
            )
            self._walked[key] = lock(np.where(before < 0, NO_CELL, before).astype(np.int32))
        return self._walked[key]

    def choose_strands(self, sources: IntArray, targets: IntArray) -> IntArray:
        """Which of the ways to its target each walk takes, by the cell that it starts from; shape (n,)."""
        goes_out = np.isin(targets, self.place_cell[self.checkout_places.start :])
        return np.where(goes_out, np.asarray(sources) % N_STRANDS, 0)

    def distance_m(self, source: int, target: int) -> float:
        """Compute the walking distance between two cells [m]; infinite if there is no way."""
        return float(self.distances_to(target)[source])

    def path(self, source: int, target: int) -> IntArray:
        """Cells of a shortest path, both ends included; always the same one.

        Raises
        ------
        ValueError
            If no path exists, which a validated store rules out.
        """
        return self._follow(self.next_cells_to(target), source, target)

    def walked_path(self, source: int, target: int) -> IntArray:
        """Cells of the way that people take, both ends included; always the same one.

        Raises
        ------
        ValueError
            If no path exists, which a validated store rules out.
        """
        strand = int(self.choose_strands(np.array([source]), np.array([target]))[0])
        return self._follow(self.next_cells_walked_to(target, strand), source, target)

    @staticmethod
    def _follow(follow: IntArray, source: int, target: int) -> IntArray:
        cells = [int(source)]
        while cells[-1] != target:
            following = int(follow[cells[-1]])
            if following == NO_CELL:
                raise ValueError(f"no path from cell {source} to cell {target}")
            cells.append(following)
        return np.array(cells, dtype=np.int64)

    @cached_property
    def place_distance_m(self) -> FloatArray:
        """Walking distance between places [m], shape (n_places, n_places) float32; infinite without a way."""
        distance_m = np.full((self.n_places, self.n_places), np.inf, dtype=np.float32)
        reached = np.flatnonzero(self.place_cell != NO_CELL)
        cells = self.place_cell[reached]
        for place, cell in zip(reached, cells, strict=True):
            distance_m[reached, place] = self.distances_to(int(cell))[cells]
        return lock(np.minimum(distance_m, distance_m.T))  # the two ways differ by rounding only

    def _route(self, target: int) -> tuple[FloatArray, IntArray]:
        """Distances and next cells towards one target, computed once."""
        target = int(target)
        if target not in self._routes:
            steps = self.grid.lattice.steps
            metres, before = dijkstra(steps, directed=True, indices=target, return_predecessors=True)
            follow = np.where(before < 0, NO_CELL, before).astype(np.int32)
            self._routes[target] = lock(metres.astype(np.float32)), lock(follow)
        return self._routes[target]

    @cached_property
    def _cell_metres(self) -> FloatArray:
        """What a metre in each cell counts for: more beside what cannot be walked on, shape (n_cells,)."""
        n_steps = np.diff(self.grid.lattice.steps.indptr)
        return np.where(n_steps < N_NEIGHBOURS, 1.0 + SHELF_SIDE, 1.0)

    def _uneven_steps(self, target: int, strand: int) -> csr_array:
        """Steps as those who walk to `target` count them: for each way a fixed unevenness of the floor."""
        steps, walkable = self.grid.lattice.steps, self.grid.walkable
        rng = np.random.default_rng([*np.argwhere(walkable)[target].tolist(), strand])
        bumps = rng.standard_exponential(walkable.shape)[walkable]
        metres = self._cell_metres * (1.0 + UNEVENNESS * bumps)
        here = np.repeat(np.arange(len(metres)), np.diff(steps.indptr))
        counted = steps.data * (metres[here] + metres[steps.indices]) / 2.0
        return csr_array((counted, steps.indices, steps.indptr), shape=steps.shape)


@lru_cache(maxsize=SHARED_STORES)
def build_walks(plan: Plan) -> WalkGraph:
    """Join the cells of a plan and find the standing cell of every place."""
    grid, zone_cells = build_grid(plan), find_zone_cells(plan)
    zones = [cells[0] if len(cells) else NO_CELL for cells in zone_cells]
    points = [plan.space.entrance_xy, plan.checkout_xy, plan.exit_xy]
    spots = [grid.nearest(xy) if len(xy) and grid.n_cells else np.full(len(xy), NO_CELL) for xy in points]
    return WalkGraph(
        grid=grid,
        place_cell=np.concatenate([np.array(zones, dtype=np.int64), *spots]).astype(np.int64),
        zone_cells=zone_cells,
        n_zones=len(zones),
        n_entrances=len(spots[0]),
        n_checkouts=len(spots[1]),
        n_exits=len(spots[2]),
        seen_xy=_place_points(plan, grid, [(cells, points[kind]) for kind, cells in enumerate(spots)]),
    )


def _place_points(plan: Plan, grid: CellGrid, spots: Sequence[tuple[IntArray, FloatArray]]) -> FloatArray:
    """Middles of the cells; of those with a point the point, if every step from there stays on the floor."""
    seen_xy, steps, solid = np.array(grid.xy, dtype=float), grid.lattice.steps, plan.space.solid
    for cells, points in spots:
        for cell, point in zip(cells.tolist(), np.asarray(points, dtype=float), strict=True):
            if cell == NO_CELL or np.abs(point - grid.xy[cell]).max() > grid.cell_m / 2:
                continue
            around = steps.indices[steps.indptr[cell] : steps.indptr[cell + 1]]
            ends = np.concatenate([grid.xy[[cell]], grid.xy[around], seen_xy[around]])
            lines = shapely.linestrings(np.stack([np.broadcast_to(point, ends.shape), ends], axis=1))
            if not shapely.intersects(solid, lines).any():
                seen_xy[cell] = point
    return lock(seen_xy)


@lru_cache(maxsize=SHARED_STORES)
def rank_zones(plan: Plan) -> tuple[int, ...]:
    """Order zones by walking distance from the nearest entrance, then by x, then by y of their centroids.

    The order depends on the geometry alone: zones that are renamed or listed otherwise keep their places.
    Zones that cannot be reached come last.
    """
    lattice, zone_cells = build_lattice(plan.space), find_zone_cells(plan)
    keys = []
    metres = np.full(len(lattice.xy), np.inf)
    if len(lattice.xy) and len(plan.space.entrance_xy):
        doors = np.unique(lattice.tree.query(plan.space.entrance_xy)[1])
        metres = dijkstra(lattice.steps, directed=True, indices=doors, min_only=True)
    for index, (polygon, cells) in enumerate(zip(plan.zone_polygons, zone_cells, strict=True)):
        distance_m = round(float(metres[cells[0]]), 4) if len(cells) else np.inf
        centre = polygon.centroid
        keys.append((distance_m, round(centre.x, 4), round(centre.y, 4), index))
    return tuple(key[-1] for key in sorted(keys))
