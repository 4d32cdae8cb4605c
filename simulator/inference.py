"""Decisions, made for many cohorts at once: who comes, and where each goes next.

Shoppers meet the same luck in every layout: each draw is keyed by who decides what. A zone's luck follows
what it offers, and an unplanned purchase happens when the shelves of a category that a shopper has noticed
add up to the shopper's own threshold, so a preference that an edit did not touch stays as it was.

While nothing that a shopper meets (crowding, an empty shelf) can change a decision, cohorts decide ahead of
the clock and in step: at each step one forward pass for all shoppers of all replications and layouts that are
planned together, in lots. The `StoreModel` then lives each day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layouts import ModelError, Store
from models import (
    MAX_STOPS,
    Baskets,
    DecisionDraws,
    Decisions,
    Memory,
    Party,
    SharedPolicy,
    ShopperModel,
    ShopperStates,
    view_layout,
)
from simulator.arrivals import ArrivalProfile, draw_arrivals
from simulator.diary import Diary
from simulator.itinerary import Itineraries, Population
from simulator.luck import Luck, LuckByRow, Purpose
from simulator.walkers import Offer, Walkers

LOT = 2048  # shoppers who decide together, in whatever number of cohorts; results do not depend on it
IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]


def draw_population(model: ShopperModel, store: Store, n: int, luck: Luck) -> tuple[Population, Baskets]:
    """Draw who comes, when, how fast they walk and what for; the layout has no part in it.

    Returns
    -------
    population
        The people.
    baskets
        What each may have come for, with the chance that it is on the list.
    """
    shoppers = np.arange(n)
    baskets = model.needs.draw(luck.uniform(Purpose.MISSION, shoppers), store)
    profile = ArrivalProfile(
        hourly_share=model.hourly_share, shoppers_per_day=max(round(model.shoppers_per_day), 1)
    )
    pace = model.pace
    speed = np.exp(pace.speed_log_mean + pace.speed_log_sd * luck.normal(Purpose.SPEED, shoppers))
    attributes = {name: np.asarray(values, dtype=str) for name, values in baskets.attributes.items()}
    door_s = pace.door_median_s * np.exp(pace.door_log_sd * luck.normal(Purpose.DOOR, shoppers))
    arrival_s = draw_arrivals(profile, n, store, luck)
    return Population(n, arrival_s, np.clip(speed, 0.2, 2.0), attributes, door_s), baskets


@dataclass(frozen=True, eq=False)
class Cohort:
    """The shoppers of one replication who visit one layout.

    Parameters
    ----------
    model
        Who they are, under the hypothesis of their replication.
    store
        Any layout whose catalogue they know at least in part.
    baskets
        From `draw_population`.
    n
        Number of shoppers.
    luck
        Of the replication.
    """

    model: ShopperModel
    store: Store
    baskets: Baskets
    n: int
    luck: Luck


def plan_itineraries(model: ShopperModel, store: Store, baskets: Baskets, n: int, luck: Luck) -> Itineraries:
    """Let one cohort decide its whole journeys; the arguments are those of `Cohort`."""
    return plan_cohorts([Cohort(model, store, baskets, n, luck)])[0]


def plan_cohorts(cohorts: Sequence[Cohort]) -> list[Itineraries]:
    """Let the cohorts of several replications and layouts decide their whole journeys together.

    At each step the decisions of up to `LOT` shoppers go through one pass of the policy. What a cohort
    decides does not depend on the others, to the last bit.

    Parameters
    ----------
    cohorts
        All of one policy.

    Returns
    -------
    itineraries
        Of each cohort.

    Raises
    ------
    ModelError
        If the cohorts have different policies.
    """
    if any(cohort.model.policy is not cohorts[0].model.policy for cohort in cohorts):
        raise ModelError("cohorts that are planned together must share one policy; plan them apart")
    views = [view_layout(cohort.store) for cohort in cohorts]
    diaries, missed = [Diary() for _ in cohorts], [cohort.baskets.n_unknown.copy() for cohort in cohorts]
    unplanned_profit = [np.zeros(cohort.n) for cohort in cohorts]
    offers: dict[tuple[int, str], Offer] = {}  # replications share a hypothesis of what is bought
    for lot in _divide(cohorts):
        walkers = []
        for number, shoppers in lot:
            cohort = cohorts[number]
            key = id(cohort.model.conversion), cohort.store.content_hash
            offer = offers.get(key) or offers.setdefault(key, Offer.of(cohort.model, views[number]))
            walkers.append(
                Walkers(cohort.model, offer, cohort.baskets, shoppers, cohort.luck, diaries[number])
            )
        _shop(walkers)
        for (number, shoppers), some in zip(lot, walkers, strict=True):
            missed[number][shoppers] += some.count_missed()
            unplanned_profit[number][shoppers] = some.expected.profit
    plans = [
        diary.to_itineraries(cohort.store, view.zone_key, not_found, cohort.luck, cohort.model.standing)
        for cohort, view, diary, not_found in zip(cohorts, views, diaries, missed, strict=True)
    ]
    if cohorts and cohorts[0].model.policy.buys:  # purchases decide on the way: there is no such mean
        return plans
    return [
        replace(plan, unplanned_profit=profit) for plan, profit in zip(plans, unplanned_profit, strict=True)
    ]


def _divide(cohorts: Sequence[Cohort]) -> Iterator[list[tuple[int, IntArray]]]:
    """Lots of at most `LOT` shoppers: which cohort, and which of its shoppers; same layouts side by side."""
    first: dict[str, int] = {}
    layout = [first.setdefault(cohort.store.content_hash, number) for number, cohort in enumerate(cohorts)]
    lot: list[tuple[int, IntArray]] = []
    n_free = LOT
    for number in sorted(range(len(cohorts)), key=lambda number: layout[number]):
        n = cohorts[number].n
        for start in range(0, n, LOT):
            shoppers = np.arange(start, min(start + LOT, n))
            if len(shoppers) > n_free:
                yield lot
                lot, n_free = [], LOT
            lot.append((number, shoppers))
            n_free -= len(shoppers)
    if lot:
        yield lot


def _shop(walkers: Sequence[Walkers]) -> None:
    """Decide in step until everybody has left; who still has a list after `MAX_STOPS` stops gives it up."""
    policy = walkers[0].model.policy
    if isinstance(policy, SharedPolicy):
        by_layout: dict[str, list[Walkers]] = {}
        for some in walkers:
            by_layout.setdefault(some.offer.view.store.content_hash, []).append(some)
        groups = [_Group(members) for members in by_layout.values()]
    else:
        groups = [_Group([some]) for some in walkers]
    for n_stops in range(MAX_STOPS):
        parties = [group.ask(n_stops) for group in groups]
        if isinstance(policy, SharedPolicy):
            answers = policy.decide_together(parties)
        else:
            answers = [policy.decide(party.states, party.layout, party.draws) for party in parties]
        groups = [group for group, answer in zip(groups, answers, strict=True) if group.follow(answer)]
        if not groups:
            return
    for some in walkers:
        some.give_up()


class _Group:
    """Walkers of one layout, of one or several replications, whom the policy is asked about in one batch."""

    def __init__(self, members: Sequence[Walkers]) -> None:
        self.members, self.memory = list(members), None
        self.offer, self.buys = members[0].offer, members[0].model.policy.buys

    def ask(self, n_stops: int) -> Party:
        """Who is in the store, and the luck of their next decisions."""
        states = _join([some.states(n_stops) for some in self.members], self.memory)
        return Party(states=states, layout=self.offer.view, draws=self._draw(states))

    def follow(self, decisions: Decisions) -> bool:
        """Let everybody do what was decided; return whether anybody is still in the store."""
        stays, start = [], 0
        for some in self.members:
            here = slice(start, start + len(some.rows))
            stays.append(start + some.follow(_cut(decisions, here)))
            start = here.stop
        staying, memory = np.concatenate(stays), decisions.memory
        if memory is not None and 0 < len(staying) < start:
            memory = memory.take(staying)
        self.memory = memory
        self.members = [some for some in self.members if len(some.rows)]
        return bool(self.members)

    def _draw(self, states: ShopperStates) -> DecisionDraws:
        """Luck keyed by shopper, where it stands, how often it has been there, and the zone decided about."""
        luck = LuckByRow.join([some.luck for some in self.members], [len(some.rows) for some in self.members])
        who = np.concatenate([some.shoppers[some.rows] for some in self.members])
        zone_key, n_zones = self.offer.zone_key, self.offer.view.n_zones
        is_zone = states.place < n_zones
        at_zone = np.where(is_zone, states.place, 0)
        here = np.where(is_zone, zone_key[at_zone], np.uint64(1))
        times = np.where(is_zone, states.n_visits[np.arange(len(who)), at_zone], 0)
        lines = None
        if self.buys:
            nth = states.n_visits.sum(axis=1)
            lines = luck[:, None].uniform(
                Purpose.BOUGHT, who[:, None], nth[:, None], self.offer.category_key[None]
            )
        return DecisionDraws(
            next_zone=luck[:, None].uniform(
                Purpose.NEXT_ZONE, who[:, None], here[:, None], times[:, None], zone_key[None]
            ),
            dwell=_DwellLuck(luck, who, zone_key, states.n_visits),
            lines=lines,
        )


def _join(states: Sequence[ShopperStates], memory: Memory | None) -> ShopperStates:
    """Put the rows of all states under one another."""
    if len(states) == 1:
        return replace(states[0], memory=memory)
    columns = ("attributes", "place", "n_wanted_here", "n_wanted", "n_visits", "last_dwell_s")
    joined = {name: np.concatenate([getattr(some, name) for some in states]) for name in columns}
    return ShopperStates(**joined, n_stops=states[0].n_stops, memory=memory)


def _cut(decisions: Decisions, rows: slice) -> Decisions:
    """Some rows of decisions; their memory stays where it is."""
    return Decisions(
        zone=decisions.zone[rows],
        dwell_s=decisions.dwell_s[rows],
        lines=None if decisions.lines is None else decisions.lines[rows],
        way=None if decisions.way is None else decisions.way[rows],
    )


@dataclass(frozen=True, eq=False)
class _DwellLuck:
    """Luck of how long stops take, by row of a batch and zone: drawn for the zones that were chosen alone."""

    luck: LuckByRow
    shoppers: IntArray  # (n,)
    zone_key: npt.NDArray[np.uint64]
    n_visits: IntArray  # (n, n_zones)

    def __getitem__(self, at: tuple[IntArray, IntArray]) -> FloatArray:
        row, zone = at
        key = self.shoppers[row], self.zone_key[zone], self.n_visits[at]
        return self.luck[row].uniform(Purpose.DWELL, *key)
