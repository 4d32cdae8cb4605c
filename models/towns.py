"""Towns to pre-train on: the reference shopper, with tastes that differ more than published figures do.

What a network has never seen vary it takes for a law. So towns differ in how strongly the near comes first,
in what is taken early and what late, in what is looked at without a need, and in how long stops last. The
tastes are drawn wide on purpose and are no claim about people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from models.layout_policy import mask_choices
from models.layout_view import ZONE_FEATURES, LayoutView
from models.policy import LEAVE, DecisionDraws, Decisions, ShopperStates, choose_by_gumbel
from models.reference import BROWSING_APPEAL, MISSIONS

NO_TASTE = ("from_entrance", "to_checkout", "log_skus")  # the way through the store has weights of its own


@dataclass(frozen=True, kw_only=True)
class Town:
    """Tastes of one town; `draw_town` draws one.

    Attributes
    ----------
    distance_weight, log_distance_weight
        How strongly the nearer need is taken first: per metre, and per unit of the logarithm.
    detour_weight, aside_weight
        How much a look at something is put off by the detour [1/m] that it is on the way to the next need
        (or to the tills), and by its distance [1/m].
    order_taste, browse_taste
        Utility per unit of each of `ZONE_FEATURES`, for a needed zone (what comes early) and for a look at
        one without a need.
    tills_last
        How far the order is that of a round trip and not of the nearest next: from the distance of a need is
        taken this share of its distance to the tills.
    browse_chance, browse_on
        Of a stop without a need, at each decision, by mission; factor on it when the list is done.
    base_s, item_s, browse_s, dwell_sigma
        Length of a stop: median with a need, for each item, without a need, and spread of the logarithm.
    """

    distance_weight: float
    log_distance_weight: float
    detour_weight: float
    aside_weight: float
    order_taste: NDArray[np.float64]
    browse_taste: NDArray[np.float64]
    tills_last: float
    browse_chance: tuple[float, float, float]
    browse_on: float
    base_s: float
    item_s: float
    browse_s: float
    dwell_sigma: float


def draw_town(rng: np.random.Generator) -> Town:
    """Draw the tastes of one town."""
    n = len(ZONE_FEATURES)
    order, browse = rng.normal(0.0, 0.4, n), rng.normal(0.0, 0.4, n)
    plain = [ZONE_FEATURES.index(name) for name in NO_TASTE]
    order[plain] = browse[plain] = 0.0
    chance = float(np.exp(rng.uniform(np.log(0.12), np.log(0.6))))
    by_mission = np.array([rng.uniform(0.6, 1.1), 1.0, rng.uniform(0.9, 1.2)])
    return Town(
        distance_weight=float(np.exp(rng.uniform(np.log(0.12), np.log(0.9)))),
        log_distance_weight=float(rng.choice([0.0, rng.uniform(0.0, 2.0)])),
        detour_weight=float(rng.uniform(0.2, 1.2)),
        aside_weight=float(rng.uniform(0.0, 0.2)),
        order_taste=order,
        browse_taste=browse,
        tills_last=float(rng.uniform(0.0, 0.7)),
        browse_chance=tuple(np.minimum(chance * by_mission, 0.65).tolist()),
        browse_on=float(rng.uniform(0.3, 1.6)),
        base_s=float(rng.uniform(5.0, 18.0)),
        item_s=float(rng.uniform(8.0, 28.0)),
        browse_s=float(rng.uniform(6.0, 14.0)),
        dwell_sigma=float(rng.uniform(0.4, 0.8)),
    )


@dataclass(frozen=True, eq=False)
class TownPolicy:
    """Needs first, in an order that is the town's; it is a program and cannot be saved."""

    town: Town
    buys: ClassVar[bool] = False

    def encode_attributes(self, attributes: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Code the mission, shape (n, 1)."""
        return np.array([[MISSIONS.index(m) if m in MISSIONS else 0] for m in attributes["mission"]])

    def decide(self, states: ShopperStates, layout: LayoutView, draws: DecisionDraws) -> Decisions:
        """Choose the next zone and dwell of each shopper."""
        town, features = self.town, layout.zone_features.astype(float)
        distance = layout.distance_m[states.place, : layout.n_zones].astype(float)
        allowed = mask_choices(states, layout)
        wanted = (states.n_wanted_here > 0) & allowed[:, :-1]
        to_tills = layout.distance_m[np.arange(layout.n_zones), layout.nearest_checkout[: layout.n_zones]]
        nearness = -town.distance_weight * (distance - town.tills_last * to_tills)
        nearness = nearness - town.log_distance_weight * np.log1p(distance)
        need = np.where(wanted, nearness + features @ town.order_taste, -np.inf)
        looks = self._look(states, layout, distance, wanted) + features @ town.browse_taste
        looks = np.where(allowed[:, :-1] & ~wanted & layout.store.stands.any(axis=1), looks, -np.inf)
        chance = np.array(town.browse_chance)[states.attributes[:, 0]]
        is_done = ~wanted.any(axis=1)
        chance = np.minimum(np.where(is_done, chance * town.browse_on, chance), 0.7)
        leave = np.where(allowed[:, -1], np.where(is_done, 0.0, -20.0), -np.inf)
        go_on = np.column_stack([need, leave])
        all_looks = _log_sum(looks)
        odds = np.log(chance / (1.0 - chance)) + _log_sum(go_on) - all_looks
        odds = np.where(np.isfinite(all_looks), odds, 0.0)  # a small store in which everything is wanted
        logits = np.logaddexp(go_on, np.column_stack([looks + odds[:, None], np.full(len(odds), -np.inf)]))
        choice = choose_by_gumbel(logits, draws.next_zone)
        leaves = choice == layout.n_zones
        zone = np.where(leaves, 0, choice)
        rows = np.arange(len(zone))
        n_items = states.n_wanted_here[rows, zone]
        typical_s = np.where(n_items > 0, town.base_s + town.item_s * n_items, town.browse_s)
        dwell_s = typical_s * np.exp(town.dwell_sigma * ndtri(draws.dwell[rows, zone]))
        return Decisions(zone=np.where(leaves, LEAVE, zone), dwell_s=np.clip(dwell_s, 3.0, 300.0))

    def _look(
        self, states: ShopperStates, layout: LayoutView, distance: NDArray[Any], wanted: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Utility of a look at each zone on the way to the nearest need, or to the tills; (n, n_zones)."""
        nearest = np.where(wanted, distance, np.inf).argmin(axis=1)
        goal = np.where(wanted.any(axis=1), nearest, layout.nearest_checkout[states.place])
        onward = layout.distance_m[goal][:, : layout.n_zones]
        detour = distance + onward - layout.distance_m[states.place, goal][:, None]
        appeal = np.array([BROWSING_APPEAL.get(zone.zone_type, 0.0) for zone in layout.store.zones])
        seen = 2.0 * (states.n_visits > 0)
        away = self.town.detour_weight * detour + self.town.aside_weight * distance
        return np.asarray(appeal - seen - away, dtype=float)


def _log_sum(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the sum of exponentials of each row."""
    return np.asarray(np.logaddexp.reduce(logits, axis=1), dtype=float)
