import numpy as np
import pytest

from models import LEAVE, DecisionDraws, ShopperStates, view_layout
from models.towns import TownPolicy, draw_town


def decide(view, n_wanted_here, town, rng):
    n = len(n_wanted_here)
    states = ShopperStates(
        attributes=np.ones((n, 1), dtype=np.int64),
        place=np.full(n, view.entrance),
        n_wanted_here=n_wanted_here,
        n_wanted=(n_wanted_here > 0).sum(axis=1),
        n_visits=np.zeros(n_wanted_here.shape, dtype=np.int64),
        last_dwell_s=np.zeros(n),
        n_stops=0,
    )
    draws = DecisionDraws(next_zone=rng.random((n, view.n_zones + 1)), dwell=rng.random((n, view.n_zones)))
    return TownPolicy(town).decide(states, view, draws)


@pytest.mark.parametrize("seed", range(5))
def test_looks_are_as_frequent_as_the_town_says_and_nobody_leaves_with_a_need(corner_shop, seed):
    view, rng = view_layout(corner_shop), np.random.default_rng(seed)
    town = draw_town(rng)
    wanted = np.zeros((4000, view.n_zones), dtype=np.int64)
    stocked = np.flatnonzero(corner_shop.stands.any(axis=1))
    wanted[:, stocked[[1, 4]]] = 1
    decisions = decide(view, wanted, town, rng)
    assert (decisions.zone != LEAVE).all()
    looks = wanted[np.arange(4000), decisions.zone] == 0
    assert looks.mean() == pytest.approx(town.browse_chance[1], abs=0.03)
    assert (decisions.dwell_s >= 3).all()
    assert (decisions.dwell_s <= 300).all()


def test_where_everything_is_wanted_there_is_nothing_to_look_at(tiny_view):
    rng = np.random.default_rng(0)
    wanted = np.tile(tiny_view.store.stands.any(axis=1).astype(np.int64), (50, 1))
    decisions = decide(tiny_view, wanted, draw_town(rng), rng)
    assert wanted[np.arange(50), decisions.zone].all()
