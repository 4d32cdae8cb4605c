"""Few steps for a trained network on journeys of one more store, stopped by visits held back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.gpt2_pointer import GPT2Pointer, PointerConfig
from models.policy_training import PolicyTrainingConfig, TrainingStore, compute_loss, make_batch
from models.vocabulary import AttributeCoder


@dataclass(frozen=True, kw_only=True)
class FinetuningConfig:
    """How long and how hard to fine-tune.

    Attributes
    ----------
    n_steps
        At most so many.
    batch_size, learning_rate, weight_decay
        Of AdamW; the rate falls to nothing over `n_steps` along a cosine.
    n_looks
        How often the held-back visits are read on the way.
    patience
        Looks without a better loss after which it ends.
    validation_share
        Visits held back, at least one; once the number of steps is found, they are learned from as well.
    dropout
        What is dropped from the layout while training.
    """

    n_steps: int = 400
    batch_size: int = 32
    learning_rate: float = 5e-4
    weight_decay: float = 0.02
    n_looks: int = 20
    patience: int = 5
    validation_share: float = 0.2
    dropout: PolicyTrainingConfig = field(default_factory=PolicyTrainingConfig)


def finetune_network(
    network: GPT2Pointer,
    store: TrainingStore,
    *,
    rng: np.random.Generator,
    config: FinetuningConfig = FinetuningConfig(),
) -> list[dict[str, float]]:
    """Train `network` in place on the journeys of one store.

    First on a part of them, to find after how many steps the others are told best; then from the start on
    all of them for as many steps. If no step helps the held-back visits, the network stays as it was.

    Returns
    -------
    history
        Of the first training: `step`, and the losses `training` (nan at step 0) and `validation`
        [nats per decision].
    """
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**31)))
        start = {k: v.clone() for k, v in network.state_dict().items()}
        n = store.journeys.n
        order = rng.permutation(n)
        n_held = max(1, round(n * config.validation_share))
        train, held = order[n_held:], np.sort(order[:n_held])
        history = _descend(network, store, train, held, config.n_steps, rng, config)
        best = int(min(history, key=lambda look: look["validation"])["step"])
        network.load_state_dict(start)
        if best:
            _descend(network, store, np.arange(n), None, best, rng, config)
    network.eval()
    return history


def _descend(
    network: GPT2Pointer,
    store: TrainingStore,
    rows: NDArray[np.int64],
    held: NDArray[np.int64] | None,
    n_steps: int,
    rng: np.random.Generator,
    config: FinetuningConfig,
) -> list[dict[str, float]]:
    """Take `n_steps` steps, or fewer if the held-back visits say so; the schedule is that of the longest."""
    optimizer = torch.optim.AdamW(
        [p for p in network.parameters() if p.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.n_steps)
    history: list[dict[str, float]] = []
    losses: list[float] = []
    best, since = math.inf, 0
    every = max(config.n_steps // config.n_looks, 1)
    for step in range(n_steps + 1):
        if held is not None and step % every == 0:
            loss = compute_held_loss(network, store, held)
            mean = float(np.mean(losses)) if losses else math.nan
            history.append({"step": step, "training": mean, "validation": loss})
            best, since, losses = (loss, 0, []) if loss < best - 1e-4 else (best, since + 1, [])
            if since >= config.patience:
                break
        if step == n_steps:
            break
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
    return history


@torch.no_grad()
def compute_held_loss(network: GPT2Pointer, store: TrainingStore, rows: NDArray[np.int64]) -> float:
    """Loss on these journeys in the whole layout [nats per decision]; the same planned stops every time."""
    network.eval()
    plain = PolicyTrainingConfig(zone_dropout=0.0, display_dropout=0.0, content_dropout=0.0)
    total, rng = 0.0, np.random.default_rng(0)
    for start in range(0, len(rows), 128):
        part = rows[start : start + 128]
        total += compute_loss(
            network, make_batch(store, part, rng=rng, config=plain), store.view
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
