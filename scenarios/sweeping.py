"""The same question asked at many points of a space of settings, to see whether the answer holds there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis import compute_lift, write_table
from layouts import ConfigError, Store, StoresimError, save_store, writing_folder
from models import ShopperModel
from scenarios.ab import check_currency, name_apart
from scenarios.execution import Execution
from scenarios.monte_carlo import Job, RunConfig, describe_run
from scenarios.parts import Parts
from scenarios.report_data import KPIS
from scenarios.runs import run_job
from scenarios.sweep_plan import Point, SweepPlan, configure
from simulator import SimulationConfig

SWEEP_MARKER = "sweep.json"  # the file that makes a folder a sweep
SWEEP_PARTS = (SWEEP_MARKER, "sweep.parquet", "sweep.csv", "replications.parquet", "stores")


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepResult:
    """Figures and lifts at every point.

    Attributes
    ----------
    result
        The content of `sweep.json`.
    table
        A row for each point and layout, see docs/formats.md.
    replications
        `point, layout, replication` and figures per shopper; replication r met the same luck at all points.
    stores
        Control first.
    """

    result: dict[str, Any]
    table: pd.DataFrame
    replications: pd.DataFrame
    stores: tuple[Store, ...]

    def save(self, folder: Path | str) -> None:
        """Write the folder of a sweep, whole or not at all."""
        with writing_folder(Path(folder), parts=SWEEP_PARTS) as aside:
            write_table(self.table, aside / "sweep.parquet")
            self.table.to_csv(aside / "sweep.csv", index=False, lineterminator="\n")
            write_table(self.replications, aside / "replications.parquet")
            for index, store in enumerate(self.stores):
                save_store(store, aside / "stores" / f"layout-{index}")
            text = json.dumps(self.result, indent=2) + "\n"
            (aside / SWEEP_MARKER).write_text(text, encoding="utf-8")

    def summary(self) -> str:
        """Say how far profit, and each variant's lift, move over the points."""
        currency, lines = self.result["currency"], []
        for store in self.stores:
            rows = self.table[self.table["layout"] == store.name]
            profit, lift = rows["profit_per_shopper"], rows["lift_profit_per_shopper"]
            line = f"{store.name}: profit {profit.min():.2f} to {profit.max():.2f} {currency} per shopper"
            if store is not self.stores[0]:
                n_clear = int((rows["lift_profit_per_shopper_low"] > 0).sum())
                line += (
                    f", lift {lift.min():+.3f} to {lift.max():+.3f}; "
                    f"its interval is above 0 at {n_clear} of {len(rows)} points"
                )
            lines.append(line)
        return "\n".join(lines)


def sweep(
    control: Store,
    variants: Sequence[Store],
    plan: SweepPlan,
    *,
    model: ShopperModel,
    n_shoppers: int = 2000,
    n_replications: int = 10,
    seed: int = 0,
    simulation: SimulationConfig | None = None,
    execution: Execution | None = None,
) -> SweepResult:
    """Simulate a layout, and perhaps its alternatives, at every point of a plan.

    Replication r meets the same luck at every point and in every layout, so differences between points are
    paired as those between layouts are.

    Parameters
    ----------
    control
        Today's store.
    variants
        Changed stores, perhaps none.
    plan
        Which points.
    model
        The shoppers.
    n_shoppers, n_replications, seed, simulation
        What the plan does not set; see `RunConfig`. At least two replications, or there is no interval.
    execution
        Where and how; in this process if left out.

    Raises
    ------
    ConfigError
        If a point cannot be simulated, or there are too few replications.
    """
    if n_replications < 2:
        raise ConfigError(f"n_replications must be at least 2 for an interval, got {n_replications}")
    check_currency(control, variants)
    stores, points = name_apart([control, *variants]), plan.list_points()
    base = RunConfig(
        n_shoppers=n_shoppers,
        n_replications=n_replications,
        seed=seed,
        tracks="none",
        simulation=simulation or SimulationConfig(),
    )
    configs = [_configure(index, point, base) for index, point in enumerate(points)]
    cases = tuple((store, config) for config in configs for store in stores)
    parts = run_job(Job(model, cases, keeps_tables=False), n_replications, execution)
    replications = _collect_replications(parts, stores, points)
    rows = []
    for index, point in enumerate(points):
        here = replications[replications["point"] == index]
        for store in stores:
            front = {"point": index, "layout": store.name, **_to_columns(point)}
            rows.append(front | _summarise(here, store.name, control=stores[0].name))
    result = describe_run(model, stores, base) | {"design": plan.design, "points": points}
    return SweepResult(
        result=result, table=pd.DataFrame(rows), replications=replications, stores=tuple(stores)
    )


def _configure(index: int, point: Point, base: RunConfig) -> RunConfig:
    try:
        return configure(point, base)
    except StoresimError as error:
        raise type(error)(f"point {index} of the plan, {json.dumps(point)[:200]}: {error}") from error


def _collect_replications(parts: Parts, stores: Sequence[Store], points: Sequence[Point]) -> pd.DataFrame:
    """Figures per shopper of every point, layout and replication."""
    rows = []
    for case, replication in parts:
        point, layout = divmod(case, len(stores))
        totals = parts.totals((case, replication))
        figures = {kpi: totals[kpi] for kpi in KPIS}
        rows.append({"point": point, "layout": stores[layout].name, "replication": replication, **figures})
    return pd.DataFrame(rows)


def _to_columns(point: Point) -> dict[str, Any]:
    """Values of a point as cells of a table: what is no number or text is written as JSON."""
    return {
        name: json.dumps(value) if isinstance(value, bool | list | dict | None) else value
        for name, value in point.items()
    }


def _summarise(here: pd.DataFrame, layout: str, *, control: str) -> dict[str, float]:
    """Mean and 95 % interval of each figure at one point, and of its lift over the control there."""
    of_layout, of_control = (here[here["layout"] == name] for name in (layout, control))
    row: dict[str, float] = {}
    for kpi in KPIS:
        values = of_layout[kpi].to_numpy()
        mean, n = float(values.mean()), len(values)
        half = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
        row |= {kpi: mean, f"{kpi}_low": mean - half, f"{kpi}_high": mean + half}
        lift = compute_lift(of_control[kpi].to_numpy(), values)
        row |= {f"lift_{kpi}": lift.mean, f"lift_{kpi}_low": lift.ci95[0], f"lift_{kpi}_high": lift.ci95[1]}
    return row
