"""How cost grows: time in shoppers, memory in replications."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import print_table
from benchmarks.speed.commands import run_command
from layouts import Store
from models import ShopperModel
from scenarios import simulate


def time_shoppers(store: Store, model: ShopperModel, options: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds of a run of one replication against its number of shoppers, and the slope of their logs."""
    simulate(store, model=model, n_shoppers=50, n_replications=1)  # geometry that the store then keeps
    measured = []
    for n in options.growth_shoppers:
        seconds = []
        for _ in range(options.repeats if n <= 10_000 else 1):
            with tempfile.TemporaryDirectory() as scratch:
                start = time.process_time()
                result = simulate(
                    store, model=model, n_shoppers=n, n_replications=1, seed=options.seed, tracks="none"
                )
                result.save(Path(scratch) / "run")
                seconds.append(time.process_time() - start)
        measured.append({"shoppers": n, "cpu_s": statistics.median(seconds)})
    return {"runs": measured, "slope": compute_slope(measured)}


def compute_slope(measured: list[dict[str, Any]]) -> float:
    """Slope of log seconds against log shoppers, by least squares."""
    x, y = (np.log([run[key] for run in measured]) for key in ("shoppers", "cpu_s"))
    return float(np.polyfit(x, y, 1)[0])


def measure_memory(options: argparse.Namespace) -> dict[str, Any]:
    """Peak memory of `storesim simulate`: many replications of few shoppers, and one of many."""
    runs = [_measure_peak(options, options.shoppers_small, n) for n in options.growth_replications]
    return {
        "runs": runs,
        "growth_mib": runs[-1]["peak_mib"] - runs[0]["peak_mib"],
        "runs_of_shoppers": [_measure_peak(options, n, 1) for n in options.memory_shoppers],
    }


def _measure_peak(options: argparse.Namespace, n_shoppers: int, n_replications: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        finished = run_command(
            [
                *("simulate", "--store", options.store, "--model", options.model, "--seed", options.seed),
                *("--shoppers", n_shoppers, "--replications", n_replications, "--tracks", "none"),
                *("--out", Path(scratch) / "run"),
            ]
        )
    return {
        "shoppers": n_shoppers,
        "replications": n_replications,
        "peak_mib": finished.peak_mib,
        "wall_s": finished.wall_s,
    }


def print_growth(shoppers: dict[str, Any] | None, memory: dict[str, Any] | None) -> None:
    if shoppers is not None:
        rows = [
            [f"{run['shoppers']:,}", f"{run['cpu_s']:.2f}", f"{1e3 * run['cpu_s'] / run['shoppers']:.3f}"]
            for run in shoppers["runs"]
        ]
        title = f"One replication; slope of the logs {shoppers['slope']:.3f}"
        print_table(title, ["shoppers", "CPU s", "ms a journey"], rows)
    if memory is not None:
        rows = [
            [
                f"{run['shoppers']:,}",
                f"{run['replications']:,}",
                f"{run['peak_mib']:.0f}",
                f"{run['wall_s']:.1f}",
            ]
            for run in [*memory["runs"], *memory["runs_of_shoppers"]]
        ]
        title = f"Greatest memory; growth in replications {memory['growth_mib']:.1f} MiB"
        print_table(title, ["shoppers", "replications", "peak MiB", "wall s"], rows)
