"""How well a model reproduces days that it has not seen: simulated, measured, compared."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from analysis import (
    FloorChecks,
    Observations,
    SessionSample,
    Validation,
    build_journeys,
    check_floor,
    clean_tracks,
    compare_samples,
    estimate_measurement,
    sample_sessions,
    summarise_calibration,
    write_table,
)
from layouts import Store, save_store, write_text, writing_folder
from models import ShopperModel
from scenarios.measured_days import measure_day, without_noise
from scenarios.monte_carlo import VERSIONS_OF, RunConfig, simulate_replication
from scenarios.validation_data import VALIDATION_MARKER, VALIDATION_PARTS
from scenarios.validation_figures import mean_seconds, save_figures

ESTIMATED = "estimated from the observations"
NOT_NEEDED = "none: the policy learned its positions from measured ones"


@dataclass(frozen=True, kw_only=True, eq=False)
class ValidationResult:
    """Observed and simulated days of one store beside each other.

    Attributes
    ----------
    result
        The content of `validation.json`.
    tables
        Divergences, distributions and calibration.
    store
        Where.
    observed, simulated
        The sessions of both sides; one sample per replication.
    """

    result: dict[str, Any]
    tables: Validation
    store: Store
    observed: SessionSample
    simulated: tuple[SessionSample, ...]

    @property
    def occupancy(self) -> pd.DataFrame:
        """Seconds per session in each cell: `side` (observed, generated), `x`, `y` [m], `seconds`."""
        x, y = self.store.grid.xy.T
        sides = {"observed": (self.observed,), "generated": self.simulated}
        return pd.concat(
            [
                pd.DataFrame({"side": side, "x": x, "y": y, "seconds": mean_seconds(samples)})
                for side, samples in sides.items()
            ],
            ignore_index=True,
        )

    def save(self, folder: Path | str) -> None:
        """Write the validation folder, whole or not at all; its files are those of docs/formats.md."""
        with writing_folder(Path(folder), parts=VALIDATION_PARTS) as aside:
            for name, table in vars(self.tables).items():
                table.to_csv(aside / f"{name}.csv", index=False, lineterminator="\n")
            write_table(self.occupancy, aside / "occupancy.parquet")
            save_figures(aside, self.store, self.observed, self.simulated, self.tables.calibration)
            save_store(self.store, aside / "stores" / "layout-0")
            write_text(aside / VALIDATION_MARKER, json.dumps(self.result, indent=2, allow_nan=False) + "\n")

    def summary(self) -> str:
        """Say each divergence beside its noise floor, a line each."""
        checks = self.result["floor_checks"]
        lines = [
            f"{self.store.name}: {self.observed.n:,} observed sessions against "
            f"{self.result['replications']} x {self.result['shoppers']:,} simulated"
        ]
        overall = self.tables.divergences[self.tables.divergences["attribute"] == ""]
        for row in overall.itertuples():
            times = f"{row.ratio:.2f} times its noise floor {row.floor:.4f}"
            lines.append(f"{row.figure.replace('_', ' ')}: {row.value:.4f} nats, {times}")
        lines.append(
            f"off the floor: {checks['off_floor']:,} of {checks['positions']:,} positions; "
            f"through shelves or walls: {checks['crossings']:,} of {checks['steps']:,} moves"
        )
        return "\n".join(lines)


def validate(
    store: Store,
    *,
    model: ShopperModel,
    observations: Observations,
    n_shoppers: int | None = None,
    n_replications: int = 3,
    seed: int = 0,
) -> ValidationResult:
    """Compare what a model's shoppers do with what was observed.

    Simulated positions are true ones, every second, so they go through a measurement layer fitted to the
    observations and then through the same cleaning. A policy with `measured` set learned its positions from
    measured ones: those are taken as clean positions, without new noise; receipts are unlinked all the same.

    Parameters
    ----------
    store
        Where both sides shopped.
    model
        The shoppers.
    observations
        Days that the model was not trained on.
    n_shoppers
        Shoppers of a replication; as many as were observed if left out.
    n_replications
        Replications, each compared by itself; the differences are averaged.
    seed
        Of all luck: the shoppers', the measurement's, the noise floors'.

    Raises
    ------
    ObservationError
        If there are too few sessions to compare.
    """
    positions = clean_tracks(observations.tracks, store)
    journeys = build_journeys(observations, store, positions=positions)
    observed = sample_sessions(observations, journeys, positions, store)
    is_measured = bool(getattr(model.policy, "measured", False))
    measurement = estimate_measurement(observations, positions, store)
    measurement = without_noise(measurement) if is_measured else measurement
    config = RunConfig(
        n_shoppers=n_shoppers or observed.n, n_replications=n_replications, seed=seed, tracks="all"
    )
    floors, *luck = np.random.SeedSequence(seed).spawn(1 + n_replications)
    simulated, checks = [], FloorChecks(0, 0, 0, 0)
    with _one_thread():
        for replication in tqdm(range(n_replications), desc="simulating", unit="replication", disable=None):
            tables = simulate_replication(store, model, replication, config)
            checks += check_floor(tables.tracks, store)
            rng = np.random.default_rng(luck[replication])
            day = measure_day(tables, store, measurement, rng, is_measured=is_measured)
            simulated.append(sample_sessions(day.observations, day.journeys, day.positions, store))
    tables_of_both = compare_samples(observed, simulated, store, np.random.default_rng(floors))
    source = NOT_NEEDED if is_measured else ESTIMATED
    result = _describe(store, model, config, observed.n, checks) | {
        "measurement": {"source": source, **asdict(measurement)},
        **_describe_tables(tables_of_both),
    }
    return ValidationResult(
        result=result, tables=tables_of_both, store=store, observed=observed, simulated=tuple(simulated)
    )


def _describe(
    store: Store, model: ShopperModel, config: RunConfig, n_sessions: int, checks: FloorChecks
) -> dict[str, Any]:
    return {
        "seed": config.seed,
        "shoppers": config.n_shoppers,
        "replications": config.n_replications,
        "sessions": n_sessions,
        "model": model.name,
        "store": store.name,
        "stores": {store.name: store.content_hash},
        "trained_on_this_store": model.knowledge.get("store_hash") == store.content_hash,
        "currency": store.currency,
        "versions": {name: version(name) for name in VERSIONS_OF},
        "floor_checks": {
            "positions": checks.n_positions,
            "off_floor": checks.n_off_floor,
            "off_floor_share": checks.off_floor_share,
            "steps": checks.n_steps,
            "crossings": checks.n_crossings,
            "crossing_share": checks.crossing_share,
        },
    }


def _describe_tables(tables: Validation) -> dict[str, Any]:
    calibration = summarise_calibration(tables.calibration)
    return {
        "divergences": [_to_json(row) for row in tables.divergences.to_dict("records")],
        "distributions": [_to_json(row) for row in tables.distributions.to_dict("records")],
        "calibration": {figure: _to_json(summary) for figure, summary in calibration.items()},
    }


def _to_json(row: Mapping[Any, Any]) -> dict[str, Any]:
    """JSON knows no NaN: what could not be computed is null."""
    return {
        str(key): None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in another order would give other bytes."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
