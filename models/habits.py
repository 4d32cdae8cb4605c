"""What a layout does not tell: the places of a store that its people go to more or less often than others.

A network that knows places by what they are and where they are rates some of a store's shelves too high and
others too low. What it misses is learned as one number for each zone. It holds while the zone is where it was
and offers what it offered; where an edit changes that, the network speaks alone.

The numbers are found twice. First those that tell best what comes next on observed journeys. But who lives on
from choices of their own gets to where no journey was, and small faults add up; so people then live the store
as it is (`scenarios.rehearsal`), and `Habits.revise` compares where they stop with where observed ones did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from layouts import Store
from models.gpt2_pointer import GPT2Pointer
from models.policy_training import NOTHING_DROPPED, TrainingStore, make_batch, weigh_choices

SPREAD = 0.3  # standard deviation of the weights that is believed before anything is seen
MAX_STEP = 1.0  # of a weight in one revision
SAME_PLACE_M = 0.5  # a zone whose middle lies farther off is another place
BATCH = 128  # journeys


@dataclass(frozen=True, eq=False)
class Habits:
    """Weights of the places of one store.

    Attributes
    ----------
    xy
        Middle of each place [m], shape (n, 2).
    sku_ids
        What each offered.
    weight
        Added to the logit of going there, shape (n,).
    leaving
        Added to that of leaving.
    n_stops
        Stops at each that people are to decide on, shape (n,): observed ones, those for unplanned purchases
        taken out; after rehearsal so many that all stops are seen where observed ones were.
    n_visits
        On how many visits.
    """

    xy: NDArray[np.float64]
    sku_ids: tuple[frozenset[str], ...]
    weight: NDArray[np.float64]
    leaving: float
    n_stops: NDArray[np.int64]
    n_visits: int

    def weigh(self, store: Store) -> NDArray[np.float32]:
        """Weights of the zones of any layout and, last, of leaving, shape (n_zones + 1,).

        A zone has the weight of the place that was there, times the share of goods that both offer.
        """
        place, strength = find_known_places(store, self.xy, self.sku_ids)
        return np.append(self.weight[place] * strength, self.leaving).astype(np.float32)

    def revise(self, n_stops: NDArray[np.int64], n_visits: int) -> Habits:
        """Move the weights so that who lives by them stops where observed people did.

        A Newton step to the weights that are likeliest given both counts and the ridge around 0.

        Parameters
        ----------
        n_stops, n_visits
            Stops at each place that people of these habits chose, shape (n,), and on how many visits.
        """
        total = self.n_stops.sum()
        if not total or not n_stops.sum():
            return self
        observed = np.append(self.n_stops, self.n_visits)
        lived = np.append(n_stops, n_visits) * (total / n_stops.sum())
        weight = np.append(self.weight, self.leaving)
        step = (observed - lived - weight / SPREAD**2) / (lived + 1.0 / SPREAD**2)
        weight = (weight + step.clip(-MAX_STEP, MAX_STEP)).round(6)
        return replace(self, weight=weight[:-1], leaving=float(weight[-1]))

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        places = [
            {"xy": xy.tolist(), "sku_ids": sorted(sku_ids), "weight": float(weight), "n_stops": int(n)}
            for xy, sku_ids, weight, n in zip(self.xy, self.sku_ids, self.weight, self.n_stops, strict=True)
        ]
        return {"places": places, "leaving": self.leaving, "n_visits": self.n_visits}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Habits:
        """Read what `to_dict` returned.

        Raises
        ------
        ValueError
            If there is no place, or a number is not finite.
        """
        places = data["places"]
        habits = cls(
            xy=np.array([place["xy"] for place in places], dtype=float).reshape(-1, 2),
            sku_ids=tuple(frozenset(place["sku_ids"]) for place in places),
            weight=np.array([place["weight"] for place in places], dtype=float),
            leaving=float(data["leaving"]),
            n_stops=np.array([place["n_stops"] for place in places], dtype=np.int64),
            n_visits=int(data["n_visits"]),
        )
        if not places or not np.isfinite([*habits.xy.ravel(), *habits.weight, habits.leaving]).all():
            raise ValueError("habits without a place, or with a number that is not finite")
        return habits


def describe_places(store: Store) -> tuple[NDArray[np.float64], tuple[frozenset[str], ...]]:
    """Middle of each zone [m], shape (n_zones, 2), and the SKUs that it offers."""
    xy = np.array([zone.polygon.centroid.coords[0] for zone in store.zones])
    sku_id = np.array([sku.sku_id for sku in store.skus], dtype=object)
    return xy, tuple(frozenset(sku_id[stands]) for stands in store.stands)


def find_known_places(
    store: Store, xy: NDArray[np.float64], sku_ids: Sequence[frozenset[str]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which known place each zone of a layout is, and in so far as it still is it; shapes (n_zones,).

    Places are told by their middles [m], (n, 2), and goods. The second is the share of goods that both offer,
    0 for a zone that is not where the place was.
    """
    now_xy, now_ids = describe_places(store)
    away_m = np.hypot(*(now_xy[:, None] - xy).transpose(2, 0, 1))  # (n_zones, n)
    place = away_m.argmin(axis=1)
    is_there = away_m.min(axis=1) < SAME_PLACE_M
    common = np.array([_share(sku_ids[p], now) for p, now in zip(place, now_ids, strict=True)])
    return place, common * is_there


def _share(before: frozenset[str], now: frozenset[str]) -> float:
    """Share of the goods of both that are common to both; 1 if neither has any."""
    return len(before & now) / len(before | now) if before | now else 1.0


def fit_habits(network: GPT2Pointer, training: TrainingStore, *, rng: np.random.Generator) -> Habits:
    """Find the weights that tell the choices of the journeys best, held near zero (ridge).

    The network stays as it is. The mean over the choices of zones is taken by leaving alone, so that a place
    without a weight is one of the average.

    Parameters
    ----------
    network
        Trained.
    training
        The journeys.
    rng
        Draws what was planned.
    """
    network.eval()
    logits, targets = [], []
    with torch.no_grad():
        for start in range(0, training.journeys.n, BATCH):
            rows = np.arange(start, min(start + BATCH, training.journeys.n))
            batch = make_batch(training, rows, rng=rng, config=NOTHING_DROPPED)
            choices = weigh_choices(network, batch, training.view)
            logits.append(choices.logits)
            targets.append(choices.target)
    logit, target = torch.cat(logits), torch.cat(targets)
    weight = torch.zeros(logit.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=50, line_search_fn="strong_wolfe")

    def compute_loss() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(logit + weight, target, reduction="sum")
        loss = loss + 0.5 * (weight**2).sum() / SPREAD**2
        loss.backward()
        return loss

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several add up in any order
    try:
        optimizer.step(compute_loss)
    finally:
        torch.set_num_threads(n_threads)
    found = weight.detach().numpy().astype(float)
    n_chosen = np.bincount(target.numpy(), minlength=len(found))
    mean = float(np.average(found[:-1], weights=n_chosen[:-1])) if n_chosen[:-1].any() else 0.0
    xy, sku_ids = describe_places(training.view.store)
    return Habits(
        xy=xy,
        sku_ids=sku_ids,
        weight=(found[:-1] - mean).round(6),
        leaving=round(float(found[-1]) - mean, 6),
        n_stops=n_chosen[:-1],
        n_visits=int(n_chosen[-1]),
    )
