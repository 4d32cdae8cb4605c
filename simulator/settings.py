"""What configurations have in common: values are checked, and dictionaries read, with one clear message."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np

from layouts import ConfigError

Config = TypeVar("Config")


def check_number(
    config: object, name: str, *, low: float = 0.0, high: float = np.inf, is_optional: bool = False
) -> None:
    """Make sure that a field is a finite number from `low` to `high`.

    Raises
    ------
    ConfigError
        If it is not; None is fine where `is_optional`.
    """
    value = getattr(config, name)
    if value is None and is_optional:
        return
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not (is_number and np.isfinite(value) and low <= value <= high):
        limits = f"at least {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"
        raise ConfigError(f"{name}: must be a finite number of {limits}, got {value}")


def check_count(config: object, name: str, *, low: int = 0, is_optional: bool = False) -> None:
    """Make sure that a field is a whole number of at least `low`.

    Raises
    ------
    ConfigError
        If it is not; None is fine where `is_optional`.
    """
    value = getattr(config, name)
    if value is None and is_optional:
        return
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise ConfigError(f"{name}: must be a whole number of at least {low}, got {value}")


def to_enum(config: object, name: str, kinds: type[StrEnum]) -> None:
    """Turn a field of a frozen configuration into a member of `kinds`.

    Raises
    ------
    ConfigError
        If it is none; the error lists them.
    """
    try:
        object.__setattr__(config, name, kinds(getattr(config, name)))
    except ValueError:
        known = ", ".join(kinds)
        raise ConfigError(f"{name}: must be one of {known}, got {getattr(config, name)!r}") from None


def read_config(kind: type[Config], settings: Any, name: str) -> Config:
    """Make a configuration of a dictionary.

    Parameters
    ----------
    kind
        The dataclass.
    settings
        Values of its fields; what is missing keeps its default.
    name
        How the error calls the whole, empty for the outermost.

    Raises
    ------
    ConfigError
        If a key is unknown (the error names the nearest known one) or a value is out of range.
    """
    if not isinstance(settings, Mapping):
        raise ConfigError(f"{name}: must be a mapping of settings, got {settings!r}")
    prefix = f"{name}." if name else ""
    known = [option.name for option in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in settings:
        if key not in known:
            nearest = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)[0]
            raise ConfigError(f"unknown setting {prefix}{key}; the nearest known one is {prefix}{nearest}")
    return kind(**settings)
