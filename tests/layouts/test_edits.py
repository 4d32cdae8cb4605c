from dataclasses import replace

import numpy as np
import pytest
import shapely

from layouts import LayoutError, PlanogramError, Store, bundled_store, with_placements


def versions(store: Store) -> dict[str, int]:
    return {zone.zone_id: zone.version for zone in store.zones}


def test_swapped_zones_hold_each_others_goods(tiny_store: Store) -> None:
    swapped = tiny_store.swap("south", "north")
    assert swapped.name == "tiny--swap-south-north"
    south, north = tiny_store.zone_index["south"], tiny_store.zone_index["north"]
    np.testing.assert_array_equal(swapped.facings[[south, north]], tiny_store.facings[[north, south]])
    assert versions(swapped) == {"door": 1, "south": 2, "north": 2, "cold": 1, "end": 1}
    assert tiny_store.zones[south].version == 1  # the old store stays as it was
    back = swapped.swap("south", "north")
    assert back.placements == tiny_store.placements
    assert swapped.sight is tiny_store.sight  # the geometry is shared


def test_swap_refuses_what_does_not_fit(tiny_store: Store) -> None:
    with pytest.raises(PlanogramError, match="SKU 'MILK' must be kept cold but zone 'south' is warm"):
        tiny_store.swap("south", "cold")
    with pytest.raises(LayoutError, match="zone 'nort' is not in this store; did you mean 'north'"):
        tiny_store.swap("south", "nort")


def test_a_moved_fixture_takes_its_zones_along(tiny_store: Store) -> None:
    moved = tiny_store.move("E", to=(4.5, 4.4))
    before, after = (store.zones[store.zone_index["end"]] for store in (tiny_store, moved))
    fixture = next(fixture for fixture in moved.fixtures if fixture.fixture_id == "E")
    assert shapely.box(*fixture.polygon.bounds).centroid.coords[0] == pytest.approx((4.5, 4.4))
    assert after.polygon.centroid.x - before.polygon.centroid.x == pytest.approx(4.5 - 4.25)
    assert versions(moved) == {"door": 1, "south": 1, "north": 1, "cold": 1, "end": 2}
    assert moved.grid.cell_at(np.array([[4.25, 2.25], [4.5, 4.4]])).tolist()[1] == -1
    assert moved.grid.cell_at(np.array([[4.25, 2.25]]))[0] >= 0  # where it stood one can walk now


def test_a_fixture_cannot_stand_in_another_or_outside(tiny_store: Store) -> None:
    with pytest.raises(LayoutError, match="fixture 'E': overlaps fixture 'G'"):
        tiny_store.move("E", to=(3.0, 2.5))
    with pytest.raises(LayoutError, match="off the floor"):
        tiny_store.move("E", to=(5.9, 2.5))
    with pytest.raises(LayoutError, match="fixture 'X' is not in this store"):
        tiny_store.move("X", to=(1.0, 1.0))


def test_removing_a_display_leaves_its_goods_at_home(tiny_store: Store) -> None:
    removed = tiny_store.remove_fixture("E")
    assert removed.name == "tiny--remove-E"
    assert "end" not in removed.zone_index
    assert removed.stands[:, removed.sku_index["CRISPS"]].sum() == 1
    assert removed.grid.n_cells == tiny_store.grid.n_cells + 2


def test_removing_the_only_home_of_goods_is_refused(tiny_store: Store) -> None:
    with pytest.raises(PlanogramError, match="SKU 'BREAD': stands in no zone"):
        tiny_store.remove_fixture("G")


def test_another_planogram_raises_the_versions_of_changed_zones(tiny_store: Store) -> None:
    more = [
        replace(item, facings=item.facings + 1) if item.zone_id == "end" else item
        for item in tiny_store.placements
    ]
    edited = with_placements(tiny_store, more, "more-crisps")
    assert versions(edited) == {"door": 1, "south": 1, "north": 1, "cold": 1, "end": 2}
    assert with_placements(tiny_store, tiny_store.placements, "same").content_hash == tiny_store.content_hash


def test_an_endcap_of_the_supermarket_can_be_swapped() -> None:
    store = bundled_store("supermarket")
    ends = [zone.zone_id for zone in store.zones if zone.zone_type == "endcap"]
    swapped = store.swap(ends[0], ends[-1])
    assert swapped.facings.sum() == store.facings.sum()
    assert (swapped.facings != store.facings).any()
