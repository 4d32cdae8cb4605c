"""Changes of what stands where on an unchanged floor: swaps, staples, displays.

Each returns a valid store, or None where the store has nothing to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from layouts import (
    DISPLAY_TYPES,
    Placement,
    ShelfLevel,
    Store,
    StoresimError,
    Zone,
    ZoneType,
    swap_contents,
    with_placements,
)

HOME_TYPES = (ZoneType.AISLE, ZoneType.PERIMETER)


def _homes(store: Store) -> list[str]:
    """Stocked shelves, nearest to the entrance first."""
    way = store.distance_from_entrance_m
    homes = [
        (float(way[index]), zone.zone_id)
        for index, zone in enumerate(store.zones)
        if zone.zone_type in HOME_TYPES and store.stands[index].any()
    ]
    return [zone_id for _, zone_id in sorted(homes)]


def _swap_first(store: Store, pairs: Iterable[tuple[str, str]], n_swaps: int) -> Store | None:
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


def swap_random(store: Store, rng: np.random.Generator, n_swaps: int) -> Store | None:
    """Swap the goods of random pairs of shelves."""
    homes = _homes(store)
    if len(homes) < 2:
        return None
    pairs = ((homes[a], homes[b]) for a, b in (rng.choice(len(homes), 2, replace=False) for _ in range(400)))
    return _swap_first(store, pairs, n_swaps)


def move_staples(store: Store, *, to_back: bool) -> Store | None:
    """Swap three of the four shelves that sell most with those nearest to the entrance, or farthest."""
    demand = store.stands @ np.array([sku.velocity for sku in store.skus])
    homes = _homes(store)
    staples = sorted(homes, key=lambda zone_id: -demand[store.zone_index[zone_id]])[:4]
    targets = homes[::-1] if to_back else homes
    pairs = ((staple, target) for staple in staples for target in targets if target not in staples)
    return _swap_first(store, pairs, 3)


def reverse_aisles(store: Store, rng: np.random.Generator) -> Store | None:
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


def _display_ids(store: Store, kinds: Sequence[ZoneType] = DISPLAY_TYPES[:2]) -> list[str]:
    """Stocked displays whose goods all stand elsewhere too."""
    ids = {zone.zone_id for zone in store.zones if zone.zone_type in kinds}
    elsewhere = {item.sku_id for item in store.placements if item.zone_id not in ids}
    only_here = {item.zone_id for item in store.placements if item.sku_id not in elsewhere}
    stocked = {item.zone_id for item in store.placements}
    return [zone.zone_id for zone in store.zones if zone.zone_id in (ids & stocked) - only_here]


def _without(store: Store, zone_ids: Sequence[str]) -> list[Placement]:
    return [item for item in store.placements if item.zone_id not in zone_ids]


def stock_display(store: Store, zone: Zone, category: str, n_skus: int = 4) -> list[Placement]:
    """Best sellers of a category that need no cold, on one display."""
    skus = [sku for sku in store.skus if sku.category == category and not sku.requires_refrigeration]
    best = sorted(skus, key=lambda sku: (-sku.velocity, sku.sku_id))[:n_skus]
    facings = max(zone.capacity_facings // max(len(best), 1), 1)
    return [
        Placement(sku_id=sku.sku_id, zone_id=zone.zone_id, facings=facings, shelf_level=ShelfLevel.EYE)
        for sku in best[: zone.capacity_facings]
    ]


def list_warm_categories(store: Store) -> list[str]:
    """Categories with goods that need no cold."""
    return sorted({sku.category for sku in store.skus if not sku.requires_refrigeration})


def fill_displays(store: Store, rng: np.random.Generator) -> Store | None:
    """Put best sellers of a random category on each endcap and table."""
    displays, warm = _display_ids(store), list_warm_categories(store)
    new = [
        item
        for zone_id in displays
        for item in stock_display(store, store.zones[store.zone_index[zone_id]], str(rng.choice(warm)))
    ]
    return with_placements(store, _without(store, displays) + new, "other-displays") if displays else None


def empty_displays(store: Store, rng: np.random.Generator) -> Store | None:
    """Empty the endcaps and tables."""
    displays = _display_ids(store)
    return with_placements(store, _without(store, displays), "no-displays") if displays else None


def empty_racks(store: Store, rng: np.random.Generator) -> Store | None:
    """Empty the racks at the tills."""
    racks = _display_ids(store, (ZoneType.CHECKOUT,))
    return with_placements(store, _without(store, racks), "no-racks") if racks else None


def show_on_one_display(store: Store, rng: np.random.Generator) -> Store | None:
    """Put best sellers of a random category on one endcap or table."""
    displays = _display_ids(store)
    if not displays:
        return None
    zone = store.zones[store.zone_index[str(rng.choice(displays))]]
    category = str(rng.choice(list_warm_categories(store)))
    return with_placements(
        store, _without(store, [zone.zone_id]) + stock_display(store, zone, category), "display"
    )
