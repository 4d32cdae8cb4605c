"""Nothing changes: the guess that skill is measured against."""

from __future__ import annotations

import numpy as np

from analysis import Observations
from benchmarks.fidelity.predictors import Fitted, Prediction
from layouts import Store


class NoChange:
    """Predicts that every layout earns the same."""

    def predict(self, control: Store, variant: Store) -> Prediction:
        """Predict nothing, and be sure of it."""
        return Prediction(0.0, 0.0, 0.0)


def fit(store: Store, observations: Observations, rng: np.random.Generator) -> Fitted:
    """Learn nothing."""
    return NoChange()
