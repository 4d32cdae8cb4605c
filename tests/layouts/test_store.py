import pickle
from dataclasses import replace

import numpy as np
import pytest

from layouts import BUNDLED_STORES, SHELF_LEVELS, ShelfLevel, Store, bundled_store


def relabel(store: Store) -> Store:
    """The same store, its zones renamed and everything listed backwards."""
    names = {zone.zone_id: f"z{hash(zone.zone_id) % 997}-{index}" for index, zone in enumerate(store.zones)}
    return replace(
        store,
        zones=tuple(replace(zone, zone_id=names[zone.zone_id]) for zone in reversed(store.zones)),
        placements=tuple(replace(p, zone_id=names[p.zone_id]) for p in reversed(store.placements)),
        fixtures=store.fixtures[::-1],
        skus=store.skus[::-1],
        checkouts=store.checkouts[::-1],
        exits=store.exits[::-1],
    )


@pytest.mark.parametrize("name", BUNDLED_STORES)
def test_relabelled_zones_give_the_same_arrays(name: str) -> None:
    store = bundled_store(name)
    other = relabel(store)
    np.testing.assert_array_equal(store.facings, other.facings)
    np.testing.assert_array_equal(store.shelf_level, other.shelf_level)
    np.testing.assert_array_equal(store.grid.zone, other.grid.zone)
    np.testing.assert_array_equal(store.walks.place_cell, other.walks.place_cell)
    np.testing.assert_array_equal(store.leg_views, other.leg_views)
    assert store.content_hash != other.content_hash


def test_hash_ignores_name_order_and_starting_vertex_but_not_content(tiny_store: Store) -> None:
    floor = type(tiny_store.floor)([(6, 5), (0, 5), (0, 0), (6, 0)])
    shuffled = replace(
        tiny_store,
        name="other",
        zones=tiny_store.zones[::-1],
        placements=tiny_store.placements[::-1],
        floor=floor,
    )
    assert shuffled.content_hash == tiny_store.content_hash
    assert hash(shuffled) == hash(tiny_store)
    assert shuffled != tiny_store  # another name
    assert replace(shuffled, name="tiny") == tiny_store
    dearer = replace(tiny_store, skus=(replace(tiny_store.skus[0], price=9.0), *tiny_store.skus[1:]))
    assert dearer.content_hash != tiny_store.content_hash


def test_zones_are_ordered_by_the_walk_from_the_door(tiny_store: Store) -> None:
    assert [zone.zone_id for zone in tiny_store.zones] == ["door", "south", "cold", "north", "end"]
    assert (np.diff(tiny_store.distance_from_entrance_m) >= 0).all()


def test_what_stands_where(tiny_store: Store) -> None:
    north, crisps = tiny_store.zone_index["north"], tiny_store.sku_index["CRISPS"]
    assert tiny_store.facings[north, crisps] == 2
    assert SHELF_LEVELS[tiny_store.shelf_level[north, crisps]] is ShelfLevel.FLOOR
    assert tiny_store.stands.sum() == len(tiny_store.placements)
    assert tiny_store.shelf_level[tiny_store.zone_index["door"]].tolist() == [-1] * 6
    assert tiny_store.categories == ("bakery", "breakfast", "dairy", "snacks")
    assert [tiny_store.categories[i] for i in tiny_store.sku_category] == [
        sku.category for sku in tiny_store.skus
    ]


def test_derived_distances_and_neighbours(tiny_store: Store) -> None:
    assert tiny_store.neighbors["cold"] == ("north",)
    assert set(tiny_store.neighbors["end"]) == {"south", "north"}
    assert "north" not in tiny_store.neighbors["south"]  # the gondola stands between
    assert tiny_store.distance_from_entrance_m[0] == 0.0  # the door's zone has the door in its nearest cell
    end = tiny_store.zone_index["end"]
    assert tiny_store.distance_to_checkout_m.argmin() == end
    assert tiny_store.zones[end].area_m2 == pytest.approx(1.0)
    assert tiny_store.zones[end].versioned_id == "end@v1"


def test_arrays_are_locked_and_pickles_carry_no_cache(tiny_store: Store) -> None:
    with pytest.raises(ValueError, match="read-only"):
        tiny_store.facings[0, 0] = 1
    _ = tiny_store.leg_views
    copy = pickle.loads(pickle.dumps(tiny_store))
    assert copy == tiny_store
    assert "leg_views" not in vars(copy)
    assert copy.leg_views is tiny_store.leg_views  # shared through the content
