"""The store: immutable, hashable by content, the one to ask about geometry, goods and where they stand."""

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from layouts.arrays import BoolArray, FloatArray, IntArray, lock
from layouts.cells import CellGrid, build_grid
from layouts.records import Checkout, Door, Fixture, Placement, ShelfLevel, Sku, Zone
from layouts.sight import TOUCH_M, build_leg_views, build_sight
from layouts.space import Plan, Space, canonical_wkb
from layouts.walk_graph import WalkGraph, build_walks, rank_zones

NEIGHBOR_GAP_M = 0.5  # zones with no more than a cell's width between them are neighbours
SHELF_LEVELS = tuple(ShelfLevel)  # `Store.shelf_level` holds indices into this


@dataclass(frozen=True, kw_only=True, eq=False)
class Store:
    """A store as it stands on one day: floor, furniture, zones, doors, tills, goods and where they stand.

    Whatever the order of the parts given, they are kept in a canonical one: zones by walking distance from
    the entrance, then by position; doors and checkouts by position; SKUs by identifier. So two files that
    list the same store differently, or name its zones differently, give the same arrays. Edits (`swap`,
    `move`, `remove_fixture`, `layouts.edits`) return new stores. Stores are equal if name and content are;
    everything derived is computed once and shared between copies.

    Attributes
    ----------
    name, currency, open, close
        Name of the layout, currency code, opening hours as "HH:MM".
    floor, obstacles
        Walkable outline, with holes; walls and pillars. Metres.
    fixtures, zones, entrances, exits, checkouts, skus, placements
        The parts; see `layouts.records`.
    """

    name: str
    currency: str
    open: str
    close: str
    floor: Polygon
    obstacles: tuple[Polygon, ...]
    fixtures: tuple[Fixture, ...]
    zones: tuple[Zone, ...]
    entrances: tuple[Door, ...]
    exits: tuple[Door, ...]
    checkouts: tuple[Checkout, ...]
    skus: tuple[Sku, ...]
    placements: tuple[Placement, ...]

    def __post_init__(self) -> None:
        """Bring all parts into canonical order."""
        self._set("obstacles", tuple(sorted(self.obstacles, key=canonical_wkb)))
        self._set("fixtures", tuple(sorted(self.fixtures, key=lambda fixture: fixture.fixture_id)))
        self._set("entrances", tuple(sorted(self.entrances, key=lambda door: (door.xy, door.door_id))))
        self._set("exits", tuple(sorted(self.exits, key=lambda door: (door.xy, door.door_id))))
        self._set("checkouts", tuple(sorted(self.checkouts, key=lambda till: (till.xy, till.checkout_id))))
        self._set("skus", tuple(sorted(self.skus, key=lambda sku: sku.sku_id)))
        zones = sorted(self.zones, key=lambda zone: (canonical_wkb(zone.polygon), zone.zone_id))
        self._set("zones", tuple(zones[index] for index in rank_zones(self._make_plan(zones))))
        rank = self.zone_index
        self._set(
            "placements",
            tuple(sorted(self.placements, key=lambda placement: _placement_key(placement, rank))),
        )

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _make_plan(self, zones: list[Zone]) -> Plan:
        return Plan(
            space=self.space,
            zone_polygons=tuple(zone.polygon for zone in zones),
            checkout_xy=_stack_points([till.xy for till in self.checkouts]),
            exit_xy=_stack_points([door.xy for door in self.exits]),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and (self.name, self.content_hash) == (other.name, other.content_hash)

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def __getstate__(self) -> dict[str, Any]:
        """Leave derived arrays out of pickles: a worker computes or shares them itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything but the name, independent of the order of features and rows."""
        content = {
            field.name: _canonical(getattr(self, field.name))
            for field in fields(self)
            if field.name != "name"
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    # what stands where

    @cached_property
    def zone_index(self) -> dict[str, int]:
        """Position of each zone in `zones`, by identifier."""
        return {zone.zone_id: index for index, zone in enumerate(self.zones)}

    @cached_property
    def sku_index(self) -> dict[str, int]:
        """Position of each SKU in `skus`, by identifier."""
        return {sku.sku_id: index for index, sku in enumerate(self.skus)}

    @property
    def n_zones(self) -> int:
        """Number of zones."""
        return len(self.zones)

    @property
    def n_skus(self) -> int:
        """Number of SKUs."""
        return len(self.skus)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Names of the categories, sorted."""
        return tuple(sorted({sku.category for sku in self.skus}))

    @cached_property
    def sku_category(self) -> IntArray:
        """Index into `categories` of each SKU, shape (n_skus,)."""
        index = {category: position for position, category in enumerate(self.categories)}
        return lock(np.array([index[sku.category] for sku in self.skus], dtype=np.int64))

    @cached_property
    def facings(self) -> IntArray:
        """Facings of each SKU in each zone, all its shelf levels together, shape (n_zones, n_skus)."""
        facings = np.zeros((self.n_zones, self.n_skus), dtype=np.int64)
        for placement in self.placements:
            facings[self.zone_index[placement.zone_id], self.sku_index[placement.sku_id]] += placement.facings
        return lock(facings)

    @cached_property
    def stands(self) -> BoolArray:
        """Whether a SKU stands in a zone, shape (n_zones, n_skus)."""
        return lock(self.facings > 0)

    @cached_property
    def shelf_level(self) -> IntArray:
        """Shelf level of each SKU in each zone, shape (n_zones, n_skus) int8.

        Indices into `SHELF_LEVELS`; -1 where the SKU does not stand; of several levels the one with most
        facings.
        """
        levels = np.full((self.n_zones, self.n_skus), -1, dtype=np.int8)
        for placement in sorted(self.placements, key=lambda placement: placement.facings):
            where = self.zone_index[placement.zone_id], self.sku_index[placement.sku_id]
            levels[where] = SHELF_LEVELS.index(placement.shelf_level)
        return lock(levels)

    # geometry

    @cached_property
    def blocked(self) -> BaseGeometry:
        """Union of obstacles and fixtures."""
        return shapely.union_all([*self.obstacles, *(fixture.polygon for fixture in self.fixtures)])

    @cached_property
    def walkable(self) -> BaseGeometry:
        """Floor minus `blocked`: where the body's centre may be."""
        return self.space.walkable

    @cached_property
    def space(self) -> Space:
        """Floor, blocked area and entrances: what the cells depend on."""
        return Space(self.floor, self.blocked, _stack_points([door.xy for door in self.entrances]))

    @cached_property
    def plan(self) -> Plan:
        """Space with zones, checkouts and exits: the key under which derived geometry is shared."""
        return self._make_plan(list(self.zones))

    @cached_property
    def grid(self) -> CellGrid:
        """The 50 cm cells."""
        return build_grid(self.plan)

    @cached_property
    def walks(self) -> WalkGraph:
        """Legal steps, distances and paths between cells and between places."""
        return build_walks(self.plan)

    @cached_property
    def sight(self) -> FloatArray:
        """How well each zone is seen from each cell, (n_cells, n_zones); see `compute_sight`."""
        return build_sight(self.plan)

    @cached_property
    def leg_views(self) -> FloatArray:
        """Metres of way in view of each zone, (n_places, n_places, n_zones); see `compute_leg_views`."""
        return build_leg_views(self.plan)

    @cached_property
    def neighbors(self) -> dict[str, tuple[str, ...]]:
        """Zones at most 50 cm from each zone with nothing solid between, by identifier."""
        polygons = np.array([zone.polygon for zone in self.zones], dtype=object)
        first, second = shapely.STRtree(polygons).query(
            polygons, predicate="dwithin", distance=NEIGHBOR_GAP_M
        )
        between = shapely.shortest_line(polygons[first], polygons[second])
        is_open = ~shapely.intersects(self.space.solid.buffer(-TOUCH_M), between) & (first != second)
        pairs = list(zip(first[is_open].tolist(), second[is_open].tolist(), strict=True))
        return {
            zone.zone_id: tuple(self.zones[b].zone_id for b in sorted(b for a, b in pairs if a == index))
            for index, zone in enumerate(self.zones)
        }

    @cached_property
    def distance_to_checkout_m(self) -> FloatArray:
        """Walking distance from each zone to its nearest checkout [m], shape (n_zones,)."""
        walks = self.walks
        return lock(
            walks.place_distance_m[walks.zone_places, walks.checkout_places].min(axis=1, initial=np.inf)
        )

    @cached_property
    def distance_from_entrance_m(self) -> FloatArray:
        """Walking distance to each zone from its nearest entrance [m], shape (n_zones,)."""
        walks = self.walks
        return lock(
            walks.place_distance_m[walks.zone_places, walks.entrance_places].min(axis=1, initial=np.inf)
        )

    # edits

    def swap(self, zone_a: str, zone_b: str) -> "Store":
        """Exchange what stands in two zones; see `layouts.swap_contents`."""
        from layouts.edits import swap_contents

        return swap_contents(self, zone_a, zone_b)

    def move(self, fixture_id: str, *, to: tuple[float, float]) -> "Store":
        """Move a fixture with its zones so that its centre is at `to` [m]; see `layouts.move_fixture`."""
        from layouts.edits import move_fixture

        return move_fixture(self, fixture_id, to=to)

    def remove_fixture(self, fixture_id: str) -> "Store":
        """Take a fixture away with its zones; see `layouts.remove_fixture`."""
        from layouts.edits import remove_fixture

        return remove_fixture(self, fixture_id)


def _stack_points(points: list[tuple[float, float]]) -> FloatArray:
    return np.array(points, dtype=float).reshape(-1, 2)


def _placement_key(placement: Placement, zone_rank: dict[str, int]) -> tuple[int, str, str, int]:
    """Order of placements: zone, SKU, level from the floor up; unknown zones last."""
    rank = zone_rank.get(placement.zone_id, len(zone_rank))
    return rank, placement.zone_id, placement.sku_id, SHELF_LEVELS.index(placement.shelf_level)


def _canonical(value: Any) -> Any:
    """Turn a part into JSON that is the same for any order of features, rows and vertices."""
    if isinstance(value, BaseGeometry):
        return canonical_wkb(value).hex()
    if isinstance(value, tuple) and all(isinstance(item, (int, float)) for item in value):
        return [round(item, 6) for item in value]
    if isinstance(value, tuple):
        return sorted((_canonical(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, (Fixture, Zone, Door, Checkout, Sku, Placement)):
        return {field.name: _canonical(getattr(value, field.name)) for field in fields(value)}
    return value
