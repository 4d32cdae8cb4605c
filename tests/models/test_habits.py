from dataclasses import replace

import numpy as np
import pytest
import torch

from layouts import Store, swap_contents, with_placements
from models import build_reference_model, view_layout
from models.habits import Habits, describe_places, fit_habits
from models.policy_training import NOTHING_DROPPED, TrainingStore, make_batch, weigh_choices
from tests.models.worlds import CODER, encode_itineraries, make_network, plan


@pytest.fixture(scope="module")
def training(corner_shop):
    """Four hundred journeys of the reference shopper, everything that was taken being planned."""
    plans = plan(build_reference_model(corner_shop, np.random.default_rng(0)), corner_shop, 400, seed=3)
    mission = {"mission": np.where(np.arange(400) % 2, "quick", "major").astype(object)}
    return TrainingStore(
        view=view_layout(corner_shop),
        journeys=encode_itineraries(plans, mission),
        planned_share=np.ones((400, len(corner_shop.categories))),
        attributes=CODER.encode(mission),
    )


def count_choices(network, training, weights):
    """How often each zone, and leaving, is chosen, and how often it is expected."""
    batch = make_batch(training, np.arange(400), rng=np.random.default_rng(0), config=NOTHING_DROPPED)
    choices = weigh_choices(network, batch, training.view)
    expected = (choices.logits.detach() + torch.from_numpy(weights)).softmax(1).sum(0).numpy()
    return np.bincount(choices.target.numpy(), minlength=len(expected)), expected


def test_with_habits_every_place_is_chosen_about_as_often_as_it_was(training, corner_shop):
    network = make_network(n_layer=2)
    habits = fit_habits(network, training, rng=np.random.default_rng(0))
    chosen, before = count_choices(network, training, np.zeros(corner_shop.n_zones + 1, dtype=np.float32))
    _, after = count_choices(network, training, habits.weigh(corner_shop))
    assert np.abs(after - chosen).sum() < 0.35 * np.abs(before - chosen).sum()
    n_chosen = chosen[:-1]
    assert np.average(habits.weight, weights=n_chosen) == pytest.approx(0.0, abs=1e-5)


def test_the_same_journeys_give_the_same_habits(training):
    network = make_network(n_layer=2)
    first, second = (fit_habits(network, training, rng=np.random.default_rng(4)) for _ in range(2))
    assert first.to_dict() == second.to_dict()


@pytest.fixture
def habits(corner_shop):
    xy, sku_ids = describe_places(corner_shop)
    return Habits(xy, sku_ids, np.ones(len(xy)), 0.25, n_stops=np.full(len(xy), 200), n_visits=500)


def stocked(store: Store) -> list[int]:
    return np.flatnonzero(store.stands.any(axis=1)).tolist()


def test_habits_hold_where_nothing_has_changed_whatever_the_names(habits, corner_shop):
    renamed = {zone.zone_id: f"new-{zone.zone_id}" for zone in corner_shop.zones}
    zones = tuple(replace(zone, zone_id=renamed[zone.zone_id]) for zone in reversed(corner_shop.zones))
    placements = [replace(item, zone_id=renamed[item.zone_id]) for item in corner_shop.placements]
    other = replace(corner_shop, zones=zones, placements=tuple(placements))
    assert habits.weigh(other)[:-1].tolist() == habits.weigh(corner_shop)[:-1].tolist()[::-1]
    assert habits.weigh(corner_shop)[:-1].tolist() == [1.0] * corner_shop.n_zones
    assert habits.weigh(corner_shop)[-1] == 0.25


def test_other_goods_or_another_place_end_a_habit(habits, corner_shop):
    first, second = (corner_shop.zones[zone].zone_id for zone in stocked(corner_shop)[:2])
    swapped = habits.weigh(swap_contents(corner_shop, first, second))
    at = [corner_shop.zone_index[name] for name in (first, second)]
    assert swapped[at].tolist() == [0.0, 0.0]
    assert np.delete(swapped, at).tolist() == np.delete(habits.weigh(corner_shop), at).tolist()
    elsewhere = replace(habits, xy=habits.xy + 100.0)
    assert not elsewhere.weigh(corner_shop)[:-1].any()


def test_a_habit_fades_with_the_goods_that_are_gone(habits, corner_shop):
    zone = corner_shop.zones[stocked(corner_shop)[0]].zone_id
    goods = [item for item in corner_shop.placements if item.zone_id == zone]
    kept = [item for item in corner_shop.placements if item is not goods[0]]
    less = with_placements(corner_shop, kept, "less")
    assert habits.weigh(less)[less.zone_index[zone]] == pytest.approx(1 - 1 / len(goods))


def test_a_place_where_too_few_stop_gains_and_one_as_observed_stays(habits):
    unweighted = replace(habits, weight=np.zeros(len(habits.xy)), leaving=0.0)
    lived = habits.n_stops.copy()
    lived[0], lived[1] = 100, 300
    revised = unweighted.revise(lived, 500)
    assert revised.weight[0] > 0.5
    assert revised.weight[1] < -0.25
    assert not revised.weight[2:].any()
    assert revised.leaving == 0.0


def test_who_leaves_too_late_leaves_more_readily(habits):
    """Twice the stops of observed visits, in the same proportions."""
    revised = replace(habits, leaving=0.0).revise(2 * habits.n_stops, 500)
    assert revised.leaving > 0.5


def test_few_visits_hardly_move_a_weight(habits):
    seldom = replace(habits, weight=np.zeros(len(habits.xy)), n_stops=habits.n_stops // 100, n_visits=5)
    lived = habits.n_stops.copy()
    lived[0] = 100
    assert 0 < seldom.revise(lived, 500).weight[0] < 0.15


@pytest.mark.parametrize("n_lived", [0, 3])
def test_nothing_to_compare_leaves_habits_as_they_are(habits, n_lived):
    nobody = replace(habits, n_stops=np.zeros(len(habits.xy), dtype=np.int64), n_visits=0)
    assert nobody.revise(np.full(len(habits.xy), n_lived), 1) is nobody
    assert habits.revise(np.zeros(len(habits.xy), dtype=np.int64), 1) is habits


def test_habits_are_kept_as_they_are(habits):
    again = Habits.from_dict(habits.to_dict())
    assert again.to_dict() == habits.to_dict()
