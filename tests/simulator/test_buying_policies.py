"""Policies that hold their own purchases and ways: no list, no temptation, exactly what they say."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from layouts import bundled_store
from models import LEAVE, Decisions, build_reference_model
from simulator import Luck, StoreModel, compute_positions, draw_population, plan_itineraries
from simulator.legs import compute_legs

N = 40


class Buyer:
    """Goes by cells of its own to one zone, takes `n_lines` of a category, and leaves by them too."""

    buys = True

    def __init__(self, zone, category, n_lines, way):
        self.zone, self.category, self.n_lines, self.way = zone, category, n_lines, way
        self.luck = []

    def encode_attributes(self, attributes):
        return np.zeros((len(attributes["mission"]), 1), dtype=np.int64)

    def decide(self, states, layout, draws):
        n = len(states.place)
        assert not states.n_wanted.any()
        self.luck.append(draws.lines)
        lines = np.zeros((n, len(layout.store.categories)), dtype=np.int64)
        lines[:, self.category] = self.n_lines
        way = np.tile(np.append(self.way, -1), (n, 1))
        way[0] = -1  # the first one goes straight
        zone = np.full(n, LEAVE if states.n_stops else self.zone)
        return Decisions(zone=zone, dwell_s=np.full(n, 12.0), lines=lines, way=way)


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def case(shop):
    zone = int(np.argmax(shop.stands.sum(axis=1)))
    category = int(shop.sku_category[np.flatnonzero(shop.stands[zone])[0]])
    way = np.array([shop.grid.n_cells - 1, 5, shop.walks.zone_cells[zone][0]])
    policy = Buyer(zone, category, 2, way)
    model = replace(build_reference_model(shop, np.random.default_rng(0)), policy=policy)
    luck = Luck(3)
    population, baskets = draw_population(model, shop, N, luck)
    return policy, population, plan_itineraries(model, shop, baskets, N, luck), luck


def test_what_is_said_to_be_bought_is_bought_and_nothing_else(case, shop):
    policy, _, plans, _ = case
    of_category = shop.stands[policy.zone] & (shop.sku_category == policy.category)
    n_lines = min(2, int(of_category.sum()))
    assert plans.n_stops == N
    assert plans.n_picks == N * n_lines
    assert of_category[plans.pick_sku].all()
    lines = set(zip(plans.pick_stop.tolist(), plans.pick_sku.tolist(), strict=True))
    assert len(lines) == plans.n_picks  # distinct SKUs
    assert not plans.missed.any()


def test_luck_of_lines_is_one_uniform_per_category(case, shop):
    policy, _, _, _ = case
    assert policy.luck[0].shape == (N, len(shop.categories))
    assert not np.array_equal(policy.luck[0], policy.luck[1])


def test_the_way_told_is_the_way_gone(case, shop):
    policy, population, plans, luck = case
    living = StoreModel(shop, population, plans, luck=luck)
    living.run()
    for shopper in (1, N - 1):
        cells = np.concatenate([walk.cells for walk in living.walks[shopper]])
        at = -1
        for cell in policy.way:  # in this order; some are passed before as well
            later = np.flatnonzero(cells == cell)
            later = later[later > at]
            assert len(later)
            at = int(later[0])
        assert int((cells == policy.way[1]).sum()) >= 2  # on the way in and on the way out
        assert plans.stop_cell[shopper] == policy.way[-1]
    assert policy.way[0] not in np.concatenate([walk.cells for walk in living.walks[0]])
    shopper, _, xy = compute_positions(living)
    assert (shop.grid.cell_at(xy) >= 0).all()
    assert set(shopper.tolist()) == set(range(N))


def test_legs_by_way_of_cells_join_without_a_seam(shop):
    rng = np.random.default_rng(1)
    n_via = np.array([0, 2, 1, 0, 3])
    ends = rng.integers(0, shop.grid.n_cells, (2, 5))
    via = rng.integers(0, shop.grid.n_cells, n_via.sum())
    offsets = np.concatenate([[0], np.cumsum(n_via)])
    legs = compute_legs(shop, *ends, via=via, via_offsets=offsets)
    assert len(legs) == 5
    for leg in range(5):
        knots = [ends[0, leg], *via[offsets[leg] : offsets[leg + 1]], ends[1, leg]]
        parts = [shop.walks.walked_path(int(a), int(b)) for a, b in pairwise(knots)]
        expected = np.concatenate([parts[0], *(part[1:] for part in parts[1:])])
        rows = slice(legs.offsets[leg], legs.offsets[leg + 1])
        assert np.array_equal(legs.cells[rows], expected)
        assert legs.metres[rows][0] == 0.0
        length = sum(shop.walks.distance_m(int(a), int(b)) for a, b in pairwise(knots))
        assert legs.length_m[leg] == pytest.approx(length, abs=1e-4)
