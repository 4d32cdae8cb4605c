"""Journeys: who stopped where and took what."""

import numpy as np
import pandas as pd
import pytest

from analysis import JourneyConfig, MeasurementConfig, build_journeys, observe
from layouts import ConfigError
from tests.analysis.conftest import DOOR, EXIT, TILL


def picked_at(journeys):
    return dict(zip(journeys.picks["sku_id"], journeys.picks["zone_id"], strict=True))


def test_a_trip_becomes_its_stops_and_picks(observed, shopping_trip, tiny_store):
    journeys = build_journeys(observed({"s": shopping_trip}, [("s", "BREAD"), ("s", "JAM")]), tiny_store)
    assert journeys.visits["zone_id"].tolist() == ["south", "end", "north"]
    assert journeys.visits["visit"].tolist() == [0, 1, 2]
    np.testing.assert_allclose(journeys.visits["dwell_s"], [20, 15, 12], atol=2)
    assert picked_at(journeys) == {"BREAD": "south", "JAM": "north"}
    assert journeys.picks["visit"].tolist() == [0, 2]


def test_of_two_places_the_stop_that_nothing_else_explains_is_taken(observed, shopping_trip, tiny_store):
    lines = [("s", "JAM"), ("s", "CRISPS")]  # crisps stand at `north`, where the jam was taken, and at `end`
    assert picked_at(build_journeys(observed({"s": shopping_trip}, lines), tiny_store))["CRISPS"] == "end"


def test_of_two_places_only_the_visited_one_counts(observed, tiny_store):
    trip = [DOOR, (4.6, 1.0, 0.0), (5.0, 3.5, 0.0), (3.0, 3.4, 12.0), (5.0, 3.5, 0.0), TILL, EXIT]
    assert picked_at(build_journeys(observed({"s": trip}, [("s", "CRISPS")]), tiny_store)) == {
        "CRISPS": "north"
    }


def test_a_purchase_on_the_way_inserts_a_stop_at_the_closest_approach(observed, tiny_store):
    trip = [DOOR, (3.0, 1.5, 0.0), TILL, EXIT]
    journeys = build_journeys(observed({"s": trip}, [("s", "BREAD")]), tiny_store)
    assert journeys.visits["zone_id"].tolist() == ["south"]
    assert journeys.report["n_lines_that_inserted_a_stop"] == 1
    assert 3 <= journeys.visits["t_s"].iloc[0] <= 10


def test_a_stop_read_as_the_zone_next_to_it_is_corrected_by_the_purchase(observed, tiny_store):
    trip = [DOOR, (1.0, 3.5, 0.0), (2.5, 3.6, 15.0), (1.0, 3.5, 0.0), (1.0, 1.0, 0.0), TILL, EXIT]
    journeys = build_journeys(observed({"s": trip}, [("s", "MILK")]), tiny_store)
    assert journeys.visits["zone_id"].tolist() == ["cold"]
    assert journeys.visits["dwell_s"].iloc[0] == pytest.approx(15, abs=2)


def test_every_line_is_picked_once_and_at_a_visit_where_the_sku_stands(observed, shopping_trip, tiny_store):
    lines = [(s, sku) for s in "ab" for sku in ("BREAD", "CAKE", "JAM", "CRISPS", "MILK")]
    journeys = build_journeys(observed({"a": shopping_trip, "b": shopping_trip[:3]}, lines), tiny_store)
    picks = journeys.picks.merge(journeys.visits, on=["session_id", "visit"], suffixes=("", "_of_visit"))
    assert sorted(zip(picks["session_id"], picks["sku_id"], strict=True)) == sorted(lines)
    assert (picks["zone_id"] == picks["zone_id_of_visit"]).all()
    zone = picks["zone_id"].map(tiny_store.zone_index)
    assert tiny_store.stands[zone, picks["sku_id"].map(tiny_store.sku_index)].all()
    assert (journeys.visits.groupby("session_id")["t_s"].diff().dropna() >= 0).all()


def test_stops_of_one_zone_close_in_time_are_one(observed, tiny_store):
    trip = [DOOR, (2.3, 1.5, 8.0), (3.7, 1.5, 8.0), TILL, EXIT]
    visits = build_journeys(observed({"s": trip}), tiny_store).visits
    assert visits["zone_id"].tolist() == ["south"]
    assert visits["dwell_s"].iloc[0] == pytest.approx(16, abs=3)


def test_sessions_without_receipt_and_receipts_without_session_are_counted(
    observed, shopping_trip, tiny_store
):
    observations = observed({"a": shopping_trip, "b": shopping_trip}, [("a", "BREAD"), ("", "JAM")])
    journeys = build_journeys(observations, tiny_store)
    assert journeys.sessions["has_receipt"].tolist() == [True, False]
    assert journeys.sessions["mission"].tolist() == ["quick", "quick"]
    assert journeys.report["n_receipts_without_session"] == 1
    assert journeys.report["n_sessions_without_receipt"] == 1
    assert journeys.picks["session_id"].tolist() == ["a"]
    assert set(journeys.visits["session_id"]) == {"a", "b"}  # what b bought is unknown, where b was is not


def test_measured_trips_give_nearly_the_true_journeys(observed, shopping_trip, tiny_store):
    walks = {f"s{number:02d}": shopping_trip for number in range(40)}
    truth = observed(walks, [(name, sku) for name in walks for sku in ("CAKE", "JAM")])
    config = MeasurementConfig(truncated_share=0.0, noise_sd_m=0.25)
    seen = observe(truth.tracks, truth.receipts, truth.sessions, tiny_store, np.random.default_rng(5), config)
    journeys = build_journeys(seen, tiny_store)
    sequences = journeys.visits.groupby("session_id")["zone_id"].agg(tuple)
    assert (sequences == ("south", "end", "north")).mean() > 0.8
    assert journeys.report["n_lines_at_a_stop"] > 0.95 * journeys.report["n_lines"]


def test_no_stop_and_no_receipt_at_all(observed, tiny_store):
    journeys = build_journeys(observed({"s": [(0.25, 1.5, 0.0), (5.9, 1.5, 0.0)]}), tiny_store)
    assert journeys.visits.empty
    assert journeys.picks.empty
    assert isinstance(journeys.visits["zone_id"].dtype, pd.StringDtype)


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="at least 1 s"):
        JourneyConfig(min_dwell_s=0)
