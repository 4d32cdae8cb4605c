"""Count journeys a second and tell where the time goes.

One replication at a time in this process, its phases timed by the clock: who comes and their lists (with
the book-keeping of planning), deciding (the policy, with its inputs and luck), buying (what is met, taken
or bought while deciding), walking (Mesa: the clock, shoppers, tills), tables, writing. Then whole runs with
one worker and with two, from the call to the folder on disk. Policies and numbers of workers take turns,
and medians are told, so that ratios within this run bear other load on the machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import simulator.inference as inference
from benchmarks.common import print_table, write_result
from layouts import ConfigError, Store
from models import ShopperModel, build_reference_model
from scenarios import monte_carlo, simulate
from scenarios.inputs import open_model, open_store
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


@dataclass(eq=False)
class Stopwatch:
    """Seconds spent in each phase; a phase inside another takes its time away from it."""

    seconds: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.perf_counter
    _running: list[str] = field(default_factory=list)
    _since: float = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of a block to a phase."""
        self._settle()
        self._running.append(name)
        try:
            yield
        finally:
            self._settle()
            self._running.pop()

    def _settle(self) -> None:
        now = self.clock()
        if self._running:
            current = self._running[-1]
            self.seconds[current] = self.seconds.get(current, 0.0) + now - self._since
        self._since = now

    @contextmanager
    def timing(self, owner: Any, attribute: str, phase: str) -> Iterator[None]:
        """Count every call of a function or method to a phase while the block runs."""
        original = getattr(owner, attribute)

        def timed(*arguments: Any, **options: Any) -> Any:
            with self.phase(phase):
                return original(*arguments, **options)

        setattr(owner, attribute, timed)
        try:
            yield
        finally:
            setattr(owner, attribute, original)


def main() -> None:
    options = parse_options()
    store = open_store(options.store)
    people = find_people(store, options)
    phases = time_phases(store, people, options)
    runs = time_runs(store, people, options)
    print_phases(phases, options.shoppers)
    print_runs(runs)
    settings = {
        name: getattr(options, name) for name in ("store", "model", "shoppers", "replications", "repeats")
    }
    write_result("speed", {"settings": settings, "phases": phases, "runs": runs}, out=options.out)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--store", default="bundled:supermarket", metavar="DIR", help="folder or bundled:NAME"
    )
    parser.add_argument(
        "--model", default="bundled:supermarket", metavar="DIR", help="GPT-2's folder or bundled:NAME"
    )
    parser.add_argument("--shoppers", type=int, default=2000, help="per replication (default 2000)")
    parser.add_argument("--replications", type=int, default=16, help="of each whole run (default 16)")
    parser.add_argument(
        "--repeats", type=int, default=5, help="of every measurement; the median is told (default 5)"
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="result (default benchmarks/results/speed.json)"
    )
    return parser.parse_args()


def find_people(store: Store, options: argparse.Namespace) -> dict[str, ShopperModel]:
    """Shoppers of the store: by rules, and GPT-2 if its weights are there."""
    people = {"reference": build_reference_model(store, np.random.default_rng(0))}
    try:
        return {"GPT-2": open_model(options.model)} | people
    except ConfigError as error:
        print(f"Reference shoppers only: {error}")
        return people


# phases of one replication


def time_phases(store: Store, people: dict[str, ShopperModel], options: argparse.Namespace) -> dict[str, Any]:
    """Median seconds of each phase of a warm replication, and of the first one, per policy."""
    torch.set_num_threads(1)  # as in a run
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in people}
    for repeat in range(options.repeats + 1):  # the first time works out geometry that the store then keeps
        for name, model in people.items():
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
    cohort = inference._Cohort  # buying happens inside of planning; nothing public tells them apart
    with ExitStack() as timed, tempfile.TemporaryDirectory() as scratch:
        for owner, attribute, phase in (
            (monte_carlo, "draw_population", LISTS),
            (monte_carlo, "plan_itineraries", LISTS),
            (cohort, "_states", DECIDING),
            (cohort, "_draws", DECIDING),
            (type(model.policy), "decide", DECIDING),
            (cohort, "_walk", BUYING),
            (cohort, "_stop", BUYING),
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


# whole runs


def time_runs(
    store: Store, people: dict[str, ShopperModel], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Median wall seconds of `simulate` and of writing its folder, per policy and number of workers."""
    walls: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.repeats):
        for name, model in people.items():
            for n_workers in options.workers:
                walls.setdefault((name, n_workers), []).append(time_run(store, model, n_workers, options))
    n_journeys = options.shoppers * options.replications
    base = {name: statistics.median(walls[name, options.workers[0]]) for name in people}
    return [
        {
            "policy": name,
            "workers": n_workers,
            "wall_s": statistics.median(seconds),
            "wall_s_range": [min(seconds), max(seconds)],
            "journeys_per_second": n_journeys / statistics.median(seconds),
            "times_as_fast": base[name] / statistics.median(seconds),
        }
        for (name, n_workers), seconds in walls.items()
    ]


def time_run(store: Store, model: ShopperModel, n_workers: int, options: argparse.Namespace) -> float:
    """Wall seconds from the call to the folder on disk, the start of the workers included."""
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        simulate(
            store,
            model=model,
            n_shoppers=options.shoppers,
            n_replications=options.replications,
            seed=options.seed,
            n_workers=n_workers,
        ).save(Path(scratch) / "run")
        return time.perf_counter() - start


# printing


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


def print_runs(runs: list[dict[str, Any]]) -> None:
    rows = [
        [
            run["policy"],
            run["workers"],
            f"{run['wall_s']:.1f}",
            f"{run['wall_s_range'][0]:.1f} to {run['wall_s_range'][1]:.1f}",
            f"{run['journeys_per_second']:,.0f}",
            f"{run['times_as_fast']:.2f}",
        ]
        for run in runs
    ]
    head = ["policy", "workers", "wall s", "range", "journeys a second", "times as fast"]
    print_table("Whole runs: from the call to the folder on disk (medians)", head, rows)


if __name__ == "__main__":
    main()
