"""What a generated store looks like: parameters of its floor plan and assortment, and random ones."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from layouts.errors import ConfigError


class StoreFormat(StrEnum):
    """Kind of store."""

    SUPERMARKET = "supermarket"
    CONVENIENCE = "convenience"
    RACETRACK = "racetrack"


class Side(StrEnum):
    """Side of the floor plan that has the door."""

    SOUTH = "south"
    EAST = "east"
    NORTH = "north"
    WEST = "west"


class Wall(StrEnum):
    """Wall as seen by someone who has just come in."""

    RIGHT = "right"
    BACK = "back"
    LEFT = "left"


@dataclass(frozen=True, kw_only=True)
class StoreRecipe:
    """Parameters of a generated store; lengths in metres. The floor's size follows from them.

    Attributes
    ----------
    format
        Kind of store; decides which categories are likely.
    door_side, is_mirrored
        Where the door is; mirrored means on the left of that side as seen from inside the door.
    aisles_along_depth
        True if aisles run away from the door's side, False if they run along it.
    n_gondolas, n_banks, gondola_length_m, n_bays
        Rows of shelves; how often a cross aisle cuts them plus one; length of a row in one bank; zones per
        face.
    aisle_m, side_aisle_m, cross_aisle_m, front_m, back_m
        Free width between rows, beside the block of rows, between banks, before the block, and behind it.
    gondola_depth_m, wall_depth_m, zone_depth_m, wall_bay_m
        Depth of rows and wall shelves, of the zone before a shelf, and length of a zone along a wall.
    has_endcaps, has_lanes, has_vestibule
        Ends of rows carry displays; tills stand in lanes (else at a counter); the door is in a porch.
    notch_gondolas, notch_depth_m
        So many rows on the left are shortened by an inner corner this deep (an L-shaped floor).
    cooler_walls
        Walls with coolers; the others carry dry shelves.
    n_freezers, n_tables, n_staffed, n_self
        Chest freezers at the back, promotion tables at the front, tills of either kind.
    n_categories, n_skus
        Size of the assortment; fewer SKUs are listed if the shelves cannot hold them.
    """

    format: StoreFormat = StoreFormat.SUPERMARKET
    door_side: Side = Side.SOUTH
    is_mirrored: bool = False
    aisles_along_depth: bool = True
    n_gondolas: int = 4
    n_banks: int = 1
    gondola_length_m: float = 7.2
    n_bays: int = 2
    aisle_m: float = 2.1
    side_aisle_m: float = 2.9
    cross_aisle_m: float = 3.0
    front_m: float = 8.6
    back_m: float = 6.4
    gondola_depth_m: float = 1.0
    wall_depth_m: float = 0.9
    zone_depth_m: float = 1.15
    wall_bay_m: float = 5.0
    has_endcaps: bool = True
    has_lanes: bool = True
    has_vestibule: bool = False
    notch_gondolas: int = 0
    notch_depth_m: float = 0.0
    cooler_walls: tuple[Wall, ...] = (Wall.BACK, Wall.LEFT)
    n_freezers: int = 2
    n_tables: int = 2
    n_staffed: int = 2
    n_self: int = 1
    n_categories: int = 20
    n_skus: int = 180

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        least: dict[str, float] = {
            "n_gondolas": 1,
            "n_banks": 1,
            "n_bays": 1,
            "gondola_length_m": 2.0,
            "aisle_m": 1.2,
            "side_aisle_m": 2 * self.zone_depth_m - 0.4,
            "cross_aisle_m": 1.8,
            "front_m": 8.0 if self.has_lanes else 4.0,
            "back_m": 6.0 if self.n_freezers else 1.8,
            "n_categories": 8,
            "n_skus": 24,
        }
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ConfigError(f"{name} must be at least {value:g}, got {getattr(self, name):g}")
        if self.n_staffed + self.n_self < 1:
            raise ConfigError("n_staffed and n_self are both 0; at least one till is needed")
        if not self.cooler_walls:
            raise ConfigError("cooler_walls is empty; at least one of right, back, left is needed")
        can_notch = self.aisles_along_depth and self.n_banks == 1 and self.notch_gondolas < self.n_gondolas
        if self.notch_gondolas and not (can_notch and self.notch_depth_m <= self.gondola_length_m - 2.0):
            raise ConfigError(
                "a notch needs one bank of aisles along the depth, longer than the notch by 2 m"
            )


def draw_recipe(rng: np.random.Generator, format: StoreFormat | str | None = None) -> StoreRecipe:
    """Draw the recipe of a plausible store.

    Parameters
    ----------
    rng
        Source of chance.
    format
        Kind of store; by default any, supermarkets half of the time.
    """
    if format is None:
        format = rng.choice([StoreFormat.SUPERMARKET, *StoreFormat])
    draw = {
        StoreFormat.SUPERMARKET: _draw_supermarket,
        StoreFormat.CONVENIENCE: _draw_convenience,
        StoreFormat.RACETRACK: _draw_racetrack,
    }
    if format not in list(StoreFormat):
        raise ConfigError(f"format '{format}' is unknown; one of {', '.join(StoreFormat)} is needed")
    return draw[StoreFormat(format)](rng)


def _between(rng: np.random.Generator) -> Callable[[float, float], float]:
    """Draw lengths on a 5 cm raster."""
    return lambda low, high: round(float(rng.uniform(low, high)) / 0.05) * 0.05


def _chance(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def _draw_cooler_walls(rng: np.random.Generator) -> tuple[Wall, ...]:
    """Coolers mostly stand along the back and one side."""
    options = [
        (Wall.BACK, Wall.LEFT),
        (Wall.BACK,),
        (Wall.RIGHT, Wall.BACK),
        (Wall.LEFT,),
        (Wall.RIGHT, Wall.LEFT),
    ]
    return options[rng.choice(len(options), p=[0.4, 0.25, 0.15, 0.1, 0.1])]


def _draw_supermarket(rng: np.random.Generator) -> StoreRecipe:
    between, n_gondolas = _between(rng), int(rng.integers(3, 8))
    length_m, along_depth = between(4.8, 14.4), _chance(rng, 0.65)
    n_banks = 2 if length_m > 9.6 and _chance(rng, 0.35) else 1
    has_notch = along_depth and n_banks == 1 and n_gondolas >= 4 and length_m > 6 and _chance(rng, 0.25)
    n_freezers = int(rng.integers(0, 3))
    return StoreRecipe(
        format=StoreFormat.SUPERMARKET,
        door_side=Side(rng.choice(list(Side))),
        is_mirrored=_chance(rng, 0.5),
        aisles_along_depth=along_depth,
        n_gondolas=n_gondolas,
        n_banks=n_banks,
        gondola_length_m=length_m / n_banks,
        n_bays=max(1, round(length_m / n_banks / between(3.0, 5.0))),
        aisle_m=between(1.9, 2.4),
        side_aisle_m=between(2.5, 3.4),
        cross_aisle_m=between(2.6, 3.4),
        front_m=between(8.2, 10.5),
        back_m=between(6.2, 7.2) if n_freezers else between(2.8, 4.0),
        has_vestibule=_chance(rng, 0.2),
        notch_gondolas=int(rng.integers(1, n_gondolas - 2)) if has_notch else 0,
        notch_depth_m=between(2.0, length_m - 3.0) if has_notch else 0.0,
        wall_bay_m=between(4.0, 7.0),
        cooler_walls=_draw_cooler_walls(rng),
        n_freezers=n_freezers,
        n_tables=int(rng.integers(0, 4)),
        n_staffed=int(rng.integers(1, 4)),
        n_self=int(rng.integers(0, 3)),
        n_categories=int(rng.integers(14, 26)),
        n_skus=int(rng.integers(110, 320)),
    )


def _draw_convenience(rng: np.random.Generator) -> StoreRecipe:
    between, n_tables = _between(rng), int(rng.integers(0, 2))
    length_m = between(2.4, 5.6)
    return StoreRecipe(
        format=StoreFormat.CONVENIENCE,
        door_side=Side(rng.choice(list(Side))),
        is_mirrored=_chance(rng, 0.5),
        aisles_along_depth=_chance(rng, 0.7),
        n_gondolas=int(rng.integers(2, 5)),
        gondola_length_m=length_m,
        n_bays=1 if length_m < 3.2 else 2,
        aisle_m=between(1.4, 1.9),
        side_aisle_m=between(1.8, 2.4),
        front_m=between(4.4, 5.2) + 2.2 * n_tables,
        back_m=between(2.0, 2.6),
        gondola_depth_m=0.8,
        wall_depth_m=0.7,
        zone_depth_m=0.9,
        wall_bay_m=between(2.2, 3.6),
        has_endcaps=_chance(rng, 0.8),
        has_lanes=False,
        cooler_walls=_draw_cooler_walls(rng),
        n_freezers=0,
        n_tables=n_tables,
        n_staffed=1,
        n_self=int(rng.integers(0, 2)),
        n_categories=int(rng.integers(10, 17)),
        n_skus=int(rng.integers(50, 110)),
    )


def _draw_racetrack(rng: np.random.Generator) -> StoreRecipe:
    between, n_freezers = _between(rng), int(rng.integers(0, 2))
    return StoreRecipe(
        format=StoreFormat.RACETRACK,
        door_side=Side(rng.choice(list(Side))),
        is_mirrored=_chance(rng, 0.5),
        aisles_along_depth=_chance(rng, 0.4),
        n_gondolas=int(rng.integers(2, 5)),
        n_banks=int(rng.integers(2, 4)),
        gondola_length_m=between(2.4, 4.4),
        n_bays=1,
        aisle_m=between(1.9, 2.6),
        side_aisle_m=between(3.4, 4.6),
        cross_aisle_m=between(2.6, 3.8),
        front_m=between(8.4, 10.0),
        back_m=between(6.6, 7.4) if n_freezers else between(3.6, 4.8),
        has_vestibule=_chance(rng, 0.3),
        wall_bay_m=between(4.0, 6.0),
        cooler_walls=_draw_cooler_walls(rng),
        n_freezers=n_freezers,
        n_tables=int(rng.integers(1, 5)),
        n_staffed=int(rng.integers(1, 4)),
        n_self=int(rng.integers(0, 3)),
        n_categories=int(rng.integers(14, 24)),
        n_skus=int(rng.integers(100, 220)),
    )
