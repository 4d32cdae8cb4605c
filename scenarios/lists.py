"""Lists of today's store: so much of each category is planned that with what is met it sells what it should.

What people will buy unplanned shows only when a model walks the store: few visits tell little of a category's
hazard, and detours to stops for nothing lead past goods that the fit does not count as met there. So they
walk it, and as much less is put on their lists.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from layouts import Store
from models import BasketBank, BlendedNeeds, Needs, ShopperModel, VelocityNeeds, expect_wanted
from simulator import Itineraries, Luck, draw_population, plan_itineraries

N_SHOPPERS, N_ROUNDS = 3000, 3  # who walk the store to see what they buy, for lists made from the catalogue
N_BANK_SHOPPERS, N_BANK_ROUNDS = 6000, 3  # and for observed baskets, which are nearly right to begin with
MIN_PLANNED_SHARE = 0.1
MAX_FACTOR = 2.0  # on the chances that lines of a category were planned, in one round


def calibrate_lists(model: ShopperModel, store: Store, *, seed: int = 0) -> ShopperModel:
    """Plan so much of each category that planned and unplanned together sell what is expected of it.

    What is expected is what the baskets hold, were all of their lines planned: observed ones, or those made
    from the catalogue. Of needs that are made of both, those from the catalogue alone change. Each hypothesis
    gets lists of its own: under each something else is bought unplanned.
    """
    if model.policy.buys:
        return model
    alone = _calibrate(model.needs, replace(model, hypotheses=()), store, Luck(seed))
    readings = []
    for number, reading in enumerate(tqdm(model.hypotheses, desc="lists", unit="hypothesis", disable=None)):
        own = Luck(seed, 1 + number)  # or all of them would share the luck of those who walk
        readings.append(
            replace(reading, needs=_calibrate(reading.needs, model.for_replication(number), store, own))
        )
    known = dict(model.knowledge)
    if isinstance(alone, BasketBank):
        known["planned_line_share"] = round(float(alone.line_shares.mean()), 4)
    return replace(model, needs=alone, hypotheses=tuple(readings), knowledge=known)


def _calibrate(needs: Needs, model: ShopperModel, store: Store, luck: Luck) -> Needs:
    """Needs calibrated to what a model without hypotheses buys unplanned."""
    if isinstance(needs, BlendedNeeds):
        return replace(needs, made=_calibrate_made(needs.made, model, store, luck))
    if isinstance(needs, VelocityNeeds):
        return _calibrate_made(needs, model, store, luck)
    return _calibrate_bank(needs, model, store, luck) if isinstance(needs, BasketBank) else needs


def _calibrate_made(made: VelocityNeeds, model: ShopperModel, store: Store, luck: Luck) -> VelocityNeeds:
    expected = expect_wanted(made, store)
    for _ in range(N_ROUNDS):
        plans = _walk(replace(model, needs=made), store, N_SHOPPERS, luck)
        buyers = np.zeros((2, N_SHOPPERS, len(store.categories)), dtype=bool)
        category = store.sku_category[plans.pick_sku]
        buyers[plans.pick_planned.astype(int), plans.pick_shopper, category] = True
        unplanned, planned = buyers.mean(axis=1)
        share = made.planned_share_of(store) * (expected - unplanned) / np.maximum(planned, 1e-6)
        made = made.with_planned_share(store, np.clip(share, MIN_PLANNED_SHARE, 1.0))
    return made


def _calibrate_bank(bank: BasketBank, model: ShopperModel, store: Store, luck: Luck) -> BasketBank:
    category, expected = count_lines(bank, store)
    for _ in range(N_BANK_ROUNDS):
        plans = _walk(replace(model, needs=bank), store, N_BANK_SHOPPERS, luck)
        sold = np.zeros((2, len(store.categories)))
        np.add.at(sold, (plans.pick_planned.astype(int), store.sku_category[plans.pick_sku]), 1.0)
        unplanned, planned = sold / N_BANK_SHOPPERS
        factor = (expected - unplanned) / np.maximum(planned, 1e-6)
        factor = np.where(planned > 0, factor.clip(1 / MAX_FACTOR, MAX_FACTOR), 1.0)
        bank = bank.replan((bank.planned_share * factor[category]).clip(0.0, 1.0))
    return bank


def count_lines(bank: BasketBank, store: Store) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Category of each line, (n_lines,), and lines of each category in a mean basket, (n_categories,)."""
    category = store.sku_category[bank.index_skus(store)].astype(np.int64)
    weight = np.ones(bank.n) if bank.weight is None else bank.weight
    n_lines = np.bincount(category, weight[bank.row], len(store.categories))
    return category, np.asarray(n_lines / weight.sum())


def _walk(model: ShopperModel, store: Store, n: int, luck: Luck) -> Itineraries:
    _, baskets = draw_population(model, store, n, luck)
    return plan_itineraries(model, store, baskets, n, luck)
