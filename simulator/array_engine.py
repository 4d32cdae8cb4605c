"""The whole run by arrays: the same records as one event after another, in a fraction of the time.

While shoppers meet only in the queues, everything up to the tills is known ahead and is computed for all at
once; the tills themselves are gone through in the order in which people come to them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.arrivals import DAY_S
from simulator.legs import Legs, Walk, plan_line
from simulator.luck import FloatArray, IntArray
from simulator.walk_table import WalkTable

if TYPE_CHECKING:
    from simulator.store_model import StoreModel


@dataclass(frozen=True, eq=False)
class Schedule:
    """When everybody walks and stands, up to the tills.

    Parameters
    ----------
    leg_start_s
        When each leg starts [s], shape (n_legs,); leg s + i leads shopper i to stop s.
    stop_s
        When each stop is reached [s], shape (n_stops,).
    done_s
        When each shopper starts the leg after their last stop [s], shape (n_shoppers,).
    """

    leg_start_s: FloatArray
    stop_s: FloatArray
    done_s: FloatArray


def compute_schedule(
    legs: Legs, first_stop: IntArray, start_s: FloatArray, speed_mps: FloatArray, dwell_s: FloatArray
) -> Schedule:
    """Walk all shoppers from stop to stop.

    Parameters
    ----------
    legs
        The ways, in the order of the shoppers, one more than stops for each of them.
    first_stop
        First stop of each shopper, and the end, shape (n_shoppers + 1,).
    start_s, speed_mps
        When each shopper starts to walk [s], and how fast they do [m/s], shape (n_shoppers,).
    dwell_s
        How long each stop lasts [s], shape (n_stops,).
    """
    n = len(start_s)
    n_stops = np.diff(first_stop)
    first_leg = first_stop[:-1] + np.arange(n)
    walk_s = legs.length_m / np.repeat(speed_mps, n_stops + 1)
    leg_start_s, stop_s = np.empty(len(legs)), np.empty(len(dwell_s))
    now_s = np.array(start_s, dtype=float)
    order = np.argsort(-n_stops, kind="stable")  # those with most stops first: who is done is cut off
    n_going = np.searchsorted(-n_stops[order], -np.arange(int(n_stops.max(initial=0))), side="left")
    for nth, count in enumerate(n_going.tolist()):
        who = order[:count]
        leg, stop = first_leg[who] + nth, first_stop[who] + nth
        leg_start_s[leg] = now_s[who]
        stop_s[stop] = now_s[who] + walk_s[leg]
        now_s[who] = stop_s[stop] + dwell_s[stop]
    leg_start_s[first_leg + n_stops] = now_s
    return Schedule(leg_start_s, stop_s, now_s)


class ArrayRun:
    """A run from beginning to end; fills in a model's records.

    Parameters
    ----------
    model
        A model at time 0 whose configuration has no mechanism on.
    """

    def __init__(self, model: StoreModel) -> None:
        self.model, self.legs = model, model.legs
        self.n = model.population.n
        self.first_stop = np.array(model.first_stop)
        self.last_leg = self.first_stop[1:] + np.arange(self.n)
        self.pays_s, self.join_s = np.full((2, self.n), np.nan)
        self._more: list[tuple[int, Walk]] = []  # walks in and after the queues

    def run(self) -> WalkTable:
        """Fill in everything; return the walks."""
        model, legs = self.model, self.legs
        start_s, speed_mps = model.population.arrival_s + model.door_s, model.speed_mps
        schedule = compute_schedule(legs, self.first_stop, start_s, speed_mps, model.itineraries.stop_dwell_s)
        model.stop_s[:] = schedule.stop_s
        n_rows = np.diff(legs.offsets)
        is_buyer = np.array(model.n_items) > 0
        model.exit_s[:] = schedule.done_s + legs.length_m[self.last_leg] / speed_mps
        buyers = np.flatnonzero(is_buyer)
        n_rows[self.last_leg[buyers]] = self._count_rows_to_tills(self.last_leg[buyers])
        self._check_out(buyers, schedule.done_s, n_rows)
        self._finish()
        return self._build_table(schedule, n_rows)

    def _count_rows_to_tills(self, leg: IntArray) -> IntArray:
        """Cells of each leg to where the tills come into view, shape of `leg`."""
        legs, approach_m = self.legs, self.model.config.checkout.approach_m
        n_rows = np.diff(legs.offsets)[leg]
        first = np.cumsum(n_rows) - n_rows
        row = np.arange(n_rows.sum()) + np.repeat(legs.offsets[leg] - first, n_rows)
        is_before = legs.metres[row] <= np.repeat(legs.length_m[leg] - approach_m, n_rows)
        return np.maximum(np.add.reduceat(is_before.astype(np.int64), first), 1) if len(leg) else n_rows

    def _check_out(self, buyers: IntArray, done_s: FloatArray, n_rows: IntArray) -> None:
        """Let buyers queue, be served and leave, in the order in which they come to the tills."""
        model, legs = self.model, self.legs
        last_row = legs.offsets[self.last_leg] + n_rows[self.last_leg] - 1
        join_s = done_s + legs.metres[last_row] / model.speed_mps
        self.join_s[buyers] = join_s[buyers]
        here, stood = legs.cells[last_row].tolist(), legs.cells[legs.offsets[self.last_leg]].tolist()
        speeds, times_s = model.speed_mps.tolist(), join_s.tolist()
        till_distances_m = model.till_distances_m.T.tolist()  # by cell
        cell_of = model.till_cell.tolist()
        ways_out = [model.path(cell, model.nearest_exit(cell)) for cell in cell_of]
        stands = np.unique(legs.cells[last_row[buyers]])
        model.find_paths(np.tile(stands, len(cell_of)), np.repeat(model.till_cell, len(stands)))
        spacing_m, tills = model.config.checkout.spacing_m, model.checkouts
        for who in buyers[np.lexsort((buyers, join_s[buyers]))].tolist():
            t_s, speed_mps = times_s[who], speeds[who]
            till = tills.choose(t_s, till_distances_m[stood[who]])
            cells, metres = model.path(here[who], cell_of[till])
            ready_s = t_s + float(metres[-1]) / speed_mps
            turn = tills.join(till, t_s, ready_s=ready_s, service_s=model.service_s[who])
            model.record_turn(who, turn, ready_s)
            line, free_s = plan_line(t_s, cells, metres, turn.ahead_end_s, spacing_m, speed_mps)
            pays_s = self.pays_s[who] = max(turn.end_s, free_s)
            way_out = Walk(pays_s, *ways_out[till])
            model.exit_s[who] = way_out.end_s(speed_mps)
            self._more += [(who, walk) for walk in (*line, way_out)]

    def _finish(self) -> None:
        """Set clock and live figures to what they are when the last has left."""
        model = self.model
        model.time_s = model.steps = max(math.ceil(model.exit_s.max()), 1)
        model.running = False
        payers = np.flatnonzero(np.isfinite(self.pays_s))
        payers = payers[np.lexsort((payers, self.pays_s[payers]))]
        revenue = np.concatenate([[0.0], np.cumsum(np.array(model.spent)[payers])])
        model.n_served, model.revenue = len(payers), float(revenue[-1])
        every_s = model.config.collect_every_s
        ticks = np.arange(every_s, model.time_s, every_s)
        inside = _count_by(model.population.arrival_s, ticks) - _count_by(model.exit_s, ticks)
        ticks = ticks[(inside > 0) | (ticks % DAY_S <= model.open_for_s)]
        ticks = np.append(ticks, model.time_s)
        n_served = _count_by(self.pays_s[payers], ticks)
        queues = []
        for till in range(len(model.till_cell)):
            here = model.till == till
            queues.append(_count_by(self.join_s[here], ticks) - _count_by(model.end_s[here], ticks))
        inside = _count_by(model.population.arrival_s, ticks) - _count_by(model.exit_s, ticks)
        figures = {
            "time_s": ticks,
            "n_inside": inside,
            "queue_lengths": np.stack(queues, axis=1),
            "n_served": n_served,
            "revenue": revenue[n_served],
        }
        for name, values in figures.items():
            model.datacollector.model_vars[name] += values.tolist()

    def _build_table(self, schedule: Schedule, n_rows: IntArray) -> WalkTable:
        """Put the planned legs, cut off where the tills come into view, before the walks that follow."""
        legs, more = self.legs, [walk for _, walk in self._more]
        shopper = np.repeat(np.arange(self.n), np.diff(self.first_stop) + 1)
        shopper = np.concatenate([shopper, np.array([who for who, _ in self._more], dtype=np.int64)])
        source = np.concatenate([legs.cells, *(walk.cells for walk in more)])
        metres = np.concatenate([legs.metres, *(walk.metres for walk in more)])
        n_more = np.array([len(walk.cells) for walk in more], dtype=np.int64)
        first = np.concatenate([legs.offsets[:-1], len(legs.cells) + np.cumsum(n_more) - n_more])
        start_s = np.concatenate([schedule.leg_start_s, [walk.start_s for walk in more]])
        order = np.argsort(shopper, kind="stable")
        n_rows = np.concatenate([n_rows, n_more])[order]
        offsets = np.concatenate([[0], np.cumsum(n_rows)])
        row = np.arange(offsets[-1]) + np.repeat(first[order] - offsets[:-1], n_rows)
        return WalkTable(shopper[order], start_s[order], offsets, source[row], metres[row])


def _count_by(times_s: FloatArray, ticks: IntArray) -> IntArray:
    """How many of some times have come by each tick, shape (n_ticks,)."""
    return np.searchsorted(np.sort(times_s), ticks, side="right")
