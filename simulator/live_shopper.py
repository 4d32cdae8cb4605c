"""A shopper in a store that reacts: they can be made to wait, find shelves empty, give up."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from simulator.company import Carrier, Carts
from simulator.luck import FloatArray, IntArray
from simulator.outcome import Outcome, Taken
from simulator.shopper import Activity, Shopper

if TYPE_CHECKING:
    from simulator.store_model import StoreModel

Life = Generator[float, float, float]  # yields when to act next, is sent the time at which it does


class LiveShopper(Shopper):
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
        assert model.live is not None
        self.live = model.live
        self.basket: list[Taken] = []
        self.carrier = Carrier.NONE
        self.ready_s = self.service_s = math.nan
        self._line: tuple[IntArray, FloatArray] = np.zeros(0, np.int64), np.zeros(0)  # way to the own till
        self._line_row, self._free_s = 0, 0.0  # where on it they stand, and when they will be there
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
        for stop in range(self._first_stop, self._end_stop):
            t_s = yield from self._shop(stop, t_s)
        self._stop = self._end_stop
        t_s = yield from self._check_out(t_s)
        if carts is not None:
            carts.give_back(self, t_s)
        return t_s

    def _fetch_carrier(self, carts: Carts, t_s: float) -> Life:
        """Take a basket or a cart, and wait at the entrance if there is none left."""
        if carts.take(self, self.live.wanted_carrier[self.unique_id]):
            door, _ = self.model.planned_leg(self._first_stop + self.unique_id)
            self._walk(t_s, door[:1], np.zeros(1))  # to be seen standing there
            t_s = yield math.inf
        self.live.equip(self)
        return t_s

    def _shop(self, stop: int, t_s: float) -> Life:
        """Walk to a stop, stand there and take what is wanted."""
        model, self._stop = self.model, stop
        t_s = yield from self._walk_to(t_s, *model.planned_leg(stop + self.unique_id))
        model.stop_s[stop] = t_s
        t_s = yield t_s + model.dwell_s[stop]
        plans = model.itineraries
        for pick in range(model.first_pick[stop], model.first_pick[stop + 1]):
            wanted = Taken(
                stop, int(plans.pick_sku[pick]), int(plans.pick_qty[pick]), bool(plans.pick_planned[pick])
            )
            self.basket.append(wanted)
        return t_s

    def _check_out(self, t_s: float) -> Life:
        """Go to the tills, queue and pay; or leave without buying."""
        model, tills = self.model, self.live.tills
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
        cells, metres = self._line = model.path(here, int(model.till_cell[till]))
        n_ahead, ready_s = len(tills.queues[till]), t_s + float(metres[-1]) / self.speed_mps
        next_s = tills.join(self, till, t_s, ready_s=ready_s)
        self.move_up(t_s, n_ahead)
        t_s = yield next_s
        tills.leave(self, t_s)
        assert self.turn is not None
        outcome = Outcome.PAID if t_s >= self.turn.end_s else Outcome.RENEGED
        here = int(cells[self._line_row])
        return (yield from self._go_out(max(t_s, self._free_s), *self._way_out(here), outcome))

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

    def _way_out(self, cell: int) -> tuple[IntArray, FloatArray]:
        """Find the way from a cell to the nearest exit."""
        return self.model.path(cell, self.model.nearest_exit(cell))

    def _go_out(self, t_s: float, cells: IntArray, metres: FloatArray, outcome: Outcome) -> Life:
        """Settle how the visit ends, and walk out."""
        self.activity = Activity.LEAVING
        self.live.settle(self, outcome, t_s)
        return (yield from self._walk_to(t_s, cells, metres))

    def _walk_to(self, t_s: float, cells: IntArray, metres: FloatArray) -> Life:
        """Walk along a path from `t_s` on; returns when its end is reached."""
        return (yield self._walk(t_s, cells, metres))
