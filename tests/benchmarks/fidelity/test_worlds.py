import numpy as np
import pytest

from benchmarks.fidelity import other_shopper
from benchmarks.fidelity.null_edits import mirror_store
from benchmarks.fidelity.worlds import draw_world
from layouts import ConfigError


@pytest.fixture(scope="module")
def world():
    return draw_world("X", 1, n_observed=60)


@pytest.mark.parametrize("family", ["S", "X"])
def test_a_world_follows_from_its_seed(family, monkeypatch):
    monkeypatch.setattr(other_shopper, "PILOT_SHOPPERS", 100)
    first, again = (draw_world(family, 1, n_observed=60, n_truth=200) for _ in range(2))
    assert first.store.content_hash == again.store.content_hash
    assert [edit.store.content_hash for edit in first.edits] == [
        edit.store.content_hash for edit in again.edits
    ]
    edit = first.edits[1]
    lift = first.true_lift(edit)
    assert lift == again.true_lift(edit)
    assert lift[1] > 0
    assert first.observations.receipts.equals(again.observations.receipts)
    assert draw_world(family, 4).store.content_hash != first.store.content_hash


def test_the_null_edit_changes_nothing(world):
    null = next(edit for edit in world.edits if edit.kind == "null")
    assert world.true_lift(null) == (0.0, 0.0)
    assert world.people.compute_lift(world.store, null.store, 200, 1) == (0.0, 0.0)


def test_mirrored_observations_lie_in_the_mirrored_store(world):
    store, observed = world.mirror()
    x = world.observations.tracks["x"].to_numpy()
    x0, _, x1, _ = world.store.floor.bounds
    assert observed.tracks["x"].to_numpy() == pytest.approx(x0 + x1 - x, abs=0.006)
    assert observed.receipts is world.observations.receipts
    assert store.floor.bounds == pytest.approx(world.store.floor.bounds)


def test_a_mirrored_store_has_mirrored_cells_and_ways(world):
    store, mirrored = world.store, mirror_store(world.store)
    x0, _, x1, _ = store.floor.bounds
    assert (x1 - x0) % 0.5 > 0.1  # a width that cells do not fill
    assert np.array_equal(mirrored.grid.walkable, store.grid.walkable[:, ::-1])
    order = [mirrored.zone_index[zone.zone_id] for zone in store.zones]
    before, after = (np.asarray(s.walks.place_distance_m) for s in (store, mirrored))
    n = store.n_zones
    assert after[np.ix_(order, order)] == pytest.approx(before[:n, :n], abs=1.0)  # which cell, of two as near
    assert np.isclose(after[np.ix_(order, order)], before[:n, :n], atol=1e-3).mean() > 0.9


def test_an_unknown_family_is_refused():
    with pytest.raises(ConfigError, match="family 'Q' is unknown; one of S, X is needed"):
        draw_world("Q", 0)
