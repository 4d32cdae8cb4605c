"""Few steps for a trained network on journeys of one more store, stopped by visits held back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.gpt2_pointer import GPT2Pointer, PointerConfig
from models.policy_training import (
    NOTHING_DROPPED,
    PolicyTrainingConfig,
    TrainingStore,
    compute_loss,
    make_batch,
)
from models.vocabulary import AttributeCoder

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class FinetuningConfig:
    """How long and how hard to fine-tune.

    Attributes
    ----------
    n_steps, max_steps
        At most so many; one for each visit where these are more, up to `max_steps`.
    batch_size, learning_rate, weight_decay
        Of AdamW; the rate is up to three times as high with more than `n_many` visits, and falls to nothing
        over the steps along a cosine.
    n_looks
        How often the held-back visits are read on the way.
    patience
        Looks without a better loss after which it ends.
    n_folds, n_many
        Parts that are held back in turn; with more than `n_many` visits only the first is.
    dropout
        What is dropped from the layout while training.
    """

    n_steps: int = 200
    max_steps: int = 1200
    batch_size: int = 32
    learning_rate: float = 3e-4
    weight_decay: float = 0.02
    n_looks: int = 20
    patience: int = 4
    n_folds: int = 4
    n_many: int = 400
    dropout: PolicyTrainingConfig = field(default_factory=PolicyTrainingConfig)


def finetune_network(
    network: GPT2Pointer,
    store: TrainingStore,
    *,
    rng: np.random.Generator,
    config: FinetuningConfig | None = None,
) -> list[dict[str, float]]:
    """Train `network` in place on the journeys of one store.

    The visits are split into parts, and each is held back from a training of its own. The number of steps
    after which the held-back visits are told best is common to all, and the weights there are averaged: with
    few visits, steadier than any one training. If no step helps, the network stays as it was.

    Returns
    -------
    history
        At each look: `step`, and the losses `training` (that of step 0: the held-back ones') and
        `validation` [nats per decision], over all parts.
    """
    config = config or FinetuningConfig()
    n = store.journeys.n
    n_folds = min(config.n_folds, n)
    start = _copy_weights(network)
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**31)))
        folds = np.array_split(rng.permutation(n), n_folds)
        runs = []
        for held in folds if n <= config.n_many else folds[:1]:
            network.load_state_dict(start)
            rows = np.setdiff1d(np.arange(n), held)
            runs.append(_descend(network, store, rows, np.sort(held), rng, config))
    n_looks = min(len(history) for history, _ in runs)
    common = [
        {name: float(np.mean([history[i][name] for history, _ in runs])) for name in runs[0][0][0]}
        for i in range(n_looks)
    ]
    best = int(np.argmin([look["validation"] for look in common]))
    if best:
        kept = [weights[best] for _, weights in runs]
        start = {name: torch.stack([weights[name] for weights in kept]).mean(0) for name in start}
    network.load_state_dict(start)
    network.eval()
    return common


def _copy_weights(network: GPT2Pointer) -> Weights:
    return {name: values.clone() for name, values in network.state_dict().items()}


def _descend(
    network: GPT2Pointer,
    store: TrainingStore,
    rows: NDArray[np.int64],
    held: NDArray[np.int64],
    rng: np.random.Generator,
    config: FinetuningConfig,
) -> tuple[list[dict[str, float]], list[Weights]]:
    """Train until the held-back visits get worse; return the losses and the weights at every look."""
    n_steps = min(max(config.n_steps, len(rows)), max(config.max_steps, config.n_steps))
    rate = config.learning_rate * min(1.0 + len(rows) / config.n_many, 3.0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    every = max(n_steps // config.n_looks, 1)
    loss = compute_held_loss(network, store, held)
    history = [{"step": 0.0, "training": loss, "validation": loss}]
    weights, losses = [_copy_weights(network)], []
    for step in range(1, n_steps + 1):
        network.train()
        chosen = rng.choice(rows, size=min(config.batch_size, len(rows)), replace=False)
        batch = make_batch(store, chosen, rng=rng, config=config.dropout)
        objective = compute_loss(network, batch, store.view)
        optimizer.zero_grad()
        objective.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(objective.item())
        if step % every == 0:
            loss = compute_held_loss(network, store, held)
            history.append({"step": float(step), "training": float(np.mean(losses)), "validation": loss})
            weights.append(_copy_weights(network))
            losses = []
            if np.argmin([look["validation"] for look in history]) < len(history) - config.patience:
                break
    return history, weights


@torch.no_grad()
def compute_held_loss(network: GPT2Pointer, store: TrainingStore, rows: NDArray[np.int64]) -> float:
    """Loss on these journeys in the whole layout [nats per decision]; the same planned stops every time."""
    network.eval()
    total, rng = 0.0, np.random.default_rng(0)
    for start in range(0, len(rows), 128):
        part = rows[start : start + 128]
        total += compute_loss(
            network, make_batch(store, part, rng=rng, config=NOTHING_DROPPED), store.view
        ).item() * len(part)
    return total / len(rows)


def extend_attributes(
    network: GPT2Pointer, coder: AttributeCoder, attributes: dict[str, NDArray[Any]]
) -> tuple[GPT2Pointer, AttributeCoder]:
    """Copy a network and give it the attribute levels that it has not met; they start as `unknown` does.

    An attribute that is new as a whole starts as no information: its levels add nothing.
    """
    here = AttributeCoder.fit(attributes).levels
    levels = {
        name: (
            *coder.levels.get(name, ()),
            *(v for v in here.get(name, ()) if v not in coder.levels.get(name, ())),
        )
        for name in {**coder.levels, **here}
    }
    extended = AttributeCoder(levels)
    config = replace(network.config, n_levels=extended.n_levels)
    larger = GPT2Pointer(PointerConfig(**config.to_dict()))
    state = {k: v.clone() for k, v in network.state_dict().items()}
    old = state["attribute_in.weight"]
    rows, offset = {}, 0
    for name, values in coder.levels.items():
        rows.update({(name, value): offset + i for i, value in enumerate(values)})
        offset += len(values)
    table = [
        old[rows[name, value] if (name, value) in rows else rows[name, coder.levels[name][0]]]
        if name in coder.levels
        else torch.zeros_like(old[0])
        for name, values in extended.levels.items()
        for value in values
    ]
    state["attribute_in.weight"] = torch.stack(table)
    larger.load_state_dict(state)
    return larger, extended
