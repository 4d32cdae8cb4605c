"""What is bought at a stop, by the place alone: P(receipt lines of a category | a stop in this zone)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layouts import Store
from models.encoding import EncodedJourneys

MAX_LINES = 6  # more receipt lines of one category at one stop count as this many
PRIOR_STOPS = 5.0  # stops' worth of what the category sells wherever it stands


def count_stands(store: Store) -> NDArray[np.int64]:
    """SKUs of each category that stand in each zone, shape (n_zones, n_categories)."""
    n = np.zeros((store.n_zones, len(store.categories)), dtype=np.int64)
    np.add.at(n.T, store.sku_category, store.stands.T)
    return n


@dataclass(frozen=True, eq=False)
class PlacePurchases:
    """Receipt lines by zone and category, each category for itself: no list, no basket, no budget.

    Attributes
    ----------
    categories
        Names, in the order of the columns.
    probability
        P(0, 1, ... `MAX_LINES` lines of a category | a stop in a zone), shape (n_zones, n_categories,
        `MAX_LINES` + 1); zones in the order of the policy that holds this.
    """

    categories: tuple[str, ...]
    probability: NDArray[np.float64]

    @classmethod
    def fit(cls, journeys: EncodedJourneys, store: Store) -> PlacePurchases:
        """Count receipt lines by stop, smoothed towards what the category sells at all its places.

        A category that did not stand in a zone while the journeys were observed is never taken there.
        """
        n_zones, n_categories = store.n_zones, len(store.categories)
        n_stops = np.bincount(journeys.zone[journeys.zone >= 0], minlength=n_zones)
        stop = journeys.pick_row * journeys.zone.shape[1] + journeys.pick_stop
        pair, n_lines = np.unique(
            stop * n_categories + store.sku_category[journeys.pick_sku], return_counts=True
        )
        zone = journeys.zone.ravel()[pair // n_categories]
        counts = np.zeros((n_zones, n_categories, MAX_LINES + 1))
        np.add.at(counts, (zone, pair % n_categories, np.minimum(n_lines, MAX_LINES)), 1.0)
        counts[:, :, 0] = n_stops[:, None] - counts.sum(axis=2)
        stands = count_stands(store) > 0
        pooled = (counts * stands[:, :, None]).sum(axis=0)
        pooled[:, 0] += 1.0  # a category that nobody met sells nothing
        pooled /= pooled.sum(axis=1, keepdims=True)
        probability = (counts + PRIOR_STOPS * pooled) / (n_stops + PRIOR_STOPS)[:, None, None]
        probability[~stands] = np.eye(1, MAX_LINES + 1)[0]
        return cls(store.categories, probability)

    def draw(
        self, known: NDArray[np.int64], zone: NDArray[np.int64], store: Store, u: NDArray[np.floating[Any]]
    ) -> NDArray[np.int64]:
        """Draw receipt lines of each category in `store`.

        Parameters
        ----------
        known
            The zone in the order of `probability`, shape (n,); -1 buys nothing.
        zone
            The same as an index into `store.zones`, shape (n,).
        store
            The layout; of a category, no more lines than SKUs that stand there now can be taken.
        u
            Uniforms, shape (n, n_categories of the store).

        Returns
        -------
        lines
            Shape (n, n_categories of the store).
        """
        column = {name: i for i, name in enumerate(self.categories)}
        own = np.array([column.get(name, -1) for name in store.categories])
        cdf = self.probability.cumsum(axis=2)[known][:, own, :-1]  # (n, n_categories, MAX_LINES)
        lines = (u[:, :, None] > cdf).sum(axis=2)
        lines[known < 0] = 0
        lines[:, own < 0] = 0
        return np.minimum(lines, count_stands(store)[zone])
