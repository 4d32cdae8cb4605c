import numpy as np
import shapely

from layouts import BUNDLED_STORES, Store, bundled_store


def test_tiny_store_cells_are_the_free_half_metres(tiny_store: Store) -> None:
    # 12 x 10 cells less gondola and endcap (5 x 2) less cooler (8 x 1)
    assert tiny_store.grid.shape == (10, 12)
    assert tiny_store.grid.n_cells == 120 - 10 - 8
    assert tiny_store.grid.walkable[9].tolist() == [False] * 8 + [True] * 4


def test_cell_at_and_nearest_agree_inside_cells(tiny_store: Store) -> None:
    grid = tiny_store.grid
    inside = grid.xy + np.array([0.2, -0.2])
    np.testing.assert_array_equal(grid.cell_at(inside), np.arange(grid.n_cells))
    np.testing.assert_array_equal(grid.nearest(inside), np.arange(grid.n_cells))
    outside = np.array([[3.0, 2.5], [-0.1, 1.0], [6.1, 1.0], [1.0, 99.0]])  # in the gondola, off the floor
    assert grid.cell_at(outside).tolist() == [-1] * 4
    assert grid.xy[grid.nearest(np.array([[-3.0, 0.2]]))].tolist() == [[0.25, 0.25]]


def test_zone_of_a_cell_holds_its_centre(tiny_store: Store) -> None:
    grid = tiny_store.grid
    for index, zone in enumerate(tiny_store.zones):
        inside = shapely.contains_xy(zone.polygon, *grid.xy.T)
        np.testing.assert_array_equal(grid.zone == index, inside)


def test_cells_behind_a_wall_are_not_walkable(tiny_store: Store) -> None:
    from dataclasses import replace

    wall = shapely.box(5.0, 3.0, 5.1, 5.0), shapely.box(5.0, 3.0, 6.0, 3.1)
    walled = replace(tiny_store, obstacles=wall)
    assert walled.grid.cell_at(np.array([[5.75, 4.25], [4.25, 4.25]])).tolist()[0] == -1
    assert walled.grid.cell_at(np.array([[4.25, 4.25]]))[0] >= 0


def test_centres_keep_their_distance_in_bundled_stores() -> None:
    for name in BUNDLED_STORES:
        store = bundled_store(name)
        points = shapely.points(store.grid.xy)
        assert shapely.distance(store.blocked, points).min() >= 0.05 - 1e-6
        assert shapely.covers(store.floor, points).all()
