"""The command line as a process of its own: its wall time, its memory, its children."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

STORESIM = Path(sys.executable).with_name("storesim")


@dataclass(frozen=True)
class Finished:
    """What a command took.

    Attributes
    ----------
    wall_s
        From start to end [s].
    peak_mib
        Greatest memory of the process itself, without its workers [MiB].
    """

    wall_s: float
    peak_mib: float


def run_command(arguments: Sequence[object], *, meanwhile: Callable[[int], None] | None = None) -> Finished:
    """Run `storesim` with these arguments; `meanwhile` is called with its process id again and again.

    Raises
    ------
    SystemExit
        If it fails; what it said is told.
    """
    start, peak_kib = time.perf_counter(), 0
    process = subprocess.Popen(
        [str(STORESIM), *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    while process.poll() is None:
        peak_kib = max(peak_kib, _read_peak_kib(process.pid))
        if meanwhile is not None:
            meanwhile(process.pid)
        time.sleep(0.01)
    wall_s = time.perf_counter() - start
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"storesim {arguments[0]} failed with {process.returncode}: {said}")
    return Finished(wall_s, peak_kib / 1024)


def _read_peak_kib(pid: int) -> int:
    """Greatest memory of a process so far (Linux); `getrusage` would tell that of its parent too."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def list_workers(pid: int) -> list[int]:
    """Worker processes of a command (Linux): made by a server that is its child."""
    return [worker for child in _list_children(pid) for worker in _list_children(child)]


def _list_children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    except OSError:  # it ends at this moment
        return []


def hash_folder(folder: Path) -> str:
    """SHA-256 over all files of a folder, by path."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()
