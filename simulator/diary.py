"""The diary of a cohort: stops and picks as they are decided, put into order at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from layouts import Store
from models import StandingPlaces
from simulator.itinerary import Itineraries
from simulator.luck import Luck, Purpose

Array = npt.NDArray[Any]


@dataclass(eq=False)
class Diary:
    """Entries of many shoppers, written in any order between them but in order for each of them."""

    _stops: list[tuple[Array, Array, Array]] = field(default_factory=list)
    _picks: list[tuple[Array, Array, Array, Array]] = field(default_factory=list)
    _ways: list[tuple[Array, Array]] = field(default_factory=list)
    _last_ways: list[tuple[Array, Array]] = field(default_factory=list)
    _n_stops: int = 0

    def add_stops(self, shopper: Array, zone: Array, dwell_s: Array) -> Array:
        """Write one stop per shopper, shapes (n,), and return the stops' numbers, shape (n,)."""
        self._stops.append((shopper, zone, dwell_s))
        self._n_stops += len(shopper)
        return np.arange(self._n_stops - len(shopper), self._n_stops)

    def add_picks(self, stop: Array, sku: Array, qty: Array, *, is_planned: bool) -> None:
        """Write what was taken at the stops of these numbers, shapes (n,)."""
        self._picks.append((stop, sku, qty, np.full(len(stop), is_planned)))

    def add_ways(self, stop: Array, way: Array) -> None:
        """Write the cells (n, n_way) passed on the way to stops, the last one stood on; padded with -1."""
        self._ways.append((stop, way))

    def add_last_ways(self, shopper: Array, way: Array) -> None:
        """Write the cells (n, n_way) that shoppers passed after their last stop, padded with -1."""
        self._last_ways.append((shopper, way))

    def to_itineraries(
        self,
        store: Store,
        zone_key: Array,
        missed: Array,
        luck: Luck,
        standing: StandingPlaces | None = None,
    ) -> Itineraries:
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
        standing
            Where people stand at zones; on any cell of them alike if left out.
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
        u = luck.uniform(Purpose.STANDING_CELL, shopper, zone_key[zone], nth)
        cell = _draw_cells(store, zone, u, standing)
        for numbers, way in self._ways:
            n_cells = (way >= 0).sum(axis=1)
            is_told = n_cells > 0
            cell[row_of[numbers[is_told]]] = way[is_told, n_cells[is_told] - 1]
        way_cells, way_offsets = self._collect_ways(row_of, shopper, len(missed))
        return Itineraries(
            n_shoppers=len(missed),
            stop_shopper=shopper,
            stop_zone=zone,
            stop_cell=cell,
            stop_dwell_s=dwell_s[by_shopper].astype(float),
            pick_stop=stop[by_stop],
            pick_sku=sku[by_stop].astype(np.int64),
            pick_qty=qty[by_stop].astype(np.int64),
            pick_planned=is_planned[by_stop].astype(bool),
            missed=missed,
            way_cells=way_cells,
            way_offsets=way_offsets,
        )

    def _collect_ways(self, row_of: Array, shopper: Array, n_shoppers: int) -> tuple[Array, Array | None]:
        """Ways in the order of the legs: leg s + i leads shopper i to stop row s, their last one out."""
        if not self._ways and not self._last_ways:
            return np.zeros(0, dtype=np.int64), None
        n_legs = len(shopper) + n_shoppers
        ways = [(row_of[stop] + shopper[row_of[stop]], way) for stop, way in self._ways]
        ends = np.searchsorted(shopper, np.arange(n_shoppers), side="right")
        ways += [(ends[who] + who, way) for who, way in self._last_ways]
        leg, nth, cell = _columns([_unpad(*entry) for entry in ways], 3)
        order = np.lexsort((nth, leg))
        return cell[order], np.searchsorted(leg[order], np.arange(n_legs + 1))


def _unpad(leg: Array, way: Array) -> tuple[Array, Array, Array]:
    """Leg, order and cell of every entry of ways (n, n_way) that is not padding."""
    row, nth = np.nonzero(way >= 0)
    return leg[row], nth, way[row, nth]


def _columns(entries: list[Any], n_columns: int) -> list[Array]:
    if not entries:
        return [np.zeros(0, dtype=np.int64) for _ in range(n_columns)]
    return [np.concatenate(column) for column in zip(*entries, strict=True)]


def _draw_cells(store: Store, zone: Array, u: Array, standing: StandingPlaces | None) -> Array:
    """Turn uniforms into cells to stand on at the zones, shape (n,)."""
    if standing is None:
        cells = store.walks.zone_cells
        n_cells = np.array([len(of_zone) for of_zone in cells])
        first = np.cumsum(n_cells) - n_cells
        nth = np.minimum((u * n_cells[zone]).astype(np.int64), n_cells[zone] - 1)
        return np.concatenate(cells)[first[zone] + nth].astype(np.int64)
    zone_of, cell_of, share = standing.weigh(store)
    within = np.cumsum(share)
    start = np.searchsorted(zone_of, np.arange(store.n_zones + 1))
    before = np.insert(within, 0, 0.0)[start]
    mass = before[zone] + u * (before[zone + 1] - before[zone])
    nth = np.clip(np.searchsorted(within, mass, side="right"), start[zone], start[zone + 1] - 1)
    return cell_of[nth].astype(np.int64)
