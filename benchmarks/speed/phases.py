"""Where the time of one replication goes.

One replication at a time in this process, its phases timed by the clock: who comes and their lists (with the
book-keeping of planning), deciding (the policy, with its inputs and luck), buying (what is met, taken or
bought while deciding), walking (Mesa: the clock, shoppers, tills), tables, writing (the part on disk, then
the run folder). Policies take turns, and medians are told.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import simulator.inference as inference
from benchmarks.common import print_table
from benchmarks.speed.stopwatch import Stopwatch
from layouts import Store
from models import SharedPolicy, ShopperModel
from scenarios import monte_carlo
from scenarios.execution import at_work
from scenarios.parts import Parts, encode_part, write_part
from scenarios.runs import save_run

LISTS, DECIDING, BUYING, WALKING, TABLES, WRITING = PHASES = (
    "people and lists",
    "deciding",
    "buying",
    "walking",
    "tables",
    "writing",
)


def time_phases(store: Store, people: dict[str, ShopperModel], options: argparse.Namespace) -> dict[str, Any]:
    """Median seconds of each phase of a warm replication, and of the first one, per policy."""
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in people}
    for repeat in range(options.repeats + 1):  # the first time works out geometry that the store then keeps
        for name, model in people.items():
            with at_work():
                measured[name].append(time_replication(store, model, repeat, options))
    report = {}
    for name, (first, *warm) in measured.items():
        seconds = {phase: statistics.median(each[phase] for each in warm) for phase in PHASES}
        total = statistics.median(sum(each.values()) for each in warm)
        report[name] = {
            "seconds": seconds,
            "share": {phase: value / sum(seconds.values()) for phase, value in seconds.items()},
            "seconds_total": total,
            "seconds_total_range": [
                min(sum(each.values()) for each in warm),
                max(sum(each.values()) for each in warm),
            ],
            "seconds_first": sum(first.values()),
            "journeys_per_second": options.shoppers / total,
        }
    return report


def time_replication(
    store: Store, model: ShopperModel, replication: int, options: argparse.Namespace
) -> dict[str, float]:
    """Live and write one replication, tracks included; return the seconds of each phase."""
    watch = Stopwatch()
    config = monte_carlo.RunConfig(
        n_shoppers=options.shoppers, n_replications=1, seed=options.seed, tracks="all"
    )
    decides = "decide_together" if isinstance(model.policy, SharedPolicy) else "decide"
    with ExitStack() as timed, tempfile.TemporaryDirectory() as scratch:
        for owner, attribute, phase in (
            (monte_carlo, "draw_population", LISTS),
            (monte_carlo, "plan_cohorts", LISTS),
            (inference._Group, "ask", DECIDING),
            (type(model.policy), decides, DECIDING),
            (inference.Walkers, "follow", BUYING),
            (monte_carlo, "build_tables", TABLES),
        ):
            timed.enter_context(watch.timing(owner, attribute, phase))
        with watch.phase(WALKING):  # what is left of a replication: the model's life
            tables = monte_carlo.simulate_replication(store, model, replication, config)
        with watch.phase(WRITING):
            parts = Parts(monte_carlo.Job(model, ((store, config),)), Path(scratch) / "work")
            write_part(parts.folder, (0, 0), encode_part(tables, keeps_tables=True))
            parts.n_replications = len(parts.find_finished([(0, 0)]))
            save_run(Path(scratch) / "run", {}, parts, [store])
    return {phase: watch.seconds.get(phase, 0.0) for phase in PHASES}


def print_phases(phases: dict[str, Any], n_shoppers: int) -> None:
    head = ["phase", *(f"{name} {unit}" for name in phases for unit in ("s", "%"))]
    rows: list[list[str]] = [
        [phase, *(text for of in phases.values() for text in _format_phase(of, phase))] for phase in PHASES
    ]
    rows.append(["all", *(text for of in phases.values() for text in (f"{of['seconds_total']:.2f}", "100"))])
    rows.append(
        [
            "journeys a second",
            *(text for of in phases.values() for text in (f"{of['journeys_per_second']:,.0f}", "")),
        ]
    )
    rows.append(
        [
            "first replication",
            *(text for of in phases.values() for text in (f"{of['seconds_first']:.2f}", "")),
        ]
    )
    print_table(f"One replication of {n_shoppers:,} shoppers, written with all tracks (medians)", head, rows)


def _format_phase(of: dict[str, Any], phase: str) -> tuple[str, str]:
    return f"{of['seconds'][phase]:.2f}", f"{100 * of['share'][phase]:.0f}"
