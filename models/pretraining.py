"""Pre-train the layout policy's network over many stores, so that it reads a new one as it reads the others.

Every batch comes from another store and another town, so nothing can be learned by heart but how shoppers go
through *a* layout: needs, distances, displays. On top of what `policy_training` drops from stores, histories
are spoiled as tracking spoils them: a stop is missed, taken for one next door, or its length is off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from models.encoding import EncodedJourneys
from models.gpt2_pointer import GPT2Pointer
from models.layout_view import LayoutView
from models.policy_training import JourneyBatch, PolicyTrainingConfig, TrainingStore, compute_loss, make_batch
from models.vocabulary import UNKNOWN, AttributeCoder

# One vocabulary for every store; what a store records beyond it counts as unknown until it is fine-tuned.
COMMON_LEVELS = AttributeCoder(
    {
        "mission": (UNKNOWN, "quick", "fill-in", "major"),
        "carrier": (UNKNOWN, "none", "basket", "cart"),
        "gender": (UNKNOWN, "female", "male"),
        "age_band": (UNKNOWN, "18-29", "30-44", "45-59", "60-74", "75+"),
    }
)
N_NEIGHBOURS = 3  # a misplaced stop falls into one of so many nearest zones


@dataclass(frozen=True, kw_only=True)
class PretrainingConfig:
    """How long to train, and how much of what is read is spoiled.

    Attributes
    ----------
    n_steps, batch_size, learning_rate, weight_decay
        Of AdamW with a one-cycle schedule; a batch is of one store.
    validate_every
        Steps between two looks at the stores kept aside.
    dropout
        What is dropped from layouts, see `PolicyTrainingConfig`.
    attribute_dropout
        Chance that an attribute of a shopper reads as unknown.
    stop_dropout, stop_shift
        Chance that a stop is missed, and that it is taken for one next door.
    dwell_noise
        Standard deviation of the logarithm of a stop's length as it is read.
    """

    n_steps: int = 20_000
    batch_size: int = 64
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    validate_every: int = 1000
    dropout: PolicyTrainingConfig = field(default_factory=PolicyTrainingConfig)
    attribute_dropout: float = 0.15
    stop_dropout: float = 0.03
    stop_shift: float = 0.05
    dwell_noise: float = 0.2


def pretrain_policy(
    network: GPT2Pointer,
    stores: Sequence[TrainingStore],
    validation: Sequence[TrainingStore],
    *,
    rng: np.random.Generator,
    config: PretrainingConfig | None = None,
    on_check: Callable[[int, float, float], None] | None = None,
) -> list[dict[str, float]]:
    """Train `network` in place on journeys of many stores.

    Parameters
    ----------
    network
        Its attributes are those of `COMMON_LEVELS`.
    stores
        Journeys to learn from.
    validation
        Journeys of other stores; the weights with the best loss on them are kept.
    rng
        Draws stores, journeys, what is spoiled, and the torch seed.
    config
        How long and how hard.
    on_check
        Called with the step and the training and validation loss at every look.

    Returns
    -------
    history
        At each look: `step`, and the losses `training` and `validation` [nats per decision].
    """
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**31)))
        return _pretrain(network, stores, validation, rng, config or PretrainingConfig(), on_check)


def _pretrain(
    network: GPT2Pointer,
    stores: Sequence[TrainingStore],
    validation: Sequence[TrainingStore],
    rng: np.random.Generator,
    config: PretrainingConfig,
    on_check: Callable[[int, float, float], None] | None,
) -> list[dict[str, float]]:
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    total = max(config.n_steps, 10)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=total, pct_start=max(0.05, 2 / total)
    )
    history: list[dict[str, float]] = []
    best, best_weights = math.inf, {k: v.clone() for k, v in network.state_dict().items()}
    losses: list[float] = []
    network.train()
    for step in tqdm(range(1, config.n_steps + 1), desc="pre-training", unit="batch", disable=None):
        store = stores[int(rng.integers(len(stores)))]
        batch = draw_batch(store, rng=rng, config=config)
        loss = compute_loss(network, batch, store.view)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        if step % config.validate_every == 0 or step == config.n_steps:
            held = compute_validation_loss(network, validation)
            history.append({"step": step, "training": float(np.mean(losses)), "validation": held})
            losses = []
            if held < best:
                best, best_weights = held, {k: v.clone() for k, v in network.state_dict().items()}
            if on_check is not None:
                on_check(step, history[-1]["training"], held)
    network.load_state_dict(best_weights)
    network.eval()
    return history


@torch.no_grad()
def compute_validation_loss(network: GPT2Pointer, stores: Sequence[TrainingStore]) -> float:
    """Loss on whole layouts and unspoiled journeys [nats per decision], each store counting alike."""
    was_training = network.training
    network.eval()
    plain = PolicyTrainingConfig(zone_dropout=0.0, display_dropout=0.0, content_dropout=0.0)
    total = 0.0
    for store in stores:
        batch = make_batch(store, np.arange(store.journeys.n), rng=np.random.default_rng(0), config=plain)
        total += compute_loss(network, batch, store.view).item()
    network.train(was_training)
    return total / max(len(stores), 1)


def draw_batch(store: TrainingStore, *, rng: np.random.Generator, config: PretrainingConfig) -> JourneyBatch:
    """Draw journeys of like length from one store and spoil what is read of them."""
    journeys = store.journeys
    n_stops = (journeys.zone >= 0).sum(axis=1)
    by_length = np.argsort(n_stops + rng.random(journeys.n) * 3.0)
    start = int(rng.integers(max(journeys.n - config.batch_size, 0) + 1))
    rows = by_length[start : start + config.batch_size]
    spoiled = replace(store, journeys=_miss_stops(journeys, rng, config.stop_dropout))
    batch = make_batch(spoiled, rows, rng=rng, config=config.dropout)
    return spoil_history(batch, store.view, rng=rng, config=config)


def _miss_stops(journeys: EncodedJourneys, rng: np.random.Generator, chance: float) -> EncodedJourneys:
    """Leave stops out, as a gap in the tracks does; what was taken there is then not on the list either."""
    missed = rng.random(journeys.zone.shape) < chance
    return replace(journeys, zone=np.where(missed, -1, journeys.zone))


def spoil_history(
    batch: JourneyBatch, view: LayoutView, *, rng: np.random.Generator, config: PretrainingConfig
) -> JourneyBatch:
    """Blur what the network is told of the past; what it is asked stays as it was."""
    tokens = batch.tokens
    zone, place = tokens.zone.copy(), batch.place.copy()
    shifted = np.nonzero((zone >= 0) & (rng.random(zone.shape) < config.stop_shift))
    near = _nearest_zones(view, batch.kept_zones)
    if near.shape[1]:
        chosen = near[zone[shifted], rng.integers(near.shape[1], size=len(shifted[0]))]
        zone[shifted], place[shifted] = chosen, batch.kept_zones[chosen]
    attributes = np.asarray(tokens.attributes).copy()
    unknown = np.cumsum([0, *(len(levels) for levels in COMMON_LEVELS.levels.values())])[:-1]
    hidden = rng.random(attributes.shape) < config.attribute_dropout
    attributes[hidden] = np.broadcast_to(unknown, attributes.shape)[hidden]
    dwell_s = tokens.dwell_s * np.exp(rng.normal(0.0, config.dwell_noise, tokens.dwell_s.shape))
    return replace(
        batch, tokens=replace(tokens, attributes=attributes, zone=zone, dwell_s=dwell_s), place=place
    )


def _nearest_zones(view: LayoutView, kept: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each kept zone the `N_NEIGHBOURS` nearest others, as indices into `kept`."""
    between = view.distance_m[np.ix_(kept, kept)].copy()
    np.fill_diagonal(between, np.inf)
    return np.argsort(between, axis=1)[:, : min(N_NEIGHBOURS, len(kept) - 1)]
