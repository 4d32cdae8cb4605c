"""Many small replications: all that a lot of them gains by deciding together, beside one cohort at a time.

The same replications of two layouts are lived and encoded in lots, as `storesim ab` does it, and one by one,
in turns. The files must be the same, byte for byte; how many are is told beside the speed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any, NamedTuple

from benchmarks.common import print_table
from benchmarks.speed.stopwatch import Stopwatch
from layouts import Store
from models import ShopperModel
from scenarios import monte_carlo
from scenarios.execution import Lot, at_work, divide_into_lots, live_and_encode
from scenarios.monte_carlo import Job, RunConfig
from scenarios.parts import Files
from scenarios.snack_endcap import put_on_front_endcap

PLANNING = "planning"


def time_small(store: Store, model: ShopperModel, options: argparse.Namespace) -> dict[str, Any]:
    """Journeys a second of small replications, together and one cohort at a time, in turns; medians."""
    n, per_turn = options.small_shoppers, options.small_replications // options.repeats
    config = RunConfig(
        n_shoppers=n, n_replications=options.small_replications, seed=options.seed, tracks="none"
    )
    job = Job(model, ((store, config), (put_on_front_endcap(store), config)))
    tasks = job.list_tasks(per_turn * options.repeats)
    together, alone, n_same = list[Turn](), list[Turn](), 0
    with at_work():
        _live(job, divide_into_lots(tasks[:2], job))  # geometry that the stores then keep
        for start in range(0, len(tasks), len(job.cases) * per_turn):
            turn = tasks[start : start + len(job.cases) * per_turn]
            together.append(_live(job, divide_into_lots(turn, job)))
            alone.append(_live(job, [(task,) for task in turn]))
            n_same += sum(a == b for a, b in zip(together[-1].parts, alone[-1].parts, strict=True))
    n_journeys = n * per_turn * len(job.cases)
    measured: dict[str, Any] = {
        "shoppers": n,
        "replications": per_turn * options.repeats,
        "layouts": len(job.cases),
        "tasks_in_a_lot": max(map(len, divide_into_lots(tasks, job))),
        "share_of_parts_alike": n_same / len(tasks),
    }
    for name, turns in (("together", together), ("alone", alone)):
        measured[name] = {
            "journeys_per_second": n_journeys / statistics.median(turn.seconds for turn in turns),
            "planned_per_second": n_journeys / statistics.median(turn.planning_s for turn in turns),
        }
    for what in ("journeys_per_second", "planned_per_second"):
        measured[f"times_{what}"] = measured["together"][what] / measured["alone"][what]
    return measured


class Turn(NamedTuple):
    """Seconds of some lots, those of planning among them, and the files of their parts."""

    seconds: float
    planning_s: float
    parts: list[Files]


def _live(job: Job, lots: list[Lot]) -> Turn:
    watch = Stopwatch()
    start = time.perf_counter()
    with watch.timing(monte_carlo, "plan_cohorts", PLANNING):
        parts = [files for lot in lots for files in live_and_encode(job, lot)]
    return Turn(time.perf_counter() - start, watch.seconds[PLANNING], parts)


def print_small(measured: dict[str, Any]) -> None:
    rows: list[list[str]] = [
        [
            name,
            f"{measured[key]['journeys_per_second']:,.0f}",
            f"{measured[key]['planned_per_second']:,.0f}",
        ]
        for name, key in (
            (f"{measured['tasks_in_a_lot']} cohorts together", "together"),
            ("one cohort at a time", "alone"),
        )
    ]
    rows.append(
        [
            "ratio",
            f"{measured['times_journeys_per_second']:.2f}",
            f"{measured['times_planned_per_second']:.2f}",
        ]
    )
    size = f"{measured['shoppers']} shoppers x {measured['replications']} x {measured['layouts']}"
    alike = f"{100 * measured['share_of_parts_alike']:.0f} % of the files are the same"
    head = ["", "journeys a second", "planned a second"]
    print_table(f"Small replications, {size}, one process (medians); {alike}", head, rows)
