"""The bare geometry of a store, as the key under which everything computed from it is shared.

`Space` is the floor with what stands on it; `Plan` adds the zones, doors and checkouts. Both compare and
hash by a digest of their coordinates alone, so that stores which differ in content only (a new planogram,
another name) share their cells, distances and sight lines.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from layouts.arrays import FloatArray

OUTSIDE_MARGIN_M = 5.0


def compute_digest(*parts: bytes) -> str:
    """Hash byte strings in order, each with its length, to a hexadecimal SHA-256 digest."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def canonical_wkb(geometry: BaseGeometry) -> bytes:
    """Bytes of a geometry that depend neither on its starting vertex nor on its winding, to a micrometre."""
    rounded = shapely.transform(geometry, lambda xy: np.round(xy, 6) + 0.0)  # + 0.0 turns -0.0 into 0.0
    return bytes(shapely.to_wkb(shapely.normalize(rounded)))


@dataclass(frozen=True)
class Space:
    """Floor, what blocks it, and the points from which it is entered."""

    floor: Polygon = field(compare=False)
    blocked: BaseGeometry = field(compare=False)
    entrance_xy: FloatArray = field(compare=False)  # (n_entrances, 2)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the key from the coordinates."""
        parts = canonical_wkb(self.floor), canonical_wkb(self.blocked), self.entrance_xy.tobytes()
        object.__setattr__(self, "key", compute_digest(*parts))

    @property
    def walkable(self) -> BaseGeometry:
        """Floor minus everything that blocks it."""
        return self.floor.difference(self.blocked)

    @property
    def solid(self) -> BaseGeometry:
        """Everything not walkable, to some metres round the floor: no path or sight line crosses it."""
        x0, y0, x1, y1 = self.floor.bounds
        margin = OUTSIDE_MARGIN_M
        return box(x0 - margin, y0 - margin, x1 + margin, y1 + margin).difference(self.walkable)


@dataclass(frozen=True)
class Plan:
    """A space with its zones, entrances, checkouts and exits, each in a given order."""

    space: Space
    zone_polygons: tuple[Polygon, ...] = field(compare=False)
    checkout_xy: FloatArray = field(compare=False)  # (n_checkouts, 2)
    exit_xy: FloatArray = field(compare=False)  # (n_exits, 2)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the key from the coordinates."""
        zones = [canonical_wkb(polygon) for polygon in self.zone_polygons]
        points = self.checkout_xy.tobytes(), self.exit_xy.tobytes()
        object.__setattr__(self, "key", compute_digest(self.space.key.encode(), *points, *zones))
