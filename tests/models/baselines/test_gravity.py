import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import LEAVE, view_layout
from models.baselines import GravityPolicy
from models.baselines.gravity import balance_flows, compute_move_distances
from tests.models.baselines.chains import Crowd, draw_journeys


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 1.0))
def test_balanced_flows_keep_both_margins(seed, decay):
    rng = np.random.default_rng(seed)
    flow = rng.poisson(5.0, (5, 6)).astype(float) + 0.1
    distance_m = rng.uniform(1.0, 20.0, flow.shape)
    made, _ = balance_flows(flow.sum(axis=1), flow.sum(axis=0), distance_m, decay)
    assert np.allclose(made.sum(axis=1), flow.sum(axis=1), rtol=1e-6)
    # so many rounds, no more: where the far is e^-20 as likely as the near, balancing is slow
    assert np.allclose(made.sum(axis=0), flow.sum(axis=0), rtol=1e-3)


def gravity_rule(view, beta, attraction):
    distance_m = compute_move_distances(view)
    weight = np.array(attraction) * np.exp(-beta * distance_m)
    chance = weight / weight.sum(axis=1, keepdims=True)

    def rule(stops, rng):
        choice = rng.choice(6, p=chance[stops[-1] if stops else -1])
        return LEAVE if choice == 5 else int(choice)

    return rule


@pytest.mark.parametrize("beta", [0.1, 0.6])
def test_a_known_decay_is_recovered(beta, tiny_store, tiny_view):
    rule = gravity_rule(tiny_view, beta, [0.2, 1.0, 0.6, 0.5, 0.8, 0.7])
    journeys = draw_journeys(tiny_store, rule, 6000)
    policy = GravityPolicy().fit(journeys, tiny_store, np.random.default_rng(0))
    assert policy.decay_ == pytest.approx(beta, abs=0.04)
    relative = policy.attraction_ / policy.attraction_[1]
    assert relative == pytest.approx([0.2, 1.0, 0.6, 0.5, 0.8, 0.7], rel=0.2)


def test_a_place_that_moves_away_draws_less(tiny_store, tiny_view):
    journeys = draw_journeys(tiny_store, gravity_rule(tiny_view, 0.8, [0.2, 1, 1, 1, 1, 0.3]), 1500)
    policy = GravityPolicy().fit(journeys, tiny_store, np.random.default_rng(0))
    farther = tiny_store.move("E", to=(4.25, 3.25))  # the endcap, away from the door

    def share_of_end(store):
        first = Crowd(policy, view_layout(store), 4000).walk(n_steps=1).steps[0][2].zone
        return (first == store.zone_index["end"]).mean()

    distance = {
        s: view_layout(s).distance_m[view_layout(s).entrance, s.zone_index["end"]]
        for s in (tiny_store, farther)
    }
    assert distance[farther] > distance[tiny_store]
    assert share_of_end(farther) < share_of_end(tiny_store)
