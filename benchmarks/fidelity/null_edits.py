"""Changes that change nothing: other identifiers, and the mirror image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import shapely

from layouts import Store, validate_store

FloatArray = npt.NDArray[np.floating]


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
