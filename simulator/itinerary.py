"""Who comes and what each of them does: the tables between the decisions and the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from layouts import ModelError, Store
from simulator.arrivals import ArrivalProfile, draw_arrivals, draw_speeds_mps
from simulator.luck import BoolArray, FloatArray, IntArray, Luck, Purpose

StrArray = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Population:
    """The people of one replication; the same in every layout that is compared.

    Parameters
    ----------
    n
        Number of shoppers. A shopper's index 0 .. n - 1 keys their luck.
    arrival_s
        When each enters [s] since the opening of day 0, shape (n,); day k adds 86400 k. Needs no order.
    speed_mps
        Walking speed [m/s], shape (n,).
    attributes
        Customer attributes by name (``age_band``, ``mission``, ...), each shape (n,), text.
    door_s
        How long each stands at the door before they walk [s], shape (n,); nobody does if left out.
    """

    n: int
    arrival_s: FloatArray
    speed_mps: FloatArray
    attributes: Mapping[str, StrArray] = field(default_factory=dict)
    door_s: FloatArray | None = None

    def __post_init__(self) -> None:
        for name, column in {
            "arrival_s": self.arrival_s,
            "speed_mps": self.speed_mps,
            **self.attributes,
            **({} if self.door_s is None else {"door_s": self.door_s}),
        }.items():
            if np.shape(column) != (self.n,):
                raise ModelError(f"population, {name}: shape {np.shape(column)}, must be ({self.n},)")
        if self.n and not (np.all(np.isfinite(self.arrival_s)) and np.min(self.arrival_s) >= 0):
            raise ModelError("population, arrival_s: must be finite and at least 0 (the opening of day 0)")
        if self.n and not (np.all(np.isfinite(self.speed_mps)) and np.min(self.speed_mps) > 0):
            raise ModelError("population, speed_mps: must be finite and above 0")
        if self.n and self.door_s is not None and not (np.isfinite(self.door_s) & (self.door_s >= 0)).all():
            raise ModelError("population, door_s: must be finite and at least 0")


@dataclass(frozen=True, eq=False)
class Itineraries:
    """What each shopper of a cohort does, without a clock: stops in order, and what is picked there.

    Stops are sorted by shopper, then in the order in which they are made; picks are sorted by stop. Walking,
    waiting and paying are not in here: they follow in the :class:`~simulator.StoreModel`.

    Parameters
    ----------
    n_shoppers
        Number of shoppers, those without any stop included.
    stop_shopper, stop_zone, stop_cell
        Per stop, shape (n_stops,): the shopper, the zone's index in the store, the cell they stand on.
    stop_dwell_s
        How long they stay [s], shape (n_stops,).
    pick_stop, pick_sku, pick_qty
        Per pick, shape (n_picks,): the stop's row, the SKU's index in the store, how many units.
    pick_planned
        Whether the pick serves a need that the shopper came with, shape (n_picks,).
    missed
        Planned items that the shopper did not find, shape (n_shoppers,).
    way_cells, way_offsets
        Cells that are passed on the way, leg after leg, and the first row of each leg, shape (n_stops +
        n_shoppers + 1,): leg s + i leads shopper i to stop s, the one after their last stop to the tills or
        out. Without them every leg is a shortest walk.
    unplanned_profit
        Expected profit of what each shopper buys unplanned, given their way, shape (n_shoppers,) [currency]:
        it varies less than what is drawn. None where nobody knows it.
    """

    n_shoppers: int
    stop_shopper: IntArray
    stop_zone: IntArray
    stop_cell: IntArray
    stop_dwell_s: FloatArray
    pick_stop: IntArray
    pick_sku: IntArray
    pick_qty: IntArray
    pick_planned: BoolArray
    missed: IntArray
    way_cells: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    way_offsets: IntArray | None = None
    unplanned_profit: FloatArray | None = None

    def __post_init__(self) -> None:
        n_stops, n_picks = len(self.stop_shopper), len(self.pick_stop)
        for name, n in (
            *((name, n_stops) for name in ("stop_zone", "stop_cell", "stop_dwell_s")),
            *((name, n_picks) for name in ("pick_sku", "pick_qty", "pick_planned")),
            ("missed", self.n_shoppers),
        ):
            if np.shape(getattr(self, name)) != (n,):
                raise ModelError(
                    f"itineraries, {name}: shape {np.shape(getattr(self, name))}, must be ({n},)"
                )
        _check_rows(self.stop_shopper, self.n_shoppers, "stop_shopper", "shoppers")
        _check_rows(self.pick_stop, n_stops, "pick_stop", "stops")
        if self.way_offsets is not None and (
            len(self.way_offsets) != n_stops + self.n_shoppers + 1
            or self.way_offsets[-1] != len(self.way_cells)
        ):
            raise ModelError("itineraries, way_offsets: must hold one row per leg, and end with all cells")
        if n_stops and not (np.all(np.isfinite(self.stop_dwell_s)) and np.min(self.stop_dwell_s) >= 0):
            raise ModelError("itineraries, stop_dwell_s: must be finite and at least 0")
        if n_picks and np.min(self.pick_qty) < 1:
            raise ModelError("itineraries, pick_qty: must be at least 1")

    @property
    def n_stops(self) -> int:
        """Number of stops of all shoppers."""
        return len(self.stop_shopper)

    @property
    def n_picks(self) -> int:
        """Number of picks of all shoppers."""
        return len(self.pick_stop)

    @property
    def stop_offsets(self) -> IntArray:
        """First stop row of each shopper, and the end: shape (n_shoppers + 1,)."""
        return np.searchsorted(self.stop_shopper, np.arange(self.n_shoppers + 1))

    @property
    def pick_shopper(self) -> IntArray:
        """Shopper of each pick, shape (n_picks,)."""
        return np.asarray(self.stop_shopper)[self.pick_stop]

    @property
    def n_items(self) -> IntArray:
        """Units in each shopper's basket, shape (n_shoppers,)."""
        return np.bincount(self.pick_shopper, weights=self.pick_qty, minlength=self.n_shoppers).astype(
            np.int64
        )


def check_itineraries(itineraries: Itineraries, store: Store) -> None:
    """Make sure that the itineraries can happen in this store.

    Raises
    ------
    ModelError
        If a zone, cell or SKU does not exist, or a SKU is picked where it does not stand.
    """
    for name, column, n in (
        ("stop_zone", itineraries.stop_zone, len(store.zones)),
        ("stop_cell", itineraries.stop_cell, len(store.grid.xy)),
        ("way_cells", itineraries.way_cells, len(store.grid.xy)),
        ("pick_sku", itineraries.pick_sku, len(store.skus)),
    ):
        if len(column) and not (np.min(column) >= 0 and np.max(column) < n):
            raise ModelError(f"itineraries, {name}: must lie in 0 .. {n - 1} in store {store.name!r}")
    zone = np.asarray(itineraries.stop_zone)[itineraries.pick_stop]
    wrong = np.flatnonzero(~store.stands[zone, itineraries.pick_sku])
    if len(wrong):
        sku, place = store.skus[itineraries.pick_sku[wrong[0]]], store.zones[zone[wrong[0]]]
        raise ModelError(
            f"itineraries, pick {wrong[0]} (and {len(wrong) - 1} more): SKU {sku.sku_id!r} does not stand in "
            f"zone {place.zone_id!r} of store {store.name!r}; pick only what stands at the stop"
        )


def draw_scripted_population(store: Store, n: int, luck: Luck) -> Population:
    """Draw n shoppers without attributes who come all through the day."""
    arrival_s = draw_arrivals(ArrivalProfile(), n, store, luck)
    return Population(n=n, arrival_s=arrival_s, speed_mps=draw_speeds_mps(n, luck))


def draw_scripted_itineraries(
    store: Store, n_shoppers: int, luck: Luck, *, mean_stops: int = 5
) -> Itineraries:
    """Send shoppers to random stocked zones, where they pick one random SKU at every second stop or so.

    A stand-in for a policy, to exercise the simulation: nobody shops like this.

    Parameters
    ----------
    mean_stops
        Mean of the geometric number of stops; about 1 in ``mean_stops + 1`` shoppers makes none.
    """
    u = luck.uniform(Purpose.SCRIPT, np.arange(n_shoppers), 0)
    n_stops = np.floor(np.log(u) / np.log(mean_stops / (mean_stops + 1.0))).astype(np.int64)
    shopper = np.repeat(np.arange(n_shoppers), n_stops)
    order = np.arange(len(shopper)) - np.repeat(np.cumsum(n_stops) - n_stops, n_stops)
    stocked = np.flatnonzero(store.stands.any(axis=1))
    zone = stocked[_index(luck.uniform(Purpose.SCRIPT, shopper, order, 1), len(stocked))]
    n_cells = np.array([len(cells) for cells in store.walks.zone_cells])
    nth_cell = _index(luck.uniform(Purpose.SCRIPT, shopper, order, 2), n_cells[zone])
    cell = np.array(
        [store.walks.zone_cells[z][k] for z, k in zip(zone, nth_cell, strict=True)], dtype=np.int64
    )
    buys = np.flatnonzero(luck.uniform(Purpose.SCRIPT, shopper, order, 3) < 0.5)
    nth_sku = _index(
        luck.uniform(Purpose.SCRIPT, shopper, order, 4)[buys], store.stands.sum(axis=1)[zone[buys]]
    )
    sku = np.array(
        [np.flatnonzero(store.stands[z])[k] for z, k in zip(zone[buys], nth_sku, strict=True)], dtype=np.int64
    )
    return Itineraries(
        n_shoppers=n_shoppers,
        stop_shopper=shopper,
        stop_zone=zone,
        stop_cell=cell,
        stop_dwell_s=2.0 + 15.0 * luck.exponential(Purpose.SCRIPT, shopper, order, 5),
        pick_stop=buys,
        pick_sku=sku,
        pick_qty=1 + _index(luck.uniform(Purpose.SCRIPT, shopper, order, 6)[buys], 2),
        pick_planned=np.zeros(len(buys), dtype=bool),
        missed=np.zeros(n_shoppers, dtype=np.int64),
    )


def _index(u: FloatArray, n: IntArray | int) -> IntArray:
    """Turn uniform draws into indices 0 .. n - 1."""
    return np.floor(u * n).astype(np.int64)


def _check_rows(column: IntArray, n: int, name: str, of: str) -> None:
    """Refuse rows that are out of order or point outside their table."""
    if len(column) and not (np.all(np.diff(column) >= 0) and column[0] >= 0 and column[-1] < n):
        raise ModelError(f"itineraries, {name}: must be sorted and lie in 0 .. {n - 1} (there are {n} {of})")
