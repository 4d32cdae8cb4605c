"""The paper's method: whole journeys with purchases, written by a GPT-2 from scratch (preset tiny)."""

from __future__ import annotations

import numpy as np

from analysis import Observations
from benchmarks.fidelity.predictors import Fitted
from benchmarks.fidelity.predictors._simulated import fit_policy
from layouts import Store

IS_SLOW = True


def fit(store: Store, observations: Observations, rng: np.random.Generator) -> Fitted:
    """Fit it to a store's observations."""
    return fit_policy(store, observations, rng, policy="paper", preset="tiny")
