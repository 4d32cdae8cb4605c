"""Many replications of one or several layouts, here or on several cores, and the run folder they leave."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from analysis import write_table
from layouts import RUN_MARKER, ConfigError, Store, save_store, writing_folder
from models import ShopperModel
from scenarios.report_data import KPIS
from simulator import Luck, ReplicationTables, StoreModel, build_tables, draw_population, plan_itineraries

TRACKS = ("first", "all", "none")
VERSIONS_OF = ("storesim", "mesa", "torch", "transformers", "numpy")
# Columns of the written tables, after `layout` and `replication`
POS_COLUMNS = ["basket_id", "session_id", "sku_id", "qty", "unit_price", "margin", "checkout_ts"]
TRACKING_COLUMNS = ["session_id", "t", "x", "y"]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What a run is asked for: the same values give the same bytes.

    Attributes
    ----------
    n_shoppers
        Who enter in each replication.
    n_replications
        Independent repetitions; replication r meets the same luck in every layout.
    seed
        Of all luck.
    tracks
        Of which replications the positions are kept: `first`, `all` or `none`.
    """

    n_shoppers: int
    n_replications: int
    seed: int
    tracks: str = "first"

    def __post_init__(self) -> None:
        for name in ("n_shoppers", "n_replications"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.tracks not in TRACKS:
            raise ConfigError(f"tracks must be one of {', '.join(TRACKS)}, got {self.tracks!r}")

    def keeps_tracks(self, replication: int) -> bool:
        """Whether the positions of this replication are kept."""
        return self.tracks == "all" or (self.tracks == "first" and replication == 0)


def simulate_replication(
    store: Store, model: ShopperModel, replication: int, config: RunConfig
) -> ReplicationTables:
    """Live one replication: who comes, what they decide, how it goes; a pure function of its arguments."""
    luck = Luck(config.seed, replication)
    population, baskets = draw_population(model, store, config.n_shoppers, luck)
    itineraries = plan_itineraries(model, store, baskets, config.n_shoppers, luck)
    living = StoreModel(store, population, itineraries, luck=luck)
    living.run()
    tables = build_tables(living)
    return tables if config.keeps_tracks(replication) else replace(tables, tracks=tables.tracks.iloc[:0])


Task = tuple[int, int]  # layout, replication
_worker: dict[str, Any] = {}  # what a worker process was started with


def _start_worker(stores: Sequence[Store], model: ShopperModel, config: RunConfig) -> None:
    torch.set_num_threads(1)
    _worker.update(stores=stores, model=model, config=config)


def _run_task(task: Task) -> ReplicationTables:
    layout, replication = task
    return simulate_replication(_worker["stores"][layout], _worker["model"], replication, _worker["config"])


def run_replications(
    stores: Sequence[Store], model: ShopperModel, config: RunConfig, *, n_workers: int = 1
) -> dict[Task, ReplicationTables]:
    """Run every replication of every layout.

    Parameters
    ----------
    stores
        The layouts; those with the same content are lived once.
    model
        The shoppers, the same in all of them.
    config
        How many and with which luck.
    n_workers
        Processes; the results do not depend on it.

    Returns
    -------
    tables
        By (layout's index, replication), in this order.
    """
    first_of = {store.content_hash: index for index, store in reversed(list(enumerate(stores)))}
    distinct = sorted(set(first_of.values()))
    tasks = [(layout, replication) for replication in range(config.n_replications) for layout in distinct]
    done = {}
    with tqdm(total=len(tasks), desc="simulating", unit="replication", disable=None) as bar:
        for task, tables in _run_tasks(tasks, stores, model, config, min(n_workers, len(tasks))):
            done[task] = tables
            bar.update()
    return {
        (layout, replication): done[first_of[store.content_hash], replication]
        for layout, store in enumerate(stores)
        for replication in range(config.n_replications)
    }


def _run_tasks(
    tasks: list[Task], stores: Sequence[Store], model: ShopperModel, config: RunConfig, n_workers: int
) -> Iterator[tuple[Task, ReplicationTables]]:
    if n_workers <= 1:
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums in another order would give other bytes
        try:
            for layout, replication in tasks:
                yield (layout, replication), simulate_replication(stores[layout], model, replication, config)
        finally:
            torch.set_num_threads(n_threads)
        return
    context = multiprocessing.get_context("spawn")  # torch and fork do not go together
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(n_workers, context, _start_worker, (stores, model, config)) as pool:
        try:
            with _holding_interrupts():  # Ctrl-C is for this process to handle
                futures = {pool.submit(_run_task, task): task for task in tasks}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:  # do not sit out what nobody waits for
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _holding_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends; processes started meanwhile never get it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # started later, by the first worker, it would let Ctrl-C through again
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def collect_table(
    tables: Mapping[Task, ReplicationTables],
    stores: Sequence[Store],
    name: str,
    columns: list[str] | None = None,
) -> pd.DataFrame:
    """Join one table of all replications, with the columns `layout` and `replication` in front."""
    parts = []
    for (layout, replication), of_one in tables.items():
        part = getattr(of_one, name)
        part = part if columns is None else part[columns]
        front = pd.DataFrame({"layout": stores[layout].name, "replication": replication}, index=part.index)
        parts.append(pd.concat([front, part], axis=1))
    return pd.concat(parts, ignore_index=True)


def collect_totals(tables: Mapping[Task, ReplicationTables], stores: Sequence[Store]) -> pd.DataFrame:
    """Figures per shopper of each layout and replication: `layout, replication` and `KPIS`."""
    rows = [
        {
            "layout": stores[layout].name,
            "replication": replication,
            **{kpi: of_one.totals[kpi] for kpi in KPIS},
        }
        for (layout, replication), of_one in tables.items()
    ]
    return pd.DataFrame(rows)


def _collect_occupancy(tables: Mapping[Task, ReplicationTables], stores: Sequence[Store]) -> pd.DataFrame:
    """Person-seconds per cell and replication, mean over the replications."""
    parts = []
    for index, store in enumerate(stores):
        seconds = np.mean(
            [of_one.occupancy for (layout, _), of_one in tables.items() if layout == index], axis=0
        )
        x, y = store.grid.xy.T
        parts.append(pd.DataFrame({"layout": store.name, "x": x, "y": y, "seconds": seconds}))
    return pd.concat(parts, ignore_index=True)


def describe_run(model: ShopperModel, stores: Sequence[Store], config: RunConfig) -> dict[str, Any]:
    """What a result keeps of how it came about."""
    return {
        "seed": config.seed,
        "shoppers": config.n_shoppers,
        "replications": config.n_replications,
        "model": model.name,
        "currency": stores[0].currency,
        "stores": {store.name: store.content_hash for store in stores},
        "versions": {name: version(name) for name in VERSIONS_OF},
    }


def save_run(
    folder: Path, result: Mapping[str, Any], tables: Mapping[Task, ReplicationTables], stores: Sequence[Store]
) -> None:
    """Write a run folder, whole or not at all; its files are those of docs/formats.md."""
    kept = {task: of_one for task, of_one in tables.items() if len(of_one.tracks)}
    with writing_folder(Path(folder)) as aside:
        tracks = collect_table(kept or tables, stores, "tracks", TRACKING_COLUMNS)
        write_table(tracks, aside / "tracking.parquet")
        write_table(collect_table(tables, stores, "receipts", POS_COLUMNS), aside / "pos.parquet")
        write_table(collect_table(tables, stores, "sessions"), aside / "sessions.parquet")
        write_table(collect_table(tables, stores, "zones"), aside / "zones.parquet")
        write_table(collect_totals(tables, stores), aside / "replications.parquet")
        write_table(_collect_occupancy(tables, stores), aside / "occupancy.parquet")
        for index, store in enumerate(stores):
            save_store(store, aside / "stores" / f"layout-{index}")
        text = json.dumps(result, indent=2) + "\n"
        (aside / RUN_MARKER).write_text(text, encoding="utf-8")


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulationResult:
    """One layout, simulated.

    Attributes
    ----------
    result
        The content of `result.json`.
    tables
        By (0, replication).
    stores
        The one store.
    """

    result: dict[str, Any]
    tables: Mapping[Task, ReplicationTables]
    stores: tuple[Store, ...]

    @property
    def replications(self) -> pd.DataFrame:
        """Figures per shopper, one row per replication."""
        return collect_totals(self.tables, self.stores)

    def save(self, folder: Path | str) -> None:
        """Write the run folder."""
        save_run(Path(folder), self.result, self.tables, self.stores)

    def summary(self) -> str:
        """Say the figures in a line."""
        figures, currency = self.result["control"], self.result["currency"]
        return (
            f"{figures['layout']}: profit {figures['profit_per_shopper']:.2f} {currency}, "
            f"revenue {figures['revenue_per_shopper']:.2f} {currency}, "
            f"{figures['items_per_shopper']:.1f} items and "
            f"{figures['minutes_per_shopper']:.1f} minutes per shopper"
        )


def summarise_layout(totals: pd.DataFrame, layout: str) -> dict[str, Any]:
    """Mean figures per shopper of a layout over its replications."""
    means = totals.loc[totals["layout"] == layout, list(KPIS)].mean()
    return {"layout": layout, **{kpi: float(means[kpi]) for kpi in KPIS}}


def simulate(
    store: Store,
    *,
    model: ShopperModel,
    n_shoppers: int = 2000,
    n_replications: int = 30,
    seed: int = 0,
    n_workers: int = 1,
    tracks: str = "first",
) -> SimulationResult:
    """Let shoppers visit one store; see `run_replications` for the arguments."""
    config = RunConfig(n_shoppers=n_shoppers, n_replications=n_replications, seed=seed, tracks=tracks)
    tables = run_replications([store], model, config, n_workers=n_workers)
    totals = collect_totals(tables, [store])
    result = describe_run(model, [store], config) | {"control": summarise_layout(totals, store.name)}
    return SimulationResult(result=result, tables=tables, stores=(store,))
