"""Train the layout policy's network on journeys, of one store or of many.

What a journey teaches is only the order of its planned and browsing stops: which purchases were planned is
drawn anew each time a journey is read (from P(planned | bought)), and the stops of the others are taken
out, because unplanned purchases are added by exposure when the policy is run. Zones are dropped and their
content is blurred at random, so that the network does not learn places by what stands there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from layouts import ZoneType
from models.candidates import relate_leaving, relate_zones
from models.encoding import EncodedJourneys
from models.gpt2_pointer import GPT2Pointer, JourneyTokens, bin_dwell
from models.layout_view import ZONE_FEATURES, LayoutView

CONTENT_FEATURES = [
    ZONE_FEATURES.index(name)
    for name in ("log_facings", "log_skus", "demand_share", "price_level", "margin_rate", "display_share")
]


@dataclass(frozen=True, kw_only=True)
class PolicyTrainingConfig:
    """How long and how hard to train; few journeys are read more often, many less."""

    n_steps: int = 1200
    max_epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    zone_dropout: float = 0.08
    display_dropout: float = 0.3  # endcaps and promo zones: the things that come and go
    content_dropout: float = 0.15
    validation_share: float = 0.1


NOTHING_DROPPED = PolicyTrainingConfig(zone_dropout=0.0, display_dropout=0.0, content_dropout=0.0)


@dataclass(frozen=True, eq=False)
class TrainingStore:
    """Journeys of one store with the planned share of what was bought, shape (n, n_categories)."""

    view: LayoutView
    journeys: EncodedJourneys
    planned_share: NDArray[np.float64]
    attributes: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class JourneyBatch:
    """What the network is asked and what the shoppers did; steps are padded with `has_step` False.

    Zones are those that were not dropped; `target` is the next zone or, last, leaving; shapes (n, n_steps,
    ...).
    """

    zone_features: NDArray[np.float32]
    tokens: JourneyTokens
    place: NDArray[np.int64]
    n_wanted_here: NDArray[np.int64]
    n_visits: NDArray[np.int64]
    kept_zones: NDArray[np.int64]
    target: NDArray[np.int64]
    target_dwell: NDArray[np.int64]
    has_step: NDArray[np.bool_]


def train_policy(
    network: GPT2Pointer,
    stores: list[TrainingStore],
    *,
    rng: np.random.Generator,
    config: PolicyTrainingConfig = PolicyTrainingConfig(),
    on_epoch: Callable[[int, float, float], None] | None = None,
) -> list[dict[str, float]]:
    """Train `network` in place and return the losses [nats per decision] of each epoch.

    The weights of the epoch with the best validation loss are kept. `on_epoch` is called with the number of
    the epoch and its training and validation loss. The torch seed is drawn from `rng`.
    """
    with torch.random.fork_rng():  # dropout draws from torch's own stream
        torch.manual_seed(int(rng.integers(2**31)))
        return _train(network, stores, rng, config, on_epoch)


def _train(
    network: GPT2Pointer,
    stores: list[TrainingStore],
    rng: np.random.Generator,
    config: PolicyTrainingConfig,
    on_epoch: Callable[[int, float, float], None] | None,
) -> list[dict[str, float]]:
    splits = [_split(store.journeys.n, config.validation_share, rng) for store in stores]
    n_batches = sum(math.ceil(len(train) / config.batch_size) for train, _ in splits)
    n_epochs = min(math.ceil(config.n_steps / n_batches), config.max_epochs)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=max(n_batches * n_epochs, 2), pct_start=0.1
    )
    history: list[dict[str, float]] = []
    best, best_weights = math.inf, {k: v.clone() for k, v in network.state_dict().items()}
    bar = tqdm(total=n_batches * n_epochs, desc="journeys", unit="batch", disable=None)
    for epoch in range(n_epochs):
        network.train()
        losses = []
        for store, rows in _shuffled_batches(stores, [train for train, _ in splits], config.batch_size, rng):
            batch = make_batch(store, rows, rng=rng, config=config)
            loss = compute_loss(network, batch, store.view)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            bar.update()
        validation = _validate(network, stores, [held for _, held in splits], config)
        history.append({"training": float(np.mean(losses)), "validation": validation})
        if validation < best:
            best, best_weights = validation, {k: v.clone() for k, v in network.state_dict().items()}
        if on_epoch is not None:
            on_epoch(epoch, history[-1]["training"], validation)
    bar.close()
    network.load_state_dict(best_weights)
    network.eval()
    return history


def _split(n: int, share: float, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = rng.permutation(n)
    n_held = max(1, round(n * share)) if n > 1 else 0
    return order[n_held:], np.sort(order[:n_held])


def _shuffled_batches(
    stores: list[TrainingStore], rows: list[NDArray[np.int64]], size: int, rng: np.random.Generator
) -> Iterator[tuple[TrainingStore, NDArray[np.int64]]]:
    """Batches of one store each, in random order; journeys of like length go together, for less padding."""
    batches = []
    for store, of_store in zip(stores, rows, strict=True):
        n_stops = (store.journeys.zone[of_store] >= 0).sum(axis=1)
        by_length = of_store[np.argsort(n_stops + rng.random(len(of_store)) * 3.0)]
        batches += [(store, by_length[start : start + size]) for start in range(0, len(by_length), size)]
    for index in rng.permutation(len(batches)):
        yield batches[index]


@torch.no_grad()
def _validate(
    network: GPT2Pointer,
    stores: list[TrainingStore],
    rows: list[NDArray[np.int64]],
    config: PolicyTrainingConfig,
) -> float:
    """Loss on journeys kept aside, in whole layouts; what was planned is drawn alike in every epoch."""
    network.eval()
    total, n = 0.0, 0
    for store, held in zip(stores, rows, strict=True):
        rng = np.random.default_rng(0)
        for start in range(0, len(held), config.batch_size):
            part = held[start : start + config.batch_size]
            loss = compute_loss(network, make_batch(store, part, rng=rng, config=NOTHING_DROPPED), store.view)
            total, n = total + loss.item() * len(part), n + len(part)
    return total / max(n, 1)


def make_batch(
    store: TrainingStore, rows: NDArray[np.int64], *, rng: np.random.Generator, config: PolicyTrainingConfig
) -> JourneyBatch:
    """Read the journeys `rows` once: draw what was planned, drop zones, and lay out every decision."""
    view = store.view
    kept = _draw_kept_zones(view, rng, config)
    zone, dwell, order_of = _planned_stops(store, rows, kept, rng)
    n, n_steps = zone.shape[0], zone.shape[1] + 1
    length = (zone >= 0).sum(axis=1)
    step = np.arange(n_steps)
    before = np.concatenate([np.full((n, 1), -1), zone], axis=1)
    target = np.concatenate([zone, np.full((n, 1), -1)], axis=1)
    new_index = np.full(view.n_zones + 1, len(kept))
    new_index[kept] = np.arange(len(kept))
    n_wanted_here, n_wanted = _count_wanted(store, rows, order_of, n_steps)
    n_wanted_here[:, :, np.setdiff1d(np.arange(view.n_zones), kept)] = 0
    visited = np.zeros((n, n_steps, view.n_zones), dtype=np.int64)
    at_row, at_step = np.nonzero(before >= 0)
    visited[at_row, at_step, before[at_row, at_step]] = 1
    return JourneyBatch(
        zone_features=_blur_content(view.zone_features[kept], rng, config.content_dropout),
        tokens=JourneyTokens(
            attributes=store.attributes[rows],
            zone=np.where(before >= 0, new_index[before], -1),
            dwell_s=np.concatenate([np.zeros((n, 1)), dwell], axis=1),
            n_wanted=n_wanted,
        ),
        place=np.where(before >= 0, before, view.entrance),
        n_wanted_here=n_wanted_here,
        n_visits=visited.cumsum(axis=1),
        kept_zones=kept,
        target=np.where(target >= 0, new_index[target], len(kept)),
        target_dwell=bin_dwell(np.concatenate([dwell, np.zeros((n, 1))], axis=1)),
        has_step=step[None] <= length[:, None],
    )


def _draw_kept_zones(
    view: LayoutView, rng: np.random.Generator, config: PolicyTrainingConfig
) -> NDArray[np.int64]:
    is_display = np.array([zone.zone_type in (ZoneType.ENDCAP, ZoneType.PROMO) for zone in view.store.zones])
    if rng.random() < 0.5:  # half of the batches see the store whole
        return np.arange(view.n_zones)
    chance = np.where(is_display, config.display_dropout, config.zone_dropout)
    return np.flatnonzero(rng.random(view.n_zones) >= chance)


def _blur_content(
    features: NDArray[np.float32], rng: np.random.Generator, chance: float
) -> NDArray[np.float32]:
    blurred = features.copy()
    rows = np.flatnonzero(rng.random(len(features)) < chance)
    blurred[rows[:, None], CONTENT_FEATURES] = features.mean(axis=0)[CONTENT_FEATURES]
    return blurred


def _planned_stops(
    store: TrainingStore, rows: NDArray[np.int64], kept: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Draw what was planned and return the stops that remain, packed to the left, and their lengths.

    Third comes, for each receipt line of `_lines_of`, the remaining stop at which it is taken; -1 if it was
    not planned or its zone was dropped.
    """
    journeys = store.journeys
    zone, dwell = journeys.zone[rows].copy(), journeys.dwell_s[rows]
    is_planned = rng.random(store.planned_share[rows].shape) < store.planned_share[rows]
    line, row = _lines_of(journeys, rows)
    stop, sku = journeys.pick_stop[line], journeys.pick_sku[line]
    line_planned = is_planned[row, store.view.store.sku_category[sku]]
    n_lines, n_planned = np.zeros(zone.shape), np.zeros(zone.shape)
    np.add.at(n_lines, (row, stop), 1)
    np.add.at(n_planned, (row, stop), line_planned)
    stays = (zone >= 0) & ((n_lines == 0) | (n_planned > 0)) & np.isin(zone, kept)
    packed = np.where(stays, stays.cumsum(axis=1) - 1, -1)
    width = max(int(stays.sum(axis=1).max(initial=0)), 1)
    new_zone = np.full((len(rows), width), -1, dtype=np.int64)
    new_dwell = np.zeros((len(rows), width), dtype=np.float32)
    at = np.nonzero(stays)
    new_zone[at[0], packed[at]] = zone[at]
    new_dwell[at[0], packed[at]] = dwell[at]
    order_of = np.where(line_planned, packed[row, stop], -1)
    return new_zone, new_dwell, order_of


def _lines_of(
    journeys: EncodedJourneys, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Receipt lines of the journeys `rows`: index of the line, and position in `rows`."""
    position = np.full(journeys.n, -1)
    position[rows] = np.arange(len(rows))
    line = np.flatnonzero(position[journeys.pick_row] >= 0)
    return line, position[journeys.pick_row[line]]


def _count_wanted(
    store: TrainingStore, rows: NDArray[np.int64], order_of: NDArray[np.int64], n_steps: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Items still to be taken at each step, by zone (n, n_steps, n_zones) and in all (n, n_steps)."""
    line, row = _lines_of(store.journeys, rows)
    planned = order_of >= 0
    stands = store.view.store.stands.T[store.journeys.pick_sku[line[planned]]]  # (n_lines, n_zones)
    taken_here = np.zeros((len(rows), n_steps, store.view.n_zones), dtype=np.int64)
    np.add.at(taken_here, (row[planned], order_of[planned]), stands)
    taken = np.zeros((len(rows), n_steps), dtype=np.int64)
    np.add.at(taken, (row[planned], order_of[planned]), 1)
    return taken_here[:, ::-1].cumsum(axis=1)[:, ::-1], taken[:, ::-1].cumsum(axis=1)[:, ::-1]


@dataclass(frozen=True, eq=False)
class Choices:
    """What a network makes of the decisions of a batch.

    Attributes
    ----------
    logits
        Of each zone that was not dropped and, last, of leaving, shape (n, n_kept + 1); very low where closed.
    target
        What was chosen, shape (n,).
    hidden
        State of the network, shape (n, width).
    zones
        Zones as the network reads them, shape (n_kept, width).
    n_wanted_here
        Items still to be taken in each zone that was not dropped, shape (n, n_kept).
    """

    logits: Tensor
    target: Tensor
    hidden: Tensor
    zones: Tensor
    n_wanted_here: NDArray[np.int64]


def weigh_choices(network: GPT2Pointer, batch: JourneyBatch, view: LayoutView) -> Choices:
    """Let a network weigh every decision of a batch, each after what was really done before it."""
    embedded = network.embed_zones(torch.from_numpy(batch.zone_features))
    zones, prompt = network.read_layout(embedded)
    hidden = network.read_journeys(network.embed_journey(batch.tokens, embedded), prompt)
    rows, steps = np.nonzero(batch.has_step)
    hidden = hidden[torch.from_numpy(rows), torch.from_numpy(steps)]
    place, wanted_here = batch.place[rows, steps], batch.n_wanted_here[rows, steps]
    relations = relate_zones(place, wanted_here, batch.n_visits[rows, steps], view)[:, batch.kept_zones]
    leaving = relate_leaving(place, batch.tokens.n_wanted[rows, steps], steps, view)
    logits = network.point(hidden, zones, torch.from_numpy(relations), torch.from_numpy(leaving))
    closed = np.zeros(logits.shape, dtype=bool)
    closed[:, -1] = batch.tokens.n_wanted[rows, steps] > 0
    closed[:, :-1] = place[:, None] == batch.kept_zones
    target = torch.from_numpy(batch.target[rows, steps])
    closed[np.arange(len(rows)), target.numpy()] = False
    logits = logits.masked_fill(torch.from_numpy(closed), torch.finfo(torch.float32).min)
    return Choices(logits, target, hidden, zones, wanted_here[:, batch.kept_zones])


def compute_loss(network: GPT2Pointer, batch: JourneyBatch, view: LayoutView) -> Tensor:
    """Mean negative log-likelihood of the next zone plus that of the dwell [nats per decision]."""
    of = weigh_choices(network, batch, view)
    choice = nn.functional.cross_entropy(of.logits, of.target)
    rows, steps = np.nonzero(batch.has_step)
    stops = torch.from_numpy(np.flatnonzero(batch.target[rows, steps] < len(batch.kept_zones)))
    chosen = of.target[stops]
    here = torch.from_numpy(of.n_wanted_here)[stops].gather(1, chosen[:, None])[:, 0]
    dwell = network.dwell_logits(of.hidden[stops], of.zones[chosen], here)
    dwell_target = torch.from_numpy(batch.target_dwell[rows, steps])[stops]
    return choice + nn.functional.cross_entropy(dwell, dwell_target) * (len(stops) / max(len(rows), 1))
