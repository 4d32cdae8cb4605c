"""From a job to its finished parts, the figures per shopper, and the run folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from analysis import write_table
from layouts import RUN_MARKER, Store, save_store, writing_folder
from scenarios.execution import Crew, Execution, hire
from scenarios.manifest import claiming
from scenarios.monte_carlo import Job, Task
from scenarios.parts import Parts
from scenarios.report_data import KPIS
from scenarios.stopping import FloatArray, StoppingRule
from simulator import ReplicationTables

# Columns of the written tables, after `layout` and `replication`; all of them where none are named
POS_COLUMNS = ["basket_id", "session_id", "sku_id", "qty", "unit_price", "margin", "checkout_ts"]
TRACKING_COLUMNS = ["session_id", "t", "x", "y"]
ROWS_PER_GROUP = 2**15  # of the written tables: what is in memory at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class RunResult:
    """Layouts, simulated.

    Attributes
    ----------
    result
        The content of `result.json`.
    parts
        What happened, on disk.
    stores
        The layouts, today's first.
    """

    result: dict[str, Any]
    parts: Parts
    stores: tuple[Store, ...]

    @property
    def tables(self) -> Mapping[Task, ReplicationTables]:
        """Tables by (layout, replication), layout 0 is today's; each is read when it is asked for."""
        return self.parts

    @property
    def replications(self) -> pd.DataFrame:
        """Figures per shopper, one row per layout and replication."""
        return collect_totals(self.parts, self.stores)

    def save(self, folder: Path | str) -> None:
        """Write the run folder."""
        save_run(Path(folder), self.result, self.parts, self.stores)


def run_job(job: Job, n_replications: int, execution: Execution | None = None) -> Parts:
    """Live every replication of every case, those that are finished in the work folder excepted.

    Parameters
    ----------
    job
        What is lived.
    n_replications
        Of each case.
    execution
        Where and how; in this process, with parts in a temporary folder, if left out.

    Returns
    -------
    parts
        Complete for replications 0 to `n_replications` - 1.

    Raises
    ------
    WorkFolderError
        If the work folder is another run's.
    WorkersLostError
        If workers die again and again.
    """
    with _working(job, execution or Execution()) as (parts, crew):
        tasks = job.list_tasks(n_replications)
        with _bar(tasks) as bar:
            _complete(tasks, parts, crew, bar)
        parts.n_replications = n_replications
    return parts


def run_until(
    job: Job, n_most: int, rule: StoppingRule, execution: Execution | None = None
) -> tuple[Parts, dict[str, Any]]:
    """Live replications of every case until a rule says that they are enough; see `run_job`.

    Parameters
    ----------
    job
        What is lived; the first case is the control.
    n_most
        Replications of each case at most.
    rule
        Looks at the profit per shopper.
    execution
        Where and how.

    Returns
    -------
    parts
        Complete for as many replications as were needed.
    stopping
        For `result.json`: what was asked, how many replications were run and why that was enough or not.
    """
    names = [store.name for store, _ in job.cases]
    with _working(job, execution or Execution()) as (parts, crew), _bar(job.list_tasks(n_most)) as bar:
        for n in rule.list_looks(n_most):
            tasks = job.list_tasks(n)[len(job.list_tasks(parts.n_replications)) :]
            _complete(tasks, parts, crew, bar)
            parts.n_replications = n
            verdict = rule.judge(_collect_profit(parts, rule.figure), names, n_most)
            if verdict.is_enough:
                break
    ran = {"replications": n, "most": n_most, "is_enough": verdict.is_enough, "reason": verdict.reason}
    return parts, rule.asked | ran | verdict.findings


@contextmanager
def _working(job: Job, execution: Execution) -> Iterator[tuple[Parts, Crew]]:
    """Open or make the parts, and hire a crew."""
    parts = Parts(job, execution.work)
    claim: AbstractContextManager[None] = nullcontext()
    if execution.work is not None:
        claim = claiming(execution.work, job, resume=execution.resume)
    with claim, hire(job, execution, parts.folder) as crew:
        yield parts, crew


def _bar(tasks: Sequence[Task]) -> tqdm:
    return tqdm(total=len(tasks), desc="simulating", unit="replication", disable=None)


def _collect_profit(parts: Parts, figure: str) -> FloatArray:
    """Profit per shopper, shape (n_replications, n_cases); as it was drawn where `figure` is not known."""
    totals = [parts.totals(task) for task in parts]
    name = figure if all(figure in figures for figures in totals) else "profit_per_shopper"
    profit = [figures[name] for figures in totals]
    return np.array(profit).reshape(len(parts.job.cases), parts.n_replications).T


def _complete(tasks: Sequence[Task], parts: Parts, crew: Crew, bar: tqdm) -> None:
    """Live what is missing of these tasks; what is finished when an error comes is kept too."""
    finished = parts.find_finished(tasks)
    bar.update(len(finished))
    try:
        for task in crew.run([task for task in tasks if task not in finished]):
            parts.take_up(task)
            bar.update()
    except BaseException:
        for task in crew.salvage():
            parts.take_up(task)
        raise


def collect_totals(parts: Parts, stores: Sequence[Store]) -> pd.DataFrame:
    """Figures per shopper of each layout and replication: `layout, replication` and `KPIS`."""
    return pd.DataFrame(
        {"layout": stores[case].name, "replication": replication, **_pick_kpis(parts, (case, replication))}
        for case, replication in parts
    )


def _pick_kpis(parts: Parts, task: Task) -> dict[str, float]:
    totals = parts.totals(task)
    return {kpi: totals[kpi] for kpi in KPIS}


def summarise_layout(totals: pd.DataFrame, layout: str) -> dict[str, Any]:
    """Mean figures per shopper of a layout over its replications."""
    means = totals.loc[totals["layout"] == layout, list(KPIS)].mean()
    return {"layout": layout, **{kpi: float(means[kpi]) for kpi in KPIS}}


# the run folder


def save_run(folder: Path, result: Mapping[str, Any], parts: Parts, stores: Sequence[Store]) -> None:
    """Write a run folder, whole or not at all; its files are those of docs/formats.md.

    Parts are read and written one after another in the order of layouts and replications, so memory does not
    grow with their number, and the bytes do not depend on how or in which order they came about.
    """
    with_tracks = [task for task in parts if parts.job.cases[task[0]][1].keeps_tracks(task[1])]
    with writing_folder(Path(folder)) as aside:
        for file, table, columns, tasks in (
            ("tracking", "tracks", TRACKING_COLUMNS, with_tracks or list(parts)[:1]),
            ("pos", "receipts", POS_COLUMNS, list(parts)),
            ("sessions", "sessions", None, list(parts)),
            ("zones", "zones", None, list(parts)),
            ("lost", "lost", None, [task for task in parts if parts.has_table(task, "lost")]),
        ):
            _write_table_of_all(aside / f"{file}.parquet", parts, stores, table, columns, tasks)
        write_table(collect_totals(parts, stores), aside / "replications.parquet")
        write_table(_collect_occupancy(parts, stores), aside / "occupancy.parquet")
        for index, store in enumerate(stores):
            save_store(store, aside / "stores" / f"layout-{index}")
        text = json.dumps(result, indent=2) + "\n"
        (aside / RUN_MARKER).write_text(text, encoding="utf-8")


def _write_table_of_all(
    path: Path,
    parts: Parts,
    stores: Sequence[Store],
    name: str,
    columns: list[str] | None,
    tasks: Sequence[Task],
) -> None:
    """Write one table of these tasks, with the columns `layout` and `replication` in front."""
    writer = None
    try:
        for group in _group_rows(_read_all(parts, stores, name, columns, tasks)):
            writer = writer or pq.ParquetWriter(path, group.schema, compression="zstd")
            writer.write_table(group, row_group_size=max(len(group), 1))
    finally:
        if writer is not None:
            writer.close()


def _read_all(
    parts: Parts, stores: Sequence[Store], name: str, columns: list[str] | None, tasks: Sequence[Task]
) -> Iterator[pa.Table]:
    for case, replication in tasks:
        table = parts.read_table((case, replication), name)
        table = table if columns is None else table.select(columns)
        layout = pa.repeat(pa.scalar(stores[case].name, pa.large_string()), len(table))
        number = pa.repeat(pa.scalar(replication, pa.int64()), len(table))
        yield table.add_column(0, "replication", number).add_column(0, "layout", layout)


def _group_rows(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Join neighbours until there are at least `ROWS_PER_GROUP` rows."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= ROWS_PER_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _collect_occupancy(parts: Parts, stores: Sequence[Store]) -> pd.DataFrame:
    """Person-seconds per cell and replication, mean over the replications."""
    tables = []
    for case, store in enumerate(stores):
        seconds = np.zeros(len(store.grid.xy))
        for replication in range(parts.n_replications):
            seconds += parts.read_table((case, replication), "occupancy").column(0).to_numpy()
        x, y = store.grid.xy.T
        tables.append(
            pd.DataFrame({"layout": store.name, "x": x, "y": y, "seconds": seconds / parts.n_replications})
        )
    return pd.concat(tables, ignore_index=True)
