"""The layout policy: a GPT-2 that reads a store's layout and points at the zone to visit next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.candidates import relate_leaving, relate_zones
from models.decoder import (
    JourneyMemory,
    LayoutPrompt,
    Readers,
    decode_step,
    embed_step,
    point,
    read_prompt,
    weigh_dwells,
)
from models.gpt2_pointer import GPT2Pointer, JourneyTokens, PointerConfig, draw_dwell
from models.habits import Habits
from models.layout_view import LayoutView
from models.policy import LEAVE, DecisionDraws, Decisions, Party, ShopperStates, choose_by_gumbel
from models.storage import load_weights, read_config, save_weights
from models.vocabulary import AttributeCoder


class LayoutPolicy:
    """Journeys by a `GPT2Pointer`: a list that is not done keeps the shopper in the store.

    Parameters
    ----------
    network
        Trained or not; put into evaluation mode here.
    attributes
        Coder of the customer attributes that the network was trained with.
    habits
        What people of its store do at its places beyond what the network tells; none if left out.
    """

    buys: ClassVar[bool] = False

    def __init__(
        self, network: GPT2Pointer, attributes: AttributeCoder, habits: Habits | None = None
    ) -> None:
        self.network = network.eval()
        self.attributes = attributes
        self.habits = habits
        self._prompts: dict[str, LayoutPrompt] = {}
        self._weights: dict[str, NDArray[np.float32]] = {}

    def encode_attributes(self, attributes: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Code customer attributes, shape (n, n_attributes)."""
        return self.attributes.encode(attributes)

    def decide(self, states: ShopperStates, layout: LayoutView, draws: DecisionDraws) -> Decisions:
        """Choose the next zone and dwell of each shopper; the batch must be of one layout and one step."""
        return self.decide_together([Party(states=states, layout=layout, draws=draws)])[0]

    def decide_together(self, parties: Sequence[Party]) -> list[Decisions]:
        """Choose for shoppers of several layouts in one pass through the network; see `SharedPolicy`."""
        readers = [self._embed(party.states, party.layout) for party in parties]
        read = decode_step(self.network, readers, parties[0].states.n_stops)
        return [
            self._choose(party, reader.prompt, *answer)
            for party, reader, answer in zip(parties, readers, read, strict=True)
        ]

    def _embed(self, states: ShopperStates, layout: LayoutView) -> Readers:
        prompt = self._read(layout)
        in_zone = states.place < layout.n_zones
        tokens = JourneyTokens(
            attributes=states.attributes,
            zone=np.where(in_zone, states.place, -1)[:, None],
            dwell_s=states.last_dwell_s[:, None],
            n_wanted=states.n_wanted[:, None],
        )
        return Readers(prompt, embed_step(self.network, tokens, prompt), states.memory)

    @torch.no_grad()
    def _choose(self, party: Party, prompt: LayoutPrompt, hidden: Tensor, memory: JourneyMemory) -> Decisions:
        states, layout, draws = party.states, party.layout, party.draws
        relations = relate_zones(states.place, states.n_wanted_here, states.n_visits, layout)
        leaving = relate_leaving(states.place, states.n_wanted, states.n_stops, layout)
        logits = point(
            self.network, hidden, prompt, torch.from_numpy(relations), torch.from_numpy(leaving)
        ).numpy()
        logits += self._weigh_habits(layout)
        choice = choose_by_gumbel(np.where(mask_choices(states, layout), logits, -np.inf), draws.next_zone)
        leaves = choice == layout.n_zones
        zone = np.where(leaves, 0, choice)
        rows = np.arange(len(zone))
        wanted = torch.from_numpy(states.n_wanted_here[rows, zone])
        dwell = weigh_dwells(self.network, hidden, prompt, torch.from_numpy(zone), wanted)
        dwell_s = draw_dwell(dwell.softmax(1).numpy().astype(float), draws.dwell[rows, zone])
        return Decisions(zone=np.where(leaves, LEAVE, zone), dwell_s=dwell_s, memory=memory)

    def _read(self, layout: LayoutView) -> LayoutPrompt:
        key = layout.store.content_hash
        if key not in self._prompts:
            self._prompts[key] = read_prompt(self.network, layout.zone_features)
        return self._prompts[key]

    def _weigh_habits(self, layout: LayoutView) -> NDArray[np.float32] | float:
        if self.habits is None:
            return 0.0
        key = layout.store.content_hash
        if key not in self._weights:
            self._weights[key] = self.habits.weigh(layout.store)
        return self._weights[key]

    def save_pretrained(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors` into `folder`."""
        config = {
            "kind": "layout",
            "network": self.network.config.to_dict(),
            "attributes": self.attributes.to_dict(),
            "habits": None if self.habits is None else self.habits.to_dict(),
        }
        save_weights(self.network, folder, config)

    @classmethod
    def from_pretrained(cls, folder: Path) -> LayoutPolicy:
        """Read what `save_pretrained` wrote; the same answers."""
        config = read_config(folder)
        network = load_weights(GPT2Pointer(PointerConfig(**config["network"])), folder)
        habits = config["habits"]
        return cls(
            network,
            AttributeCoder.from_dict(config["attributes"]),
            None if habits is None else Habits.from_dict(habits),
        )


def mask_choices(states: ShopperStates, layout: LayoutView) -> NDArray[np.bool_]:
    """Which choices are open to each shopper, shape (n, n_zones + 1).

    Closed are the zone that it stands in, shelves with nothing on them (no policy has seen what an emptied
    display does, so it would go on as to a full one), and leaving while something on its list still stands
    in the store.
    """
    allowed = np.ones((len(states.place), layout.n_zones + 1), dtype=bool)
    allowed[:, :-1] = ~layout.is_bare
    in_zone = np.flatnonzero(states.place < layout.n_zones)
    allowed[in_zone, states.place[in_zone]] = False
    allowed[:, -1] = ~(states.n_wanted_here > 0).any(axis=1)
    return allowed
