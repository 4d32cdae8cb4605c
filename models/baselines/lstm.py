"""A recurrent network over stops: the paper's neural baseline, on the stops that all baselines share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from models.baselines.places import NOWHERE, PlacePolicy, pack_stops
from models.encoding import EncodedJourneys
from models.layout_view import LayoutView
from models.policy import ShopperStates

BATCH_SIZE = 64
VALIDATION_SHARE = 0.1
IGNORED = -100  # target of padding


@dataclass(frozen=True, eq=False)
class LSTMMemory:
    """Hidden state and cell of each shopper, both of shape (n, n_hidden)."""

    hidden: NDArray[np.float32]
    cell: NDArray[np.float32]

    def take(self, rows: NDArray[np.integer[Any]]) -> LSTMMemory:
        """Return the memory of these rows alone."""
        return LSTMMemory(self.hidden[rows], self.cell[rows])


class StopLSTM(nn.Module):
    """Stops and attributes in, logits of the next place out; the last logit is leaving.

    Parameters
    ----------
    n_places
        Zones; input `n_places` stands for the door.
    n_levels
        Levels of all customer attributes together.
    n_hidden
        Width of embeddings and state.
    dropout
        On the embedded stops and on the state that the logits are read from.
    """

    def __init__(self, n_places: int, n_levels: int, n_hidden: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.stop_in = nn.Embedding(n_places + 1, n_hidden)
        self.attribute_in = nn.Embedding(max(n_levels, 1), n_hidden)
        self.lstm = nn.LSTM(n_hidden, n_hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(n_hidden, n_places + 1)

    def forward(
        self, stop: Tensor, attributes: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return logits (n, n_steps, n_places + 1) and the state after the last step.

        `stop` is (n, n_steps), `attributes` (n, n_attributes).
        """
        embedded = self.stop_in(stop) + self.attribute_in(attributes).sum(1)[:, None]
        hidden, state = self.lstm(self.dropout(embedded), state)
        return self.out(self.dropout(hidden)), state


class LSTMPolicy(PlacePolicy):
    """Long short-term memory over the whole journey so far and the customer's attributes.

    The paper compares with an LSTM without saying how it was set up: this one is trained like the paper's
    GPT-2, by the likelihood of the next place, and stops at the best epoch on journeys kept aside.

    Parameters
    ----------
    n_hidden
        Width of the state.
    n_epochs
        At most so many.
    patience
        Epochs without a better validation loss after which training ends.
    learning_rate
        Of Adam.
    """

    kind = "lstm"
    reads_attributes = True

    def __init__(
        self, n_hidden: int = 96, n_epochs: int = 40, patience: int = 4, learning_rate: float = 3e-3
    ) -> None:
        self.n_hidden, self.n_epochs = n_hidden, n_epochs
        self.patience, self.learning_rate = patience, learning_rate

    def _settings(self) -> dict[str, Any]:
        names = ("n_hidden", "n_epochs", "patience", "learning_rate")
        return {name: getattr(self, name) for name in names}

    def _make_network(self) -> StopLSTM:
        return StopLSTM(self.n_places, self.attributes_.n_levels, self.n_hidden)

    def _fit_moves(self, journeys: EncodedJourneys, view: LayoutView, rng: np.random.Generator) -> None:
        with torch.random.fork_rng():  # initial weights and dropout draw from torch's own stream
            torch.manual_seed(int(rng.integers(2**31)))
            self.network_ = self._make_network()
            self._train(pack_stops(journeys.zone), self.attributes_.encode(journeys.attributes), rng)

    def _train(self, zone: NDArray[np.int64], codes: NDArray[np.int64], rng: np.random.Generator) -> None:
        network, order = self.network_, rng.permutation(len(zone))
        n_held = round(len(zone) * VALIDATION_SHARE)
        train, held = order[n_held:], order[:n_held] if n_held else order
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        best, best_weights, since_best = math.inf, _copy_weights(network), 0
        for _ in tqdm(range(self.n_epochs), desc="lstm", unit="epoch", disable=None):
            network.train()
            n_stops = (zone[train] >= 0).sum(axis=1)
            by_length = train[np.argsort(n_stops + rng.random(len(train)) * 3.0)]  # for less padding
            batches = [by_length[at : at + BATCH_SIZE] for at in range(0, len(train), BATCH_SIZE)]
            for index in rng.permutation(len(batches)):
                rows = batches[index]
                loss = self._loss(zone[rows], codes[rows])
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
            network.eval()
            with torch.no_grad():
                validation = float(self._loss(zone[held], codes[held]))
            since_best += 1
            if validation < best:
                best, best_weights, since_best = validation, _copy_weights(network), 0
            if since_best >= self.patience:
                break
        network.load_state_dict(best_weights)
        network.eval()

    def _loss(self, zone: NDArray[np.int64], codes: NDArray[np.int64]) -> Tensor:
        """Mean negative log-likelihood of the next place [nats a decision]."""
        n_stops = (zone >= 0).sum(axis=1)
        zone = zone[:, : n_stops.max()]
        door = np.full((len(zone), 1), self.n_places)
        stop = np.concatenate([door, np.where(zone >= 0, zone, self.n_places)], axis=1)
        target = np.concatenate([zone, np.full((len(zone), 1), NOWHERE)], axis=1)
        target[np.arange(len(zone)), n_stops] = self.n_places
        target = np.where(target >= 0, target, IGNORED)
        logits, _ = self.network_(torch.from_numpy(stop), torch.from_numpy(codes))
        return nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(target).flatten())

    def _score(
        self, states: ShopperStates, here: NDArray[np.int64], layout: LayoutView
    ) -> tuple[NDArray[np.float64], Any]:
        stop = np.where(here >= 0, here, self.n_places)[:, None]
        codes = np.asarray(states.attributes, dtype=np.int64)
        memory = states.memory
        before = None
        if isinstance(memory, LSTMMemory):
            before = torch.from_numpy(memory.hidden)[None], torch.from_numpy(memory.cell)[None]
        with torch.no_grad():
            logits, (hidden, cell) = self.network_(torch.from_numpy(stop), torch.from_numpy(codes), before)
        scores = logits[:, 0].numpy().astype(float)
        return scores, LSTMMemory(hidden[0].numpy(), cell[0].numpy())

    def _arrays(self) -> dict[str, NDArray[Any]]:
        weights = self.network_.state_dict()
        return {f"network.{name}": values.numpy() for name, values in weights.items()}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        weights = {k.removeprefix("network."): torch.from_numpy(v.copy()) for k, v in arrays.items()}
        network = self._make_network()
        network.load_state_dict(weights)
        self.network_ = network.eval()


def _copy_weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: values.detach().clone() for name, values in network.state_dict().items()}
