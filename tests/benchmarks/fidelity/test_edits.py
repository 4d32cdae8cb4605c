import numpy as np
import pytest

from benchmarks.fidelity.edits import KINDS, draw_edits
from benchmarks.fidelity.null_edits import mirror_store, mirror_x, relabel
from layouts import StoreFormat, build_store, bundled_store, draw_recipe, validate_store


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_edits_are_valid_stores_of_the_same_goods_and_another_content(seed):
    rng = np.random.default_rng(seed)
    store = build_store(draw_recipe(rng, tuple(StoreFormat)[seed]), rng)
    edits = draw_edits(store, rng)
    assert len(edits) >= 9
    assert len({edit.name for edit in edits}) == len(edits)
    assert {edit.kind for edit in edits} <= set(KINDS)
    assert sum(edit.kind == "structure" for edit in edits) >= 2
    assert edits[-1].kind == "null"
    for edit in edits:
        validate_store(edit.store)
        assert edit.store.skus == store.skus
        assert edit.store.content_hash != store.content_hash


def test_a_relabelled_store_is_the_same_store():
    store = bundled_store("corner-shop")
    other = relabel(store, np.random.default_rng(1))
    assert {zone.zone_id for zone in other.zones}.isdisjoint(store.zone_index)
    np.testing.assert_array_equal(other.facings, store.facings)
    np.testing.assert_array_equal(other.walks.place_distance_m, store.walks.place_distance_m)


def test_a_mirrored_store_has_the_same_distances_and_twice_mirrored_is_itself():
    store = bundled_store("corner-shop")
    other = mirror_store(store)
    assert mirror_store(other).content_hash == store.content_hash
    rank = [other.zone_index[zone.zone_id] for zone in store.zones]
    np.testing.assert_array_equal(other.facings[rank], store.facings)
    near = np.isclose(other.distance_from_entrance_m[rank], store.distance_from_entrance_m, atol=1.0)
    assert near.all()  # half a cell here and there, as cells begin at the lower left corner
    assert mirror_x(store, np.array([store.floor.bounds[0]]))[0] == store.floor.bounds[2]
