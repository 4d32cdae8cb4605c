"""Changes of the floor: a new table, a closed aisle, a moved door, moved tills.

Each returns a valid store, or None where the store has no room for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import box

from benchmarks.fidelity.goods_edits import HOME_TYPES, list_warm_categories, stock_display
from layouts import (
    Fixture,
    FixtureType,
    Placement,
    Store,
    StoresimError,
    Zone,
    ZoneType,
    validate_store,
)

FloatArray = npt.NDArray[np.floating]
TABLE_M, TABLE_ZONE_M, TABLE_FACINGS = 1.2, 1.0, 14
TRIES = 60
LEAST_BARRIER_M2 = 0.2
SIDES = ((0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (-1.0, 0.0))  # of a table from which it is shopped


def add_table_at_door(store: Store, rng: np.random.Generator) -> Store | None:
    """Put up a table with a random category nearest to the first entrance."""
    return _add_table(store, rng, near=np.array(store.entrances[0].xy))


def add_table_anywhere(store: Store, rng: np.random.Generator) -> Store | None:
    """Put up a table with a random category nearest to a random point."""
    return _add_table(store, rng, near=store.grid.xy[rng.integers(store.grid.n_cells)])


def _add_table(store: Store, rng: np.random.Generator, *, near: FloatArray) -> Store | None:
    """Put up a promotion table with its zone on the free floor nearest to a point."""
    taken = shapely.union_all([store.blocked, *(zone.polygon for zone in store.zones)])
    free = store.floor.difference(taken).buffer(1e-6)
    shapely.prepare(free)
    category, tries = str(rng.choice(list_warm_categories(store))), 0
    for xy in store.grid.xy[np.argsort(np.linalg.norm(store.grid.xy - near, axis=1))]:
        for side in SIDES:
            table, place = _draw_table(xy, side)
            if free.covers(table) and free.covers(place):
                edited, tries = _with_table(store, table, place, category), tries + 1
                if _is_valid(edited):
                    return edited
            if tries == TRIES:
                return None
    return None


def _draw_table(xy: FloatArray, side: tuple[float, float]) -> tuple[shapely.Polygon, shapely.Polygon]:
    """A table about a point and the place at one side of it from which it is shopped."""
    table = box(*(xy - TABLE_M / 2), *(xy + TABLE_M / 2))
    middle = xy + np.array(side) * (TABLE_M + TABLE_ZONE_M) / 2
    half = np.where(np.array(side) == 0, TABLE_M / 2, TABLE_ZONE_M / 2)
    return table, box(*(middle - half), *(middle + half))


def _with_table(store: Store, table: shapely.Polygon, place: shapely.Polygon, category: str) -> Store:
    zone = Zone(
        zone_id="new-table-zone",
        version=1,
        zone_type=ZoneType.PROMO,
        fixture_id="new-table",
        capacity_facings=TABLE_FACINGS,
        has_refrigeration=False,
        polygon=place,
    )
    fixture = Fixture(
        fixture_id="new-table", fixture_type=FixtureType.TABLE, refrigerated=False, polygon=table
    )
    return replace(
        store,
        fixtures=(*store.fixtures, fixture),
        zones=(*store.zones, zone),
        placements=(*store.placements, *stock_display(store, zone, category)),
    )


def _is_valid(store: Store) -> bool:
    try:
        validate_store(store)
    except StoresimError:
        return False
    return True


def _gondolas(store: Store) -> list[str]:
    return [f.fixture_id for f in store.fixtures if f.fixture_type is FixtureType.GONDOLA]


def close_aisle(store: Store, rng: np.random.Generator) -> Store | None:
    """Close the way between two rows: its shelves are no longer shopped, their goods go where room is."""
    faces = _aisle_faces(store)
    for index in rng.permutation(len(faces)):
        edited = _close(store, faces[index])
        if edited is not None:
            return edited
    return None


def _aisle_faces(store: Store) -> list[list[Zone]]:
    """Zones of each row face that looks at another row's: the two sides of one aisle."""
    rows = set(_gondolas(store))
    aisle = [z for z in store.zones if z.zone_type is ZoneType.AISLE and z.fixture_id in rows]
    pairs: dict[tuple[str, str], list[Zone]] = {}
    for zone in aisle:
        for other in aisle:
            if zone.fixture_id != other.fixture_id and zone.polygon.distance(other.polygon) < 0.6:
                key = tuple(sorted((str(zone.fixture_id), str(other.fixture_id))))
                members = pairs.setdefault((key[0], key[1]), [])
                if zone not in members:
                    members.append(zone)
    return [pairs[key] for key in sorted(pairs)]


def _close(store: Store, zones: Sequence[Zone]) -> Store | None:
    """Block an aisle's floor and put its goods elsewhere."""
    gone = {zone.zone_id for zone in zones}
    placements = _rehome(store, gone)
    if placements is None:
        return None
    barrier = shapely.union_all([zone.polygon for zone in zones]).envelope.difference(store.blocked)
    parts = [part for part in shapely.get_parts(barrier) if part.area > LEAST_BARRIER_M2]
    edited = replace(
        store,
        obstacles=(*store.obstacles, *parts),
        zones=tuple(zone for zone in store.zones if zone.zone_id not in gone),
        placements=tuple(placements),
    )
    return edited if _is_valid(edited) else None


def _rehome(store: Store, gone: set[str]) -> list[Placement] | None:
    """Put what stands in some zones alone into the emptiest others, at half their room at most."""
    kept = [item for item in store.placements if item.zone_id not in gone]
    room = {zone.zone_id: zone.capacity_facings for zone in store.zones if zone.zone_id not in gone}
    for item in kept:
        room[item.zone_id] -= item.facings
    homes = [zone.zone_id for zone in store.zones if zone.zone_id in room and zone.zone_type in HOME_TYPES]
    elsewhere = {item.sku_id for item in kept}
    for item in store.placements:
        if item.zone_id not in gone or item.sku_id in elsewhere:
            continue
        target = max(homes, key=lambda zone_id: room[zone_id])
        if room[target] < 1:
            kept, room = _make_room(kept, room, target)
        if room[target] < 1:
            return None
        facings = min(item.facings, max(room[target] // 2, 1))
        kept.append(replace(item, zone_id=target, facings=facings))
        room[target] -= facings
        elsewhere.add(item.sku_id)
    return kept


def _make_room(
    kept: list[Placement], room: dict[str, int], zone_id: str
) -> tuple[list[Placement], dict[str, int]]:
    """Take a facing from the SKU that has most of them in a zone."""
    there = [item for item in kept if item.zone_id == zone_id and item.facings > 1]
    if not there:
        return kept, room
    widest = max(there, key=lambda item: item.facings)
    kept = [replace(item, facings=item.facings - 1) if item is widest else item for item in kept]
    return kept, room | {zone_id: room[zone_id] + 1}


def move_door(store: Store, rng: np.random.Generator) -> Store | None:
    """Move the entrance, with its zone if that fits, to the other end of its side of the store."""
    door = store.entrances[0]
    x0, y0, x1, y1 = store.floor.bounds
    x, y = door.xy
    along_x = min(y - y0, y1 - y) <= min(x - x0, x1 - x)
    for share in (1.0, 0.75, 0.6, 0.5):
        to = (x + share * (x0 + x1 - 2 * x), y) if along_x else (x, y + share * (y0 + y1 - 2 * y))
        doors = (replace(door, xy=to), *store.entrances[1:])
        zones = tuple(zone for zone in store.zones if zone.zone_type is not ZoneType.ENTRANCE)
        edited = replace(store, entrances=doors, zones=zones)
        if _is_valid(edited):
            return edited
    return None


def move_tills(store: Store, rng: np.random.Generator) -> Store | None:
    """Let one pay somewhere else: the customers' places move to free floor nearer the back."""
    far = store.grid.xy[store.walks.place_cell[store.walks.zone_places][-1]]
    tills = np.array([till.xy for till in store.checkouts])
    by = 0.5 * (far - tills.mean(axis=0))
    taken = shapely.union_all([store.blocked, *(zone.polygon for zone in store.zones)])
    free = [i for i, xy in enumerate(store.grid.xy) if not taken.dwithin(shapely.Point(xy), 0.3)]
    if len(free) < len(tills):
        return None
    spots, left = [], store.grid.xy[free]
    for till in tills:
        nearest = int(np.linalg.norm(left - (till + by), axis=1).argmin())
        spots.append(left[nearest])
        left = np.delete(left, nearest, axis=0)
    checkouts = tuple(
        replace(till, xy=(float(x), float(y))) for till, (x, y) in zip(store.checkouts, spots, strict=True)
    )
    edited = replace(store, checkouts=checkouts)
    return edited if _is_valid(edited) else None
