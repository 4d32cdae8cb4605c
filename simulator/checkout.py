"""Tills with first-come-first-served queues: who goes to which, how long they wait and are served."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from simulator.luck import FloatArray, IntArray, Luck, Purpose
from simulator.settings import check_number, to_enum


class ServiceNoise(StrEnum):
    """Law of the factor, of mean 1, by which a service differs from its expected length."""

    LOGNORMAL = "lognormal"
    EXPONENTIAL = "exponential"
    NONE = "none"


class TillChoice(StrEnum):
    """How a shopper chooses a till."""

    SHORTEST_QUEUE = "shortest_queue"  # fewest people, the one being served included; ties: the nearest
    FIRST_FREE = (
        "first_free"  # the till that is free first, as with one line for all tills; ties: the nearest
    )


@dataclass(frozen=True, kw_only=True)
class CheckoutConfig:
    """How fast tills serve and how people queue at them; staffed and self-checkouts alike.

    Parameters
    ----------
    base_service_s, item_service_s
        Expected service is ``base_service_s + item_service_s * n_items`` [s]; the defaults are a secondary
        source's figures for supermarket tills.
    noise, noise_cv
        Law of the noise and its coefficient of variation (lognormal only). The default is an assumption.
    choice
        How a shopper chooses a till.
    approach_m
        How far before the nearest till a shopper looks at the queues and joins one [m of path].
    spacing_m
        Room that one waiting person takes on the way to the till [m]; an assumption.
    """

    base_service_s: float = 41.0
    item_service_s: float = 2.95
    noise: ServiceNoise = ServiceNoise.LOGNORMAL
    noise_cv: float = 0.3
    choice: TillChoice = TillChoice.SHORTEST_QUEUE
    approach_m: float = 3.0
    spacing_m: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        to_enum(self, "noise", ServiceNoise)
        to_enum(self, "choice", TillChoice)
        for name in ("base_service_s", "item_service_s", "noise_cv", "approach_m", "spacing_m"):
            check_number(self, name)


def draw_service_s(config: CheckoutConfig, n_items: IntArray, luck: Luck) -> FloatArray:
    """Draw how long each shopper's service takes [s], keyed by the shopper's index.

    Parameters
    ----------
    n_items
        Units in each shopper's basket, shape (n_shoppers,).

    Returns
    -------
    service_s
        Shape (n_shoppers,); for an empty basket too, though it is never served.
    """
    return compute_expected_service_s(config, n_items) * draw_service_factors(config, len(n_items), luck)


def compute_expected_service_s(config: CheckoutConfig, n_items: IntArray) -> FloatArray:
    """Expected service of baskets of `n_items` units [s], of the same shape."""
    return config.base_service_s + config.item_service_s * np.asarray(n_items, dtype=np.float64)


def draw_service_factors(config: CheckoutConfig, n: int, luck: Luck) -> FloatArray:
    """Draw the factor, of mean 1, by which each of n shoppers' services differs from the expected one."""
    return draw_factors(config.noise, config.noise_cv, n, luck, Purpose.SERVICE)


def draw_factors(noise: ServiceNoise, cv: float, n: int, luck: Luck, purpose: Purpose) -> FloatArray:
    """Draw a factor of mean 1 for each of n shoppers, keyed by the shopper's index; shape (n,).

    Parameters
    ----------
    noise, cv
        Law of the factors, and their coefficient of variation (lognormal only).
    purpose
        What the factor is for.
    """
    shopper = np.arange(n)
    if noise is ServiceNoise.EXPONENTIAL:
        return luck.exponential(purpose, shopper)
    if noise is ServiceNoise.LOGNORMAL:
        sigma = np.sqrt(np.log1p(cv**2))
        return np.exp(sigma * luck.normal(purpose, shopper) - sigma**2 / 2)
    return np.ones(n)


@dataclass(frozen=True)
class Turn:
    """A shopper's place in a queue, known in full when they join: first come, first served, nobody gives up.

    Parameters
    ----------
    till
        Index into ``store.checkouts``.
    ahead_end_s
        When each of those ahead will have been served [s], in order; empty at a free till.
    start_s, end_s
        Begin and end of the own service [s].
    """

    till: int
    ahead_end_s: tuple[float, ...]
    start_s: float
    end_s: float


class Checkouts:
    """The tills of a store while a simulation runs."""

    def __init__(self, n_tills: int, choice: TillChoice) -> None:
        self.choice = choice
        self._end_s: list[deque[float]] = [deque() for _ in range(n_tills)]

    def queue_lengths(self, t_s: float) -> list[int]:
        """People at each till at time `t_s`, the one being served included."""
        for queue in self._end_s:
            while queue and queue[0] <= t_s:
                queue.popleft()
        return [len(queue) for queue in self._end_s]

    def choose(self, t_s: float, distance_m: Sequence[float] | FloatArray) -> int:
        """Choose a till at time `t_s`; `distance_m` (n_tills,) breaks ties."""
        lengths = self.queue_lengths(t_s)
        if self.choice is TillChoice.FIRST_FREE:
            load = [max(t_s, queue[-1]) if queue else t_s for queue in self._end_s]
        else:
            load = [float(length) for length in lengths]
        return min(range(len(load)), key=lambda till: (load[till], distance_m[till], till))

    def join(self, till: int, t_s: float, *, ready_s: float, service_s: float) -> Turn:
        """Join the queue of a till at time `t_s`, to be there, if nobody is ahead, at `ready_s`."""
        self.queue_lengths(t_s)
        queue = self._end_s[till]
        start_s = max(ready_s, queue[-1]) if queue else ready_s
        turn = Turn(till, tuple(queue), start_s, start_s + service_s)
        queue.append(turn.end_s)
        return turn
