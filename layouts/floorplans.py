"""From a recipe to a floor plan: outline, furniture, zones, doors and tills.

Everything is drawn in one frame, the door at the bottom right, and then mirrored and turned to the side
that the recipe names. The block of shelf rows has a frame of its own: u runs along a row, v across the
rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from layouts.recipes import Side, StoreRecipe, Wall
from layouts.records import Checkout, CheckoutType, Door, Fixture, FixtureType, Zone, ZoneType

Bounds = tuple[float, float, float, float]  # x0, y0, x1, y1 [m]

ENDCAP_M = 0.6  # depth of an end display
ENDCAP_ZONE_M = 1.1
WALL_GAP_M = 0.1
LANE_M, RACK_M = 1.9, 0.6  # from till to till; width of the rack between two
TABLE_M, TABLE_STEP_M = 1.4, 3.0
FREEZER_M, FREEZER_ZONE_M, FREEZER_GAP_M = 1.1, 1.0, 0.5
FACINGS_PER_M = 6.0


@dataclass
class FloorPlan:
    """Parts of a floor plan while it is being drawn."""

    floor: BaseGeometry = field(default_factory=Polygon)
    obstacles: list[Polygon] = field(default_factory=list)
    fixtures: list[Fixture] = field(default_factory=list)
    zones: list[Zone] = field(default_factory=list)
    entrances: list[Door] = field(default_factory=list)
    exits: list[Door] = field(default_factory=list)
    checkouts: list[Checkout] = field(default_factory=list)

    def add_fixture(
        self, fixture_id: str, fixture_type: FixtureType, bounds: Bounds, *, is_cold: bool = False
    ) -> None:
        """Put up a piece of furniture."""
        polygon = box(*bounds)
        self.fixtures.append(
            Fixture(fixture_id=fixture_id, fixture_type=fixture_type, refrigerated=is_cold, polygon=polygon)
        )

    def add_zone(
        self,
        zone_id: str,
        zone_type: ZoneType,
        fixture_id: str | None,
        bounds: Bounds,
        *,
        capacity: float,
        is_cold: bool = False,
    ) -> None:
        """Draw a zone before a fixture."""
        zone = Zone(
            zone_id=zone_id,
            version=1,
            zone_type=zone_type,
            fixture_id=fixture_id,
            capacity_facings=int(capacity),
            has_refrigeration=is_cold,
            polygon=box(*bounds),
        )
        self.zones.append(zone)


@dataclass(frozen=True)
class Frame:
    """Measures that several parts of the drawing need."""

    recipe: StoreRecipe
    width_m: float
    depth_m: float
    block_length_m: float
    notch_x: float  # right edge of the cut corner; 0 without one

    def bounds(self, u0: float, v0: float, u1: float, v1: float) -> Bounds:
        """Turn a rectangle of the block of rows into one of the floor."""
        x0, y0 = self.recipe.wall_depth_m + self.recipe.side_aisle_m, self.recipe.front_m
        if self.recipe.aisles_along_depth:
            return x0 + v0, y0 + u0, x0 + v1, y0 + u1
        return x0 + u0, y0 + v0, x0 + u1, y0 + v1


def draw_floor_plan(recipe: StoreRecipe, rng: np.random.Generator) -> FloorPlan:
    """Draw the floor plan of a recipe; `rng` decides where freezers and tables stand."""
    frame, plan = _measure(recipe), FloorPlan()
    plan.floor = box(0.0, 0.0, frame.width_m, frame.depth_m)
    if recipe.notch_gondolas:
        corner = box(0.0, frame.depth_m - recipe.notch_depth_m, frame.notch_x, frame.depth_m)
        plan.floor = plan.floor.difference(corner)
    _add_entrance(plan, frame)
    front_x = _add_lanes(plan, frame) if recipe.has_lanes else _add_counter(plan, frame)
    _add_walls(plan, frame)
    for row in range(recipe.n_gondolas):
        for bank in range(recipe.n_banks):
            _add_gondola(plan, frame, row, bank)
    _add_freezers(plan, frame)
    _add_tables(plan, frame, front_x, rng)
    return _turn(plan, frame)


def _measure(recipe: StoreRecipe) -> Frame:
    """Add up what stands side by side."""
    ends_m = 2 * ENDCAP_M if recipe.has_endcaps else 0.0
    rows_m = recipe.n_gondolas * recipe.gondola_depth_m + (recipe.n_gondolas - 1) * recipe.aisle_m
    length_m = (
        recipe.n_banks * (recipe.gondola_length_m + ends_m) + (recipe.n_banks - 1) * recipe.cross_aisle_m
    )
    across_m, deep_m = (rows_m, length_m) if recipe.aisles_along_depth else (length_m, rows_m)
    beside_m = recipe.wall_depth_m + recipe.side_aisle_m
    pitch_m = recipe.gondola_depth_m + recipe.aisle_m
    tills_m = LANE_M * (recipe.n_staffed + recipe.n_self) + (8.5 if recipe.has_lanes else 5.5)
    return Frame(
        recipe=recipe,
        width_m=max(2 * beside_m + across_m, tills_m),
        depth_m=recipe.front_m + deep_m + recipe.back_m + recipe.wall_depth_m,
        block_length_m=length_m,
        notch_x=beside_m + recipe.notch_gondolas * pitch_m - recipe.aisle_m if recipe.notch_gondolas else 0.0,
    )


def _add_entrance(plan: FloorPlan, frame: Frame) -> None:
    """Door and way out at the bottom right, in a porch if there is one."""
    right, is_wide = frame.width_m, frame.recipe.has_lanes
    bounds = (right - 4.8, 0.3, right - 1.6, 2.3) if is_wide else (right - 3.2, 0.3, right - 1.0, 1.8)
    plan.add_zone("ENT", ZoneType.ENTRANCE, None, bounds, capacity=0)
    y = 0.45
    if frame.recipe.has_vestibule:
        porch = box(bounds[0] - 0.4, -2.5, bounds[2] + 0.4, 0.0)
        plan.floor = shapely.union(plan.floor, porch)
        y = -2.0
    x = (bounds[0] + bounds[2]) / 2
    plan.entrances.append(Door(door_id="D1", xy=(x + 0.3, y)))
    plan.exits.append(Door(door_id="D1-out", xy=(x - 0.6, y)))


def _checkout_types(recipe: StoreRecipe) -> list[CheckoutType]:
    return [CheckoutType.STAFFED] * recipe.n_staffed + [CheckoutType.SELF] * recipe.n_self


def _add_lanes(plan: FloorPlan, frame: Frame) -> float:
    """Tills in lanes at the bottom left, racks of impulse goods at their heads; returns where they end."""
    types = _checkout_types(frame.recipe)
    end = 1.0 + LANE_M * len(types)
    plan.obstacles += [box(end + 0.25, 0.0, end + 0.45, 4.0), box(0.0, 3.7, 1.0, 4.0)]
    for number, checkout_type in enumerate(types, start=1):
        x = 1.0 + LANE_M * (number - 1)
        plan.obstacles.append(box(x, 1.6, x + RACK_M, 3.6))
        plan.add_fixture(f"CR{number}", FixtureType.PROMO, (x, 3.6, x + RACK_M, 4.0))
        customer = (x + (RACK_M + LANE_M) / 2, 2.6)
        plan.checkouts.append(Checkout(checkout_id=f"C{number}", checkout_type=checkout_type, xy=customer))
    n_zones = max(1, round(len(types) * 2 / 3))
    for index in range(n_zones):
        x0, x1 = (1.0 + (end - 1.0) * edge / n_zones for edge in (index, index + 1))
        rack = f"CR{1 + index * len(types) // n_zones}"
        plan.add_zone(f"CO-{index + 1}", ZoneType.CHECKOUT, rack, (x0, 4.02, x1, 5.5), capacity=18)
    plan.exits.append(Door(door_id="D2-out", xy=((1.0 + end) / 2, 0.45)))
    return end + 0.45


def _add_counter(plan: FloorPlan, frame: Frame) -> float:
    """Tills at a counter at the bottom left with a rack at its end; returns where it ends."""
    types = _checkout_types(frame.recipe)
    end = 1.0 + 1.6 * len(types)
    plan.obstacles.append(box(1.0, 0.5, end, 1.1))
    for number, checkout_type in enumerate(types, start=1):
        customer = (0.2 + 1.6 * number, 1.6)
        plan.checkouts.append(Checkout(checkout_id=f"C{number}", checkout_type=checkout_type, xy=customer))
    plan.add_fixture("CR1", FixtureType.PROMO, (end, 0.5, end + 0.6, 1.1))
    plan.add_zone("CO-1", ZoneType.CHECKOUT, "CR1", (end - 0.2, 1.1, end + 1.2, 2.2), capacity=16)
    return end + 0.6


def _add_walls(plan: FloorPlan, frame: Frame) -> None:
    """Shelves or coolers along the right, back and left walls."""
    recipe, width_m, depth_m = frame.recipe, frame.width_m, frame.depth_m
    deep, zone = recipe.wall_depth_m, recipe.zone_depth_m
    corner = deep + zone + WALL_GAP_M
    low_right, low_left = (3.2, 6.0) if recipe.has_lanes else (2.4, 2.8)
    left_top = depth_m - (recipe.notch_depth_m if recipe.notch_gondolas else 0.0)
    back_start = max(corner, frame.notch_x + 0.3 if recipe.notch_gondolas else 0.0)
    _add_wall(plan, frame, "WR", "R", Wall.RIGHT, (width_m - deep, low_right, width_m, depth_m - corner))
    _add_wall(plan, frame, "WB", "B", Wall.BACK, (back_start, depth_m - deep, width_m - corner, depth_m))
    if frame.notch_x - corner > 2.0:
        _add_wall(plan, frame, "WN", "N", Wall.BACK, (corner, left_top - deep, frame.notch_x, left_top))
    _add_wall(plan, frame, "WL", "L", Wall.LEFT, (0.0, low_left, deep, left_top - corner))


def _add_wall(
    plan: FloorPlan, frame: Frame, fixture_id: str, prefix: str, wall: Wall, bounds: Bounds
) -> None:
    """One wall fixture with zones of about equal length before it."""
    recipe, (x0, y0, x1, y1) = frame.recipe, bounds
    is_cold, zone = wall in recipe.cooler_walls, recipe.zone_depth_m
    length_m = x1 - x0 if wall is Wall.BACK else y1 - y0
    n_zones = max(1, round(length_m / recipe.wall_bay_m))
    plan.add_fixture(
        fixture_id, FixtureType.COOLER if is_cold else FixtureType.GONDOLA, bounds, is_cold=is_cold
    )
    for index in range(n_zones):
        start, stop = (length_m * edge / n_zones for edge in (index, index + 1))
        if wall is Wall.BACK:  # numbered from the right, as one walks in
            face = x1 - stop, y0 - zone, x1 - start, y0
        elif wall is Wall.RIGHT:
            face = x0 - zone, y0 + start, x0, y0 + stop
        else:
            face = x1, y1 - stop, x1 + zone, y1 - start
        capacity = FACINGS_PER_M * (stop - start)
        zone_id = f"{prefix}-{index + 1}"
        plan.add_zone(zone_id, ZoneType.PERIMETER, fixture_id, face, capacity=capacity, is_cold=is_cold)


def _add_gondola(plan: FloorPlan, frame: Frame, row: int, bank: int) -> None:
    """One row in one bank: two faces in bays, and a display at either end."""
    recipe = frame.recipe
    name = f"{row + 1}" if recipe.n_banks == 1 else f"{row + 1}{chr(ord('a') + bank)}"
    ends_m = ENDCAP_M if recipe.has_endcaps else 0.0
    length_m = recipe.gondola_length_m - (recipe.notch_depth_m if row < recipe.notch_gondolas else 0.0)
    u0 = bank * (recipe.gondola_length_m + 2 * ends_m + recipe.cross_aisle_m) + ends_m
    v0 = row * (recipe.gondola_depth_m + recipe.aisle_m)
    u1, v1 = u0 + length_m, v0 + recipe.gondola_depth_m
    plan.add_fixture(f"G{name}", FixtureType.GONDOLA, frame.bounds(u0, v0, u1, v1))
    deep = min(recipe.zone_depth_m, recipe.aisle_m / 2, recipe.side_aisle_m - recipe.zone_depth_m)
    n_bays = max(1, round(recipe.n_bays * length_m / recipe.gondola_length_m))
    for side, low, high in (("L", v0 - deep, v0), ("R", v1, v1 + deep)):
        for bay in range(n_bays):
            start, stop = (u0 + length_m * edge / n_bays for edge in (bay, bay + 1))
            capacity, bounds = FACINGS_PER_M * (stop - start), frame.bounds(start, low, stop, high)
            plan.add_zone(f"G{name}{side}-{bay + 1}", ZoneType.AISLE, f"G{name}", bounds, capacity=capacity)
    if recipe.has_endcaps:
        _add_endcaps(plan, frame, name, (u0, v0, u1, v1))


def _add_endcaps(plan: FloorPlan, frame: Frame, name: str, row: Bounds) -> None:
    """Displays at the front and back end of a row, given as u0, v0, u1, v1."""
    recipe, (u0, v0, u1, v1) = frame.recipe, row
    room_m = [recipe.cross_aisle_m / 2] if recipe.n_banks > 1 else []
    room_m += [] if recipe.aisles_along_depth else [recipe.side_aisle_m - recipe.zone_depth_m]
    reach = min([ENDCAP_ZONE_M if recipe.has_lanes else 0.9, *room_m])
    beside = min(0.25, recipe.aisle_m / 2 - 0.05)
    for end, start, sign in (("F", u0, -1), ("B", u1, 1)):
        edge = start + sign * ENDCAP_M
        low, high = sorted((start, edge))
        plan.add_fixture(f"E{end}{name}", FixtureType.ENDCAP, frame.bounds(low, v0, high, v1))
        low, high = sorted((edge, edge + sign * reach))
        bounds = frame.bounds(low, v0 - beside, high, v1 + beside)
        plan.add_zone(f"E{end}-{name}", ZoneType.ENDCAP, f"E{end}{name}", bounds, capacity=14)


def _add_freezers(plan: FloorPlan, frame: Frame) -> None:
    """Chest freezers in a row between the block and the back wall, shopped from both sides."""
    recipe = frame.recipe
    beside_m = recipe.wall_depth_m + recipe.zone_depth_m + 1.2
    start, stop = max(beside_m, frame.notch_x + 1.2 if frame.notch_x else 0.0), frame.width_m - beside_m
    n = min(recipe.n_freezers, int((stop - start + 1.6) // 4.0))
    y1 = frame.depth_m - recipe.wall_depth_m - recipe.zone_depth_m - FREEZER_GAP_M - FREEZER_ZONE_M
    y0 = y1 - FREEZER_M
    for index in range(n):
        length_m = min(7.0, (stop - start - 1.6 * (n - 1)) / n)
        x0 = start + (stop - start - 1.6 * (n - 1) - length_m * n) / 2 + index * (length_m + 1.6)
        name, n_bays = f"I{index + 1}", max(1, round(length_m / 3.5))
        plan.add_fixture(name, FixtureType.FREEZER, (x0, y0, x0 + length_m, y1), is_cold=True)
        for side, low, high in (("S", y0 - FREEZER_ZONE_M, y0), ("N", y1, y1 + FREEZER_ZONE_M)):
            for bay in range(n_bays):
                left, right = (x0 + length_m * edge / n_bays for edge in (bay, bay + 1))
                plan.add_zone(
                    f"{name}{side}-{bay + 1}",
                    ZoneType.AISLE,
                    name,
                    (left, low, right, high),
                    capacity=FACINGS_PER_M * (right - left),
                    is_cold=True,
                )


def _add_tables(plan: FloorPlan, frame: Frame, front_x: float, rng: np.random.Generator) -> None:
    """Promotion tables between the tills and the right wall, shopped from the door's or the far side."""
    recipe = frame.recipe
    low = 4.6 if recipe.has_lanes else 3.4
    start, stop = front_x + 1.2, frame.width_m - recipe.wall_depth_m - recipe.zone_depth_m - 1.0
    if not recipe.has_lanes:  # the strip lies above the counter, so it may reach across
        start = recipe.wall_depth_m + recipe.zone_depth_m + 1.0
    n_slots = max(0, int((stop - start - TABLE_M) // TABLE_STEP_M) + 1)
    slots = np.sort(rng.permutation(n_slots)[: recipe.n_tables])
    shift = rng.uniform(0, max(0.0, stop - start - TABLE_M - (n_slots - 1) * TABLE_STEP_M))
    for number, slot in enumerate(slots, start=1):
        x0, x1 = (start + shift + slot * TABLE_STEP_M + side for side in (0.0, TABLE_M))
        plan.add_fixture(f"T{number}", FixtureType.TABLE, (x0, low, x1, low + 1.0))
        near = low - 1.0 if rng.random() < 0.6 else low + 1.0
        bounds = (x0 - 0.1, near, x1 + 0.1, near + 1.0)
        plan.add_zone(f"PT-{number}", ZoneType.PROMO, f"T{number}", bounds, capacity=14)


def _turn(plan: FloorPlan, frame: Frame) -> FloorPlan:
    """Mirror and turn the drawing to the recipe's side, and move its lower left corner to the origin."""
    recipe, width_m, depth_m = frame.recipe, frame.width_m, frame.depth_m
    turns: dict[Side, Callable[[np.ndarray], np.ndarray]] = {
        Side.SOUTH: lambda xy: xy,
        Side.EAST: lambda xy: np.stack([depth_m - xy[:, 1], xy[:, 0]], axis=1),
        Side.NORTH: lambda xy: np.stack([width_m - xy[:, 0], depth_m - xy[:, 1]], axis=1),
        Side.WEST: lambda xy: np.stack([xy[:, 1], width_m - xy[:, 0]], axis=1),
    }

    def turn(xy: np.ndarray) -> np.ndarray:
        mirrored = np.stack([width_m - xy[:, 0], xy[:, 1]], axis=1) if recipe.is_mirrored else xy
        return turns[recipe.door_side](mirrored)

    corner = np.array(shapely.transform(plan.floor, turn).bounds[:2])

    def place(geometry: Any) -> Any:
        return shapely.transform(geometry, lambda xy: np.round(turn(xy) - corner, 3) + 0.0)

    def place_point(xy: tuple[float, float]) -> tuple[float, float]:
        point = place(Point(xy))
        return point.x, point.y

    return FloorPlan(
        floor=place(plan.floor),
        obstacles=[place(polygon) for polygon in plan.obstacles],
        fixtures=[replace(fixture, polygon=place(fixture.polygon)) for fixture in plan.fixtures],
        zones=[replace(zone, polygon=place(zone.polygon)) for zone in plan.zones],
        entrances=[replace(door, xy=place_point(door.xy)) for door in plan.entrances],
        exits=[replace(door, xy=place_point(door.xy)) for door in plan.exits],
        checkouts=[replace(till, xy=place_point(till.xy)) for till in plan.checkouts],
    )
