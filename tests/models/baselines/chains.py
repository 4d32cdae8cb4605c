"""Journeys drawn from chains whose truth is known, and decisions asked of policies step by step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layouts import Store
from models import LEAVE, DecisionDraws, Decisions, EncodedJourneys, LayoutView, ShopperStates
from tests.models.worlds import make_journeys

Rule = Callable[[list[int], np.random.Generator], int]  # stops so far -> next zone or LEAVE


def draw_journeys(store: Store, rule: Rule, n: int, *, seed: int = 0, buys: float = 0.5) -> EncodedJourneys:
    """Walk `n` shoppers by `rule`; at each stop each SKU there is bought with chance `buys`."""
    rng = np.random.default_rng(seed)
    walks, picks = [], []
    for row in range(n):
        stops: list[int] = []
        while len(stops) < 20 and (zone := rule(stops, rng)) != LEAVE:
            skus = np.flatnonzero(store.stands[zone])
            picks += [(row, len(stops), int(sku), 1) for sku in skus if rng.random() < buys]
            stops.append(zone)
        walks.append(stops)
    width = max(map(len, walks))
    padded = [stops + [-1] * (width - len(stops)) for stops in walks]
    dwell = rng.uniform(5.0, 60.0, (n, width))
    attributes = {"mission": rng.choice(np.array(["quick", "major"], dtype=object), n)}
    return make_journeys(padded, picks, dwell_s=dwell.tolist(), attributes=attributes)


def by_chances(table: dict[int, list[float]]) -> Rule:
    """A chain of order 1: `table[zone]` holds the chances of zones and, last, of leaving; -1 is the door."""
    return lambda stops, rng: _leave_if_last(rng.choice(6, p=table[stops[-1] if stops else -1]))


def _leave_if_last(choice: int) -> int:
    return LEAVE if choice == 5 else int(choice)


@dataclass
class Crowd:
    """Shoppers who decide step by step; those who leave drop out."""

    policy: Any
    view: LayoutView
    n: int
    seed: int = 0
    wanted: np.ndarray | None = None  # (n, n_zones), for policies that are given a list
    steps: list[tuple[np.ndarray, np.ndarray, Decisions]] = field(default_factory=list)

    def walk(self, n_steps: int = 30, rows: np.ndarray | None = None) -> "Crowd":
        """Decide up to `n_steps` times; `steps` collects rows, places before, and decisions."""
        n_zones, rng = self.view.n_zones, np.random.default_rng(self.seed)
        rows = np.arange(self.n) if rows is None else rows
        codes = self.policy.encode_attributes({"mission": np.array(["quick", "major"] * self.n)[: self.n]})
        wanted = np.zeros((self.n, n_zones), int) if self.wanted is None else self.wanted.copy()
        place, visits = np.full(self.n, self.view.entrance), np.zeros((self.n, n_zones), int)
        last_dwell, memory = np.zeros(self.n), None
        for step in range(n_steps):
            states = ShopperStates(
                attributes=codes[rows],
                place=place[rows],
                n_wanted_here=wanted[rows],
                n_wanted=wanted[rows].sum(axis=1),
                n_visits=visits[rows],
                last_dwell_s=last_dwell[rows],
                n_stops=step,
                memory=memory,
            )
            luck = DecisionDraws(
                next_zone=rng.random((self.n, n_zones + 1))[rows],
                dwell=rng.random((self.n, n_zones))[rows],
                lines=rng.random((self.n, len(self.view.store.categories)))[rows],
            )
            decisions = self.policy.decide(states, self.view, luck)
            self.steps.append((rows, place[rows], decisions))
            stays = np.flatnonzero(decisions.zone != LEAVE)
            memory = decisions.memory.take(stays) if decisions.memory is not None else None
            rows, zone = rows[stays], decisions.zone[stays]
            place[rows], last_dwell[rows] = zone, decisions.dwell_s[stays]
            visits[rows, zone] += 1
            wanted[rows, zone] = 0
            if not len(rows):
                break
        return self

    def stops_of(self, shopper: int) -> list[int]:
        """Zones that a shopper visited, in order."""
        return [
            int(decisions.zone[np.flatnonzero(rows == shopper)[0]])
            for rows, _, decisions in self.steps
            if shopper in rows and decisions.zone[np.flatnonzero(rows == shopper)[0]] != LEAVE
        ]
