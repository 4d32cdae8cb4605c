"""The store with its clock: arrivals, shoppers, tills, live figures."""

from __future__ import annotations

import heapq
import math
from functools import cached_property

import numpy as np

from layouts import ModelError, Store, bundled_store
from simulator.array_engine import ArrayRun
from simulator.arrivals import DAY_S, draw_entrances, opening_hours_s
from simulator.checkout import Checkouts, Turn, draw_service_s
from simulator.config import Engine, SimulationConfig
from simulator.floor_space import FloorSpace
from simulator.framework import mesa
from simulator.itinerary import (
    Itineraries,
    Population,
    check_itineraries,
    draw_scripted_itineraries,
    draw_scripted_population,
)
from simulator.legs import Walk, compute_legs, compute_metres
from simulator.live_store import LiveStore
from simulator.luck import FloatArray, IntArray, Luck, to_seed
from simulator.shopper import Shopper
from simulator.walk_table import WalkTable

LIVE_FIGURES = ("time_s", "n_inside", "queue_lengths", "n_served", "revenue")
MORE_LIVE_FIGURES = ("n_open_tills", "n_lost")  # where the configuration turns a mechanism on


class StoreModel(mesa.Model):
    """A cohort of shoppers in one store, from the first arrival until the last has left.

    Time runs in seconds since the opening of day 0. Between two decisions of a shopper nothing is computed:
    an event heap holds when each acts next. :meth:`step` advances by one second, :meth:`run` to the end by
    skipping the seconds in which nobody acts, or by arrays (``config.engine``); all give the same run.
    Nothing is drawn from Mesa's random streams: all luck belongs to the shoppers.

    Parameters
    ----------
    store
        Where; a bundled store if left out.
    population, itineraries
        Who comes and what each does; a hundred shoppers with scripted itineraries if left out.
    config
        Tills, queues, live figures.
    luck
        Decides the services' lengths and the entrances; ``Luck(seed)`` if left out.
    seed, rng
        As Mesa has them, at most one; they stand in for a missing `luck`. Text that reads as an integer, as
        Mesa's input fields give it, is one. Without any of the three the seed is 0.

    Attributes
    ----------
    time_s
        Whole seconds since the opening of day 0; like Mesa's ``steps``, which equals it.
    datacollector
        Live figures every ``config.collect_every_s`` of store time, while it is open or anybody is inside,
        and once more when the last shopper has left.
    stop_s
        When each stop of the itineraries was reached [s], shape (n_stops,).
    till, ready_s, start_s, end_s
        Per shopper, shape (n_shoppers,): the till; when they would be served if nobody were ahead; begin and
        end of the service [s]; -1 and NaN for those who do not pay.
    exit_s
        When each shopper left [s], shape (n_shoppers,).
    legs
        The planned ways, in order; leg s + i leads shopper i to stop s.
    open_for_s
        From opening to closing time [s].
    speed_mps
        How fast each shopper walks where nothing slows them [m/s], shape (n_shoppers,); as in the population,
        but for groups and carts.
    door_s
        How long each shopper stands at the door before they walk [s], shape (n_shoppers,).
    live
        What reacts to the shoppers where the configuration turns a mechanism on, else None.

    Raises
    ------
    ModelError
        If population and itineraries do not fit each other or the store.
    """

    def __init__(
        self,
        store: Store | None = None,
        population: Population | None = None,
        itineraries: Itineraries | None = None,
        *,
        config: SimulationConfig | None = None,
        luck: Luck | None = None,
        seed: int | str | None = None,
        rng: int | np.random.Generator | np.random.SeedSequence | None = None,
    ) -> None:
        if seed is not None and rng is not None:
            raise ValueError("you have to pass either rng or seed, not both")
        given = to_seed(seed if seed is not None else rng)
        self.luck = luck or Luck(given or 0)
        super().__init__(seed=(int(self.luck.seed) if given is None else given) % 2**32)
        self.config = config or SimulationConfig()
        self.store = store or bundled_store("corner-shop")
        self.population = population or draw_scripted_population(self.store, 100, self.luck)
        self.itineraries = itineraries or draw_scripted_itineraries(self.store, self.population.n, self.luck)
        if self.itineraries.n_shoppers != self.population.n:
            raise ModelError(
                f"itineraries of {self.itineraries.n_shoppers} shoppers for a population of "
                f"{self.population.n}; must be as many"
            )
        check_itineraries(self.itineraries, self.store)
        self._prepare_goods()
        self._prepare_ways()
        self._prepare_records()
        open_s, close_s = opening_hours_s(self.store)
        self.open_for_s = close_s - open_s
        self._events = [
            (arrival_s, index) for index, arrival_s in enumerate(self.population.arrival_s.tolist())
        ]
        heapq.heapify(self._events)
        self.running = bool(self._events)
        self.speed_mps = np.array(self.population.speed_mps, dtype=float)
        door_s = self.population.door_s
        self.door_s = np.zeros(self.population.n) if door_s is None else np.array(door_s, dtype=float)
        self.live = LiveStore(self, self._events, self._inside) if self.config.is_live else None
        figures = LIVE_FIGURES if self.live is None else LIVE_FIGURES + MORE_LIVE_FIGURES
        self.datacollector = mesa.DataCollector(model_reporters={name: name for name in figures})
        self.datacollector.collect(self)

    def _prepare_goods(self) -> None:
        """Work out the baskets: row ranges, units, money, time at the till."""
        plans = self.itineraries
        self.first_stop: list[int] = plans.stop_offsets.tolist()
        self.first_pick: list[int] = np.searchsorted(plans.pick_stop, np.arange(plans.n_stops + 1)).tolist()
        self.dwell_s: list[float] = plans.stop_dwell_s.tolist()
        n_items = plans.n_items
        self.price = np.array([sku.price for sku in self.store.skus], dtype=float)  # per SKU
        self.margin = np.array([sku.margin for sku in self.store.skus], dtype=float)
        spent = np.bincount(
            plans.pick_shopper, self.price[plans.pick_sku] * plans.pick_qty, self.population.n
        )
        self.n_items: list[int] = n_items.tolist()
        self.spent: list[float] = spent.tolist()
        self.service_s: list[float] = draw_service_s(self.config.checkout, n_items, self.luck).tolist()

    def _prepare_ways(self) -> None:
        """Find all walks whose ends are known before the clock starts: all but those from the tills."""
        walks, plans = self.store.walks, self.itineraries
        self.till_cell: IntArray = walks.place_cell[walks.checkout_places]
        self._exit_cell: IntArray = walks.place_cell[walks.exit_places]
        self.till_distances_m = np.stack([walks.distances_to(int(cell)) for cell in self.till_cell])
        self._exit_distances_m = np.stack([walks.distances_to(int(cell)) for cell in self._exit_cell])
        n = self.population.n
        entrance = walks.place_cell[walks.entrance_places][draw_entrances(self.store, n, self.luck)]
        # leg s + i leads shopper i to stop s; their last one leads from the last stop to the tills or out
        sources = np.insert(plans.stop_cell, plans.stop_offsets[:-1], entrance)
        last = plans.stop_offsets[1:] + np.arange(n)
        ends = np.where(
            plans.n_items > 0,
            self.till_cell[self.till_distances_m[:, sources[last]].argmin(axis=0)],
            self._exit_cell[self._exit_distances_m[:, sources[last]].argmin(axis=0)],
        )
        targets = np.insert(plans.stop_cell, plans.stop_offsets[1:], ends)
        self.legs = compute_legs(
            self.store, sources, targets, via=plans.way_cells, via_offsets=plans.way_offsets
        )
        self._leg_offsets: list[int] = self.legs.offsets.tolist()
        self._paths: dict[tuple[int, int], tuple[IntArray, FloatArray]] = {}

    def _prepare_records(self) -> None:
        """Lay out what the run will record."""
        n = self.population.n
        self.stop_s = np.full(self.itineraries.n_stops, np.nan)
        self.till = np.full(n, -1)
        self.ready_s, self.start_s, self.end_s, self.exit_s = np.full((4, n), np.nan)
        self._walks: list[list[Walk]] = [[] for _ in range(n)]
        self._walk_table: WalkTable | None = None
        self.time_s, self.n_served, self.revenue = 0, 0, 0.0
        self._inside: dict[int, Shopper] = {}
        self.checkouts = Checkouts(len(self.till_cell), self.config.checkout.choice)

    # the clock

    def step(self) -> None:
        """Advance by one second of store time."""
        self._advance_to(self.time_s + 1)

    def run(self) -> None:
        """Run until everybody has left."""
        by_arrays = self.config.engine is not Engine.EVENTS and self.live is None
        if by_arrays and self.time_s == 0 and self.running:
            self._walk_table = ArrayRun(self).run()
            return
        every_s = self.config.collect_every_s
        while self.running:
            next_tick = (self.time_s // every_s + 1) * every_s
            next_event = max(math.ceil(self._events[0][0]), self.time_s + 1)
            self._advance_to(min(next_event, next_tick))
        self.steps = self.time_s

    def run_model(self) -> None:
        """Run until everybody has left: Mesa's name for :meth:`run`."""
        self.run()

    def _advance_to(self, time_s: int) -> None:
        """Let all act who are due by `time_s`, in order of time and then of index."""
        self.time_s = time_s
        is_over = not (self._let_act(time_s) if self.live is None else self.live.let_act(time_s))
        is_end = self.running and is_over
        self.running = not is_over
        if is_end or (time_s % self.config.collect_every_s == 0 and (self._inside or self.is_open)):
            self.datacollector.collect(self)

    def _let_act(self, time_s: int) -> bool:
        """Let all act who are due by `time_s`, where nothing makes them wait; return whether any are left."""
        events, inside = self._events, self._inside
        while events and events[0][0] <= time_s:
            t_s, index = events[0]
            shopper = inside.get(index)
            if shopper is None:
                shopper = inside[index] = Shopper(self, index)
            next_s = shopper.act(t_s)
            if next_s is None:
                heapq.heappop(events)
                del inside[index]
            else:
                heapq.heapreplace(events, (next_s, index))
        return bool(events)

    @property
    def walk_table(self) -> WalkTable:
        """The walks of all who have left, in one table."""
        return WalkTable.of(self._walks) if self._walk_table is None else self._walk_table

    @property
    def walks(self) -> list[list[Walk]]:
        """The walks of each shopper who has left, in order."""
        if self._walk_table is not None and not any(self._walks):
            self._walks = self._walk_table.to_walks(self.population.n)
        return self._walks

    # live figures

    @cached_property
    def space(self) -> FloorSpace:
        """The floor as Mesa's viewers draw it, with everybody inside."""
        return FloorSpace(self)

    @property
    def is_open(self) -> bool:
        """Whether it is opening time."""
        return self.time_s % DAY_S <= self.open_for_s

    @property
    def n_inside(self) -> int:
        """Number of shoppers inside."""
        return len(self._inside)

    @property
    def queue_lengths(self) -> list[int]:
        """People at each till, the one being served included."""
        return (
            self.checkouts.queue_lengths(self.time_s)
            if self.live is None
            else self.live.tills.queue_lengths()
        )

    @property
    def n_open_tills(self) -> int:
        """Tills that take more people, self-checkouts included."""
        return len(self.till_cell) if self.live is None else self.live.tills.n_open

    @property
    def n_lost(self) -> int:
        """Units that were wanted and not sold so far."""
        return 0 if self.live is None else self.live.n_lost

    @cached_property
    def taken(self) -> Itineraries:
        """The itineraries with what was really taken and paid for; of a finished run."""
        return self.itineraries if self.live is None else self.live.build_taken()

    # what shoppers ask and report

    def planned_leg(self, leg: int) -> tuple[IntArray, FloatArray]:
        """Cells of a leg and the way to each [m]; leg s + i leads shopper i to stop s."""
        rows = slice(self._leg_offsets[leg], self._leg_offsets[leg + 1])
        return self.legs.cells[rows], self.legs.metres[rows]

    def path(self, source: int, target: int) -> tuple[IntArray, FloatArray]:
        """Cells of the way between two cells and the way to each [m]; kept for the next to ask."""
        if (source, target) not in self._paths:
            cells = self.store.walks.walked_path(source, target)
            self._paths[source, target] = cells, compute_metres(self.store, cells, np.array([0, len(cells)]))
        return self._paths[source, target]

    def find_paths(self, sources: IntArray, targets: IntArray) -> None:
        """Find the ways between pairs of cells, all at once, for :meth:`path` to give them."""
        legs = compute_legs(self.store, sources, targets)
        for index, ends in enumerate(zip(sources.tolist(), targets.tolist(), strict=True)):
            rows = slice(legs.offsets[index], legs.offsets[index + 1])
            self._paths[ends] = legs.cells[rows], legs.metres[rows]

    def nearest_exit(self, cell: int) -> int:
        """Cell of the exit with the shortest way from a cell."""
        return int(self._exit_cell[self._exit_distances_m[:, cell].argmin()])

    def record_turn(self, shopper: int, turn: Turn, ready_s: float) -> None:
        """Note the turn that a shopper has at a till."""
        self.till[shopper], self.ready_s[shopper] = turn.till, ready_s
        self.start_s[shopper], self.end_s[shopper] = turn.start_s, turn.end_s

    def record_payment(self, money: float) -> None:
        """Note that a shopper has paid so much."""
        self.n_served += 1
        self.revenue += money

    def record_exit(self, shopper: Shopper, t_s: float) -> None:
        """Note that a shopper has left at `t_s`, and the way that they went."""
        self.exit_s[shopper.unique_id] = t_s
        self._walks[shopper.unique_id] = shopper.walks
