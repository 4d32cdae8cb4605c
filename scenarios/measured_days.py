"""Simulated days as they would have been observed: through the tracking system, then cleaned and read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis import (
    Journeys,
    MeasurementConfig,
    Observations,
    build_journeys,
    clean_tracks,
    move_to_walkable,
    observe,
)
from layouts import Store
from simulator import ReplicationTables


@dataclass(frozen=True, eq=False)
class MeasuredDay:
    """What was seen of some visits, the cleaned positions and the journeys read from them."""

    observations: Observations
    positions: pd.DataFrame
    journeys: Journeys


def measure_day(
    tables: ReplicationTables,
    store: Store,
    measurement: MeasurementConfig,
    rng: np.random.Generator,
    *,
    is_measured: bool = False,
) -> MeasuredDay:
    """Turn what happened into what would have been observed of it.

    Parameters
    ----------
    tables
        A replication with all of its tracks.
    store
        In which it happened.
    measurement
        How the tracking system sees.
    rng
        Draws the noise, and what is lost.
    is_measured
        Take the positions as they are: they were learned from cleaned ones.
    """
    seen = observe(tables.tracks, tables.receipts, tables.sessions, store, rng, measurement)
    positions = _take_as_clean(seen.tracks, store) if is_measured else clean_tracks(seen.tracks, store)
    return MeasuredDay(seen, positions, build_journeys(seen, store, positions=positions))


def without_noise(measurement: MeasurementConfig) -> MeasurementConfig:
    """Every position, every second, as it is; receipts and attributes are lost as before."""
    return replace(
        measurement,
        noise_sd_m=0.0,
        outlier_share=0.0,
        gaps_per_hour=0.0,
        truncated_share=0.0,
        min_interval_s=1.0,
        max_interval_s=1.0,
    )


def _take_as_clean(tracks: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Give fixes of every second the columns of `clean_tracks`; only what is off the floor is moved."""
    start = tracks.groupby("session_id", observed=True)["t"].transform("first")
    xy = move_to_walkable(tracks[["x", "y"]].to_numpy(dtype="float64"), store)
    t_s = ((tracks["t"] - start).dt.total_seconds()).round().astype("int64")
    return pd.DataFrame({"session_id": tracks["session_id"], "t_s": t_s, "x": xy[:, 0], "y": xy[:, 1]})
