"""Several ways to read the same data: what receipts and tracks leave open, drawn many times.

Whether a purchase was planned or met on the way is never seen, so one store's data leave much open: how
strong displays are, which categories tempt. A hypothesis is one reading, fitted to visits weighted by chance
under priors moved by chance. Every other one heeds where on the way purchases were made: whether what is met
first has an advantage differs from people to people, and cannot be seen well. What differs between hypotheses
is what the model does not know, and an A/B run lives each of its replications under one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from layouts import ModelError, Store
from models.conversion import ConversionModel
from models.conversion_fitting import Priors, draw_priors, estimate_planned_share, fit_conversion
from models.encoding import EncodedJourneys
from models.needs import Needs, ObservedNeeds
from models.storage import load_arrays, save_arrays

N_HYPOTHESES = 8
N_TURNS = 2  # of fitting, from the best reading on


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """What was planned, and what the rest owes to what was met."""

    needs: ObservedNeeds
    conversion: ConversionModel


def draw_hypotheses(
    start: ConversionModel,
    planned_share: NDArray[np.float64],
    journeys: EncodedJourneys,
    store: Store,
    *,
    priors: Priors,
    make_needs: Callable[[NDArray[np.float64]], ObservedNeeds],
    rng: np.random.Generator,
    n: int = N_HYPOTHESES,
) -> tuple[Hypothesis, ...]:
    """Fit as many readings of the same data.

    Parameters
    ----------
    start, planned_share
        The best reading, where each search starts: the fitted model, and the chance that each category in
        each basket was planned, shape (n, n_categories).
    journeys, store
        What was observed, and where.
    priors
        What was believed before, see `conversion_fitting.publish_priors`.
    make_needs
        Makes needs of the chance that each category in each basket was planned, shape (n, n_categories).
    rng
        Draws the weights of the visits and how the priors are moved.
    n
        How many.
    """
    drawn = []
    for number, own in enumerate(tqdm(rng.spawn(n), desc="hypotheses", unit="fit", disable=None)):
        heeds_order = number % 2 == 0
        weights = own.exponential(size=journeys.n)  # the Bayesian bootstrap
        conversion = fit_conversion(
            deepcopy(start),
            journeys,
            store,
            rng=own,
            priors=draw_priors(priors, own),
            weights=weights,
            share=planned_share,
            n_turns=N_TURNS,
            heeds_order=heeds_order,
        )
        share = estimate_planned_share(
            conversion,
            journeys,
            store,
            rng=own,
            share=planned_share,
            n_turns=N_TURNS,
            heeds_order=heeds_order,
        )
        drawn.append(Hypothesis(make_needs(share), conversion))
    return tuple(drawn)


def save_hypotheses(hypotheses: Sequence[Hypothesis], folder: Path) -> None:
    """Write what they differ in: conversion models, and the chance that each line of a basket was planned."""
    shares = {f"line_shares.{k}": h.needs.line_shares for k, h in enumerate(hypotheses)}
    save_arrays(folder, {name: share.astype(np.float32) for name, share in shares.items()}, {})
    for k, hypothesis in enumerate(hypotheses):
        hypothesis.conversion.save_pretrained(folder / f"conversion-{k}")


def load_hypotheses(folder: Path, needs: Needs) -> tuple[Hypothesis, ...]:
    """Read what `save_hypotheses` wrote; `needs` are those of the model that they belong to.

    Raises
    ------
    ModelError
        If they do not fit the needs.
    """
    shares, _ = load_arrays(folder)
    hypotheses = []
    for k in range(len(shares)):
        share, path = shares.get(f"line_shares.{k}"), folder / f"conversion-{k}"
        if share is None or not _fit(needs, share):
            raise ModelError(f"{folder}: hypothesis {k} does not fit the baskets; train the model again")
        own = cast(ObservedNeeds, needs).replan(share.astype(float))
        hypotheses.append(Hypothesis(own, ConversionModel.from_pretrained(path)))
    return tuple(hypotheses)


def _fit(needs: Needs, share: NDArray[np.floating]) -> bool:
    lines = getattr(needs, "line_shares", None)
    return lines is not None and share.shape == lines.shape and bool(np.isfinite(share).all())
