"""What-if edits: each takes a store and returns a new one, validated, named after what was done.

A zone whose place, space or content changed gets the next version, so that results of different layouts are
told apart.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from typing import TypeVar

from shapely.affinity import translate

from layouts.errors import LayoutError
from layouts.records import Fixture, Placement, Zone
from layouts.store import Store
from layouts.validation import validate_store

T = TypeVar("T", Fixture, Zone)


def swap_contents(store: Store, zone_a: str, zone_b: str) -> Store:
    """Exchange what stands in two zones, facings and shelf levels included.

    Raises
    ------
    LayoutError
        If a zone is unknown.
    PlanogramError
        If the goods do not fit: too many facings, or cold goods in a warm zone.
    """
    for zone_id in (zone_a, zone_b):
        _check_known(zone_id, store.zone_index, "zone")
    other = {zone_a: zone_b, zone_b: zone_a}
    placements = [replace(item, zone_id=other.get(item.zone_id, item.zone_id)) for item in store.placements]
    return with_placements(store, placements, f"swap-{zone_a}-{zone_b}")


def with_placements(store: Store, placements: Iterable[Placement], name: str) -> Store:
    """Give a store another planogram.

    Parameters
    ----------
    store
        The store as it is.
    placements
        Everything that stands anywhere, not only what changes.
    name
        What the edit is called; the new store is named "<store>--<name>".
    """
    placements = tuple(placements)
    before, after = _contents(store.placements), _contents(placements)
    changed = {zone.zone_id for zone in store.zones if before[zone.zone_id] != after[zone.zone_id]}
    return _finish(replace(store, placements=placements), name, changed)


def move_fixture(store: Store, fixture_id: str, *, to: tuple[float, float]) -> Store:
    """Move a fixture, its zones and all that stands there.

    Parameters
    ----------
    store
        The store as it is.
    fixture_id
        Which fixture.
    to
        Where the centre of its bounding box will be [m]. It keeps its direction.

    Raises
    ------
    LayoutError
        If the fixture is unknown, or it or its zones do not fit there.
    """
    fixture = _get_fixture(store, fixture_id)
    x0, y0, x1, y1 = fixture.polygon.bounds
    by = to[0] - (x0 + x1) / 2, to[1] - (y0 + y1) / 2
    fixtures = tuple(_shift(item, by) if item is fixture else item for item in store.fixtures)
    zones = tuple(_shift(zone, by) if zone.fixture_id == fixture_id else zone for zone in store.zones)
    changed = {zone.zone_id for zone in zones if zone.fixture_id == fixture_id}
    return _finish(replace(store, fixtures=fixtures, zones=zones), f"move-{fixture_id}", changed)


def remove_fixture(store: Store, fixture_id: str) -> Store:
    """Take a fixture away with its zones and what stands there.

    Raises
    ------
    LayoutError
        If the fixture is unknown.
    PlanogramError
        If some SKU would stand nowhere: place it elsewhere first (`with_placements`).
    """
    fixture = _get_fixture(store, fixture_id)
    zones = tuple(zone for zone in store.zones if zone.fixture_id != fixture_id)
    kept = {zone.zone_id for zone in zones}
    edited = replace(
        store,
        fixtures=tuple(item for item in store.fixtures if item is not fixture),
        zones=zones,
        placements=tuple(item for item in store.placements if item.zone_id in kept),
    )
    return _finish(edited, f"remove-{fixture_id}", set())


def _get_fixture(store: Store, fixture_id: str) -> Fixture:
    fixtures = {fixture.fixture_id: fixture for fixture in store.fixtures}
    _check_known(fixture_id, fixtures, "fixture")
    return fixtures[fixture_id]


def _check_known(name: str, known: Iterable[str], kind: str) -> None:
    """Refuse a name that the store does not have, with the nearest that it has."""
    names = list(known)
    if name not in names:
        near = get_close_matches(name, names, n=1) or sorted(names)[:1]
        raise LayoutError(f"{kind} '{name}' is not in this store; did you mean '{', '.join(near)}'?")


def _shift(item: T, by: tuple[float, float]) -> T:
    return replace(item, polygon=translate(item.polygon, *by))


def _contents(placements: Iterable[Placement]) -> defaultdict[str, set[tuple[str, int, str]]]:
    """List what stands in each zone."""
    contents: defaultdict[str, set[tuple[str, int, str]]] = defaultdict(set)
    for item in placements:
        contents[item.zone_id].add((item.sku_id, item.facings, item.shelf_level))
    return contents


def _finish(edited: Store, name: str, changed: set[str]) -> Store:
    """Raise the versions of the changed zones, name the store after the edit and validate it."""
    zones = (replace(zone, version=zone.version + (zone.zone_id in changed)) for zone in edited.zones)
    edited = replace(edited, name=f"{edited.name}--{name}", zones=tuple(zones))
    validate_store(edited)
    return edited
