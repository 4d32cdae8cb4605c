"""An LSTM over the stops, with dwells and purchases remembered by place."""

from __future__ import annotations

import numpy as np

from analysis import Observations
from benchmarks.fidelity.predictors import Fitted
from benchmarks.fidelity.predictors._simulated import fit_policy
from layouts import Store


def fit(store: Store, observations: Observations, rng: np.random.Generator) -> Fitted:
    """Fit it to a store's observations."""
    return fit_policy(store, observations, rng, policy="lstm", is_place_bound=True)
