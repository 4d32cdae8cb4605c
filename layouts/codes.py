"""Six-character hierarchical codes of cells: each character says which part of the square before it.

The frame is a square that begins at the grid's lower left corner. Every level splits a square into `split`
x `split` parts and writes one character for the part, row by row from below, so that cells which share the
first k characters lie in one square of `split ** (n_levels - k)` cells a side. The paper (arXiv 2407.11081)
has 50 cm cells, six levels and six characters; that each level is a 2 x 2 split is a reconstruction: six of
them span 64 x 64 cells, 32 x 32 m, the size of the stores it speaks of.

Past 64 cells a side the code stays six characters long and every level splits finer: 3 x 3 reaches 729 cells
(364 m), 4 x 4 4,096 (2 km), up to 7 x 7. Codes of two stores are about the same places of a frame only if
their split is the same: up to 64 x 64 cells that is always so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from layouts.arrays import FloatArray, IntArray
from layouts.cells import CELL_M, CellGrid
from layouts.errors import ConfigError, LayoutError

N_LEVELS = 6
MIN_SPLIT = 2
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MAX_SPLIT = int(len(ALPHABET) ** 0.5)

StrArray = NDArray[np.str_]


@dataclass(frozen=True)
class CodeFrame:
    """A square of cells, whether or not one can stand on them, and the code of each.

    Attributes
    ----------
    origin
        Lower left corner [m].
    cell_m
        Side of a cell [m].
    n_levels
        Characters of a code.
    split
        Parts along each side into which a level splits the square before it, 2 to 7.
    """

    origin: tuple[float, float] = (0.0, 0.0)
    cell_m: float = CELL_M
    n_levels: int = N_LEVELS
    split: int = MIN_SPLIT

    def __post_init__(self) -> None:
        """Refuse what gives no codes."""
        if not self.cell_m > 0:
            raise ConfigError(f"cell_m must be positive, got {self.cell_m}")
        if not 1 <= self.n_levels <= 16:
            raise ConfigError(f"n_levels must be 1 to 16, got {self.n_levels}")
        if not MIN_SPLIT <= self.split <= MAX_SPLIT:
            raise ConfigError(f"split must be {MIN_SPLIT} to {MAX_SPLIT}, got {self.split}")

    @classmethod
    def fitting(
        cls,
        shape: tuple[int, int],
        *,
        origin: tuple[float, float] = (0.0, 0.0),
        cell_m: float = CELL_M,
        n_levels: int = N_LEVELS,
    ) -> CodeFrame:
        """Take the coarsest split whose square holds `shape` rows and columns of cells.

        Raises
        ------
        LayoutError
            If even 7 x 7 parts a level are too few.
        """
        side = max(shape)
        for split in range(MIN_SPLIT, MAX_SPLIT + 1):
            if split**n_levels >= side:
                return cls(origin=origin, cell_m=cell_m, n_levels=n_levels, split=split)
        raise LayoutError(
            f"codes of {n_levels} characters reach {MAX_SPLIT**n_levels} cells a side, the grid has {side}; "
            "give n_levels more"
        )

    @property
    def n_side(self) -> int:
        """Cells along each side of the frame."""
        return self.split**self.n_levels

    @cached_property
    def characters(self) -> str:
        """The characters that occur in codes: one per part of a split."""
        return ALPHABET[: self.split**2]

    def shared_size_m(self, n_shared: int) -> float:
        """Side [m] of the square that holds all cells whose codes share `n_shared` characters."""
        return float(self.cell_m * self.split ** (self.n_levels - n_shared))

    def encode_rows_cols(self, rows_cols: IntArray) -> StrArray:
        """Code of each cell by row and column.

        Parameters
        ----------
        rows_cols
            Row and column, shape (n, 2), each 0 to `n_side` - 1.

        Returns
        -------
        codes
            Text of `n_levels` characters, shape (n,).

        Raises
        ------
        LayoutError
            If a cell lies outside the frame.
        """
        rows_cols = np.asarray(rows_cols, dtype=np.int64).reshape(-1, 2)
        is_outside = ((rows_cols < 0) | (rows_cols >= self.n_side)).any(axis=1)
        if is_outside.any():
            row, col = rows_cols[is_outside][0]
            raise LayoutError(
                f"cell in row {row}, column {col}: outside the frame of {self.n_side} x {self.n_side} cells"
            )
        weight = self.split ** np.arange(self.n_levels - 1, -1, -1)
        digits = rows_cols[:, :, None] // weight % self.split  # (n, 2, n_levels)
        symbols = np.frombuffer(ALPHABET.encode("ascii"), dtype=np.uint8)
        text = symbols[digits[:, 0] * self.split + digits[:, 1]]
        codes = np.ascontiguousarray(text).view(f"S{self.n_levels}").ravel()
        return np.asarray(codes.astype(f"U{self.n_levels}"))

    def decode_rows_cols(self, codes: Sequence[str] | StrArray) -> IntArray:
        """Row and column that each code names, shape (n, 2); -1 where a text is no code of this frame."""
        codes = np.asarray(codes, dtype=str).ravel()
        rows_cols = np.full((len(codes), 2), -1, dtype=np.int64)
        fits = np.array([len(code) == self.n_levels for code in codes], dtype=bool)
        if not fits.any():
            return rows_cols
        points = np.ascontiguousarray(codes[fits].astype(f"U{self.n_levels}")).view(np.uint32)
        place = np.full(int(points.max()) + 2, -1, dtype=np.int64)  # of each character by code point
        for part, symbol in enumerate(self.characters):
            if ord(symbol) < len(place):
                place[ord(symbol)] = part
        part_of = place[points].reshape(-1, self.n_levels)
        weight = self.split ** np.arange(self.n_levels - 1, -1, -1)
        found = np.stack([part_of // self.split @ weight, part_of % self.split @ weight], axis=1)
        rows_cols[fits] = np.where(part_of.min(axis=1, keepdims=True) >= 0, found, -1)
        return rows_cols

    def encode_xy(self, xy: FloatArray) -> StrArray:
        """Code of the cell that each point [m] lies in, (n, 2) -> (n,)."""
        xy = np.asarray(xy, dtype=float).reshape(-1, 2)
        return self.encode_rows_cols(np.floor((xy - self.origin) / self.cell_m).astype(np.int64)[:, ::-1])

    def decode_xy(self, codes: Sequence[str] | StrArray) -> FloatArray:
        """Centre [m] of the cell that each code names, shape (n, 2); NaN where a text is no code."""
        rows_cols = self.decode_rows_cols(codes)
        centres = np.asarray(self.origin) + self.cell_m * (rows_cols[:, ::-1] + 0.5)
        return np.where(rows_cols[:, :1] >= 0, centres, np.nan)


@dataclass(frozen=True, eq=False)
class CellCodes:
    """Codes of the walkable cells of one store, both ways.

    Attributes
    ----------
    grid
        The cells.
    frame
        The square that the codes divide; it begins where the grid begins.
    """

    grid: CellGrid
    frame: CodeFrame

    @classmethod
    def of(cls, grid: CellGrid, *, n_levels: int = N_LEVELS) -> CellCodes:
        """Lay the frame over a grid."""
        frame = CodeFrame.fitting(grid.shape, origin=grid.origin, cell_m=grid.cell_m, n_levels=n_levels)
        return cls(grid=grid, frame=frame)

    @cached_property
    def all_codes(self) -> StrArray:
        """Code of every walkable cell, shape (n_cells,)."""
        return self.frame.encode_rows_cols(self.grid.rows_cols)

    def encode(self, cells: IntArray) -> StrArray:
        """Code of each walkable cell id, any shape.

        Raises
        ------
        LayoutError
            If an id names no cell.
        """
        cells = np.asarray(cells, dtype=np.int64)
        if cells.size and not (cells.min() >= 0 and cells.max() < self.grid.n_cells):
            raise LayoutError(f"cell ids must be 0 to {self.grid.n_cells - 1}, got one outside")
        return np.asarray(self.all_codes[cells])

    def decode(self, codes: Sequence[str] | StrArray) -> IntArray:
        """Walkable cell id that each code names, shape (n,); -1 for no code or where nobody can stand."""
        rows_cols = self.frame.decode_rows_cols(codes)
        n_rows, n_cols = self.grid.shape
        inside = (rows_cols >= 0).all(axis=1) & (rows_cols < (n_rows, n_cols)).all(axis=1)
        cells = np.full(len(rows_cols), -1, dtype=np.int64)
        cells[inside] = self.grid.cell_ids[tuple(rows_cols[inside].T)]
        return cells
