from dataclasses import replace

import numpy as np
import pytest

from layouts import build_store, bundled_store, draw_recipe
from models import BasketBank, LayoutPolicy, load_model
from models.network_finetuning import FinetuningConfig
from models.velocity_needs import VelocityNeeds, expect_wanted
from scenarios.finetuning import calibrate_lists, write_finetuned
from scenarios.multistore import complete_model
from scenarios.observe import observe_reference_shopper
from simulator import Luck, draw_population, plan_itineraries
from tests.models.worlds import CODER, make_model, make_willing_network


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def observations(shop):
    return observe_reference_shopper(shop, n_shoppers=40, seed=3)


def plan(model, store, n, seed=0):
    luck = Luck(seed)
    _, baskets = draw_population(model, store, n, luck)
    return plan_itineraries(model, store, baskets, n, luck)


def test_a_model_of_one_store_goes_to_another(shop, observations, tmp_path):
    """Other SKUs and categories, and customer attributes that it never met."""
    rng = np.random.default_rng(7)
    prior = make_model(build_store(draw_recipe(rng, "convenience"), rng))
    out, short = tmp_path / "model", FinetuningConfig(n_steps=4, n_folds=2)
    made = write_finetuned(prior, shop, observations, out, n_sessions=20, seed=3, config=short)
    again = load_model(out)
    for before, after in ((made, again), (made.for_replication(1), again.for_replication(1))):
        assert (plan(before, shop, 100).pick_sku == plan(after, shop, 100).pick_sku).all()
    lists = {tuple(reading.needs.made.planned_share.values()) for reading in made.hypotheses}
    assert len(lists) == len(made.hypotheses)  # under each reading something else is bought unplanned
    assert again.knowledge["prior"] == prior.name
    assert again.knowledge["n_sessions"] == 20
    assert "fine-tuned" in (out / "README.md").read_text()
    assert set(made.conversion.categories) == set(shop.categories)
    assert "carrier" in made.policy.attributes.levels


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


def test_a_bank_is_left_alone(shop):
    model = make_model(shop)
    assert isinstance(model.needs, BasketBank)
    assert calibrate_lists(model, shop) is model
