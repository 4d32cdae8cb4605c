"""Folders and files that are written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layouts.errors import ConfigError

RUN_MARKER = "result.json"  # the file that makes a folder a run folder


def check_output_folder(out: Path, *, marker: str = RUN_MARKER) -> None:
    """Refuse, before any work is done, a place where no result can be written.

    Parameters
    ----------
    out
        The folder to be written. It may be new, empty, or hold an earlier result, which is then replaced.
    marker
        The file by which an earlier result of this kind is known.

    Raises
    ------
    ConfigError
        If `out` is a file, holds something else than an earlier result, or cannot be made.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ConfigError(f"--out {out}: is not a folder; name a new folder")
    if out.is_dir() and any(out.iterdir()) and not (out / marker).is_file():
        raise ConfigError(
            f"--out {out}: holds other files and no {marker}, so it is left alone; "
            "name a new folder or an earlier result"
        )
    ancestor = next(p for p in out.absolute().parents if p.exists())
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK):
        raise ConfigError(
            f"--out {out}: nothing can be written in {ancestor}; name a folder in a place of your own"
        )


@contextmanager
def writing_folder(out: Path, *, marker: str = RUN_MARKER) -> Iterator[Path]:
    """Give a folder to write into that becomes `out` only when the block ends well.

    Parameters
    ----------
    out
        The folder to be written; parents are made. An earlier result is replaced as a whole.
    marker
        The file by which an earlier result of this kind is known; see `check_output_folder`.

    Yields
    ------
    folder
        An empty folder beside `out`. If the block raises, it is removed and `out` stays as it was.
    """
    check_output_folder(out, marker=marker)
    out = out.absolute()
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


def write_text(path: Path, text: str) -> None:
    """Write one UTF-8 text file aside and move it into place."""
    aside = path.with_name(f".{path.name}.new")
    try:
        aside.write_text(text, encoding="utf-8", newline="\n")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
