"""Where and how tasks are lived: in this process, in several processes here, or on a Dask cluster.

Tasks go out in small lots, a few more than there are hands, and every finished task is a part on disk before
the next is asked for; so memory does not grow with their number, and a worker that dies takes only the lots
in its hands with it. They are handed out again.
"""

from __future__ import annotations

import ctypes
import gc
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import torch

from layouts import ConfigError, StoresimError
from scenarios.monte_carlo import Job, Task
from scenarios.parts import Files, encode_part, write_part

LOT_SHOPPERS = 768  # of a lot of several tasks: enough to decide together, and few enough for memory
LOTS_AHEAD = 2  # lots out for each hand
MAX_BREAKS = 5  # losses of workers in a row without a lot finished in between


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where a run is lived and where its unfinished work is kept; the result does not depend on it.

    Attributes
    ----------
    n_workers
        Processes on this machine.
    cluster
        Address of a Dask scheduler, like `tcp://10.0.0.5:8786`; its workers take the place of processes here.
    work
        Folder for finished replications until the run is complete, and after an interruption; None for a
        temporary one, which is gone after it.
    resume
        Whether to go on from what an interrupted run left in `work`.
    """

    n_workers: int = 1
    cluster: str | None = None
    work: Path | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        if self.n_workers < 1:
            raise ConfigError(f"n_workers must be at least 1, got {self.n_workers}")
        if self.cluster is not None:
            _check_cluster(self.cluster, self.n_workers)
        if self.resume and self.work is None:
            raise ConfigError("resume: needs the folder `work` where the interrupted run kept its parts")


def _check_cluster(address: str, n_workers: int) -> None:
    if not re.fullmatch(r"[a-z]+://[^\s/]+:\d+", address):
        raise ConfigError(
            f"--cluster {address}: is no address of a scheduler; it looks like tcp://10.0.0.5:8786"
        )
    if n_workers > 1:
        raise ConfigError("--workers and --cluster: give one of them; a cluster has workers of its own")
    if find_spec("distributed") is None:
        raise ConfigError(
            "--cluster: needs Dask, which is not installed: pip install 'storesim[cluster]'; "
            "--workers uses processes of this machine without it"
        )


class WorkersLostError(StoresimError):
    """Workers died again and again without finishing anything."""


Lot = tuple[Task, ...]


class Crew(Protocol):
    """Those who live tasks."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Task]:
        """Live these tasks in some order; each is told when its part is on disk."""
        ...

    def salvage(self) -> Iterator[Task]:
        """After an interruption of `run`: tasks that were finished and not told yet."""
        ...


@contextmanager
def hire(job: Job, execution: Execution, folder: Path) -> Iterator[Crew]:
    """Give a crew that writes parts into `folder`; when the block ends, nobody is at work any more."""
    if execution.cluster is not None:
        from scenarios.cluster import hire_cluster

        with hire_cluster(job, execution.cluster, folder) as crew:
            yield crew
    elif execution.n_workers == 1:
        with at_work():
            yield _Alone(job, folder)
    else:
        from scenarios.pool import hire_processes

        with hire_processes(job, execution.n_workers, folder) as crew:
            yield crew


@contextmanager
def at_work() -> Iterator[None]:
    """Let torch use one thread, and the garbage collector look past what was there before.

    Sums by several threads, in another order, would give other bytes. Without the collector's passes over the
    million objects of torch and the model, a replication takes a sixth less time.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        torch.set_num_threads(n_threads)


class _Alone:
    """A crew of one: the process that hires."""

    def __init__(self, job: Job, folder: Path) -> None:
        self.job, self.folder = job, folder

    def run(self, tasks: Sequence[Task]) -> Iterator[Task]:
        for lot in divide_into_lots(tasks, self.job):
            yield from live_and_write(self.job, lot, self.folder)
        _give_memory_back()

    def salvage(self) -> Iterator[Task]:
        return iter(())


def live_and_encode(job: Job, lot: Lot) -> Iterator[Files]:
    """Live a lot, its shoppers deciding together; give the files of one part after the other."""
    for tables in job.live(lot):
        yield encode_part(tables, keeps_tables=job.keeps_tables)
        gc.collect()  # a model and its parts refer to one another; cheap, as what was there before is frozen


def _give_memory_back() -> None:
    """Let the C library return what living needed, or it would add to what joining the parts needs."""
    # glibc alone has it
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def live_and_write(job: Job, lot: Lot, folder: Path) -> Iterator[Task]:
    """Live a lot and write its parts; each task is told when its part is on disk."""
    for task, files in zip(lot, live_and_encode(job, lot), strict=True):
        write_part(folder, task, files)
        yield task


def divide_into_lots(tasks: Sequence[Task], job: Job, n_hands: int = 1) -> list[Lot]:
    """Group tasks, neighbours in order, so that a lot is worth handing out and every hand gets several."""
    worth = LOT_SHOPPERS // max(config.n_shoppers for _, config in job.cases)
    share = len(tasks) if n_hands == 1 else len(tasks) // (2 * LOTS_AHEAD * n_hands)
    size = max(1, min(worth, share))
    return [tuple(tasks[start : start + size]) for start in range(0, len(tasks), size)]


class ExecutorCrew:
    """Workers behind a `concurrent.futures.Executor`.

    Parameters
    ----------
    job
        What is lived.
    start
        Gives an executor with fresh workers; asked again when one is broken.
    stop
        Puts an executor away without waiting for what it is at.
    work
        What a worker calls with a lot.
    keep
        What this process calls with a lot and the worker's answer; then its parts are on disk.
    count_hands
        How many lots can be at work at once.
    """

    def __init__(
        self,
        job: Job,
        *,
        start: Callable[[], Executor],
        stop: Callable[[Executor], None],
        work: Callable[[Lot], object],
        keep: Callable[[Lot, object], None],
        count_hands: Callable[[], int],
    ) -> None:
        self._job, self._start, self._stop, self._work, self._keep = job, start, stop, work, keep
        self._count_hands = count_hands
        self._executor: Executor | None = None
        self._running: dict[Future[object], Lot] = {}

    def run(self, tasks: Sequence[Task]) -> Iterator[Task]:
        """Live these tasks in some order; each is told when its part is on disk.

        Raises
        ------
        WorkersLostError
            If workers die `MAX_BREAKS` times in a row without finishing a lot.
        """
        waiting = deque(divide_into_lots(tasks, self._job, self._count_hands()))
        n_breaks = 0
        while waiting or self._running:
            try:
                self._hand_out(waiting)
                done, _ = wait(self._running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from self._receive(future)
                    n_breaks = 0
            except BrokenExecutor as error:
                yield from self.salvage()
                lost = list(self._running.values())
                self._running.clear()
                self.dismiss()
                n_breaks += 1
                if n_breaks == MAX_BREAKS:
                    raise WorkersLostError(_describe_loss(lost or list(waiting), error)) from error
                waiting.extend(
                    lost
                )  # behind the others: if one of them kills workers, it is the last one left

    def _hand_out(self, waiting: deque[Lot]) -> None:
        if self._executor is None:
            self._executor = self._start()
        n_out = LOTS_AHEAD * self._count_hands()
        while waiting and len(self._running) < n_out:
            self._running[self._executor.submit(self._work, waiting[0])] = waiting[0]
            waiting.popleft()

    def _receive(self, future: Future[object]) -> Iterator[Task]:
        lot = self._running[future]
        self._keep(lot, future.result())
        yield from lot
        del self._running[future]

    def salvage(self) -> Iterator[Task]:
        """Tasks that were finished and not told yet."""
        for future in list(self._running):
            if future.done() and not future.cancelled() and future.exception() is None:
                yield from self._receive(future)

    def dismiss(self) -> None:
        """Put the workers away."""
        if self._executor is not None:
            self._stop(self._executor)
            self._executor = None


def _describe_loss(lots: list[Lot], error: Exception) -> str:
    named = (
        ", ".join(f"case {case} replication {replication}" for case, replication in lots[0]) if lots else ""
    )
    return (
        f"workers died {MAX_BREAKS} times in a row without finishing anything, last at {named} "
        f"({' '.join(str(error).split()) or type(error).__name__}); "
        "perhaps memory is short: ask for fewer --workers or --shoppers"
    )
