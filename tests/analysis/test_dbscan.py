"""Stops found by clustering."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import (
    DbscanConfig,
    JourneyConfig,
    build_journeys,
    clean_tracks,
    detect_clusters,
    plot_cluster_sweep,
    sweep_clusters,
)
from layouts import ConfigError

NARROW = DbscanConfig(eps_m=0.6, eps_s=10.0, min_samples=6)


def find(store, observed, walks, config):
    positions = clean_tracks(observed(walks).tracks, store)
    session = pd.factorize(positions["session_id"])[0].astype("int64")
    xy = positions[["x", "y"]].to_numpy()
    stops = detect_clusters(session, positions["t_s"].to_numpy("int64"), xy, store, config=config)
    return stops, [store.zones[zone].zone_id if zone >= 0 else None for zone in stops.zone]


def test_each_pause_is_a_cluster_in_its_zone(tiny_store, observed, shopping_trip):
    stops, zones = find(tiny_store, observed, {"a": shopping_trip, "b": shopping_trip[:3]}, NARROW)
    assert [zone for zone in zones if zone] == ["south", "end", "north", "south", "end"]
    assert stops.session.tolist() == sorted(stops.session.tolist())
    shelf = stops.zone >= 0
    np.testing.assert_allclose(stops.dwell_s[shelf], [20, 15, 12, 20, 15], atol=3)
    np.testing.assert_allclose(stops.xy[shelf][0], [3.0, 1.5], atol=0.3)


def test_the_radius_of_the_paper_joins_neighbouring_shelves_of_a_small_store(
    tiny_store, observed, shopping_trip
):
    wide = DbscanConfig(eps_m=2.5, eps_s=20.0, min_samples=5)
    assert len(find(tiny_store, observed, {"a": shopping_trip}, wide)[1]) == 1


def test_the_same_place_visited_twice_is_two_stops(tiny_store, observed):
    there_and_back = [(3.0, 1.5, 15.0), (5.5, 1.5, 0.0), (5.5, 4.5, 0.0), (5.5, 1.5, 0.0), (3.0, 1.5, 15.0)]
    _, zones = find(tiny_store, observed, {"a": there_and_back}, NARROW)
    assert zones == ["south", "south"]


def test_nobody_standing_gives_no_stops_and_no_positions_give_none(tiny_store, observed):
    through = [(0.25, 1.5, 0.0), (5.9, 1.5, 0.0)]
    assert find(tiny_store, observed, {"a": through}, NARROW)[1] == []
    empty = np.zeros(0, dtype="int64")
    assert len(detect_clusters(empty, empty, np.zeros((0, 2)), tiny_store).zone) == 0


@pytest.mark.parametrize(("factor", "n_stops"), [(0.85, 0), (1.15, 1)])
def test_the_speed_below_which_walking_is_a_stop_is_as_documented(tiny_store, factor, n_stops):
    config = DbscanConfig(eps_m=2.5, eps_s=30.0, min_samples=9)
    t = np.arange(200)
    xy = np.column_stack([config.speed_mps / factor * t, np.full(200, 0.5)])
    found = detect_clusters(np.zeros(200, dtype="int64"), t, xy, tiny_store, config=config)
    assert len(found.zone) == n_stops


@given(st.floats(0.3, 5), st.floats(3, 60), st.integers(1, 40))
def test_parameters_that_can_find_nothing_are_refused(eps_m, eps_s, min_samples):
    if min_samples > 2 * eps_s:
        with pytest.raises(ConfigError, match="min_samples must be"):
            DbscanConfig(eps_m=eps_m, eps_s=eps_s, min_samples=min_samples)
    else:
        assert DbscanConfig(eps_m=eps_m, eps_s=eps_s, min_samples=min_samples).speed_mps >= 0


def test_journeys_are_built_from_clusters_as_from_other_stops(tiny_store, observed, shopping_trip):
    lines = [("s", "BREAD"), ("s", "JAM")]
    journeys = build_journeys(observed({"s": shopping_trip}, lines), tiny_store, JourneyConfig(stops=NARROW))
    assert journeys.visits["zone_id"].tolist() == ["south", "end", "north"]
    assert journeys.picks[["sku_id", "zone_id"]].to_numpy().tolist() == [["BREAD", "south"], ["JAM", "north"]]


def test_the_sweep_counts_what_stops_explain(tiny_store, observed, shopping_trip):
    lines = [("s", "BREAD"), ("s", "JAM"), ("s", "MILK")]  # no stop at the milk
    observations = observed({"s": shopping_trip}, lines)
    positions = clean_tracks(observations.tracks, tiny_store)
    sweep = sweep_clusters(
        positions,
        observations,
        tiny_store,
        eps_m=(0.6, 2.5),
        min_samples=(6, 500),
        config=NARROW,
    )
    assert sweep["method"].tolist() == ["dbscan", "dbscan", "hmm", "hmm_with_receipts"]  # 500 is out of reach
    narrow, wide = sweep.iloc[0], sweep.iloc[1]
    assert (narrow["recall"], narrow["zones_per_session"]) == (pytest.approx(2 / 3), 3)
    assert narrow["precision"] == pytest.approx(2 / 3)
    assert wide["recall"] < narrow["recall"]
    assert sweep["stopped_share"].between(0, 1.01).all()


def test_the_figure_has_a_line_per_radius_and_a_point_per_other_method():
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sweep = pd.DataFrame(
        {
            "method": ["dbscan"] * 4 + ["hmm"],
            "eps_m": [0.5, 0.5, 2.5, 2.5, np.nan],
            "min_samples": [5, 10, 5, 10, np.nan],
            "zones_per_session": [9.0, 7, 4, 3, 9.5],
            "recall": [0.9, 0.8, 0.5, 0.4, 0.97],
        }
    )
    ax = plot_cluster_sweep(sweep)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["DBSCAN, 0.5 m", "DBSCAN, 2.5 m", "HMM"]
    assert ax.lines[0].get_ydata().tolist() == [0.9, 0.8]
    plt.close("all")
