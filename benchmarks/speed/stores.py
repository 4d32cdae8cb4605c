"""What a larger store costs: the same model in the bundled stores, one replication each."""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from benchmarks.common import print_table
from layouts import BUNDLED_STORES, bundled_store
from scenarios.execution import at_work
from scenarios.inputs import open_model
from scenarios.monte_carlo import Job, RunConfig

MODEL = "bundled:multistore"  # the one that knows every store


def time_stores(options: argparse.Namespace) -> list[dict[str, Any]]:
    """CPU milliseconds a journey and a stop in each bundled store; the stores take turns, medians."""
    model = open_model(MODEL)
    config = RunConfig(n_shoppers=options.shoppers, n_replications=1, seed=options.seed, tracks="none")
    jobs = {name: Job(model, ((bundled_store(name), config),)) for name in BUNDLED_STORES}
    first: dict[str, float] = {}
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    n_stops: dict[str, int] = {}
    with at_work():
        for repeat in range(options.repeats + 1):
            for name, job in jobs.items():
                start = time.process_time()
                [tables] = job.live([(0, repeat)])
                spent = time.process_time() - start
                if repeat == 0:
                    first[name], n_stops[name] = spent, len(tables.visits)
                else:
                    seconds[name].append(spent)
    rows = []
    for name, job in jobs.items():
        store, median = job.cases[0][0], statistics.median(seconds[name])
        rows.append(
            {
                "store": name,
                "zones": store.n_zones,
                "skus": store.n_skus,
                "cells": len(store.grid.xy),
                "stops_per_journey": n_stops[name] / options.shoppers,
                "ms_per_journey": 1000 * median / options.shoppers,
                "ms_per_stop": 1000 * median / max(n_stops[name], 1),
                "geometry_s": first[name] - median,
            }
        )
    return sorted(rows, key=lambda row: row["zones"])


def print_stores(rows: list[dict[str, Any]]) -> None:
    head = ["store", "zones", "SKUs", "cells", "stops", "ms a journey", "ms a stop", "geometry s"]
    cells = [
        [
            row["store"],
            row["zones"],
            f"{row['skus']:,}",
            f"{row['cells']:,}",
            f"{row['stops_per_journey']:.1f}",
            f"{row['ms_per_journey']:.2f}",
            f"{row['ms_per_stop']:.3f}",
            f"{row['geometry_s']:.2f}",
        ]
        for row in rows
    ]
    print_table("The same model in stores of several sizes, CPU time (medians)", head, cells)
