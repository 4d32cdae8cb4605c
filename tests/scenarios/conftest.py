"""Run folders with made-up figures, in the form that the simulation writes."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layouts import Store, save_store

KPIS = ("profit_per_shopper", "revenue_per_shopper", "items_per_shopper", "minutes_per_shopper")
N_REPLICATIONS = 6


def summarise(replications: pd.DataFrame, layout: str) -> dict:
    means = replications.loc[replications["layout"] == layout, list(KPIS)].mean()
    return {"layout": layout, **{kpi: float(means[kpi]) for kpi in KPIS}}


def make_lift(mean: float, half_width: float, level: float) -> dict:
    return {
        "mean": mean,
        "ci95": [mean - half_width, mean + half_width],
        "relative": mean / level,
        "p_value": 0.004 if abs(mean) > half_width else 0.4,
    }


def make_tables(
    stores: Sequence[Store], profits: Sequence[float], rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Zones, occupancy and replications; the profit per shopper of layout i is `profits[i]` exactly."""
    replications, zones, occupancy = [], [], []
    for store, profit in zip(stores, profits, strict=True):
        noise = rng.normal(0, 0.05, N_REPLICATIONS)
        noise -= noise.mean()
        for replication in range(N_REPLICATIONS):
            replications.append(
                (store.name, replication, profit + noise[replication], 3 * profit, 4.0 + profit, 6.0)
            )
            for zone in store.zones:
                zones.append(
                    (
                        store.name,
                        replication,
                        zone.zone_id,
                        0.5,
                        0.25,
                        12.0,
                        0.7,
                        0.2,
                        0.1,
                        profit / len(store.zones),
                    )
                )
        centres = store.grid.xy
        seconds = rng.gamma(0.6, 400.0, len(centres))
        occupancy.append(
            pd.DataFrame({"layout": store.name, "x": centres[:, 0], "y": centres[:, 1], "seconds": seconds})
        )
    zone_columns = ["reach", "stop_rate", "engage_dwell_s", "visits", "purchases", "conversion", "profit"]
    return {
        "replications": pd.DataFrame(replications, columns=["layout", "replication", *KPIS]),
        "zones": pd.DataFrame(zones, columns=["layout", "replication", "zone_id", *zone_columns]),
        "occupancy": pd.concat(occupancy, ignore_index=True),
    }


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the run of a control and its variants, profits 1.0 and 1.0 + lift."""

    def write(
        control: Store, *variants: Store, lifts: Sequence[float] = (), half_width: float = 0.08
    ) -> Path:
        folder = tmp_path / "run"
        stores = [control, *variants]
        tables = make_tables(stores, [1.0, *(1.0 + lift for lift in lifts)], np.random.default_rng(0))
        for name, table in tables.items():
            folder.mkdir(exist_ok=True)
            table.to_parquet(folder / f"{name}.parquet")
        for i, store in enumerate(stores):
            save_store(store, folder / "stores" / f"layout-{i}")
        result = {
            "seed": 7,
            "shoppers": 2000,
            "replications": N_REPLICATIONS,
            "model": "paper & pencil",
            "currency": control.currency,
            "control": summarise(tables["replications"], control.name),
            "versions": {"storesim": "0.1.0"},
        }
        answers = [
            {
                "variant": summarise(tables["replications"], store.name),
                "lift": {kpi: make_lift(lift, half_width, result["control"][kpi]) for kpi in KPIS},
                "support": {"level": "medium", "why": ["1 of 5 zones holds what the model never saw there"]},
            }
            for store, lift in zip(variants, lifts, strict=True)
        ]
        if answers:
            result |= answers[0] if len(answers) == 1 else {"variants": answers}
        (folder / "result.json").write_text(json.dumps(result))
        return folder

    return write
