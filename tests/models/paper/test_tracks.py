"""Cleaned positions become cells that can be walked."""

import numpy as np
import pandas as pd
import pytest

from layouts import bundled_store
from models.paper import trace_cells
from models.paper.reach import find_homes
from models.paper.tracks import NearDistances, Paths, find_near_cells
from tests.models.paper.trips import WAY, make_positions


def test_every_second_has_a_cell_across_gaps(tiny_store):
    positions = make_positions({"a": WAY, "b": WAY[:2]})
    full = trace_cells(positions, tiny_store)
    assert (full.n_jumps, full.n_filled) == (0, 0)
    holed = trace_cells(positions[~positions["t_s"].isin([6, 7, 8])], tiny_store)
    assert holed.n_filled == 6
    assert len(holed.cell) == len(full.cell)
    assert holed.session_ids.tolist() == ["a", "b"]
    apart = np.hypot(*(tiny_store.grid.xy[holed.cell] - tiny_store.grid.xy[full.cell]).T)
    assert apart.max() <= 1.0


def test_a_position_across_the_shelf_is_no_way_round_it(tiny_store):
    positions = make_positions({"a": [(3.25, 1.75, 20)]})
    positions.loc[positions["t_s"] == 8, ["x", "y"]] = 3.25, 3.25  # 1.5 m as the crow flies, but not on foot
    tracks = trace_cells(positions, tiny_store)
    assert tracks.n_jumps == 1
    assert len(set(tracks.cell.tolist())) == 1


def test_somebody_who_really_went_there_is_believed_in_the_end(tiny_store):
    positions = make_positions({"a": [(3.25, 1.75, 20)]})
    positions.loc[positions["t_s"] >= 8, ["x", "y"]] = 3.25, 3.25
    cells = trace_cells(positions, tiny_store).cell
    assert tiny_store.grid.xy[cells[-1]].tolist() == [3.25, 3.25]
    steps_m = np.hypot(*np.diff(tiny_store.grid.xy[cells], axis=0).T)
    assert steps_m.max() < 3.0


def test_positions_in_shelves_go_to_the_nearest_cell(tiny_store):
    positions = pd.DataFrame({"session_id": ["a"], "t_s": [0], "x": [3.25], "y": [2.1]})
    assert tiny_store.grid.xy[trace_cells(positions, tiny_store).cell].tolist() == [[3.25, 1.75]]


def test_near_distances_are_those_of_the_walk_graph():
    store = bundled_store("corner-shop")
    rng = np.random.default_rng(3)
    pairs = rng.integers(0, store.grid.n_cells, (2, 300))
    exact = np.array([store.walks.distance_m(a, b) for a, b in pairs.T])
    found = NearDistances(store.grid, 4.0).measure(*pairs)
    np.testing.assert_allclose(found[exact <= 4.0], exact[exact <= 4.0], atol=1e-5)
    assert np.isinf(found[exact > 4.001]).all()
    near = find_near_cells(store.grid, 4.0)
    assert (near.diagonal() == 0).all()
    assert near.nnz == len(near.indices) == len(near.data)  # zeros are stored


def test_a_way_is_spread_evenly(tiny_store):
    paths = Paths(tiny_store)
    source, target = tiny_store.grid.cell_at(np.array([[0.25, 1.25], [3.25, 1.25]]))
    cells = paths.spread(source, target, 3)
    assert tiny_store.grid.xy[cells].tolist() == [[1.25, 1.25], [2.25, 1.25], [3.25, 1.25]]
    assert paths.spread(source, source, 2).tolist() == [source, source]


@pytest.mark.parametrize(
    ("place", "category", "zone"),
    [
        ((3.25, 1.25), "bakery", "south"),
        ((3.25, 3.25), "snacks", "north"),
        ((5.25, 2.75), "snacks", "end"),
        ((3.25, 3.75), "dairy", "cold"),  # the next zone over
        ((3.25, 1.25), "snacks", None),  # behind the shelf: near, but not on foot
        ((0.25, 0.25), "bakery", None),
    ],
)
def test_a_category_is_taken_in_the_nearest_zone_in_reach(tiny_store, place, category, zone):
    cell = tiny_store.grid.cell_at(np.array([place]))[0]
    home = find_homes(tiny_store, 1.5)[cell, tiny_store.categories.index(category)]
    assert (tiny_store.zones[home].zone_id if home >= 0 else None) == zone
