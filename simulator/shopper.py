"""One shopper in the store: walks, stands, takes, queues, pays, leaves."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from simulator.checkout import Turn
from simulator.framework import mesa
from simulator.legs import Walk, plan_line
from simulator.luck import FloatArray, IntArray

if TYPE_CHECKING:
    from simulator.store_model import StoreModel


class Activity(StrEnum):
    """What a shopper is about."""

    SHOPPING = "shopping"  # walking to stops and standing at them
    TO_TILLS = "to tills"  # on the way to the tills, not in a queue yet
    AT_TILL = "at till"  # in a queue, or being served
    LEAVING = "leaving"


class Shopper(mesa.Agent):
    """A shopper who carries out an itinerary.

    The model calls :meth:`act` when something is decided: at each end of a stop, when the tills come into
    view, after paying and at the exit. In between nothing is computed; where the shopper is follows from the
    walk under way.

    Parameters
    ----------
    model
        The store they are in.
    index
        Row of the shopper in the population; it is also the agent's ``unique_id``.
    """

    model: StoreModel

    def __init__(self, model: StoreModel, index: int) -> None:
        super().__init__(model)
        # Mesa keeps a counter, and with it the model, for ever; the ids are ours, so let go of it
        mesa.Agent._ids.pop(model, None)
        self.unique_id = index
        self.activity = Activity.SHOPPING
        self.speed_mps = float(model.speed_mps[index])
        self.walks: list[Walk] = []
        self.turn: Turn | None = None
        self.is_gone = False
        self._first_stop, self._end_stop = model.first_stop[index], model.first_stop[index + 1]
        self._stop = self._first_stop - 1  # row of the stop that they walk to or stand at

    def act(self, t_s: float) -> float | None:
        """Do what is due at `t_s`; return when to act again, or None when gone."""
        if self.is_gone:  # an AgentSet may still hold on to those who have been removed
            return None
        if self.activity is Activity.SHOPPING:
            return self._go_on(t_s)
        if self.activity is Activity.TO_TILLS:
            return self._join_queue(t_s)
        if self.activity is Activity.AT_TILL:
            return self._pay_and_go(t_s)
        self._leave(t_s)
        return None

    def _leave(self, t_s: float) -> None:
        """Be gone."""
        self.model.record_exit(self, t_s)
        self.is_gone = True
        self.remove()

    @property
    def pos(self) -> tuple[float, float] | None:
        """Position [m] at the model's time, for Mesa's viewers; None before the first walk."""
        if not self.walks:
            return None
        x, y = self.position_at(max(self.model.time_s, self.walks[0].start_s))
        return float(x), float(y)

    @pos.setter
    def pos(self, value: None) -> None:
        """Take the None that Mesa sets in the beginning; shoppers walk and are not placed."""
        if value is not None:
            raise AttributeError("pos: shoppers walk; give them itineraries instead of placing them")

    @property
    def goods(self) -> dict[int, int]:
        """Units of each SKU (index in the store) in the basket: picks of the stops made so far."""
        plans, first_pick = self.model.itineraries, self.model.first_pick
        units: dict[int, int] = {}
        for pick in range(first_pick[self._first_stop], first_pick[max(self._stop, self._first_stop)]):
            sku = int(plans.pick_sku[pick])
            units[sku] = units.get(sku, 0) + int(plans.pick_qty[pick])
        return units

    @property
    def cell(self) -> int:
        """Cell that the shopper reached last, at the model's time."""
        t_s = self.model.time_s
        walk = self._walk_at(t_s)
        row = int(np.searchsorted(walk.times_s(self.speed_mps), t_s, side="right")) - 1
        return int(walk.cells[max(row, 0)])

    def position_at(self, t_s: float) -> FloatArray:
        """Position [m] at a time between entering and now, shape (2,)."""
        walk = self._walk_at(t_s)
        xy = self.model.store.walks.seen_xy[walk.cells]
        times_s = walk.times_s(self.speed_mps)
        return np.array([np.interp(t_s, times_s, xy[:, axis]) for axis in (0, 1)])

    def _walk_at(self, t_s: float) -> Walk:
        """Find the walk that is under way at `t_s`, or the last one that was."""
        return next((walk for walk in reversed(self.walks) if walk.start_s <= t_s), self.walks[0])

    def _walk(self, t_s: float, cells: IntArray, metres: FloatArray) -> float:
        """Start a walk at `t_s`; return when it will be over."""
        walk = Walk(t_s, cells, metres)
        self.walks.append(walk)
        return walk.end_s(self.speed_mps)

    def _go_on(self, t_s: float) -> float:
        """Walk to the next stop and stand there, or to the tills, or with an empty basket to the exit."""
        self._stop += 1
        model, stop = self.model, self._stop
        cells, metres = model.planned_leg(stop + self.unique_id)
        if stop == self._first_stop:
            t_s += float(model.door_s[self.unique_id])
        if stop < self._end_stop:
            arrival_s = self._walk(t_s, cells, metres)
            model.stop_s[stop] = arrival_s
            return arrival_s + model.dwell_s[stop]
        if not model.n_items[self.unique_id]:
            self.activity = Activity.LEAVING
            return self._walk(t_s, cells, metres)
        self.activity = Activity.TO_TILLS
        in_view = np.searchsorted(metres, metres[-1] - model.config.checkout.approach_m, side="right")
        n_cells = max(int(in_view), 1)
        return self._walk(t_s, cells[:n_cells], metres[:n_cells])

    def _join_queue(self, t_s: float) -> float:
        """Choose a till, join its queue and move up in it; act again when served."""
        model = self.model
        last_stop_cell = int(model.itineraries.stop_cell[self._end_stop - 1])
        till = model.checkouts.choose(t_s, model.till_distances_m[:, last_stop_cell])
        cells, metres = model.path(int(self.walks[-1].cells[-1]), int(model.till_cell[till]))
        ready_s = t_s + float(metres[-1]) / self.speed_mps
        self.turn = model.checkouts.join(
            till, t_s, ready_s=ready_s, service_s=model.service_s[self.unique_id]
        )
        model.record_turn(self.unique_id, self.turn, ready_s)
        self.activity = Activity.AT_TILL
        spacing_m = model.config.checkout.spacing_m
        line, free_s = plan_line(t_s, cells, metres, self.turn.ahead_end_s, spacing_m, self.speed_mps)
        self.walks += line
        return max(self.turn.end_s, free_s)

    def _pay_and_go(self, t_s: float) -> float:
        """Leave the till for the nearest exit."""
        model = self.model
        assert self.turn is not None
        model.record_payment(model.spent[self.unique_id])
        self.activity = Activity.LEAVING
        cell = int(model.till_cell[self.turn.till])
        return self._walk(t_s, *model.path(cell, model.nearest_exit(cell)))
