"""What is finished of a run, on disk: a folder for each (case, replication), whole or not there at all.

A part holds the tables of one replication as Parquet and `part.json` with its figures per shopper and the
sizes of its files. It is written aside and renamed, so whatever a killed process leaves is never taken for
finished work; the same part written twice has the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scenarios.monte_carlo import Job, Task
from scenarios.work_folder import ASIDE, PARTS
from simulator import ReplicationTables

PART_FILE = "part.json"
_ARRAY_COLUMN = "value"  # of a table that holds an array

Files = dict[str, bytes]


def encode_part(tables: ReplicationTables, *, keeps_tables: bool) -> Files:
    """Turn one replication into the files of its part: name -> content."""
    files: Files = {}
    totals: dict[str, float] = {}
    for name in (field.name for field in fields(tables)):
        value = getattr(tables, name)
        if isinstance(value, dict):
            totals = value
        elif keeps_tables and value is not None:
            table = value if isinstance(value, pd.DataFrame) else pd.DataFrame({_ARRAY_COLUMN: value})
            files[f"{name}.parquet"] = _encode_table(table)
    content = {"totals": totals, "bytes": {name: len(data) for name, data in files.items()}}
    files[PART_FILE] = json.dumps(content).encode()
    return files


def _encode_table(table: pd.DataFrame) -> bytes:
    sink = pa.BufferOutputStream()
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(arrow, sink, compression="zstd")
    return bytes(sink.getvalue())


def write_part(folder: Path, task: Task, files: Files) -> None:
    """Write one part of a work folder aside and move it into place; one that is there already stays."""
    aside = folder / ASIDE / uuid.uuid4().hex
    aside.mkdir(parents=True)
    try:
        for name, data in files.items():
            (aside / name).write_bytes(data)
        place = _place(folder, task)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(aside, place)
        except OSError:
            if not place.exists():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _place(folder: Path, task: Task) -> Path:
    case, replication = task
    return folder / PARTS / f"{case:04d}" / f"{replication:06d}"


class Parts(Mapping[Task, ReplicationTables]):
    """The finished replications of a job: figures per shopper in memory, tables read when asked for.

    Parameters
    ----------
    job
        What is lived. A case that equals an earlier one has that one's parts.
    folder
        Where the parts are; None for a temporary folder that goes when this object does.

    Attributes
    ----------
    n_replications
        Of each case, as far as the run is complete: those that count. 0 while it runs.
    """

    def __init__(self, job: Job, folder: Path | None = None) -> None:
        self.job = job
        self.n_replications = 0
        self._totals: dict[Task, dict[str, float]] = {}
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="storesim-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder = folder.absolute()

    # what is finished

    def find_finished(self, tasks: Iterable[Task]) -> set[Task]:
        """Take up what is there of these tasks; a part that is not whole is removed."""
        return {task for task in tasks if task in self._totals or self.take_up(task)}

    def take_up(self, task: Task) -> bool:
        """Read the figures of a part, if it is there and whole; else see that it is not there."""
        place = _place(self.folder, task)
        try:
            content = json.loads((place / PART_FILE).read_bytes())
            is_whole = all((place / name).stat().st_size == size for name, size in content["bytes"].items())
        except (OSError, ValueError):
            is_whole = False
        if is_whole:
            self._totals[task] = content["totals"]
        else:
            shutil.rmtree(place, ignore_errors=True)
        return is_whole

    @property
    def n_finished(self) -> int:
        """Number of parts taken up."""
        return len(self._totals)

    # reading

    def totals(self, task: Task) -> dict[str, float]:
        """Figures per shopper of one replication."""
        return self._totals[self._source(task)]

    def has_table(self, task: Task, name: str) -> bool:
        """Whether a replication has this table: one of a mechanism that is off is not there."""
        return self._path(task, name).exists()

    def read_table(self, task: Task, name: str) -> pa.Table:
        """One table of one replication, as Arrow."""
        with pq.ParquetFile(self._path(task, name)) as file:  # `pq.read_table` starts threads for each file
            return file.read(use_threads=False)

    def _path(self, task: Task, name: str) -> Path:
        return _place(self.folder, self._source(task)) / f"{name}.parquet"

    def _source(self, task: Task) -> Task:
        case, replication = task
        return self.job.sources[case], replication

    def __getitem__(self, task: Task) -> ReplicationTables:
        if task not in self:
            raise KeyError(task)
        values: dict[str, Any] = {"totals": self.totals(task)}
        for field in fields(ReplicationTables):
            if field.name not in values and self.has_table(task, field.name):
                table = self.read_table(task, field.name).to_pandas()
                is_array = list(table) == [_ARRAY_COLUMN]
                values[field.name] = np.asarray(table[_ARRAY_COLUMN]) if is_array else table
        return ReplicationTables(**values)

    def __contains__(self, task: object) -> bool:
        match task:
            case (int(case), int(replication)):
                return 0 <= case < len(self.job.cases) and 0 <= replication < self.n_replications
        return False

    def __iter__(self) -> Iterator[Task]:
        return (
            (case, replication)
            for case in range(len(self.job.cases))
            for replication in range(self.n_replications)
        )

    def __len__(self) -> int:
        return len(self.job.cases) * self.n_replications
