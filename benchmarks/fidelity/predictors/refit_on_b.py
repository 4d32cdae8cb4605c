"""The ceiling of models: one is fitted to observations of the edited layout too, and levels are compared.

The same visitors are observed in both layouts. Shoppers go by the nearest thing on their list, the quickest
of the product's policies to fit; what is bought is learned anew in each layout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.fidelity.cases import Case
from benchmarks.fidelity.predictors import Fitted, Prediction
from benchmarks.fidelity.predictors._simulated import N_SIMULATED, SEED
from benchmarks.fidelity.worlds import compare_profit, expect_profit
from layouts import ConfigError, Store
from scenarios.training import train

IS_SLOW = True  # a fit for each edit
POLICY = "nearest"
Z_95 = 1.96


@dataclass(frozen=True, eq=False)
class Refit:
    """Fits a model to the observations of each edited layout."""

    case: Case
    profit_before: np.ndarray
    seed: int

    def predict(self, control: Store, variant: Store) -> Prediction:
        """Compare the levels that the two models give."""
        edit = next(edit for edit in self.case.edits if edit.store is variant)
        observed, rng = self.case.observe_variant(edit), np.random.default_rng(self.seed)
        model = train(variant, observed, policy=POLICY, rng=rng)
        mean, se = compare_profit(self.profit_before, expect_profit(model, variant, N_SIMULATED, SEED))
        return Prediction(mean, mean - Z_95 * se, mean + Z_95 * se)


def fit_case(case: Case, rng: np.random.Generator) -> Fitted:
    """Fit the model of layout A, and see those of B.

    Raises
    ------
    ConfigError
        If edited layouts of the case were not observed.
    """
    if not case.can_be_repeated:
        raise ConfigError(
            f"{case.name}: its edited layouts were not observed; refit_on_B is for generated worlds"
        )
    seed = int(rng.integers(2**31))
    model = train(case.store, case.observations, policy=POLICY, rng=np.random.default_rng(seed))
    return Refit(case, expect_profit(model, case.store, N_SIMULATED, SEED), seed)
