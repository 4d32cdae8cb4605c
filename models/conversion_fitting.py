"""How a conversion model learns from receipts and journeys, and what it believed before it did.

Every receipt line was either planned or met on the way. For the first line of each bought category, both
are written down with the place and the article (z, s) at which it was taken:

    P(bought, z, s) = planned q_s p_z|s + (1 - planned) sum_k (exp(-H_k-1) - exp(-H_k)) r_kz a_zs / a_zc

H_k is the hazard of all that has been noticed up to the k-th segment of the way, r_kz the share of zone z in
what is noticed of the category in that segment: it sells where the simulator would sell it, what is met first
most if the power is below 1. q_s is the article's share in its category, p_z|s which of its places
somebody who had planned it takes it from: one weight tells displays from shelves, another the place that was
met first from the others. So what displays sell is learned from purchases that were found there by those who
would have had no need, not from all that was taken there. Who had stopped at another place of the article
before had not planned it, or would have taken it there. Both parts are multiplied by the chance of as many
lines of the category as there are: Poisson beyond the first, with a mean next to nothing for what was met.

Appetite is used up: a notice after n unplanned purchases counts exp(-spent n). `spent` is learned from the
order of things: where one purchase puts off the next, what is met after it is bought less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from layouts import Store
from models.conversion import (
    FURTHER_BY_SIZE,
    FURTHER_LINES,
    HAZARD_LEVEL,
    HAZARD_SCORE,
    LOG_HABITUATION,
    LOG_SPENT,
    MAX_UNITS,
    PLANNED_AT_FIRST,
    PLANNED_BIAS,
    ConversionModel,
)
from models.encoding import EncodedJourneys
from models.layout_view import view_layout
from models.placement import PRIORS
from models.purchase_data import PurchaseData

# Log mean number of lines beyond the first of an unplanned category: next to none. In two stores 2 of 783
# first purchases at racks by the tills, where least is planned, were followed by another one of the category,
# of all 19 %. It is not learned: before much is known it would rise, and then take the planned for unplanned.
LOG_FURTHER_UNPLANNED = torch.tensor(-4.0)
# Log chance that somebody who had planned an article leaves it at a stop where it stands and takes it later.
# Next to nobody in a generated town does; it is what stops that were read wrongly make of it.
LOG_PASSED_OVER = -4.0
LEAST_FOUND = 1e-4  # chance to have met goods where they were not to be seen: real ways are not the shortest
TOO_FAR = 1e12  # loss [nats] of parameters for which it cannot be computed
N_TURNS = 5  # of drawing what was planned and fitting to it
N_FIRST_ITERATIONS, N_ITERATIONS = 150, 60  # of L-BFGS


@dataclass(frozen=True, eq=False)
class Anchor:
    """Normal prior of one parameter: mean of its shape, standard deviation."""

    mean: Tensor
    sd: Tensor


# By name of the parameter; those of `hazard_bias` and `lines_planned` are of how they differ from the level.
Priors = Mapping[str, Anchor]
SPREAD: dict[str, float] = {  # standard deviations of the published priors
    "hazard_level": 1.5,
    "hazard_score": 0.3,
    "hazard_bias": 0.6,  # between categories
    "hazard_attributes": 0.3,
    "log_habituation": 0.3,
    "log_spent": 1.5,
    "appeal": 0.5,
    "planned_bias": 3.0,
    "planned_attributes": 0.5,
    "planned_basket": 1.0,
    "planned_by_all": 1.0,
    "planned_by_size": 2.0,
    # Goods that stand together are met together: wide affinities would take unplanned purchases for needs.
    "planned_others": 0.05,
    "planned_on_display": 1.0,
    "planned_at_first": 0.5,
    "lines_level": 1.5,
    "lines_planned": 0.5,  # between categories
    "lines_by_size": 0.5,
}


def publish_priors(model: ConversionModel) -> dict[str, Anchor]:
    """What is believed of a store of which nothing is known."""
    mean = {
        "log_habituation": LOG_HABITUATION,
        "log_spent": LOG_SPENT,
        "hazard_level": HAZARD_LEVEL,
        "hazard_score": HAZARD_SCORE,
        "planned_bias": PLANNED_BIAS,
        "planned_at_first": PLANNED_AT_FIRST,
        "lines_level": FURTHER_LINES,
        "lines_by_size": FURTHER_BY_SIZE,
    }
    priors = {
        name: Anchor(
            torch.full_like(values, mean.get(name, 0.0)), torch.full_like(values, SPREAD.get(name, 1.0))
        )
        for name, values in model.named_parameters()
        if name != "placement"
    }
    return priors | {"placement": Anchor(*torch.tensor(list(PRIORS.values())).T)}


def draw_priors(priors: Priors, rng: np.random.Generator) -> dict[str, Anchor]:
    """Move every mean by chance as far as its spread allows, and draw how far categories may differ.

    Fitted to visits weighted by chance as well, a model is then one of those that the data and what was
    believed before leave open (randomise, then maximise).
    """
    wider = {
        "planned_others": math.exp(rng.normal(0.0, 0.7)),
        "hazard_bias": math.exp(rng.normal(0.0, 0.2)),
    }
    drawn = {}
    for name, prior in priors.items():
        sd = prior.sd * wider.get(name, 1.0)
        noise = torch.from_numpy(rng.normal(size=tuple(prior.mean.shape)).astype(np.float32))
        drawn[name] = Anchor(prior.mean + sd * noise, sd)
    return drawn


def fit_conversion(
    model: ConversionModel,
    journeys: EncodedJourneys,
    store: Store,
    *,
    rng: np.random.Generator,
    priors: Priors | None = None,
    weights: NDArray[np.floating] | None = None,
    share: NDArray[np.float64] | None = None,
    n_turns: int = N_TURNS,
    heeds_order: bool = True,
) -> ConversionModel:
    """Learn from journeys with receipts in `store`, in place.

    What was planned and what follows from it take turns (stochastic expectation maximisation): the
    stops made for unplanned purchases are on the way to planned ones, so they must not count as the way
    itself, and they use up appetite. They are drawn by the present shares and taken out before exposures are
    computed; the coefficients then maximise the penalised likelihood, and the shares move halfway to what
    these say.

    Parameters
    ----------
    model
        Its parameters are where the search starts.
    journeys
        What was observed.
    store
        Where.
    rng
        Draws what was planned.
    priors
        Normal priors of the parameters; the published ones if left out.
    weights
        How often each journey counts, shape (n,); once if left out.
    share
        Chance that each category was planned where the search starts, shape (n, n_categories); all of what
        was bought if left out.
    n_turns
        Turns of drawing and fitting.
    heeds_order
        Whether where on the way a purchase was made tells what it was; if not, an unplanned one is made
        wherever its goods are noticed, early or late, and a planned one at any of their places.

    Returns
    -------
    model
        The same, for evaluation.
    """
    priors, view = priors or publish_priors(model), view_layout(store)
    n_iterations = N_FIRST_ITERATIONS if share is None else N_ITERATIONS
    share = journeys.bought_categories(store).astype(float) if share is None else share
    for turn in tqdm(range(n_turns), desc="purchases", unit="turn", disable=None, leave=False):
        data = PurchaseData.of(model, journeys, view, share, rng, weights=weights, heeds_order=heeds_order)
        _maximise(model, data, priors, N_ITERATIONS if turn else n_iterations)
        new = _infer_planned(model, data)
        share = (share + new) / 2.0 if turn else new
    model.units.copy_(torch.from_numpy(count_unplanned_units(journeys, store, share)))
    return model.eval()


def estimate_planned_share(
    model: ConversionModel,
    journeys: EncodedJourneys,
    store: Store,
    *,
    rng: np.random.Generator,
    share: NDArray[np.float64] | None = None,
    n_turns: int = N_TURNS,
    heeds_order: bool = True,
) -> NDArray[np.float64]:
    """P(planned | bought) by shopper and category of the store, (n, n_categories); 0 if not bought.

    Found in turns, as in `fit_conversion`, from `share` on; what is not said here is said there.
    """
    view = view_layout(store)
    share = journeys.bought_categories(store).astype(float) if share is None else share
    for turn in range(n_turns):
        data = PurchaseData.of(model, journeys, view, share, rng, heeds_order=heeds_order)
        new = _infer_planned(model, data)
        share = (share + new) / 2.0 if turn else new
    return share


def _maximise(model: ConversionModel, data: PurchaseData, priors: Priors, n_iterations: int) -> None:
    """Maximise the penalised likelihood (full batch, no luck)."""
    parameters = list(model.parameters())
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=n_iterations,
        history_size=20,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-3,
        tolerance_change=1e-7,
    )

    def compute_loss() -> float:
        optimizer.zero_grad()
        loss = compute_negative_log_likelihood(model, data) + compute_penalty(model, priors)
        loss.backward()
        if _is_finite(loss) and all(_is_finite(p.grad) for p in parameters if p.grad is not None):
            return loss.item()
        optimizer.zero_grad()  # a first step along a new direction may go too far: the line search turns back
        return TOO_FAR

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several add up gradients in any order, and L-BFGS makes much of the last bit
    try:
        optimizer.step(compute_loss)
    finally:
        torch.set_num_threads(n_threads)


def _is_finite(values: Tensor) -> bool:
    """Whether all of them are."""
    return bool(torch.isfinite(values).all())


def compute_penalty(model: ConversionModel, priors: Priors) -> Tensor:
    """Negative logarithm of the priors, up to a constant."""
    total = torch.zeros(())
    for name, values in model.named_parameters():
        if name == "hazard_bias":
            values = values - model.hazard_level - model.hazard_score * model.score
        elif name == "lines_planned":
            values = values - model.lines_level
        prior = priors[name]
        total = total + 0.5 * (((values - prior.mean) / prior.sd) ** 2).sum()
    return total


def compute_negative_log_likelihood(model: ConversionModel, data: PurchaseData) -> Tensor:
    """Of what each shopper bought and did not buy, and of where what was taken [nats]."""
    logit, walked, planned, met = _explain(model, data)
    not_bought = (nn.functional.logsigmoid(-logit) - walked) * (1 - data.bought)
    bought = torch.logaddexp(planned, met)
    return -((data.weights[:, None] * not_bought).sum() + (data.weights[data.row] * bought).sum())


@torch.no_grad()
def _infer_planned(model: ConversionModel, data: PurchaseData) -> NDArray[np.float64]:
    _, _, planned, met = _explain(model, data)
    share = np.zeros((len(data.bought), len(data.view.store.categories)))
    share[data.row, data.store_category] = torch.sigmoid(planned - met).numpy()
    return share


def _explain(model: ConversionModel, data: PurchaseData) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logit of having planned and hazard by shopper and category; log chance of both ways to buy.

    Shapes (n, n_categories) twice and (n_bought,) twice.
    """
    store = data.view.store
    log_attraction = model.log_attraction(data.view)
    attraction = model.zone_attraction(log_attraction, store)
    rate = torch.exp(model.hazard_bias + (data.attributes @ model.hazard_attributes)[:, None])
    power, spent = model.log_habituation.exp(), model.log_spent.exp()
    walked = rate * (data.exposure.after(spent) @ attraction).clamp(min=1e-9) ** power
    met, found = _log_met(data, attraction, rate[data.row, data.category], power, spent)
    logit = model.planned_logit(data.attributes, data.bought)
    own = logit[data.row, data.category]
    several = model.log_further_lines(data.bought)[data.row, data.category]
    planned = nn.functional.logsigmoid(own) + _log_poisson(data.n_further, several)
    met = nn.functional.logsigmoid(-own) + met + _log_poisson(data.n_further, LOG_FURTHER_UNPLANNED)
    at, zone, sku = data.placed, data.zone, data.sku
    planned_here = _log_share(model, data)[sku] + _log_place(model, data)
    planned_here = planned_here + LOG_PASSED_OVER * data.passed_over
    met_here = found + log_attraction[zone, sku] - torch.log(attraction[zone, data.category[at]])
    return logit, walked, planned.index_add(0, at, planned_here), met.index_add(0, at, met_here)


def _log_met(
    data: PurchaseData, attraction: Tensor, rate: Tensor, power: Tensor, spent: Tensor
) -> tuple[Tensor, Tensor]:
    """Log chance that each category sells unplanned, and, if so, in the zone where it was taken.

    It sells where the hazard of what has been noticed so far passes its threshold: with a power below 1 what
    is met first sells most. Where order is not heeded, each notice is as good as another. `attraction` is
    (n_zones, n_categories), `rate` (n_bought,); the results are of shape (n_bought,) and (n_placed,).
    """
    encounters = data.encounters
    n_bought, n_segments = encounters.n_before.shape
    counts = encounters.notices * attraction[encounters.zone, data.category[encounters.purchase]]
    in_segment = torch.zeros(n_bought * n_segments).index_add(0, encounters.slot, counts)
    noticed = in_segment.view(n_bought, n_segments) * torch.exp(-spent * encounters.n_before)
    so_far = noticed.cumsum(1).clamp(min=1e-9)
    hazard = rate[:, None] * so_far**power
    before = torch.cat([torch.zeros(n_bought, 1), hazard[:, :-1]], 1)
    sells = torch.exp(-before) * -torch.expm1(before - hazard)  # in each segment
    sells_at_all = -torch.expm1(-hazard[:, -1])
    weight, total = (sells, sells_at_all) if data.heeds_order else (noticed, so_far[:, -1])
    slot = encounters.slot[data.there]
    there = weight.view(-1)[slot] * counts[data.there] / in_segment[slot]
    found = torch.zeros(len(data.placed)).index_add(0, data.of_placed, there)
    found = found / total[data.placed]
    return torch.log(sells_at_all), torch.log(found.clamp(min=LEAST_FOUND))


def _log_poisson(n: Tensor, log_mean: Tensor) -> Tensor:
    """Log chance of `n`, up to what does not depend on the mean."""
    return n * log_mean - log_mean.exp()


def _log_share(model: ConversionModel, data: PurchaseData) -> Tensor:
    """Log share of each SKU in its category, wherever it stands, (n_skus,)."""
    store = data.view.store
    own = model.own_appeal(store)
    category = torch.tensor(store.sku_category)
    total = torch.zeros(len(store.categories)).index_add(0, category, own.exp())
    return own - torch.log(total)[category]


def _log_place(model: ConversionModel, data: PurchaseData) -> Tensor:
    """Log chance that somebody who had planned a SKU takes it from the zone where it was, (n_placed,)."""
    weight = torch.exp(model.planned_on_display * data.is_display)
    is_met = data.first >= 0
    first = torch.where(is_met, data.first, 0)
    more = is_met * weight[first] * torch.expm1(model.planned_at_first)
    total = (data.stands.T @ weight)[data.sku] + more
    return torch.log(weight[data.zone] / total) + model.planned_at_first * (data.first == data.zone)


def count_unplanned_units(
    journeys: EncodedJourneys, store: Store, planned_share: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Distribution of the units of each category that was bought unplanned, (n_categories, `MAX_UNITS`).

    Every purchase counts for the chance that it was unplanned, 1 - `planned_share`, (n, n_categories). Of a
    category that never was one unit is bought.
    """
    n_categories = len(store.categories)
    code = journeys.pick_row * n_categories + store.sku_category[journeys.pick_sku]
    pair, inverse = np.unique(code, return_inverse=True)
    units = np.bincount(inverse, journeys.pick_qty).astype(int).clip(1, MAX_UNITS)
    table = np.zeros((n_categories, MAX_UNITS))
    row, category = np.divmod(pair, n_categories)
    np.add.at(table, (category, units - 1), 1.0 - planned_share[row, category])
    table[table.sum(1) <= 0, 0] = 1.0
    return (table / table.sum(1, keepdims=True)).astype(np.float32)
