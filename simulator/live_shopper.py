"""A shopper in a store that reacts: they can be made to wait, find shelves empty, give up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simulator.company import Carrier, Carts
from simulator.crowd_walker import CrowdWalker, Life
from simulator.luck import FloatArray, IntArray
from simulator.outcome import Loss, Outcome, Taken
from simulator.shopper import Activity

if TYPE_CHECKING:
    from simulator.stock import Shelves
    from simulator.store_model import StoreModel


class Need(NamedTuple):
    """Something that a shopper still looks for: what it is, and how many units are not in the basket yet."""

    wanted: Taken
    n_open: int


class LiveShopper(CrowdWalker):
    """A shopper whose day depends on what happens in the store.

    Their life is a generator: it yields when they act next, :data:`math.inf` where somebody has to wake them.

    Parameters
    ----------
    model
        The store they are in.
    index
        Row of the shopper in the population.

    Attributes
    ----------
    basket
        What they have taken so far.
    carrier
        What they carry them in.
    ready_s, service_s
        When they would be served if nobody were ahead, and how long that takes [s]; once in a queue.
    """

    def __init__(self, model: StoreModel, index: int) -> None:
        super().__init__(model, index)
        self.basket: list[Taken] = []
        self.carrier = Carrier.NONE
        self.ready_s = self.service_s = math.nan
        self._line: tuple[IntArray, FloatArray] = np.zeros(0, np.int64), np.zeros(0)  # way to the own till
        self._line_row, self._free_s = 0, 0.0  # where on it they stand, and when they will be there
        stops = slice(self._first_stop, self._end_stop)
        self._zones: list[int] = model.itineraries.stop_zone[stops].tolist()
        self._stands = model.store.stands
        self._needs: list[Need] = []
        self._life: Life | None = None

    @property
    def n_items(self) -> int:
        """Units in the basket."""
        return sum(taken.qty for taken in self.basket)

    def act(self, t_s: float) -> float | None:
        """Do what is due at `t_s`; return when to act again, infinity to be woken, or None when gone."""
        if self.is_gone:
            return None
        try:
            if self._life is None:
                self._life = self._live(t_s)
                return next(self._life)
            return self._life.send(t_s)
        except StopIteration as gone:
            self._leave(gone.value)
            return None

    @property
    def goods(self) -> dict[int, int]:
        """Units of each SKU in the basket."""
        units: dict[int, int] = {}
        for taken in self.basket:
            units[taken.sku] = units.get(taken.sku, 0) + taken.qty
        return units

    def _live(self, t_s: float) -> Life:
        """The whole visit; returns when it is over."""
        carts = self.live.carts
        if carts is not None:
            t_s = yield from self._fetch_carrier(carts, t_s)
        door_s = float(self.model.door_s[self.unique_id])
        if door_s:
            self._be_at_door(t_s)
            t_s = yield t_s + door_s
        for stop in range(self._first_stop, self._end_stop):
            t_s = yield from self._shop(stop, t_s)
        self._stop = self._end_stop
        t_s = yield from self._check_out(t_s)
        self._be_gone(t_s)
        return t_s

    def _fetch_carrier(self, carts: Carts, t_s: float) -> Life:
        """Take a basket or a cart, and wait at the entrance if there is none left."""
        if carts.take(self, self.live.wanted_carrier[self.unique_id]):
            self._be_at_door(t_s)
            t_s = yield math.inf
        self.live.equip(self)
        return t_s

    def _be_at_door(self, t_s: float) -> None:
        """Be seen standing at the door."""
        door, _ = self.model.planned_leg(self._first_stop + self.unique_id)
        self._walk(t_s, door[:1], np.zeros(1))

    def _shop(self, stop: int, t_s: float) -> Life:
        """Walk to a stop, stand there, with a place before the shelf, and take what is wanted."""
        live, places, self._stop = self.live, self.live.places, stop
        t_s = yield from self._walk_to(t_s, *self.model.planned_leg(stop + self.unique_id))
        zone = self._zones[stop - self._first_stop]
        if places is not None and not places.take(self, zone):
            patience_s = places.config.patience_s
            t_s = yield math.inf if patience_s is None else t_s + patience_s
            if places.is_waiting(self, zone):
                places.give_up(self, zone)
                self.model.stop_s[stop], live.dwell_s[stop] = t_s, 0.0
                for wanted in self._wants(stop):
                    live.lose(self, wanted, Loss.CROWDED, is_missed=True)
                return t_s
        self.model.stop_s[stop] = t_s
        t_s = yield t_s + self.model.dwell_s[stop]
        self._take_goods(stop, zone, t_s)
        if places is not None:
            places.leave(zone, t_s)
        return t_s

    def _take_goods(self, stop: int, zone: int, t_s: float) -> None:
        """Take what is wanted at a stop, as far as it is there."""
        shelves = self.live.shelves
        if shelves is None:
            self.basket += self._wants(stop)
            return
        open_needs, self._needs = self._needs, []
        for need in [*open_needs, *(Need(wanted, wanted.qty) for wanted in self._wants(stop))]:
            if self._stands[zone, need.wanted.sku]:
                self._satisfy(need, shelves, stop, zone, t_s)
            else:
                self._needs.append(need)

    def _satisfy(self, need: Need, shelves: Shelves, stop: int, zone: int, t_s: float) -> None:
        """Take what is needed; if it is not there, look further, take something like it, or do without."""
        wanted, n_open = need
        n_open -= self._take(shelves, wanted, wanted.sku, n_open, stop, zone, t_s)
        if n_open and wanted.is_planned:
            ahead = self._zones[stop - self._first_stop + 1 :]
            if any(self._stands[later, wanted.sku] for later in ahead):
                self._needs.append(Need(wanted, n_open))
                return
            other = shelves.find_substitute(zone, wanted.sku)
            if other is not None and shelves.is_substituted(self.unique_id, wanted.sku):
                n_open -= self._take(shelves, wanted, other, n_open, stop, zone, t_s)
        if n_open:
            self._do_without(Need(wanted, n_open))

    def _take(
        self, shelves: Shelves, wanted: Taken, sku: int, qty: int, stop: int, zone: int, t_s: float
    ) -> int:
        """Take up to `qty` units of a SKU for what is wanted; return how many there were."""
        taken = shelves.take(zone, sku, qty, t_s)
        if taken:
            self.basket.append(Taken(stop, sku, taken, wanted.is_planned))
        return taken

    def _do_without(self, need: Need) -> None:
        wanted, n_open = need
        is_missed = n_open == wanted.qty
        self.live.lose(self, wanted._replace(qty=n_open), Loss.OUT_OF_STOCK, is_missed=is_missed)

    def _wants(self, stop: int) -> list[Taken]:
        """What the shopper is to take at a stop."""
        plans, first_pick = self.model.itineraries, self.model.first_pick
        return [
            Taken(stop, int(plans.pick_sku[pick]), int(plans.pick_qty[pick]), bool(plans.pick_planned[pick]))
            for pick in range(first_pick[stop], first_pick[stop + 1])
        ]

    def _check_out(self, t_s: float) -> Life:
        """Go to the tills, queue and pay; or leave without buying."""
        model, tills = self.model, self.live.tills
        for need in self._needs:  # that it was to be had at a later stop was not so: they never stood there
            self._do_without(need)
        cells, metres = model.planned_leg(self._end_stop + self.unique_id)
        if not self.basket:
            if model.n_items[self.unique_id]:  # they meant to pay, so the way planned leads to the tills
                cells, metres = self._way_out(int(cells[0]))
            return (yield from self._go_out(t_s, cells, metres, Outcome.EMPTY))
        self.activity = Activity.TO_TILLS
        in_view = np.searchsorted(metres, metres[-1] - model.config.checkout.approach_m, side="right")
        n_cells = max(int(in_view), 1)
        t_s = yield from self._walk_to(t_s, cells[:n_cells], metres[:n_cells])
        here = int(cells[n_cells - 1])
        till = tills.choose(t_s, model.till_distances_m[:, int(cells[0])], self.n_items)
        if not tills.is_acceptable(till, self.unique_id):
            return (yield from self._go_out(t_s, *self._way_out(here), Outcome.BALKED))
        self.activity = Activity.AT_TILL
        if self.live.aisles is not None:
            self.live.aisles.leave(self, t_s)  # queues stand where there is room for them
        cells, metres = self._line = model.path(here, int(model.till_cell[till]))
        n_ahead, ready_s = len(tills.queues[till]), t_s + float(metres[-1]) / self.speed_mps
        next_s = tills.join(self, till, t_s, ready_s=ready_s)
        self.move_up(t_s, n_ahead)
        t_s = yield next_s
        tills.leave(self, t_s)
        assert self.turn is not None
        outcome = Outcome.PAID if t_s >= self.turn.end_s else Outcome.RENEGED
        if self._free_s > t_s:  # still on the way to where they are to wait or be served
            t_s = yield self._free_s
        return (yield from self._go_out(t_s, *self._way_out(int(cells[self._line_row])), outcome))

    def move_up(self, t_s: float, n_ahead: int) -> None:
        """Go, at `t_s` or as soon as they stand, to where one waits with `n_ahead` people ahead."""
        cells, metres = self._line
        self._free_s = max(self._free_s, t_s)
        place_m = metres[-1] - n_ahead * self.model.config.checkout.spacing_m
        first, last = self._line_row, max(int(np.searchsorted(metres, place_m, side="right")) - 1, 0)
        if last > first:
            self._free_s = self._walk(
                self._free_s, cells[first : last + 1], metres[first : last + 1] - metres[first]
            )
            self._line_row = last
            self._stand(int(cells[last]))

    def _way_out(self, cell: int) -> tuple[IntArray, FloatArray]:
        """Find the way from a cell to the nearest exit."""
        return self.model.path(cell, self.model.nearest_exit(cell))

    def _go_out(self, t_s: float, cells: IntArray, metres: FloatArray, outcome: Outcome) -> Life:
        """Settle how the visit ends, and walk out."""
        self.activity = Activity.LEAVING
        self.live.settle(self, outcome, t_s)
        return (yield from self._walk_to(t_s, cells, metres))

    def _be_gone(self, t_s: float) -> None:
        """Leave cells, aisle and cart behind."""
        live = self.live
        if live.crowd is not None and self._counted_cell is not None:
            live.crowd.add(self._counted_cell, -self.room)
        if live.aisles is not None:
            live.aisles.leave(self, t_s)
        if live.carts is not None:
            live.carts.give_back(self, t_s)
