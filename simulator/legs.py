"""Walks along the ways of the walk graph, planned for a whole cohort at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layouts import Store
from simulator.luck import BoolArray, FloatArray, IntArray

_TARGETS_AT_ONCE = 256  # bounds the memory of a table (targets, cells)


@dataclass(frozen=True, eq=False, slots=True)
class Walk:
    """One uninterrupted walk; before it starts a shopper stands on its first cell, after it on its last.

    Parameters
    ----------
    start_s
        When it starts [s].
    cells
        Cells on the way, both ends included, shape (n,).
    metres
        Way from the first cell to each [m], shape (n,).
    delay_s
        How much later each cell is reached than at the shopper's own speed [s], shape (n,), infinite while it
        is not known; None where nothing slows them.
    """

    start_s: float
    cells: IntArray
    metres: FloatArray
    delay_s: FloatArray | None = None

    def end_s(self, speed_mps: float) -> float:
        """When the last cell is reached [s]."""
        end_s = self.start_s + float(self.metres[-1]) / speed_mps
        return end_s if self.delay_s is None else end_s + float(self.delay_s[-1])

    def times_s(self, speed_mps: float) -> FloatArray:
        """When each cell is reached [s], shape (n,)."""
        times_s = self.start_s + self.metres / speed_mps
        return np.asarray(times_s if self.delay_s is None else times_s + self.delay_s)


@dataclass(frozen=True, eq=False)
class Legs:
    """Many paths in one table: leg i has the rows ``offsets[i]`` to ``offsets[i + 1]`` of the others."""

    cells: IntArray
    metres: FloatArray  # from the leg's first cell
    offsets: IntArray  # (n_legs + 1,)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def length_m(self) -> FloatArray:
        """Length of each leg [m], shape (n_legs,)."""
        return self.metres[self.offsets[1:] - 1]


def plan_line(
    t_s: float,
    cells: IntArray,
    metres: FloatArray,
    ahead_end_s: Sequence[float],
    spacing_m: float,
    speed_mps: float,
) -> tuple[list[Walk], float]:
    """Plan the walks in a queue, from waiting place to waiting place, along the way to its head.

    As the queue is first come, first served, it is known by now when each of those ahead will leave.

    Parameters
    ----------
    t_s
        When the queue is joined, at the first cell [s].
    cells, metres
        The way to the head of the queue.
    ahead_end_s
        When each of those ahead will leave [s], in order.
    spacing_m
        Way between two who wait [m].
    speed_mps
        How fast they walk [m/s].

    Returns
    -------
    walks
        In order.
    free_s
        When the head of the queue is reached [s].
    """
    if not ahead_end_s and len(cells) > 1:  # straight to the till, as most do
        walk = Walk(t_s, cells, metres)
        return [walk], walk.end_s(speed_mps)
    walks, first, free_s = [], 0, t_s
    for n_ahead in range(len(ahead_end_s), -1, -1):
        if n_ahead < len(ahead_end_s):
            free_s = max(free_s, ahead_end_s[-n_ahead - 1])
        place_m = metres[-1] - n_ahead * spacing_m
        last = max(int(np.searchsorted(metres, place_m, side="right")) - 1, 0)
        if last > first:
            walks.append(Walk(free_s, cells[first : last + 1], metres[first : last + 1] - metres[first]))
            free_s, first = walks[-1].end_s(speed_mps), last
    return walks, free_s


def compute_legs(
    store: Store,
    sources: IntArray,
    targets: IntArray,
    *,
    via: IntArray | None = None,
    via_offsets: IntArray | None = None,
) -> Legs:
    """Find the ways from cells to cells, all at once; the same as ``store.walks.walked_path`` gives.

    Parameters
    ----------
    sources, targets
        Cells, both of shape (n_legs,).
    via, via_offsets
        Cells to be passed on the way, leg after leg, and the first row of each leg, shape (n_legs + 1,).
    """
    if via is None or via_offsets is None or len(via) == 0:
        return _compute_walked(store, sources, targets)
    starts = np.insert(via, via_offsets[:-1], sources)
    ends = np.insert(via, via_offsets[1:], targets)
    parts = _compute_walked(store, starts, ends)
    first_part = via_offsets + np.arange(len(via_offsets))  # parts of each leg: one more than cells to pass
    is_joint = np.zeros(len(parts.cells), dtype=bool)  # a part starts where the one before it ended
    is_joint[parts.offsets[:-1]] = True
    is_joint[parts.offsets[first_part[:-1]]] = False
    kept_before = np.concatenate([[0], np.cumsum(~is_joint)])
    cells, offsets = parts.cells[~is_joint], kept_before[parts.offsets[first_part]]
    return Legs(cells, compute_metres(store, cells, offsets), offsets)


def _compute_walked(store: Store, sources: IntArray, targets: IntArray) -> Legs:
    n_legs = len(sources)
    legs, cells, ranks = (
        [np.arange(n_legs)],
        [np.asarray(sources, dtype=np.int64)],
        [np.zeros(n_legs, np.int64)],
    )
    ways = np.stack([targets, store.walks.choose_strands(sources, targets)])
    ends, end_of = np.unique(ways, axis=1, return_inverse=True)
    order = np.argsort(end_of, kind="stable")
    starts = np.searchsorted(end_of[order], np.arange(ends.shape[1] + 1))
    for first in range(0, ends.shape[1], _TARGETS_AT_ONCE):
        some = ends[:, first : first + _TARGETS_AT_ONCE].T.tolist()
        follow = np.stack([store.walks.next_cells_walked_to(*end) for end in some])  # (n_targets, n_cells)
        leg = order[starts[first] : starts[first + len(some)]]
        row = end_of[leg] - first
        cell, rank = cells[0][leg], 0
        while True:
            cell = follow[row, cell].astype(np.int64)
            on_way = cell >= 0  # -1 follows the target
            if not on_way.any():
                break
            leg, row, cell, rank = leg[on_way], row[on_way], cell[on_way], rank + 1
            legs.append(leg)
            cells.append(cell)
            ranks.append(np.full(len(leg), rank))
    leg = np.concatenate(legs)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(leg, minlength=n_legs))])
    flat = np.empty(len(leg), dtype=np.int64)
    flat[offsets[leg] + np.concatenate(ranks)] = np.concatenate(cells)
    return Legs(flat, compute_metres(store, flat, offsets), offsets)


def compute_metres(store: Store, cells: IntArray, offsets: IntArray) -> FloatArray:
    """Measure the way from each path's first cell to each of its cells [m].

    Straight and diagonal steps are counted as integers, so that a path's length does not depend on the
    paths beside it, not even in the last bit.

    Parameters
    ----------
    cells
        Paths behind one another, shape (n,).
    offsets
        First row of each path, and n at the end.
    """
    step = (
        np.abs(np.diff(store.grid.xy[cells], axis=0, prepend=store.grid.xy[cells[:1]]))
        > store.grid.cell_m / 2
    )
    step[offsets[:-1]] = False  # from the end of one path to the start of the next
    diagonal = step[:, 0] & step[:, 1]
    straight = step[:, 0] ^ step[:, 1]
    n_straight, n_diagonal = (_count_along(steps, offsets) for steps in (straight, diagonal))
    return np.asarray(store.grid.cell_m * (n_straight + np.sqrt(2.0) * n_diagonal))


def _count_along(is_step: BoolArray, offsets: IntArray) -> IntArray:
    """Count the steps made since the start of each path."""
    counts = np.cumsum(is_step)
    return np.asarray(counts - np.repeat(counts[offsets[:-1]], np.diff(offsets)))
