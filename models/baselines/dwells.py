"""How long a stop lasts: the quantiles of what was observed, of a place or of a kind of stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_QUANTILES = 33  # from the shortest to the longest stop
PRIOR_STOPS = 20.0  # stops' worth of the quantiles of all stops together


@dataclass(frozen=True, eq=False)
class DwellQuantiles:
    """Quantile functions of the length of stops [s], one a group, shape (n_groups, `N_QUANTILES`)."""

    quantile_s: NDArray[np.float64]

    @classmethod
    def fit(
        cls, dwell_s: NDArray[np.floating[Any]], group: NDArray[np.integer[Any]], n_groups: int
    ) -> DwellQuantiles:
        """Take the quantiles of each group; groups with few stops lean on those of all stops.

        Parameters
        ----------
        dwell_s, group
            Length [s] and group of each stop, shape (n_stops,), at least one stop.
        n_groups
            Number of groups; one without a stop gets the quantiles of all.
        """
        level = np.linspace(0.0, 1.0, N_QUANTILES)
        pooled = np.quantile(np.asarray(dwell_s, dtype=float), level)
        table = np.tile(pooled, (n_groups, 1))
        for index, n in enumerate(np.bincount(group, minlength=n_groups)):
            if n:
                own = np.quantile(np.asarray(dwell_s[group == index], dtype=float), level)
                table[index] = (n * own + PRIOR_STOPS * pooled) / (n + PRIOR_STOPS)
        return cls(table)

    def draw(self, group: NDArray[np.integer[Any]], u: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Length of a stop in each group [s] at the level u in (0, 1), shape (n,)."""
        position = u * (N_QUANTILES - 1)
        below = np.minimum(position.astype(np.int64), N_QUANTILES - 2)
        low, high = self.quantile_s[group, below], self.quantile_s[group, below + 1]
        return low + (position - below) * (high - low)
