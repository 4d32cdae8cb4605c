"""What the baselines that remember places have in common.

A place is a zone by its identifier. Such a policy reproduces a store as it stood: when the milk moves, its
shoppers still go where the milk was, and take there what of their habits still stands there. A zone that it
never saw is never visited.
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
from models.baselines.purchases import MAX_LINES, PlacePurchases
from models.encoding import EncodedJourneys
from models.layout_view import LayoutView, view_layout
from models.policy import LEAVE, DecisionDraws, Decisions, ShopperStates, choose_by_gumbel
from models.storage import load_arrays, read_config, save_arrays
from models.vocabulary import AttributeCoder

NOWHERE = -1  # the door, no stop yet, or a zone that the policy does not know

_COMMON = ("purchases", "dwell_quantile_s")  # arrays that every policy here saves


@dataclass(frozen=True, eq=False)
class StopHistory:
    """The stops before a decision, the last one first, shape (n, n_remembered); `NOWHERE` where none was."""

    zone: NDArray[np.int64]

    def take(self, rows: NDArray[np.integer[Any]]) -> StopHistory:
        """Return the history of these rows alone."""
        return StopHistory(self.zone[rows])


class PlacePolicy(ABC):
    """A policy whose answer is a score per remembered place; what is bought and for how long go by place.

    Learned names: `zone_ids_` (the places, in the order of all arrays), `purchases_`, `dwells_`,
    `attributes_`.
    """

    buys: ClassVar[bool] = True
    n_remembered: ClassVar[int] = 1  # stops that the history holds
    reads_attributes: ClassVar[bool] = False

    zone_ids_: tuple[str, ...]
    purchases_: PlacePurchases
    dwells_: DwellQuantiles
    attributes_: AttributeCoder

    @property
    @abstractmethod
    def kind(self) -> str:
        """Name of the policy."""

    @property
    def n_places(self) -> int:
        """Number of remembered places; leaving is the column after the last of them."""
        return len(self.zone_ids_)

    def fit(self, journeys: EncodedJourneys, store: Store, rng: np.random.Generator) -> PlacePolicy:
        """Learn from journeys with receipts, observed in `store`.

        Raises
        ------
        ObservationError
            If there is no journey with a stop.
        """
        stops = journeys.zone >= 0
        if not stops.any():
            raise ObservationError(f"policy {self.kind!r}: no journey with a stop to learn from; give some")
        self.zone_ids_ = tuple(zone.zone_id for zone in store.zones)
        self.purchases_ = PlacePurchases.fit(journeys, store)
        self.dwells_ = DwellQuantiles.fit(journeys.dwell_s[stops], journeys.zone[stops], self.n_places)
        self.attributes_ = AttributeCoder.fit(journeys.attributes if self.reads_attributes else {})
        self._fit_moves(journeys, view_layout(store), rng)
        return self

    def encode_attributes(self, attributes: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Code customer attributes, shape (n, n_attributes); no column if the policy does not read them."""
        return self.attributes_.encode(attributes)

    def decide(self, states: ShopperStates, layout: LayoutView, draws: DecisionDraws) -> Decisions:
        """Choose the next zone, the dwell and the purchases there; lists are not looked at."""
        if draws.lines is None:
            raise ModelError(f"policy {self.kind!r}: draws hold no luck for purchases; give `lines`")
        n, n_zones = len(states.place), layout.n_zones
        known = self._find_places(layout.store)  # of each zone of the layout
        here = np.append(known, NOWHERE)[np.minimum(states.place, n_zones)]
        scores, memory = self._score(states, here, layout)
        logits = np.column_stack([scores[:, known], scores[:, -1]])
        logits[:, :-1][:, known == NOWHERE] = -np.inf
        in_zone = np.flatnonzero(states.place < n_zones)
        logits[in_zone, states.place[in_zone]] = -np.inf
        logits[~np.isfinite(logits).any(axis=1), -1] = 0.0  # nowhere left to go
        choice = choose_by_gumbel(logits, draws.next_zone)
        leaves = choice == n_zones
        zone = np.where(leaves, 0, choice)
        place = np.where(leaves, NOWHERE, known[zone])
        return Decisions(
            zone=np.where(leaves, LEAVE, zone),
            dwell_s=self.dwells_.draw(place, draws.dwell[np.arange(n), zone]),
            lines=self.purchases_.draw(place, zone, layout.store, draws.lines),
            memory=memory,
        )

    def _find_places(self, store: Store) -> NDArray[np.int64]:
        """Which remembered place each zone of a layout is, shape (n_zones,)."""
        index = {zone_id: i for i, zone_id in enumerate(self.zone_ids_)}
        return np.array([index.get(zone.zone_id, NOWHERE) for zone in store.zones], dtype=np.int64)

    def _recall(self, states: ShopperStates, here: NDArray[np.int64]) -> StopHistory:
        """Stops made so far, the one just made first."""
        if not isinstance(states.memory, StopHistory):
            before = np.full((len(here), self.n_remembered - 1), NOWHERE)
        else:
            before = states.memory.zone[:, : self.n_remembered - 1]
        return StopHistory(np.column_stack([here, before]))

    @abstractmethod
    def _fit_moves(self, journeys: EncodedJourneys, view: LayoutView, rng: np.random.Generator) -> None:
        """Learn where people go next."""

    @abstractmethod
    def _score(
        self, states: ShopperStates, here: NDArray[np.int64], layout: LayoutView
    ) -> tuple[NDArray[np.float64], Any]:
        """Log weights of every remembered place and of leaving, (n, n_places + 1), and the next memory.

        `here` is the remembered place where each shopper stands, shape (n,), `NOWHERE` at the door.
        """

    # ---- on disk

    @abstractmethod
    def _arrays(self) -> dict[str, NDArray[Any]]:
        """What `_fit_moves` learned, to save."""

    @abstractmethod
    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Inverse of `_arrays`."""

    def _settings(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {}

    def save_pretrained(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors` into `folder`."""
        config = {
            "kind": self.kind,
            "settings": self._settings(),
            "zone_ids": list(self.zone_ids_),
            "categories": list(self.purchases_.categories),
            "attributes": self.attributes_.to_dict(),
        }
        common = (self.purchases_.probability, self.dwells_.quantile_s)
        save_arrays(folder, {**dict(zip(_COMMON, common, strict=True)), **self._arrays()}, {}, config=config)

    @classmethod
    def from_pretrained(cls, folder: Path) -> PlacePolicy:
        """Read what `save_pretrained` wrote; the same answers.

        Raises
        ------
        ModelError
            If the files are damaged or do not fit together.
        """
        config, (arrays, _) = read_config(folder), load_arrays(folder)
        policy = cls(**config["settings"])
        broken = [name for name, values in arrays.items() if not np.isfinite(values).all()]
        if broken:
            raise ModelError(f"{folder}: {broken[0]} holds values that are not finite; train it again")
        purchases, dwell_quantile_s = (arrays.pop(name) for name in _COMMON)
        policy.zone_ids_ = tuple(config["zone_ids"])
        policy.purchases_ = PlacePurchases(tuple(config["categories"]), purchases)
        policy.dwells_ = DwellQuantiles(dwell_quantile_s)
        policy.attributes_ = AttributeCoder.from_dict(config["attributes"])
        n_places, n_categories = policy.n_places, len(config["categories"])
        check_shape(policy.kind, _COMMON[0], purchases, (n_places, n_categories, MAX_LINES + 1))
        check_shape(policy.kind, _COMMON[1], dwell_quantile_s, (n_places, N_QUANTILES))
        policy._restore(arrays)
        return policy


def check_shape(kind: str, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse a saved array of another shape than the places of its policy ask for."""
    if array.shape != shape:
        raise ModelError(f"policy {kind!r}, {name}: shape {array.shape}, must be {shape}; train it again")


@dataclass(frozen=True, eq=False)
class DecisionTable:
    """Every decision of many journeys, row by row in the order in which they were made.

    Attributes
    ----------
    journey
        Row of the journey, shape (n,).
    step
        Stops made before, shape (n,).
    before
        The stops before, the last one first, shape (n, n_remembered); `NOWHERE` where none was.
    target
        The zone chosen, or the number of zones for leaving, shape (n,).
    """

    journey: NDArray[np.int64]
    step: NDArray[np.int64]
    before: NDArray[np.int64]
    target: NDArray[np.int64]

    def take(self, rows: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> DecisionTable:
        """Return some of the rows."""
        return DecisionTable(self.journey[rows], self.step[rows], self.before[rows], self.target[rows])


def list_decisions(journeys: EncodedJourneys, n_zones: int, *, n_remembered: int) -> DecisionTable:
    """Lay out the decisions of journeys; two stops in a row in one zone count as one."""
    zone = pack_stops(journeys.zone)
    n, width = zone.shape
    padded = np.concatenate([np.full((n, n_remembered), NOWHERE), zone, np.full((n, 1), NOWHERE)], axis=1)
    n_stops = (zone >= 0).sum(axis=1)
    journey, step = np.nonzero(np.arange(width + 1)[None] <= n_stops[:, None])
    back = np.arange(1, n_remembered + 1)
    target = padded[journey, n_remembered + step]
    return DecisionTable(
        journey=journey,
        step=step,
        before=padded[journey[:, None], n_remembered + step[:, None] - back[None]],
        target=np.where(target >= 0, target, n_zones),
    )


def pack_stops(zone: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move the stops of each journey to the left, without padding and repeats between; same shape."""
    for _ in range(2):  # repeats can only be seen once the padding between is gone
        order = np.argsort(zone < 0, axis=1, kind="stable")
        zone = np.take_along_axis(zone, order, axis=1)
        repeats = np.zeros(zone.shape, dtype=bool)
        repeats[:, 1:] = zone[:, 1:] == zone[:, :-1]
        zone = np.where(repeats, NOWHERE, zone)
    return zone
