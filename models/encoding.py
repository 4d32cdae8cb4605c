"""Journeys as arrays: the stops, what was taken at them, and what was walked past.

The tables of `analysis` become padded arrays that the conversion model and the policies learn from, and the
exposures of any order of stops are computed here, also of orders that nobody walked ("what would this shopper
have passed, had the need for this category not existed?").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import Journeys
from layouts import Store
from models.layout_view import LayoutView

MAX_STOPS = 60  # longer journeys are left out of training: one in thousands


@dataclass(frozen=True, eq=False)
class EncodedJourneys:
    """Journeys with a receipt, row i one shopper; a padded stop has zone -1.

    Attributes
    ----------
    attributes
        One array of values per customer attribute, each shape (n,).
    zone
        Zone index of each stop, shape (n, n_stops_max).
    dwell_s
        Length of each stop [s], same shape.
    start_s
        When each stop began [s since entry], same shape.
    pick_row, pick_stop, pick_sku, pick_qty
        One entry per receipt line: shopper row, its stop, SKU index, units.
    """

    attributes: dict[str, NDArray[Any]]
    zone: NDArray[np.int64]
    dwell_s: NDArray[np.float32]
    start_s: NDArray[np.float32]
    pick_row: NDArray[np.int64]
    pick_stop: NDArray[np.int64]
    pick_sku: NDArray[np.int64]
    pick_qty: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Number of journeys."""
        return len(self.zone)

    def bought_categories(self, store: Store) -> NDArray[np.bool_]:
        """Which categories each shopper bought, shape (n, n_categories)."""
        bought = np.zeros((self.n, len(store.categories)), dtype=bool)
        bought[self.pick_row, store.sku_category[self.pick_sku]] = True
        return bought


ATTRIBUTES = ("mission", "age_band", "gender", "carrier")


def encode_journeys(journeys: Journeys, store: Store) -> EncodedJourneys:
    """Turn the journeys that have a receipt and both ends into arrays; the others are left out."""
    sessions = journeys.sessions
    visits = journeys.visits[journeys.visits["zone_id"].isin(store.zone_index)]
    n_stops = visits.groupby("session_id").size()
    kept = sessions[sessions["has_receipt"] & sessions["is_complete"]]
    kept = kept[kept["session_id"].map(n_stops).fillna(0).between(1, MAX_STOPS)].sort_values("session_id")
    row = pd.Series(np.arange(len(kept)), index=kept["session_id"])
    visits = visits[visits["session_id"].isin(row.index)].sort_values(["session_id", "visit"])
    visits = visits.assign(row=visits["session_id"].map(row), stop=visits.groupby("session_id").cumcount())
    n_stops_max = int(visits["stop"].max()) + 1 if len(visits) else 1
    zone = np.full((len(kept), n_stops_max), -1, dtype=np.int64)
    dwell, start = np.zeros((2, *zone.shape), dtype=np.float32)
    at = visits["row"].to_numpy(dtype=np.int64), visits["stop"].to_numpy(dtype=np.int64)
    zone[at] = visits["zone_id"].map(store.zone_index).to_numpy()
    dwell[at] = visits["dwell_s"].to_numpy()
    start[at] = visits["t_s"].to_numpy()
    picks = journeys.picks.merge(visits[["session_id", "visit", "row", "stop"]], on=["session_id", "visit"])
    return EncodedJourneys(
        attributes={name: _attribute(kept, name) for name in ATTRIBUTES},
        zone=zone,
        dwell_s=dwell,
        start_s=start,
        pick_row=picks["row"].to_numpy(),
        pick_stop=picks["stop"].to_numpy(),
        pick_sku=picks["sku_id"].map(store.sku_index).to_numpy(),
        pick_qty=picks["qty"].to_numpy().astype(np.int64),
    )


def _attribute(sessions: pd.DataFrame, name: str) -> NDArray[Any]:
    if name not in sessions:
        return np.full(len(sessions), "unknown", dtype=object)
    return sessions[name].fillna("unknown").astype(str).to_numpy(dtype=object)


def compute_exposures(
    zone: NDArray[np.int64],
    dwell_s: NDArray[np.floating[Any]],
    view: LayoutView,
    weights: NDArray[np.floating[Any]] | None = None,
) -> NDArray[np.float32]:
    """How often each shelf was noticed on journeys with these stops, walked by the shortest paths.

    Parameters
    ----------
    zone, dwell_s
        Stops and their lengths [s], shape (n, n_stops_max); padding (zone -1) may stand anywhere in a row.
    view
        The store.
    weights
        What a notice counts on the way to each stop and there, and after the last one, shape
        (n, n_stops_max + 1); 1 if left out.

    Returns
    -------
    exposure
        Expected number of times that each zone is noticed, door to till, shape (n, n_zones).
    """
    exposure = np.zeros((len(zone), view.n_zones), dtype=np.float32)
    place = np.full(len(zone), view.entrance)
    weight = np.broadcast_to(np.float32(1.0), (len(zone), zone.shape[1] + 1)) if weights is None else weights
    weight = weight.astype(np.float32, copy=False)[:, :, None]
    for nth, (stop, dwell) in enumerate(zip(zone.T, dwell_s.T, strict=True)):
        rows = np.flatnonzero(stop >= 0)
        noticed = view.leg_notice[place[rows], stop[rows]]
        noticed = noticed + view.stop_notice(stop[rows], dwell[rows]).astype(np.float32)
        exposure[rows] += weight[rows, nth] * noticed
        place[rows] = stop[rows]
    out: NDArray[np.float32] = exposure + weight[:, -1] * view.leg_notice[place, view.nearest_checkout[place]]
    return out


def compute_leg_speeds(journeys: EncodedJourneys, view: LayoutView) -> NDArray[np.float64]:
    """Speed from first to last stop along the shortest walk [m/s]; journeys without a walk are left out."""
    here, there = journeys.zone[:, :-1], journeys.zone[:, 1:]
    is_leg = there >= 0
    walk_m = np.where(is_leg, view.distance_m[here, there], 0.0).sum(axis=1)
    end = journeys.start_s + journeys.dwell_s
    walking_s = np.where(is_leg, journeys.start_s[:, 1:] - end[:, :-1], 0.0).sum(axis=1)
    kept = (walk_m > 5.0) & (walking_s > 5.0)
    return walk_m[kept] / walking_s[kept]


def keep_planned_stops(
    journeys: EncodedJourneys, is_planned: NDArray[np.bool_], store: Store
) -> NDArray[np.bool_]:
    """Tell which stops stay if only those for planned goods do, shape (n, n_stops_max).

    `is_planned` says which categories in the basket were planned, shape (n, n_categories). Who stopped and
    bought nothing had met the goods, as those had who stopped and bought: neither stop counts as a look of
    its own, or people would seem to buy the less the more they see.
    """
    stays = np.zeros(journeys.zone.shape, dtype=bool)
    lines = is_planned[journeys.pick_row, store.sku_category[journeys.pick_sku]]
    stays[journeys.pick_row[lines], journeys.pick_stop[lines]] = True
    return stays


def drop_stops_for(
    journeys: EncodedJourneys, row: NDArray[np.int64], category: NDArray[np.int64], store: Store
) -> NDArray[np.int64]:
    """Stops of journeys `row` without those made for `category` alone, shape (len(row), n_stops_max).

    A stop at which something of another category was taken as well stays; dropped ones become padding.
    """
    n_categories = len(store.categories)
    taken = np.zeros((*journeys.zone.shape, n_categories), dtype=bool)
    taken[journeys.pick_row, journeys.pick_stop, store.sku_category[journeys.pick_sku]] = True
    only = taken.sum(axis=2) == 1
    zone = journeys.zone[row].copy()
    zone[taken[row, :, category] & only[row]] = -1
    return zone
