"""Whole runs, from the call or command to the folder on disk: one worker and two, and the A/B of the bar."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import print_table
from benchmarks.speed.commands import run_command
from layouts import Store, save_store
from models import ShopperModel
from scenarios import simulate
from scenarios.snack_endcap import put_on_front_endcap

N_LAYOUTS = 2  # of the A/B


def time_runs(
    store: Store, people: dict[str, ShopperModel], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Median wall seconds of `simulate` and of writing its folder, per policy and number of workers.

    Model and store are loaded, and the server that workers are forked from has imported torch: of a command,
    `time_ab` tells the rest.
    """
    simulate(store, model=next(iter(people.values())), n_shoppers=10, n_replications=4, n_workers=2)
    walls: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.run_repeats):
        for name, model in people.items():
            for n_workers in options.workers:
                walls.setdefault((name, n_workers), []).append(time_run(store, model, n_workers, options))
    n_journeys = options.shoppers * options.replications
    base = {name: statistics.median(walls[name, options.workers[0]]) for name in people}
    return [
        {
            "policy": name,
            "workers": n_workers,
            "replications": options.replications,
            "wall_s": statistics.median(seconds),
            "wall_s_range": [min(seconds), max(seconds)],
            "journeys_per_second": n_journeys / statistics.median(seconds),
            "times_as_fast": base[name] / statistics.median(seconds),
        }
        for (name, n_workers), seconds in walls.items()
    ]


def time_run(store: Store, model: ShopperModel, n_workers: int, options: argparse.Namespace) -> float:
    """Wall seconds from the call to the folder on disk, the forking of workers included."""
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


def time_ab(store: Store, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Wall seconds of `storesim ab` with one variant, per number of workers, in turns; medians."""
    walls: dict[int, list[float]] = {n_workers: [] for n_workers in options.workers}
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        save_store(put_on_front_endcap(store), home / "variant")
        for _ in range(options.ab_repeats):
            for n_workers, seconds in walls.items():
                finished = run_command(
                    [
                        *("ab", "--control", options.store, "--variant", home / "variant"),
                        *("--model", options.model, "--shoppers", options.ab_shoppers),
                        *("--replications", options.ab_replications, "--seed", options.seed),
                        *("--workers", n_workers, "--out", home / "run"),
                    ]
                )
                seconds.append(finished.wall_s)
        size = sum(path.stat().st_size for path in (home / "run").rglob("*") if path.is_file())
    n_journeys = options.ab_shoppers * options.ab_replications * N_LAYOUTS
    base = statistics.median(walls[options.workers[0]])
    return [
        {
            "workers": n_workers,
            "shoppers": options.ab_shoppers,
            "replications": options.ab_replications,
            "layouts": N_LAYOUTS,
            "folder_mib": size / 2**20,
            "wall_s": statistics.median(seconds),
            "wall_s_range": [min(seconds), max(seconds)],
            "journeys_per_second": n_journeys / statistics.median(seconds),
            "times_as_fast": base / statistics.median(seconds),
        }
        for n_workers, seconds in walls.items()
    ]


def print_ab(runs: list[dict[str, Any]]) -> None:
    first = runs[0]
    rows = [
        [
            run["workers"],
            f"{run['wall_s']:.1f}",
            f"{run['wall_s_range'][0]:.1f} to {run['wall_s_range'][1]:.1f}",
            f"{run['journeys_per_second']:,.0f}",
            f"{run['times_as_fast']:.2f}",
        ]
        for run in runs
    ]
    size = f"{first['shoppers']:,} shoppers x {first['replications']} x {first['layouts']} layouts"
    title = f"A/B of {size} (medians)"
    print_table(title, ["workers", "wall s", "range", "journeys a second", "times as fast"], rows)


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
