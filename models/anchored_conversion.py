"""The conversion model of another store, refitted: what few receipts cannot tell stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layouts import Store
from models.conversion import HAZARD_LEVEL, HAZARD_SPREAD, PRIORS, ConversionModel
from models.encoding import EncodedJourneys
from models.velocity_needs import VelocityNeeds
from models.vocabulary import AttributeCoder

PLANNED_BIAS = -1.5  # of a category of which nothing is known; as a new `ConversionModel` starts
N_TURNS = 3  # it starts near the answer
NEW_TO_OLD = 0.5  # standard deviations of the priors, where an old value takes the place of the published one


@dataclass(frozen=True, eq=False)
class Anchor:
    """Normal prior of one parameter: mean of its shape, standard deviation."""

    mean: Tensor
    sd: Tensor


class AnchoredConversion(ConversionModel):
    """A conversion model whose penalty pulls towards given values."""

    anchors: dict[str, Anchor]

    def _penalty(self) -> Tensor:
        parameters = dict(self.named_parameters())
        total = torch.zeros(())
        for name, anchor in self.anchors.items():
            total = total + 0.5 * (((parameters[name] - anchor.mean) / anchor.sd) ** 2).sum()
        return total


def refit_conversion(
    prior: Any,
    journeys: EncodedJourneys,
    store: Store,
    needs: VelocityNeeds,
    *,
    rng: np.random.Generator,
) -> ConversionModel:
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
    """
    coder = AttributeCoder.fit(journeys.attributes)
    old = prior if isinstance(prior, ConversionModel) else ConversionModel((), (), coder)
    model = AnchoredConversion(store.categories, tuple(store.sku_index), coder)
    model.anchors = _anchor(model, old, store, needs)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(model.anchors[name].mean)
    model.fit(journeys, store, rng=rng, n_turns=N_TURNS)
    fitted = ConversionModel(store.categories, tuple(store.sku_index), coder)
    fitted.load_state_dict(model.state_dict())
    _blend_units(fitted, old, journeys, store)
    return fitted.eval()


@torch.no_grad()
def _anchor(
    model: ConversionModel, old: ConversionModel, store: Store, needs: VelocityNeeds
) -> dict[str, Anchor]:
    """Old values where there is an old one, published or common ones elsewhere."""
    is_fitted = bool(old.categories)
    by_category = _matcher(model.categories, old.categories)
    by_level = _matcher(_name_levels(model.attributes), _name_levels(old.attributes))
    spread = torch.tensor([sd for _, sd in PRIORS.values()])

    def plain(values: Tensor, sd: float) -> Anchor:
        return Anchor(values, torch.full_like(values, sd))

    level = old.hazard_level.clone()
    return {
        "hazard_level": plain(level, HAZARD_LEVEL[1] * (NEW_TO_OLD if is_fitted else 1.0)),
        "hazard_bias": plain(by_category(old.hazard_bias, float(level)), HAZARD_SPREAD),
        "hazard_attributes": plain(by_level(old.hazard_attributes, 0.0), 0.3 * NEW_TO_OLD),
        "placement": Anchor(old.placement.clone(), spread * (NEW_TO_OLD if is_fitted else 1.0)),
        "appeal": plain(torch.zeros_like(model.appeal), 0.5),
        "planned_bias": plain(_expect_planned(store, needs), 1.0),
        "planned_attributes": plain(torch.zeros_like(model.planned_attributes), 0.5),
        "planned_basket": plain(torch.zeros_like(model.planned_basket), 1.0),
        "planned_by_all": plain(by_level(old.planned_by_all, 0.0), 1.0),
        "planned_by_size": plain(old.planned_by_size.clone(), 2.0 * NEW_TO_OLD),
        "planned_others": plain(torch.zeros_like(model.planned_others), 0.3),
    }


def _expect_planned(store: Store, needs: VelocityNeeds) -> Tensor:
    """Logit of the chance that each category is planned, from what the catalogue sells."""
    bank = needs.make_bank(store)
    category = store.sku_category[[store.sku_index[sku_id] for sku_id in bank.sku_id]]
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
