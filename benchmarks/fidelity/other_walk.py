"""A cohort of the other shoppers on its way: where each goes, what catches the eye, what is bought."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from benchmarks.fidelity.other_diary import Diary
from benchmarks.fidelity.other_floor import STEP_ASIDE_M, Floor
from benchmarks.fidelity.other_people import Decision, TownLuck, draw_visitors
from benchmarks.fidelity.other_town import Town
from simulator import stable_keys

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]

MAX_STEPS = 160  # then everybody pays where they are
HURRIED_STEPS = 110  # from here on shoppers go straight to where they want to
PATIENCE, BROWSING = 0.8, 0.5  # shares of the time in which one still searches, and looks round
LEAVING_ATTENTION = 0.6  # faster towards the tills
QUEUE_MEDIAN_S, QUEUE_SD = 45.0, 0.8
KNOWING_SUBSTITUTION = 0.3  # who knows where the preferred SKU stands seldom takes another
SECOND_UNIT_SHARE = 0.15
GLANCE = 0.5  # how long a stop without a purchase is, relative to one with


class Cohort:
    """Some shoppers on their way through one layout; rows of all arrays are those of `people`.

    Parameters
    ----------
    town, floor, luck
        Who they are, where, and what decides.
    shoppers, entrance
        Their indices, and the entrance of each, shape (n,).
    diary
        Where everything is noted.

    Attributes
    ----------
    people
        As they entered.
    elapsed_s, n_missed
        After `walk`: time inside without waiting and paying [s], and lines of the list not found; shape (n,).
    """

    def __init__(
        self,
        town: Town,
        floor: Floor,
        luck: TownLuck,
        shoppers: IntArray,
        entrance: IntArray,
        diary: Diary,
    ) -> None:
        self.town, self.floor, self.luck, self.diary = town, floor, luck, diary
        self.people = draw_visitors(town, floor.store, shoppers, luck)
        self._category_key = stable_keys(list(town.categories))
        self._sku_key = stable_keys(list(town.skus))
        self._price = np.array([sku.price for sku in floor.store.skus])
        n, n_zones, n_categories = len(shoppers), floor.store.n_zones, len(town.categories)
        self._has_category = np.zeros((n_zones, n_categories), dtype=bool)
        self._has_category[floor.offer_zone, floor.offer_category] = True
        self._zone, self._before = floor.first_zone[entrance], np.full(n, -1)
        self._course = np.zeros((n, 2))  # direction of the last step
        self._is_leaving, self._has_picked = np.zeros((2, n), dtype=bool)
        self._visits = np.zeros((n, n_zones), dtype=np.int64)
        self._exposed = np.zeros((n, len(floor.offer_zone)), dtype=np.int64)
        self._need, self._known = self.people.need.copy(), self.people.known.copy()
        self._forgotten = self.people.forgotten.copy()
        self._reminded = np.zeros((n, n_categories), dtype=bool)
        self._bought = np.zeros((n, n_categories), dtype=np.int64)
        self._n_units, self._n_unplanned, self.n_missed = np.zeros((3, n), dtype=np.int64)
        self._money, self.elapsed_s = self.people.money.copy(), np.zeros(n)
        self._moment = 0

    def walk(self) -> None:
        """Walk until everybody is at the tills."""
        rows = np.arange(len(self._zone))
        self._visits[rows, self._zone] += 1
        self._arrive(rows)
        for step in range(MAX_STEPS):
            target, is_search = self._choose_target(rows)
            self._is_leaving[rows] |= step == MAX_STEPS - 1
            at_till = self._is_leaving[rows] & (self._zone[rows] == self.floor.till_zone[self._zone[rows]])
            self._queue(rows[at_till])
            rows, target, is_search = (column[~at_till] for column in (rows, target, is_search))
            if not len(rows):
                break
            if step < HURRIED_STEPS:
                self._go(rows, self._choose_neighbor(rows, target, is_search))
            else:
                self._go(rows, self._choose_shortest(rows, target))
        self.n_missed += self._need.sum(axis=1)

    # the way

    def _choose_target(self, rows: IntArray) -> tuple[IntArray, BoolArray]:
        """SKU that each heads for (-1: none), and whether they look for something; decides who leaves."""
        elapsed_s, time_s = self.elapsed_s[rows], self.people.time_s[rows]
        late = rows[elapsed_s > time_s]
        self.n_missed[late] += self._need[late].sum(axis=1)
        self._need[late] = False  # given up
        wanted = self._need[rows] & self._known[rows]
        first_sku = self.people.first_sku[rows]
        metres = self.floor.sku_m[self._zone[rows, None], first_sku] * self.people.order[rows]
        nearest = np.where(wanted, metres, np.inf).argmin(axis=1)
        target = np.where(wanted.any(axis=1), first_sku[np.arange(len(rows)), nearest], -1)
        is_search = (target < 0) & self._need[rows].any(axis=1) & (elapsed_s < PATIENCE * time_s)
        looks_round = self.people.browses[rows] & (elapsed_s < BROWSING * time_s)
        looks_round &= elapsed_s < self.town.fatigue_s
        self._is_leaving[rows] = (target < 0) & ~is_search & ~looks_round
        return target, is_search

    def _gain_m(self, rows: IntArray, target: IntArray) -> FloatArray:
        """How much nearer each neighbour is to the target, or to the tills without one, (n, most) [m]."""
        floor, zone = self.floor, self._zone[rows]
        following = floor.neighbors[zone]
        return np.where(
            target[:, None] >= 0,
            floor.sku_m[zone, target][:, None] - floor.sku_m[following, target[:, None]],
            floor.till_m[zone][:, None] - floor.till_m[following],
        )

    def _choose_shortest(self, rows: IntArray, target: IntArray) -> IntArray:
        is_there = self.floor.neighbors[self._zone[rows]] >= 0
        return np.where(is_there, self._gain_m(rows, target), -np.inf).argmax(axis=1)

    def _choose_neighbor(self, rows: IntArray, target: IntArray, is_search: BoolArray) -> IntArray:
        """Column of `Floor.neighbors` that each goes to."""
        floor, weights, zone = self.floor, self.town.walking, self._zone[rows]
        following = floor.neighbors[zone]  # (n, most)
        metres = np.maximum(floor.distance_m[zone[:, None], following], 0.5)
        leaves = self._is_leaving[rows]
        heads = (target >= 0) | leaves
        gain = np.where(heads[:, None], self._gain_m(rows, target) / metres, 0.0)
        fresh = np.exp(-self.elapsed_s[rows] / self.town.fatigue_s)[:, None]
        visits = self._visits[rows[:, None], following]
        ahead = (floor.heading[zone] * self._course[rows][:, None]).sum(axis=2)
        ahead = np.where(self._before[rows, None] >= 0, ahead, 1.0)
        looks = np.where(is_search, 1.5, np.where(heads, 0.3, 1.0))[:, None]
        strolls = ((target < 0) & ~is_search)[:, None]
        # out of an aisle the way one came in: going back costs nothing after something was taken
        back = (following == self._before[rows, None]) & ~self._has_picked[rows, None]
        pull = (
            weights["goal"] * np.where(leaves, 1.5, 1.0)[:, None] * gain
            + weights["perimeter"] * floor.is_perimeter[following] * fresh
            - weights["aisle"] * floor.is_aisle[following] * strolls
            + weights["curiosity"] * fresh * looks * (visits == 0)
            - weights["revisit"] * np.minimum(visits, 3)
            - weights["turn"] * (1 - ahead) / 2
            - weights["back"] * back
        )
        who = self.people.who[rows, None]
        pull += weights["noise"] * self.luck.gumbel(Decision.NEXT, who, floor.zone_key[following], visits)
        return np.where(following >= 0, pull, -np.inf).argmax(axis=1)

    def _go(self, rows: IntArray, nth: IntArray) -> None:
        """Walk to a neighbour, see what there is on the way, arrive."""
        floor, start = self.floor, self._zone[rows]
        end = floor.neighbors[start, nth]
        self.elapsed_s[rows] += floor.distance_m[start, end] / self.people.speed_mps[rows]
        self._moment += 1
        attention = np.where(self._is_leaving[rows], LEAVING_ATTENTION, 1.0)
        self._see(rows, start * floor.neighbors.shape[1] + nth, attention)
        self._before[rows], self._zone[rows] = start, end
        self._course[rows] = floor.heading[start, nth]
        self._visits[rows, end] += 1
        self._moment += 1
        self.diary.add_passes(self.people.shoppers[rows], self._moment, end)
        self._arrive(rows)

    # what is seen

    def _see(self, rows: IntArray, way: IntArray, attention: FloatArray) -> None:
        """Let what is in view on a way catch the eye: known places, reminders, at most one stop each."""
        floor, luck = self.floor, self.luck
        first, n_seen = floor.first_view[way], np.diff(floor.first_view)[way]
        at = np.repeat(np.arange(len(rows)), n_seen)
        entry = np.repeat(first - np.cumsum(n_seen) + n_seen, n_seen) + np.arange(len(at))
        offer, row = floor.view_offer[entry], rows[at]
        metres, times = floor.view_m[entry] * attention[at], self._exposed[row, offer]
        self._exposed[row, offer] += 1
        u = luck.uniform(Decision.SEE, self.people.who[row], floor.offer_key[offer], times)
        seen = u < -np.expm1(-metres * floor.prominence[offer] / self.town.notice_m)
        row, offer, times, metres = row[seen], offer[seen], times[seen], metres[seen]
        category = floor.offer_category[offer]
        self._known[row, category] = True
        self._recall(row, category)
        is_free = ~self._need[row, category] & (self._n_units[row] < self.people.room[row])
        u = luck.uniform(Decision.STOP, self.people.who[row], floor.offer_key[offer], times)
        odds = self._stop_odds(row, offer, category, times)
        stops = np.flatnonzero(is_free & (u < expit(odds)))
        # the eye is caught by one thing at a time: the one that was most in view
        stops = stops[np.lexsort((floor.offer_key[offer[stops]], -metres[stops], row[stops]))]
        _, single = np.unique(row[stops], return_index=True)
        self._engage(row[stops[single]], offer[stops[single]])

    def _recall(self, row: IntArray, category: IntArray) -> None:
        """Put forgotten needs on the list again where the goods remind of them."""
        u = self.luck.uniform(Decision.REMIND, self.people.who[row], self._category_key[category])
        recalls = self._forgotten[row, category] & (u < self.town.reminding)
        row, category = row[recalls], category[recalls]
        self._forgotten[row, category] = False
        self._need[row, category] = self._reminded[row, category] = True

    def _stop_odds(self, row: IntArray, offer: IntArray, category: IntArray, times: IntArray) -> FloatArray:
        """Log odds that goods which were noticed stop a shopper."""
        town, floor = self.town, self.floor
        partners = floor.partners[category]
        holds_partner = ((self._bought[row] > 0) & partners).any(axis=1)
        near_partner = (self._has_category[self._zone[row]] & partners).any(axis=1)
        return (
            town.stop_odds
            + self.people.mood[row]
            + town.proneness[category]
            + town.display_response[category] * floor.is_display[floor.offer_zone[offer]]
            + town.cue * (holds_partner + 0.5 * near_partner)
            - town.habituation * np.minimum(times, 5)
            - town.satiation * (self._bought[row, category] > 0)
            - town.appetite_cost * self._n_unplanned[row]
            - town.hurry * np.minimum(self.elapsed_s[row] / self.people.time_s[row], 1.5)
        )

    # what is bought

    def _engage(self, row: IntArray, offer: IntArray) -> None:
        """Stop at what caught the eye, and buy the best of it if it is worth it and can be afforded."""
        floor = self.floor
        near = floor.distance_m[self._zone[row], floor.offer_zone[offer]] <= STEP_ASIDE_M
        row, offer = row[near], offer[near]
        category, skus = floor.offer_category[offer], floor.offer_skus[offer]
        utility = np.where(skus >= 0, self.people.utility[row[:, None], skus], -np.inf)
        utility = utility + floor.sku_place_utility[offer]
        sku = skus[np.arange(len(row)), utility.argmax(axis=1)]
        is_worth = utility.max(axis=1, initial=-np.inf) > self.people.worth[row, category]
        buys = is_worth & (self._price[sku] <= self._money[row])
        self._stop(row, floor.offer_zone[offer], category, np.where(buys, 1.0, GLANCE))
        row, sku, category = row[buys], sku[buys], category[buys]
        u = self.luck.uniform(Decision.UNITS, self.people.who[row], self._sku_key[sku])
        qty = 1 + (u < SECOND_UNIT_SHARE).astype(np.int64)
        self._take(row, sku, qty, category, np.zeros(len(row), dtype=bool))
        self._n_unplanned[row] += 1
        self._money[row] -= self._price[sku] * qty

    def _arrive(self, rows: IntArray) -> None:
        """Take what is wanted where one has come to."""
        stands, people = self.floor.store.stands, self.people
        self._has_picked[rows] = False
        at, category = np.nonzero(self._need[rows] & self._has_category[self._zone[rows]])
        row = rows[at]
        zone, sku = self._zone[row], people.first_sku[row, category]
        is_here = stands[zone, sku]
        will_do = self.town.substitution * np.where(self._known[row, category], KNOWING_SUBSTITUTION, 1.0)
        u = self.luck.uniform(Decision.SUBSTITUTE, people.who[row], self._category_key[category])
        self._known[row, category] = True
        takes = is_here | (u < will_do)
        here = stands[zone] & (self.floor.store.sku_category == category[:, None])
        other = np.where(here, people.utility[row], -np.inf).argmax(axis=1)
        sku = np.where(is_here, sku, other)[takes]
        row, zone, category = row[takes], zone[takes], category[takes]
        stopped, nth, line = np.unique(row, return_index=True, return_inverse=True)
        n_lines = np.bincount(line, minlength=len(stopped))
        self._stop(stopped, zone[nth], category[nth], 1.0 + 0.4 * (n_lines - 1))
        self._has_picked[stopped] = True
        self._need[row, category] = False
        is_planned = ~self._reminded[row, category]
        qty = people.draw_units(self.luck, row, self._category_key[category])
        self._take(row, sku, qty, category, is_planned)
        second = people.second_sku[row, category]
        also = (second >= 0) & (second != sku) & stands[zone, second]
        self._take(row[also], second[also], np.ones_like(qty[also]), category[also], is_planned[also])

    def _queue(self, rows: IntArray) -> None:
        """Wait at the tills, their racks in view."""
        z = self.luck.normal(Decision.QUEUE, self.people.who[rows])
        wait_s = np.where(self._n_units[rows] > 0, QUEUE_MEDIAN_S * np.exp(QUEUE_SD * z), 0.0)
        self._moment += 1
        self._see(rows, self.floor.neighbors.size + self._zone[rows], self.town.rack * wait_s)
        self._moment += 1

    def _stop(self, row: IntArray, zone: IntArray, category: IntArray, longer: FloatArray) -> None:
        keys = self.people.who[row], self._category_key[category], self._bought[row, category]
        dwell_s = (
            self.town.dwell_s * longer * np.exp(self.town.dwell_sd * self.luck.normal(Decision.DWELL, *keys))
        )
        self.elapsed_s[row] += dwell_s
        self.diary.add_stops(self.people.shoppers[row], self._moment, zone, dwell_s)

    def _take(
        self, row: IntArray, sku: IntArray, qty: IntArray, category: IntArray, is_planned: BoolArray
    ) -> None:
        self.diary.add_picks(self.people.shoppers[row], self._moment, sku, qty, is_planned)
        np.add.at(self._bought, (row, category), 1)
        np.add.at(self._n_units, row, qty)
