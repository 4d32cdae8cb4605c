"""Processes on this machine as a crew: each gets the job once, lives lots and writes their parts."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import torch

from scenarios.execution import Crew, ExecutorCrew, Lot, live_and_write
from scenarios.monte_carlo import Job
from scenarios.processes import get_context, holding_interrupts


@contextmanager
def hire_processes(job: Job, n_workers: int, folder: Path) -> Iterator[Crew]:
    """Give a crew of processes; when the block ends, they are gone."""
    context = get_context()
    # As bytes: a process's arguments would take an open file for each tensor, of which 250 can be passed on
    parcel = pickle.dumps(job)

    def start() -> Executor:
        # Answers through a pool's pipe are tiny on purpose: a worker killed within a long one would hang it
        return _HoldingPool(n_workers, context, _start_worker, (parcel, folder))

    def keep(lot: Lot, answer: object) -> None:
        """Nothing is left to do: the worker has written the parts."""

    crew = ExecutorCrew(
        job, start=start, stop=_stop_pool, work=_run_lot, keep=keep, count_hands=lambda: n_workers
    )
    try:
        yield crew
    finally:
        crew.dismiss()


class _HoldingPool(ProcessPoolExecutor):
    """A pool whose processes never get Ctrl-C: it is for the process that started them to handle."""

    def submit(self, *arguments, **options):  # type: ignore[no-untyped-def]  # as its parent's
        try:
            with holding_interrupts():  # processes are started by a submission
                return super().submit(*arguments, **options)
        except (OSError, EOFError) as error:  # one was killed while it was being started
            raise BrokenProcessPool(f"a worker could not be started: {error!r}") from error


def _stop_pool(pool: Executor) -> None:
    """End a pool's processes now; parts that are being written are never seen half."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


_worker: dict[str, tuple[Job, Path]] = {}  # what a worker process was started with


def _start_worker(parcel: bytes, folder: Path) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _worker["started with"] = pickle.loads(parcel), folder  # from its parent's memory, never from a file
    gc.freeze()  # see at_work


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_lot(lot: Lot) -> None:
    job, folder = _worker["started with"]
    for _ in live_and_write(job, lot, folder):
        pass
