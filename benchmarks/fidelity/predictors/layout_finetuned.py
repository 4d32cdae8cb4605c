"""The bundled multi-store model, fine-tuned to the store's observations."""

from __future__ import annotations

import numpy as np

from analysis import Observations
from benchmarks.fidelity.predictors import Fitted
from benchmarks.fidelity.predictors._simulated import SimulatedLift
from layouts import Store
from scenarios.finetuning import finetune
from scenarios.inputs import open_model

IS_SLOW = True


def fit(store: Store, observations: Observations, rng: np.random.Generator) -> Fitted:
    """Fine-tune it as `storesim finetune` does."""
    prior = open_model("bundled:multistore")
    return SimulatedLift(finetune(prior, store, observations, seed=int(rng.integers(2**31))))
