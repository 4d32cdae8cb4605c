"""What is bought: planned needs and unplanned purchases, told apart from receipts and exposures.

A category c is in the basket of shopper i because it was needed, or because its shelf was met:

    P(bought) = 1 - (1 - planned_ic) exp(-hazard_ic),    hazard_ic = exp(b_c + g x_i) sum_z E_iz a_zc

E_iz is how often the shelf of zone z was noticed on the way between the planned stops, *had the need for c
not existed* (the stops made for c alone are taken out and the rest walked again), which is what tells the
two apart. a_zc, the attraction of
what stands there, is the sum over SKUs of exp(theta f_zs), f being the facings, level, price, ... of the
SKU in that zone, on top of the SKU's own appeal: its velocity, corrected by what the receipts say. Appeal
is free and facings are held near their published effect, because facings follow sales and not only the
other way round. The planned part depends on attributes and on what else is in the basket. Where one layout
has no variation (displays, facings, levels) the coefficients start from published effects and are held near
them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from layouts import ShelfLevel, Store, ZoneType
from models.encoding import EncodedJourneys, compute_exposures, drop_stops_for, keep_planned_stops
from models.layout_view import LayoutView, view_layout
from models.vocabulary import AttributeCoder

# Feature of a SKU in a zone: (prior mean, prior standard deviation) of its coefficient in log attraction.
PRIORS: dict[str, tuple[float, float]] = {
    "log_facings": (0.17, 0.05),  # mean of 1,268 space elasticities, see docs/model.md
    "is_eye_level": (0.15, 0.10),
    "is_floor_level": (-0.15, 0.10),
    "is_top_level": (-0.10, 0.10),
    "log_relative_price": (-0.3, 0.3),
    "margin_rate": (0.0, 0.3),
    "is_endcap": (0.42, 0.25),  # +23 to +114 % at equal price and promotion: log 0.21 to 0.76
    "is_promo": (0.4, 0.3),
    "is_checkout": (0.4, 0.3),
    "to_checkout": (0.0, 0.1),
    "log_area": (0.0, 0.1),
}
HAZARD_LEVEL = (-3.5, 1.5)  # log hazard per notice of an average category: prior mean, standard deviation
HAZARD_SPREAD = 0.6  # standard deviation between categories
N_TURNS = 5  # of drawing what was planned and fitting to it
N_FIRST_STEPS, N_STEPS = 300, 120
MAX_UNITS = 6  # more units of one unplanned category than this count as this many


def compute_velocity_share(store: Store) -> NDArray[np.float32]:
    """Log of each SKU's share in the velocity of its category, shape (n_skus,)."""
    velocity = np.array([sku.velocity for sku in store.skus]) + 0.1
    total = np.bincount(store.sku_category, velocity, len(store.categories))
    return np.log(velocity / total[store.sku_category]).astype(np.float32)


def compute_placement_features(view: LayoutView) -> NDArray[np.float32]:
    """Features `PRIORS` of every SKU in every zone, (n_zones, n_skus, n_features); 0 where it is absent."""
    store = view.store
    price = np.array([sku.price for sku in store.skus]).clip(0.01)
    margin = np.array([sku.margin for sku in store.skus])
    category = store.sku_category
    in_category = np.bincount(category, minlength=len(store.categories)).clip(1)
    mean_price = np.bincount(category, price, len(store.categories)) / in_category
    levels = list(ShelfLevel)
    zone_type = [zone.zone_type for zone in store.zones]

    def per_zone(values: Any) -> NDArray[Any]:
        return np.broadcast_to(np.asarray(values, dtype=float)[:, None], store.stands.shape)

    def per_sku(values: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(values[None, :], store.stands.shape)

    columns = {
        "log_facings": np.log(np.maximum(store.facings, 1)),
        "is_eye_level": store.shelf_level == levels.index(ShelfLevel.EYE),
        "is_floor_level": store.shelf_level == levels.index(ShelfLevel.FLOOR),
        "is_top_level": store.shelf_level == levels.index(ShelfLevel.TOP),
        "log_relative_price": per_sku(np.log(price / mean_price[category])),
        "margin_rate": per_sku(margin / price - 0.3),
        "is_endcap": per_zone([kind == ZoneType.ENDCAP for kind in zone_type]),
        "is_promo": per_zone([kind == ZoneType.PROMO for kind in zone_type]),
        "is_checkout": per_zone([kind == ZoneType.CHECKOUT for kind in zone_type]),
        "to_checkout": per_zone(store.distance_to_checkout_m / view.scale_m - 0.5),
        "log_area": per_zone([np.log(zone.area_m2 / 6.0) for zone in store.zones]),
    }
    features = np.stack([np.asarray(columns[name], dtype=np.float32) for name in PRIORS], axis=2)
    return features * store.stands[:, :, None]


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

    units: Tensor

    def __init__(
        self, categories: tuple[str, ...], sku_ids: tuple[str, ...], attributes: AttributeCoder
    ) -> None:
        super().__init__()
        self.categories, self.sku_ids, self.attributes = categories, sku_ids, attributes
        n_categories, n_levels = len(categories), attributes.n_levels
        self.hazard_level = nn.Parameter(torch.tensor(HAZARD_LEVEL[0]))
        self.hazard_bias = nn.Parameter(torch.full((n_categories,), HAZARD_LEVEL[0]))
        self.hazard_attributes = nn.Parameter(torch.zeros(n_levels))
        self.placement = nn.Parameter(torch.tensor([mean for mean, _ in PRIORS.values()]))
        self.appeal = nn.Parameter(torch.zeros(len(sku_ids)))  # log, beyond velocity
        self.planned_bias = nn.Parameter(torch.full((n_categories,), -1.5))
        self.planned_attributes = nn.Parameter(torch.zeros(n_levels, n_categories))
        self.planned_basket = nn.Parameter(torch.zeros(n_categories))
        self.planned_by_all = nn.Parameter(torch.zeros(n_levels))  # of every category alike
        self.planned_by_size = nn.Parameter(torch.zeros(2))
        self.planned_others = nn.Parameter(torch.zeros(n_categories, n_categories))
        self.register_buffer("units", torch.zeros(n_categories, MAX_UNITS))  # P(units | unplanned category)

    # ---- pieces, in torch

    def _log_attraction(self, view: LayoutView) -> Tensor:
        """Log attraction of each SKU in each zone, -inf where it does not stand; (n_zones, n_skus)."""
        features = torch.from_numpy(compute_placement_features(view))
        absent = torch.from_numpy(~view.store.stands)
        order = {sku_id: i for i, sku_id in enumerate(self.sku_ids)}
        index = torch.tensor([order.get(sku.sku_id, len(order)) for sku in view.store.skus])
        own = torch.cat([self.appeal, torch.zeros(1)])[index] + torch.from_numpy(
            compute_velocity_share(view.store)
        )
        return (features @ self.placement + own).masked_fill(absent, -torch.inf)

    def _zone_attraction(self, log_attraction: Tensor, store: Store) -> Tensor:
        """Attraction of each category in each zone, (n_zones, n_categories of the model)."""
        index = torch.from_numpy(self._category_index(store))
        attraction = torch.zeros(len(store.zones), len(self.categories))
        known = index >= 0
        return attraction.index_add(1, index[known], log_attraction.exp()[:, known])

    def _category_index(self, store: Store) -> NDArray[np.int64]:
        """Category of each SKU of `store` in this model's order; -1 if the model never saw it."""
        order = {name: i for i, name in enumerate(self.categories)}
        return np.array([order.get(store.categories[c], -1) for c in store.sku_category], dtype=np.int64)

    def _planned_logit(self, attributes: Tensor, bought: Tensor) -> Tensor:
        """Logit of having planned each category given the others bought, (n, n_categories)."""
        others = self.planned_others - torch.diag(torch.diag(self.planned_others))
        n_other = bought.sum(1, keepdim=True) - bought
        logit = self.planned_bias + attributes @ self.planned_attributes
        logit = logit + (attributes @ self.planned_by_all)[:, None]
        logit = (
            logit + self.planned_by_size[0] * torch.log1p(n_other) + self.planned_by_size[1] * n_other / 10
        )
        return logit + self.planned_basket * torch.log1p(n_other) + bought @ others

    # ---- learning

    def fit(
        self, journeys: EncodedJourneys, store: Store, *, rng: np.random.Generator, n_turns: int = N_TURNS
    ) -> ConversionModel:
        """Learn from journeys with receipts in `store`.

        What was planned and what follows from it take turns (stochastic expectation maximisation): the
        stops made for unplanned purchases are on the way to planned ones, so they must not count as the way
        itself. They are drawn by the present shares and taken out before exposures are computed; the
        coefficients then maximise the penalised likelihood, and the shares move halfway to what these say.
        """
        view = view_layout(store)
        stays, share = journeys.zone >= 0, journeys.bought_categories(store).astype(float)
        for turn in tqdm(range(n_turns), desc="purchases", unit="turn", disable=None):
            data = _ConversionData(self, journeys, view, stays, share)
            self._maximise(data, view, N_FIRST_STEPS if turn == 0 else N_STEPS)
            share = (
                (share + self._planned_share(data, view)) / 2.0 if turn else self._planned_share(data, view)
            )
            stays = keep_planned_stops(journeys, share, store, rng)
        self.units.copy_(torch.from_numpy(_units_by_category(journeys, store)))
        return self.eval()

    def _maximise(self, data: _ConversionData, view: LayoutView, n_steps: int) -> None:
        """Maximise the penalised likelihood (full batch, no luck)."""
        optimizer = torch.optim.Adam(self.parameters(), lr=0.05)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
        for _ in range(n_steps):
            optimizer.zero_grad()
            loss = self._negative_log_likelihood(data, view) + self._penalty()
            loss.backward()
            optimizer.step()
            scheduler.step()

    def _hazards(self, data: _ConversionData, attraction: Tensor) -> tuple[Tensor, Tensor]:
        """Hazard of every category on the way, and by zone of each bought one without the stops for it.

        Shapes (n, n_categories) and (n_bought, n_zones).
        """
        rate = torch.exp(self.hazard_bias + (data.attributes @ self.hazard_attributes)[:, None])
        walked = rate * (data.exposure @ attraction)
        by_zone = data.exposure_without * attraction.T[data.category]
        return walked, rate[data.row, data.category][:, None] * by_zone

    def _negative_log_likelihood(self, data: _ConversionData, view: LayoutView) -> Tensor:
        log_attraction = self._log_attraction(view)
        attraction = self._zone_attraction(log_attraction, view.store)
        walked, without = self._hazards(data, attraction)
        logit = self._planned_logit(data.attributes, data.bought)
        log_unplanned = nn.functional.logsigmoid(-logit)
        not_bought = ((log_unplanned - walked) * (1 - data.bought)).sum()
        hazard = without.sum(1)
        survival = log_unplanned[data.row, data.category] - hazard
        bought = torch.log(-torch.expm1(survival.clamp(max=-1e-6))).sum()
        of_category = attraction[
            :, self._category_index(view.store)
        ]  # what a SKU was chosen from, (n_zones, n_skus)
        stands = data.n_picked > 0
        chosen = (data.n_picked * (log_attraction - torch.log(of_category)))[stands].sum()
        share_here = without[data.pair, data.zone] / hazard[data.pair].clamp(min=1e-12)
        found = torch.log(share_here.clamp(min=1e-3))  # where the unplanned ones were met
        return -(not_bought + bought + chosen + (data.unplanned * found).sum())

    def _penalty(self) -> Tensor:
        mean, sd = torch.tensor(list(PRIORS.values())).T
        return (
            0.5 * (((self.placement - mean) / sd) ** 2).sum()
            + 0.5 * (self.appeal**2).sum() / 0.5**2
            + 0.5 * ((self.hazard_level - HAZARD_LEVEL[0]) / HAZARD_LEVEL[1]) ** 2
            + 0.5 * (((self.hazard_bias - self.hazard_level) / HAZARD_SPREAD) ** 2).sum()
            + 0.5 * (self.hazard_attributes**2).sum() / 0.3**2
            + 0.5 * (self.planned_attributes**2).sum() / 0.5**2
            + 0.5 * (self.planned_basket**2).sum()
            + 0.5 * (self.planned_by_all**2).sum()
            + 0.5 * (self.planned_by_size**2).sum() / 2.0**2
            + 0.5 * (self.planned_others**2).sum() / 0.3**2
        )

    # ---- asking

    @torch.no_grad()
    def _planned_share(self, data: _ConversionData, view: LayoutView) -> NDArray[np.float64]:
        _, without = self._hazards(data, self._zone_attraction(self._log_attraction(view), view.store))
        planned = torch.sigmoid(self._planned_logit(data.attributes, data.bought))[data.row, data.category]
        share = np.zeros((len(data.bought), len(view.store.categories)))
        survival = torch.exp(-without.sum(1))
        share[data.row, data.store_category] = (planned / (1 - (1 - planned) * survival)).numpy()
        return share

    def compute_planned_share(
        self, journeys: EncodedJourneys, store: Store, *, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """P(planned | bought) by shopper and category of the store, (n, n_categories); 0 if not bought."""
        view = view_layout(store)
        share = journeys.bought_categories(store).astype(float)
        for turn in range(N_TURNS):
            stays = keep_planned_stops(journeys, share, store, rng)
            new = self._planned_share(_ConversionData(self, journeys, view, stays, share), view)
            share = (share + new) / 2.0 if turn else new
        return share

    @torch.no_grad()
    def compute_hazard(self, view: LayoutView) -> NDArray[np.float64]:
        """Hazard of an unplanned purchase per notice, by zone and category, (n_zones, n_categories).

        A category that the model never met sells nothing. A model that has learned no category at all holds
        what is common to stores: each category has the common level.
        """
        if not self.categories:
            by_sku = self._log_attraction(view).exp().numpy().astype(float) * float(self.hazard_level.exp())
            hazard = np.zeros((view.n_zones, len(view.store.categories)))
            np.add.at(hazard.T, view.store.sku_category, by_sku.T)
            return hazard
        attraction = self._zone_attraction(self._log_attraction(view), view.store)
        rate = (attraction * self.hazard_bias.exp()).numpy().astype(float)
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
        attraction = self._log_attraction(view).exp().numpy().astype(float)
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
        not counted.
        """
        appetite = self.compute_appetite(attributes)
        category = view.store.sku_category
        rate = self.compute_hazard(view)[:, category] * self.compute_sku_share(view)
        return -np.expm1(-(appetite[:, None] * notices)[:, :, None] * rate[None])

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


class _ConversionData:
    """Tensors of one turn: exposures on the way as it stays, and without the stops for what was bought."""

    def __init__(
        self,
        model: ConversionModel,
        journeys: EncodedJourneys,
        view: LayoutView,
        stays: NDArray[np.bool_],
        share: NDArray[np.float64],
    ) -> None:
        store = view.store
        index = np.array([model.categories.index(name) for name in store.categories])
        bought = journeys.bought_categories(store)
        row, self.store_category = np.nonzero(bought)
        self.row, self.category = torch.from_numpy(row), torch.from_numpy(index[self.store_category])
        in_model = np.zeros((journeys.n, len(model.categories)), dtype=np.float32)
        in_model[:, index] = bought
        self.bought = torch.from_numpy(in_model)
        self.attributes = model.attributes.one_hot(model.attributes.encode(journeys.attributes))
        zone, dwell_s = np.where(stays, journeys.zone, -1), journeys.dwell_s
        without = np.where(stays[row], drop_stops_for(journeys, row, self.store_category, store), -1)
        self.exposure = torch.from_numpy(compute_exposures(zone, dwell_s, view))
        self.exposure_without = torch.from_numpy(compute_exposures(without, dwell_s[row], view))
        pick_zone = journeys.zone[journeys.pick_row, journeys.pick_stop]
        picked = np.zeros(store.stands.shape, dtype=np.float32)
        np.add.at(picked, (pick_zone, journeys.pick_sku), 1.0)
        self.n_picked = torch.from_numpy(picked * store.stands)  # receipt lines by zone and SKU
        category = store.sku_category[journeys.pick_sku]
        pair = np.zeros(bought.shape, dtype=np.int64)
        pair[row, self.store_category] = np.arange(len(row))
        self.pair = torch.from_numpy(pair[journeys.pick_row, category])
        self.zone = torch.from_numpy(pick_zone)
        unplanned = (1.0 - share[journeys.pick_row, category]) * store.stands[pick_zone, journeys.pick_sku]
        self.unplanned = torch.from_numpy(unplanned.astype(np.float32))


def _units_by_category(journeys: EncodedJourneys, store: Store) -> NDArray[np.float32]:
    """Distribution of the units bought of a category, given that it was bought; one unit where never seen."""
    n_categories = len(store.categories)
    code = journeys.pick_row * n_categories + store.sku_category[journeys.pick_sku]
    pair, inverse = np.unique(code, return_inverse=True)
    units = np.bincount(inverse, journeys.pick_qty).astype(int).clip(1, MAX_UNITS)
    table = np.zeros((n_categories, MAX_UNITS))
    np.add.at(table, (pair % n_categories, units - 1), 1.0)
    table[table.sum(1) == 0, 0] = 1.0
    return (table / table.sum(1, keepdims=True)).astype(np.float32)
