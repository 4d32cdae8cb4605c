"""All walks of a run in one table: what positions are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.legs import Walk
from simulator.luck import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class WalkTable:
    """Walks by shopper, then in the order in which they were made.

    Parameters
    ----------
    shopper, start_s
        Who walks, and when they start [s]; both of shape (n_walks,).
    offsets
        First row of each walk in the following, and the end, shape (n_walks + 1,).
    cells, metres
        Cells on the way, and the way from the walk's first cell to each [m], shape (n,).
    delay_s
        How much later than at the shopper's own speed each is reached [s], shape (n,); None if nobody is ever
        slowed.
    """

    shopper: IntArray
    start_s: FloatArray
    offsets: IntArray
    cells: IntArray
    metres: FloatArray
    delay_s: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.shopper)

    @classmethod
    def of(cls, walks: Sequence[Sequence[Walk]]) -> WalkTable:
        """Put the walks of each shopper, in order, into a table."""
        shopper = np.repeat(np.arange(len(walks)), [len(of_one) for of_one in walks])
        every = [walk for of_one in walks for walk in of_one]
        delay_s = None
        if any(walk.delay_s is not None for walk in every):
            delay_s = np.concatenate(
                [np.zeros(len(walk.cells)) if walk.delay_s is None else walk.delay_s for walk in every]
            )
        return cls(
            shopper=shopper,
            start_s=np.array([walk.start_s for walk in every], dtype=float),
            offsets=np.concatenate([[0], np.cumsum([len(walk.cells) for walk in every])]).astype(np.int64),
            cells=np.concatenate([np.zeros(0, np.int64), *(walk.cells for walk in every)]),
            metres=np.concatenate([np.zeros(0), *(walk.metres for walk in every)]),
            delay_s=delay_s,
        )

    @property
    def n_rows(self) -> IntArray:
        """Number of cells of each walk, shape (n_walks,)."""
        return np.diff(self.offsets)

    def compute_times_s(self, speed_mps: FloatArray) -> FloatArray:
        """When each cell is reached [s], shape (n,), by shoppers of these speeds, shape (n_shoppers,)."""
        owner = np.repeat(self.shopper, self.n_rows)
        times_s = np.repeat(self.start_s, self.n_rows) + self.metres / speed_mps[owner]
        return np.asarray(times_s if self.delay_s is None else times_s + self.delay_s)

    def to_walks(self, n_shoppers: int) -> list[list[Walk]]:
        """Walks of each of n shoppers, in order."""
        walks: list[list[Walk]] = [[] for _ in range(n_shoppers)]
        bounds, start_s = self.offsets.tolist(), self.start_s.tolist()
        for row, shopper in enumerate(self.shopper.tolist()):
            rows = slice(bounds[row], bounds[row + 1])
            delay_s = None if self.delay_s is None else self.delay_s[rows]
            walks[shopper].append(Walk(start_s[row], self.cells[rows], self.metres[rows], delay_s))
        return walks
