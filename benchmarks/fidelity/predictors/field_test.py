"""What a field test would say: the layout is changed, and as many other visitors are observed as before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis import Observations
from benchmarks.fidelity.cases import Case
from benchmarks.fidelity.predictors import Fitted, Prediction
from benchmarks.fidelity.scores import compute_level
from layouts import ConfigError, Store

IS_SLOW = True  # days of observation for each edit
Z_95 = 1.96


@dataclass(frozen=True, eq=False)
class FieldTest:
    """Compares profit per visitor before and after."""

    case: Case
    before: tuple[float, float]

    def predict(self, control: Store, variant: Store) -> Prediction:
        """Observe the changed store."""
        edit = next(edit for edit in self.case.edits if edit.store is variant)
        after, after_se = _measure_profit(self.case.observe_variant(edit, same_visitors=False))
        level, se = self.before
        mean, half = after / level - 1, Z_95 * float(np.hypot(se, after_se)) / level
        return Prediction(mean, mean - half, mean + half)


def fit_case(case: Case, rng: np.random.Generator) -> Fitted:
    """See what is sold today.

    Raises
    ------
    ConfigError
        If edited layouts of the case were not observed.
    """
    if not case.can_be_repeated:
        raise ConfigError(
            f"{case.name}: its edited layouts were not observed; field_test is for generated worlds"
        )
    return FieldTest(case, _measure_profit(case.observations))


def _measure_profit(observed: Observations) -> tuple[float, float]:
    """Profit per visitor and its standard error; receipts count whether or not they are linked to a track."""
    earned = observed.receipts["qty"] * observed.receipts["margin"]
    per_basket = earned.groupby(observed.receipts["basket_id"]).sum().to_numpy()
    return compute_level(per_basket, observed.tracks["session_id"].nunique())
