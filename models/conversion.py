"""What is bought: planned needs and unplanned purchases, told apart from receipts and exposures.

A category c is in the basket of shopper i because it was needed, or because its shelf was met:

    P(bought) = 1 - (1 - planned_ic) exp(-hazard_ic),    hazard_ic = exp(b_c + g x_i) (sum_z E_iz a_zc)^h

E_iz is how often the shelf of zone z was noticed on the way between the planned stops, *had the need for c
not existed* (the stops made for c alone are taken out and the rest walked again), which is what tells the
two apart; after n unplanned purchases a notice counts exp(-spent n), appetite, money and time being limited.
Below 1, the power h says that a second look at the same goods counts less than the first: what a
display sells is then partly taken from the shelf. a_zc, the attraction of what stands there, is the sum
over SKUs of exp(theta f_zs), f being the facings, level, price, ... of the SKU in that zone, on top of the
SKU's own appeal: its velocity, corrected by what the receipts say. Appeal is free and facings are held near
their published effect, because facings follow sales and not only the other way round. The planned part
depends on attributes and on what else is in the basket. Where one layout has no variation (displays,
facings, levels, goods that everybody passes) the coefficients start from published effects and are held
near them: b_c lies around b + s z_c, z_c being what displays do to a category of this name in real receipts
(`category_priors`). `conversion_fitting` learns all this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from layouts import Store
from models.category_priors import match_categories
from models.layout_view import LayoutView
from models.placement import PRIORS, compute_placement_features, compute_velocity_share
from models.vocabulary import AttributeCoder

HAZARD_LEVEL = -3.5  # log hazard per notice of an average category, before anything is learned
HAZARD_SCORE = 0.3  # what one standard deviation of a category's display effect adds to its log hazard
LOG_HABITUATION = -0.2  # log of the power at which notices add up: the second look counts less than the first
LOG_SPENT = -1.5  # log of the appetite that an unplanned purchase spends: what follows counts e^-spent of it
PLANNED_BIAS = -1.5  # logit of a category being planned, likewise
PLANNED_AT_FIRST = 0.7  # log weight of the place of an article that is met first, likewise
FURTHER_LINES = -1.5  # log mean number of lines beyond the first of a planned category, two being bought
FURTHER_BY_SIZE = 0.5  # power at which it grows with the number of categories
MAX_UNITS = 6  # more units of one unplanned category than this count as this many


class ConversionModel(nn.Module):
    """P(purchase | exposure, context), planned and unplanned, by category and, within it, by SKU and zone.

    Parameters
    ----------
    categories
        Category names, in the order of the coefficients.
    sku_ids
        SKUs whose appeal is learned; of others the velocity is taken.
    attributes
        Coder of the customer attributes.
    """

    idle_stops_notice: ClassVar[bool] = False  # as in the fit: see `encoding.keep_planned_stops`
    units: Tensor
    score: Tensor

    def __init__(
        self, categories: tuple[str, ...], sku_ids: tuple[str, ...], attributes: AttributeCoder
    ) -> None:
        super().__init__()
        self.categories, self.sku_ids, self.attributes = categories, sku_ids, attributes
        n_categories, n_levels = len(categories), attributes.n_levels
        score = [match.score for match in match_categories(categories)]
        self.register_buffer("score", torch.tensor(score, dtype=torch.float32))  # of the categories' names
        self.hazard_level = nn.Parameter(torch.tensor(HAZARD_LEVEL))
        self.hazard_score = nn.Parameter(torch.tensor(HAZARD_SCORE))
        self.hazard_bias = nn.Parameter(HAZARD_LEVEL + HAZARD_SCORE * self.score.clone())
        self.log_habituation = nn.Parameter(torch.tensor(LOG_HABITUATION))
        self.log_spent = nn.Parameter(torch.tensor(LOG_SPENT))
        self.hazard_attributes = nn.Parameter(torch.zeros(n_levels))
        self.placement = nn.Parameter(torch.tensor([mean for mean, _ in PRIORS.values()]))
        self.appeal = nn.Parameter(torch.zeros(len(sku_ids)))  # log, beyond velocity
        self.planned_bias = nn.Parameter(torch.full((n_categories,), PLANNED_BIAS))
        self.planned_attributes = nn.Parameter(torch.zeros(n_levels, n_categories))
        self.planned_basket = nn.Parameter(torch.zeros(n_categories))
        self.planned_by_all = nn.Parameter(torch.zeros(n_levels))  # of every category alike
        self.planned_by_size = nn.Parameter(torch.zeros(2))
        self.planned_others = nn.Parameter(torch.zeros(n_categories, n_categories))
        self.planned_on_display = nn.Parameter(torch.zeros(()))  # log weight of a display against a shelf
        self.planned_at_first = nn.Parameter(torch.tensor(PLANNED_AT_FIRST))
        self.lines_level = nn.Parameter(torch.tensor(FURTHER_LINES))
        self.lines_planned = nn.Parameter(torch.full((n_categories,), FURTHER_LINES))
        self.lines_by_size = nn.Parameter(torch.tensor(FURTHER_BY_SIZE))
        self.register_buffer("units", torch.zeros(n_categories, MAX_UNITS))  # P(units | unplanned category)

    # ---- pieces, in torch

    def log_attraction(self, view: LayoutView) -> Tensor:
        """Log attraction of each SKU in each zone, -inf where it does not stand; (n_zones, n_skus)."""
        features = torch.from_numpy(compute_placement_features(view))
        absent = torch.from_numpy(~view.store.stands)
        own = self.own_appeal(view.store)
        return (features @ self.placement + own).masked_fill(absent, -torch.inf)

    def own_appeal(self, store: Store) -> Tensor:
        """Log appeal of each SKU of `store` wherever it stands: velocity and what was learned, (n_skus,)."""
        order = {sku_id: i for i, sku_id in enumerate(self.sku_ids)}
        index = torch.tensor([order.get(sku.sku_id, len(order)) for sku in store.skus])
        return torch.cat([self.appeal, torch.zeros(1)])[index] + torch.from_numpy(
            compute_velocity_share(store)
        )

    def zone_attraction(self, log_attraction: Tensor, store: Store) -> Tensor:
        """Attraction of each category in each zone, (n_zones, n_categories of the model)."""
        index = torch.from_numpy(self.category_index(store))
        attraction = torch.zeros(len(store.zones), len(self.categories))
        known = index >= 0
        return attraction.index_add(1, index[known], log_attraction.exp()[:, known])

    def category_index(self, store: Store) -> NDArray[np.int64]:
        """Category of each SKU of `store` in this model's order; -1 if the model never saw it."""
        order = {name: i for i, name in enumerate(self.categories)}
        return np.array([order.get(store.categories[c], -1) for c in store.sku_category], dtype=np.int64)

    def planned_logit(self, attributes: Tensor, bought: Tensor) -> Tensor:
        """Logit of having planned each category given the others bought, (n, n_categories)."""
        others = self.planned_others - torch.diag(torch.diag(self.planned_others))
        n_other = bought.sum(1, keepdim=True) - bought
        logit = self.planned_bias + attributes @ self.planned_attributes
        logit = logit + (attributes @ self.planned_by_all)[:, None]
        logit = (
            logit + self.planned_by_size[0] * torch.log1p(n_other) + self.planned_by_size[1] * n_other / 10
        )
        return logit + self.planned_basket * torch.log1p(n_other) + bought @ others

    def log_further_lines(self, bought: Tensor) -> Tensor:
        """Log mean number of lines beyond the first of a planned category, (n, n_categories)."""
        n_other = bought.sum(1, keepdim=True) - bought
        return self.lines_planned + self.lines_by_size * torch.log((1.0 + n_other) / 2.0)

    # ---- asking

    @property
    def habituation(self) -> float:
        """Power at which what was noticed of a category adds up to its hazard."""
        return float(self.log_habituation.detach().exp())

    @property
    def spent(self) -> float:
        """Appetite that an unplanned purchase uses up: later notices count exp(-spent) each."""
        return float(self.log_spent.detach().exp())

    @torch.no_grad()
    def compute_hazard(self, view: LayoutView) -> NDArray[np.float64]:
        """What a notice adds to the hazard of an unplanned purchase, shape (n_zones, n_categories).

        Summed over what was noticed and raised to the power `habituation`, it is the hazard.

        A category that the model never met sells nothing. A model that has learned no category at all holds
        what is common to stores: each category has the common level, moved by the score of its name.
        """
        if not self.categories:
            score = np.array([match.score for match in match_categories(view.store.categories)])
            level = np.exp((float(self.hazard_level) + float(self.hazard_score) * score) / self.habituation)
            by_sku = self.log_attraction(view).exp().numpy().astype(float) * level[view.store.sku_category]
            hazard = np.zeros((view.n_zones, len(view.store.categories)))
            np.add.at(hazard.T, view.store.sku_category, by_sku.T)
            return hazard
        attraction = self.zone_attraction(self.log_attraction(view), view.store)
        rate = (attraction * (self.hazard_bias / self.habituation).exp()).numpy().astype(float)
        order = {name: i for i, name in enumerate(self.categories)}
        columns = [order.get(name, -1) for name in view.store.categories]
        return np.column_stack([rate[:, c] if c >= 0 else np.zeros(view.n_zones) for c in columns])

    @torch.no_grad()
    def compute_appetite(self, attributes: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
        """How strongly each shopper turns notices into purchases: factor on the hazard, shape (n,)."""
        x = self.attributes.one_hot(self.attributes.encode(attributes))
        return (x @ self.hazard_attributes).exp().numpy().astype(float)

    @torch.no_grad()
    def compute_sku_share(self, view: LayoutView) -> NDArray[np.float64]:
        """P(SKU | unplanned purchase of its category in this zone), shape (n_zones, n_skus)."""
        attraction = self.log_attraction(view).exp().numpy().astype(float)
        total = np.zeros((view.n_zones, len(view.store.categories)))
        np.add.at(total.T, view.store.sku_category, attraction.T)
        return attraction / np.maximum(total[:, view.store.sku_category], 1e-12)

    def compute_units(self, view: LayoutView) -> NDArray[np.float64]:
        """P(units | unplanned purchase) of each category of the store, shape (n_categories, `MAX_UNITS`)."""
        one = np.eye(1, MAX_UNITS)[0]
        known = dict(zip(self.categories, self.units.numpy().astype(float), strict=True))
        return np.stack([known.get(name, one) for name in view.store.categories])

    def predict_proba(
        self, notices: NDArray[Any], attributes: dict[str, NDArray[Any]], view: LayoutView
    ) -> NDArray[Any]:
        """P(unplanned purchase of each SKU in each zone | notices), shape (n, n_zones, n_skus).

        `notices` is the expected number of times that each shopper noticed each zone, shape (n, n_zones),
        as `compute_exposures` gives it; `attributes` holds the values of each attribute. Planned needs are
        not counted, nor what one purchase takes from the appetite for the next.
        """
        appetite, category = self.compute_appetite(attributes), view.store.sku_category
        met = self.compute_hazard(view)
        total = np.maximum(notices @ met, 1e-300)  # (n, n_categories)
        per_met = appetite[:, None] * total ** (self.habituation - 1.0)
        of_zone = notices[:, :, None] * met[None] * per_met[:, None]
        return -np.expm1(-of_zone[:, :, category] * self.compute_sku_share(view)[None])

    # ---- on disk

    def save_pretrained(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors` into `folder`."""
        from models.storage import save_weights

        config = {
            "categories": list(self.categories),
            "sku_ids": list(self.sku_ids),
            "attributes": self.attributes.to_dict(),
        }
        save_weights(self, folder, config)

    @classmethod
    def from_pretrained(cls, folder: Path) -> ConversionModel:
        """Read what `save_pretrained` wrote; the same answers."""
        from models.storage import load_weights, read_config

        config = read_config(folder)
        attributes = AttributeCoder.from_dict(config["attributes"])
        model = cls(tuple(config["categories"]), tuple(config["sku_ids"]), attributes)
        return load_weights(model, folder).eval()
