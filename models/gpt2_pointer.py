"""The network of the layout policy: GPT-2 blocks that read a layout as their prompt and point into it.

A token per zone (what stands there, where it is) makes the prompt; these see one another both ways, so
their order does not matter. The journey follows, causal: a token for the shopper at the door, then one per
stop. From each journey token two heads answer: which zone next (a pointer over the zones of *this* layout,
or leaving) and how long the stop there lasts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.candidates import LEAVE_RELATIONS, ZONE_RELATIONS
from models.encoding import MAX_STOPS
from models.layout_view import ZONE_FEATURES

DWELL_EDGES_S = np.geomspace(2.0, 300.0, 17)  # bins of a stop's length [s]
N_DWELL_BINS = len(DWELL_EDGES_S) - 1


@dataclass(frozen=True, kw_only=True)
class PointerConfig:
    """Size of the network; `n_levels` is the number of levels of all customer attributes together."""

    n_levels: int
    n_embd: int = 96
    n_layer: int = 3
    n_head: int = 2
    n_relation: int = 48  # width of the head that weighs distance, need and detour
    dropout: float = 0.1

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class JourneyTokens:
    """Inputs of the journey part, one row per shopper and decision; shapes (n, n_steps).

    `attributes` is (n, n_attributes); `zone` is the zone of the stop just made (-1 at the door), `dwell_s`
    its length, `n_wanted` the items still on the list.
    """

    attributes: NDArray[np.integer[Any]]
    zone: NDArray[np.integer[Any]]
    dwell_s: NDArray[np.floating[Any]]
    n_wanted: NDArray[np.integer[Any]]


class GPT2Pointer(nn.Module):
    """GPT-2 over zones and stops; see the module's text. Heads return logits, never probabilities."""

    def __init__(self, config: PointerConfig) -> None:
        from transformers import GPT2Config, GPT2Model

        super().__init__()
        self.config = config
        width = config.n_embd
        self.gpt2 = GPT2Model(
            GPT2Config(
                vocab_size=1,  # tokens come as embeddings: a zone is described, not named
                n_positions=MAX_STOPS + 2,
                n_embd=width,
                n_layer=config.n_layer,
                n_head=config.n_head,
                activation_function="gelu_pytorch_tanh",
                resid_pdrop=config.dropout,
                embd_pdrop=config.dropout,
                attn_pdrop=config.dropout,
                bos_token_id=0,
                eos_token_id=0,
            )
        )
        self.zone_in = nn.Sequential(nn.Linear(len(ZONE_FEATURES), width), nn.GELU(), nn.Linear(width, width))
        self.attribute_in = nn.Embedding(config.n_levels, width)
        self.dwell_in = nn.Embedding(N_DWELL_BINS + 1, width)  # the last one: at the door
        self.list_in = nn.Linear(2, width)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.relation_in = nn.Linear(len(ZONE_RELATIONS), config.n_relation)
        self.relation_context = nn.Linear(width, config.n_relation, bias=False)
        self.relation_zone = nn.Linear(width, config.n_relation, bias=False)
        self.relation_out = nn.Linear(config.n_relation, 1)
        self.leave_in = nn.Linear(width + len(LEAVE_RELATIONS), config.n_relation)
        self.leave_out = nn.Linear(config.n_relation, 1)
        self.dwell_zone = nn.Linear(width, width)
        self.dwell_wanted = nn.Linear(1, width)
        self.dwell_out = nn.Linear(width, N_DWELL_BINS)

    def embed_zones(self, zone_features: Tensor) -> Tensor:
        """Embed the zones of a layout, (n_zones, n_features) -> (n_zones, width)."""
        return self.zone_in(zone_features)

    def embed_journey(self, tokens: JourneyTokens, zones: Tensor) -> Tensor:
        """Embed journey tokens, shape (n, n_steps, width); `zones` is what `embed_zones` returned."""
        stop = torch.from_numpy(np.asarray(tokens.zone))
        at_door = stop < 0
        dwell = torch.from_numpy(bin_dwell(tokens.dwell_s)).masked_fill(at_door, N_DWELL_BINS)
        wanted = torch.from_numpy(np.asarray(tokens.n_wanted, dtype=np.float32))
        attributes = self.attribute_in(torch.from_numpy(np.asarray(tokens.attributes))).sum(1)
        embedded = zones[stop.clamp(min=0)] * ~at_door[..., None] + self.dwell_in(dwell)
        embedded = embedded + self.list_in(torch.stack([torch.log1p(wanted), (wanted == 0).float()], -1))
        return embedded + attributes[:, None]

    def read_layout(self, zones: Tensor) -> tuple[Tensor, Any]:
        """Run the prompt: zones in context, shape (n_zones, width), and the cache of keys and values."""
        n = len(zones)
        both_ways = torch.zeros(1, 1, n, n)
        nowhere = torch.zeros(1, n, dtype=torch.long)  # no order among zones: they all share position 0
        out = self.gpt2(
            inputs_embeds=zones[None], position_ids=nowhere, attention_mask=both_ways, use_cache=True
        )
        return out.last_hidden_state[0], out.past_key_values

    def read_journeys(self, embedded: Tensor, prompt: Any) -> Tensor:
        """Hidden state after each journey token, (n, n_steps, width), given the prompt's cache."""
        from transformers import DynamicCache

        n, n_steps, _ = embedded.shape
        cache = DynamicCache()
        for index, layer in enumerate(prompt.layers):
            cache.update(layer.keys.expand(n, -1, -1, -1), layer.values.expand(n, -1, -1, -1), index)
        n_zones = prompt.layers[0].keys.shape[2]
        causal = torch.full((n_steps, n_steps), torch.finfo(torch.float32).min).triu(1)
        mask = torch.cat([torch.zeros(n_steps, n_zones), causal], 1)[None, None].expand(n, 1, -1, -1)
        position = torch.arange(1, n_steps + 1)[None].expand(n, -1)
        out = self.gpt2(
            inputs_embeds=embedded,
            position_ids=position,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        )
        return out.last_hidden_state

    def point(self, hidden: Tensor, zones: Tensor, relations: Tensor, leaving: Tensor) -> Tensor:
        """Logits of the next zone, the last column leaving; shape (n, n_zones + 1).

        `hidden` (n, width) is the state of each shopper, `zones` (n_zones, width) come from `read_layout`;
        `relations` and `leaving` from `candidates`.
        """
        match = self.query(hidden) @ self.key(zones).T / hidden.shape[-1] ** 0.5
        weighed = (
            self.relation_in(relations) + self.relation_context(hidden)[:, None] + self.relation_zone(zones)
        )
        to_zone = match + self.relation_out(nn.functional.gelu(weighed))[..., 0]
        to_leave = self.leave_out(nn.functional.gelu(self.leave_in(torch.cat([hidden, leaving], 1))))
        return torch.cat([to_zone, to_leave], 1)

    def dwell_logits(self, hidden: Tensor, zone: Tensor, n_wanted: Tensor) -> Tensor:
        """Logits of the stop's length; `zone` (n, width) is the chosen zone, `n_wanted` the items there."""
        wanted = self.dwell_wanted(torch.log1p(n_wanted.float())[:, None])
        return self.dwell_out(nn.functional.gelu(hidden + self.dwell_zone(zone) + wanted))


def bin_dwell(dwell_s: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Bin of each stop's length [s]; shorter and longer ones count to the outer bins."""
    return np.clip(np.searchsorted(DWELL_EDGES_S, dwell_s, side="right") - 1, 0, N_DWELL_BINS - 1)


def draw_dwell(probability: NDArray[np.floating[Any]], u: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Length of a stop [s] from bin probabilities (n, n_bins) and uniforms (n,): inverse of the CDF."""
    cdf = np.cumsum(probability, axis=1)
    cdf /= cdf[:, -1:]
    index = np.minimum((u[:, None] > cdf).sum(axis=1), N_DWELL_BINS - 1)
    rows = np.arange(len(u))
    below = np.where(index > 0, cdf[rows, index - 1], 0.0)
    share = (u - below) / np.maximum(cdf[rows, index] - below, 1e-12)
    low, high = DWELL_EDGES_S[index], DWELL_EDGES_S[index + 1]
    return low * (high / low) ** np.clip(share, 0.0, 1.0)
