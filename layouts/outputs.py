"""Folders and files that are written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from layouts.errors import ConfigError

RUN_MARKER = "result.json"  # the file that makes a folder a run folder
RUN_PARTS = (
    RUN_MARKER,
    *(
        f"{table}.parquet"
        for table in ("tracking", "pos", "sessions", "zones", "lost", "replications", "occupancy")
    ),
    "stores",
    "report.html",
)


def check_output_folder(out: Path, *, parts: Sequence[str] = RUN_PARTS) -> None:
    """Refuse, before any work is done, a place where no result can be written.

    Parameters
    ----------
    out
        The folder to be written. It may be new, empty, or hold an earlier result, which is then replaced.
    parts
        Names of what a result of this kind consists of; the first is there in every one.

    Raises
    ------
    ConfigError
        If `out` is a file, holds anything else than an earlier result, or cannot be made.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ConfigError(f"--out {out}: is not a folder; name a new folder")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set[str]()
    others = sorted(names - set(parts))
    if others or (names and parts[0] not in names):
        what = f"other files ({others[0]!r})" if others else f"no {parts[0]}"
        raise ConfigError(
            f"--out {out}: holds {what}, so it is left alone; name a new folder or an earlier result"
        )
    ancestor = next(p for p in out.absolute().parents if p.exists())
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK):
        raise ConfigError(
            f"--out {out}: nothing can be written in {ancestor}; name a folder in a place of your own"
        )


@contextmanager
def writing_folder(out: Path, *, parts: Sequence[str] = RUN_PARTS) -> Iterator[Path]:
    """Give a folder to write into that becomes `out` only when the block ends well.

    Parameters
    ----------
    out
        The folder to be written; parents are made. An earlier result is replaced as a whole.
    parts
        Names of what a result of this kind consists of; see `check_output_folder`.

    Yields
    ------
    folder
        An empty folder beside `out`. If the block raises, it is removed and `out` stays as it was.
    """
    check_output_folder(out, parts=parts)
    out = out.absolute()
    made = [parent for parent in out.parents if not parent.exists()]  # nearest first
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        fresh, earlier = aside / "new", aside / "earlier"
        fresh.mkdir()  # with the usual permissions, which mkdtemp does not give
        yield fresh
        if out.exists():
            out.rename(earlier)
        try:
            fresh.rename(out)
        except OSError:
            if earlier.exists():
                earlier.rename(out)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if not out.exists():
            _remove_empty(made)


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove these folders as far as nothing is in them."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def write_text(path: Path, text: str) -> None:
    """Write one UTF-8 text file aside and move it into place."""
    aside = path.with_name(f".{path.name}.new")
    try:
        aside.write_text(text, encoding="utf-8", newline="\n")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
