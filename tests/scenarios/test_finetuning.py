import numpy as np
import pytest

from layouts import build_store, bundled_store, draw_recipe
from models import load_model
from models.network_finetuning import FinetuningConfig
from scenarios.finetuning import write_finetuned
from scenarios.observe import observe_reference_shopper
from simulator import Luck, draw_population, plan_itineraries
from tests.models.worlds import make_model


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
