"""The bundled multi-store model as it is: it knows the catalogue, and nothing of what was observed."""

from __future__ import annotations

import numpy as np

from analysis import Observations
from benchmarks.fidelity.predictors import Fitted
from benchmarks.fidelity.predictors._simulated import SimulatedLift
from layouts import Store
from scenarios.inputs import open_model
from scenarios.lists import calibrate_lists


def fit(store: Store, observations: Observations, rng: np.random.Generator) -> Fitted:
    """Take the bundled model; only its lists are made to agree with the catalogue."""
    return SimulatedLift(calibrate_lists(open_model("bundled:multistore"), store))
