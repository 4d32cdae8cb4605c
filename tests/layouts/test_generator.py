import time

import numpy as np
import pytest

from layouts import (
    BUNDLED_STORES,
    ConfigError,
    LayoutError,
    StoreFormat,
    StoreRecipe,
    ZoneType,
    build_store,
    bundled_store,
    draw_recipe,
)
from layouts.bundles import build_bundled_store


@pytest.mark.parametrize("kind", StoreFormat)
def test_ten_of_each_format_are_valid_and_differ(kind: StoreFormat) -> None:
    stores = []
    started = time.perf_counter()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        stores.append(build_store(draw_recipe(rng, kind), rng))  # validates
        assert np.isfinite(stores[-1].leg_views).all()
    assert (time.perf_counter() - started) / 10 < 1.0
    assert len({store.content_hash for store in stores}) == 10
    assert len({store.floor.area for store in stores}) == 10
    assert len({tuple(store.sku_category[store.stands[1]].tolist()) for store in stores}) > 5


@pytest.mark.parametrize("kind", StoreFormat)
def test_displays_carry_what_also_stands_at_home(kind: StoreFormat) -> None:
    rng = np.random.default_rng(100)
    store = build_store(draw_recipe(rng, kind), rng)
    home = np.array([zone.zone_type in (ZoneType.AISLE, ZoneType.PERIMETER) for zone in store.zones])
    assert store.stands[home].any(axis=0).all()
    assert store.stands[~home].any()
    is_selling = np.array([zone.capacity_facings > 0 for zone in store.zones])
    assert (store.facings.sum(axis=1)[is_selling] > 0).all()


def test_the_same_seed_gives_the_same_store() -> None:
    def draw(seed: int) -> str:
        rng = np.random.default_rng(seed)
        return build_store(draw_recipe(rng), rng).content_hash

    assert draw(4) == draw(4)
    assert draw(4) != draw(5)


def test_an_l_shaped_floor_has_an_inner_corner() -> None:
    recipe = StoreRecipe(n_gondolas=5, notch_gondolas=2, notch_depth_m=3.0)
    store = build_store(recipe, np.random.default_rng(0))
    assert len(store.floor.exterior.coords) == 7
    assert "N-1" in store.zone_index


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"aisle_m": 0.5}, "aisle_m must be at least 1.2, got 0.5"),
        ({"n_staffed": 0, "n_self": 0}, "at least one till"),
        ({"cooler_walls": ()}, "cooler_walls is empty"),
        ({"notch_gondolas": 2, "notch_depth_m": 7.0}, "notch"),
    ],
)
def test_a_recipe_that_cannot_be_drawn_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StoreRecipe(**change)  # type: ignore[arg-type]


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="one of supermarket, convenience, racetrack"):
        draw_recipe(np.random.default_rng(0), "kiosk")
    with pytest.raises(LayoutError, match="one of corner-shop, supermarket, racetrack"):
        bundled_store("kiosk")


@pytest.mark.parametrize("name", BUNDLED_STORES)
def test_bundled_files_are_what_their_recipes_make(name: str) -> None:
    assert bundled_store(name) == build_bundled_store(name)


def test_bundled_stores_have_their_sizes() -> None:
    sizes = {name: bundled_store(name) for name in BUNDLED_STORES}
    assert {name: (store.n_zones, store.n_skus) for name, store in sizes.items()} == {
        "corner-shop": (23, 68),
        "supermarket": (43, 186),
        "racetrack": (45, 154),
    }
