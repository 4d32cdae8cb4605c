from dataclasses import replace

import numpy as np
import pytest

from analysis import build_journeys, clean_tracks, jensen_shannon_divergence, observe
from layouts import bundled_store
from models import LayoutPolicy
from models.baselines import BASELINES
from models.habits import Habits, describe_places
from scenarios import rehearsal
from scenarios.monte_carlo import RunConfig, simulate_replication
from scenarios.rehearsal import count_stops, rehearse, without_impulses
from simulator import Luck
from tests.models.worlds import CODER, make_model, make_willing_network, plan

N_SHUNNED = 3  # zones


@pytest.fixture(scope="module", autouse=True)
def few_shoppers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal, "N_SHOPPERS", 4000)
        patch.setattr(rehearsal, "N_MEASURED", 1500)
        yield


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def plain(shop):
    """Willing to go anywhere."""
    return make_model(shop)


@pytest.fixture(scope="module")
def truth(plain, shop):
    """Likewise, but some places are shunned."""
    n_stops, n_visits = count_stops(without_impulses(plain), shop, Luck(7))
    weight = np.zeros(shop.n_zones)
    weight[np.argsort(-n_stops)[:N_SHUNNED]] = -1.5
    return with_habits(plain, shop, weight, n_stops, n_visits)


@pytest.fixture(scope="module")
def observations(truth, shop):
    """What the tracking system saw of people with the habits of `truth`."""
    return watch(truth, shop, seed=11)


@pytest.fixture(scope="module")
def model(plain, truth, shop):
    """Knows how often observed people decided to stop, and not yet which habits that takes."""
    n_stops, n_visits = count_stops(without_impulses(truth), shop, Luck(7))
    return with_habits(plain, shop, np.zeros(shop.n_zones), n_stops, n_visits)


def with_habits(model, shop, weight, n_stops, n_visits):
    xy, sku_ids = describe_places(shop)
    habits = Habits(xy, sku_ids, weight, 0.0, n_stops=n_stops, n_visits=n_visits)
    return replace(model, policy=LayoutPolicy(make_willing_network(), CODER, habits))


def watch(model, shop, seed):
    config = RunConfig(n_shoppers=1500, n_replications=1, seed=seed, tracks="all")
    day = simulate_replication(shop, model, 0, config)
    return observe(day.tracks, day.receipts, day.sessions, shop, np.random.default_rng(seed))


def count_seen(observations, shop):
    journeys = build_journeys(observations, shop, positions=clean_tracks(observations.tracks, shop))
    zone = journeys.visits["zone_id"].astype("str").map(shop.zone_index)
    return np.bincount(zone, minlength=shop.n_zones)


def test_people_are_seen_where_observed_ones_were_after_rehearsing(model, observations, shop):
    rehearsed = rehearse(model, shop, observations, seed=1)
    observed = count_seen(observations, shop)
    before, after = (count_seen(watch(who, shop, seed=12), shop) for who in (model, rehearsed))
    far, near = (jensen_shannon_divergence(observed, seen) for seen in (before, after))
    assert near < 0.3 * far
    assert abs(after.sum() / observed.sum() - 1) < 0.1
    assert rehearsed.needs is model.needs
    assert rehearsed.conversion is model.conversion


def test_the_same_seed_gives_the_same_habits(model, observations, shop):
    first, second = (rehearse(model, shop, observations, seed=2).policy.habits.to_dict() for _ in range(2))
    assert first == second


def test_what_the_tracking_system_adds_is_not_aimed_at(model, observations, shop, monkeypatch):
    """Of a place at which every stop is seen twice, no more stops are asked."""
    aim = rehearsal.aim_at_seen(model, shop, observations, seed=3)
    zone = int(aim.argmax())
    counted = rehearsal._count_visits

    def see_double(journeys, store):
        seen = counted(journeys, store)
        seen[zone] *= 2
        return seen

    monkeypatch.setattr(rehearsal, "_count_visits", see_double)
    both = rehearsal.aim_at_seen(model, shop, observations, seed=3)
    np.testing.assert_allclose(both / both.sum(), aim / aim.sum(), rtol=0.15)


def test_without_impulses_every_purchase_was_planned(model, shop):
    plans = plan(without_impulses(model), shop, 300)
    assert plans.n_picks
    assert plans.pick_planned.all()


def test_who_has_no_habits_does_not_rehearse(model, observations, shop):
    other = replace(model, policy=BASELINES["nearest"]())
    assert rehearse(other, shop, observations) is other
    untaught = replace(model, policy=LayoutPolicy(make_willing_network(), CODER))
    assert rehearse(untaught, shop, observations) is untaught


def test_who_stops_nowhere_keeps_the_first_aim(model, observations, shop, monkeypatch):
    monkeypatch.setattr(
        rehearsal, "count_stops", lambda *_, **__: (np.zeros(shop.n_zones, dtype=np.int64), 1)
    )
    aim = rehearsal.aim_at_seen(model, shop, observations, seed=3)
    assert (aim == model.policy.habits.n_stops).all()
