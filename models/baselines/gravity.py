"""The gravity model: moves between zones by how much leaves one, how much enters the other, and the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from models.baselines.places import PlacePolicy, check_shape, list_decisions
from models.encoding import EncodedJourneys
from models.layout_view import LayoutView
from models.policy import ShopperStates

MAX_DECAY = 5.0  # [1/m]
N_BALANCINGS = 500
BALANCED = 1e-9  # change of the balancing factors at which they count as settled


class GravityPolicy(PlacePolicy):
    """Doubly constrained gravity model of the flows between stops, used as a chain of moves.

    The flow from place i (a zone or the door) to place j (a zone or, for leaving, the nearest till) is
    T_ij = A_i O_i B_j D_j exp(-beta d_ij): O_i and D_j are the observed moves out of i and into j, d_ij the
    walking distance [m], A and B factors that make the flows add up to O and D, and beta the decay of
    greatest likelihood. A shopper at i goes to j with chance T_ij / O_i, whatever came before. In another
    layout the attractions B_j D_j stay with their places and the distances are the new ones.

    References
    ----------
    Ying, Wallis, Beguerisse-Diaz, Porter and Howison (2019), Phys. Rev. E 100, 062304: customer flow between
    the zones of supermarkets.
    """

    kind = "gravity"

    def _fit_moves(self, journeys: EncodedJourneys, view: LayoutView, rng: np.random.Generator) -> None:
        moves = list_decisions(journeys, self.n_places, n_remembered=1)
        flow = np.zeros((self.n_places + 1, self.n_places + 1))
        np.add.at(flow, (moves.before[:, 0], moves.target), 1.0)
        distance_m = compute_move_distances(view)
        found = minimize_scalar(
            lambda beta: -_log_likelihood(flow, distance_m, beta), bounds=(0.0, MAX_DECAY), method="bounded"
        )
        self.decay_ = float(found.x)
        _, self.attraction_ = balance_flows(flow.sum(axis=1), flow.sum(axis=0), distance_m, self.decay_)

    def _score(
        self, states: ShopperStates, here: NDArray[np.int64], layout: LayoutView
    ) -> tuple[NDArray[np.float64], Any]:
        known = self._find_places(layout.store)
        seen = np.flatnonzero(known >= 0)
        distance_m = np.full((len(here), self.n_places + 1), np.inf)
        distance_m[:, known[seen]] = layout.distance_m[states.place][:, seen]
        distance_m[:, -1] = layout.distance_m[states.place, layout.nearest_checkout[states.place]]
        with np.errstate(divide="ignore"):  # places that nobody ever visited
            return np.log(self.attraction_) - self.decay_ * distance_m, None

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"attraction": self.attraction_, "decay": np.array([self.decay_])}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        check_shape(self.kind, "attraction", arrays["attraction"], (self.n_places + 1,))
        self.attraction_, self.decay_ = arrays["attraction"], float(arrays["decay"][0])


def compute_move_distances(view: LayoutView) -> NDArray[np.float64]:
    """Walking distance of every possible move [m], shape (n_zones + 1, n_zones + 1).

    Rows are the zones and the door, columns the zones and leaving by the nearest till; infinite where there
    is no move (from a zone to itself).
    """
    n = view.n_zones
    origin = np.append(np.arange(n), view.entrance)
    to_zone = np.asarray(view.distance_m[origin][:, :n], dtype=float)
    to_zone[np.arange(n), np.arange(n)] = np.inf
    return np.column_stack([to_zone, view.distance_m[origin, view.nearest_checkout[origin]]])


def balance_flows(
    out: NDArray[np.float64],
    into: NDArray[np.float64],
    distance_m: NDArray[np.float64],
    decay: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the flows with these sums that fall off with distance (Furness' iteration).

    Parameters
    ----------
    out, into
        Moves out of each origin and into each destination, with one sum; shapes (n,) and (m,).
    distance_m
        Of each move [m], shape (n, m); infinite where none can be.
    decay
        beta [1/m].

    Returns
    -------
    flow, attraction
        T_ij, shape (n, m), and B_j D_j scaled to a mean of 1, shape (m,).
    """
    resistance = np.exp(-decay * distance_m)
    attraction: NDArray[np.float64] = into / max(float(into.mean()), 1e-12)
    for _ in range(N_BALANCINGS):
        reach = np.maximum(resistance @ attraction, 1e-300)
        arriving = (out / reach) @ resistance  # at each destination for a unit of attraction
        new = np.where(into > 0, into / np.maximum(arriving, 1e-300), 0.0).astype(float)
        new /= max(float(new.mean()), 1e-300)
        settled = np.abs(new - attraction).max() < BALANCED * new.max()
        attraction = new
        if settled:
            break
    reach = np.maximum(resistance @ attraction, 1e-300)
    return (out / reach)[:, None] * resistance * attraction, attraction


def _log_likelihood(flow: NDArray[np.float64], distance_m: NDArray[np.float64], decay: float) -> float:
    """Log-likelihood of the observed moves, each drawn from its origin's row of the model's flows."""
    expected, _ = balance_flows(flow.sum(axis=1), flow.sum(axis=0), distance_m, decay)
    moved = (flow > 0) & np.isfinite(distance_m)
    return float((flow[moved] * np.log(np.maximum(expected[moved], 1e-300))).sum())
