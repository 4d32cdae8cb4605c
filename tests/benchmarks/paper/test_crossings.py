import numpy as np
import pandas as pd
import pytest

from benchmarks.paper.crossings import count_blocked_lines, place_stops, tabulate_crossings, thin_positions
from models import view_layout


def positions(*walks):
    """A table of walks, each a list of (x, y) a second apart."""
    rows = [(f"s{session}", float(t), *xy) for session, walk in enumerate(walks) for t, xy in enumerate(walk)]
    return pd.DataFrame(rows, columns=["session_id", "t_s", "x", "y"])


# in the tiny store: the gondola stands at x 2 to 4, y 2 to 3
ROUND = [(1.0, 1.0), (1.0, 3.5), (3.0, 3.5)]
THROUGH = [(3.0, 1.5), (3.0, 3.5)]
INTO = [(3.0, 1.5), (3.0, 2.5)]


def test_a_walk_round_is_clean_and_one_through_is_not(tiny_store):
    table = tabulate_crossings(
        {"round": positions(ROUND), "through": positions(ROUND, THROUGH), "into": positions(INTO)}, tiny_store
    ).set_index("source")
    assert table.loc["round", ["off_floor_share", "straight_share", "crossing_share"]].tolist() == [0, 0, 0]
    assert table.loc["through", "straight_share"] == pytest.approx(1 / 3)
    assert table.loc["through", "crossing_share"] == pytest.approx(1 / 3)
    assert table.loc["through", "off_floor_share"] == 0
    assert table.loc["into", "off_floor_share"] == 0.5
    assert table["n_moves"].tolist() == [2, 3, 1]


def test_a_cut_corner_touches_but_does_not_cross(tiny_store):
    corner = positions([(1.75, 2.5), (2.5, 1.75)])
    table = tabulate_crossings({"corner": corner}, tiny_store)
    assert table["straight_share"].item() == 1.0
    assert table["crossing_share"].item() == 0.0


def test_lines_join_positions_of_one_session_only(tiny_store):
    assert count_blocked_lines(positions([THROUGH[0]], [THROUGH[1]]), tiny_store) == 0
    assert count_blocked_lines(positions(THROUGH * 3), tiny_store) == 5  # there and back again


def test_the_order_of_the_rows_does_not_matter(tiny_store):
    table = positions(ROUND, THROUGH, INTO)
    mixed = table.sample(frac=1.0, random_state=0)
    assert tabulate_crossings({"a": table}, tiny_store).equals(tabulate_crossings({"a": mixed}, tiny_store))


def test_thinning_keeps_the_first_of_each_interval():
    table = pd.DataFrame(
        {"session_id": ["a"] * 4 + ["b"] * 2, "t_s": [3.0, 5.0, 8.0, 12.9, 0.0, 4.9], "x": 0.0, "y": 0.0}
    )
    assert thin_positions(table, 5.0)["t_s"].tolist() == [3.0, 8.0, 0.0]


def test_stops_become_a_way_from_door_to_till(tiny_store):
    view, zone = view_layout(tiny_store), tiny_store.zone_index
    stops = np.array([[zone["south"], zone["cold"]], [zone["end"], -1]])
    table = place_stops(stops, view)
    assert table.groupby("session_id").size().tolist() == [4, 3]
    first = table[table["session_id"] == "0"][["x", "y"]].to_numpy()
    cells = tiny_store.walks.grid.nearest(first)
    expected = tiny_store.walks.place_cell[[view.entrance, *stops[0], view.nearest_checkout[zone["cold"]]]]
    assert cells.tolist() == expected.tolist()


def test_the_simulated_way_is_clean_where_the_raw_one_is_not(corner_shop_days):
    """Stops joined by straight lines run through shelves; the same stops walked by the simulator never do."""
    store, raw, tracks = corner_shop_days
    table = tabulate_crossings({"raw": raw, "simulated": tracks}, store).set_index("source")
    assert table.loc["raw", "straight_share"] > 0.2
    assert table.loc["simulated", ["off_floor_share", "crossing_share"]].tolist() == [0, 0]
    thinned = tabulate_crossings({"simulated": tracks}, store, interval_s=5.0)
    assert 0.15 < thinned["n_positions"].item() / table.loc["simulated", "n_positions"] < 0.35


@pytest.fixture(scope="module")
def corner_shop_days():
    from layouts import bundled_store
    from models import build_reference_model
    from scenarios.monte_carlo import RunConfig, simulate_replication

    store = bundled_store("corner-shop")
    model = build_reference_model(store, np.random.default_rng(0), n_baskets=100)
    days = simulate_replication(
        store, model, 0, RunConfig(n_shoppers=30, n_replications=1, seed=0, tracks="all")
    )
    zone = np.random.default_rng(0).integers(0, store.n_zones, (40, 5))
    return store, place_stops(zone, view_layout(store)), days.tracks
