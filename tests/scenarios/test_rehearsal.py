from dataclasses import replace

import numpy as np
import pytest

from analysis import jensen_shannon_divergence
from layouts import bundled_store
from models import LayoutPolicy
from models.baselines import BASELINES
from models.habits import Habits, describe_places
from scenarios import rehearsal
from scenarios.rehearsal import count_stops, rehearse, without_impulses
from simulator import Luck
from tests.models.worlds import CODER, make_model, make_willing_network, plan

N_SHUNNED = 3  # zones


@pytest.fixture(scope="module", autouse=True)
def few_shoppers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal, "N_SHOPPERS", 4000)
        yield


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def model(shop):
    """Willing to go anywhere; observed people went to some places half as often as it would."""
    model = make_model(shop)
    plain = replace(model, conversion=without_impulses(model.conversion))
    n_stops, n_visits = count_stops(plain, shop, Luck(7))
    n_stops[np.argsort(-n_stops)[:N_SHUNNED]] //= 2
    xy, sku_ids = describe_places(shop)
    habits = Habits(xy, sku_ids, np.zeros(shop.n_zones), 0.0, n_stops=n_stops, n_visits=n_visits)
    return replace(model, policy=LayoutPolicy(make_willing_network(), CODER, habits))


def measure(model, shop):
    habits = model.policy.habits
    plain = replace(model, conversion=without_impulses(model.conversion))
    n_stops, n_visits = count_stops(plain, shop, Luck(8))
    return (
        jensen_shannon_divergence(habits.n_stops, n_stops),
        habits.n_stops.sum() / habits.n_visits,
        n_stops.sum() / n_visits,
    )


def test_people_stop_where_observed_ones_did_after_rehearsing(model, shop):
    rehearsed = rehearse(model, shop, seed=1)
    before, observed, lived_before = measure(model, shop)
    after, _, lived = measure(rehearsed, shop)
    assert after < 0.2 * before
    assert abs(lived - observed) < 0.7 * abs(lived_before - observed)
    assert rehearsed.needs is model.needs
    assert rehearsed.conversion is model.conversion


def test_the_same_seed_gives_the_same_habits(model, shop):
    first, second = (rehearse(model, shop, seed=2).policy.habits.to_dict() for _ in range(2))
    assert first == second


def test_without_impulses_every_purchase_was_planned(model, shop):
    plans = plan(replace(model, conversion=without_impulses(model.conversion)), shop, 300)
    assert plans.n_picks
    assert plans.pick_planned.all()


def test_who_has_no_habits_does_not_rehearse(model, shop):
    other = replace(model, policy=BASELINES["nearest"]())
    assert rehearse(other, shop) is other
    untaught = replace(model, policy=LayoutPolicy(make_willing_network(), CODER))
    assert rehearse(untaught, shop) is untaught
