"""A run folder, read for the report: the result, its tables, the stores, and what is computed from them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layouts import RUN_MARKER, ConfigError, Store, load_store

KPIS = ("profit_per_shopper", "revenue_per_shopper", "items_per_shopper", "minutes_per_shopper")
ZONE_KPIS = ("reach", "stop_rate", "engage_dwell_s", "visits", "purchases", "conversion", "profit")
TABLES = {
    "zones": ("layout", "replication", "zone_id", *ZONE_KPIS),
    "occupancy": ("layout", "x", "y", "seconds"),
    "replications": ("layout", "replication", *KPIS),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run folder holds.

    Attributes
    ----------
    result
        The content of `result.json`.
    stores
        Each layout's store by the layout's name.
    zones, occupancy, replications
        The tables of the same name, see docs/formats.md.
    """

    result: Mapping[str, Any]
    stores: Mapping[str, Store]
    zones: pd.DataFrame
    occupancy: pd.DataFrame
    replications: pd.DataFrame

    @property
    def currency(self) -> str:
        """The store's currency, an ISO code."""
        return str(self.result["currency"])

    @property
    def control(self) -> Mapping[str, Any]:
        """Name and figures of today's layout."""
        return dict(self.result["control"])

    @cached_property
    def answers(self) -> list[Mapping[str, Any]]:
        """`variant`, `lift` and `support` of each variant, best first; none where one store was simulated."""
        answers = self.result.get("variants") or ([self.result] if "lift" in self.result else [])
        return sorted(answers, key=lambda answer: -answer["lift"]["profit_per_shopper"]["mean"])

    @cached_property
    def zone_means(self) -> pd.DataFrame:
        """Mean KPIs by (layout, zone_id); where a replication has none (no stop: no dwell), without it."""
        return self.zones.groupby(["layout", "zone_id"])[list(ZONE_KPIS)].mean()

    def seconds_per_shopper(self, layout: str) -> pd.DataFrame:
        """Seconds that the mean shopper spends in each cell `x`, `y` [m] of a layout.

        The table's seconds are scaled to the mean length of a visit, so they may be sums or means.
        """
        cells = self.occupancy.loc[self.occupancy["layout"] == layout, ["x", "y", "seconds"]]
        visit_s = (
            60 * self.replications.loc[self.replications["layout"] == layout, "minutes_per_shopper"].mean()
        )
        total = cells["seconds"].sum()
        return cells.assign(seconds=cells["seconds"] * (visit_s / total if total else 0.0)).reset_index(
            drop=True
        )

    def difference(self, variant: str) -> pd.DataFrame:
        """Seconds per shopper and cell, variant minus control; a cell that one lacks counts as 0."""
        both = [
            self.seconds_per_shopper(layout).round({"x": 3, "y": 3}).set_index(["x", "y"])["seconds"]
            for layout in (variant, self.control["layout"])
        ]
        return both[0].sub(both[1], fill_value=0.0).reset_index()

    def replication_differences(self, variant: str, kpi: str) -> np.ndarray:
        """Variant minus control of each replication, shape (n_replications,)."""
        wide = self.replications.pivot(index="replication", columns="layout", values=kpi)
        return (wide[variant] - wide[self.control["layout"]]).to_numpy()

    def zone_differences(self, variant: str, kpi: str) -> pd.DataFrame:
        """Variant minus control by replication and zone (columns); a zone that one lacks counts as 0."""
        wide = self.zones.pivot(index="replication", columns=["layout", "zone_id"], values=kpi)
        return wide[variant].sub(wide[self.control["layout"]], fill_value=0.0)

    def changed_zones(self, variant: str) -> frozenset[str]:
        """Ids of the variant's zones that the control does not have, or has in another version."""
        known = {zone.versioned_id for zone in self.stores[self.control["layout"]].zones}
        return frozenset(z.zone_id for z in self.stores[variant].zones if z.versioned_id not in known)


def _read_table(folder: Path, name: str, columns: Sequence[str]) -> pd.DataFrame:
    table = pd.read_parquet(folder / f"{name}.parquet")
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ConfigError(f"{name}.parquet has no column {', '.join(missing)}")
    return table


def _check_result(run: Run) -> list[str]:
    """Touch every figure that the report shows, so that what lacks is told; give the layouts' names."""
    for key in ("seed", "shoppers", "replications", "model"):
        run.result[key]
    for layout in (run.control, *(answer["variant"] for answer in run.answers)):
        for kpi in KPIS:
            float(layout[kpi])
    for answer in run.answers:
        for kpi in KPIS:
            lift = answer["lift"][kpi]
            float(lift["mean"]), float(lift["relative"] or 0.0), float(lift["p_value"]), len(lift["ci95"])
        str(answer["support"]["level"]), list(answer["support"]["why"])
    return [run.control["layout"], *(answer["variant"]["layout"] for answer in run.answers)]


def load_run(folder: Path) -> Run:
    """Read the run folder that `simulate` or `ab` wrote.

    Raises
    ------
    ConfigError
        If the folder is none of these, or lacks a part.
    """
    if not (folder / RUN_MARKER).is_file():
        raise ConfigError(f"--run {folder}: has no {RUN_MARKER}; name a folder that simulate or ab wrote")
    try:
        result = json.loads((folder / RUN_MARKER).read_text(encoding="utf-8"))
        tables = {name: _read_table(folder, name, columns) for name, columns in TABLES.items()}
        stores = {store.name: store for store in map(load_store, sorted((folder / "stores").iterdir()))}
        run = Run(result=result, stores=stores, **tables)
        layouts = _check_result(run)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise ConfigError(
            f"--run {folder}: cannot be read as a run ({reason}); run the simulation again"
        ) from error
    missing = [layout for layout in layouts if layout not in stores]
    if missing:
        raise ConfigError(
            f"--run {folder}: stores/ lacks the layout '{missing[0]}'; run the simulation again"
        )
    return run
