"""Runs whose workers are killed at random end with the bytes of one that was left in peace."""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import print_table
from benchmarks.speed.commands import hash_folder, list_workers, run_command


class Killer:
    """Kills a random worker of a command now and then.

    Parameters
    ----------
    rng
        Decides when and whom.
    n_most
        How many it kills at most.
    """

    def __init__(self, rng: np.random.Generator, n_most: int) -> None:
        self.rng, self.n_left, self.n_killed = rng, n_most, 0
        self._next_s = time.monotonic() + float(rng.uniform(4, 9))

    def __call__(self, pid: int) -> None:
        """Kill, if it is time."""
        if not self.n_left or time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + float(self.rng.uniform(2, 9))
        workers = list_workers(pid)
        if workers:
            try:
                os.kill(int(self.rng.choice(workers)), signal.SIGKILL)
            except ProcessLookupError:
                return
            self.n_killed, self.n_left = self.n_killed + 1, self.n_left - 1


def kill_workers(options: argparse.Namespace) -> dict[str, Any]:
    """Run once in peace on one worker, then several times on two with a killer about."""
    rng = np.random.default_rng(options.seed)
    arguments = [
        *("simulate", "--store", options.store, "--model", options.model, "--seed", options.seed),
        *("--shoppers", options.kill_shoppers, "--replications", options.kill_replications),
    ]
    runs = []
    with tempfile.TemporaryDirectory() as scratch:
        peace = Path(scratch) / "peace"
        run_command([*arguments, "--out", peace])
        expected = hash_folder(peace)
        for number in range(options.kill_runs):
            out, killer = Path(scratch) / str(number), Killer(rng, n_most=4)
            finished = run_command([*arguments, "--workers", 2, "--out", out], meanwhile=killer)
            runs.append(
                {
                    "killed": killer.n_killed,
                    "wall_s": finished.wall_s,
                    "has_same_bytes": hash_folder(out) == expected,
                }
            )
    return {
        "runs": runs,
        "killed": sum(run["killed"] for run in runs),
        "with_same_bytes": sum(run["has_same_bytes"] for run in runs),
    }


def print_kills(measured: dict[str, Any]) -> None:
    rows = [
        [number, run["killed"], f"{run['wall_s']:.1f}", "yes" if run["has_same_bytes"] else "NO"]
        for number, run in enumerate(measured["runs"], start=1)
    ]
    print_table("Workers killed at random", ["run", "killed", "wall s", "same bytes"], rows)
