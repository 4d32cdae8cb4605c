"""Predictors of layout changes, one file each: put a file here and it takes part.

A file has a docstring, whose first line says what it does, and one function::

    def fit(store: Store, observations: Observations, rng: np.random.Generator) -> Fitted

Bounds to compare with see the answer: they have ``fit_case(case, rng)`` instead, where `case` is what the
predictor is judged on. ``IS_SLOW = True`` leaves a predictor out unless it is asked for. Files whose name
begins with an underscore are helpers.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Protocol

from layouts import ConfigError, Store


@dataclass(frozen=True)
class Prediction:
    """Predicted relative change of profit per shopper, with a 95 % interval; 0.01 is 1 %."""

    mean: float
    lower: float
    upper: float


class Fitted(Protocol):
    """What has learned from one layout."""

    def predict(self, control: Store, variant: Store) -> Prediction:
        """Predict the relative change of profit per shopper if `control` becomes `variant`."""
        ...


def list_predictors() -> dict[str, ModuleType]:
    """Find all predictors: name -> module, in order of name."""
    names = sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    return {name: import_module(f"{__name__}.{name}") for name in names}


def find_predictor(name: str) -> ModuleType:
    """Find one predictor.

    Raises
    ------
    ConfigError
        If there is none of this name.
    """
    known = list_predictors()
    if name not in known:
        raise ConfigError(f"predictor {name!r} is unknown; known are {', '.join(known)}")
    return known[name]
