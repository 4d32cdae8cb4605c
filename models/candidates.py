"""How each place looks from where a shopper stands: distance, need, detour; no name, no absolute place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.layout_view import LayoutView

ZONE_RELATIONS = (
    "log_distance",
    "distance",
    "is_wanted",
    "log_n_wanted",
    "is_nearest_wanted",
    "beyond_nearest_wanted",
    "was_visited",
    "towards_checkout",
    "detour",
    "list_is_done",
)
LEAVE_RELATIONS = ("list_is_done", "n_stops", "log_n_stops", "to_checkout")


def relate_zones(
    place: NDArray[np.integer[Any]],
    n_wanted_here: NDArray[np.integer[Any]],
    n_visits: NDArray[np.integer[Any]],
    view: LayoutView,
) -> NDArray[np.float32]:
    """Describe every zone as seen by each shopper: `ZONE_RELATIONS`, shape (n, n_zones, n_relations).

    Arguments are those of `ShopperStates`; distances are shares of the longest walk in the store.
    """
    between = view.distance_m[:, : view.n_zones] / view.scale_m  # (n_places, n_zones)
    to_checkout = view.distance_m[np.arange(len(view.distance_m)), view.nearest_checkout] / view.scale_m
    distance = between[place]  # (n, n_zones)
    wanted = n_wanted_here > 0
    list_is_done = np.logical_not(wanted.any(axis=1))
    nearest = np.where(wanted, distance, np.inf).min(axis=1)
    onward = _nearest_onward(wanted, between[: view.n_zones])  # from each zone to the next need after it
    goal = np.where(list_is_done, to_checkout[place], nearest)
    onward = np.where(np.isfinite(onward), onward, to_checkout[: view.n_zones])
    relations = np.stack(
        np.broadcast_arrays(
            np.log1p(distance * view.scale_m) / 3.0,
            distance,
            wanted,
            np.log1p(n_wanted_here),
            wanted & (distance <= nearest[:, None]),
            np.where(wanted, np.minimum(distance - goal[:, None], 1.0), 0.0),
            n_visits > 0,
            to_checkout[: view.n_zones] - to_checkout[place][:, None],
            distance + onward - goal[:, None],
            list_is_done[:, None],
        ),
        axis=2,
    )
    return relations.astype(np.float32)


def _nearest_onward(wanted: NDArray[np.bool_], between: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance from each zone to the nearest other wanted one, inf if there is none; (n, n_zones)."""
    onward = np.full(wanted.shape, np.inf, dtype=np.float32)
    for zone in np.flatnonzero(wanted.any(axis=0)):
        rows = np.flatnonzero(wanted[:, zone])
        step = between[:, zone].copy()
        step[zone] = np.inf
        onward[rows] = np.minimum(onward[rows], step)
    return onward


def relate_leaving(
    place: NDArray[np.integer[Any]],
    n_wanted: NDArray[np.integer[Any]],
    n_stops: NDArray[np.integer[Any]] | int,
    view: LayoutView,
) -> NDArray[np.float32]:
    """Describe leaving as seen by each shopper: `LEAVE_RELATIONS`, shape (n, n_relations)."""
    stops = np.broadcast_to(np.asarray(n_stops, dtype=float), place.shape)
    to_checkout = view.distance_m[place, view.nearest_checkout[place]] / view.scale_m
    return np.stack([n_wanted == 0, stops / 20.0, np.log1p(stops) / 3.0, to_checkout], axis=1).astype(
        np.float32
    )
