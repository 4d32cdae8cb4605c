"""What holds for every baseline that remembers places."""

import json
from dataclasses import replace

import numpy as np
import pytest

from layouts import ModelError, ObservationError
from models import LEAVE, DecisionDraws, ShopperStates, build_reference_model, view_layout
from models.baselines import BASELINES, LSTMPolicy
from models.baselines.places import list_decisions, pack_stops
from models.policies import load_policy
from simulator import Luck, draw_population, plan_itineraries
from simulator.itinerary import check_itineraries
from tests.models.baselines.chains import Crowd, by_chances, draw_journeys
from tests.models.worlds import encode_itineraries, make_journeys, plan

PLACES = ("markov-1", "markov-2", "svm", "lstm", "gravity")
WANDERING = by_chances(
    {
        -1: [0.2, 0.3, 0.3, 0.1, 0.1, 0.0],
        **{z: [0.0 if i == z else 0.175 for i in range(5)] + [0.3] for z in range(5)},
    }
)


def make_policy(name):
    return LSTMPolicy(n_hidden=16, n_epochs=2) if name == "lstm" else BASELINES[name]()


@pytest.fixture(params=PLACES)
def policy(request, tiny_store):
    journeys = draw_journeys(tiny_store, WANDERING, 200)
    return make_policy(request.param).fit(journeys, tiny_store, np.random.default_rng(0))


def test_decisions_are_legal(policy, tiny_view):
    crowd = Crowd(policy, tiny_view, 300).walk()
    on_offer = np.zeros((5, len(tiny_view.store.categories)), dtype=int)
    np.add.at(on_offer.T, tiny_view.store.sku_category, tiny_view.store.stands.T)
    n_bought = 0
    for _, place, decisions in crowd.steps:
        stays = decisions.zone != LEAVE
        assert (decisions.zone[stays] != place[stays]).all()
        assert (decisions.zone < 5).all()
        assert (decisions.lines[stays] <= on_offer[decisions.zone[stays]]).all()
        assert not decisions.lines[~stays].any()
        assert ((decisions.dwell_s >= 5.0) & (decisions.dwell_s <= 60.0)).all()
        n_bought += decisions.lines.sum()
    assert n_bought > 100
    assert len(crowd.steps) > 5


def test_a_shopper_alone_decides_as_among_many(policy, tiny_view):
    together = Crowd(policy, tiny_view, 50).walk()
    for shopper in (0, 17, 49):
        alone = Crowd(policy, tiny_view, 50).walk(rows=np.array([shopper]))
        assert alone.stops_of(shopper) == together.stops_of(shopper)


def test_saved_and_loaded_the_answers_are_the_same(policy, tiny_view, tmp_path):
    policy.save_pretrained(tmp_path)
    loaded = load_policy(tmp_path)
    assert (type(loaded), loaded.kind, loaded.buys) == (type(policy), policy.kind, True)
    before, after = (Crowd(p, tiny_view, 60).walk() for p in (policy, loaded))
    for (_, _, a), (_, _, b) in zip(before.steps, after.steps, strict=True):
        assert np.array_equal(a.zone, b.zone)
        assert np.array_equal(a.lines, b.lines)
        assert np.array_equal(a.dwell_s, b.dwell_s)


def test_a_damaged_folder_is_refused(policy, tmp_path):
    policy.dwells_.quantile_s[0, 0] = np.nan
    policy.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="not finite"):
        load_policy(tmp_path)


def test_places_are_remembered_by_name_and_new_ones_never_visited(policy, tiny_store):
    """North and south trade names: their crowds go with the names. A zone without memory stays empty."""
    names = {"north": "south", "south": "north", "end": "new"}
    zones = tuple(
        replace(zone, zone_id=names.get(zone.zone_id, zone.zone_id), version=zone.version)
        for zone in tiny_store.zones
    )
    placements = tuple(replace(p, zone_id=names.get(p.zone_id, p.zone_id)) for p in tiny_store.placements)
    renamed = replace(tiny_store, zones=zones, placements=placements)

    def count_first_stops(store):
        first = Crowd(policy, view_layout(store), 2000).walk(n_steps=1).steps[0][2].zone
        return {zone.zone_id: int((first == i).sum()) for i, zone in enumerate(store.zones)}

    before, after = count_first_stops(tiny_store), count_first_stops(renamed)
    assert after["new"] == 0
    assert before["end"] > 0
    if policy.kind != "gravity":  # distances are told anew there
        assert after["north"] / after["south"] == pytest.approx(before["north"] / before["south"], rel=0.25)


def test_what_no_longer_stands_there_is_not_taken(policy, tiny_store):
    moved = replace(tiny_store, placements=tuple(p for p in tiny_store.placements if p.zone_id != "cold"))
    dairy = moved.categories.index("dairy")

    def count_taken(store):
        crowd = Crowd(policy, view_layout(store), 200).walk()
        return sum(decisions.lines[:, dairy].sum() for _, _, decisions in crowd.steps)

    assert count_taken(tiny_store) > 0
    assert count_taken(moved) == 0


def test_where_no_place_is_known_everybody_leaves(policy, tiny_store):
    zones = tuple(replace(zone, zone_id=f"x-{zone.zone_id}") for zone in tiny_store.zones)
    placements = tuple(replace(p, zone_id=f"x-{p.zone_id}") for p in tiny_store.placements)
    strange = view_layout(replace(tiny_store, zones=zones, placements=placements))
    assert (Crowd(policy, strange, 20).walk().steps[0][2].zone == LEAVE).all()


def test_one_journey_is_enough_and_none_is_not(tiny_store, tiny_view):
    one, none = (make_journeys([stops], []) for stops in ([1, 2], [-1, -1]))
    for name in PLACES:
        fitted = make_policy(name).fit(one, tiny_store, np.random.default_rng(0))
        assert Crowd(fitted, tiny_view, 5).walk().steps
        with pytest.raises(ObservationError, match=name):
            make_policy(name).fit(none, tiny_store, np.random.default_rng(0))


def test_without_luck_for_purchases_one_clear_error(policy, tiny_view):
    states = ShopperStates(
        attributes=policy.encode_attributes({"mission": np.array(["quick"])}),
        place=np.array([tiny_view.entrance]),
        n_wanted_here=np.zeros((1, 5), int),
        n_wanted=np.zeros(1, int),
        n_visits=np.zeros((1, 5), int),
        last_dwell_s=np.zeros(1),
        n_stops=0,
    )
    with pytest.raises(ModelError, match="lines"):
        policy.decide(
            states, tiny_view, DecisionDraws(next_zone=np.full((1, 6), 0.5), dwell=np.full((1, 5), 0.5))
        )


def test_stops_are_packed_without_gaps_and_repeats():
    packed = pack_stops(np.array([[-1, 3, 3, -1, 3, 4], [1, -1, 2, 1, -1, -1]]))
    assert packed.tolist() == [[3, 4, -1, -1, -1, -1], [1, 2, 1, -1, -1, -1]]


def test_decisions_of_a_journey_by_hand():
    table = list_decisions(make_journeys([[4, 2], [1, -1]], []), 5, n_remembered=2)
    assert table.journey.tolist() == [0, 0, 0, 1, 1]
    assert table.step.tolist() == [0, 1, 2, 0, 1]
    assert table.before.tolist() == [[-1, -1], [4, -1], [2, 4], [-1, -1], [1, -1]]
    assert table.target.tolist() == [4, 2, 5, 1, 5]


@pytest.mark.parametrize("name", PLACES)
def test_a_folder_that_does_not_fit_its_places_is_refused(name, tiny_store, tmp_path):
    fitted = make_policy(name).fit(
        draw_journeys(tiny_store, WANDERING, 40), tiny_store, np.random.default_rng(0)
    )
    fitted.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["zone_ids"] = config["zone_ids"][:-1]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="shape"):
        load_policy(tmp_path)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_lives_a_day_in_the_simulator(name, corner_shop):
    """Trained on what the reference shoppers did; its itineraries can happen, and do it again the same."""
    rng = np.random.default_rng(0)
    town = build_reference_model(corner_shop, rng, n_baskets=300)
    luck = Luck(0, 0)
    _, baskets = draw_population(town, corner_shop, 300, luck)
    seen = encode_itineraries(plan_itineraries(town, corner_shop, baskets, 300, luck), baskets.attributes)
    model = replace(town, policy=make_policy(name).fit(seen, corner_shop, rng))
    plans = [plan(model, corner_shop, 200) for _ in range(2)]
    check_itineraries(plans[0], corner_shop)
    assert plans[0].n_picks > 100
    assert np.array_equal(plans[0].stop_zone, plans[1].stop_zone)
    assert np.array_equal(plans[0].pick_sku, plans[1].pick_sku)
