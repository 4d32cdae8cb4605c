"""The settings of a simulation, and their form on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pandas as pd

from layouts import ConfigError
from simulator.checkout import CheckoutConfig
from simulator.company import CarrierConfig, GroupConfig
from simulator.crowd import AisleConfig, CrowdingConfig, PlaceConfig
from simulator.settings import check_count, read_config, to_enum
from simulator.stock import StockConfig
from simulator.tills import PatienceConfig, SelfServiceConfig, TillOpeningConfig

MECHANISMS = {
    "till_opening": TillOpeningConfig,
    "self_service": SelfServiceConfig,
    "patience": PatienceConfig,
    "groups": GroupConfig,
    "carriers": CarrierConfig,
    "crowding": CrowdingConfig,
    "aisles": AisleConfig,
    "places": PlaceConfig,
    "stock": StockConfig,
}


class Engine(StrEnum):
    """How :meth:`StoreModel.run` gets to the end; the results are the same."""

    AUTO = "auto"  # by arrays where no mechanism is on and nobody has stepped through the day, else by events
    EVENTS = "events"  # one after another, each the act of an agent
    ARRAYS = "arrays"  # all shoppers at once, without agents; only where no mechanism is on


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """How a simulation runs; what shoppers do is not in here.

    The mechanisms after `engine` are off while they are None; an empty dictionary on disk, or
    the class without arguments, turns one on with its defaults.

    Parameters
    ----------
    checkout
        Tills and queues.
    collect_every_s
        Store time between two rows of live figures [s].
    first_day
        The date of day 0 in the tables' timestamps, ISO 8601; the clock on the wall counts as UTC.
    engine
        How the run is computed; does not change the results.
    till_opening
        Staffed tills open and close by the length of their queues; off: all are open.
    self_service
        Self-checkouts serve in their own time and not every basket; off: they serve as staffed tills do.
    patience
        Shoppers do not join queues that are too long, and give up when they wait for too long.
    groups
        Several people come, walk and buy together, as one shopper.
    carriers
        Baskets and carts; carts slow their people down, take room and may be short.
    crowding
        Walking slows where many people are.
    aisles
        Aisles take so many people; others wait outside.
    places
        So many shoppers stand before a shelf; others wait, and go on without if it takes too long.
    stock
        Shelves run out and are refilled; shoppers do without what is not there, or take something like it.
    """

    checkout: CheckoutConfig = field(default_factory=CheckoutConfig)
    collect_every_s: int = 60
    first_day: str = "2026-01-05"
    engine: Engine = Engine.AUTO
    till_opening: TillOpeningConfig | None = None
    self_service: SelfServiceConfig | None = None
    patience: PatienceConfig | None = None
    groups: GroupConfig | None = None
    carriers: CarrierConfig | None = None
    crowding: CrowdingConfig | None = None
    aisles: AisleConfig | None = None
    places: PlaceConfig | None = None
    stock: StockConfig | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_count(self, "collect_every_s", low=1)
        to_enum(self, "engine", Engine)
        if self.engine is Engine.ARRAYS and self.is_live:
            on = ", ".join(name for name in MECHANISMS if getattr(self, name) is not None)
            raise ConfigError(f"engine: must be auto or events where a mechanism is on ({on}), got arrays")
        try:
            is_day = pd.Timestamp(self.first_day) == pd.Timestamp(self.first_day).normalize()
        except ValueError:
            is_day = False
        if not is_day:
            raise ConfigError(f"first_day: must be a date like 2026-01-05, got {self.first_day!r}")

    @property
    def is_live(self) -> bool:
        """Whether any mechanism is on that makes a shopper's day depend on what happens in the store."""
        return any(getattr(self, name) is not None for name in MECHANISMS)

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
        if not isinstance(settings, Mapping):
            raise ConfigError(f"settings: must be a mapping, got {settings!r}")
        parts = {"checkout": CheckoutConfig, **MECHANISMS}
        read = {
            name: read_config(parts[name], value, name)
            if name in parts and (value is not None or name not in MECHANISMS)
            else value
            for name, value in settings.items()
        }
        return read_config(cls, read, "")
