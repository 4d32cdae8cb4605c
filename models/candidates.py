"""How each place looks from where a shopper stands: distance, need, detour; no name, no absolute place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
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
(
    _LOG_DISTANCE,
    _DISTANCE,
    _IS_WANTED,
    _LOG_N_WANTED,
    _IS_NEAREST,
    _BEYOND_NEAREST,
    _WAS_VISITED,
    _TOWARDS_CHECKOUT,
    _DETOUR,
    _LIST_IS_DONE,
) = range(len(ZONE_RELATIONS))
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
    floor = _read_floor(view)
    relations = floor.relations[place]  # (n, n_zones, n_relations), as for somebody who wants nothing
    row, zone = np.divmod(np.flatnonzero(n_wanted_here), view.n_zones)  # each need, by row
    first = np.flatnonzero(np.diff(row, prepend=-1))
    wants = row[first]  # rows that want anything
    needed = floor.distance[place[row], zone]
    goal = floor.to_checkout[place]
    if len(first):
        goal[wants] = np.minimum.reduceat(needed, first)
    detour = floor.distance[place] + floor.to_checkout[: view.n_zones]
    detour[wants] = floor.distance[place[wants]] + _find_onward(zone, first, floor)
    relations[:, :, _DETOUR] = detour - goal[:, None]
    relations[row, zone, _IS_WANTED] = 1.0
    relations[row, zone, _LOG_N_WANTED] = np.log1p(n_wanted_here[row, zone])
    relations[row, zone, _IS_NEAREST] = needed <= goal[row]
    relations[row, zone, _BEYOND_NEAREST] = np.minimum(needed - goal[row], 1.0)
    relations[(*np.divmod(np.flatnonzero(n_visits), view.n_zones), _WAS_VISITED)] = 1.0
    relations[wants, :, _LIST_IS_DONE] = 0.0
    return relations


@dataclass(frozen=True, eq=False)
class _Floor:
    """What a layout alone says of the relations; distances are shares of the longest walk."""

    distance: NDArray[np.float32]  # (n_places, n_zones)
    to_checkout: NDArray[np.float32]  # (n_places,)
    from_others: NDArray[np.float32]  # (n_zones, n_zones), to each from every other one; inf from itself
    relations: NDArray[np.float32]  # (n_places, n_zones, n_relations), of who wants nothing and was nowhere


@lru_cache(maxsize=16)
def _read_floor(view: LayoutView) -> _Floor:
    distance = view.distance_m[:, : view.n_zones] / view.scale_m
    to_checkout = view.distance_m[np.arange(len(view.distance_m)), view.nearest_checkout] / view.scale_m
    from_others = distance[: view.n_zones].T.copy()
    np.fill_diagonal(from_others, np.inf)
    relations = np.zeros((*distance.shape, len(ZONE_RELATIONS)), dtype=np.float32)
    relations[:, :, _LOG_DISTANCE] = np.log1p(distance * view.scale_m) / 3.0
    relations[:, :, _DISTANCE] = distance
    relations[:, :, _TOWARDS_CHECKOUT] = to_checkout[: view.n_zones] - to_checkout[:, None]
    relations[:, :, _LIST_IS_DONE] = 1.0
    return _Floor(distance, to_checkout, from_others, relations)


def _find_onward(
    zone: NDArray[np.integer[Any]], first: NDArray[np.integer[Any]], floor: _Floor
) -> NDArray[np.float32]:
    """Distance from each zone to the nearest other one that a shopper wants, or else to the tills.

    `zone` are the wanted ones, shopper after shopper, `first` the first of each; shape (len(first), n_zones).
    """
    n_needs = np.diff(first, append=len(zone))
    order = np.argsort(-n_needs, kind="stable")  # those with most needs first: who has no more is cut off
    nearest = np.full((len(first), len(floor.from_others)), np.inf, dtype=np.float32)
    for nth in range(int(n_needs.max(initial=0))):
        some = order[: np.count_nonzero(n_needs > nth)]
        here = nearest[: len(some)]
        np.minimum(here, floor.from_others[zone[first[some] + nth]], out=here)
    onward = np.empty_like(nearest)
    onward[order] = np.where(np.isfinite(nearest), nearest, floor.to_checkout[: len(floor.from_others)])
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
