from dataclasses import replace

import numpy as np
import pytest

from layouts import DISPLAY_TYPES, with_placements
from models import LEAVE, DecisionDraws, LayoutPolicy, ShopperStates, view_layout
from models.habits import Habits, describe_places
from models.layout_policy import mask_choices
from tests.models.worlds import CODER, make_network


@pytest.fixture(scope="module")
def policy():
    return LayoutPolicy(make_network(n_layer=2), CODER)


def draw_states(view, n, *, n_stops=0, memory=None, seed=0, place=None, last_dwell_s=None):
    rng = np.random.default_rng(seed)
    here = rng.poisson(0.1, (n, view.n_zones))
    here[: n // 4] = 0
    return ShopperStates(
        attributes=np.stack([rng.integers(0, 3, n), 3 + rng.integers(0, 3, n)], axis=1),
        place=np.full(n, view.entrance) if place is None else place,
        n_wanted_here=here,
        n_wanted=here.sum(axis=1),
        n_visits=np.zeros((n, view.n_zones), dtype=int),
        last_dwell_s=np.zeros(n) if last_dwell_s is None else last_dwell_s,
        n_stops=n_stops,
        memory=memory,
    )


def draw_luck(view, n, seed=0):
    rng = np.random.default_rng(seed)
    return DecisionDraws(next_zone=rng.random((n, view.n_zones + 1)), dwell=rng.random((n, view.n_zones)))


def rows_of(states, rows, memory):
    picked = {
        name: getattr(states, name)[rows]
        for name in ("attributes", "place", "n_wanted_here", "n_wanted", "n_visits", "last_dwell_s")
    }
    return replace(states, **picked, memory=memory)


def decide_for(policy, view, rows, n_steps=4, n=64):
    """Decisions of some of 64 shoppers over several steps; those who leave stand where they are."""
    memory, place, dwell, answers = None, None, None, []
    for step in range(n_steps):
        states = draw_states(view, n, n_stops=step, seed=step)
        states = rows_of(states, rows, memory)
        if place is not None:
            states = replace(states, place=place, last_dwell_s=dwell)
        draws = draw_luck(view, n, seed=step)
        decisions = policy.decide(
            states, view, DecisionDraws(next_zone=draws.next_zone[rows], dwell=draws.dwell[rows])
        )
        memory = decisions.memory
        place = np.where(decisions.zone == LEAVE, states.place, decisions.zone)
        dwell = decisions.dwell_s
        answers.append(decisions)
    return answers


def test_a_shopper_alone_chooses_as_among_sixty_four(policy, corner_shop):
    view = view_layout(corner_shop)
    together = decide_for(policy, view, np.arange(64))
    for shopper in (0, 7, 40, 63):
        alone = decide_for(policy, view, np.array([shopper]))
        for step in range(4):
            assert alone[step].zone[0] == together[step].zone[shopper]
            assert alone[step].dwell_s[0] == pytest.approx(together[step].dwell_s[shopper], rel=1e-4)
    assert len(set(together[0].zone.tolist())) > 5


def test_closed_are_the_zone_one_stands_in_and_leaving_with_a_list(tiny_view):
    states = draw_states(tiny_view, 3, place=np.array([tiny_view.entrance, 2, 4]))
    states.n_wanted_here[:] = 0
    states.n_wanted_here[2, 1] = 1
    assert mask_choices(states, tiny_view).tolist() == [
        [True] * 6,
        [True, True, False, True, True, True],
        [True, True, True, True, False, False],
    ]


def test_who_wants_nothing_that_stands_here_may_leave(tiny_view):
    states = replace(draw_states(tiny_view, 1), n_wanted_here=np.zeros((1, 5), int), n_wanted=np.array([2]))
    assert mask_choices(states, tiny_view)[0, -1]


def test_nobody_goes_to_a_shelf_with_nothing_on_it(corner_shop):
    display = next(z for z in corner_shop.zones if z.zone_type in DISPLAY_TYPES)
    kept = [item for item in corner_shop.placements if item.zone_id != display.zone_id]
    emptied = view_layout(with_placements(corner_shop, kept, "emptied"))
    full, bare = (mask_choices(draw_states(view, 4), view)[0] for view in (view_layout(corner_shop), emptied))
    index = corner_shop.zone_index[display.zone_id]
    assert full.all()  # the zone at the door holds nothing either, and stays open
    assert np.flatnonzero(~bare).tolist() == [index]


def test_decisions_keep_to_what_is_open(policy, corner_shop):
    view = view_layout(corner_shop)
    place = np.arange(400) % view.n_zones
    states = draw_states(view, 400, place=place, last_dwell_s=np.full(400, 9.0))
    decisions = policy.decide(states, view, draw_luck(view, 400))
    assert (decisions.zone != place).all()
    leaves = decisions.zone == LEAVE
    assert not leaves[states.n_wanted > 0].any()
    assert ((decisions.dwell_s >= 2.0) & (decisions.dwell_s <= 300.0)).all()


def test_saved_and_loaded_the_answers_are_the_same(policy, corner_shop, tmp_path):
    policy.save_pretrained(tmp_path)
    loaded = LayoutPolicy.from_pretrained(tmp_path)
    view = view_layout(corner_shop)
    rows = np.arange(64)
    before, after = decide_for(policy, view, rows), decide_for(loaded, view, rows)
    for a, b in zip(before, after, strict=True):
        assert np.array_equal(a.zone, b.zone)
        assert np.array_equal(a.dwell_s, b.dwell_s)
    names = {"mission": np.array(["quick", "other"]), "gender": np.array(["male", "female"])}
    assert np.array_equal(loaded.encode_attributes(names), policy.encode_attributes(names))


def test_a_place_of_habit_is_chosen_more_often(policy, corner_shop):
    view = view_layout(corner_shop)
    xy, sku_ids = describe_places(corner_shop)
    weight = np.where(np.arange(view.n_zones) == 5, 2.0, 0.0)
    habits = Habits(xy, sku_ids, weight, 0.0, n_stops=np.zeros(len(xy), dtype=np.int64), n_visits=0)
    used_to = LayoutPolicy(policy.network, CODER, habits)
    states, draws = draw_states(view, 2000), draw_luck(view, 2000)
    before, after = (of.decide(states, view, draws).zone for of in (policy, used_to))
    assert ((after == before) | (after == 5)).all()  # nobody changes their mind for another place
    assert (after == 5).mean() > 2 * (before == 5).mean()


def test_habits_are_saved_and_loaded(policy, corner_shop, tmp_path):
    xy, sku_ids = describe_places(corner_shop)
    weight = np.linspace(-1.0, 1.0, len(xy))
    habits = Habits(xy, sku_ids, weight, 0.5, n_stops=np.arange(len(xy)), n_visits=7)
    LayoutPolicy(policy.network, CODER, habits).save_pretrained(tmp_path)
    loaded = LayoutPolicy.from_pretrained(tmp_path).habits
    assert loaded is not None
    assert loaded.to_dict() == habits.to_dict()
    assert loaded.weigh(corner_shop).tolist() == np.append(weight, 0.5).astype(np.float32).tolist()


def test_one_policy_serves_two_layouts(policy, corner_shop, tiny_view):
    """What was read of one store does not leak into another."""
    view = view_layout(corner_shop)
    rows = np.arange(64)
    fresh = decide_for(LayoutPolicy(make_network(n_layer=2), CODER), tiny_view, rows)
    decide_for(policy, view, rows)
    used = decide_for(policy, tiny_view, rows)
    assert all(np.array_equal(a.zone, b.zone) for a, b in zip(fresh, used, strict=True))
