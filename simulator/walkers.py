"""Shoppers while they decide: their lists, where they are, and what they meet and take on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models import LEAVE, Baskets, Decisions, LayoutView, ShopperModel, ShopperStates
from simulator.arrivals import draw_entrances
from simulator.diary import Diary
from simulator.luck import Luck, Purpose, stable_keys

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]
TILE = 16  # rows of a product


@dataclass(frozen=True, eq=False)
class Offer:
    """What a layout offers unplanned: rates per leg and per notice."""

    view: LayoutView
    hazard: FloatArray  # (n_zones, n_categories) per notice
    leg_hazard: FloatArray  # (n_places, n_places, n_categories) of a whole walk
    worth: FloatArray  # hazard times the mean profit of what is then bought, shapes as of both
    leg_worth: FloatArray
    sku_share: FloatArray  # (n_zones, n_skus) within the category
    units_cdf: FloatArray  # (n_categories, max units)
    category_key: npt.NDArray[np.uint64]
    zone_key: npt.NDArray[np.uint64]  # (n_zones + 1,), the last for leaving

    @classmethod
    def of(cls, model: ShopperModel, view: LayoutView) -> Offer:
        """Work out what a layout offers to the shoppers of a model."""
        hazard = model.conversion.compute_hazard(view)
        sku_share, units = model.conversion.compute_sku_share(view), model.conversion.compute_units(view)
        margin = np.zeros_like(hazard)
        np.add.at(margin.T, view.store.sku_category, (sku_share * [sku.margin for sku in view.store.skus]).T)
        worth = hazard * margin * (units @ np.arange(1, units.shape[1] + 1))
        return cls(
            view=view,
            hazard=hazard,
            leg_hazard=view.leg_notice @ hazard,
            worth=worth,
            leg_worth=view.leg_notice @ worth,
            sku_share=sku_share,
            units_cdf=units.cumsum(axis=1),
            category_key=stable_keys(list(view.store.categories)),
            zone_key=np.append(view.zone_key, np.uint64(0)),
        )


class Walkers:
    """Shoppers of one replication in one layout while they decide; rows are those of `shoppers`.

    Parameters
    ----------
    model
        The shoppers.
    offer
        The layout, and what it offers.
    baskets
        Of the whole replication.
    shoppers
        Which of its shoppers these are: neighbours.
    luck
        Of the replication.
    diary
        In which is written what they do.

    Attributes
    ----------
    rows
        Who is still in the store, shape (n,).
    expected
        What each may expect to buy unplanned on the way so far.
    """

    def __init__(
        self,
        model: ShopperModel,
        offer: Offer,
        baskets: Baskets,
        shoppers: IntArray,
        luck: Luck,
        diary: Diary,
    ) -> None:
        self.model, self.offer, self.luck, self.shoppers, self.diary = model, offer, luck, shoppers, diary
        view, n = offer.view, len(shoppers)
        attributes = {name: values[shoppers] for name, values in baskets.attributes.items()}
        self.codes = model.policy.encode_attributes(attributes)
        line = self._draw_list(baskets) if not model.policy.buys else np.zeros(0, dtype=np.int64)
        self.line_row, self.sku, self.qty = (
            baskets.shopper[line] - shoppers[0],
            baskets.sku[line],
            baskets.qty[line],
        )
        carried = np.asarray(view.store.stands.any(axis=0))
        self.line_open = carried[self.sku]  # what stands nowhere is not looked for
        self.line_missing = ~self.line_open
        self.line_zones = view.store.stands.T[self.sku]  # (n_lines, n_zones)
        self.wanted = self._count_wanted(np.flatnonzero(self.line_open))
        self.impulse = _ImpulseLuck.draw(luck, shoppers, offer.category_key)
        self.appetite = model.conversion.compute_appetite(attributes)
        self.met = np.zeros((n, len(view.store.categories)))
        self.appetite_left = np.ones(n)
        power = model.conversion.habituation
        self.enough = (self.impulse.threshold / self.appetite[:, None]) ** (1.0 / power)
        planned = self.line_row, view.store.sku_category[self.sku]  # is no impulse
        self.enough[planned] = np.inf
        self.expected = _Expected(model, self.appetite, len(view.store.categories), planned)
        self.place = view.entrance + draw_entrances(view.store, int(shoppers[-1]) + 1, luck)[shoppers]
        self.n_visits = np.zeros((n, view.n_zones), dtype=np.int64)
        self.rows: IntArray = np.arange(n)
        self.last_dwell_s: FloatArray = np.zeros(n)

    def _draw_list(self, baskets: Baskets) -> IntArray:
        """Lines of this lot's baskets that are on the lists; a category is planned whole or not at all."""
        line = np.arange(*np.searchsorted(baskets.shopper, [self.shoppers[0], self.shoppers[-1] + 1]))
        category = self.offer.view.store.sku_category[baskets.sku[line]]
        u = self.luck.uniform(Purpose.LIST, baskets.shopper[line], self.offer.category_key[category])
        return line[u < baskets.planned_share[line]]

    def _count_wanted(self, lines: IntArray) -> IntArray:
        """How many of these lines stand in each zone, by shopper, shape (n, n_zones)."""
        n, n_zones = len(self.shoppers), self.offer.view.n_zones
        line, zone = np.nonzero(self.line_zones[lines])
        at = self.line_row[lines[line]] * n_zones + zone
        return np.bincount(at, minlength=n * n_zones).reshape(n, n_zones)

    def count_missed(self) -> IntArray:
        """Lines of each shopper's list that were not found, shape (n,)."""
        return np.bincount(self.line_row[self.line_open | self.line_missing], minlength=len(self.shoppers))

    def states(self, n_stops: int) -> ShopperStates:
        """What those in the store know now, after so many stops; without memory."""
        rows = self.rows
        n_wanted = np.bincount(self.line_row[self.line_open], minlength=len(self.shoppers))
        return ShopperStates(
            attributes=self.codes[rows],
            place=self.place[rows],
            n_wanted_here=self.wanted[rows],
            n_wanted=n_wanted[rows],
            n_visits=self.n_visits[rows],
            last_dwell_s=self.last_dwell_s,
            n_stops=n_stops,
        )

    def follow(self, decisions: Decisions) -> IntArray:
        """Do what those in the store have decided; return which decisions were to stay, (n_staying,)."""
        rows, leaves = self.rows, decisions.zone == LEAVE
        self._walk(rows, np.where(leaves, self.offer.view.nearest_checkout[self.place[rows]], decisions.zone))
        if decisions.way is not None:
            self.diary.add_last_ways(self.shoppers[rows[leaves]], decisions.way[leaves])
        stays = np.flatnonzero(~leaves)
        self.rows, self.last_dwell_s = rows[stays], decisions.dwell_s[stays]
        if len(stays):
            stop = self._stop(self.rows, decisions.zone[stays], self.last_dwell_s)
            if decisions.way is not None:
                self.diary.add_ways(stop, decisions.way[stays])
            if decisions.lines is not None:
                self._take_lines(self.rows, decisions.zone[stays], stop, decisions.lines[stays])
        return stays

    def give_up(self) -> None:
        """Send everybody home who is still in the store."""
        self._walk(self.rows, self.offer.view.nearest_checkout[self.place[self.rows]])
        self.rows = self.rows[:0]

    def _walk(self, rows: IntArray, target: IntArray) -> None:
        """Walk to `target`; what is met on the way may sell, and makes a stop where it does."""
        start = self.place[rows]
        self.place[rows] = target
        if self.model.policy.buys:
            return
        at, category = self._meet(
            rows, self.offer.leg_hazard[start, target], self.offer.leg_worth[start, target]
        )
        if not len(at):
            return
        notice = self.offer.view.leg_notice[start[at], target[at]]  # (n_met, n_zones)
        zone = self._find(rows[at], category, notice)
        along_m = self.offer.view.distance_m[start[at], zone]
        on_way = np.lexsort((zone, along_m, at))
        row, category, zone = rows[at[on_way]], category[on_way], zone[on_way]
        stop = self.diary.add_stops(self.shoppers[row], zone, self._impulse_dwell_s(row, category))
        self._take_unplanned(row, category, zone, stop)

    def _stop(self, rows: IntArray, zone: IntArray, dwell_s: FloatArray) -> IntArray:
        """Stand at `zone`: take what is on the list there, and meet what stands around."""
        stop = self.diary.add_stops(self.shoppers[rows], zone, dwell_s)
        self.n_visits[rows, zone] += 1
        if self.model.policy.buys:
            return stop
        here, stop_of = (np.full(len(self.shoppers), -1) for _ in range(2))
        here[rows], stop_of[rows] = zone, stop
        at = here[self.line_row]
        taken = np.flatnonzero(self.line_open & (at >= 0) & self.line_zones[np.arange(len(at)), at])
        self.line_open[taken] = False
        self.wanted -= self._count_wanted(taken)
        self.diary.add_picks(stop_of[self.line_row[taken]], self.sku[taken], self.qty[taken], is_planned=True)
        if not self.model.conversion.idle_stops_notice:
            dwell_s = np.where(np.isin(rows, self.line_row[taken]), dwell_s, 0.0)
        noticed = self.offer.view.stop_notice(zone, dwell_s)
        met, category = self._meet(
            rows, *(_multiply(noticed, t) for t in (self.offer.hazard, self.offer.worth))
        )
        if not len(met):
            return stop
        row, sold_in, sold_at = rows[met], self._find(rows[met], category, noticed[met]), stop[met]
        aside = np.flatnonzero(sold_in != zone[met])  # one step away from where they stand
        dwell_s = self._impulse_dwell_s(row[aside], category[aside])
        sold_at[aside] = self.diary.add_stops(self.shoppers[row[aside]], sold_in[aside], dwell_s)
        self._take_unplanned(row, category, sold_in, sold_at)
        return stop

    def _take_lines(self, rows: IntArray, zone: IntArray, stop: IntArray, lines: IntArray) -> None:
        """Take what the policy says is bought, as far as it stands there: of a category different SKUs."""
        store = self.offer.view.store
        for at, category in zip(*np.nonzero(lines), strict=True):
            share = np.where(store.sku_category == category, self.offer.sku_share[zone[at]], 0.0)
            n_lines = min(int(lines[at, category]), int((share > 0).sum()))
            key = int(self.shoppers[rows[at]]), int(self.n_visits[rows[at]].sum())
            wait = self.luck.exponential(Purpose.SKU, *key, np.arange(store.n_skus))
            # the shortest waits at rates in proportion to the shares: a draw without replacement
            chosen = np.argsort(np.where(share > 0, wait / np.maximum(share, 1e-300), np.inf))[:n_lines]
            u = self.luck.uniform(Purpose.QUANTITY, *key, chosen)
            units = 1 + np.searchsorted(self.offer.units_cdf[category, :-1], u)
            self.diary.add_picks(np.full(n_lines, stop[at]), chosen, units, is_planned=False)

    def _meet(
        self, rows: IntArray, hazard: npt.NDArray[Any], worth: npt.NDArray[Any]
    ) -> tuple[IntArray, IntArray]:
        """Add hazards (n, n_categories) to what each has met; return where in `rows` what category sells."""
        self.expected.meet(rows, hazard, worth)
        met = self.met[rows] + hazard * self.appetite_left[rows, None]
        self.met[rows] = met
        at, category = np.nonzero(met >= self.enough[rows])
        self.enough[rows[at], category] = np.inf  # a category is bought once
        self.appetite_left[rows] *= np.exp(
            -self.model.conversion.spent * np.bincount(at, minlength=len(rows))
        )
        return at, category

    def _find(self, rows: IntArray, category: IntArray, noticed: npt.NDArray[Any]) -> IntArray:
        """Zone in which each purchase was met: in proportion to what was noticed of the category where."""
        cdf = (noticed * self.offer.hazard.T[category]).cumsum(axis=1)
        u = self.impulse.where[rows, category] * cdf[:, -1]
        return (cdf <= u[:, None]).sum(axis=1).clip(max=cdf.shape[1] - 1)

    def _impulse_dwell_s(self, row: IntArray, category: IntArray) -> FloatArray:
        pace = self.model.pace
        z = self.impulse.dwell[row, category]
        return np.asarray(np.exp(pace.impulse_dwell_log_mean + pace.impulse_dwell_log_sd * z))

    def _take_unplanned(self, row: IntArray, category: IntArray, zone: IntArray, stop: IntArray) -> None:
        """Take one SKU of each category that was met, where it was found; shapes (n_met,)."""
        is_of_category = self.offer.view.store.sku_category == category[:, None]
        share = np.where(is_of_category, self.offer.sku_share[zone], 0.0).cumsum(axis=1)  # (n_met, n_skus)
        u = self.impulse.sku[row, category] * share[:, -1]
        sku = (share <= u[:, None]).sum(axis=1)
        units_cdf = self.offer.units_cdf[category, :-1]
        units = 1 + (units_cdf < self.impulse.units[row, category][:, None]).sum(axis=1)
        self.diary.add_picks(stop, sku, units, is_planned=False)


def _multiply(rows: FloatArray, table: FloatArray) -> FloatArray:
    """Product (n, columns), tile by tile: no row's sums are rounded by how many others there are."""
    n, width = rows.shape
    tiles = np.zeros((-(-n // TILE), TILE, width))
    tiles.reshape(-1, width)[:n] = rows
    return (tiles @ table).reshape(-1, table.shape[1])[:n]


class _Expected:
    """What shoppers may expect to buy unplanned: the mean over the luck of purchases, their ways being given.

    Parameters
    ----------
    model
        The shoppers.
    appetite
        Of each at the door, shape (n,).
    n_categories
        Of the store.
    planned
        Shoppers and categories that are no impulse.

    Attributes
    ----------
    profit
        So far, shape (n,).
    """

    def __init__(
        self, model: ShopperModel, appetite: FloatArray, n_categories: int, planned: tuple[IntArray, IntArray]
    ) -> None:
        self.appetite, self.habituation = appetite, model.conversion.habituation
        self.bites = 1.0 - np.exp(-model.conversion.spent)  # what a purchase takes of the appetite
        self.met: FloatArray = np.zeros((len(appetite), n_categories))
        self.chance_left: FloatArray = np.ones_like(self.met)  # that a category was not bought
        self.chance_left[planned] = 0.0
        self.profit: FloatArray = np.zeros(len(appetite))
        self.appetite_left: FloatArray = np.ones(len(appetite))

    def meet(self, rows: IntArray, hazard: npt.NDArray[Any], worth: npt.NDArray[Any]) -> None:
        """Add what hazards (n, n_categories) may earn; categories use up appetite independently."""
        met = self.met[rows] + hazard * self.appetite_left[rows, None]
        self.met[rows] = met
        at, category = np.nonzero(hazard * (self.chance_left[rows] > 0))
        who = rows[at], category
        left = np.exp(-self.appetite[rows[at]] * met[at, category] ** self.habituation)
        before = self.chance_left[who]
        earned = (before - left) * worth[at, category] / hazard[at, category]
        self.chance_left[who] = left
        self.profit[rows] += np.bincount(at, earned, len(rows))
        if self.bites:
            kept = np.log1p(self.bites * (left - 1.0)) - np.log1p(self.bites * (before - 1.0))
            self.appetite_left[rows] *= np.exp(np.bincount(at, kept, len(rows)))


@dataclass(frozen=True, eq=False)
class _ImpulseLuck:
    """Luck of every shopper with every category, should it be met unplanned; all (n, n_categories)."""

    threshold: FloatArray  # exponential: bought when the hazard of what was met comes up to it
    where: FloatArray
    sku: FloatArray
    units: FloatArray
    dwell: FloatArray  # standard normal

    @classmethod
    def draw(cls, luck: Luck, shoppers: IntArray, category_key: npt.NDArray[np.uint64]) -> _ImpulseLuck:
        key = shoppers[:, None], category_key[None]
        return cls(
            threshold=luck.exponential(Purpose.PURCHASE, *key),
            where=luck.uniform(Purpose.FIND, *key),
            sku=luck.uniform(Purpose.SKU, *key),
            units=luck.uniform(Purpose.QUANTITY, *key),
            dwell=luck.normal(Purpose.DWELL, *key),
        )
