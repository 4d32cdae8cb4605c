"""What a language model writes, counted as it stands: cells at fixes, purchases by zone and by category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from analysis import estimate_divergence_floor, jensen_shannon_divergence
from layouts import Store
from models.paper.reach import find_homes
from models.paper.reading import Meanings, read_cell_visits
from models.paper.words import TextEncoding

Counts = Mapping[str, csr_array]  # figure -> counts of each journey and bin


def count_written(
    sequences: Sequence[NDArray[np.integer[Any]]], meanings: Meanings, store: Store, encoding: TextEncoding
) -> Counts:
    """Count fixes (or seconds) by cell and receipt lines by zone and by category, of each journey.

    Codes where nobody can stand have one bin of their own, the last.
    """
    visits = read_cell_visits(sequences, meanings, encoding)
    n, journey, n_cells = len(sequences), visits.journey, store.grid.n_cells
    step_s = store.grid.cell_m / encoding.speed_mps
    seconds = visits.stay_s + step_s if encoding.kind == "time" else np.ones(len(visits.cell))
    cell = np.where(visits.cell >= 0, visits.cell, n_cells)
    home = np.vstack(
        [find_homes(store, encoding.reach_m), np.full((1, len(store.categories)), -1, dtype=np.int64)]
    )
    at, category = visits.pick_row, visits.pick_category
    zone = home[cell[at], category]
    zone = np.where(zone >= 0, zone, store.n_zones)
    return {
        "cells": _count(journey, cell, seconds, (n, n_cells + 1)),
        "zone_purchases": _count(journey[at], zone, np.ones(len(at)), (n, store.n_zones + 1)),
        "category_purchases": _count(journey[at], category, np.ones(len(at)), (n, len(store.categories))),
    }


def _count(
    row: NDArray[Any], column: NDArray[Any], weight: NDArray[Any], shape: tuple[int, int]
) -> csr_array:
    return csr_array((weight, (row, column)), shape=shape)


def compare_written(observed: Counts, written: Counts, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Divergence of each figure [nats] beside its noise floor, with the sizes of both sides."""
    table = {}
    for name, seen in observed.items():
        told = written[name]
        n, m = seen.shape[0], told.shape[0]
        value = jensen_shannon_divergence(seen.sum(axis=0), told.sum(axis=0))
        floor = estimate_divergence_floor(seen, m, rng).mean
        used = int(((seen.sum(axis=0) > 0) | (told.sum(axis=0) > 0)).sum())
        table[name] = {
            "value": value,
            "floor": floor,
            "ratio": value / floor,
            "n": n,
            "m": m,
            "n_counts": float(seen.sum()),
            "m_counts": float(told.sum()),
            "k": used,
            "base": "e",
        }
    return table
