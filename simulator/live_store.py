"""A store that reacts: the events of shoppers who can be made to wait, and the parts that they meet."""

from __future__ import annotations

import heapq
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simulator.aisles import Aisles, Places
from simulator.company import Carrier, Carts, choose_carriers, compute_group_speeds, draw_group_sizes
from simulator.crowd import Crowd
from simulator.itinerary import Itineraries
from simulator.live_shopper import LiveShopper
from simulator.live_tills import LiveTills
from simulator.luck import IntArray
from simulator.outcome import Loss, Outcome, Taken
from simulator.shopper import Shopper
from simulator.stock import STOCK, Shelves

if TYPE_CHECKING:
    from simulator.store_model import StoreModel


class LiveStore:
    """What a day's mechanisms share: who acts when, what was really taken, what was lost.

    Parameters
    ----------
    model
        The store that it is a part of.
    events, inside
        The model's event queue and the shoppers inside by index.

    Attributes
    ----------
    tills
        The tills.
    carts, crowd, aisles, places
        The carts, the density of people, who is in which aisle and before which shelf; None where off.
    shelves
        The units on the shelves; None where off.
    size
        How many people each shopper is, shape (n_shoppers,); ones if groups are off.
    wanted_carrier
        What each shopper wants to carry their goods in.
    carrier
        What each carried their goods in, shape (n_shoppers,), text; empty if carriers are off.
    outcome
        How each shopper's visit ended, shape (n_shoppers,), text; empty while it has not.
    waited_s
        How long those who gave up had stood in a queue [s], shape (n_shoppers,); 0 for all others.
    lost
        What was wanted and not sold, in the order of the clock, each with the reason.
    n_lost
        Units that were wanted and not sold so far.
    missed
        Planned items that were not found, shape (n_shoppers,).
    dwell_s
        How long each stop lasted [s], shape (n_stops,); not waiting for a place before the shelf.
    """

    def __init__(
        self, model: StoreModel, events: list[tuple[float, int]], inside: dict[int, Shopper]
    ) -> None:
        self.model, self._events, self._inside = model, events, inside
        n = model.population.n
        self.outcome = np.full(n, "", dtype="U8")
        self.waited_s = np.zeros(n)
        self.missed = model.itineraries.missed.copy()
        self.lost: list[tuple[Taken, Loss]] = []
        self.n_lost = 0
        self._sold: list[Taken] = []
        self._n_left = 0
        self._due_s = {actor: t_s for t_s, actor in events}
        self.tills = LiveTills(model, self)
        self.carrier = np.full(n, "", dtype="U8")
        self.size: IntArray = np.ones(n, dtype=np.int64)
        config = model.config
        if config.groups is not None:
            self.size = draw_group_sizes(config.groups, n, model.luck)
            model.speed_mps = compute_group_speeds(config.groups, model.speed_mps, self.size)
        self.carts: Carts | None = None
        self.wanted_carrier = [Carrier.NONE] * n
        if config.carriers is not None:
            self.carts = Carts(config.carriers, self)
            self.wanted_carrier = choose_carriers(
                config.carriers, model.population, model.itineraries.n_items
            )

        self.crowd = None if config.crowding is None else Crowd(config.crowding, model.store)
        self.aisles = None if config.aisles is None else Aisles(config.aisles, model.store, self)
        self.places = None if config.places is None else Places(config.places, model.store, self)
        self.shelves = None if config.stock is None else Shelves(config.stock, model.store, self)
        self.dwell_s = model.itineraries.stop_dwell_s.astype(float)

    def wake(self, actor: int, t_s: float) -> None:
        """Let an actor, a shopper's index or the number of a process, act next at `t_s`, and not before."""
        self._due_s[actor] = t_s
        if t_s < math.inf:
            heapq.heappush(self._events, (t_s, actor))

    def let_act(self, time_s: int) -> bool:
        """Let all act who are due by `time_s`; return whether somebody has still to leave.

        An entry of the queue counts only if its actor is due then: whoever is woken leaves an old one behind.
        """
        events, inside = self._events, self._inside
        while events and events[0][0] <= time_s:
            t_s, actor = heapq.heappop(events)
            if self._due_s.get(actor) != t_s:
                continue
            if actor < 0:
                self.wake(actor, self._let_process_act(actor, t_s))
                continue
            shopper = inside.get(actor)
            if shopper is None:
                shopper = inside[actor] = LiveShopper(self.model, actor)
            next_s = shopper.act(t_s)
            if next_s is None:
                del inside[actor], self._due_s[actor]
                self._n_left += 1
            else:
                self.wake(actor, next_s)
        n_to_come = self.model.population.n - self._n_left - len(inside)
        if inside and n_to_come == 0 and len(events) < 3 and all(actor < 0 for _, actor in events):
            raise RuntimeError(f"{len(inside)} shoppers wait for each other at {time_s} s; nobody will move")
        return n_to_come > 0 or bool(inside)

    def _let_process_act(self, process: int, t_s: float) -> float:
        """Let a process act; return when it acts again."""
        if process == STOCK:
            assert self.shelves is not None
            return self.shelves.act(t_s)
        return self.tills.act(t_s)

    def equip(self, shopper: LiveShopper) -> None:
        """Note what a shopper carries their goods in; a cart slows them down."""
        assert self.carts is not None
        self.carrier[shopper.unique_id] = shopper.carrier
        if shopper.carrier is Carrier.CART:
            shopper.room += self.carts.config.cart_room
            shopper.speed_mps *= self.carts.config.cart_speed
            self.model.speed_mps[shopper.unique_id] = shopper.speed_mps

    def settle(self, shopper: LiveShopper, outcome: Outcome, t_s: float) -> None:
        """Note at `t_s` how a visit ends; a basket that is not paid for is lost."""
        index = shopper.unique_id
        self.outcome[index] = outcome
        if outcome is Outcome.PAID:
            self._sold += shopper.basket
            money = sum(taken.qty * self.model.price[taken.sku] for taken in shopper.basket)
            self.model.record_payment(float(money))
            return
        for taken in shopper.basket:
            self._lose(taken, Loss(outcome))
            if self.shelves is not None:
                zone = int(self.model.itineraries.stop_zone[taken.stop])
                self.shelves.put_back(zone, taken.sku, taken.qty)
        if outcome is Outcome.RENEGED:
            self.waited_s[index] = max(t_s - shopper.ready_s, 0.0)

    def lose(self, shopper: LiveShopper, wanted: Taken, why: Loss, *, is_missed: bool) -> None:
        """Note that a shopper does not get what they wanted at a shelf, and whether they missed it wholly."""
        self._lose(wanted, why)
        self.missed[shopper.unique_id] += int(wanted.is_planned and is_missed)

    def _lose(self, wanted: Taken, why: Loss) -> None:
        self.lost.append((wanted, why))
        self.n_lost += wanted.qty

    def build_taken(self) -> Itineraries:
        """The itineraries with what was taken and paid for in place of what was to be."""
        rows = sorted(self._sold, key=lambda taken: taken.stop)  # in a stop, in the order taken
        columns = np.array([(row.stop, row.sku, row.qty, row.is_planned) for row in rows], dtype=np.int64)
        stop, sku, qty, is_planned = columns.reshape(-1, 4).T
        return replace(
            self.model.itineraries,
            pick_stop=stop,
            pick_sku=sku,
            pick_qty=qty,
            pick_planned=is_planned.astype(bool),
            missed=self.missed,
            stop_dwell_s=self.dwell_s,
        )
