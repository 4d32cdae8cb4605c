"""The people of a world of family X: how strong each mechanism of the other shopper is in one town.

Every figure is drawn anew for each town, from ranges that are wider than what the literature disputes. Where
a fact stands behind a range it is named; the others are assumptions, made for variety. Most mechanisms are
switched almost off in about a fifth of the towns, so that no predictor can count on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from layouts import SHELF_LEVELS, Store

FloatArray = npt.NDArray[np.floating]

MISSIONS = ("quick", "fill-in", "major")
CARRIERS = ("none", "basket", "cart")
CARRIER_UNITS = np.array([7, 18, 70])  # how much each holds
AGE_BANDS = ("18-34", "35-54", "55+")
GENDERS = ("female", "male")

# category: how much it is bought on impulse [log odds], what an extra display does to noticing it [log odds],
# how often it is on a list. Extra displays: beer +23 %, wine +34 %, soft drinks +52 %, coffee +74 %, tea
# +114 % (price and promotion controlled); the other figures are assumptions of that order.
_CATEGORIES = {
    "fruit": (0.3, 0.15, 1.5),
    "vegetables": (-0.3, 0.10, 1.6),
    "bread": (0.0, 0.15, 1.6),
    "flowers": (0.6, 0.40, 0.2),
    "dairy": (-0.9, 0.05, 1.8),
    "cheese": (0.0, 0.20, 1.0),
    "yogurt": (0.1, 0.20, 1.0),
    "meat": (-0.5, 0.10, 1.0),
    "fish": (-0.2, 0.10, 0.5),
    "deli": (0.2, 0.20, 0.9),
    "ready meals": (0.3, 0.30, 0.7),
    "frozen meals": (0.1, 0.30, 0.7),
    "ice cream": (0.8, 0.50, 0.3),
    "breakfast": (-0.3, 0.30, 0.6),
    "coffee and tea": (-0.1, 0.70, 0.6),
    "pasta and rice": (-0.7, 0.20, 0.7),
    "sauces": (-0.1, 0.30, 0.5),
    "canned food": (-0.5, 0.20, 0.6),
    "baking": (-0.8, 0.15, 0.4),
    "oil and spices": (-0.7, 0.15, 0.4),
    "salty snacks": (1.1, 0.60, 0.4),
    "confectionery": (1.3, 0.60, 0.4),
    "biscuits": (0.9, 0.50, 0.4),
    "soft drinks": (0.7, 0.45, 0.7),
    "juice and water": (0.1, 0.30, 0.8),
    "beer": (0.3, 0.22, 0.6),
    "wine and spirits": (0.4, 0.30, 0.4),
    "household": (-0.8, 0.20, 0.5),
    "body care": (-0.2, 0.30, 0.5),
    "baby": (-1.2, 0.05, 0.25),
    "pet food": (-1.0, 0.10, 0.4),
    "magazines": (0.9, 0.40, 0.3),
}
_UNKNOWN_CATEGORY = (0.0, 0.25, 0.7)
# what makes one think of the other; cola and chips is the pair of the literature
CUES = (
    ("soft drinks", "salty snacks"),
    ("beer", "salty snacks"),
    ("pasta and rice", "sauces"),
    ("coffee and tea", "biscuits"),
    ("bread", "breakfast"),
    ("wine and spirits", "cheese"),
    ("meat", "vegetables"),
    ("yogurt", "fruit"),
    ("baking", "dairy"),
    ("ice cream", "confectionery"),
)


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a town's shoppers have in view while walking.

    Attributes
    ----------
    reach_m, display_reach_m
        Distance at which attention has fallen to 1 / e, for shelves and for displays [m].
    narrowness
        Exponent of the fall with the angle between the way ahead and the shelf; 0 sees all round.
    low_factor
        Attention to tables and chest freezers relative to shelves at the height of the eye.
    """

    reach_m: float
    display_reach_m: float
    narrowness: float
    low_factor: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Town:
    """The people who shop in a store of family X. Categories and SKUs are those of `categories` and `skus`.

    Attributes
    ----------
    key
        Tells the lists and tastes of two towns apart.
    categories, skus
        Names in the order of the arrays below.
    need_weight, proneness, display_response
        Per category: how often it is on a list, impulse [log odds], effect of a display [log odds].
    popularity
        Utility of each SKU to the average shopper.
    mission_share, mean_needs, needs_sd
        Share of the missions, mean number of categories on a list by mission, sd of its logarithm.
    time_median_s, browse_share
        Time that a mission has [s], and share of the trips that look round when the list is done.
    walking
        Weights of the walk: ``goal, perimeter, aisle, curiosity, revisit, turn, back, noise``.
    knowledge
        Chance that a shopper knows where a category stands, by mission.
    forgetting, reminding, substitution, variety
        Chances: to have forgotten a need, to be reminded by the goods, to take another SKU of the
        category, to want a second SKU of it.
    notice_m, habituation, satiation, appetite_cost, hurry, fatigue_s
        Metres in view that catch the eye of 63 %; log odds to stop lost each time the same goods were seen,
        once a category is bought, with each unplanned purchase, and at the end of one's time; time
        constant of exploring [s].
    cue, fussiness, slack, price_sense, rack
        Log odds to stop won with or beside a partner of `CUES`; what goods in hand must be better than,
        relative to the best of the category; money beyond the list relative to it; dislike of dear SKUs;
        metres in view that a second in a queue is worth.
    facing_elasticity, level_effect
        Utility of the logarithm of facings (causal shelf elasticity: 0.17 on average), and of shelf levels.
    stop_odds
        Log odds to stop at goods that were noticed; set so that `unplanned_share` comes out in today's store.
    unplanned_share
        Share of receipt lines that were not on a list: 20 % (diaries) to 55 % (POPAI).
    dwell_s, dwell_sd, speed_mps, speed_sd, shoppers_per_day
        Median stop [s] and sd of its logarithm, median speed [m/s] and sd of its logarithm, arrivals.
    """

    key: int
    categories: tuple[str, ...]
    skus: tuple[str, ...]
    sight: Sight
    need_weight: FloatArray
    proneness: FloatArray
    display_response: FloatArray
    popularity: FloatArray
    mission_share: FloatArray
    mean_needs: FloatArray
    needs_sd: float
    time_median_s: FloatArray
    browse_share: FloatArray
    walking: dict[str, float] = field(default_factory=dict)
    knowledge: FloatArray
    forgetting: float
    reminding: float
    substitution: float
    variety: float
    notice_m: float
    habituation: float
    hurry: float
    fatigue_s: float
    appetite_cost: float
    satiation: float
    cue: float
    fussiness: float
    slack: float
    price_sense: float
    rack: float
    facing_elasticity: float
    level_effect: FloatArray
    stop_odds: float
    unplanned_share: float
    dwell_s: float
    dwell_sd: float
    speed_mps: float
    speed_sd: float
    shoppers_per_day: int

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)


def draw_parameters(store: Store, rng: np.random.Generator) -> Town:
    """Draw a town for a store, its stop odds not yet fitted to the unplanned share.

    Parameters
    ----------
    store
        Today's store: its catalogue says what is carried and sells; where goods stand plays no part.
    rng
        Decides everything.
    """
    categories = store.categories
    table = np.array([_CATEGORIES.get(name, _UNKNOWN_CATEGORY) for name in categories])
    velocity = np.array([sku.velocity for sku in store.skus]) + 1.0
    demand = np.bincount(store.sku_category, velocity, len(categories))
    small = 0.6 if store.n_skus < 110 else 1.0  # lists for small shops are short
    shares = rng.dirichlet([10.0, 7.0, 3.0])  # quick is about half of trips, stock-up 15 %
    trait = _Trait(rng)
    return Town(
        key=int(rng.integers(2**62)),
        categories=categories,
        skus=tuple(sku.sku_id for sku in store.skus),
        sight=Sight(
            reach_m=rng.uniform(1.0, 2.6),
            display_reach_m=rng.uniform(1.2, 3.5),
            narrowness=rng.uniform(0.3, 2.0),
            low_factor=rng.uniform(0.6, 1.2),
        ),
        need_weight=table[:, 2] * (demand / demand.mean()) ** 0.5 * rng.lognormal(0, 0.35, len(table)),
        proneness=trait(0.5, 1.5) * table[:, 0] + rng.normal(0, 0.5, len(table)),
        display_response=trait(0.6, 1.8) * table[:, 1] * rng.lognormal(0, 0.4, len(table)),
        popularity=0.6 * np.log(velocity) + rng.normal(0, 0.35, len(velocity)),
        mission_share=shares,
        mean_needs=small * np.array([rng.uniform(1.2, 2.4), rng.uniform(3.5, 7.0), rng.uniform(8.0, 15.0)]),
        needs_sd=rng.uniform(0.3, 0.7),  # baskets are Poisson-log-normal
        time_median_s=60 * np.array([rng.uniform(4, 8), rng.uniform(9, 18), rng.uniform(18, 35)]),
        browse_share=rng.uniform([0.05, 0.1, 0.1], [0.35, 0.5, 0.6]),
        walking={
            "goal": rng.uniform(3.0, 6.0),
            "perimeter": trait(0.2, 1.2),  # the perimeter is home base
            "aisle": trait(0.2, 1.0),  # full traverses are rare
            "curiosity": trait(0.3, 1.5),
            "revisit": rng.uniform(0.3, 1.2),
            "turn": trait(0.2, 1.2),
            "back": rng.uniform(0.3, 1.5),
            "noise": rng.uniform(0.5, 1.1),
        },
        knowledge=np.sort(rng.uniform(0.5, 0.98, 3)),
        forgetting=trait(0.05, 0.2),
        reminding=rng.uniform(0.2, 0.6),
        substitution=trait(0.1, 0.5),
        variety=trait(0.1, 0.4),
        notice_m=rng.uniform(0.6, 2.2),
        habituation=trait(0.3, 1.2),
        hurry=trait(0.3, 1.2),
        fatigue_s=rng.uniform(240, 1500),  # later in the trip: less exploring
        appetite_cost=trait(0.1, 0.6),
        satiation=rng.uniform(1.0, 4.0),  # a second purchase of a category is rare
        cue=trait(0.2, 1.0),
        fussiness=rng.uniform(-3.0, -1.5),  # 56 % of those who stop at salty snacks buy
        slack=rng.uniform(0.6, 2.5),
        price_sense=trait(0.2, 1.0),
        rack=trait(0.05, 0.25),
        facing_elasticity=trait(0.08, 0.3),
        level_effect=trait(0.5, 1.5) * np.array([_LEVEL_UTILITY[level] for level in SHELF_LEVELS]),
        stop_odds=-2.0,
        unplanned_share=rng.uniform(0.2, 0.5),
        dwell_s=rng.uniform(12, 26),
        dwell_sd=rng.uniform(0.5, 0.9),
        speed_mps=rng.uniform(0.55, 0.95),
        speed_sd=rng.uniform(0.12, 0.25),
        shoppers_per_day=int(rng.integers(250, 900)) if store.n_skus >= 110 else int(rng.integers(250, 600)),
    )


_LEVEL_UTILITY = {"floor": -0.2, "low": -0.05, "eye": 0.2, "top": -0.05}


class _Trait:
    """Draw strengths of which about one in five is almost nothing."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def __call__(self, low: float, high: float) -> float:
        strength, is_off = self._rng.uniform(low, high), self._rng.random() < 0.2
        return float(strength * (0.05 if is_off else 1.0))
