from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layouts import ModelError
from models import LEAVE, view_layout
from models.baselines import BASELINES
from models.baselines.tours import MAX_EXACT, approximate_tour, find_shortest_tours, plan_tours
from models.policies import load_policy
from tests.models.baselines.chains import Crowd
from tests.models.worlds import compute_walk_m, make_journeys

WALKERS = ("shortest-tour", "nearest")


def draw_problem(rng, k, n_wanted=None):
    """Points on a plane: way from the shopper, between the places, to the till; items in each place."""
    xy = rng.uniform(0, 30, (k + 2, 2))
    metres = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    n_items = rng.integers(1, 4, k)
    wanted = n_items.sum() if n_wanted is None else min(n_wanted, n_items.sum())
    return metres[k, :k], metres[:k, :k], metres[:k, k + 1], n_items, wanted


def length_of(order, start, between, end):
    legs = sum(between[a, b] for a, b in pairwise(order))
    return start[order[0]] + legs + end[order[-1]]


def length_by_brute_force(start, between, end, n_items, n_wanted):
    return min(
        length_of(order, start, between, end)
        for k in range(1, len(start) + 1)
        for order in permutations(range(len(start)), k)
        if n_items[list(order)].sum() >= n_wanted
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.none() | st.integers(1, 8))
def test_short_tours_are_the_shortest(seed, k, n_wanted):
    problem = draw_problem(np.random.default_rng(seed), k, n_wanted)
    stacked = [np.stack([part, part]) for part in problem]  # two shoppers with the same problem
    tours = find_shortest_tours(*stacked)
    assert np.array_equal(tours[0], tours[1])
    order = tours[0][tours[0] >= 0]
    assert len(set(order)) == len(order)
    assert problem[3][order].sum() >= problem[4]
    assert length_of(order, *problem[:3]) == pytest.approx(length_by_brute_force(*problem))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.none() | st.integers(1, 12))
def test_built_tours_are_complete_and_near_the_shortest(seed, n_wanted):
    problem = draw_problem(np.random.default_rng(seed), 8, n_wanted)
    tour = approximate_tour(*problem)
    assert len(set(tour)) == len(tour)
    assert problem[3][tour].sum() >= problem[4]
    exact = find_shortest_tours(*(np.asarray(part)[None] for part in problem))[0]
    shortest = length_of(exact[exact >= 0], *problem[:3])
    most = 1.5 if n_wanted is None else 3.0  # where only some places are needed, which ones is a choice too
    assert shortest - 1e-9 <= length_of(tour, *problem[:3]) <= most * shortest


def test_built_tours_are_hardly_longer_on_average():
    rng = np.random.default_rng(1)
    excess = []
    for _ in range(60):
        problem = draw_problem(rng, 9)
        exact = find_shortest_tours(*(np.asarray(part)[None] for part in problem))[0]
        excess.append(length_of(approximate_tour(*problem), *problem[:3]) / length_of(exact, *problem[:3]))
    assert np.mean(excess) < 1.05


def fit(name, store):
    picks = [(row, 0, 0, 1) for row in range(50)] + [(row, 0, 2, 1) for row in range(50, 100)] * 2
    dwell = [[10.0, 30.0]] * 50 + [[40.0, 30.0]] * 50
    journeys = make_journeys([[1, 2]] * 100, picks, dwell_s=dwell)
    return BASELINES[name]().fit(journeys, store, np.random.default_rng(0))


@pytest.mark.parametrize("name", WALKERS)
def test_walkers_collect_the_whole_list_and_nothing_else(name, corner_shop):
    view, rng = view_layout(corner_shop), np.random.default_rng(0)
    wanted = (rng.random((200, view.n_zones)) < rng.uniform(0, 0.6, (200, 1))).astype(int)
    wanted[0] = 0
    assert (wanted.sum(axis=1) > MAX_EXACT).any()  # some lists are long
    crowd = Crowd(fit(name, corner_shop), view, 200, wanted=wanted).walk(60)
    for shopper in range(200):
        stops = crowd.stops_of(shopper)
        assert sorted(stops) == np.flatnonzero(wanted[shopper]).tolist()


def test_tours_are_shorter_than_always_the_nearest(corner_shop):
    view, rng = view_layout(corner_shop), np.random.default_rng(1)
    wanted = np.zeros((150, view.n_zones), dtype=int)
    for row in wanted:
        row[rng.choice(view.n_zones, 6, replace=False)] = 1
    walk_m = {}
    for name in WALKERS:
        crowd = Crowd(fit(name, corner_shop), view, 150, wanted=wanted).walk()
        walk_m[name] = compute_walk_m(np.array([crowd.stops_of(shopper) for shopper in range(150)]), view)
    assert (walk_m["shortest-tour"] <= walk_m["nearest"] + 1e-4).all()
    assert walk_m["shortest-tour"].mean() < walk_m["nearest"].mean() - 1.0


def test_an_item_that_stands_twice_is_fetched_once(corner_shop):
    """Two zones offer the one item that is wanted: the tour goes to one, the better one."""
    view = view_layout(corner_shop)
    place, zones = np.array([view.entrance]), np.array([3, 17])
    wanted = np.zeros((1, view.n_zones), dtype=int)
    wanted[0, zones] = 1
    tour = plan_tours(place, wanted, np.array([1]), view)[0]
    to_till = view.distance_m[zones, view.nearest_checkout[zones]]
    best = zones[(view.distance_m[view.entrance, zones] + to_till).argmin()]
    assert tour[tour >= 0].tolist() == [best]


@pytest.mark.parametrize("name", WALKERS)
def test_stops_last_as_long_as_the_lines_taken(name, tiny_store, tiny_view):
    wanted = np.zeros((300, 5), dtype=int)
    wanted[:150, 1], wanted[150:, 1] = 1, 2
    _, _, decisions = Crowd(fit(name, tiny_store), tiny_view, 300, wanted=wanted).walk().steps[0]
    assert decisions.lines is None
    assert decisions.dwell_s[:150].mean() < decisions.dwell_s[150:].mean() - 10.0


@pytest.mark.parametrize("name", WALKERS)
def test_saved_and_loaded_the_answers_are_the_same(name, tiny_store, tiny_view, tmp_path):
    policy = fit(name, tiny_store)
    policy.save_pretrained(tmp_path)
    loaded = load_policy(tmp_path)
    wanted = np.random.default_rng(0).integers(0, 2, (40, 5))
    before, after = (Crowd(p, tiny_view, 40, wanted=wanted).walk() for p in (policy, loaded))
    for (_, _, a), (_, _, b) in zip(before.steps, after.steps, strict=True):
        assert np.array_equal(a.zone, b.zone)
        assert np.array_equal(a.dwell_s, b.dwell_s)
    assert not loaded.buys
    policy.dwells_.quantile_s[0] = np.inf
    policy.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="damaged"):
        load_policy(tmp_path)


@pytest.mark.parametrize("name", WALKERS)
def test_nothing_wanted_means_out(name, tiny_store, tiny_view):
    crowd = Crowd(fit(name, tiny_store), tiny_view, 10).walk()
    assert len(crowd.steps) == 1
    assert (crowd.steps[0][2].zone == LEAVE).all()
