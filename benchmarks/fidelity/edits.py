"""Changes of a store, from one swap to another floor plan, each tagged with its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import box

from layouts import (
    DISPLAY_TYPES,
    Fixture,
    FixtureType,
    Placement,
    ShelfLevel,
    Store,
    StoresimError,
    Zone,
    ZoneType,
    swap_contents,
    validate_store,
    with_placements,
)

FloatArray = npt.NDArray[np.floating]
KINDS = ("small", "goods", "displays", "structure", "null")
HOME_TYPES = (ZoneType.AISLE, ZoneType.PERIMETER)
TABLE_M, TABLE_ZONE_M = 1.2, 1.0
TRIES = 60


@dataclass(frozen=True, eq=False)
class Edit:
    """A change of a store.

    Attributes
    ----------
    name, kind
        What is changed, and one of `KINDS`: a few goods, many goods, what displays show, the geometry,
        nothing.
    store
        The store after it.
    """

    name: str
    kind: str
    store: Store


def draw_edits(store: Store, rng: np.random.Generator) -> list[Edit]:
    """Draw the edits of a store; those that it has no room for are left out.

    Returns
    -------
    edits
        Valid stores with another content than `store`, the null edit last.
    """
    makers: list[tuple[str, str, Callable[[Store, np.random.Generator], Store | None]]] = [
        ("one-swap", "small", lambda s, r: _swap_random(s, r, 1)),
        ("six-swaps", "goods", lambda s, r: _swap_random(s, r, 6)),
        ("forty-swaps", "goods", lambda s, r: _swap_random(s, r, 40)),
        ("staples-front", "goods", lambda s, r: _move_staples(s, to_back=False)),
        ("staples-back", "goods", lambda s, r: _move_staples(s, to_back=True)),
        ("snacks-on-a-display", "small", _show_best_on_one_display),
        ("other-displays", "displays", _fill_displays),
        ("no-displays", "displays", _empty_displays),
        ("no-tills-racks", "small", _empty_racks),
        ("table-at-the-door", "structure", _add_table_at_door),
        ("table-in-the-middle", "structure", _add_table_anywhere),
        ("closed-aisle", "structure", _close_aisle),
        ("reversed-aisles", "structure", _reverse_aisles),
        ("moved-door", "structure", _move_door),
        ("moved-tills", "structure", _move_tills),
    ]
    edits = []
    for name, kind, make in makers:
        edited = make(store, rng)
        if edited is not None and edited.content_hash != store.content_hash:
            edits.append(Edit(name, kind, replace(edited, name=f"{store.name}--{name}")))
    return [*edits, Edit("relabelled", "null", relabel(store, rng))]


# null edits


def relabel(store: Store, rng: np.random.Generator) -> Store:
    """Permute the identifiers of zones and the order of all parts: the same store."""
    old = [zone.zone_id for zone in store.zones]
    new = dict(zip(old, (f"Z{number:03d}" for number in rng.permutation(len(old))), strict=True))
    zones = [replace(zone, zone_id=new[zone.zone_id]) for zone in store.zones]
    items = [replace(item, zone_id=new[item.zone_id]) for item in store.placements]
    edited = replace(
        store,
        name=f"{store.name}--relabelled",
        zones=tuple(zones[index] for index in rng.permutation(len(zones))),
        fixtures=tuple(store.fixtures[index] for index in rng.permutation(len(store.fixtures))),
        placements=tuple(items[index] for index in rng.permutation(len(items))),
    )
    validate_store(edited)
    return edited


def mirror_store(store: Store) -> Store:
    """Mirror a store left to right, in the same bounding box; see `mirror_x` for what was observed there."""

    def turn(xy: FloatArray) -> FloatArray:
        return np.stack([np.round(mirror_x(store, xy[:, 0]), 6), xy[:, 1]], axis=1)

    def flip(polygon: shapely.Polygon) -> shapely.Polygon:
        return shapely.transform(polygon, turn)

    def flip_point(xy: tuple[float, float]) -> tuple[float, float]:
        (point,) = turn(np.array([xy]))
        return float(point[0]), float(point[1])

    edited = replace(
        store,
        name=f"{store.name}--mirrored",
        floor=flip(store.floor),
        obstacles=tuple(flip(polygon) for polygon in store.obstacles),
        fixtures=tuple(replace(item, polygon=flip(item.polygon)) for item in store.fixtures),
        zones=tuple(replace(item, polygon=flip(item.polygon)) for item in store.zones),
        entrances=tuple(replace(item, xy=flip_point(item.xy)) for item in store.entrances),
        exits=tuple(replace(item, xy=flip_point(item.xy)) for item in store.exits),
        checkouts=tuple(replace(item, xy=flip_point(item.xy)) for item in store.checkouts),
    )
    validate_store(edited)
    return edited


def mirror_x(store: Store, x: FloatArray) -> FloatArray:
    """Mirror x coordinates [m] about the middle of a store's bounding box."""
    x0, _, x1, _ = store.floor.bounds
    return x0 + x1 - np.asarray(x)


# goods


def _homes(store: Store) -> list[str]:
    """Stocked shelves, nearest to the entrance first."""
    way = store.distance_from_entrance_m
    homes = [
        (float(way[index]), zone.zone_id)
        for index, zone in enumerate(store.zones)
        if zone.zone_type in HOME_TYPES and store.stands[index].any()
    ]
    return [zone_id for _, zone_id in sorted(homes)]


def _swap_first(store: Store, pairs: Iterator[tuple[str, str]], n_swaps: int) -> Store | None:
    """Make the first swaps that are possible: others hold too many facings, or cold goods in a warm zone."""
    edited, done = store, 0
    for a, b in pairs:
        if done == n_swaps:
            break
        try:
            edited, done = swap_contents(edited, a, b), done + 1
        except StoresimError:
            continue
    return edited if done else None


def _swap_random(store: Store, rng: np.random.Generator, n_swaps: int) -> Store | None:
    homes = _homes(store)
    if len(homes) < 2:
        return None
    pairs = ((homes[a], homes[b]) for a, b in (rng.choice(len(homes), 2, replace=False) for _ in range(400)))
    return _swap_first(store, pairs, n_swaps)


def _move_staples(store: Store, *, to_back: bool) -> Store | None:
    demand = store.stands @ np.array([sku.velocity for sku in store.skus])
    homes = _homes(store)
    staples = sorted(homes, key=lambda zone_id: -demand[store.zone_index[zone_id]])[:4]
    targets = homes[::-1] if to_back else homes
    pairs = ((staple, target) for staple in staples for target in targets if target not in staples)
    return _swap_first(store, pairs, 3)


# displays


def _display_ids(store: Store, kinds: Sequence[ZoneType] = DISPLAY_TYPES[:2]) -> list[str]:
    """Stocked displays whose goods all stand elsewhere too."""
    ids = {zone.zone_id for zone in store.zones if zone.zone_type in kinds}
    elsewhere = {item.sku_id for item in store.placements if item.zone_id not in ids}
    only_here = {item.zone_id for item in store.placements if item.sku_id not in elsewhere}
    stocked = {item.zone_id for item in store.placements}
    return [zone.zone_id for zone in store.zones if zone.zone_id in (ids & stocked) - only_here]


def _without(store: Store, zone_ids: Sequence[str]) -> list[Placement]:
    return [item for item in store.placements if item.zone_id not in zone_ids]


def _stock(store: Store, zone: Zone, category: str, n_skus: int = 4) -> list[Placement]:
    """Best sellers of a category that need no cold, on one display."""
    skus = [sku for sku in store.skus if sku.category == category and not sku.requires_refrigeration]
    best = sorted(skus, key=lambda sku: (-sku.velocity, sku.sku_id))[:n_skus]
    facings = max(zone.capacity_facings // max(len(best), 1), 1)
    return [
        Placement(sku_id=sku.sku_id, zone_id=zone.zone_id, facings=facings, shelf_level=ShelfLevel.EYE)
        for sku in best[: zone.capacity_facings]
    ]


def _warm_categories(store: Store) -> list[str]:
    return sorted({sku.category for sku in store.skus if not sku.requires_refrigeration})


def _fill_displays(store: Store, rng: np.random.Generator) -> Store | None:
    displays, warm = _display_ids(store), _warm_categories(store)
    new = [
        item
        for zone_id in displays
        for item in _stock(store, store.zones[store.zone_index[zone_id]], str(rng.choice(warm)))
    ]
    return with_placements(store, _without(store, displays) + new, "other-displays") if displays else None


def _empty_displays(store: Store, rng: np.random.Generator) -> Store | None:
    displays = _display_ids(store)
    return with_placements(store, _without(store, displays), "no-displays") if displays else None


def _empty_racks(store: Store, rng: np.random.Generator) -> Store | None:
    racks = _display_ids(store, (ZoneType.CHECKOUT,))
    return with_placements(store, _without(store, racks), "no-racks") if racks else None


def _show_best_on_one_display(store: Store, rng: np.random.Generator) -> Store | None:
    displays = _display_ids(store)
    if not displays:
        return None
    zone = store.zones[store.zone_index[str(rng.choice(displays))]]
    category = str(rng.choice(_warm_categories(store)))
    return with_placements(store, _without(store, [zone.zone_id]) + _stock(store, zone, category), "display")


def _add_table_at_door(store: Store, rng: np.random.Generator) -> Store | None:
    return _add_table(store, rng, near=np.array(store.entrances[0].xy))


def _add_table_anywhere(store: Store, rng: np.random.Generator) -> Store | None:
    return _add_table(store, rng, near=store.grid.xy[rng.integers(store.grid.n_cells)])


def _add_table(store: Store, rng: np.random.Generator, *, near: FloatArray) -> Store | None:
    """Put up a promotion table with its zone on the free floor nearest to a point."""
    taken = shapely.union_all([store.blocked, *(zone.polygon for zone in store.zones)])
    free = store.floor.difference(taken)
    order = np.argsort(np.linalg.norm(store.grid.xy - near, axis=1))
    category = str(rng.choice(_warm_categories(store)))
    tries = 0
    for x, y in store.grid.xy[order]:
        for dx, dy in ((0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (-1.0, 0.0)):
            table = box(x - TABLE_M / 2, y - TABLE_M / 2, x + TABLE_M / 2, y + TABLE_M / 2)
            half = (TABLE_M + TABLE_ZONE_M) / 2
            length = TABLE_M / 2, TABLE_ZONE_M / 2
            w, h = length if dy else length[::-1]
            place = box(x + dx * half - w, y + dy * half - h, x + dx * half + w, y + dy * half + h)
            if not free.buffer(1e-6).covers(shapely.union(table, place)) or tries == TRIES:
                continue
            tries += 1
            zone = Zone(
                zone_id="new-table-zone",
                version=1,
                zone_type=ZoneType.PROMO,
                fixture_id="new-table",
                capacity_facings=14,
                has_refrigeration=False,
                polygon=place,
            )
            fixture = Fixture(
                fixture_id="new-table", fixture_type=FixtureType.TABLE, refrigerated=False, polygon=table
            )
            edited = replace(
                store,
                fixtures=(*store.fixtures, fixture),
                zones=(*store.zones, zone),
                placements=(*store.placements, *_stock(store, zone, category)),
            )
            if _is_valid(edited):
                return edited
    return None


# geometry


def _is_valid(store: Store) -> bool:
    try:
        validate_store(store)
    except StoresimError:
        return False
    return True


def _gondolas(store: Store) -> list[str]:
    return [f.fixture_id for f in store.fixtures if f.fixture_type is FixtureType.GONDOLA]


def _close_aisle(store: Store, rng: np.random.Generator) -> Store | None:
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
    """Block an aisle's floor and put its goods elsewhere, one facing each in the emptiest suitable zones."""
    gone = {zone.zone_id for zone in zones}
    kept = [item for item in store.placements if item.zone_id not in gone]
    room = {zone.zone_id: zone.capacity_facings for zone in store.zones if zone.zone_id not in gone}
    for item in kept:
        room[item.zone_id] -= item.facings
    homes = [zone.zone_id for zone in store.zones if zone.zone_id in room and zone.zone_type in HOME_TYPES]
    for item in store.placements:
        if item.zone_id not in gone or any(k.sku_id == item.sku_id for k in kept):
            continue
        target = max(homes, key=lambda zone_id: room[zone_id])
        facings = min(item.facings, max(room[target] // 2, 1))
        if room[target] < facings:
            kept, room = _make_room(kept, room, target)
        if room[target] < 1:
            return None
        facings = min(facings, room[target])
        kept.append(replace(item, zone_id=target, facings=facings))
        room[target] -= facings
    barrier = shapely.union_all([zone.polygon for zone in zones]).envelope.difference(store.blocked)
    parts = [p for p in shapely.get_parts(barrier) if p.area > 0.2]
    edited = replace(
        store,
        obstacles=(*store.obstacles, *parts),
        zones=tuple(zone for zone in store.zones if zone.zone_id not in gone),
        placements=tuple(kept),
    )
    return edited if _is_valid(edited) else None


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


def _reverse_aisles(store: Store, rng: np.random.Generator) -> Store | None:
    """Let the goods of the shelf rows stand in the opposite order, the first row's in the last row."""
    aisle = [
        zone.zone_id
        for index, zone in enumerate(store.zones)
        if zone.zone_type is ZoneType.AISLE and not zone.has_refrigeration and store.stands[index].any()
    ]
    order = sorted(aisle, key=lambda zone_id: zone_id)
    return (
        _swap_first(store, zip(order, order[::-1], strict=True), len(order) // 2) if len(order) > 3 else None
    )


def _move_door(store: Store, rng: np.random.Generator) -> Store | None:
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


def _move_tills(store: Store, rng: np.random.Generator) -> Store | None:
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
