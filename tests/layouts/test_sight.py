import numpy as np
import pytest

from layouts import BUNDLED_STORES, Store, bundled_store, compute_leg_views, compute_sight


def see(store: Store, x: float, y: float, zone_id: str) -> float:
    cell = store.grid.cell_at(np.array([[x, y]]))[0]
    assert cell >= 0
    return float(compute_sight(store)[cell, store.zone_index[zone_id]])


def test_sight_fades_over_two_and_a_half_metres(tiny_store: Store) -> None:
    assert see(tiny_store, 3.25, 1.25, "south") == 1.0
    assert see(tiny_store, 3.25, 0.75, "south") == pytest.approx(1 - 0.25 / 2.5)
    assert see(tiny_store, 0.75, 1.75, "south") == pytest.approx(1 - 1.25 / 2.5)
    assert see(tiny_store, 0.25, 4.25, "south") == 0.0  # farther than 2.5 m


def test_nothing_is_seen_through_a_gondola(tiny_store: Store) -> None:
    assert see(tiny_store, 3.25, 1.75, "north") == 0.0
    assert see(tiny_store, 3.25, 3.25, "south") == 0.0
    assert see(tiny_store, 3.25, 3.25, "cold") == pytest.approx(1 - 0.75 / 2.5)  # across the aisle


def test_sight_is_one_in_each_zone_and_never_out_of_bounds() -> None:
    for name in BUNDLED_STORES:
        store = bundled_store(name)
        assert store.sight.dtype == np.float32
        assert store.sight.shape == (store.grid.n_cells, store.n_zones)
        assert store.sight.min() >= 0
        assert store.sight.max() <= 1
        for zone, cells in enumerate(store.walks.zone_cells):
            assert (store.sight[cells, zone] == 1).all()


def test_leg_views_add_up_along_the_path(tiny_store: Store) -> None:
    walks, sight = tiny_store.walks, tiny_store.sight
    views = compute_leg_views(tiny_store)
    assert views.shape == (walks.n_places, walks.n_places, tiny_store.n_zones)
    for source in range(walks.n_places):
        for target in range(walks.n_places):
            path = walks.path(walks.place_cell[source], walks.place_cell[target])
            step_m = np.linalg.norm(np.diff(tiny_store.grid.xy[path], axis=0), axis=1)
            seen = (step_m[:, None] * (sight[path[:-1]] + sight[path[1:]]) / 2).sum(axis=0)
            np.testing.assert_allclose(views[source, target], seen, atol=1e-5)
