"""How people slow each other down, and how many an aisle and the front of a shelf take."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy.sparse.csgraph import dijkstra

from layouts import Store
from simulator.settings import check_number

SHARED_STORES = 16  # how many stores' neighbourhoods are kept for the next run
_CELLS_AT_ONCE = 256  # bounds the memory of a table (cells, cells)


@dataclass(frozen=True, kw_only=True)
class CrowdingConfig:
    """How walking slows with the density of people: the fundamental diagram of Weidmann.

    A person of free speed v walks at ``v (1 - exp(-gamma (1 / density - 1 / jam_density)))``. Density counts
    the others within `radius_m` of the cell that is stepped onto; a group counts with its size, a cart with
    its room.

    Parameters
    ----------
    gamma, jam_density
        Parameters of the diagram [people/m2]; the defaults are Weidmann's (1993, Transporttechnik der
        Fussgaenger, Schriftenreihe des IVT 90, ETH Zurich).
    radius_m
        Way within which others count [m]; an assumption.
    jam_flow
        Share of the diagram's largest flow that still passes where it is denser than that allows: in a jam
        people shuffle on, and nobody stands for ever. An assumption.
    """

    gamma: float = 1.913
    jam_density: float = 5.4
    radius_m: float = 1.0
    jam_flow: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("gamma", "jam_density", "radius_m"):
            check_number(self, name, low=0.01)
        check_number(self, "jam_flow", low=0.01, high=1.0)


@dataclass(frozen=True, kw_only=True)
class AisleConfig:
    """How many people an aisle takes; whoever comes to a full one waits outside until somebody leaves.

    An aisle is a zone of type aisle. Waiting is first come, first served. Where people wait for each other in
    a circle, each in a full aisle that the next one wants to get into, they change places; where a group
    takes the place of a single person, an aisle then holds more than it takes until somebody leaves.

    Parameters
    ----------
    max_density
        People that an aisle takes [people/m2 of its cells]; each takes one at least. An assumption.
    """

    max_density: float = 1.5

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_number(self, "max_density", low=0.01)


@dataclass(frozen=True, kw_only=True)
class PlaceConfig:
    """How many shoppers can stand before a shelf at the same time; others wait for a place, or go on without.

    Parameters
    ----------
    width_m
        Width of shelf that a shopper takes up [m]; a zone takes as many as fit into its longer side, one at
        least. An assumption.
    patience_s
        How long shoppers wait for a place before they go on without what they came for [s]; None: for ever.
        An assumption.
    """

    width_m: float = 0.75
    patience_s: float | None = 60.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_number(self, "width_m", low=0.01)
        check_number(self, "patience_s", is_optional=True)


@dataclass(frozen=True)
class Diagram:
    """A fundamental diagram, ready to be asked.

    Parameters
    ----------
    config
        Its parameters.

    Attributes
    ----------
    densest
        Density of the largest flow [people/m2].
    largest
        Density times share of the free speed there [people/m2]: the largest flow by the free speed.
    """

    config: CrowdingConfig
    densest: float = field(init=False)
    largest: float = field(init=False)

    def __post_init__(self) -> None:
        """Find the largest flow."""
        grid = np.linspace(0.0, self.config.jam_density, 20_001)[1:]
        flow = grid * -np.expm1(-self.config.gamma * (1.0 / grid - 1.0 / self.config.jam_density))
        object.__setattr__(self, "densest", float(grid[flow.argmax()]))
        object.__setattr__(self, "largest", float(flow.max()))

    def speed_share(self, density: float) -> float:
        """Share of the free speed that is left at a density [people/m2]; beyond the jam as at the jam."""
        if density < 1e-9:
            return 1.0
        config = self.config
        density = min(density, config.jam_density)
        share = 1.0 - math.exp(-config.gamma * (1.0 / density - 1.0 / config.jam_density))
        if density <= self.densest:
            return share
        return max(share, config.jam_flow * self.largest / density)


@lru_cache(maxsize=SHARED_STORES)
def _find_near(store: Store, radius_m: float) -> tuple[list[int], ...]:
    """Cells within a way of `radius_m` of each cell, itself included."""
    steps, near = store.grid.lattice.steps, []
    for first in range(0, store.grid.n_cells, _CELLS_AT_ONCE):
        some = np.arange(first, min(first + _CELLS_AT_ONCE, store.grid.n_cells))
        metres = dijkstra(steps, directed=True, indices=some, limit=radius_m + 1e-9)
        near += [np.flatnonzero(np.isfinite(row)).tolist() for row in metres]
    return tuple(near)


class Crowd:
    """Where everybody is, in cells, and how fast one can walk there.

    Parameters
    ----------
    config
        The fundamental diagram.
    store
        Where.

    Attributes
    ----------
    room
        People, or what counts as such, in each cell.
    """

    def __init__(self, config: CrowdingConfig, store: Store) -> None:
        self.diagram, grid = Diagram(config), store.grid
        self.room: list[float] = [0.0] * grid.n_cells
        self._near = _find_near(store, config.radius_m)
        self._area_m2 = [len(near) * grid.cell_m**2 for near in self._near]

    def add(self, cell: int, room: float) -> None:
        """Let people come to a cell, or, with a negative room, leave it."""
        self.room[cell] += room

    def density_around(self, cell: int, own_room: float) -> float:
        """People per m2 around a cell on which somebody stands who takes `own_room` themselves."""
        room = self.room
        others = sum([room[near] for near in self._near[cell]]) - own_room
        return max(others, 0.0) / self._area_m2[cell]

    def speed_mps(self, cell: int, own_room: float, free_mps: float) -> float:
        """How fast somebody walks at a cell on which they are counted already [m/s]."""
        return free_mps * self.diagram.speed_share(self.density_around(cell, own_room))
