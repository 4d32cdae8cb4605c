"""The words of a journey's line, and how a journey becomes them."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Literal
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from layouts import ConfigError
from models.encoding import ATTRIBUTES
from models.vocabulary import UNKNOWN

DOOR, EXIT, PAD = "<door>", "<exit>", "<pad>"
WORD = re.compile(r"<[^<>\s]*>|[^<>\s]+")
_UNSAFE = re.compile(r"[%<>:\s]")
_NOT_ATTRIBUTES = ("buy", "wait")


@dataclass(frozen=True, kw_only=True)
class TextEncoding:
    """How a journey becomes a line of text.

    Attributes
    ----------
    kind
        `fix`: the cell at every `interval_s`, repeated where the shopper stays (a reconstruction of the
        paper, whose data have a fix every 5 s). `time`: a word for each change of cell, so that every step is
        to a neighbour, and waiting as words of its own.
    interval_s
        Seconds between the words of `fix`.
    until
        `exit`: the whole visit, waiting at the tills included. `till`: what comes after the shopper first
        stands at a till, once the last stop is over, is left out; for simulations that serve at the tills
        themselves.
    step_m
        `fix`: walking distance [m] that one interval can bring. Farther fixes are moved back along the way;
        `fit_encoding` measures it.
    speed_mps
        How fast people walk from cell to cell [m/s] when text is read; `fit_encoding` measures it for `time`.
        With `fix` they stay for the rest of the interval, half of it at either end.
    wait_s
        `time`: seconds that each wait word stands for, rising. A stay takes the nearest (by ratio), a longer
        one than the last takes several.
    reach_m
        Walking distance [m] from which a zone is shopped: as far as positions may be off.
    door_m
        A journey begins this near [m, straight] to an entrance and ends this near to a till or an exit, as
        complete sessions do (`CleaningConfig.door_radius_m`, and the diagonal of a cell).
    attributes
        Customer attributes that stand in front, in this order; `unknown` where nothing was recorded.
    """

    kind: Literal["fix", "time"] = "fix"
    interval_s: int = 5
    until: Literal["exit", "till"] = "exit"
    step_m: float = 5.5
    speed_mps: float = 1.1
    wait_s: tuple[float, ...] = (2, 3, 4, 5, 7, 9, 12, 16, 21, 28, 37, 50, 66, 88, 117)
    reach_m: float = 1.5
    door_m: float = 6.75
    attributes: tuple[str, ...] = ATTRIBUTES

    def __post_init__(self) -> None:
        """Refuse what gives no text."""
        if self.kind not in ("fix", "time") or self.until not in ("exit", "till"):
            raise ConfigError(
                f"kind must be fix or time and until exit or till, got {self.kind!r} and {self.until!r}"
            )
        for name in ("interval_s", "step_m", "speed_mps", "reach_m", "door_m"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if not self.wait_s or min(self.wait_s) < 1 or (np.diff(self.wait_s) <= 0).any():
            raise ConfigError(f"wait_s must rise from at least 1 s, got {self.wait_s}")
        clash = [name for name in self.attributes if name in _NOT_ATTRIBUTES]
        if clash:
            raise ConfigError(f"attributes: {clash[0]!r} is a word of its own; rename the attribute")

    @property
    def wait_words(self) -> tuple[str, ...]:
        """One word per entry of `wait_s`; none for `fix`."""
        return tuple(f"<wait:{seconds:g}>" for seconds in self.wait_s) if self.kind == "time" else ()

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "wait_s": list(self.wait_s),
            "attributes": list(self.attributes),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TextEncoding:
        """Inverse of `to_dict`.

        Raises
        ------
        ConfigError
            If a name is unknown or a value cannot be.
        """
        known = [field.name for field in fields(cls)]
        strange = sorted(set(values) - set(known))
        if strange:
            raise ConfigError(f"unknown setting {strange[0]!r} of the text; known are {', '.join(known)}")
        tuples: dict[str, Any] = {
            name: tuple(values[name]) for name in ("wait_s", "attributes") if name in values
        }
        return cls(**{**values, **tuples})

    def write_prompt(self, attributes: dict[str, str]) -> str:
        """Words that come before the journey: attributes and the door."""
        words = [attribute_word(name, attributes.get(name, UNKNOWN)) for name in self.attributes]
        return " ".join([*words, DOOR])

    def write_prompts(self, attributes: dict[str, NDArray[Any]]) -> list[str]:
        """Prompt of each shopper, from one array of values per attribute, each shape (n,)."""
        n = len(next(iter(attributes.values()))) if attributes else 0
        columns = {name: np.asarray(values).astype(str) for name, values in attributes.items()}
        return [
            self.write_prompt({name: str(values[i]) for name, values in columns.items()}) for i in range(n)
        ]

    def split_wait(self, stay_s: int) -> list[int]:
        """Indices of the wait words that together stand for a stay [s]; none for less than the shortest."""
        found = []
        log_wait = np.log(self.wait_s)
        while stay_s >= self.wait_s[0]:
            index = int(np.abs(log_wait - np.log(stay_s)).argmin())
            found.append(index)
            if index < len(self.wait_s) - 1:
                break
            stay_s -= int(self.wait_s[index])
        return found


def attribute_word(name: str, level: str) -> str:
    """Word of a customer attribute, such as ``<mission:quick>``; signs that would end a word are escaped."""
    return f"<{_escape(name)}:{_escape(level)}>"


def buy_word(category: str) -> str:
    """Word of one receipt line of a category, such as ``<buy:dairy>``."""
    return f"<buy:{_escape(category)}>"


def split_words(line: str) -> list[str]:
    """Words of a line, whether or not spaces stand between them."""
    return WORD.findall(line)


def read_tag(word: str) -> tuple[str, str] | None:
    """Name and value of a tag such as ``<buy:dairy>``; None for any other word."""
    name, colon, value = word.removeprefix("<").removesuffix(">").partition(":")
    is_tag = word.startswith("<") and word.endswith(">") and bool(colon)
    return (unquote(name), unquote(value)) if is_tag else None


def take_points(line: str, n_points: int = 7) -> str:
    """Beginning of a line up to its `n_points`-th cell and what was done there: the paper's prompt."""
    kept: list[str] = []
    n_cells = 0
    for word in split_words(line):
        is_cell = not word.startswith("<")
        n_cells += is_cell
        if n_cells > n_points or word == EXIT:
            break
        kept.append(word)
    return " ".join(kept)


def _escape(text: str) -> str:
    return _UNSAFE.sub(lambda match: quote(match.group(), safe=""), text)
