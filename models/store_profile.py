"""What journeys say at a glance: who comes when, how fast they are, and what a model may speak for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import Journeys
from layouts import Store
from models.encoding import EncodedJourneys, compute_leg_speeds
from models.layout_view import view_layout
from models.shopper_model import Pace

AT_DOOR_M = 1.5  # who is nearer than this to a door has not walked away from it yet
LEAST_DOOR_S = 2.0  # a shorter pause is not told from the noise of a track
LEAST_PAUSES = 5  # of fewer nothing is said


def estimate_empty_share(journeys: Journeys) -> float:
    """Share of visits without a purchase: those without a receipt, less the receipts without a visit."""
    without = int((~journeys.sessions["has_receipt"]).sum())
    unlinked = journeys.report["n_receipts_without_session"]
    return min(max(without - unlinked, 0) / max(len(journeys.sessions), 1), 0.9)


def fit_pace(journeys: EncodedJourneys, planned_share: NDArray[np.float64], store: Store) -> Pace:
    """Speed on the shortest walk, and stops at which one line was taken that was most likely unplanned."""
    speed = compute_leg_speeds(journeys, view_layout(store))
    log_speed = np.log(np.clip(speed, 0.2, 2.0)) if len(speed) else np.zeros(1)
    share = planned_share[journeys.pick_row, store.sku_category[journeys.pick_sku]]
    n_lines = np.zeros(journeys.zone.shape)
    np.add.at(n_lines, (journeys.pick_row, journeys.pick_stop), 1)
    alone = n_lines[journeys.pick_row, journeys.pick_stop] == 1
    dwell = journeys.dwell_s[journeys.pick_row, journeys.pick_stop][alone & (share < 0.5)]
    if len(dwell) < 20:
        dwell = journeys.dwell_s[journeys.pick_row, journeys.pick_stop]
    log_dwell = np.log(np.maximum(dwell, 2.0))
    return Pace(
        speed_log_mean=float(np.median(log_speed)),
        speed_log_sd=float(np.subtract(*np.percentile(log_speed, [75, 25])) / 1.349),
        impulse_dwell_log_mean=float(np.mean(log_dwell)),
        impulse_dwell_log_sd=float(np.std(log_dwell)),
    )


def fit_door_pause(positions: pd.DataFrame, store: Store, pace: Pace) -> Pace:
    """Complete a pace by how long people stand at the door, beyond the time in which they would walk away.

    Parameters
    ----------
    positions
        Cleaned, `session_id, t_s, x, y`; sessions that begin elsewhere are left out.
    store
        Where its doors are.
    pace
        How fast people walk.
    """
    doors = np.array([entrance.xy for entrance in store.entrances])
    xy = positions[["x", "y"]].to_numpy(dtype=float)
    from_door_m = np.hypot(*(xy[:, None] - doors).transpose(2, 0, 1)).min(axis=1)
    visits = positions.assign(is_away=from_door_m > AT_DOOR_M).groupby("session_id", observed=True)
    starts_at_door = ~visits["is_away"].first()
    leaves_s = positions["t_s"][from_door_m > AT_DOOR_M].groupby(positions["session_id"], observed=True).min()
    pause_s = leaves_s[starts_at_door.reindex(leaves_s.index)] - AT_DOOR_M / np.exp(pace.speed_log_mean)
    pause_s = pause_s[pause_s > 0]
    if len(pause_s) < max(len(leaves_s) / 2, LEAST_PAUSES) or pause_s.median() < LEAST_DOOR_S:
        return pace
    log_s = np.log(pause_s)
    return replace(
        pace,
        door_median_s=float(np.exp(log_s.median())),
        door_log_sd=float(np.subtract(*np.percentile(log_s, [75, 25])) / 1.349),
    )


def count_hourly_share(entry: pd.Series) -> tuple[float, ...]:
    """Share of the visits (times of entry) that begin in each hour of the clock, 24 values."""
    share = np.bincount(entry.dt.hour, minlength=24) / max(len(entry), 1)
    return tuple(float(value) for value in share)


def count_shoppers_per_day(entry: pd.Series) -> float:
    """Visits (times of entry) per day on which there were any."""
    return float(len(entry) / max(entry.dt.date.nunique(), 1))


def describe_knowledge(
    store: Store,
    journeys: Journeys,
    encoded: EncodedJourneys,
    planned_share: NDArray[np.float64],
    preset: str,
    history: list[dict[str, float]],
    policy: str = "layout",
) -> dict[str, Any]:
    """What the model can speak for: where each category stood, and how much was seen."""
    where: dict[str, set[str]] = {name: set() for name in store.categories}
    for placement in store.placements:
        category = store.categories[store.sku_category[store.sku_index[placement.sku_id]]]
        where[category].add(str(store.zones[store.zone_index[placement.zone_id]].zone_type))
    share = planned_share[encoded.pick_row, store.sku_category[encoded.pick_sku]]
    return {
        "kind": "trained",
        "policy": policy,
        "preset": preset,
        "store": store.name,
        "store_hash": store.content_hash,
        "n_sessions": len(journeys.sessions),
        "n_journeys": encoded.n,
        "planned_line_share": round(float(share.mean()), 4),
        "zone_types_of_category": {name: sorted(types) for name, types in where.items()},
        "history": [{k: round(epoch[k], 4) for k in ("training", "validation")} for epoch in history],
        "observed": journeys.report,
    }
