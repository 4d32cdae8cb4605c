"""Customer attributes as codes: which there are, which levels each has, and an unknown one for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

UNKNOWN = "unknown"


@dataclass(frozen=True)
class AttributeCoder:
    """Levels of each attribute, the first always `unknown`; attributes are kept sorted by name."""

    levels: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        """Sort: codes must not depend on the order in which a file or a table lists the attributes."""
        object.__setattr__(self, "levels", dict(sorted(self.levels.items())))

    @classmethod
    def fit(cls, attributes: dict[str, NDArray[Any]]) -> AttributeCoder:
        """Collect the levels that occur."""
        return cls(
            {
                name: (UNKNOWN, *sorted({str(v) for v in values} - {UNKNOWN}))
                for name, values in attributes.items()
            }
        )

    @property
    def n_levels(self) -> int:
        """Levels of all attributes together: columns of `one_hot`."""
        return sum(len(levels) for levels in self.levels.values())

    def encode(self, attributes: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Code each shopper's attributes, shape (n, n_attributes), codes running on over the attributes.

        A level that was never seen, or an attribute that is absent, counts as unknown.
        """
        n = len(next(iter(attributes.values())))
        codes = np.zeros((n, len(self.levels)), dtype=np.int64)
        offset = 0
        for column, (name, levels) in enumerate(self.levels.items()):
            code = {level: i for i, level in enumerate(levels)}
            values = attributes.get(name, np.full(n, UNKNOWN, dtype=object))
            codes[:, column] = [offset + code.get(str(value), 0) for value in values]
            offset += len(levels)
        return codes

    def one_hot(self, codes: NDArray[np.integer[Any]]) -> torch.Tensor:
        """Indicator of each level, shape (n, n_levels)."""
        indicator = torch.zeros(len(codes), self.n_levels)
        return indicator.scatter_(1, torch.from_numpy(np.asarray(codes, dtype=np.int64)), 1.0)

    def to_dict(self) -> dict[str, list[str]]:
        """JSON form."""
        return {name: list(levels) for name, levels in self.levels.items()}

    @classmethod
    def from_dict(cls, levels: dict[str, list[str]]) -> AttributeCoder:
        """Inverse of `to_dict`."""
        return cls({name: tuple(values) for name, values in levels.items()})
