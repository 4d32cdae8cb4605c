"""What a store sells in the long run: its receipts and its catalogue say it together.

A few days of receipts tell the sales of an article but roughly, a catalogue's velocity may be of many weeks,
and may be of another season. How far velocities and receipts differ beyond the luck of so many receipts says
how far the catalogue can be trusted (empirical Bayes; Robbins, 1956): first what each category sells, then
each article within its category. A population that was learned from the receipts is then calibrated to sell
that (raking; Deville and Saerndal, Calibration estimators in survey sampling, 1992): baskets are weighted,
and a few lines are exchanged for other articles of the same category.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import gammaln

from layouts import Store
from models.conversion import ConversionModel
from models.hypotheses import Hypothesis
from models.needs import BasketBank
from models.shopper_model import ShopperModel

FloatArray = NDArray[np.float64]

USUAL_SPREAD, USUAL_SPREAD_SD = 0.2, 1.0  # of true sales around velocity; the logarithm's standard deviation
SPREADS = np.geomspace(0.02, 2.0, 60)
LEAST_VELOCITY = 0.1  # units a week: new articles sell something
USUAL_UNITS = 4.0  # that what is believed of an article's appeal counts for
N_STEPS = 50  # of Newton's method
WEIGHT_SD = 1.0  # of the logarithm that one line may add to the weight of its basket


@dataclass(frozen=True, eq=False)
class Demand:
    """What sells in the long run.

    Attributes
    ----------
    units
        Units that each SKU would sell while all of them sell what the receipts hold, shape (n_skus,).
    category_spread, sku_spread
        Standard deviation of log sales around log velocity: between categories, within one.
    """

    units: FloatArray
    category_spread: float
    sku_spread: float


def estimate_demand(store: Store, receipts: pd.DataFrame) -> Demand:
    """Weigh receipts and velocities.

    Parameters
    ----------
    store
        Gives velocities and categories.
    receipts
        Lines with `sku_id, qty`; those of SKUs that the store does not carry are left out.
    """
    index = receipts["sku_id"].astype("str").map(store.sku_index)
    qty = receipts["qty"].to_numpy(dtype=float)[index.notna()]
    sold = np.bincount(index.dropna().astype(np.int64), qty, store.n_skus).astype(float)
    together = float((qty**2).sum() / qty.sum()) if len(qty) else 1.0  # units are not bought one by one
    category, n = store.sku_category, len(store.categories)
    velocity = np.array([sku.velocity for sku in store.skus]) + LEAST_VELOCITY
    sold_of, velocity_of = (np.bincount(category, of, n).astype(float) for of in (sold, velocity))
    units_of, category_spread = _weigh(sold_of, velocity_of * (sold.sum() / velocity.sum()), together)
    units_of *= sold.sum() / max(units_of.sum(), 1e-9)
    units, sku_spread = _weigh(sold, velocity * (units_of / velocity_of.clip(1e-9))[category], together)
    units *= (units_of / np.bincount(category, units, n).clip(1e-9))[category]
    return Demand(units, category_spread, sku_spread)


def _weigh(sold: FloatArray, expected: FloatArray, together: float) -> tuple[FloatArray, float]:
    """Expected sales given what was sold, and how far true ones spread around `expected`.

    True sales are gamma-distributed around what is expected, what is sold then Poisson-distributed, in
    purchases of `together` units.
    """
    n, mean = sold / together, (expected / together).clip(1e-9)
    shape = (1.0 / SPREADS**2)[:, None]
    fit = gammaln(n + shape) - gammaln(shape) - shape * np.log1p(mean / shape)
    fit += n * (np.log(mean) - np.log(shape + mean))
    believed = -0.5 * (np.log(SPREADS / USUAL_SPREAD) / USUAL_SPREAD_SD) ** 2
    best = int((fit.sum(axis=1) + believed).argmax())
    weight = shape[best, 0]
    return expected * (n + weight) / (mean + weight), float(SPREADS[best])


def calibrate_model(
    model: ShopperModel, store: Store, demand: Demand, *, rng: np.random.Generator
) -> ShopperModel:
    """Let the people of a model that was learned in `store` buy each SKU as often as it sells there.

    What they come for as well as what they meet: baskets are calibrated, and hazards and appeal raised by
    the same factors. Its needs are observed baskets, as `fit_model` makes them.
    """
    assert isinstance(model.needs, BasketBank)
    factor = compute_category_factor(store, demand, model.needs)
    sku_factor = compute_sku_factor(store, demand, model.needs)
    bank = calibrate_bank(model.needs, store, demand, rng=rng)

    def calibrated(needs: Any, conversion: Any) -> tuple[BasketBank, ConversionModel]:
        return bank.replan(needs.line_shares), _raise(conversion, factor, sku_factor)

    needs, conversion = calibrated(model.needs, model.conversion)
    hypotheses = [Hypothesis(*calibrated(of.needs, of.conversion)) for of in model.hypotheses]
    return replace(model, needs=needs, conversion=conversion, hypotheses=tuple(hypotheses))


def calibrate_bank(bank: BasketBank, store: Store, demand: Demand, *, rng: np.random.Generator) -> BasketBank:
    """Let a bank of observed baskets hold each SKU in proportion to what it sells in the long run.

    Each category gets its share by weighing the baskets, as little as does it; each SKU its share of the
    category by exchanging lines. How many lines a basket has, and of which categories, stays.
    """
    sku = bank.index_skus(store)
    factor = compute_category_factor(store, demand, bank)
    lines = np.zeros((bank.n, len(factor)))
    np.add.at(lines, (bank.row, store.sku_category[sku]), 1.0)
    names = np.array([item.sku_id for item in store.skus], dtype=object)
    return replace(
        bank, sku_id=names[_exchange(sku, store, demand, rng)], weight=_rake(lines, lines.sum(0) * factor)
    )


def compute_category_factor(store: Store, demand: Demand, bank: BasketBank) -> FloatArray:
    """How many times as much of each category sells in the long run as a bank holds, (n_categories,).

    Bank and long run sell as much in all; 1 for a category that no basket holds.
    """
    n = len(store.categories)
    held = np.bincount(store.sku_category[bank.index_skus(store)], bank.qty, n)
    wanted = np.bincount(store.sku_category, demand.units, n)
    wanted *= held.sum() / max(wanted.sum(), 1e-9)
    return np.where((held > 0) & (wanted > 0), wanted / held.clip(1e-9), 1.0)


def compute_sku_factor(store: Store, demand: Demand, bank: BasketBank) -> FloatArray:
    """How many times as much of each SKU sells in the long run as a bank holds, within its category.

    Shape (n_skus,); nearer to 1 the fewer units there are, as appeal was not learned from these alone.
    """
    category, n = store.sku_category, len(store.categories)
    held = np.bincount(bank.index_skus(store), bank.qty, store.n_skus)
    held_of, wanted_of = np.bincount(category, held, n), np.bincount(category, demand.units, n)
    wanted = demand.units * (held_of / wanted_of.clip(1e-9))[category]
    return np.asarray((wanted + USUAL_UNITS) / (held + USUAL_UNITS))


def _raise(conversion: ConversionModel, factor: FloatArray, sku_factor: FloatArray) -> ConversionModel:
    """A copy that sells each category and, within it, each SKU so many times as often."""
    raised = deepcopy(conversion)
    with torch.no_grad():
        raised.hazard_bias += torch.from_numpy(np.log(factor).astype(np.float32))
        raised.appeal += torch.from_numpy(np.log(sku_factor).astype(np.float32))
    return raised


def _rake(lines: FloatArray, goal: FloatArray) -> FloatArray:
    """Weights of baskets, mean 1, with which they hold `goal` lines of each category.

    `lines` is of shape (n, n_categories). The weights are exponential in the lines, hence nearest to equal
    ones; held near these where few baskets hold a category.
    """
    n, tilt, weight = len(lines), np.zeros(lines.shape[1]), np.ones(len(lines))
    for _ in range(N_STEPS):
        held = lines.T @ weight
        slope = (lines * weight[:, None]).T @ lines - np.outer(held, held) / n
        step = np.linalg.solve(
            slope + np.eye(len(tilt)) / WEIGHT_SD**2, goal - held - tilt / WEIGHT_SD**2
        ).clip(-0.3, 0.3)
        tilt += step
        weight = np.exp(lines @ tilt)
        weight *= n / weight.sum()
        if np.abs(step).max(initial=0.0) < 1e-6:
            break
    return weight


def _exchange(
    sku: NDArray[np.int64], store: Store, demand: Demand, rng: np.random.Generator
) -> NDArray[np.int64]:
    """SKUs of lines, as few as will do exchanged within their category for what sells more, (n_lines,)."""
    held = np.bincount(sku, minlength=store.n_skus).astype(float)
    category, n = store.sku_category, len(store.categories)
    held_of, wanted_of = np.bincount(category, held, n), np.bincount(category, demand.units, n)
    goal = demand.units * (held_of / wanted_of.clip(1e-9))[category]
    leaves = rng.random(len(sku)) >= (goal / held.clip(1e-9))[sku]
    short, exchanged = (goal - held).clip(0.0), sku.copy()
    for c in np.unique(category[sku[leaves]]):
        lines = np.flatnonzero(leaves & (category[sku] == c))
        chance = np.where(category == c, short, 0.0)
        if chance.sum() > 0:
            exchanged[lines] = rng.choice(store.n_skus, len(lines), p=chance / chance.sum())
    return exchanged
