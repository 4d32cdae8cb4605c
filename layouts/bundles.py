"""The stores that come with storesim; `python -m layouts` writes them anew."""

from importlib.resources import files
from pathlib import Path

import numpy as np

from layouts.errors import LayoutError
from layouts.generator import build_store
from layouts.io import load_store, save_store
from layouts.recipes import Side, StoreFormat, StoreRecipe, Wall
from layouts.store import Store

BUNDLED_RECIPES: dict[str, tuple[int, StoreRecipe]] = {  # seed and recipe of each
    "corner-shop": (
        11,
        StoreRecipe(
            format=StoreFormat.CONVENIENCE,
            door_side=Side.SOUTH,
            is_mirrored=True,
            n_gondolas=3,
            gondola_length_m=3.8,
            n_bays=1,
            aisle_m=1.6,
            side_aisle_m=1.9,
            front_m=4.6,
            back_m=2.1,
            gondola_depth_m=0.8,
            wall_depth_m=0.7,
            zone_depth_m=0.9,
            wall_bay_m=2.6,
            has_lanes=False,
            cooler_walls=(Wall.BACK,),
            n_freezers=0,
            n_tables=0,
            n_staffed=1,
            n_self=1,
            n_categories=13,
            n_skus=80,
        ),
    ),
    "supermarket": (
        5,
        StoreRecipe(
            format=StoreFormat.SUPERMARKET,
            door_side=Side.SOUTH,
            n_gondolas=5,
            gondola_length_m=6.8,
            n_bays=1,
            side_aisle_m=2.8,
            front_m=8.6,
            back_m=6.4,
            wall_bay_m=5.0,
            n_freezers=2,
            n_tables=2,
            n_staffed=2,
            n_self=1,
            n_categories=20,
            n_skus=180,
        ),
    ),
    "racetrack": (
        3,
        StoreRecipe(
            format=StoreFormat.RACETRACK,
            door_side=Side.WEST,
            aisles_along_depth=False,
            n_gondolas=3,
            n_banks=2,
            gondola_length_m=3.0,
            n_bays=1,
            aisle_m=2.2,
            side_aisle_m=3.5,
            cross_aisle_m=2.8,
            front_m=8.8,
            back_m=6.8,
            has_vestibule=True,
            wall_bay_m=4.5,
            cooler_walls=(Wall.BACK,),
            n_freezers=1,
            n_tables=2,
            n_staffed=2,
            n_self=2,
            n_categories=20,
            n_skus=150,
        ),
    ),
}
BUNDLED_STORES: tuple[str, ...] = tuple(BUNDLED_RECIPES)


def bundled_store(name: str) -> Store:
    """Load one of the stores that come with storesim, by name; see `BUNDLED_STORES`."""
    if name not in BUNDLED_STORES:
        raise LayoutError(f"store '{name}' is not bundled; one of {', '.join(BUNDLED_STORES)} is needed")
    return load_store(bundled_folder(name))


def bundled_folder(name: str) -> Path:
    """Folder of a bundled store, for commands that take one."""
    return Path(str(files("layouts"))) / "bundled" / name


def build_bundled_store(name: str) -> Store:
    """Build a bundled store from its recipe and seed."""
    seed, recipe = BUNDLED_RECIPES[name]
    return build_store(recipe, np.random.default_rng(seed), name=name)


def write_bundled_stores() -> None:
    """Build all bundled stores and write their folders."""
    for name in BUNDLED_STORES:
        save_store(build_bundled_store(name), bundled_folder(name))
