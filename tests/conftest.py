"""A store small enough to check by hand, for all floors.

y
5 +-----------------------+        cooler C, zone `cold`
4.5 [ C : cooler       ]  |
4 |  . . cold . . .       |
3 |     [  north ]        |        gondola G with a face to either side,
  |     [G G G G][E] end  |        endcap E with its zone to the right
2 |     [  south ]        |
1 |door                   |
0 +-D1-----------C1---D2--+ x = 6  entrance, till, exit
"""

from pathlib import Path

import pytest
from shapely.geometry import box

from layouts import (
    Checkout,
    CheckoutType,
    Door,
    Fixture,
    FixtureType,
    Placement,
    ShelfLevel,
    Sku,
    Store,
    Zone,
    ZoneType,
    save_store,
)


def make_fixture(
    fixture_id: str, fixture_type: str, bounds: tuple[float, ...], refrigerated: bool = False
) -> Fixture:
    return Fixture(
        fixture_id=fixture_id,
        fixture_type=FixtureType(fixture_type),
        refrigerated=refrigerated,
        polygon=box(*bounds),
    )


def make_zone(
    zone_id: str,
    zone_type: str,
    fixture_id: str | None,
    bounds: tuple[float, ...],
    capacity: int,
    cold: bool = False,
) -> Zone:
    return Zone(
        zone_id=zone_id,
        version=1,
        zone_type=ZoneType(zone_type),
        fixture_id=fixture_id,
        capacity_facings=capacity,
        has_refrigeration=cold,
        polygon=box(*bounds),
    )


def make_sku(sku_id: str, category: str, price: float, margin: float, cold: bool = False) -> Sku:
    return Sku(
        sku_id=sku_id,
        name=sku_id.lower(),
        category=category,
        subcategory=category,
        price=price,
        margin=margin,
        requires_refrigeration=cold,
        facings_required=1,
        velocity=20.0,
    )


@pytest.fixture
def tiny_store() -> Store:
    """Six by five metres, five zones, six SKUs; crisps stand at home (`north`) and on the endcap (`end`)."""
    placements = [
        ("BREAD", "south", 3, "eye"),
        ("CAKE", "south", 2, "low"),
        ("JAM", "north", 2, "eye"),
        ("CRISPS", "north", 2, "floor"),
        ("CRISPS", "end", 4, "eye"),
        ("MILK", "cold", 4, "low"),
        ("YOGURT", "cold", 2, "eye"),
    ]
    return Store(
        name="tiny",
        currency="EUR",
        open="08:00",
        close="20:00",
        floor=box(0, 0, 6, 5),
        obstacles=(),
        fixtures=(
            make_fixture("G", "gondola", (2.0, 2.0, 4.0, 3.0)),
            make_fixture("E", "endcap", (4.0, 2.0, 4.5, 3.0)),
            make_fixture("C", "cooler", (0.0, 4.5, 4.0, 5.0), refrigerated=True),
        ),
        zones=(
            make_zone("door", "entrance", None, (0.0, 0.0, 1.0, 1.0), 0),
            make_zone("south", "aisle", "G", (2.0, 1.0, 4.0, 2.0), 8),
            make_zone("north", "aisle", "G", (2.0, 3.0, 4.0, 4.0), 8),
            make_zone("end", "endcap", "E", (4.5, 2.0, 5.5, 3.0), 6),
            make_zone("cold", "perimeter", "C", (0.5, 4.0, 3.5, 4.5), 8, cold=True),
        ),
        entrances=(Door(door_id="D1", xy=(0.25, 0.25)),),
        exits=(Door(door_id="D2", xy=(5.75, 0.25)),),
        checkouts=(Checkout(checkout_id="C1", checkout_type=CheckoutType.STAFFED, xy=(4.75, 0.75)),),
        skus=(
            make_sku("BREAD", "bakery", 2.0, 0.6),
            make_sku("CAKE", "bakery", 3.0, 1.2),
            make_sku("JAM", "breakfast", 2.5, 0.8),
            make_sku("CRISPS", "snacks", 1.8, 0.7),
            make_sku("MILK", "dairy", 1.2, 0.2, cold=True),
            make_sku("YOGURT", "dairy", 0.8, 0.2, cold=True),
        ),
        placements=tuple(
            Placement(sku_id=sku_id, zone_id=zone_id, facings=facings, shelf_level=ShelfLevel(level))
            for sku_id, zone_id, facings, level in placements
        ),
    )


@pytest.fixture
def tiny_folder(tiny_store: Store, tmp_path: Path) -> Path:
    """Folder with the tiny store's three files."""
    folder = tmp_path / "tiny"
    save_store(tiny_store, folder)
    return folder
