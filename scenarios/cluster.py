"""Workers of a Dask cluster as a crew: they get the job once, live lots, and send back the parts' files.

Nothing is shared with them but the network: no folder needs to be seen by all. Only the process that asked
writes. This module needs the extra `storesim[cluster]` and is imported where a cluster is asked for.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

from distributed import Client, KilledWorker, WorkerPlugin
from distributed.comm.core import CommClosedError

from layouts import ConfigError
from scenarios.execution import Crew, ExecutorCrew, Lot, WorkersLostError, at_work, live_and_encode
from scenarios.monte_carlo import Job, find_versions
from scenarios.parts import Files, write_part

CONNECT_S, WORKERS_S = 10, 30  # patience with the scheduler, and with a cluster that has no worker yet


@contextmanager
def hire_cluster(job: Job, address: str, folder: Path) -> Iterator[Crew]:
    """Give a crew of a cluster's workers; when the block ends, they have put the job away.

    Workers may come and go meanwhile. A lot whose worker is lost is given to another one by Dask.

    Parameters
    ----------
    job
        What is lived.
    address
        Of the scheduler.
    folder
        Where this process writes the parts.

    Raises
    ------
    ConfigError
        If there is no scheduler, it has no workers, or they have other versions of what the bytes depend on.
    WorkersLostError
        If a lot has cost several workers their lives, or the scheduler is gone.
    """
    with _quietly(), _connect(address) as client:
        key = uuid.uuid4().hex
        _ship(client, address, JobPlugin(job, key, find_versions()))

        def keep(lot: Lot, answer: object) -> None:
            for task, files in zip(lot, cast("list[Files]", answer), strict=True):
                write_part(folder, task, files)

        crew = ExecutorCrew(
            job,
            start=lambda: client.get_executor(pure=False),
            stop=_stop,
            work=_LotRunner(key),
            keep=keep,
            count_hands=lambda: max(1, len(client.nthreads())),
        )
        try:
            yield crew
        except KilledWorker as error:
            raise WorkersLostError(
                f"--cluster {address}: a lot of replications cost several workers their lives; perhaps their "
                "memory is short: give them more, or ask for fewer --shoppers"
            ) from error
        except (CommClosedError, CancelledError) as error:
            raise WorkersLostError(f"--cluster {address}: the scheduler is gone; start it again") from error
        finally:
            crew.dismiss()
            if client.status == "running":
                with suppress(OSError):  # the scheduler may be gone without the client having noticed
                    client.unregister_worker_plugin(key)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep Dask's tracebacks of lost connections to itself: what they mean is told in a line."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _connect(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False, name="storesim")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--cluster {address}: no Dask scheduler answers there ({error}); start one: dask scheduler"
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=CONNECT_S)


def _ship(client: Client, address: str, plugin: JobPlugin) -> None:
    """Give the job to all workers, also those that come later."""
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError:
        raise ConfigError(
            f"--cluster {address}: has no workers after {WORKERS_S} s; start some: dask worker {address}"
        ) from None
    try:
        client.register_plugin(plugin, name=plugin.name)
    except Exception as error:  # whatever a worker's own process raises
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"--cluster {address}: its workers cannot take the job ({reason}); they need the same storesim"
        ) from error


def _stop(executor: Executor) -> None:
    executor.shutdown(wait=False)


# in the workers

_jobs: dict[str, tuple[Job, dict[str, str]]] = {}  # by key: the job and the versions it must be lived with
_one_at_a_time = threading.Lock()  # a worker with several threads lives one lot after the other


class JobPlugin(WorkerPlugin):
    """Hands a job to a worker when it starts, and takes it away when it is done.

    Parameters
    ----------
    job
        What is lived.
    key
        Of the job, in tasks.
    versions
        Of the packages, where the job comes from.
    """

    def __init__(self, job: Job, key: str, versions: dict[str, str]) -> None:
        self.job, self.name, self.versions = job, key, versions

    def setup(self, worker: Any) -> None:
        """Keep the job for the tasks to come."""
        _jobs[self.name] = self.job, self.versions

    def teardown(self, worker: Any) -> None:
        """Forget the job."""
        _jobs.pop(self.name, None)


class _LotRunner:
    """What a worker calls with a lot."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, lot: Lot) -> list[Files]:
        job, versions = _jobs[self.key]
        for name, here in _find_versions_once().items():
            if here != versions[name]:
                raise ConfigError(
                    f"--cluster: a worker has {name} {here}, this process {versions[name]}; "
                    "install the same everywhere"
                )
        with _one_at_a_time, at_work():
            return list(live_and_encode(job, lot))


@cache
def _find_versions_once() -> dict[str, str]:
    return find_versions()
