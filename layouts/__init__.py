"""What a store is: floor, fixtures, zones, doors, tills, goods, and the geometry that follows from them."""

from layouts.bundles import BUNDLED_STORES, bundled_folder, bundled_store
from layouts.cells import CellGrid
from layouts.codes import CellCodes, CodeFrame
from layouts.edits import move_fixture, remove_fixture, swap_contents, with_placements
from layouts.errors import (
    CatalogueError,
    ConfigError,
    LayoutError,
    ModelError,
    ObservationError,
    PlanogramError,
    StoresimError,
)
from layouts.generator import build_store
from layouts.io import load_store, save_store
from layouts.outputs import RUN_MARKER, check_output_folder, write_text, writing_folder
from layouts.recipes import Side, StoreFormat, StoreRecipe, Wall, draw_recipe
from layouts.records import (
    DISPLAY_TYPES,
    Checkout,
    CheckoutType,
    Door,
    Fixture,
    FixtureType,
    Placement,
    ShelfLevel,
    Sku,
    Zone,
    ZoneType,
)
from layouts.sight import compute_leg_views, compute_sight
from layouts.store import SHELF_LEVELS, Store
from layouts.validation import validate_store
from layouts.walk_graph import WalkGraph

__all__ = [
    "BUNDLED_STORES",
    "DISPLAY_TYPES",
    "RUN_MARKER",
    "SHELF_LEVELS",
    "CatalogueError",
    "CellCodes",
    "CellGrid",
    "Checkout",
    "CheckoutType",
    "CodeFrame",
    "ConfigError",
    "Door",
    "Fixture",
    "FixtureType",
    "LayoutError",
    "ModelError",
    "ObservationError",
    "Placement",
    "PlanogramError",
    "ShelfLevel",
    "Side",
    "Sku",
    "Store",
    "StoreFormat",
    "StoreRecipe",
    "StoresimError",
    "WalkGraph",
    "Wall",
    "Zone",
    "ZoneType",
    "build_store",
    "bundled_folder",
    "bundled_store",
    "check_output_folder",
    "compute_leg_views",
    "compute_sight",
    "draw_recipe",
    "load_store",
    "move_fixture",
    "remove_fixture",
    "save_store",
    "swap_contents",
    "validate_store",
    "with_placements",
    "write_text",
    "writing_folder",
]
