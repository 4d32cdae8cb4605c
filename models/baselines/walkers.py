"""Walkers with a list: the shortest tour over it, or always the nearest need.

They know no place and no habit. Like the layout policy they are given a list and may buy what they notice on
the way; nothing draws them but what they came for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from layouts import ModelError, ObservationError, Store
from models.baselines.dwells import N_QUANTILES, DwellQuantiles
from models.baselines.tours import plan_tours
from models.encoding import EncodedJourneys
from models.layout_view import LayoutView
from models.policy import LEAVE, DecisionDraws, Decisions, ShopperStates
from models.storage import load_arrays, save_arrays

MANY_LINES = 5  # stops at which more is taken last as long as those with so many lines


class WalkerPolicy(ABC):
    """Stops only where something on the list stands, for as long as people stood who took as many lines."""

    buys: ClassVar[bool] = False
    kind: ClassVar[str]

    dwells_: DwellQuantiles

    def fit(self, journeys: EncodedJourneys, store: Store, rng: np.random.Generator) -> WalkerPolicy:
        """Learn how long stops are, by the receipt lines taken; the order of the stops is not looked at.

        Raises
        ------
        ObservationError
            If there is no journey with a stop.
        """
        stops = journeys.zone >= 0
        if not stops.any():
            raise ObservationError(f"policy {self.kind!r}: no journey with a stop to learn from; give some")
        n_lines = np.zeros(journeys.zone.shape, dtype=np.int64)
        np.add.at(n_lines, (journeys.pick_row, journeys.pick_stop), 1)
        group = np.minimum(n_lines[stops], MANY_LINES)
        self.dwells_ = DwellQuantiles.fit(journeys.dwell_s[stops], group, MANY_LINES + 1)
        return self

    def encode_attributes(self, attributes: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Return no column: customers are all alike, shape (n, 0)."""
        return np.zeros((len(next(iter(attributes.values()))), 0), dtype=np.int64)

    def decide(self, states: ShopperStates, layout: LayoutView, draws: DecisionDraws) -> Decisions:
        """Choose the next zone of each shopper; whoever has found its list leaves."""
        rows = np.arange(len(states.place))
        wanted = states.n_wanted_here.copy()
        in_zone = states.place < layout.n_zones
        wanted[rows[in_zone], states.place[in_zone]] = 0
        zone, memory = self._choose(states, wanted, layout)
        leaves = zone == LEAVE
        at = np.where(leaves, 0, zone)
        group = np.minimum(wanted[rows, at], MANY_LINES)
        dwell_s = self.dwells_.draw(group, draws.dwell[rows, at])
        return Decisions(zone=zone, dwell_s=dwell_s, memory=memory)

    @abstractmethod
    def _choose(
        self, states: ShopperStates, wanted: NDArray[np.integer[Any]], layout: LayoutView
    ) -> tuple[NDArray[np.int64], Any]:
        """Next zone of each shopper or `LEAVE`, shape (n,), and the next memory."""

    def save_pretrained(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors` into `folder`."""
        save_arrays(folder, {"dwell_quantile_s": self.dwells_.quantile_s}, {}, config={"kind": self.kind})

    @classmethod
    def from_pretrained(cls, folder: Path) -> WalkerPolicy:
        """Read what `save_pretrained` wrote; the same answers.

        Raises
        ------
        ModelError
            If the files are damaged.
        """
        table = load_arrays(folder)[0]["dwell_quantile_s"]
        if table.shape != (MANY_LINES + 1, N_QUANTILES) or not np.isfinite(table).all():
            raise ModelError(f"{folder}: lengths of stops are damaged; train the policy again")
        policy = cls()
        policy.dwells_ = DwellQuantiles(table)
        return policy


class NearestPolicy(WalkerPolicy):
    """Always the nearest zone where something on the list stands."""

    kind = "nearest"

    def _choose(
        self, states: ShopperStates, wanted: NDArray[np.integer[Any]], layout: LayoutView
    ) -> tuple[NDArray[np.int64], Any]:
        distance_m = np.where(wanted > 0, layout.distance_m[states.place, : layout.n_zones], np.inf)
        has_need = (wanted > 0).any(axis=1)
        return np.where(has_need, distance_m.argmin(axis=1), LEAVE), None


@dataclass(frozen=True, eq=False)
class PlannedTours:
    """Zones that each shopper still plans to visit, in order, shape (n, n_longest), padded with -1."""

    zone: NDArray[np.int64]

    def take(self, rows: NDArray[np.integer[Any]]) -> PlannedTours:
        """Return the plans of these rows alone."""
        return PlannedTours(self.zone[rows])


class TourPolicy(WalkerPolicy):
    """The shortest tour from the door through the list to a till (the travelling salesman).

    Exact where the list stands in at most `tours.MAX_EXACT` zones, cheapest insertion and 2-opt beyond. The
    plan is kept as long as it still collects the list, and made anew when it does not.
    """

    kind = "shortest-tour"

    def _choose(
        self, states: ShopperStates, wanted: NDArray[np.integer[Any]], layout: LayoutView
    ) -> tuple[NDArray[np.int64], Any]:
        n_wanted = np.minimum(states.n_wanted, wanted.sum(axis=1))
        if isinstance(states.memory, PlannedTours):
            plan = states.memory.zone
        else:
            plan = np.full((len(wanted), 1), LEAVE)
        is_planned = plan >= 0
        collected = np.where(is_planned, np.take_along_axis(wanted, plan.clip(0), axis=1), 0)
        holds = ((collected > 0) | ~is_planned).all(axis=1) & (collected.sum(axis=1) >= n_wanted)
        anew = np.flatnonzero(~holds)
        if len(anew):
            made = plan_tours(states.place[anew], wanted[anew], n_wanted[anew], layout)
            plan = np.pad(plan, ((0, 0), (0, max(made.shape[1] - plan.shape[1], 0))), constant_values=LEAVE)
            plan[anew] = LEAVE
            plan[anew, : made.shape[1]] = made
        rest = np.pad(plan[:, 1:], ((0, 0), (0, 1)), constant_values=LEAVE)
        return plan[:, 0], PlannedTours(rest)
