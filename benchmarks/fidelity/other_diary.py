"""What the other shoppers did, noted as it happens and turned into the simulator's tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from layouts import Store
from simulator import Itineraries

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]

_MOMENTS = 1_000_000  # more than any clock counts


@dataclass(eq=False)
class Diary:
    """Zones passed, stops and picks of all shoppers, ordered by a clock that counts moments, not time."""

    _passes: list[tuple[np.ndarray, ...]] = field(default_factory=list)  # shopper and moment, zone
    _stops: list[tuple[np.ndarray, ...]] = field(default_factory=list)
    _picks: list[tuple[np.ndarray, ...]] = field(default_factory=list)

    def add_passes(self, shoppers: IntArray, moment: int, zone: IntArray) -> None:
        """Note that zones are walked through."""
        self._passes.append((_key(shoppers, moment), zone))

    def add_stops(self, shoppers: IntArray, moment: int, zone: IntArray, dwell_s: FloatArray) -> None:
        """Note stops: at most one for each shopper and moment."""
        self._stops.append((_key(shoppers, moment), zone, dwell_s))

    def add_picks(
        self, shoppers: IntArray, moment: int, sku: IntArray, qty: IntArray, is_planned: BoolArray
    ) -> None:
        """Note what is taken at the stop of that moment."""
        self._picks.append((_key(shoppers, moment), sku, qty, is_planned))

    def to_itineraries(self, store: Store, missed: IntArray) -> Itineraries:
        """Put everything into the simulator's tables; `missed` is per shopper, shape (n_shoppers,)."""
        pass_key, pass_zone = _join(self._passes, 2)
        stop_key, stop_zone, dwell_s = _join(self._stops, 3)
        pick_key, sku, qty, is_planned = _join(self._picks, 4)
        stop = np.searchsorted(stop_key, pick_key)
        by_sku = np.lexsort((sku, stop))
        cell = store.walks.place_cell
        # a leg leads to each stop, and one more leads each shopper to the tills
        leg = np.searchsorted(stop_key, pass_key) + pass_key // _MOMENTS
        return Itineraries(
            n_shoppers=len(missed),
            stop_shopper=stop_key // _MOMENTS,
            stop_zone=stop_zone,
            stop_cell=cell[stop_zone],
            stop_dwell_s=dwell_s,
            pick_stop=stop[by_sku],
            pick_sku=sku[by_sku],
            pick_qty=qty[by_sku],
            pick_planned=is_planned[by_sku].astype(bool),
            missed=missed,
            way_cells=cell[pass_zone],
            way_offsets=np.searchsorted(leg, np.arange(len(stop_key) + len(missed) + 1)),
        )


def _key(shoppers: IntArray, moment: int) -> IntArray:
    """One number that sorts by shopper, then by moment."""
    return shoppers * _MOMENTS + moment


def _join(rows: list[tuple[np.ndarray, ...]], n_columns: int) -> list[np.ndarray]:
    """Columns of all rows, sorted by the first."""
    if not rows:
        return [np.zeros(0, dtype=np.int64) for _ in range(n_columns)]
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return [column[order] for column in columns]
