"""Cleaned positions as cells: one a second from the first to the last, along ways that can be walked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from layouts import CellGrid, Store

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]

JUMP_SLACK_M = 0.75  # positions this near may lie in cells that much farther apart without any hurry
_CHUNK = 256


@dataclass(frozen=True, eq=False)
class CellTracks:
    """Where each session was, second by second, sessions one after another.

    Attributes
    ----------
    session_ids
        Names, shape (n,).
    first
        First row of each session and the number of rows at the end, shape (n + 1,).
    start_s
        Second of each session's first row [s since its first fix], shape (n,).
    cell
        Walkable cell id of each second, shape (n_rows,); no second is left out.
    n_jumps
        Seconds whose position could not be reached in the time; they were filled like gaps.
    n_filled
        Seconds filled along the shortest path, jumps included.
    """

    session_ids: NDArray[Any]
    first: NDArray[np.int64]
    start_s: NDArray[np.int64]
    cell: NDArray[np.int64]
    n_jumps: int
    n_filled: int

    @property
    def n(self) -> int:
        """Number of sessions."""
        return len(self.session_ids)

    def get_cells(self, row: int) -> NDArray[np.int64]:
        """Cell of each second of one session."""
        return self.cell[self.first[row] : self.first[row + 1]]


class Paths:
    """Shortest paths between cells of a store, each found once."""

    def __init__(self, store: Store) -> None:
        self._walks = store.walks
        self._xy = store.grid.xy
        self._known: dict[tuple[int, int], tuple[NDArray[np.int64], NDArray[np.float64]]] = {}

    def find(self, source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Cells of a path, both ends included, and the metres walked up to each."""
        key = int(source), int(target)
        if key not in self._known:
            cells = np.asarray(self._walks.path(*key), dtype=np.int64)
            metres = np.hypot(*np.diff(self._xy[cells], axis=0).T)
            self._known[key] = cells, np.concatenate([[0.0], np.cumsum(metres)])
        return self._known[key]

    def spread(self, source: int, target: int, n_steps: int) -> NDArray[np.int64]:
        """Cells after each of `n_steps` equal parts of the way, the target last, shape (n_steps,)."""
        cells, metres = self.find(source, target)
        wanted = metres[-1] * np.arange(1, n_steps + 1) / n_steps
        return cells[np.abs(metres[None] - wanted[:, None]).argmin(axis=1)]


class NearDistances:
    """Walking distances [m] between cells up to a limit, for many pairs at once."""

    def __init__(self, grid: CellGrid, limit_m: float) -> None:
        near = find_near_cells(grid, limit_m)
        row = np.repeat(np.arange(grid.n_cells), np.diff(near.indptr))
        self._n_cells = grid.n_cells
        self._pair = row * grid.n_cells + near.indices
        self._metres = near.data

    def measure(self, source: IntArray, target: IntArray) -> NDArray[np.float64]:
        """Distance of each pair; infinite beyond the limit."""
        pair = np.asarray(source, dtype=np.int64) * self._n_cells + target
        at = np.minimum(np.searchsorted(self._pair, pair), len(self._pair) - 1)
        return np.where(self._pair[at] == pair, self._metres[at], np.inf)


def find_near_cells(grid: CellGrid, limit_m: float) -> csr_array:
    """Find the walking distance [m] from each cell to those within `limit_m`, itself (0 m) included.

    The zero of a cell to itself is stored. Columns rise within each row.
    """
    indptr, columns, metres = [0], [], []
    for begin in range(0, grid.n_cells, _CHUNK):
        sources = np.arange(begin, min(begin + _CHUNK, grid.n_cells))
        distance_m = dijkstra(grid.lattice.steps, indices=sources, limit=limit_m + 1e-6)
        row, column = np.nonzero(np.isfinite(distance_m))
        indptr.extend((indptr[-1] + np.cumsum(np.bincount(row, minlength=len(sources)))).tolist())
        columns.append(column)
        metres.append(distance_m[row, column])
    shape = (grid.n_cells, grid.n_cells)
    return csr_array((np.concatenate(metres), np.concatenate(columns), np.array(indptr)), shape=shape)


def trace_cells(positions: pd.DataFrame, store: Store, *, max_speed_mps: float = 2.0) -> CellTracks:
    """Turn cleaned positions into the cell of every second.

    A position goes to its cell, or to the nearest walkable one. Seconds that a shopper could only have
    reached faster than `max_speed_mps` along the walk graph (noise that put a position on the other side of a
    shelf) and seconds without a position are filled along the shortest path, at even speed.

    Parameters
    ----------
    positions
        `session_id, t_s, x, y` as `clean_tracks` gives them.
    store
        The layout in which they were observed.
    max_speed_mps
        Highest speed that is believed.
    """
    session, names = pd.factorize(positions["session_id"])
    t_s = positions["t_s"].to_numpy(dtype=np.int64)
    cell = _find_cells(positions[["x", "y"]].to_numpy(dtype=np.float64), store.grid)
    keep = _find_reachable(session, t_s, cell, store, max_speed_mps)
    session, t_s, cell = session[keep], t_s[keep], cell[keep]
    first_row = np.searchsorted(session, np.arange(len(names) + 1))
    start_s, last_s = t_s[first_row[:-1]], t_s[first_row[1:] - 1]
    first = np.concatenate([[0], np.cumsum(last_s - start_s + 1)])
    filled = np.empty(first[-1], dtype=np.int64)
    at = first[session] + t_s - start_s[session]
    filled[at] = cell
    paths = Paths(store)
    for row in np.flatnonzero(np.diff(at) > 1):
        begin, end = at[row], at[row + 1]
        filled[begin + 1 : end + 1] = paths.spread(cell[row], cell[row + 1], int(end - begin))
    return CellTracks(
        session_ids=np.asarray(names, dtype=object),
        first=first,
        start_s=start_s,
        cell=filled,
        n_jumps=int((~keep).sum()),
        n_filled=len(filled) - len(cell),
    )


def _find_cells(xy: NDArray[np.float64], grid: CellGrid) -> NDArray[np.int64]:
    """Cell of each position, or the nearest walkable one."""
    cell = np.array(grid.cell_at(xy), dtype=np.int64)
    is_off = cell < 0
    if is_off.any():
        cell[is_off] = grid.nearest(xy[is_off])
    return cell


def _find_reachable(
    session: IntArray, t_s: IntArray, cell: NDArray[np.int64], store: Store, max_speed_mps: float
) -> NDArray[np.bool_]:
    """Mark positions that are no jumps: each must be in reach of the last one that was kept."""
    keep = np.ones(len(cell), dtype=bool)
    near = NearDistances(store.grid, 4.0 * max_speed_mps + JUMP_SLACK_M)
    step_s = np.diff(t_s)
    is_short = (np.diff(session) == 0) & (step_s <= 3)
    metres = near.measure(cell[:-1], cell[1:])
    is_jump = is_short & (metres > max_speed_mps * step_s + JUMP_SLACK_M)
    resolved = -1
    for jump in np.flatnonzero(is_jump).tolist():
        if jump < resolved:
            continue
        row = jump + 1
        while row < len(cell) and session[row] == session[jump]:
            limit_m = max_speed_mps * (t_s[row] - t_s[jump]) + JUMP_SLACK_M
            if store.walks.distance_m(int(cell[row]), int(cell[jump])) <= limit_m:
                break
            keep[row] = False
            row += 1
        resolved = row
    return keep
