"""The conversion model of another store, refitted: what few receipts cannot tell stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layouts import Store
from models.conversion import ConversionModel
from models.conversion_fitting import Anchor, Priors, fit_conversion, publish_priors
from models.encoding import EncodedJourneys
from models.velocity_needs import VelocityNeeds
from models.vocabulary import AttributeCoder

N_TURNS = 3  # it starts near the answer
COMMON = (  # to all categories and customers, so taken over as they are
    "hazard_level",
    "hazard_score",
    "log_spent",
    "placement",
    "planned_by_size",
    "planned_on_display",
    "planned_at_first",
    "lines_level",
    "lines_by_size",
)
NEW_TO_OLD = 0.5  # standard deviations of the priors, where an old value takes the place of the published one


def refit_conversion(
    prior: Any,
    journeys: EncodedJourneys,
    store: Store,
    needs: VelocityNeeds,
    *,
    rng: np.random.Generator,
) -> tuple[ConversionModel, Priors]:
    """Fit a conversion model to few journeys of `store`, held near `prior`.

    Parameters
    ----------
    prior
        `ConversionModel` of other stores; of anything else only the published priors are taken.
    journeys
        Of the new store.
    store
        The new store; categories are matched by name, those without a match start at the common level.
    needs
        What sells in the new store by its catalogue: the prior of how often each category is planned.
    rng
        Draws what was planned while fitting.

    Returns
    -------
    model, priors
        The fitted model, and what it was held near.
    """
    coder = AttributeCoder.fit(journeys.attributes)
    old = prior if isinstance(prior, ConversionModel) else ConversionModel((), (), coder)
    model = ConversionModel(store.categories, tuple(store.sku_index), coder)
    priors = anchor_priors(model, old, store, needs)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(priors[name].mean)
        model.hazard_bias += model.hazard_level + model.hazard_score * model.score
        model.lines_planned += model.lines_level
    fit_conversion(model, journeys, store, rng=rng, priors=priors, n_turns=N_TURNS)
    _blend_units(model, old, journeys, store)
    return model.eval(), priors


@torch.no_grad()
def anchor_priors(
    model: ConversionModel, old: ConversionModel, store: Store, needs: VelocityNeeds
) -> dict[str, Anchor]:
    """Old values where there is an old one, published or common ones elsewhere."""
    by_category = _matcher(model.categories, old.categories)
    by_level = _matcher(_name_levels(model.attributes), _name_levels(old.attributes))
    left = old.hazard_bias - old.hazard_level - old.hazard_score * old.score
    priors = publish_priors(model)
    means = {
        "hazard_bias": by_category(left, 0.0),
        "hazard_attributes": by_level(old.hazard_attributes, 0.0),
        "planned_by_all": by_level(old.planned_by_all, 0.0),
        "planned_bias": _expect_planned(store, needs),
        "lines_planned": by_category(old.lines_planned - old.lines_level, 0.0),
    }
    for name in COMMON:
        means[name] = getattr(old, name).clone()
    priors = {name: replace(prior, mean=means.get(name, prior.mean)) for name, prior in priors.items()}
    sharper = ["hazard_level", "placement"] if old.categories else []
    for name in (*sharper, "hazard_attributes", "planned_by_size"):
        priors[name] = replace(priors[name], sd=priors[name].sd * NEW_TO_OLD)
    return priors | {"planned_bias": replace(priors["planned_bias"], sd=torch.ones(len(model.categories)))}


def _expect_planned(store: Store, needs: VelocityNeeds) -> Tensor:
    """Logit of the chance that each category is planned, from what the catalogue sells."""
    bank = needs.make_bank(store)
    category = store.sku_category[bank.index_skus(store)]
    chance = np.zeros((bank.n, len(store.categories)))
    chance[bank.row, category] = bank.planned_share
    mean = chance.mean(axis=0).clip(1e-3, 0.9)
    return torch.from_numpy(np.log(mean / (1.0 - mean)).astype(np.float32))


def _name_levels(coder: AttributeCoder) -> tuple[tuple[str, str], ...]:
    return tuple((name, level) for name, levels in coder.levels.items() for level in levels)


def _matcher(new: Sequence[object], old: Sequence[object]) -> Callable[[Tensor, float], Tensor]:
    """Function that takes values (one per `old` name) to the order of the `new` names."""
    position = {name: i for i, name in enumerate(old)}
    index = [position.get(name, -1) for name in new]

    def take(values: Tensor, default: float) -> Tensor:
        return torch.stack([values[i] if i >= 0 else torch.tensor(default) for i in index])

    return take


@torch.no_grad()
def _blend_units(
    model: ConversionModel, old: ConversionModel, journeys: EncodedJourneys, store: Store
) -> None:
    """Units of an unplanned purchase: those seen, and for `UNIT_LINES` lines those of all categories."""
    n_lines = np.bincount(store.sku_category[journeys.pick_sku], minlength=len(store.categories))
    weight = torch.from_numpy(n_lines.astype(np.float32))[:, None]
    common = (model.units * weight).sum(0) / weight.sum().clamp(min=1.0)
    model.units.copy_((model.units * weight + 10.0 * common) / (weight + 10.0))
