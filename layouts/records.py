"""The things that a store is made of, as frozen records."""

from dataclasses import dataclass
from enum import StrEnum

from shapely.geometry import Polygon


class ZoneType(StrEnum):
    """Kind of place from which a shelf is shopped."""

    AISLE = "aisle"
    ENDCAP = "endcap"
    PERIMETER = "perimeter"
    PROMO = "promo"
    CHECKOUT = "checkout"
    ENTRANCE = "entrance"


# Where goods are shown that mostly stand elsewhere too
DISPLAY_TYPES = (ZoneType.ENDCAP, ZoneType.PROMO, ZoneType.CHECKOUT)


class FixtureType(StrEnum):
    """Kind of furniture that goods stand on."""

    GONDOLA = "gondola"
    ENDCAP = "endcap"
    COOLER = "cooler"
    FREEZER = "freezer"
    TABLE = "table"
    PROMO = "promo"


class ShelfLevel(StrEnum):
    """Height at which a product stands, from the floor up."""

    FLOOR = "floor"
    LOW = "low"
    EYE = "eye"
    TOP = "top"


class CheckoutType(StrEnum):
    """Who scans the goods."""

    STAFFED = "staffed"
    SELF = "self"


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """A piece of furniture; nobody walks through it."""

    fixture_id: str
    fixture_type: FixtureType
    refrigerated: bool
    polygon: Polygon


@dataclass(frozen=True, kw_only=True)
class Zone:
    """The walkable place from which one face of a fixture is shopped."""

    zone_id: str
    version: int
    zone_type: ZoneType
    fixture_id: str | None
    capacity_facings: int
    has_refrigeration: bool
    polygon: Polygon

    @property
    def versioned_id(self) -> str:
        """Identifier with version, `zone_id@vN`."""
        return f"{self.zone_id}@v{self.version}"

    @property
    def area_m2(self) -> float:
        """Area of the zone [m2]."""
        return float(self.polygon.area)


@dataclass(frozen=True, kw_only=True)
class Door:
    """A point through which shoppers enter or leave [m]."""

    door_id: str
    xy: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A till; `xy` is where the customer stands [m]."""

    checkout_id: str
    checkout_type: CheckoutType
    xy: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Sku:
    """A product: price and margin per unit in the store's currency, velocity in units a week."""

    sku_id: str
    name: str
    category: str
    subcategory: str
    price: float
    margin: float
    requires_refrigeration: bool
    facings_required: int
    velocity: float


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A product standing in a zone with some facings on one shelf level."""

    sku_id: str
    zone_id: str
    facings: int
    shelf_level: ShelfLevel
