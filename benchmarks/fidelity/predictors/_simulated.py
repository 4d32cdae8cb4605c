"""Predictions by shopper models: the same simulated shoppers decide in both layouts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from analysis import Observations
from benchmarks.fidelity.predictors import Prediction
from benchmarks.fidelity.worlds import compare_profit, decide_profit
from layouts import Store
from models import ShopperModel, fit_model

FloatArray = npt.NDArray[np.floating]

N_SIMULATED, SEED = 8000, 5
Z_95 = 1.96


@dataclass(frozen=True, eq=False)
class SimulatedLift:
    """A model that predicts by simulation; its interval is that of the simulated shoppers' luck alone."""

    model: ShopperModel

    def predict(self, control: Store, variant: Store) -> Prediction:
        """Let the same shoppers decide in both layouts."""
        profits = [_earn(self.model, store) for store in (control, variant)]
        mean, se = compare_profit(*profits)
        return Prediction(mean, mean - Z_95 * se, mean + Z_95 * se)


@lru_cache(maxsize=2)  # the control is asked for again with each edit
def _earn(model: ShopperModel, store: Store) -> FloatArray:
    return decide_profit(model, store, N_SIMULATED, SEED)


def fit_policy(
    store: Store, observations: Observations, rng: np.random.Generator, *, policy: str, preset: str = "small"
) -> SimulatedLift:
    """Fit a shopper model that walks by one of the product's policies."""
    return SimulatedLift(fit_model(store, observations, policy=policy, preset=preset, rng=rng))
