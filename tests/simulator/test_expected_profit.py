"""Unplanned purchases at their expectation: the same mean as drawn ones, with less luck."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from layouts import bundled_store
from models import build_reference_model
from simulator import (
    Luck,
    SimulationConfig,
    StockConfig,
    StoreModel,
    build_tables,
    draw_population,
    plan_itineraries,
)
from tests.models.worlds import make_conversion, make_model

SHOP = bundled_store("corner-shop")
VARIANT = SHOP.swap("G2R-1", "G2L-1")


def make_sated():
    """A model of people whom many things tempt, who tire of looking and of buying."""
    conversion = make_conversion(SHOP, hazard_bias=-1.0)
    with torch.no_grad():
        conversion.log_habituation.fill_(np.log(0.6))
        conversion.log_spent.fill_(np.log(0.7))
    return replace(make_model(SHOP), conversion=conversion)


MODELS = {
    "counts every notice alike": build_reference_model(SHOP, np.random.default_rng(0), n_baskets=400),
    "is learned": make_model(SHOP),
    "is soon sated": make_sated(),
}
N = 4000


def plan(model, store, n=N, seed=3):
    population, baskets = draw_population(model, store, n, Luck(seed))
    return population, plan_itineraries(model, store, baskets, n, Luck(seed))


def sum_unplanned(plans, store):
    margin = np.array([sku.margin for sku in store.skus])[plans.pick_sku] * plans.pick_qty
    return np.bincount(plans.pick_shopper, margin * ~plans.pick_planned, plans.n_shoppers)


@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_mean_of_what_is_drawn(name):
    _, plans = plan(MODELS[name], SHOP)
    difference = sum_unplanned(plans, SHOP) - plans.unplanned_profit
    assert abs(difference.mean()) < 4 * difference.std() / N**0.5  # wrong once in 16,000 seeds
    assert 0.0 < plans.unplanned_profit.std() < sum_unplanned(plans, SHOP).std()


@pytest.mark.parametrize("name", MODELS)
def test_it_tells_a_lift_with_fewer_shoppers(name):
    plans, others = (plan(MODELS[name], store)[1] for store in (SHOP, VARIANT))
    drawn = sum_unplanned(others, VARIANT) - sum_unplanned(plans, SHOP)
    expected = others.unplanned_profit - plans.unplanned_profit
    assert expected.var() < drawn.var() / 2


def test_the_totals_of_a_day_have_it_unless_the_day_may_spoil_a_purchase():
    population, plans = plan(MODELS["is learned"], SHOP, n=60)
    totals = {}
    for name, config in (("plain", SimulationConfig()), ("stock", SimulationConfig(stock=StockConfig()))):
        day = StoreModel(SHOP, population, plans, config=config, luck=Luck(3))
        day.run()
        totals[name] = build_tables(day, keeps_tracks=False).totals
    margin = np.array([sku.margin for sku in SHOP.skus])[plans.pick_sku] * plans.pick_qty
    mean = (margin[plans.pick_planned].sum() + plans.unplanned_profit.sum()) / 60
    assert totals["plain"]["expected_profit_per_shopper"] == pytest.approx(mean)
    assert "expected_profit_per_shopper" not in totals["stock"]
