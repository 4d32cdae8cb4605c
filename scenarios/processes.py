"""How worker processes are made: forked from a server that has imported what they need, and nothing else.

The server runs nothing but imports, so it can be forked where a process that has used torch with its threads
cannot. It can be started before this process imports torch itself: both then import at the same time. A
worker that replaces a killed one is there at once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext

IMPORTED = ["scenarios.pool", "transformers.models.gpt2.modeling_gpt2"]  # seconds, once for all workers


def get_context() -> BaseContext:
    """Give the way to make worker processes: from the server, or where there is none (Windows) afresh."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    start_server()
    return multiprocessing.get_context("forkserver")


def start_server() -> None:
    """Start the server unless it runs; it goes on importing while this process does other things."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return
    multiprocessing.get_context("forkserver").set_forkserver_preload(IMPORTED)
    with holding_interrupts(), _passing_on_the_path():
        forkserver.ensure_running()


@contextmanager
def holding_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends; processes started meanwhile never get it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # started later, by the first worker, it would let Ctrl-C through again
    with _noting_interrupts():
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _noting_interrupts() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block even where a thread without the mask gets it."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say what signals do
        yield
        return
    came: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _passing_on_the_path() -> Iterator[None]:
    """Let a process that is started in the block find the modules that this one finds."""
    earlier = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    try:
        yield
    finally:
        if earlier is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = earlier
