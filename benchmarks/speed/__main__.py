"""Measure speed, growth and survival, and hold them against the bars.

`python -m benchmarks.speed` takes about a quarter of an hour on a quiet machine of two cores, `--quick`
five minutes (its figures are no measurement of long runs: starting takes most of its time). Parts can be
chosen: phases, walking, runs, ab, one-by-one, small, shoppers, memory, stores, kills. Ratios are taken within
one run of this command, in turns, and medians are told, so that they bear other load on the machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import print_table, write_result
from benchmarks.speed.bars import hold_against_bars
from benchmarks.speed.growth import measure_memory, print_growth, time_shoppers
from benchmarks.speed.kills import kill_workers, print_kills
from benchmarks.speed.one_by_one import print_one_by_one, time_one_by_one
from benchmarks.speed.phases import print_phases, time_phases
from benchmarks.speed.small import print_small, time_small
from benchmarks.speed.stores import print_stores, time_stores
from benchmarks.speed.walking import print_walking, time_walking
from benchmarks.speed.whole_runs import print_ab, print_runs, time_ab, time_runs
from layouts import ConfigError, Store
from models import ShopperModel, build_reference_model
from scenarios.inputs import open_model, open_store

PARTS = ("phases", "walking", "runs", "ab", "one-by-one", "small", "shoppers", "memory", "stores", "kills")
FULL = {
    "repeats": 5,
    "replications": 80,
    "run_repeats": 3,
    "ab_repeats": 3,
    "ab_shoppers": 2000,
    "ab_replications": 30,
    "shoppers_alone": 48,
    "small_shoppers": 60,
    "small_replications": 400,
    "growth_shoppers": [1000, 3000, 10_000, 30_000, 100_000],
    "growth_replications": [10, 100, 1000],
    "shoppers_small": 20,
    "memory_shoppers": [2000, 20_000, 100_000],
    "kill_runs": 10,
    "kill_shoppers": 500,
    "kill_replications": 60,
}
QUICK = FULL | {
    "repeats": 1,
    "replications": 4,
    "run_repeats": 1,
    "ab_repeats": 1,
    "ab_replications": 5,
    "shoppers_alone": 24,
    "small_replications": 20,
    "growth_shoppers": [1000, 3000, 10_000],
    "growth_replications": [10, 100],
    "memory_shoppers": [2000, 10_000],
    "kill_runs": 2,
    "kill_shoppers": 200,
}


def main() -> None:
    options = parse_options()
    store = open_store(options.store)
    people = find_people(store, options)
    model = next(iter(people.values()))
    measured: dict[str, Any] = {}
    if "phases" in options.parts:
        measured["phases"] = time_phases(store, people, options)
        print_phases(measured["phases"], options.shoppers)
    if "walking" in options.parts:
        measured["walking"] = time_walking(store, model, options)
        print_walking(measured["walking"])
    if "runs" in options.parts:
        measured["runs"] = time_runs(store, people, options)
        print_runs(measured["runs"])
    if "ab" in options.parts:
        measured["ab"] = time_ab(store, options)
        print_ab(measured["ab"])
    if "one-by-one" in options.parts:
        measured["one_by_one"] = time_one_by_one(store, model, options)
        print_one_by_one(measured["one_by_one"])
    if "small" in options.parts:
        measured["small"] = time_small(store, model, options)
        print_small(measured["small"])
    if "shoppers" in options.parts:
        measured["shoppers"] = time_shoppers(store, model, options)
    if "memory" in options.parts:
        measured["memory"] = measure_memory(options)
    print_growth(measured.get("shoppers"), measured.get("memory"))
    if "stores" in options.parts:
        measured["stores"] = time_stores(options)
        print_stores(measured["stores"])
    if "kills" in options.parts:
        measured["kills"] = kill_workers(options)
        print_kills(measured["kills"])
    bars = hold_against_bars(measured)
    print_table("Bars", ["", "measured", "bar", "holds"], [list(bar.values()) for bar in bars])
    settings = {name: value for name, value in vars(options).items() if name != "out"}
    write_result("speed", {"settings": settings, **measured, "bars": bars}, out=options.out)


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
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--quick", action="store_true", help="a look, in minutes")
    parser.add_argument("--shoppers", type=int, default=2000, help="per replication (default 2000)")
    parser.add_argument("--repeats", type=int, help="of the short measurements; the median is told")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="result (default benchmarks/results/speed.json)"
    )
    options = parser.parse_args()
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    return options


def find_people(store: Store, options: argparse.Namespace) -> dict[str, ShopperModel]:
    """Shoppers of the store: GPT-2 if its weights are there, and by rules."""
    people = {"reference": build_reference_model(store, np.random.default_rng(0))}
    try:
        return {"GPT-2": open_model(options.model)} | people
    except ConfigError as error:
        print(f"Reference shoppers only: {error}")
        return people


if __name__ == "__main__":
    main()
