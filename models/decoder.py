"""One step of a GPT-2 pointer for many shoppers at once: the layout's keys and values are shared, not copied.

The same function as `GPT2Pointer.read_journeys` one token at a time (a test compares them); transformers'
cache would copy the prompt for every shopper and again at every step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.gpt2_pointer import N_DWELL_BINS, GPT2Pointer, JourneyTokens, bin_dwell

# shoppers at a time: few enough for the processor's cache, and fixed, as sums may be rounded by it
READ_AT_ONCE, POINT_AT_ONCE = 512, 128
FIRST_ROOM = 4  # steps that memory has room for at first; doubled when they are used up
_GELU_SLOPE = 2.0 * math.sqrt(2.0 / math.pi)
_GELU_BEND = 0.044715


@dataclass(frozen=True, eq=False)
class JourneyMemory:
    """Keys and values of the journey tokens so far: it serves one continuation, which writes into it.

    Attributes
    ----------
    table
        Shape (n_layers, 2, n, n_heads, room, head width), the rows in an order of its own.
    row
        Row of the table of each shopper, shape (n,).
    """

    table: Tensor
    row: Tensor

    @classmethod
    def make(cls, network: GPT2Pointer, n: int) -> JourneyMemory:
        """Make room for the first steps of `n` shoppers."""
        config = network.config
        head_width = config.n_embd // config.n_head
        table = torch.empty(config.n_layer, 2, n, config.n_head, FIRST_ROOM, head_width)
        return cls(table, torch.arange(n))

    def take(self, rows: NDArray[np.integer[Any]]) -> JourneyMemory:
        """Keep these shoppers alone, each once; the last rows of the table move to where others have left."""
        row = self.row[torch.from_numpy(np.asarray(rows, dtype=np.int64))]
        is_free = torch.ones(len(row), dtype=torch.bool)
        is_beyond = row >= len(row)
        is_free[row[~is_beyond]] = False
        free = is_free.nonzero()[:, 0]
        self.table.index_copy_(2, free, self.table.index_select(2, row[is_beyond]))
        row[is_beyond] = free
        return JourneyMemory(self.table[:, :, : len(row)], row)

    def with_room_for(self, n_steps: int) -> JourneyMemory:
        """Return the same with room for so many steps at least."""
        *outer, room, head_width = self.table.shape
        if n_steps <= room:
            return self
        table = torch.empty(*outer, 2 * room, head_width)
        table[..., :room, :] = self.table
        return JourneyMemory(table, self.row)


class _Block(NamedTuple):
    """Weights of a block of GPT-2, and what it makes of the zones of a layout."""

    zone_keys: Tensor  # (n_heads, head width, n_zones)
    zone_values: Tensor  # (n_heads, n_zones, head width)
    norms: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
    ask: tuple[
        Tensor, Tensor
    ]  # weight and bias of query (already divided by the root of its width), key, value
    answer: tuple[Tensor, Tensor]
    rise: tuple[Tensor, Tensor]
    fall: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, block: Any, keys: Tensor, values: Tensor) -> _Block:
        attention, mlp = block.attn, block.mlp
        scale = torch.ones(attention.c_attn.bias.shape)
        scale[: len(scale) // 3] = keys.shape[2] ** -0.5
        return cls(
            keys.transpose(1, 2).contiguous(),
            values,
            ((block.ln_1.weight, block.ln_1.bias), (block.ln_2.weight, block.ln_2.bias)),
            (attention.c_attn.weight * scale, attention.c_attn.bias * scale),
            (attention.c_proj.weight, attention.c_proj.bias),
            (mlp.c_fc.weight, mlp.c_fc.bias),
            (mlp.c_proj.weight, mlp.c_proj.bias),
        )


@dataclass(frozen=True, eq=False)
class LayoutPrompt:
    """A layout that a network has read, and what its heads make of the zones whoever asks.

    Attributes
    ----------
    stops
        Zone embeddings, shape (n_zones + 1, width); the last one, of no zone, is zero.
    zones
        Zone states, shape (n_zones, width).
    layers
        Keys and values per layer, each (n_heads, n_zones, head width).
    blocks
        The same, with the weights of each layer.
    pointer_keys, relation_offset, dwell_offset
        The zones' part of the heads, of shape (n_zones, width) but for the relations' (n_zones, n_relation).
    """

    stops: Tensor
    zones: Tensor
    layers: tuple[tuple[Tensor, Tensor], ...]
    blocks: tuple[_Block, ...]
    pointer_keys: Tensor
    relation_offset: Tensor
    dwell_offset: Tensor


@torch.no_grad()
def read_prompt(network: GPT2Pointer, zone_features: NDArray[np.float32]) -> LayoutPrompt:
    """Let the network read a layout, once for all shoppers."""
    embedded = network.embed_zones(torch.from_numpy(zone_features))
    zones, cache = network.read_layout(embedded)
    layers = tuple((layer.keys[0], layer.values[0]) for layer in cache.layers)
    return LayoutPrompt(
        torch.cat([embedded, torch.zeros_like(embedded[:1])]),
        zones,
        layers,
        blocks=tuple(_Block.of(block, *layer) for block, layer in zip(network.gpt2.h, layers, strict=True)),
        pointer_keys=network.key(zones) / network.config.n_embd**0.5,
        relation_offset=network.relation_zone(zones) + network.relation_in.bias,
        dwell_offset=network.dwell_zone(zones) + network.dwell_wanted.bias,
    )


@torch.no_grad()
def embed_step(network: GPT2Pointer, tokens: JourneyTokens, prompt: LayoutPrompt) -> Tensor:
    """Embed one token per shopper, shape (n, width); the same function as `GPT2Pointer.embed_journey`."""
    stop, wanted = tokens.zone[:, 0], torch.from_numpy(tokens.n_wanted[:, 0].astype(np.float32))
    dwell = np.where(stop < 0, N_DWELL_BINS, bin_dwell(tokens.dwell_s[:, 0]))
    listed = torch.stack([torch.log1p(wanted), (wanted == 0).float()], 1)
    attributes = torch.from_numpy(np.asarray(tokens.attributes))
    embedded = nn.functional.embedding_bag(attributes, network.attribute_in.weight, mode="sum")
    embedded += prompt.stops[torch.from_numpy(stop)]
    embedded += network.dwell_in.weight[torch.from_numpy(dwell)]
    return embedded + network.list_in(listed)


@torch.no_grad()
def decode_step(
    network: GPT2Pointer, embedded: Tensor, step: int, prompt: LayoutPrompt, memory: JourneyMemory | None
) -> tuple[Tensor, JourneyMemory]:
    """Read one more journey token per shopper.

    Parameters
    ----------
    network
        In evaluation mode.
    embedded
        The token of each shopper, shape (n, width); `step` is its number, 0 at the door.
    prompt, memory
        The layout, and what the step before returned (None at the door); it is written into.

    Returns
    -------
    hidden
        State after the token, shape (n, width).
    memory
        For the next step.
    """
    memory = memory or JourneyMemory.make(network, len(embedded))
    memory = memory.with_room_for(step + 1)
    hidden = torch.empty_like(embedded)  # in the order of the table
    hidden[memory.row] = embedded + network.gpt2.wpe.weight[step + 1]
    for rows in _split_rows(len(hidden), READ_AT_ONCE):
        seen = memory.table[:, :, rows, :, : step + 1]
        for block, stops in zip(prompt.blocks, seen, strict=True):
            _add_block(block, hidden[rows], stops)
    last = network.gpt2.ln_f
    return _normalise(hidden[memory.row], (last.weight, last.bias)), memory


def _split_rows(n: int, at_once: int) -> list[slice]:
    return [slice(start, start + at_once) for start in range(0, n, at_once)]


def _add_block(block: _Block, hidden: Tensor, stops: Tensor) -> None:
    """Take tokens (n, width) through a block, in place; `stops` is (2, n, n_heads, n_steps, head width)."""
    asked = torch.addmm(block.ask[1], _normalise(hidden, block.norms[0]), block.ask[0])
    weight, bias = block.answer
    hidden.addmm_(_attend(asked, block, stops), weight).add_(bias)
    risen = torch.addmm(block.rise[1], _normalise(hidden, block.norms[1]), block.rise[0])
    weight, bias = block.fall
    hidden.addmm_(_compute_gelu(risen), weight).add_(bias)


def _attend(asked: Tensor, block: _Block, stops: Tensor) -> Tensor:
    """Attend to the zones, which all share, and to one's own stops; the last of these is written here."""
    _, n, n_heads, n_steps, head_width = stops.shape
    query, *told = asked.view(n, 3, n_heads, head_width).unbind(1)
    keys, values = stops.unbind()
    keys[:, :, -1], values[:, :, -1] = told
    to_zones = torch.bmm(query.transpose(0, 1), block.zone_keys)  # (n_heads, n, n_zones)
    to_stops = torch.bmm(keys.flatten(0, 1), query.reshape(n * n_heads, head_width, 1))
    to_stops = to_stops.view(n, n_heads, n_steps)
    weights = torch.cat([to_zones.transpose(0, 1), to_stops], 2).softmax(2)
    n_zones = to_zones.shape[2]
    out = (weights[:, :, n_zones:, None] * values).sum(2)  # for so few steps faster than a product
    out += torch.bmm(weights[:, :, :n_zones].transpose(0, 1), block.zone_values).transpose(0, 1)
    return out.view(n, n_heads * head_width)


def _normalise(x: Tensor, weight_and_bias: tuple[Tensor, Tensor]) -> Tensor:
    return torch.layer_norm(x, x.shape[1:], *weight_and_bias)


def _compute_gelu(x: Tensor) -> Tensor:
    """GELU in the form with tanh, (1 + tanh y) / 2 written as the logistic of 2 y: half of torch's time."""
    y = x * x
    return y.mul_(_GELU_SLOPE * _GELU_BEND).add_(_GELU_SLOPE).mul_(x).sigmoid_().mul_(x)


@torch.no_grad()
def point(
    network: GPT2Pointer, hidden: Tensor, prompt: LayoutPrompt, relations: Tensor, leaving: Tensor
) -> Tensor:
    """Logits of the next zone, the last column leaving; the same function as `GPT2Pointer.point`."""
    gelu, out = nn.functional.gelu, network.relation_out
    to_zone = torch.addmm(out.bias, network.query(hidden), prompt.pointer_keys.T)
    context = network.relation_context(hidden)[:, None]
    for rows in _split_rows(len(hidden), POINT_AT_ONCE):
        weighed = (context[rows] + prompt.relation_offset).flatten(0, 1)  # (n * n_zones, n_relation)
        weighed.addmm_(relations[rows].flatten(0, 1), network.relation_in.weight.T)
        to_zone[rows] += (gelu(weighed) @ out.weight[0]).view(-1, to_zone.shape[1])
    to_leave = network.leave_out(gelu(network.leave_in(torch.cat([hidden, leaving], 1))))
    return torch.cat([to_zone, to_leave], 1)


@torch.no_grad()
def weigh_dwells(
    network: GPT2Pointer, hidden: Tensor, prompt: LayoutPrompt, zone: Tensor, n_wanted: Tensor
) -> Tensor:
    """Logits of the stop's length in the zones (n,) that were chosen; as `GPT2Pointer.dwell_logits`."""
    wanted = torch.log1p(n_wanted.float())[:, None] * network.dwell_wanted.weight[:, 0]
    return network.dwell_out(nn.functional.gelu(hidden + prompt.dwell_offset[zone] + wanted))
