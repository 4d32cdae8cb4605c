"""Markov chains over zones: the next stop by the last one, or by the last two."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layouts import ConfigError
from models.baselines.places import PlacePolicy, check_shape, list_decisions
from models.encoding import EncodedJourneys
from models.layout_view import LayoutView
from models.policy import ShopperStates

PRIOR_MOVES = tuple(2.0**power for power in range(-1, 11))  # moves' worth of the lower order, to choose from


class MarkovPolicy(PlacePolicy):
    """Chain of order 1 or 2 over zones, the door and leaving.

    The chance of a move is its share among the moves from the same stop (or the same two stops), smoothed
    towards that of the next lower order: (n_move + k p_lower) / (n_moves + k), the lowest order being how
    often each place is visited at all. k is the one that tells the moves best when each is left out in turn.
    Two stops that were never seen in a row leave the chain to order 1.

    Parameters
    ----------
    order
        Stops that the next one depends on, 1 or 2.
    """

    n_remembered = 2

    def __init__(self, order: int = 1) -> None:
        if order not in (1, 2):
            raise ConfigError(f"Markov chain: order {order!r}; must be 1 or 2")
        self.order = order

    @property
    def kind(self) -> str:
        """Name of the policy."""
        return f"markov-{self.order}"

    def _settings(self) -> dict[str, Any]:
        return {"order": self.order}

    def _fit_moves(self, journeys: EncodedJourneys, view: LayoutView, rng: np.random.Generator) -> None:
        moves = list_decisions(journeys, self.n_places, n_remembered=2)
        n = self.n_places
        visits = np.bincount(moves.target, minlength=n + 1)
        counts = np.zeros((n + 1, n + 1))  # from a place or, last (-1), the door
        np.add.at(counts, (moves.before[:, 0], moves.target), 1.0)
        self.first_ = smooth_counts(counts, np.tile(visits / visits.sum(), (n + 1, 1)))
        self.pairs_, self.second_ = np.zeros(0, dtype=np.int64), np.zeros((0, n + 1))
        if self.order == 2:
            self.pairs_, row = np.unique(self._pair(moves.before), return_inverse=True)
            counts = np.zeros((len(self.pairs_), n + 1))
            np.add.at(counts, (row, moves.target), 1.0)
            self.second_ = smooth_counts(counts, self.first_[self.pairs_ % (n + 1) - 1])

    def _pair(self, before: NDArray[np.int64]) -> NDArray[np.int64]:
        """One number for the last two stops, shape (n,)."""
        return (before[:, 1] + 1) * (self.n_places + 1) + before[:, 0] + 1

    def _score(
        self, states: ShopperStates, here: NDArray[np.int64], layout: LayoutView
    ) -> tuple[NDArray[np.float64], Any]:
        history = self._recall(states, here)
        chance = self.first_[here]
        if len(self.pairs_):
            pair = self._pair(history.zone)
            row = np.searchsorted(self.pairs_, pair).clip(max=len(self.pairs_) - 1)
            chance = np.where((self.pairs_[row] == pair)[:, None], self.second_[row], chance)
        with np.errstate(divide="ignore"):  # places that nobody ever visited
            return np.log(chance), history

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"first": self.first_, "pairs": self.pairs_, "second": self.second_}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        width = self.n_places + 1
        check_shape(self.kind, "first", arrays["first"], (width, width))
        check_shape(self.kind, "second", arrays["second"], (len(arrays["pairs"]), width))
        self.first_, self.pairs_, self.second_ = arrays["first"], arrays["pairs"], arrays["second"]


def smooth_counts(counts: NDArray[np.float64], lower: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn counts into chances that lean on others: (counts + k lower) / (row sum + k).

    Parameters
    ----------
    counts
        Of each choice in each context, shape (n_contexts, n_choices).
    lower
        Chances to lean on, same shape, rows adding up to 1.

    Returns
    -------
    chances
        Same shape. k is taken from `PRIOR_MOVES` by the likelihood of every count when one of it is left out.
    """
    total = counts.sum(axis=1, keepdims=True)
    seen = counts > 0

    def tell_left_out(k: float) -> float:
        chance = (counts - 1.0 + k * lower) / np.maximum(total - 1.0 + k, 1e-12)
        return float((counts[seen] * np.log(chance[seen])).sum())

    k = max(PRIOR_MOVES, key=tell_left_out)
    return (counts + k * lower) / (total + k)
