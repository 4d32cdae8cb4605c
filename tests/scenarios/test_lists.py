from dataclasses import replace

import numpy as np
import pytest

from layouts import bundled_store
from models import BasketBank, LayoutPolicy
from models.hypotheses import Hypothesis
from models.velocity_needs import VelocityNeeds, expect_wanted
from scenarios.lists import calibrate_lists, count_lines
from scenarios.multistore import complete_model
from simulator import Luck, draw_population, plan_itineraries
from tests.models.worlds import CODER, make_model, make_willing_network


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


def plan(model, store, n, seed=0):
    luck = Luck(seed)
    _, baskets = draw_population(model, store, n, luck)
    return plan_itineraries(model, store, baskets, n, luck)


def test_calibrated_lists_sell_what_is_expected(shop):
    """Hazards that are twice too high make categories sell too much, until less of them is planned."""
    model = replace(
        complete_model(make_willing_network(), np.random.default_rng(0), {}),
        policy=LayoutPolicy(make_willing_network(), CODER),
    )
    model.conversion.hazard_level.data += 0.7
    calibrated = calibrate_lists(model, shop)
    assert isinstance(calibrated.needs, VelocityNeeds)
    expected = expect_wanted(model.needs, shop)
    errors = []
    for either in (model, calibrated):
        plans = plan(either, shop, 3000, seed=9)
        buyers = np.zeros((3000, len(shop.categories)), dtype=bool)
        buyers[plans.pick_shopper, shop.sku_category[plans.pick_sku]] = True
        errors.append(np.abs(buyers.mean(axis=0) / expected - 1.0))
    assert errors[1].mean() < 0.6 * errors[0].mean()
    assert np.median(errors[1]) < 0.08


def test_observed_baskets_sell_what_they_hold(shop):
    """However much is bought unplanned, receipts are of the length of observed ones, category by category."""
    model = make_model(shop)
    assert isinstance(model.needs, BasketBank)
    model.conversion.hazard_bias.data += 0.5
    calibrated = calibrate_lists(model, shop)
    _, expected = count_lines(model.needs, shop)
    errors = []
    for either in (model, calibrated):
        plans = plan(either, shop, 6000, seed=9)
        lines = np.bincount(shop.sku_category[plans.pick_sku], minlength=len(shop.categories)) / 6000
        errors.append((abs(lines.sum() / expected.sum() - 1.0), np.abs(lines - expected).sum()))
    assert errors[1][0] < min(0.03, errors[0][0])
    assert errors[1][1] < 0.5 * errors[0][1]
    assert (calibrated.needs.row == model.needs.row).all()
    share = calibrated.needs.line_shares.mean()
    assert share < model.needs.line_shares.mean()  # fewer lines are planned, as the model card says
    assert calibrated.knowledge["planned_line_share"] == pytest.approx(share, abs=1e-4)


def test_each_hypothesis_is_calibrated_with_luck_of_its_own(shop):
    """Or what chance made of the people who walk would be in all of them, and in their mean."""
    model = make_model(shop)
    model = replace(model, hypotheses=(Hypothesis(model.needs, model.conversion),) * 2)
    one, other = (reading.needs.line_shares for reading in calibrate_lists(model, shop).hypotheses)
    assert np.abs(one - other).max() > 0.0
    assert one.mean() == pytest.approx(other.mean(), abs=0.03)
