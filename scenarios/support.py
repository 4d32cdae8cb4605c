"""How far the data can speak for an edit: what the model has seen of what it is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from layouts import DISPLAY_TYPES, Store, ZoneType

MUCH_MOVED = 0.05  # share of the units sold; a judgement after market-a's dairy-front, docs/fidelity.md
MANY_CHANGED = 0.25  # share of the zones from which an edit is a new store rather than a change


@dataclass(frozen=True)
class Support:
    """`high`, `medium` or `low`, and the reasons for anything below high."""

    level: str
    why: list[str]


def judge_support(control: Store, variant: Store, knowledge: Mapping[str, Any]) -> Support:
    """Judge whether what was learned covers the step from `control` to `variant`.

    Rules, not statistics: an unknown control store, categories in kinds of zone where the data never had
    them (what a display does is then taken from the literature), changed walls, fixtures or doors, another
    catalogue, and sheer size of the edit each lower the level.

    Parameters
    ----------
    control, variant
        The two layouts.
    knowledge
        Of the model, see `models.ShopperModel`.
    """
    low: list[str] = []
    medium: list[str] = []
    if knowledge.get("store_hash") != control.content_hash:
        low.append(f"the model was not trained on this control layout ({control.name})")
    seen = knowledge.get("zone_types_of_category", {})
    for category, zone_type in sorted(_new_places(control, variant, seen)):
        reasons = low if ZoneType(zone_type) in DISPLAY_TYPES else medium
        reasons.append(f"{category} was never seen in a zone of type {zone_type}")
    unknown = sorted({sku.category for sku in variant.skus} - set(seen)) if seen else []
    low += [f"the category {category} was never sold in the data" for category in unknown]
    if _geometry(control) != _geometry(variant):
        medium.append("walls, fixtures, doors or tills differ, so people will walk where they never did")
    medium += _catalogue_changes(control, variant)
    moved = compute_moved_share(control, variant)
    if moved > MUCH_MOVED:
        medium.append(
            f"goods that make {moved:.0%} of the units sold stand elsewhere; "
            "gains of such moves are rated too high"
        )
    share = _changed_share(control, variant)
    if share > MANY_CHANGED:
        medium.append(f"{share:.0%} of the zones differ from the control")
    level = "low" if low else "medium" if medium else "high"
    return Support(level, low + medium)


def _catalogue_changes(control: Store, variant: Store) -> list[str]:
    """What differs in what is sold; shoppers neither react to prices nor replace what is gone."""
    before = {sku.sku_id: sku for sku in control.skus}
    after = {sku.sku_id: sku for sku in variant.skus}
    kept = before.keys() & after.keys()
    repriced = sum((before[k].price, before[k].margin) != (after[k].price, after[k].margin) for k in kept)
    reasons = []
    if repriced:
        reasons.append(f"{repriced} SKUs have another price or margin, to which these shoppers do not react")
    if before.keys() - kept:
        reasons.append(f"{len(before.keys() - kept)} SKUs are gone; who needs them buys nothing instead")
    if after.keys() - kept:
        reasons.append(f"{len(after.keys() - kept)} SKUs are new; their appeal is taken from their velocity")
    return reasons


def _new_places(control: Store, variant: Store, seen: Mapping[str, list[str]]) -> set[tuple[str, str]]:
    """Pairs of category and type of zone that the variant has, but neither the data nor the control."""
    known = {(category, kind) for category, kinds in seen.items() for kind in kinds} | _places(control)
    return _places(variant) - known


def _places(store: Store) -> set[tuple[str, str]]:
    zone_type = {zone.zone_id: str(zone.zone_type) for zone in store.zones}
    category = {sku.sku_id: sku.category for sku in store.skus}
    return {(category[item.sku_id], zone_type[item.zone_id]) for item in store.placements}


def _geometry(store: Store) -> frozenset[str]:
    shapes = [store.floor, *store.obstacles, *(fixture.polygon for fixture in store.fixtures)]
    points = [door.xy for door in (*store.entrances, *store.exits)] + [till.xy for till in store.checkouts]
    return frozenset(shape.normalize().wkt for shape in shapes) | frozenset(map(str, points))


def compute_moved_share(control: Store, variant: Store) -> float:
    """Share of the units sold (by velocity) of SKUs that stand in other or more places than before."""
    before, after = _places_of_skus(control), _places_of_skus(variant)
    kept = [sku for sku in control.skus if sku.sku_id in after]
    moved = sum(sku.velocity for sku in kept if before[sku.sku_id] != after[sku.sku_id])
    return moved / max(sum(sku.velocity for sku in kept), 1e-9)


def _places_of_skus(store: Store) -> dict[str, set[str]]:
    shape = {zone.zone_id: zone.polygon.normalize().wkt for zone in store.zones}
    places: dict[str, set[str]] = {sku.sku_id: set() for sku in store.skus}
    for item in store.placements:
        places[item.sku_id].add(shape[item.zone_id])
    return places


def _changed_share(control: Store, variant: Store) -> float:
    """Share of the zones, whatever their names, that have no counterpart of the same place and goods."""
    before, after = _zone_contents(control), _zone_contents(variant)
    return max(len(before - after), len(after - before)) / max(len(before), len(after), 1)


def _zone_contents(store: Store) -> set[tuple[str, frozenset[tuple[str, int]]]]:
    stands: dict[str, set[tuple[str, int]]] = {zone.zone_id: set() for zone in store.zones}
    for item in store.placements:
        stands[item.zone_id].add((item.sku_id, item.facings))
    return {(zone.polygon.normalize().wkt, frozenset(stands[zone.zone_id])) for zone in store.zones}
