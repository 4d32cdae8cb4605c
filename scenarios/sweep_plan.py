"""Which points of a space of settings to simulate: a grid, or a Latin hypercube."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from scipy.stats import qmc

from layouts import ConfigError
from scenarios.monte_carlo import RunConfig
from simulator import SimulationConfig

SHOPPERS = "shoppers"  # the one parameter that is no setting of the store day
DESIGNS = ("grid", "latin-hypercube")
MAX_POINTS = 10_000

Point = dict[str, Any]  # value of each parameter


@dataclass(frozen=True)
class Range:
    """Values from `low` to `high`: whole numbers if both are, else any in between.

    Parameters
    ----------
    low, high
        Both belong to it.
    log
        Whether equal ratios are equally far apart, in place of equal differences.
    steps
        How many values a grid takes.
    """

    low: float
    high: float
    log: bool = False
    steps: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, u: float) -> float:
        """Value at `u` of the way, in [0, 1); every whole number has an equal share of it."""
        low, high = float(self.low), float(self.high) + (1 if self.is_whole else 0)
        value = low * (high / low) ** u if self.log else low + u * (high - low)
        return math.floor(value) if self.is_whole else value

    def list_steps(self) -> list[float]:
        """Give the values of a grid, both ends among them."""
        assert self.steps is not None
        space = np.geomspace if self.log else np.linspace
        values = space(float(self.low), float(self.high), self.steps).tolist()
        return list(dict.fromkeys(round(value) for value in values)) if self.is_whole else values


@dataclass(frozen=True)
class SweepPlan:
    """Parameters and how their values are combined.

    Attributes
    ----------
    design
        `grid`: every combination of the values. `latin-hypercube`: `n_points` points, each parameter's range
        cut into as many equal shares with one point in each (McKay, Beckman and Conover 1979).
    parameters
        Name -> values to choose from, or a range. A name is that of a setting of the store day, like
        `checkout.base_service_s`, or `shoppers`.
    n_points
        Of a Latin hypercube.
    seed
        Of its points; the luck of the shoppers has a seed of its own.
    """

    design: str
    parameters: dict[str, list[Any] | Range]
    n_points: int = 0
    seed: int = 0

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SweepPlan:
        """Read the content of a plan's JSON file.

        Raises
        ------
        ConfigError
            If a key is unknown, absent or out of range.
        """
        unknown = sorted(set(content) - {"design", "parameters", "points", "seed"})
        if unknown:
            raise ConfigError(f"unknown key {unknown[0]!r}; there are: design, parameters, points, seed")
        design, parameters = content.get("design", "grid"), content.get("parameters")
        if design not in DESIGNS:
            raise ConfigError(f"design: must be one of {', '.join(DESIGNS)}, got {design!r}")
        if not isinstance(parameters, dict) or not parameters:
            raise ConfigError('parameters: must name one at least, like {"shoppers": [500, 1000]}')
        read = {name: _read_values(name, values, design) for name, values in parameters.items()}
        n_points, seed = content.get("points", 0), content.get("seed", 0)
        if design == "latin-hypercube" and not (_is_count(n_points) and 1 <= n_points <= MAX_POINTS):
            raise ConfigError(f"points: a Latin hypercube needs 1 to {MAX_POINTS} of them, got {n_points!r}")
        if design == "grid" and "points" in content:
            raise ConfigError("points: a grid has as many as its values make; leave it out")
        if not _is_count(seed) or seed < 0:
            raise ConfigError(f"seed: must be a whole number of at least 0, got {seed!r}")
        return cls(design, read, n_points, seed)

    def list_points(self) -> list[Point]:
        """Give the points, the same for the same plan.

        Raises
        ------
        ConfigError
            If a grid has more than `MAX_POINTS`.
        """
        names = list(self.parameters)
        if self.design == "grid":
            choices = [v.list_steps() if isinstance(v, Range) else v for v in self.parameters.values()]
            if (n := math.prod(map(len, choices))) > MAX_POINTS:
                raise ConfigError(f"parameters: make {n} points; a grid may have {MAX_POINTS}")
            return [dict(zip(names, values, strict=True)) for values in itertools.product(*choices)]
        sampler = qmc.LatinHypercube(len(names), rng=np.random.default_rng(self.seed))
        return [
            {name: _pick(self.parameters[name], u) for name, u in zip(names, row, strict=True)}
            for row in sampler.random(self.n_points).tolist()
        ]


def _pick(values: list[Any] | Range, u: float) -> Any:
    return values.at(u) if isinstance(values, Range) else values[int(u * len(values))]


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _read_values(name: str, values: Any, design: str) -> list[Any] | Range:
    if isinstance(values, list) and values:
        return values
    keys = values.keys() if isinstance(values, dict) else set()
    if not {"low", "high"} <= keys <= {"low", "high", "log", "steps"}:
        raise ConfigError(
            f"parameters.{name}: must be a list of values or a range like "
            '{"low": 1.0, "high": 2.0}, with "steps" in a grid and perhaps "log"'
        )
    low, high, log, steps = values["low"], values["high"], values.get("log", False), values.get("steps")
    numbers = [v for v in (low, high) if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < 2 or not all(map(math.isfinite, numbers)) or low >= high:
        raise ConfigError(f"parameters.{name}: low must be a number below high, got {low!r} and {high!r}")
    if not isinstance(log, bool) or (log and low <= 0):
        raise ConfigError(f"parameters.{name}: log must be true or false, and needs a low above 0")
    if design == "grid" and not (_is_count(steps) and 2 <= steps <= MAX_POINTS):
        raise ConfigError(f"parameters.{name}: a range in a grid needs steps, at least 2, got {steps!r}")
    return Range(low, high, log, steps)


def configure(point: Point, base: RunConfig) -> RunConfig:
    """Set the parameters of a point in a run's configuration.

    Raises
    ------
    ConfigError
        If a parameter is unknown or its value impossible.
    """
    settings = base.simulation.to_dict()
    for name, value in point.items():
        if name != SHOPPERS:
            _set(settings, name.split("."), value)
    n_shoppers = point.get(SHOPPERS, base.n_shoppers)
    if not _is_count(n_shoppers):
        raise ConfigError(f"{SHOPPERS}: must be a whole number, got {n_shoppers!r}")
    return RunConfig(
        n_shoppers=n_shoppers,
        n_replications=base.n_replications,
        seed=base.seed,
        tracks=base.tracks,
        simulation=SimulationConfig.from_dict(settings),
    )


def _set(settings: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a nested value; what was off on the way is turned on."""
    for name in path[:-1]:
        if not isinstance(settings.get(name), dict):
            settings[name] = {}
        settings = settings[name]
    settings[path[-1]] = value
