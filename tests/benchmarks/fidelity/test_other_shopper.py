from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fidelity import other_shopper
from benchmarks.fidelity.null_edits import relabel
from benchmarks.fidelity.other_shopper import compare_profit, draw_town, observe_town, shop, true_lift
from layouts import ConfigError, bundled_store, with_placements
from simulator import check_itineraries


@pytest.fixture(scope="module")
def store():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def town(store):
    return draw_town(store, np.random.default_rng(4))


@pytest.fixture(scope="module")
def trips(town, store):
    return shop(town, store, 600, 1)


def test_trips_can_happen_and_every_shopper_has_a_way_out(trips, store):
    plans = trips.itineraries
    check_itineraries(plans, store)
    assert len(plans.way_offsets) == plans.n_stops + 600 + 1
    assert plans.way_offsets[-1] == len(plans.way_cells)


def test_the_same_seed_is_the_same_trips_in_lots_of_any_size(town, store, trips, monkeypatch):
    monkeypatch.setattr(other_shopper, "LOT", 170)
    again = shop(town, store, 600, 1).itineraries
    for name in ("stop_shopper", "stop_zone", "stop_dwell_s", "pick_sku", "pick_planned", "way_cells"):
        np.testing.assert_array_equal(getattr(again, name), getattr(trips.itineraries, name))


def test_unplanned_share_is_about_as_drawn(town, store):
    planned = shop(town, store, 3000, 8).itineraries.pick_planned
    # the pilot's 700 shoppers buy some 2,000 lines; a step of the bisection is a few points
    assert 1 - planned.mean() == pytest.approx(town.unplanned_share, abs=0.06)


def test_who_is_never_stopped_buys_what_was_on_the_list_or_is_remembered(town, store):
    sober = replace(town, stop_odds=-1e3, forgetting=0.0)
    assert shop(sober, store, 400, 2).itineraries.pick_planned.all()
    forgetful = replace(sober, forgetting=0.3, reminding=1.0)
    unplanned = 1 - shop(forgetful, store, 400, 2).itineraries.pick_planned.mean()
    assert 0.02 < unplanned < 0.4


def test_a_planned_need_is_bought_once_or_missed(town, store):
    sober = replace(town, stop_odds=-1e3, forgetting=0.0, variety=0.0)
    plans = shop(sober, store, 400, 2).itineraries
    line = plans.pick_shopper * 1000 + store.sku_category[plans.pick_sku]
    assert len(np.unique(line)) == len(line)
    patient = replace(sober, time_median_s=np.full(3, 1e6), knowledge=np.ones(3))
    assert shop(patient, store, 400, 2).itineraries.missed.sum() == 0


def test_a_layout_compared_with_itself_or_with_other_names_changes_nothing(town, store):
    relabelled = relabel(store, np.random.default_rng(0))
    assert true_lift(town, store, relabelled, 300, 3) == (0.0, 0.0)


def test_goods_that_nobody_sees_any_more_are_not_bought_on_impulse(town, store):
    racks = {zone.zone_id for zone in store.zones if zone.zone_type in ("checkout", "endcap", "promo")}
    bare = with_placements(store, [p for p in store.placements if p.zone_id not in racks], "no-displays")
    eager = replace(town, display_response=np.full(len(town.categories), 1.0))
    before, after = (shop(eager, layout, 1500, 3).profit for layout in (store, bare))
    lift, se = compare_profit(before, after)
    assert lift < -3 * se
    assert np.corrcoef(before, after)[0, 1] > 0.7  # the same people


def test_another_assortment_is_refused(town):
    with pytest.raises(ConfigError, match="carries other SKUs than the town knows"):
        shop(town, bundled_store("supermarket"), 10, 1)


def test_a_day_of_the_town_is_observed_like_any_other(town, store):
    observed = observe_town(town, store, 150, 5)
    assert 140 < observed.tracks["session_id"].nunique() <= 150
    assert set(observed.sessions["mission"]) <= {"quick", "fill-in", "major", "unknown"}
    assert observed.receipts["margin"].gt(0).all()
    again = observe_town(town, store, 150, 5)
    assert again.receipts.equals(observed.receipts)
    assert again.tracks.equals(observed.tracks)
