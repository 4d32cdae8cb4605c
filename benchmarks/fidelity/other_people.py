"""Who comes to shop in a world of family X: mission, carrier, list, tastes, time and money."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from benchmarks.fidelity.other_town import AGE_BANDS, CARRIER_UNITS, CARRIERS, GENDERS, MISSIONS, Town
from layouts import Store
from simulator import Luck, Purpose, stable_keys

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]
StrArray = npt.NDArray[np.str_]

# Share of shoppers of each mission with nothing, and with no more than a basket; over all missions about
# half carry nothing, 28 % a basket and 20 % a cart
_CARRIER_CUTS = np.array([[0.8, 0.98], [0.3, 0.8], [0.02, 0.25]])
_VARIETY_BY_MISSION = np.array([0.3, 0.7, 1.2])
_MORE_UNITS_BY_MISSION = np.array([0.12, 0.2, 0.32])
_TIME_SD, _MOOD_SD, _WORTH_SD, _SLACK_SD, _ORDER_SD = 0.45, 0.6, 0.8, 0.6, 0.3
_LEAST_PURSE = 4.0  # what the slack is a multiple of, beside the list [currency]
_MAX_UNITS = 6


class Decision(IntEnum):
    """What a draw decides; the first key of every draw, so that each has a luck of its own."""

    MISSION = 1
    CARRIER = 2
    AGE = 3
    GENDER = 4
    N_NEEDS = 5
    NEED = 6
    TASTE = 7
    FORGOTTEN = 8
    KNOWN = 9
    TIME = 10
    BROWSE = 11
    PRONE = 12
    NEXT = 13
    SEE = 14
    STOP = 15
    WORTH = 16
    UNITS = 17
    REMIND = 18
    SUBSTITUTE = 19
    VARIETY = 20
    DWELL = 21
    SLACK = 22
    QUEUE = 23
    ORDER = 24
    SPEED = 25


@dataclass(frozen=True, eq=False)
class TownLuck:
    """The luck of a town's shoppers: keyed by town, shopper and thing decided about."""

    luck: Luck
    town_key: int

    def who(self, shoppers: IntArray) -> IntArray:
        """Keys of shoppers, others in another town."""
        return shoppers + np.int64(self.town_key % 2**61)

    def uniform(self, decision: Decision, *keys: npt.ArrayLike) -> FloatArray:
        """Draw uniform numbers; see `simulator.Luck.uniform`."""
        return self.luck.uniform(Purpose.SCRIPT, int(decision), *keys)

    def normal(self, decision: Decision, *keys: npt.ArrayLike) -> FloatArray:
        """Draw standard normal numbers."""
        return self.luck.normal(Purpose.SCRIPT, int(decision), *keys)

    def gumbel(self, decision: Decision, *keys: npt.ArrayLike) -> FloatArray:
        """Draw standard Gumbel numbers."""
        return self.luck.gumbel(Purpose.SCRIPT, int(decision), *keys)

    def exponential(self, decision: Decision, *keys: npt.ArrayLike) -> FloatArray:
        """Draw exponential numbers of mean 1."""
        return self.luck.exponential(Purpose.SCRIPT, int(decision), *keys)


@dataclass(frozen=True, eq=False)
class Visitors:
    """Some shoppers as they enter. The layout has no part in it: they are the same people in every layout.

    Attributes
    ----------
    shoppers, who
        Indices and luck's keys, shape (n,).
    mission, attributes
        Index into `MISSIONS`, and the attributes that may be recorded, each shape (n,).
    speed_mps, time_s, room, money, mood
        Walking speed, time that they have [s], units that they can carry, money beyond the list, proneness
        to impulses [log odds]; shape (n,).
    browses
        Whether they look round when the list is done, shape (n,).
    need, forgotten, known
        Per category: on the list, needed but forgotten, and whether its place is known; (n, n_categories).
    first_sku, second_sku
        Preferred SKU of each category and a second one wanted beside it or -1, (n, n_categories).
    worth
        What goods in hand must be better than to be bought unplanned, (n, n_categories).
    order
        Dislike of each category's turn: multiplies the way to it, (n, n_categories).
    utility
        Of each SKU, (n, n_skus).
    """

    shoppers: IntArray
    who: IntArray
    mission: IntArray
    attributes: dict[str, StrArray]
    speed_mps: FloatArray
    time_s: FloatArray
    room: IntArray
    money: FloatArray
    mood: FloatArray
    browses: BoolArray
    need: BoolArray
    forgotten: BoolArray
    known: BoolArray
    first_sku: IntArray
    second_sku: IntArray
    worth: FloatArray
    order: FloatArray
    utility: FloatArray

    def draw_units(self, luck: TownLuck, rows: IntArray, category_key: npt.NDArray[np.uint64]) -> IntArray:
        """Units of a listed line: geometric, more on major missions."""
        u = luck.uniform(Decision.UNITS, self.who[rows], category_key)
        n_more = np.floor(np.log(u) / np.log(_MORE_UNITS_BY_MISSION[self.mission[rows]])).astype(np.int64)
        return 1 + np.minimum(n_more, _MAX_UNITS - 1)


def draw_visitors(town: Town, store: Store, shoppers: IntArray, luck: TownLuck) -> Visitors:
    """Draw people of a town; `store` says what is carried and what it costs, not where it stands."""
    who = luck.who(shoppers)
    mission = np.searchsorted(np.cumsum(town.mission_share)[:-1], luck.uniform(Decision.MISSION, who))
    carrier = (luck.uniform(Decision.CARRIER, who)[:, None] > _CARRIER_CUTS[mission]).sum(axis=1)
    age = np.floor(luck.uniform(Decision.AGE, who) * len(AGE_BANDS)).astype(np.int64)
    gender = (luck.uniform(Decision.GENDER, who) < 0.45).astype(np.int64)
    speed = np.log(town.speed_mps) + town.speed_sd * luck.normal(Decision.SPEED, who)
    rows, what = who[:, None], stable_keys(list(town.categories))[None]
    need, forgotten = _draw_needs(town, mission, who, what, luck)
    price, category = np.array([sku.price for sku in store.skus]), store.sku_category
    taste = town.popularity + luck.gumbel(Decision.TASTE, rows, stable_keys(list(town.skus))[None])
    first_sku, second_sku = _rank_skus(taste, category, len(town.categories))
    variety = town.variety * _VARIETY_BY_MISSION[mission, None]
    second_sku[luck.uniform(Decision.VARIETY, rows, what) >= variety] = -1
    mean_price = np.bincount(category, price) / np.bincount(category)
    utility = taste - town.price_sense * np.log(price / mean_price[category])
    worth = np.take_along_axis(utility, first_sku, axis=1) + town.fussiness
    slack = town.slack * np.exp(_SLACK_SD * luck.normal(Decision.SLACK, who))
    return Visitors(
        shoppers=shoppers,
        who=who,
        mission=mission,
        attributes={
            "mission": np.array(MISSIONS)[mission],
            "age_band": np.array(AGE_BANDS)[age],
            "gender": np.array(GENDERS)[gender],
            "carrier": np.array(CARRIERS)[carrier],
        },
        speed_mps=np.clip(np.exp(speed), 0.25, 2.0),
        time_s=town.time_median_s[mission] * np.exp(_TIME_SD * luck.normal(Decision.TIME, who)),
        room=CARRIER_UNITS[carrier],
        money=slack * (_LEAST_PURSE + (price[first_sku] * need).sum(axis=1)),
        mood=_MOOD_SD * luck.normal(Decision.PRONE, who) - 0.15 * (age - 1) + 0.2 * (mission - 1),
        browses=luck.uniform(Decision.BROWSE, who) < town.browse_share[mission],
        need=need,
        forgotten=forgotten,
        known=luck.uniform(Decision.KNOWN, rows, what) < town.knowledge[mission][:, None],
        first_sku=first_sku,
        second_sku=second_sku,
        worth=worth + _WORTH_SD * luck.normal(Decision.WORTH, rows, what),
        order=np.exp(_ORDER_SD * luck.normal(Decision.ORDER, rows, what)),
        utility=utility,
    )


def _draw_needs(
    town: Town, mission: IntArray, who: IntArray, what: npt.NDArray[np.uint64], luck: TownLuck
) -> tuple[BoolArray, BoolArray]:
    """Categories on the list and those that were forgotten, each by itself at a rate like its weight."""
    spread = town.needs_sd * luck.normal(Decision.N_NEEDS, who) - town.needs_sd**2 / 2
    mean = np.minimum(town.mean_needs[mission] * np.exp(spread), 0.8 * len(town.categories))
    rate = mean[:, None] * town.need_weight / town.need_weight.sum()
    wait = luck.exponential(Decision.NEED, who[:, None], what) / rate
    need = wait < 1.0
    need[np.arange(len(need)), wait.argmin(axis=1)] = True  # nobody comes for nothing
    forgotten = need & (luck.uniform(Decision.FORGOTTEN, who[:, None], what) < town.forgetting)
    return need & ~forgotten, forgotten


def _rank_skus(taste: FloatArray, category: IntArray, n_categories: int) -> tuple[IntArray, IntArray]:
    """Best and second best SKU of each category (-1 if it has one only), (n, n_categories)."""
    first = np.zeros((len(taste), n_categories), dtype=np.int64)
    second = np.full(first.shape, -1)
    for index in range(n_categories):
        skus = np.flatnonzero(category == index)
        order = np.argsort(-taste[:, skus], axis=1)
        first[:, index] = skus[order[:, 0]]
        if len(skus) > 1:
            second[:, index] = skus[order[:, 1]]
    return first, second
