"""A store as policies and conversion models read it: what stands where, how far, and what is seen.

Nothing here names a store, a zone or a category: only relations and amounts, so that what is learned in one
layout can be asked about another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layouts import DISPLAY_TYPES, FixtureType, Store, ZoneType

# Path beside a shelf, weighted by sight, at which 63 % have noticed it: an assumption, no figure was found.
NOTICE_M = 3.0
NOTICE_S = 3.0  # the same while standing: a walker at 1 m/s
# Who waits and pays looks round for some of that time: an assumption, chosen on development worlds.
TILL_LOOK_S = 10.0

ZONE_TYPES = tuple(ZoneType)
FIXTURE_TYPES = tuple(FixtureType)
ZONE_FEATURES = (
    *(f"zone_is_{kind}" for kind in ZONE_TYPES),
    *(f"fixture_is_{kind}" for kind in FIXTURE_TYPES),
    "is_refrigerated",
    "log_area",
    "log_facings",
    "log_skus",
    "demand_share",
    "price_level",
    "margin_rate",
    "display_share",
    "from_entrance",
    "to_checkout",
    "bearing_cos",
    "bearing_sin",
)


@dataclass(frozen=True, eq=False)
class LayoutView:
    """Arrays of one store; indices follow `store.zones`, `store.skus` and the places of `store.walks`.

    Attributes
    ----------
    store
        The store itself.
    zone_features
        Columns `ZONE_FEATURES`, shape (n_zones, n_features).
    distance_m
        Walking distance between places [m], shape (n_places, n_places).
    scale_m
        Longest walk between two zones [m]: distances are read as shares of it.
    leg_notice
        Chance that the shelf of a zone is noticed on the walk from place a to b, and while paying if b is a
        till, shape (n_places, n_places, n_zones).
    place_sight
        Sight of each zone from each place, shape (n_places, n_zones).
    zone_key
        One number per zone that follows what it offers, not its name or index, shape (n_zones,).
    nearest_checkout
        Place index of the nearest till, by place, shape (n_places,).
    """

    store: Store
    zone_features: NDArray[np.float32]
    distance_m: NDArray[np.float32]
    scale_m: float
    leg_notice: NDArray[np.float32]
    place_sight: NDArray[np.float32]
    zone_key: NDArray[np.uint64]
    nearest_checkout: NDArray[np.int64]

    @property
    def n_zones(self) -> int:
        """Number of zones."""
        return len(self.store.zones)

    @cached_property
    def is_bare(self) -> NDArray[np.bool_]:
        """Which zones are for goods but hold none, shape (n_zones,)."""
        is_for_goods = np.array([zone.zone_type is not ZoneType.ENTRANCE for zone in self.store.zones])
        return is_for_goods & ~self.store.stands.any(axis=1)

    @property
    def entrance(self) -> int:
        """Place index of the main entrance."""
        return int(self.store.walks.entrance_places.start)

    def stop_notice(
        self, place: NDArray[np.integer[Any]], dwell_s: NDArray[np.floating[Any]]
    ) -> NDArray[Any]:
        """Chance that each zone is noticed from `place` in `dwell_s` [s], shape (n, n_zones)."""
        return 1.0 - np.exp(-self.place_sight[place] * dwell_s[:, None] / NOTICE_S)


@lru_cache(maxsize=16)
def _view_of(store: Store) -> LayoutView:
    walks = store.walks
    distance = np.asarray(walks.place_distance_m, dtype=np.float32)
    n_zones = len(store.zones)
    checkouts = walks.checkout_places
    sight = np.asarray(store.sight[walks.place_cell], dtype=np.float32)
    looks = store.leg_views / NOTICE_M
    looks[:, checkouts] += sight[checkouts] * (TILL_LOOK_S / NOTICE_S)
    return LayoutView(
        store=store,
        zone_features=_zone_features(store, distance),
        distance_m=distance,
        scale_m=float(distance[:n_zones, :n_zones].max()) or 1.0,
        leg_notice=(1.0 - np.exp(-looks)).astype(np.float32),
        place_sight=sight,
        zone_key=_zone_keys(store),
        nearest_checkout=distance[:, checkouts].argmin(axis=1) + checkouts.start,
    )


def view_layout(store: Store) -> LayoutView:
    """Return the view of `store`; asked twice for the same store, the same view."""
    return _view_of(store)


def _zone_features(store: Store, distance: NDArray[np.float32]) -> NDArray[np.float32]:
    stands = store.stands.astype(float)  # (n_zones, n_skus)
    n_places = np.maximum(stands.sum(axis=0), 1.0)
    velocity = np.array([sku.velocity for sku in store.skus])
    price = np.array([sku.price for sku in store.skus])
    margin = np.array([sku.margin for sku in store.skus])
    demand = stands @ (velocity / n_places)
    n_skus = stands.sum(axis=1)
    filled = np.maximum(n_skus, 1.0)
    fixture_type = {fixture.fixture_id: fixture.fixture_type for fixture in store.fixtures}
    entrance = store.walks.entrance_places.start
    scale = float(distance.max()) or 1.0
    columns: list[Any] = [[zone.zone_type == kind for zone in store.zones] for kind in ZONE_TYPES]
    columns += [
        [fixture_type.get(zone.fixture_id or "") == kind for zone in store.zones] for kind in FIXTURE_TYPES
    ]
    columns += [
        [zone.has_refrigeration for zone in store.zones],
        [np.log1p(zone.area_m2) / 3.0 for zone in store.zones],
        np.log1p(store.facings.sum(axis=1)) / 3.0,
        np.log1p(n_skus) / 3.0,
        np.sqrt(demand / max(demand.sum(), 1e-9)) * 3.0,
        np.log((stands @ price / filled + 0.1) / (price.mean() + 0.1)) * (n_skus > 0),
        stands @ (margin / price.clip(0.01)) / filled,
        stands @ (n_places > 1) / filled,
        distance[entrance, : len(store.zones)] / scale,
        store.distance_to_checkout_m / scale,
        *_bearings(store),
    ]
    return np.column_stack([np.asarray(column, dtype=np.float32) for column in columns])


def _bearings(store: Store) -> tuple[NDArray[Any], NDArray[Any]]:
    """Direction of each zone from the door, against the line from the door to the middle of the floor."""
    door = np.asarray(store.entrances[0].xy)
    ahead = np.asarray(store.floor.centroid.coords[0]) - door
    zones = np.array([zone.polygon.centroid.coords[0] for zone in store.zones]) - door
    angle = np.arctan2(zones[:, 1], zones[:, 0]) - np.arctan2(ahead[1], ahead[0])
    return np.cos(angle), np.abs(np.sin(angle))  # |sin|: a mirrored store reads the same


def _zone_keys(store: Store) -> NDArray[np.uint64]:
    """Key each zone by its SKU with the most facings; of equal ones homes first, then by order from the door.

    So a shelf keeps its key when its best seller is put on a display as well.
    """
    seen: dict[str, int] = {}
    keys = np.zeros(len(store.zones), dtype=np.uint64)
    for z in sorted(range(len(store.zones)), key=lambda z: store.zones[z].zone_type in DISPLAY_TYPES):
        facings = store.facings[z]
        is_stocked = bool(facings.any())
        name = store.skus[int(facings.argmax())].sku_id if is_stocked else f"empty {store.zones[z].zone_type}"
        seen[name] = seen.get(name, -1) + 1
        digest = hashlib.blake2b(f"{name}#{seen[name]}".encode(), digest_size=8).digest()
        keys[z] = int.from_bytes(digest, "little")
    return keys
