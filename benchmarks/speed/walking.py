"""Walking by itself: cell steps a second of the ways and times of a cohort, of whole engines, and of crowds.

The same cohort of shoppers, decided once, is walked in turns: its ways and times alone (shortest paths,
when each cell is reached, stops), whole runs of the model by arrays and by events (with the tills and live
figures), and by events with the mechanisms that make walking depend on others. Processor time, medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import print_table
from layouts import Store
from models import ShopperModel
from scenarios.execution import at_work
from simulator import Luck, SimulationConfig, StoreModel, draw_population, plan_itineraries
from simulator.array_engine import compute_schedule
from simulator.legs import compute_legs

SETTINGS: dict[str, dict[str, Any]] = {
    "arrays": {"engine": "arrays"},
    "events": {"engine": "events"},
    "events, crowding": {"crowding": {}},
    "events, crowding and aisles": {"crowding": {}, "aisles": {}},
    "events, patience and stock": {"patience": {}, "stock": {}},
}
ALONE = "ways and times alone"


def time_walking(store: Store, model: ShopperModel, options: argparse.Namespace) -> dict[str, Any]:
    """Median processor seconds and cell steps a second of each way to walk a cohort."""
    luck = Luck(options.seed, 0)
    population, baskets = draw_population(model, store, options.shoppers, luck)
    plans = plan_itineraries(model, store, baskets, options.shoppers, luck)

    def build(settings: dict[str, Any]) -> StoreModel:
        config = SimulationConfig.from_dict(settings)
        return StoreModel(store, population, plans, config=config, luck=luck)

    done = build({})
    done.run()  # works out geometry that the store then keeps
    legs, first_stop = done.legs, np.array(done.first_stop)
    ends = legs.cells[legs.offsets[:-1]], legs.cells[legs.offsets[1:] - 1]

    def walk_alone() -> int:
        ways = compute_legs(store, *ends)
        compute_schedule(ways, first_stop, population.arrival_s, population.speed_mps, plans.stop_dwell_s)
        return len(ways.cells) - len(ways)

    def live(settings: dict[str, Any]) -> Callable[[], int]:
        def run() -> int:
            living = build(settings)
            living.run()
            return count_moves(living)

        return run

    ways = {ALONE: walk_alone} | {name: live(settings) for name, settings in SETTINGS.items()}
    measured: dict[str, list[tuple[float, int]]] = {name: [] for name in ways}
    for _ in range(options.repeats):
        for name, walk in ways.items():
            with at_work():
                start = time.process_time()
                n_moves = walk()
                measured[name].append((time.process_time() - start, n_moves))
    return {
        name: {
            "cpu_s": statistics.median(seconds for seconds, _ in runs),
            "moves": runs[0][1],
            "moves_per_second": statistics.median(n_moves / seconds for seconds, n_moves in runs),
        }
        for name, runs in measured.items()
    }


def count_moves(model: StoreModel) -> int:
    """Steps from cell to cell that were made in a finished run."""
    table = model.walk_table
    return len(table.cells) - len(table)


def print_walking(walking: dict[str, Any]) -> None:
    rows = [
        [name, f"{1e3 * of['cpu_s']:.0f}", f"{of['moves']:,}", f"{of['moves_per_second'] / 1e6:.2f}"]
        for name, of in walking.items()
    ]
    print_table("Walking of one cohort", ["", "CPU ms", "cell steps", "M steps a second"], rows)
