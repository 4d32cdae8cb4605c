"""The paper's GPT-2 as a policy: whole journeys, purchases included, are written at the door and then lived.

A token is a place of the store that it was trained on. So it emulates that store; when goods move it still
walks to where they were (arXiv 2407.11081 shows no other layout either).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from layouts import ModelError, Store
from models.layout_view import LayoutView
from models.paper.grammar import Grammar
from models.paper.legality import build_grammar
from models.paper.network import load_language_model, save_language_model
from models.paper.reading import Meanings, interpret_words, read_cell_visits
from models.paper.stops import JourneyStops, cut_at_tills, find_stops
from models.paper.tilt import N_CANDIDATES, choose_candidates
from models.paper.tokenizer import JourneyTokenizer
from models.paper.words import TextEncoding, attribute_word
from models.policy import LEAVE, DecisionDraws, Decisions, ShopperStates
from models.storage import load_arrays, read_config, save_arrays, write_config
from models.vocabulary import UNKNOWN


@dataclass(frozen=True, eq=False)
class WrittenJourneys:
    """Memory of a batch: the journeys that were written at the door; row i follows journey `row[i]`."""

    stops: JourneyStops
    row: NDArray[np.int64]

    def take(self, rows: NDArray[np.integer[Any]]) -> WrittenJourneys:
        """Return the memory of these rows alone."""
        return WrittenJourneys(self.stops, self.row[rows])


class PaperPolicy:
    """Journeys by a language model over six-character cell codes.

    Parameters
    ----------
    network
        GPT-2 or LSTM of `models.paper.network`, in evaluation mode.
    tokenizer, encoding
        With which its training journeys were written. What it writes of the tills is left to the simulator.
    weights
        By which one of several journeys is chosen, shape (2, n_tokens), see `models.paper.tilt`; None: one is
        written and taken as it comes.
    """

    buys: ClassVar[bool] = True
    measured = True  # its cells were learned from measured positions and carry their noise

    def __init__(
        self,
        network: nn.Module,
        tokenizer: JourneyTokenizer,
        encoding: TextEncoding,
        *,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.network, self.tokenizer, self.encoding = network.eval(), tokenizer, encoding
        self.weights = weights
        self._stores: dict[str, tuple[Grammar, Meanings]] = {}
        self._engine: Any = None

    def encode_attributes(self, attributes: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Token of each customer attribute, shape (n, n_attributes); levels never seen count as unknown."""
        n = len(next(iter(attributes.values()))) if attributes else 0
        columns = []
        for name in self.encoding.attributes:
            unknown = self.tokenizer.find_id(attribute_word(name, UNKNOWN))
            values = np.asarray(attributes.get(name, np.full(n, UNKNOWN))).astype(str)
            levels, codes = np.unique(values, return_inverse=True)
            ids = [self.tokenizer.find_id(attribute_word(name, str(level))) for level in levels]
            columns.append(np.array([i if i >= 0 else unknown for i in ids], dtype=np.int64)[codes])
        return np.column_stack(columns) if columns else np.zeros((n, 0), dtype=np.int64)

    def write(
        self, prompts: Sequence[NDArray[np.int64]], luck: Sequence[int], store: Store
    ) -> list[NDArray[np.int64]]:
        """Go on with prompts (token ids) to whole journeys that are legal in `store`.

        A prompt is the attributes and the door (`encode_attributes`), or these and the first points of an
        observed journey (seven in the paper). `luck` seeds a stream for each journey.
        """
        n_each = 1 if self.weights is None else N_CANDIDATES
        streams = [np.random.Generator(np.random.Philox(key=key)) for key in luck]
        uniforms = np.concatenate([stream.random((n_each, self.n_tokens)) for stream in streams])
        written = self.sample([prompt for prompt in prompts for _ in range(n_each)], uniforms, store)
        if self.weights is None:
            return written
        return choose_candidates(
            written,
            self.tokenizer.words,
            self.weights,
            np.stack([stream.random(n_each) for stream in streams]),
        )

    def sample(
        self, prompts: Sequence[NDArray[np.int64]], uniforms: NDArray[np.float64], store: Store
    ) -> list[NDArray[np.int64]]:
        """Write a journey as the network has it; `uniforms` is the luck of each token, (n, `n_tokens`)."""
        from models.decoding import make_engine, sample_sequences

        if self._engine is None:
            self._engine = make_engine(self.network)
        return sample_sequences(
            self.network,
            prompts,
            uniforms,
            self._read_store(store)[0],
            max_tokens=self.n_tokens,
            engine=self._engine,
        )

    @property
    def n_tokens(self) -> int:
        """Most tokens that a journey can have."""
        return int(getattr(self.network.config, "n_positions", 512))

    def decide(self, states: ShopperStates, layout: LayoutView, draws: DecisionDraws) -> Decisions:
        """Write the journeys at the door, and live them stop by stop."""
        if draws.lines is None:
            raise ModelError("policy 'paper': draws hold no luck for what it writes; give `lines`")
        memory = states.memory
        if memory is None:
            memory = self._write_at_door(states, layout.store, draws.lines)
        stops = memory.stops
        at = stops.first[memory.row] + states.n_stops
        leaves = at >= stops.first[memory.row + 1]
        stop = np.where(leaves, 0, at) if len(stops.zone) else np.zeros(len(at), dtype=np.int64)
        lines = np.zeros((len(at), len(layout.store.categories)), dtype=np.int64)
        if len(stops.zone):
            lines = np.where(leaves[:, None], 0, stops.lines[stop])
        return Decisions(
            zone=np.where(leaves, LEAVE, stops.zone[stop]) if len(stops.zone) else np.full(len(at), LEAVE),
            dwell_s=np.where(leaves, 0.0, stops.dwell_s[stop]) if len(stops.zone) else np.zeros(len(at)),
            lines=lines,
            way=stops.get_ways(np.where(leaves, stops.n_stops + memory.row, at)),
            memory=memory,
        )

    def _write_at_door(
        self, states: ShopperStates, store: Store, luck: NDArray[np.floating[Any]]
    ) -> WrittenJourneys:
        _, meanings = self._read_store(store)
        door = np.full((len(states.place), 1), self.tokenizer.door_id)
        prompts = list(np.concatenate([states.attributes, door], axis=1).astype(np.int64))
        # the luck of the first category, the same in every layout, seeds the shopper's stream
        keys = np.ascontiguousarray(luck[:, 0], dtype=np.float64).view(np.uint64).tolist()
        visits = read_cell_visits(self.write(prompts, keys, store), meanings, self.encoding)
        visits = cut_at_tills(visits, store)
        return WrittenJourneys(find_stops(visits, store, self.encoding), np.arange(len(prompts)))

    def _read_store(self, store: Store) -> tuple[Grammar, Meanings]:
        key = store.content_hash
        if key not in self._stores:
            meanings = interpret_words(self.tokenizer.words, store, self.encoding)
            self._stores[key] = build_grammar(store, self.tokenizer, self.encoding), meanings
        return self._stores[key]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the engine, which holds memory of its own, out of what goes to a worker."""
        return self.__dict__ | {"_engine": None, "_stores": {}}

    def save_pretrained(self, folder: Path) -> None:
        """Write network, `tokenizer.json` and `config.json`; transformers' Auto classes read them as well."""
        save_language_model(self.network, folder)
        self.tokenizer.save(folder)
        own = {"kind": "paper", "encoding": self.encoding.to_dict(), "is_tilted": self.weights is not None}
        write_config(folder, read_config(folder) | own)
        if self.weights is not None:
            save_arrays(folder / "tilt", {"weights": self.weights}, {})

    @classmethod
    def from_pretrained(cls, folder: Path) -> PaperPolicy:
        """Read what `save_pretrained` wrote; the same answers."""
        config = read_config(folder)
        return cls(
            load_language_model(folder),
            JourneyTokenizer.load(folder),
            TextEncoding.from_dict(config["encoding"]),
            weights=load_arrays(folder / "tilt")[0]["weights"] if config["is_tilted"] else None,
        )
