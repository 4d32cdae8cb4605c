"""The reference shopper: rules from published behaviour, a policy like any other.

It stands in for people where no data exist: it walks the bundled and generated stores, so that there is
something to learn from whose truth is known. Missions and their shares, basket sizes, the share of what is
unplanned, and the effects of displays, facings and shelf levels are those of the literature (docs/model.md
gives the sources); walking speed, dwell and stops per trip are assumptions, since no sourced figure was
found. It is a program and not a file: it has no weights and cannot be saved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from layouts import DISPLAY_TYPES, Store, ZoneType
from models.conversion import MAX_UNITS
from models.layout_policy import mask_choices
from models.layout_view import LayoutView
from models.needs import BasketBank
from models.policy import LEAVE, DecisionDraws, Decisions, ShopperStates, choose_by_gumbel
from models.shopper_model import Pace, ShopperModel

MISSIONS = ("quick", "fill-in", "major")
BROWSING_APPEAL = {  # utility of a look without a need, by type of zone: displays ask for it
    ZoneType.ENDCAP: 1.0,
    ZoneType.PERIMETER: 0.3,
    ZoneType.PROMO: 1.2,
    ZoneType.ENTRANCE: -5.0,
}
HOURLY_SHARE = (0,) * 8 + (3, 5, 7, 9, 9, 7, 6, 7, 10, 14, 14, 9) + (0,) * 4  # opens 8 to 20, peak after work


@dataclass(frozen=True, kw_only=True)
class ReferenceBehaviour:
    """What varies from town to town; `draw_behaviour` draws one.

    Attributes
    ----------
    mission_share
        Of quick, fill-in and major trips; quick is about half (docs/model.md).
    list_mean, list_sigma
        Planned categories per mission: mean of a Poisson whose rate is log-normal with this sigma.
    impulse_hazard
        Hazard of an unplanned purchase per notice, of an average category.
    impulse_spread
        Standard deviation of the logarithm of that hazard between categories.
    display_effect
        Factor on the hazard on an endcap, promo table or till rack.
    facings_elasticity, level_effect
        Of the hazard; effect of floor, low, eye and top level as factors.
    distance_weight
        How strongly the nearer need is taken first [1/m].
    browse_utility
        Utility of a stop without a need, against going on with the list; more negative, fewer.
    shoppers_per_day
        Entering the store.
    """

    mission_share: tuple[float, float, float] = (0.5, 0.35, 0.15)
    list_mean: tuple[float, float, float] = (1.6, 4.0, 9.0)
    list_sigma: float = 0.5
    impulse_hazard: float = 0.06
    impulse_spread: float = 0.6
    display_effect: float = 1.5
    facings_elasticity: float = 0.17
    level_effect: tuple[float, float, float, float] = (0.85, 1.0, 1.15, 0.9)
    distance_weight: float = 0.25
    browse_utility: float = -5.0
    shoppers_per_day: float = 400.0


def draw_behaviour(rng: np.random.Generator) -> ReferenceBehaviour:
    """Draw the behaviour of one town."""
    quick = rng.uniform(0.35, 0.6)
    major = rng.uniform(0.08, 0.25)
    return ReferenceBehaviour(
        mission_share=(quick, 1.0 - quick - major, major),
        list_mean=(rng.uniform(1.2, 2.2), rng.uniform(3.0, 5.5), rng.uniform(7.0, 12.0)),
        list_sigma=rng.uniform(0.3, 0.7),
        impulse_hazard=rng.uniform(0.03, 0.12),
        impulse_spread=rng.uniform(0.4, 0.9),
        display_effect=rng.uniform(1.2, 2.2),
        facings_elasticity=rng.uniform(0.08, 0.3),
        distance_weight=rng.uniform(0.12, 0.5),
        browse_utility=rng.uniform(-6.0, -4.0),
        shoppers_per_day=rng.uniform(250.0, 700.0),
    )


@dataclass(frozen=True, eq=False)
class ReferencePolicy:
    """Nearest need first, with a taste for what lies ahead, and a look at something else now and then."""

    behaviour: ReferenceBehaviour
    buys: ClassVar[bool] = False

    def encode_attributes(self, attributes: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Code the mission, shape (n, 1); nothing else matters to it."""
        mission = attributes["mission"]
        return np.array([[MISSIONS.index(m) if m in MISSIONS else 0] for m in mission], dtype=np.int64)

    def decide(self, states: ShopperStates, layout: LayoutView, draws: DecisionDraws) -> Decisions:
        """Choose the next zone and dwell of each shopper."""
        b = self.behaviour
        distance = layout.distance_m[states.place, : layout.n_zones]
        wanted = states.n_wanted_here > 0
        appeal = np.array([BROWSING_APPEAL.get(zone.zone_type, 0.0) for zone in layout.store.zones])
        stocked = layout.store.stands.any(axis=1)
        browse = np.where(stocked, b.browse_utility + appeal, -np.inf) - 2.0 * (states.n_visits > 0)
        utility = np.where(wanted, 3.0, browse) - b.distance_weight * distance
        leave = np.zeros(len(utility))  # weighed against browsing once the list is done
        logits = np.where(mask_choices(states, layout), np.column_stack([utility, leave]), -np.inf)
        choice = choose_by_gumbel(logits, draws.next_zone)
        leaves = choice == layout.n_zones
        zone = np.where(leaves, 0, choice)
        rows = np.arange(len(zone))
        n_wanted = states.n_wanted_here[rows, zone]
        typical_s = 10.0 + 14.0 * n_wanted
        dwell_s = typical_s * np.exp(0.5 * _normal(draws.dwell[rows, zone]))
        return Decisions(zone=np.where(leaves, LEAVE, zone), dwell_s=np.clip(dwell_s, 3.0, 300.0))


def _normal(u: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    from scipy.special import ndtri

    return np.asarray(ndtri(u), dtype=float)


@dataclass(frozen=True, eq=False)
class ReferenceConversion:
    """Unplanned purchases: hazard of the category, scaled by display, facings, level and popularity."""

    behaviour: ReferenceBehaviour
    category_effect: dict[str, float] = field(default_factory=dict)
    habituation: ClassVar[float] = 1.0
    spent: ClassVar[float] = 0.0
    idle_stops_notice: ClassVar[bool] = True  # it decides on them before it has seen anything

    def _attraction(self, view: LayoutView) -> NDArray[np.float64]:
        store, b = view.store, self.behaviour
        velocity = np.array([sku.velocity for sku in store.skus]) + 0.1
        total = np.bincount(store.sku_category, velocity, len(store.categories))
        on_display = np.array([zone.zone_type in DISPLAY_TYPES for zone in store.zones])
        level = np.array([*b.level_effect, 1.0])[
            store.shelf_level
        ]  # the last for -1: it does not stand there
        facings = np.maximum(store.facings, 1) / 2.0
        attraction = (velocity / total[store.sku_category]) * facings**b.facings_elasticity * level
        return np.where(on_display[:, None], b.display_effect, 1.0) * attraction * store.stands

    def compute_hazard(self, view: LayoutView) -> NDArray[np.float64]:
        """Hazard per notice, shape (n_zones, n_categories)."""
        store = view.store
        hazard = np.zeros((view.n_zones, len(store.categories)))
        np.add.at(hazard.T, store.sku_category, self._attraction(view).T)
        effect = np.array([self.category_effect.get(name, 1.0) for name in store.categories])
        return hazard * effect * self.behaviour.impulse_hazard

    def compute_appetite(self, attributes: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Longer trips are a little more open to what they meet."""
        factor = {"quick": 0.7, "fill-in": 1.0, "major": 1.3}
        return np.array([factor.get(str(mission), 1.0) for mission in attributes["mission"]])

    def compute_sku_share(self, view: LayoutView) -> NDArray[np.float64]:
        """P(SKU | category bought unplanned in this zone), shape (n_zones, n_skus)."""
        attraction, category = self._attraction(view), view.store.sku_category
        total = np.zeros((view.n_zones, len(view.store.categories)))
        np.add.at(total.T, category, attraction.T)
        return attraction / np.maximum(total[:, category], 1e-12)

    def compute_units(self, view: LayoutView) -> NDArray[np.float64]:
        """Mostly one unit, sometimes two."""
        units = np.zeros((len(view.store.categories), MAX_UNITS))
        units[:, :2] = 0.85, 0.15
        return units


def build_reference_model(
    store: Store,
    rng: np.random.Generator,
    *,
    behaviour: ReferenceBehaviour | None = None,
    n_baskets: int = 4000,
) -> ShopperModel:
    """Make the people of one town for `store`; the same model serves every layout of that store.

    Parameters
    ----------
    store
        Layout A: the catalogue and its velocities decide what is planned.
    rng
        Draws behaviour (unless given), the tastes of the town, and the lists to draw from.
    behaviour
        To fix it.
    n_baskets
        Distinct shopping lists of the town.
    """
    behaviour = behaviour or draw_behaviour(rng)
    effect = np.exp(rng.normal(0.0, behaviour.impulse_spread, len(store.categories)))
    return ShopperModel(
        name="reference",
        needs=draw_lists(store, behaviour, rng, n_baskets),
        policy=ReferencePolicy(behaviour),
        conversion=ReferenceConversion(behaviour, dict(zip(store.categories, effect.tolist(), strict=True))),
        pace=Pace(speed_log_mean=float(np.log(0.9))),
        hourly_share=tuple(share / sum(HOURLY_SHARE) for share in HOURLY_SHARE),
        shoppers_per_day=behaviour.shoppers_per_day,
        knowledge={"kind": "reference shopper"},
    )


def draw_lists(store: Store, b: ReferenceBehaviour, rng: np.random.Generator, n: int) -> BasketBank:
    """Draw planned lists: mission, number of categories (Poisson-log-normal), SKUs by velocity."""
    mission = rng.choice(3, size=n, p=b.mission_share)
    rate = np.array(b.list_mean)[mission] * np.exp(rng.normal(-0.5 * b.list_sigma**2, b.list_sigma, n))
    velocity = np.array([sku.velocity for sku in store.skus]) + 0.1
    weight = np.bincount(store.sku_category, velocity, len(store.categories)) ** 0.7
    n_planned = np.minimum(1 + rng.poisson(np.maximum(rate - 1.0, 0.05)), len(weight))
    # the n largest of weighted Gumbel keys: a draw without replacement, for all shoppers at once
    rank = np.argsort(-(np.log(weight) + rng.gumbel(size=(n, len(weight)))), axis=1)
    row = np.repeat(np.arange(n), n_planned)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(n_planned) - n_planned, n_planned)
    category = rank[row, nth]
    sku = np.zeros(len(row), dtype=np.int64)
    for c in np.unique(category):
        of_category = np.flatnonzero(store.sku_category == c)
        share = velocity[of_category] / velocity[of_category].sum()
        sku[category == c] = rng.choice(of_category, size=int((category == c).sum()), p=share)
    carriers = np.array([["none", "basket", "cart"][min(int(k), 2)] for k in n_planned // 3], dtype=object)
    return BasketBank(
        attributes={
            "mission": np.array(MISSIONS, dtype=object)[mission],
            "age_band": rng.choice(np.array(["18-34", "35-54", "55+"], dtype=object), n),
            "gender": rng.choice(np.array(["female", "male"], dtype=object), n),
            "carrier": carriers,
        },
        row=row,
        sku_id=np.array([item.sku_id for item in store.skus], dtype=object)[sku],
        qty=1 + rng.binomial(2, 0.12, len(row)),
        planned_share=np.ones(len(row)),
    )
