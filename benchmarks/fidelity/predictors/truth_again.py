"""The floor of all errors: the true effect, measured again on other days of the same town."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.fidelity.cases import Case
from benchmarks.fidelity.predictors import Fitted, Prediction
from benchmarks.fidelity.worlds import OTHER_TRUTH_SEED
from layouts import ConfigError, Store

Z_95 = 1.96


@dataclass(frozen=True, eq=False)
class TruthAgain:
    """Asks the town itself."""

    case: Case

    def predict(self, control: Store, variant: Store) -> Prediction:
        """Measure the effect with other luck."""
        edit = next(edit for edit in self.case.edits if edit.store is variant)
        mean, se = self.case.true_lift(edit, seed=OTHER_TRUTH_SEED)
        half = Z_95 * 2**0.5 * se  # both measurements have this error
        return Prediction(mean, mean - half, mean + half)


def fit_case(case: Case, rng: np.random.Generator) -> Fitted:
    """See the answer.

    Raises
    ------
    ConfigError
        If the case has one truth only.
    """
    if not case.can_be_repeated:
        raise ConfigError(f"{case.name}: its truth was measured once; truth_again is for generated worlds")
    return TruthAgain(case)
