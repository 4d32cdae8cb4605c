"""Predictions by shopper models: the same simulated shoppers decide in both layouts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from analysis import Observations, compute_lift
from benchmarks.fidelity.predictors import Prediction
from benchmarks.fidelity.worlds import compare_profit, decide_profit, expect_profit
from layouts import Store
from models import ShopperModel
from scenarios.model_error import estimate_error
from scenarios.training import train

FloatArray = npt.NDArray[np.floating]

N_SIMULATED, N_REPLICATIONS, SEED = 12_000, 16, 5
N_PLACE_BOUND = 4_800  # of models that know zones by name: their errors are many times this noise
SAME_PLACE_M = 0.5
Z_95 = 1.96


@dataclass(frozen=True, eq=False)
class SimulatedLift:
    """A model that predicts by simulation, with the interval that an A/B run would give.

    Attributes
    ----------
    model
        The shoppers.
    is_place_bound
        The model knows zones by their names: name those of a variant after what stood in their place.
    """

    model: ShopperModel
    is_place_bound: bool = False

    def predict(self, control: Store, variant: Store) -> Prediction:
        """Let the same shoppers decide in both layouts."""
        variant = name_by_place(control, variant) if self.is_place_bound else variant
        n = N_PLACE_BOUND if self.is_place_bound else N_SIMULATED
        before, after = (_earn(self.model, store, n) for store in (control, variant))
        if not self.model.hypotheses:
            mean, se = compare_profit(before.ravel(), after.ravel())
            return Prediction(mean, mean - Z_95 * se, mean + Z_95 * se)
        lift = compute_lift(
            before.mean(axis=1),
            after.mean(axis=1),
            n_hypotheses=len(self.model.hypotheses),
            error_sd=estimate_error(control, variant, self.model) * before.mean(),
        )
        base = float(before.mean())
        return Prediction(lift.mean / base, lift.ci95[0] / base, lift.ci95[1] / base)


@lru_cache(maxsize=2)  # the control is asked for again with each edit
def _earn(model: ShopperModel, store: Store, n_shoppers: int) -> FloatArray:
    """Profit of each of `n_shoppers`, shape (n_replications, n_shoppers / n_replications).

    Expected where the model allows: one shopper then tells what 7 to 14 tell whose purchases are drawn.
    """
    earn = decide_profit if model.policy.buys else expect_profit
    return np.stack(
        [
            earn(model.for_replication(r), store, n_shoppers // N_REPLICATIONS, SEED, replication=r)
            for r in range(N_REPLICATIONS)
        ]
    )


def fit_policy(
    store: Store,
    observations: Observations,
    rng: np.random.Generator,
    *,
    policy: str,
    preset: str = "small",
    is_place_bound: bool = False,
) -> SimulatedLift:
    """Fit a shopper model that walks by one of the product's policies."""
    model = train(store, observations, policy=policy, preset=preset, rng=rng)
    return SimulatedLift(model, is_place_bound)


def name_by_place(control: Store, variant: Store) -> Store:
    """Give each zone of a variant the name of the control's zone in its place, others a name of their own."""
    before = np.array([zone.polygon.centroid.coords[0] for zone in control.zones])
    names = {}
    for zone in variant.zones:
        metres = np.linalg.norm(before - zone.polygon.centroid.coords[0], axis=1)
        is_same = metres.min() < SAME_PLACE_M
        names[zone.zone_id] = control.zones[metres.argmin()].zone_id if is_same else f"new {zone.zone_id}"
    return replace(
        variant,
        zones=tuple(replace(zone, zone_id=names[zone.zone_id]) for zone in variant.zones),
        placements=tuple(replace(item, zone_id=names[item.zone_id]) for item in variant.placements),
    )
