from dataclasses import replace

import numpy as np
import pytest

from analysis import observe
from layouts import ModelError, ObservationError, build_store, draw_recipe
from models import BasketBank, ConversionModel, Pace, build_reference_model
from models.conversion import HAZARD_LEVEL
from models.finetuning import blend_category_shares, find_velocity_needs, finetune_model, take_sessions
from models.layout_policy import LayoutPolicy
from models.network_finetuning import FinetuningConfig
from models.pretraining import COMMON_LEVELS
from models.shopper_model import ShopperModel
from models.velocity_needs import BlendedNeeds, VelocityNeeds
from scenarios.monte_carlo import RunConfig, simulate_replication
from tests.models.worlds import make_model, make_network, plan

SHORT = FinetuningConfig(n_steps=6)


@pytest.fixture(scope="module")
def observations(corner_shop):
    truth = build_reference_model(corner_shop, np.random.default_rng(0))
    config = RunConfig(n_shoppers=120, n_replications=1, seed=1)
    tables = simulate_replication(corner_shop, truth, 0, config)
    return observe(tables.tracks, tables.receipts, tables.sessions, corner_shop, np.random.default_rng(2))


@pytest.fixture(scope="module")
def everywhere():
    """A model as it comes from many stores, untrained."""
    return ShopperModel(
        name="everywhere",
        needs=VelocityNeeds.from_priors(np.random.default_rng(0)),
        policy=LayoutPolicy(make_network(n_levels=COMMON_LEVELS.n_levels), COMMON_LEVELS),
        conversion=ConversionModel((), (), COMMON_LEVELS).eval(),
        pace=Pace(speed_log_mean=-5.0),
        hourly_share=(1 / 24,) * 24,
        shoppers_per_day=400.0,
        knowledge={"kind": "multistore"},
    )


@pytest.fixture(scope="module")
def other_store():
    rng = np.random.default_rng(7)
    return build_store(draw_recipe(rng, "convenience"), rng)


def test_more_visits_hold_the_fewer(observations):
    few, more = (
        set(take_sessions(observations, n, np.random.default_rng(4)).tracks["session_id"]) for n in (8, 20)
    )
    assert len(few) == 8
    assert few < more
    part = take_sessions(observations, 8, np.random.default_rng(4))
    assert set(part.receipts["session_id"]) <= few | {""}
    assert set(part.sessions["session_id"]) == few


def test_a_model_of_no_store_sells_everything_at_the_common_level(everywhere, corner_shop):
    from models import view_layout

    hazard = everywhere.conversion.compute_hazard(view_layout(corner_shop)).sum(axis=0)
    assert (hazard > 0).all()
    assert 0.2 < hazard.mean() / np.exp(HAZARD_LEVEL) < 5


def test_eight_visits_do_not_make_a_model_collapse(everywhere, corner_shop, observations):
    """Everything that the catalogue lists is still wanted, and the pace is still near the prior's."""
    model = finetune_model(
        everywhere, corner_shop, observations, n_sessions=8, rng=np.random.default_rng(0), config=SHORT
    )
    assert isinstance(model.needs, BlendedNeeds)
    assert model.needs.bank_share < 0.05
    plans = plan(model, corner_shop, 1500)
    sold = np.bincount(corner_shop.sku_category[plans.pick_sku], minlength=len(corner_shop.categories))
    assert (sold > 0).all()
    assert everywhere.pace.speed_log_mean < model.pace.speed_log_mean < -2.0
    assert model.knowledge["n_sessions"] == 8


def test_the_more_visits_the_more_observed_baskets(everywhere, corner_shop, observations):
    shares = [
        finetune_model(
            everywhere, corner_shop, observations, n_sessions=n, rng=np.random.default_rng(0), config=SHORT
        ).needs.bank_share
        for n in (8, 40)
    ]
    assert 0 < shares[0] < shares[1] < 1


@pytest.mark.parametrize(("power", "n_lines", "error"), [(1.0, 50, 0.1), (0.5, 50, 0.2), (0.5, 400, 0.1)])
def test_few_receipts_tell_how_far_to_believe_the_catalogue(power, n_lines, error):
    """Mean over 40 draws of the total variation from the true shares."""
    rng = np.random.default_rng(3)
    by_velocity = rng.dirichlet(np.full(20, 0.8)) + 1e-3
    by_velocity /= by_velocity.sum()
    true = by_velocity**power / (by_velocity**power).sum()
    found = [blend_category_shares(rng.multinomial(n_lines, true), by_velocity) for _ in range(40)]
    distance = [0.5 * np.abs(share - true).sum() for share in found]
    assert np.mean(distance) < error
    assert np.allclose([share.sum() for share in found], 1.0)


def test_without_a_receipt_shares_are_those_of_the_catalogue():
    by_velocity = np.array([0.6, 0.3, 0.1])
    assert blend_category_shares(np.zeros(3), by_velocity) == pytest.approx(by_velocity, abs=0.02)


def test_of_a_bank_only_who_comes_and_for_how_much_goes_along(other_store):
    prior = make_model(other_store)
    assert isinstance(prior.needs, BasketBank)
    found = find_velocity_needs(prior)
    assert len(found.n_wanted) == prior.needs.n
    assert not found.category_tilt
    assert found.n_wanted.sum() <= len(prior.needs.row) + prior.needs.n


def test_too_few_visits_and_other_policies_are_refused(everywhere, corner_shop, observations):
    none = replace(observations, receipts=observations.receipts.assign(session_id=""))
    with pytest.raises(ObservationError, match="give more --sessions"):
        finetune_model(everywhere, corner_shop, none, rng=np.random.default_rng(0))
    reference = build_reference_model(corner_shop, np.random.default_rng(0), n_baskets=50)
    with pytest.raises(ModelError, match="cannot be fine-tuned"):
        finetune_model(reference, corner_shop, observations, rng=np.random.default_rng(0))
