"""Worlds with a known truth: a store, its town, what was observed, edits and what they change.

Everything follows from family and seed: the same seed gives the same store, people, observations and truth.
In family S the reference shopper visits, with behaviour drawn anew for each world; in family X the other
shopper does, whose structure is not the product's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from analysis import Observations, observe
from benchmarks.fidelity.edits import Edit, draw_edits
from benchmarks.fidelity.null_edits import mirror_store, mirror_x
from benchmarks.fidelity.other_shopper import compare_profit, draw_town, observe_town, shop
from benchmarks.fidelity.other_town import Town
from layouts import ConfigError, Store, StoreFormat, build_store, draw_recipe
from models import ShopperModel, build_reference_model, draw_behaviour
from scenarios.monte_carlo import RunConfig, simulate_replication
from simulator import Itineraries, Luck, draw_population, plan_itineraries

FloatArray = npt.NDArray[np.floating]
FAMILIES = ("S", "X")
N_OBSERVED = 3000  # visits in layout A
N_TRUTH = 24_000  # shoppers who visit both layouts of a true lift
TRUTH_SEED, OTHER_TRUTH_SEED, VISIT_SEED, OTHER_VISIT_SEED = 99, 77, 5, 6


class People(Protocol):
    """Those who shop in a world: they can be observed in a layout, and earn a profit in each."""

    def observe(self, store: Store, n_shoppers: int, seed: int) -> Observations:
        """Noisy tracks and receipts of some days in a layout."""
        ...

    def compute_lift(self, control: Store, variant: Store, n_shoppers: int, seed: int) -> tuple[float, float]:
        """Relative change of profit per shopper and its standard error, the same people in both layouts."""
        ...


@dataclass(frozen=True, eq=False)
class World:
    """A store with people whose response to any change of layout can be computed.

    Attributes
    ----------
    name, family, seed
        Name, `S` or `X`, and what the world is drawn from.
    store
        Layout A, which is observed.
    n_observed, n_truth
        Visits observed in layout A, and shoppers who visit both layouts of a true lift.
    can_be_repeated
        Edited layouts can be observed, and the truth be measured again.
    """

    name: str
    family: str
    seed: int
    store: Store
    n_observed: int = N_OBSERVED
    n_truth: int = N_TRUTH
    can_be_repeated: bool = True

    @cached_property
    def people(self) -> People:
        """Who shop there."""
        draw: dict[str, Callable[[Store, np.random.Generator], People]] = {
            "S": ReferencePeople.draw,
            "X": OtherPeople.draw,
        }
        return draw[self.family](self.store, _spawn_rng(self.family, self.seed, 1))

    @cached_property
    def edits(self) -> tuple[Edit, ...]:
        """Changes of layout A; that of kind `null` is the same store with other identifiers."""
        return tuple(draw_edits(self.store, _spawn_rng(self.family, self.seed, 2)))

    @cached_property
    def observations(self) -> Observations:
        """What was seen of layout A: all that a predictor may learn from."""
        return self.people.observe(self.store, self.n_observed, VISIT_SEED)

    def observe_variant(self, edit: Edit, *, same_visitors: bool = True) -> Observations:
        """What would be seen of an edited layout, for bounds alone: of the same visitors, or of others."""
        seed = VISIT_SEED if same_visitors else OTHER_VISIT_SEED
        return self.people.observe(edit.store, self.n_observed, seed)

    def true_lift(self, edit: Edit, *, seed: int = TRUTH_SEED) -> tuple[float, float]:
        """Relative change of profit per shopper that an edit causes, and its standard error."""
        if edit.kind == "null":
            return 0.0, 0.0
        return self.people.compute_lift(self.store, edit.store, self.n_truth, seed)

    def mirror(self) -> tuple[Store, Observations]:
        """Layout A mirrored left to right, and its observations mirrored with it: the same facts."""
        tracks = self.observations.tracks
        mirrored = tracks.assign(x=mirror_x(self.store, tracks["x"].to_numpy()).round(2))
        return mirror_store(self.store), replace(self.observations, tracks=mirrored)


def draw_world(family: str, seed: int, *, n_observed: int = N_OBSERVED, n_truth: int = N_TRUTH) -> World:
    """Draw a world.

    Parameters
    ----------
    family
        `S` (reference shopper) or `X` (the other shopper).
    seed
        Any whole number from 0; the formats of stores take turns.
    n_observed, n_truth
        Visits observed in layout A, and shoppers who visit both layouts of a true lift.
    """
    if family not in FAMILIES:
        raise ConfigError(f"family {family!r} is unknown; one of {', '.join(FAMILIES)} is needed")
    rng = _spawn_rng(family, seed, 0)
    store_format = tuple(StoreFormat)[seed % len(StoreFormat)]
    store = build_store(draw_recipe(rng, store_format), rng, name=f"{store_format}-{family}{seed}")
    return World(
        name=f"{family}{seed}", family=family, seed=seed, store=store, n_observed=n_observed, n_truth=n_truth
    )


def _spawn_rng(family: str, seed: int, part: int) -> np.random.Generator:
    """Chance of one part of a world: 0 the store, 1 its people, 2 the edits."""
    return np.random.default_rng([ord(family), seed, part])


@dataclass(frozen=True, eq=False)
class OtherPeople:
    """A town of the other shopper."""

    town: Town

    @classmethod
    def draw(cls, store: Store, rng: np.random.Generator) -> OtherPeople:
        """Draw the town of a store."""
        return cls(draw_town(store, rng))

    def observe(self, store: Store, n_shoppers: int, seed: int) -> Observations:
        """Let them live some days in a layout and measure them."""
        return observe_town(self.town, store, n_shoppers, seed)

    def compute_lift(self, control: Store, variant: Store, n_shoppers: int, seed: int) -> tuple[float, float]:
        """Compare what the same shoppers leave in both layouts."""
        before, after = (_earn_other(self.town, store, n_shoppers, seed) for store in (control, variant))
        return compare_profit(before, after)


@lru_cache(maxsize=2)  # the control is asked for again with each edit
def _earn_other(town: Town, store: Store, n_shoppers: int, seed: int) -> FloatArray:
    return shop(town, store, n_shoppers, seed).profit


@dataclass(frozen=True, eq=False)
class ReferencePeople:
    """A town of the reference shopper."""

    model: ShopperModel

    @classmethod
    def draw(cls, store: Store, rng: np.random.Generator) -> ReferencePeople:
        """Draw behaviour and tastes of the town of a store."""
        return cls(build_reference_model(store, rng, behaviour=draw_behaviour(rng)))

    def observe(self, store: Store, n_shoppers: int, seed: int) -> Observations:
        """Let them live some days in a layout and measure them."""
        config = RunConfig(n_shoppers=n_shoppers, n_replications=1, seed=seed)
        tables = simulate_replication(store, self.model, 0, config)
        sessions = tables.sessions[["session_id", "mission", "age_band", "gender", "carrier"]]
        measurement = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
        return observe(tables.tracks, tables.receipts, sessions, store, measurement)

    def compute_lift(self, control: Store, variant: Store, n_shoppers: int, seed: int) -> tuple[float, float]:
        """Compare what the same shoppers leave in both layouts."""
        before, after = (_earn_reference(self.model, store, n_shoppers, seed) for store in (control, variant))
        return compare_profit(before, after)


@lru_cache(maxsize=2)
def _earn_reference(model: ShopperModel, store: Store, n_shoppers: int, seed: int) -> FloatArray:
    return decide_profit(model, store, n_shoppers, seed)


def decide_profit(
    model: ShopperModel, store: Store, n_shoppers: int, seed: int, *, replication: int = 0
) -> FloatArray:
    """Profit of each shopper of a model from decisions alone: no clock, no walking. Shape (n_shoppers,)."""
    plans, earned = _decide(model, store, n_shoppers, Luck(seed, replication))
    return np.bincount(plans.pick_shopper, earned, n_shoppers).astype(float)


def expect_profit(
    model: ShopperModel, store: Store, n_shoppers: int, seed: int, *, replication: int = 0
) -> FloatArray:
    """Do the same with unplanned purchases at their expectation, given each shopper's way.

    Raises
    ------
    ConfigError
        If what the model buys decides on the way.
    """
    plans, earned = _decide(model, store, n_shoppers, Luck(seed, replication))
    if plans.unplanned_profit is None:
        raise ConfigError(f"model {model.name!r}: what it buys decides on the way; there is no expectation")
    planned = np.bincount(plans.pick_shopper, earned * plans.pick_planned, n_shoppers)
    return planned + plans.unplanned_profit


def _decide(model: ShopperModel, store: Store, n_shoppers: int, luck: Luck) -> tuple[Itineraries, FloatArray]:
    """What everybody does, and the profit of each pick."""
    _, baskets = draw_population(model, store, n_shoppers, luck)
    plans = plan_itineraries(model, store, baskets, n_shoppers, luck)
    margin = np.array([sku.margin for sku in store.skus])
    return plans, margin[plans.pick_sku] * plans.pick_qty
