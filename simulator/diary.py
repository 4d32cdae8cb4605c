"""The diary of a cohort: stops and picks as they are decided, put into order at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from layouts import Store
from simulator.itinerary import Itineraries
from simulator.luck import Luck, Purpose

Array = npt.NDArray[Any]


@dataclass(eq=False)
class Diary:
    """Entries of many shoppers, written in any order between them but in order for each of them."""

    _stops: list[tuple[Array, Array, Array]] = field(default_factory=list)
    _picks: list[tuple[Array, Array, Array, Array]] = field(default_factory=list)
    _n_stops: int = 0

    def add_stops(self, shopper: Array, zone: Array, dwell_s: Array) -> Array:
        """Write one stop per shopper, shapes (n,), and return the stops' numbers, shape (n,)."""
        self._stops.append((shopper, zone, dwell_s))
        self._n_stops += len(shopper)
        return np.arange(self._n_stops - len(shopper), self._n_stops)

    def add_picks(self, stop: Array, sku: Array, qty: Array, *, is_planned: bool) -> None:
        """Write what was taken at the stops of these numbers, shapes (n,)."""
        self._picks.append((stop, sku, qty, np.full(len(stop), is_planned)))

    def to_itineraries(self, store: Store, zone_key: Array, missed: Array, luck: Luck) -> Itineraries:
        """Sort by shopper and give each stop a cell of its zone to stand on, by the shopper's luck.

        Parameters
        ----------
        store
            In which it happened.
        zone_key
            What each zone offers, as a number, shape (n_zones,).
        missed
            Planned items not found, shape (n_shoppers,).
        luck
            Of the replication.
        """
        shopper, zone, dwell_s = _columns(self._stops, 3)
        stop, sku, qty, is_planned = _columns(self._picks, 4)
        by_shopper = np.argsort(shopper, kind="stable")
        row_of = np.empty_like(by_shopper)
        row_of[by_shopper] = np.arange(len(by_shopper))
        shopper, zone = shopper[by_shopper].astype(np.int64), zone[by_shopper].astype(np.int64)
        nth = np.arange(len(shopper)) - np.searchsorted(shopper, shopper)
        stop = row_of[stop.astype(np.int64)]
        by_stop = np.lexsort((sku, stop))
        return Itineraries(
            n_shoppers=len(missed),
            stop_shopper=shopper,
            stop_zone=zone,
            stop_cell=_draw_cells(
                store, zone, luck.uniform(Purpose.STANDING_CELL, shopper, zone_key[zone], nth)
            ),
            stop_dwell_s=dwell_s[by_shopper].astype(float),
            pick_stop=stop[by_stop],
            pick_sku=sku[by_stop].astype(np.int64),
            pick_qty=qty[by_stop].astype(np.int64),
            pick_planned=is_planned[by_stop].astype(bool),
            missed=missed,
        )


def _columns(entries: list[Any], n_columns: int) -> list[Array]:
    if not entries:
        return [np.zeros(0, dtype=np.int64) for _ in range(n_columns)]
    return [np.concatenate(column) for column in zip(*entries, strict=True)]


def _draw_cells(store: Store, zone: Array, u: Array) -> Array:
    """Turn uniforms into cells of the zones, shape (n,)."""
    cells = store.walks.zone_cells
    n_cells = np.array([len(of_zone) for of_zone in cells])
    first = np.cumsum(n_cells) - n_cells
    nth = np.minimum((u * n_cells[zone]).astype(np.int64), n_cells[zone] - 1)
    return np.concatenate(cells)[first[zone] + nth].astype(np.int64)
