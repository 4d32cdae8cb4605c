"""The folder beside a run folder where unfinished work is kept, so that an interrupted run can go on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from layouts import ConfigError, StoresimError

# What a work folder holds
PARTS, ASIDE, MANIFEST, LOCK = CONTENT = ("parts", "aside", "manifest.json", "lock")


class InterruptedRunError(StoresimError):
    """A run was interrupted, and what was finished of it is kept."""


class WorkFolderError(ConfigError):
    """A work folder is not ours to work in: another run's, another process's, or no work folder at all."""


@contextmanager
def working_beside(out: Path, *, resume: bool) -> Iterator[Path]:
    """Name the work folder of a run folder, and see what becomes of it.

    Parameters
    ----------
    out
        The run folder that is to be written.
    resume
        Whether to go on from what an interrupted run left there; if it left nothing, the run starts anew.

    Yields
    ------
    work
        `out` with `.partial` behind its name. It is removed when the block ends well, or when nothing was
        finished in it; else it stays, and the error says how to go on.

    Raises
    ------
    WorkFolderError
        If there is finished work of an interrupted run, and `resume` is not asked for.
    InterruptedRunError
        In place of KeyboardInterrupt, if something was finished.
    """
    work = out.absolute().with_name(out.absolute().name + ".partial")
    shown = out.with_name(work.name)
    check_work_folder(work, shown, resume=resume)
    made = [parent for parent in work.parents if not parent.exists()]  # nearest first
    try:
        yield work
    except WorkFolderError:
        raise
    except BaseException as error:
        n_kept = count_finished(work)
        if n_kept == 0:
            _remove(work, made)
            raise
        advice = f"{n_kept} finished replications are kept in {shown}: the same command with --resume goes on"
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedRunError(f"interrupted; {advice}") from None
        if isinstance(error, StoresimError):
            raise type(error)(f"{error}; {advice}") from error
        if isinstance(error, OSError):
            raise OSError(error.errno, f"{error.strerror or error}; {advice}", error.filename) from error
        raise
    else:
        _remove(work, [])


def check_work_folder(work: Path, shown: Path, *, resume: bool) -> None:
    """Refuse a folder that holds other things, or whose finished work would be lost.

    Parameters
    ----------
    work, shown
        The folder, and how it is named to a person.
    resume
        Whether its finished work is to be gone on from.

    Raises
    ------
    WorkFolderError
        If it is none, or it holds finished replications and `resume` is not asked for.
    """
    if work.is_symlink() or (work.exists() and not work.is_dir()):
        raise WorkFolderError(f"{shown}: is not a folder, but unfinished work goes there; move it away")
    others = sorted({path.name for path in work.iterdir()} - set(CONTENT)) if work.is_dir() else []
    if others:
        raise WorkFolderError(
            f"{shown}: holds other files ({others[0]!r}), but unfinished work goes there; move it away"
        )
    n_kept = count_finished(work)
    if n_kept and not resume:
        raise WorkFolderError(
            f"{shown}: holds {n_kept} finished replications of an interrupted run; "
            "give --resume to finish it, or remove that folder to start anew"
        )


def _remove(work: Path, made: list[Path]) -> None:
    shutil.rmtree(work, ignore_errors=True)
    for folder in made:
        with suppress(OSError):
            folder.rmdir()


def count_finished(work: Path) -> int:
    """Number of replications that are finished in a work folder."""
    return sum(1 for _ in work.glob(f"{PARTS}/*/*/*.json"))
