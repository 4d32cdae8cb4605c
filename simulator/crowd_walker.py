"""Walking where others are in the way: cell by cell, as fast as the crowd allows."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from simulator.aisles import OUTSIDE
from simulator.legs import Walk
from simulator.luck import FloatArray, IntArray
from simulator.shopper import Shopper

if TYPE_CHECKING:
    from simulator.store_model import StoreModel

Life = Generator[float, float, float]  # yields when to act next, is sent the time at which it does


class CrowdWalker(Shopper):
    """A shopper who takes room, walks more slowly in a crowd and waits before aisles that are full.

    Parameters
    ----------
    model
        The store they are in.
    index
        Row of the shopper in the population.

    Attributes
    ----------
    room
        How many people they count as where it is crowded: those of the group, and their cart.
    aisle, awaited_aisle
        The aisle that they are in, and the one that they wait to get into, if any.
    """

    def __init__(self, model: StoreModel, index: int) -> None:
        super().__init__(model, index)
        assert model.live is not None
        self.live = model.live
        self.room = float(model.live.size[index])
        self.aisle: int = OUTSIDE
        self.awaited_aisle: int | None = None
        self._counted_cell: int | None = None

    def _walk_to(self, t_s: float, cells: IntArray, metres: FloatArray) -> Life:
        """Walk along a path; returns when its end is reached."""
        if self.live.crowd is None and self.live.aisles is None:
            return (yield self._walk(t_s, cells, metres))
        return (yield from self._walk_in_crowd(t_s, cells, metres))

    def _walk_in_crowd(self, t_s: float, cells: IntArray, metres: FloatArray) -> Life:
        """Walk cell by cell, as fast as the crowd allows, and wait before aisles that are full."""
        live, free_mps = self.live, self.speed_mps
        path, first = cells.tolist(), 0
        self._stand(path[0])
        walk = self._start_walk(t_s, cells, metres)
        for row in range(1, len(path)):
            if live.aisles is not None and not live.aisles.enter(self, path[row], t_s):
                self._end_walk(walk, row - first)
                t_s = yield math.inf
                first = row - 1
                walk = self._start_walk(t_s, cells[first:], metres[first:] - metres[first])
            self._stand(path[row])
            step_s = float(metres[row] - metres[row - 1]) / free_mps
            if live.crowd is not None:
                step_s *= free_mps / live.crowd.speed_mps(path[row], self.room, free_mps)
            t_s += step_s
            assert walk.delay_s is not None
            walk.delay_s[row - first] = t_s - walk.start_s - float(walk.metres[row - first]) / free_mps
            t_s = yield t_s
        return t_s

    def _start_walk(self, t_s: float, cells: IntArray, metres: FloatArray) -> Walk:
        """Start a walk of which it is not known yet how long it takes."""
        walk = Walk(t_s, cells, metres, np.full(len(cells), math.inf))
        assert walk.delay_s is not None
        walk.delay_s[0] = 0.0
        self.walks.append(walk)
        return walk

    def _end_walk(self, walk: Walk, n_cells: int) -> None:
        """Break the last walk off after its first `n_cells` cells."""
        assert walk.delay_s is not None
        self.walks[-1] = Walk(
            walk.start_s, walk.cells[:n_cells], walk.metres[:n_cells], walk.delay_s[:n_cells]
        )

    def _stand(self, cell: int) -> None:
        """Be counted on a cell, and on no other any more."""
        crowd = self.live.crowd
        if crowd is not None:
            if self._counted_cell is not None:
                crowd.add(self._counted_cell, -self.room)
            crowd.add(cell, self.room)
            self._counted_cell = cell
