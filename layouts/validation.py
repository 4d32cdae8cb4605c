"""What makes a store possible: each check returns its faults, one line each, and they are raised together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from layouts.errors import CatalogueError, LayoutError, PlanogramError
from layouts.records import Placement, Sku
from layouts.store import Store

OVERLAP_M2 = 1e-3  # less is rounding
ZONE_BLOCKED_SHARE = 0.01  # of a zone's area that may lie under furniture or off the floor
DOOR_SNAP_M = 1.0  # from a door or till to the nearest cell where one can stand

LAYOUT, CATALOGUE, PLANOGRAM = "layout.geojson", "catalogue.csv", "planogram.csv"


def validate_store(store: Store) -> None:
    """Check a store that was built or edited in memory.

    Raises
    ------
    LayoutError, CatalogueError, PlanogramError
        One line for each fault; the class is that of the first.
    """
    skus = [(f"{CATALOGUE}, SKU '{sku.sku_id}'", sku) for sku in store.skus]
    rows = [(f"{PLANOGRAM}, '{item.sku_id}' in '{item.zone_id}'", item) for item in store.placements]
    layout_faults, sku_faults = find_layout_faults(store), find_sku_faults(skus)
    faults = [*layout_faults, *sku_faults, *find_placement_faults(store, rows)]
    if faults:
        kind = LayoutError if layout_faults else CatalogueError if sku_faults else PlanogramError
        raise kind.from_faults(faults)


def find_layout_faults(store: Store) -> list[str]:
    """Name what is wrong with the geometry of a store: overlaps, places off the floor or out of reach."""
    faults = _duplicate_faults(store)
    for kind in ("entrance", "exit", "checkout"):
        if not getattr(store, f"{kind}s"):
            faults.append(f"has no {kind}; at least one feature of kind '{kind}' is needed")
    if not store.zones:
        faults.append("has no zone; at least one feature of kind 'zone' is needed")
    faults += _overlap_faults(store) + _fixture_faults(store) + _zone_faults(store) + _reach_faults(store)
    return [f"{LAYOUT}{'' if fault.startswith('has no') else ','} {fault}" for fault in faults]


def _duplicate_faults(store: Store) -> list[str]:
    ids = {
        "fixture": [fixture.fixture_id for fixture in store.fixtures],
        "zone": [zone.zone_id for zone in store.zones],
        "entrance": [door.door_id for door in store.entrances],
        "exit": [door.door_id for door in store.exits],
        "checkout": [till.checkout_id for till in store.checkouts],
    }
    return [
        f"{kind} '{name}': occurs {n} times; identifiers must be unique"
        for kind, names in ids.items()
        for name, n in Counter(names).items()
        if n > 1
    ]


def _overlap_faults(store: Store) -> list[str]:
    """Zones must not overlap each other, nor fixtures each other or an obstacle."""
    faults = []
    fixtures = [(f"fixture '{fixture.fixture_id}'", fixture.polygon) for fixture in store.fixtures]
    zones = [(f"zone '{zone.zone_id}'", zone.polygon) for zone in store.zones]
    walls = [("an obstacle", polygon) for polygon in store.obstacles]
    for things in (zones, fixtures + walls):
        polygons = np.array([polygon for _, polygon in things], dtype=object)
        first, second = shapely.STRtree(polygons).query(polygons, predicate="intersects")
        first, second = first[first < second], second[first < second]
        areas_m2 = shapely.area(shapely.intersection(polygons[first], polygons[second]))
        for a, b, area_m2 in zip(first, second, areas_m2, strict=True):
            if area_m2 > OVERLAP_M2 and things[a][0] != "an obstacle":  # walls may overlap one another
                faults.append(
                    f"{things[a][0]}: overlaps {things[b][0]} by {area_m2:.2f} m2; move one or merge them"
                )
    return faults


def _fixture_faults(store: Store) -> list[str]:
    faults = []
    for fixture in store.fixtures:
        off_m2 = fixture.polygon.difference(store.floor).area
        if off_m2 > OVERLAP_M2:
            faults.append(
                f"fixture '{fixture.fixture_id}': lies off the floor by {off_m2:.2f} m2; move it inside"
            )
    return faults


def _zone_faults(store: Store) -> list[str]:
    """Zones must lie on free floor and name a fixture that exists."""
    faults = []
    fixture_ids = {fixture.fixture_id for fixture in store.fixtures}
    for zone in store.zones:
        where = f"zone '{zone.zone_id}'"
        allowed_m2 = max(ZONE_BLOCKED_SHARE * zone.area_m2, OVERLAP_M2)
        off_m2 = zone.polygon.difference(store.floor).area
        if off_m2 > allowed_m2:
            faults.append(
                f"{where}: lies off the floor by {off_m2:.2f} m2; a zone is the floor where shoppers stand"
            )
        covered_m2 = zone.polygon.intersection(store.blocked).area
        if covered_m2 > allowed_m2:
            faults.append(
                f"{where}: lies under {_name_blockers(store, zone.polygon)} by {covered_m2:.2f} m2; "
                "a zone is the free floor before its fixture"
            )
        if zone.fixture_id is not None and zone.fixture_id not in fixture_ids:
            hint = _suggest(zone.fixture_id, fixture_ids)
            faults.append(f"{where}: fixture_id '{zone.fixture_id}' is no fixture of this layout; {hint}")
    return faults


def _name_blockers(store: Store, polygon: BaseGeometry) -> str:
    names = [
        f"fixture '{fixture.fixture_id}'"
        for fixture in store.fixtures
        if fixture.polygon.intersection(polygon).area > OVERLAP_M2
    ]
    return " and ".join(names) or "an obstacle"


def _reach_faults(store: Store) -> list[str]:
    """Every zone, till and exit must be reachable on foot from every entrance."""
    if not store.entrances or not store.grid.n_cells:
        return (
            []
            if not store.entrances
            else ["floor: has no walkable cell; at least one 50 cm cell must be free"]
        )
    faults, walks = [], store.walks
    for zone, cells in zip(store.zones, walks.zone_cells, strict=True):
        if not len(cells):
            faults.append(
                f"zone '{zone.zone_id}': cannot be reached from an entrance; leave a gap of 0.7 m or more"
            )
    points = [("entrance", door.door_id, door.xy) for door in store.entrances]
    points += [("checkout", till.checkout_id, till.xy) for till in store.checkouts]
    points += [("exit", door.door_id, door.xy) for door in store.exits]
    xy = np.array([point for _, _, point in points])
    gaps_m = np.linalg.norm(store.grid.xy[store.grid.nearest(xy)] - xy, axis=1)
    for (kind, name, _), gap_m in zip(points, gaps_m, strict=True):
        if gap_m > DOOR_SNAP_M:
            faults.append(
                f"{kind} '{name}': is {gap_m:.1f} m from the nearest cell that an entrance reaches; "
                "put it on free, connected floor"
            )
    if not faults and not np.isfinite(walks.place_distance_m).all():
        faults.append("entrances: lead into parts of the floor with no way between them; connect them")
    return faults


def find_sku_faults(skus: Sequence[tuple[str, Sku]]) -> list[str]:
    """Name what is wrong with the rows of a catalogue; each SKU comes with where it stands in the file."""
    faults, seen = [], dict[str, str]()
    for where, sku in skus:
        if sku.sku_id in seen:
            faults.append(
                f"{where}: sku_id '{sku.sku_id}' is already in {seen[sku.sku_id]}; SKUs must be unique"
            )
        seen.setdefault(sku.sku_id, where)
        if sku.price < 0 or sku.velocity < 0 or sku.facings_required < 0:
            faults.append(f"{where}: price, velocity or facings_required is negative; zero or more is needed")
        elif sku.margin > sku.price:
            faults.append(
                f"{where}: margin {sku.margin:g} is above the price {sku.price:g}; both are per unit"
            )
    if not skus:
        faults.append(f"{CATALOGUE}: has no rows; at least one SKU is needed")
    return faults


def find_placement_faults(store: Store, rows: Sequence[tuple[str, Placement]]) -> list[str]:
    """Name what is wrong with a planogram; each placement comes with where it stands in the file."""
    faults, seen = [], set[tuple[str, str, str]]()
    known = []
    for where, item in rows:
        if item.sku_id not in store.sku_index:
            hint = _suggest(item.sku_id, store.sku_index)
            faults.append(f"{where}: SKU '{item.sku_id}' is not in {CATALOGUE}; {hint}")
        if item.zone_id not in store.zone_index:
            hint = _suggest(item.zone_id, store.zone_index)
            faults.append(f"{where}: zone '{item.zone_id}' is not in {LAYOUT}; {hint}")
        if item.facings < 1:
            faults.append(f"{where}: facings is {item.facings}; one or more is needed")
        key = item.sku_id, item.zone_id, item.shelf_level
        if key in seen:
            faults.append(
                f"{where}: repeats '{key[0]}' in '{key[1]}' on level {key[2]}; add the facings in one row"
            )
        seen.add(key)
        if item.sku_id in store.sku_index and item.zone_id in store.zone_index:
            known.append((where, item))
    return (
        faults
        + _refrigeration_faults(store, known)
        + _capacity_faults(store, known)
        + _homeless_faults(store, rows)
    )


def _refrigeration_faults(store: Store, rows: Sequence[tuple[str, Placement]]) -> list[str]:
    faults = []
    cold = [zone.zone_id for zone in store.zones if zone.has_refrigeration]
    for where, item in rows:
        sku, zone = store.skus[store.sku_index[item.sku_id]], store.zones[store.zone_index[item.zone_id]]
        if sku.requires_refrigeration and not zone.has_refrigeration:
            right = f"a zone with refrigeration is needed ({', '.join(cold[:5]) or 'there is none'})"
            faults.append(
                f"{where}: SKU '{item.sku_id}' must be kept cold but zone '{item.zone_id}' is warm; {right}"
            )
    return faults


def _capacity_faults(store: Store, rows: Sequence[tuple[str, Placement]]) -> list[str]:
    faults, total, last = [], Counter[str](), dict[str, str]()
    for where, item in rows:
        total[item.zone_id] += item.facings
        last[item.zone_id] = where
    for zone in store.zones:
        over = total[zone.zone_id] - zone.capacity_facings
        if over > 0:
            faults.append(
                f"{last[zone.zone_id]}: zone '{zone.zone_id}' then holds {total[zone.zone_id]} facings of "
                f"{zone.capacity_facings}; take {over} away"
            )
    return faults


def _homeless_faults(store: Store, rows: Sequence[tuple[str, Placement]]) -> list[str]:
    placed = {item.sku_id for _, item in rows}
    return [
        f"{CATALOGUE}, SKU '{sku.sku_id}': stands in no zone; give it a row in {PLANOGRAM} or take it out"
        for sku in store.skus
        if sku.sku_id not in placed
    ]


def _suggest(name: str, known: Iterable[str]) -> str:
    """Say which names would be right."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return (
        f"known are {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "there is none"
    )
