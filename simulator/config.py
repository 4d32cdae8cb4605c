"""The settings of a simulation, and their form on disk."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from layouts import ConfigError
from simulator.checkout import CheckoutConfig


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """How a simulation runs; what shoppers do is not in here.

    Parameters
    ----------
    checkout
        Tills and queues.
    collect_every_s
        Store time between two rows of live figures [s].
    first_day
        The date of day 0 in the tables' timestamps, ISO 8601; the clock on the wall counts as UTC.
    """

    checkout: CheckoutConfig = field(default_factory=CheckoutConfig)
    collect_every_s: int = 60
    first_day: str = "2026-01-05"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.collect_every_s < 1:
            raise ConfigError(f"collect_every_s: must be at least 1, got {self.collect_every_s}")
        try:
            is_day = pd.Timestamp(self.first_day) == pd.Timestamp(self.first_day).normalize()
        except ValueError:
            is_day = False
        if not is_day:
            raise ConfigError(f"first_day: must be a date like 2026-01-05, got {self.first_day!r}")

    def to_dict(self) -> dict[str, Any]:
        """Turn into plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> SimulationConfig:
        """Read what :meth:`to_dict` wrote; what is missing keeps its default.

        Raises
        ------
        ConfigError
            If a key is unknown (the error names the nearest known one) or a value is out of range.
        """
        _refuse_unknown_keys(settings, cls, "")
        checkout = settings.get("checkout", {})
        _refuse_unknown_keys(checkout, CheckoutConfig, "checkout.")
        return cls(**{**settings, "checkout": CheckoutConfig(**checkout)})


def _refuse_unknown_keys(settings: Mapping[str, Any], config: type, prefix: str) -> None:
    known = [option.name for option in dataclasses.fields(config)]
    for key in settings:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise ConfigError(f"unknown setting {prefix}{key}; the nearest known one is {prefix}{nearest}")
