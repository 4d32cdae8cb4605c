"""Catalogue and receipts together say what sells, and a population is calibrated to it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models import BasketBank
from models.demand import Demand, calibrate_bank, calibrate_model, compute_category_factor, estimate_demand
from models.hypotheses import Hypothesis
from tests.models.worlds import make_conversion, make_model


def draw_receipts(store, rate, n_units, rng):
    """Receipt lines of one or two units, the SKUs in proportion to `rate`."""
    sku = rng.choice(store.n_skus, size=n_units, p=rate / rate.sum())
    ids = np.array([item.sku_id for item in store.skus], dtype=object)
    return pd.DataFrame({"sku_id": ids[sku], "qty": rng.integers(1, 3, size=n_units)})


def mean_error(units, rate):
    """Mean absolute error of the shares, in the total."""
    return np.abs(units / units.sum() - rate / rate.sum()).sum()


def sum_by_category(store, values):
    return np.bincount(store.sku_category, values, len(store.categories))


def test_a_catalogue_that_agrees_with_the_receipts_is_believed(corner_shop):
    """True sales are the velocities: over twenty draws the error is a third of the receipts' at most."""
    rng = np.random.default_rng(0)
    rate = np.array([sku.velocity for sku in corner_shop.skus]) + 0.1
    ours, theirs = [], []
    for _ in range(20):
        receipts = draw_receipts(corner_shop, rate, 3000, rng)
        demand = estimate_demand(corner_shop, receipts)
        sold = receipts.groupby("sku_id")["qty"].sum()
        theirs.append(mean_error(np.array([sold.get(s.sku_id, 0) for s in corner_shop.skus], float), rate))
        ours.append(mean_error(demand.units, rate))
        assert demand.units.sum() == pytest.approx(receipts["qty"].sum())
        assert demand.sku_spread < 0.2
    assert np.mean(ours) < np.mean(theirs) / 3


def test_a_catalogue_that_contradicts_the_receipts_is_not(corner_shop):
    """Velocities in the wrong order: what is told differs from what was sold by less than a tenth."""
    rng = np.random.default_rng(1)
    rate = rng.permutation([sku.velocity + 0.1 for sku in corner_shop.skus])
    receipts = draw_receipts(corner_shop, rate, 60_000, rng)
    demand = estimate_demand(corner_shop, receipts)
    sold = receipts.groupby("sku_id")["qty"].sum().reindex([s.sku_id for s in corner_shop.skus])
    assert demand.sku_spread > 0.5
    often = sold.to_numpy() > 300
    assert demand.units[often] == pytest.approx(sold.to_numpy()[often], rel=0.1)


@pytest.mark.parametrize("n", [0, 1])
def test_next_to_no_receipts_leave_the_catalogue(n, corner_shop):
    receipts = pd.DataFrame({"sku_id": [corner_shop.skus[0].sku_id] * n, "qty": [1] * n})
    demand = estimate_demand(corner_shop, receipts)
    assert demand.units.sum() == pytest.approx(n)
    assert np.isfinite(demand.units).all()


def test_articles_that_the_store_does_not_carry_are_left_out(corner_shop):
    receipts = pd.DataFrame({"sku_id": [corner_shop.skus[0].sku_id, "GONE"], "qty": [2, 5]})
    assert estimate_demand(corner_shop, receipts).units.sum() == pytest.approx(2)


@pytest.fixture(scope="module")
def bank(corner_shop):
    needs = make_model(corner_shop).needs
    assert isinstance(needs, BasketBank)
    return needs


@pytest.fixture(scope="module")
def demand(corner_shop, bank):
    """Some categories sell a fifth more than the baskets hold, others less; so do their articles."""
    rng = np.random.default_rng(2)
    sku = [corner_shop.sku_index[sku_id] for sku_id in bank.sku_id]
    held = np.bincount(sku, bank.qty, corner_shop.n_skus)
    factor = np.exp(rng.normal(0.0, 0.2, len(corner_shop.categories)))[corner_shop.sku_category]
    return Demand((held + 1.0) * factor * np.exp(rng.normal(0.0, 0.2, corner_shop.n_skus)), 0.2, 0.2)


def test_calibrated_baskets_hold_each_category_as_often_as_it_sells(corner_shop, bank, demand):
    calibrated = calibrate_bank(bank, corner_shop, demand, rng=np.random.default_rng(0))
    sku = np.array([corner_shop.sku_index[sku_id] for sku_id in bank.sku_id])
    before = sum_by_category(corner_shop, np.bincount(sku, minlength=corner_shop.n_skus))
    category = corner_shop.sku_category[sku]
    after = np.bincount(category, calibrated.weight[bank.row], len(corner_shop.categories))
    factor = compute_category_factor(corner_shop, demand, bank)
    often = before > 30
    assert np.log(factor[often]).std() > 0.1
    goal = before * factor
    assert (after / after.sum())[often] == pytest.approx((goal / goal.sum())[often], rel=0.05)
    assert calibrated.weight.mean() == pytest.approx(1.0)


def test_calibrated_baskets_keep_their_lines_and_categories(corner_shop, bank, demand):
    calibrated = calibrate_bank(bank, corner_shop, demand, rng=np.random.default_rng(0))
    before, after = ([corner_shop.sku_index[s] for s in of.sku_id] for of in (bank, calibrated))
    assert (corner_shop.sku_category[before] == corner_shop.sku_category[after]).all()
    assert 0.02 < (np.array(before) != np.array(after)).mean() < 0.3
    assert calibrated.row is bank.row
    assert calibrated.qty is bank.qty


def test_calibrated_lines_hold_each_sku_as_often_as_it_sells_within_its_category(corner_shop, bank, demand):
    """Means of fifty exchanges: within 15 % for SKUs of which 20 lines are expected."""
    rng, lines = np.random.default_rng(3), np.zeros(corner_shop.n_skus)
    for _ in range(50):
        calibrated = calibrate_bank(bank, corner_shop, demand, rng=rng)
        lines += np.bincount([corner_shop.sku_index[s] for s in calibrated.sku_id], minlength=len(lines)) / 50
    category = corner_shop.sku_category
    goal = (
        demand.units
        * (sum_by_category(corner_shop, lines) / sum_by_category(corner_shop, demand.units))[category]
    )
    often = goal > 20
    assert often.any()
    assert lines[often] == pytest.approx(goal[often], rel=0.15)


def test_what_sells_as_often_as_the_baskets_hold_it_changes_nothing(corner_shop, bank):
    sku = [corner_shop.sku_index[sku_id] for sku_id in bank.sku_id]
    once = replace(bank, qty=np.ones_like(bank.qty))
    demand = Demand(np.bincount(sku, minlength=corner_shop.n_skus).astype(float), 0.2, 0.2)
    calibrated = calibrate_bank(once, corner_shop, demand, rng=np.random.default_rng(0))
    assert (calibrated.sku_id == bank.sku_id).all()
    assert calibrated.weight == pytest.approx(np.ones(bank.n))


def test_all_readings_of_a_model_are_calibrated_alike(corner_shop, demand):
    model = make_model(corner_shop)
    other = make_conversion(corner_shop, seed=1, hazard_bias=-2.0)
    share = np.linspace(0.0, 1.0, len(model.needs.planned_share))
    model = replace(model, hypotheses=(Hypothesis(model.needs.replan(share), other),))
    calibrated = calibrate_model(model, corner_shop, demand, rng=np.random.default_rng(0))
    log_factor = np.log(compute_category_factor(corner_shop, demand, model.needs))
    (reading,) = calibrated.hypotheses
    for after, before in ((calibrated.conversion, model.conversion), (reading.conversion, other)):
        raised = (after.hazard_bias - before.hazard_bias).detach().numpy()
        assert raised == pytest.approx(log_factor, abs=1e-6)
    assert (reading.needs.planned_share == share).all()
    assert (calibrated.needs.planned_share == model.needs.planned_share).all()
    assert (reading.needs.sku_id == calibrated.needs.sku_id).all()
    assert (reading.needs.weight == calibrated.needs.weight).all()
    assert model.needs.weight is None
