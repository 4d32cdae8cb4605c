"""Stores that never were: built from a recipe, valid by construction and checked all the same."""

import numpy as np

from layouts.assortment import stock_store
from layouts.floorplans import draw_floor_plan
from layouts.recipes import StoreRecipe
from layouts.store import Store
from layouts.validation import validate_store


def build_store(recipe: StoreRecipe, rng: np.random.Generator, *, name: str | None = None) -> Store:
    """Build a store.

    Parameters
    ----------
    recipe
        Floor plan and size of the assortment.
    rng
        Decides what the recipe leaves open: which categories, their order, SKUs, prices, displays.
    name
        Name of the store; by default its format.

    Returns
    -------
    store
        A valid store, the same for the same recipe and state of `rng`.
    """
    plan = draw_floor_plan(recipe, rng)
    kinds = {fixture.fixture_id: fixture.fixture_type for fixture in plan.fixtures}
    skus, placements = stock_store(recipe, plan.zones, kinds, rng)
    store = Store(
        name=name or str(recipe.format),
        currency="EUR",
        open="08:00",
        close="20:00",
        floor=plan.floor,
        obstacles=tuple(plan.obstacles),
        fixtures=tuple(plan.fixtures),
        zones=tuple(plan.zones),
        entrances=tuple(plan.entrances),
        exits=tuple(plan.exits),
        checkouts=tuple(plan.checkouts),
        skus=tuple(skus),
        placements=tuple(placements),
    )
    validate_store(store)
    return store
