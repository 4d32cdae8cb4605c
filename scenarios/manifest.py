"""Whose work is in a work folder: a description of the job, compared before an interrupted run goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from layouts import write_text
from models import ShopperModel
from scenarios.monte_carlo import Job, describe_case, find_versions
from scenarios.work_folder import (
    ASIDE,
    LOCK,
    MANIFEST,
    WorkFolderError,
    check_work_folder,
    count_finished,
)

FORMAT = 1  # of the work folder


@contextmanager
def claiming(work: Path, job: Job, *, resume: bool) -> Iterator[None]:
    """Hold a work folder for this process, and see that what is in it belongs to this job.

    The job's description is left in it as `manifest.json`: every case's store (by content) and setting, the
    model (by content) and the versions of packages.

    Raises
    ------
    WorkFolderError
        If another process is at work in it, or what is in it belongs to another job.
    """
    check_work_folder(work, work, resume=resume)
    work.mkdir(parents=True, exist_ok=True)
    with (work / LOCK).open("w") as lock:
        _lock(lock, work)
        wanted, path = describe_job(job), work / MANIFEST
        if count_finished(work):
            _compare(_read_manifest(path), wanted, work)
        shutil.rmtree(work / ASIDE, ignore_errors=True)  # of processes that were killed
        write_text(path, json.dumps(wanted, indent=1) + "\n")
        yield


def _lock(lock: IO[str], work: Path) -> None:
    """Take the lock, which the system gives back when this process ends in whatever way."""
    try:
        import fcntl
    except ImportError:  # Windows: nobody is warned there
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise WorkFolderError(
            f"{work}: another process is at work there; wait for it to end, or stop it"
        ) from None


def describe_job(job: Job) -> dict[str, Any]:
    """What decides on the bytes of a job's parts, as plain values."""
    return {
        "format": FORMAT,
        "cases": [describe_case(store, config) for store, config in job.cases],
        "keeps_tables": job.keeps_tables,
        "model": hash_model(job.model),
        "versions": find_versions(),
    }


def hash_model(model: ShopperModel) -> str:
    """SHA-256 over the files that `save_pretrained` writes.

    Raises
    ------
    ModelError
        If the model cannot be saved; a run of it cannot be resumed then.
    """
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(Path(scratch))
        for path in sorted(path for path in Path(scratch).rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(scratch)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict):
        raise WorkFolderError(f"--resume: {path} cannot be read; remove {path.parent} to start anew")
    return manifest


def _compare(found: Mapping[str, Any], wanted: Mapping[str, Any], work: Path) -> None:
    """Refuse to go on with another job's parts, naming the first thing that differs."""
    before, now = _flatten(found), _flatten(json.loads(json.dumps(wanted)))
    for name in [*now, *(name for name in before if name not in now)]:
        if before.get(name) != now.get(name):
            raise WorkFolderError(
                f"--resume: {work} belongs to another run: {name} was {_show(before.get(name))}, is now "
                f"{_show(now.get(name))}; give the options it had, or remove that folder to start anew"
            )


def _show(value: Any) -> str:
    return "not there" if value is None else repr(value)[:60]


def _flatten(value: Any, name: str = "") -> dict[str, Any]:
    """Leaves of nested plain values by dotted names."""
    if isinstance(value, dict) and value:
        return {k: v for key, inner in value.items() for k, v in _flatten(inner, f"{name}.{key}").items()}
    if isinstance(value, list) and value:
        return {k: v for i, inner in enumerate(value) for k, v in _flatten(inner, f"{name}.{i}").items()}
    return {name.lstrip("."): value}
