import networkx as nx
import numpy as np
import pytest
import shapely

from layouts import BUNDLED_STORES, Store, StoreFormat, build_store, bundled_store, draw_recipe


def make_stores() -> list[Store]:
    drawn = []
    for seed, kind in enumerate(StoreFormat):
        rng = np.random.default_rng(seed)
        drawn.append(build_store(draw_recipe(rng, kind), rng))
    return [*(bundled_store(name) for name in BUNDLED_STORES), *drawn]


@pytest.fixture(scope="module", params=range(6))
def store(request: pytest.FixtureRequest) -> Store:
    return make_stores()[request.param]


def test_no_step_touches_a_fixture_or_leaves_the_floor(store: Store) -> None:
    steps = store.grid.lattice.steps.tocoo()
    lines = shapely.linestrings(np.stack([store.grid.xy[steps.row], store.grid.xy[steps.col]], axis=1))
    assert len(lines) > store.grid.n_cells
    assert shapely.covers(store.floor, lines).all()
    assert shapely.distance(store.blocked, lines).min() > 0
    np.testing.assert_allclose(steps.data, shapely.length(lines))
    assert shapely.length(lines).max() < 0.71


@pytest.mark.parametrize("name", ["path", "walked_path"])
def test_paths_between_all_places_are_made_of_steps_and_shortest(store: Store, name: str) -> None:
    walks = store.walks
    steps = store.grid.lattice.steps.toarray()
    for target in walks.place_cell:
        for source in walks.place_cell[:: max(1, walks.n_places // 8)]:
            path = getattr(walks, name)(source, target)
            assert (path[0], path[-1]) == (source, target)
            metres = steps[path[:-1], path[1:]]
            assert (metres > 0).all()
            assert metres.sum() == pytest.approx(walks.distance_m(source, target), rel=1e-5)


def test_ways_to_the_cells_of_a_zone_are_spread_and_keep_off_the_shelves() -> None:
    store = bundled_store("supermarket")
    walks = store.walks
    beside = np.diff(store.grid.lattice.steps.indptr) < 8
    door = int(walks.place_cell[walks.entrance_places.start])
    targets = np.concatenate(walks.zone_cells)
    walked, plain = (
        np.bincount(np.concatenate([path(door, target) for target in targets]), minlength=len(beside))
        for path in (walks.walked_path, walks.path)
    )
    assert walked @ beside / walked.sum() < 0.8 * (plain @ beside / plain.sum())
    n_even = [counts.sum() ** 2 / (counts**2).sum() for counts in (walked, plain)]
    assert n_even[0] > 1.2 * n_even[1]


def test_people_at_doors_tills_and_exits_are_seen_there_and_step_over_the_floor(store: Store) -> None:
    walks, steps = store.walks, store.grid.lattice.steps.tocoo()
    moved = np.flatnonzero((walks.seen_xy != store.grid.xy).any(axis=1))
    points = np.array([place.xy for place in (*store.entrances, *store.checkouts, *store.exits)])
    assert all((points == walks.seen_xy[cell]).all(axis=1).any() for cell in moved)
    lines = shapely.linestrings(np.stack([walks.seen_xy[steps.row], walks.seen_xy[steps.col]], axis=1))
    assert shapely.covers(store.floor, lines).all()
    assert shapely.distance(store.blocked, lines).min() > 0


def test_every_place_can_be_reached_from_every_other(store: Store) -> None:
    distance_m = store.walks.place_distance_m
    assert np.isfinite(distance_m).all()
    np.testing.assert_array_equal(distance_m, distance_m.T)
    assert np.diagonal(distance_m).max() == 0
    through = (distance_m[:, :, None] + distance_m[None, :, :]).min(axis=1)
    assert (distance_m <= through + 1e-3).all()


def test_distances_agree_with_networkx(tiny_store: Store) -> None:
    walks = tiny_store.walks
    target = int(walks.place_cell[2])
    known = nx.single_source_dijkstra_path_length(walks.graph, target)
    np.testing.assert_allclose(walks.distances_to(target), [known[c] for c in range(len(known))], rtol=1e-6)


def test_way_round_the_gondola_by_hand(tiny_store: Store) -> None:
    grid, walks = tiny_store.grid, tiny_store.walks
    below, above = grid.cell_at(np.array([[2.25, 1.75], [2.25, 3.25]]))
    # round the left end: one step left, three up, one right; corners may not be cut
    assert walks.distance_m(below, above) == pytest.approx(0.5 + 1.5 + 0.5)
    assert len(walks.path(below, above)) == 6
    beside = grid.cell_at(np.array([[1.75, 1.75]]))[0]
    assert not walks.graph.has_edge(below, grid.cell_at(np.array([[1.75, 2.25]]))[0])
    assert walks.graph.has_edge(below, beside)


def test_places_are_zones_then_doors_and_tills(tiny_store: Store) -> None:
    walks = tiny_store.walks
    assert walks.n_places == 5 + 1 + 1 + 1
    xy = tiny_store.grid.xy[walks.place_cell]
    assert xy[walks.entrance_places].tolist() == [[0.25, 0.25]]
    assert xy[walks.checkout_places].tolist() == [[4.75, 0.75]]
    assert xy[walks.exit_places].tolist() == [[5.75, 0.25]]
    for index, zone in enumerate(tiny_store.zones):
        assert zone.polygon.contains(shapely.Point(xy[index]))
        assert walks.zone_cells[index][0] == walks.place_cell[index]


def test_a_thin_zone_is_shopped_from_the_nearest_cell(tiny_store: Store) -> None:
    from dataclasses import replace

    thin = [
        replace(z, polygon=shapely.box(2, 1.9, 4, 2)) if z.zone_id == "south" else z for z in tiny_store.zones
    ]
    store = replace(tiny_store, zones=tuple(thin))
    cell = store.walks.place_cell[store.zone_index["south"]]
    assert store.grid.xy[cell][1] == 1.75
