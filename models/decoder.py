"""One step of a GPT-2 pointer for many shoppers at once: the layout's keys and values are shared, not copied.

The same function as `GPT2Pointer.read_journeys` one token at a time (a test compares them); transformers'
cache would copy the prompt for every shopper and again at every step.

What a shopper decides does not depend on who decides beside it, not even in the last bit. A library may round
the sums of a matrix product otherwise when the matrix has more rows or fewer. So rows go through in **tiles**
of one size, the last one filled up with rows that nobody looks at, and every product is a batched product of
tiles: each tile's has the same shape and alignment, however many there are and whoever is in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.gpt2_pointer import N_DWELL_BINS, GPT2Pointer, JourneyTokens, bin_dwell

TILE = 16  # rows; 16 numbers of 4 bytes fill a cache line, so every tile is aligned in the same way
READ_AT_ONCE, POINT_AT_ONCE = 64 * TILE, 8 * TILE  # rows at a time, few enough for the processor's cache
FIRST_ROOM = 4  # steps that memory has room for at first; doubled when they are used up
_GELU_SLOPE = torch.tensor(2.0 * math.sqrt(2.0 / math.pi))
_GELU_BEND = 0.044715 * float(_GELU_SLOPE)


@dataclass(frozen=True, eq=False)
class JourneyMemory:
    """Keys and values of the journey tokens so far: it serves one continuation, which writes into it.

    Attributes
    ----------
    table
        Shape (n_layers, 2, rows of whole tiles, n_heads, room, head width), the rows in an order of its own.
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
        table = torch.empty(config.n_layer, 2, _fill_tiles(n), config.n_head, FIRST_ROOM, head_width)
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
        return JourneyMemory(self.table[:, :, : _fill_tiles(len(row))], row)

    def with_room_for(self, n_steps: int) -> JourneyMemory:
        """Return the same with room for so many steps at least."""
        *outer, room, head_width = self.table.shape
        if n_steps <= room:
            return self
        table = torch.empty(*outer, 2 * room, head_width)
        table[..., :room, :] = self.table
        return JourneyMemory(table, self.row)


class _Block(NamedTuple):
    """Weights of a block of GPT-2; pairs are weight (inputs, outputs) and bias."""

    norms: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
    ask: tuple[Tensor, Tensor]  # of query (already divided by the root of its width), key, value
    answer: tuple[Tensor, Tensor]
    rise: tuple[Tensor, Tensor]
    fall: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, block: Any, n_heads: int) -> _Block:
        attention, mlp = block.attn, block.mlp
        scale = torch.ones(attention.c_attn.bias.shape)
        width = len(scale) // 3
        scale[:width] = (width // n_heads) ** -0.5
        return cls(
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
        Keys (width, n_heads * n_zones) and values (n_heads * n_zones, width) of each layer: a block for each
        head on the diagonal, nothing beside it.
    blocks
        The weights of each layer, those of the network that read it.
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
    layers = tuple(
        (torch.block_diag(*layer.keys[0].transpose(1, 2)), torch.block_diag(*layer.values[0]))
        for layer in cache.layers
    )
    return LayoutPrompt(
        torch.cat([embedded, torch.zeros_like(embedded[:1])]),
        zones,
        layers,
        blocks=tuple(_Block.of(block, network.config.n_head) for block in network.gpt2.h),
        pointer_keys=network.key(zones) / network.config.n_embd**0.5,
        relation_offset=network.relation_zone(zones) + network.relation_in.bias,
        dwell_offset=network.dwell_zone(zones) + network.dwell_wanted.bias,
    )


@torch.no_grad()
def embed_step(network: GPT2Pointer, tokens: JourneyTokens, prompt: LayoutPrompt) -> Tensor:
    """Embed one token per shopper, shape (n, width); the same function as `GPT2Pointer.embed_journey`."""
    stop, n_wanted = tokens.zone[:, 0], tokens.n_wanted[:, 0].astype(np.float32)
    dwell = np.where(stop < 0, N_DWELL_BINS, bin_dwell(tokens.dwell_s[:, 0]))
    wanted = _fill_up(torch.from_numpy(n_wanted))
    listed = torch.stack([torch.log1p(wanted), (wanted == 0).float()], 1)
    attributes = torch.from_numpy(np.asarray(tokens.attributes))
    embedded = nn.functional.embedding_bag(attributes, network.attribute_in.weight, mode="sum")
    embedded += prompt.stops[torch.from_numpy(stop)]
    embedded += network.dwell_in.weight[torch.from_numpy(dwell)]
    return embedded.add_(_apply(network.list_in, listed)[: len(embedded)])


class Readers(NamedTuple):
    """Shoppers of one layout whose journeys are read on.

    Attributes
    ----------
    prompt
        The layout.
    embedded
        The next token of each shopper, shape (n, width).
    memory
        What the step before returned, None at the door; it is written into.
    """

    prompt: LayoutPrompt
    embedded: Tensor
    memory: JourneyMemory | None


@torch.no_grad()
def decode_step(
    network: GPT2Pointer, parties: Sequence[Readers], step: int
) -> list[tuple[Tensor, JourneyMemory]]:
    """Read one more journey token of every shopper, whatever their layouts, in one pass.

    Parameters
    ----------
    network
        In evaluation mode; all prompts are its own.
    parties
        One for each layout.
    step
        Number of the token, 0 at the door, the same for all.

    Returns
    -------
    answers
        For each party the state after the token, shape (n, width), and the memory for the next step.
    """
    memories = [
        (party.memory or JourneyMemory.make(network, len(party.embedded))).with_room_for(step + 1)
        for party in parties
    ]
    n_rows = [memory.table.shape[2] for memory in memories]
    starts = [0, *accumulate(n_rows)]
    hidden = torch.zeros(starts[-1], network.config.n_embd)  # party by party, in the order of their tables
    for party, memory, start in zip(parties, memories, starts, strict=False):
        hidden[memory.row + start] = party.embedded + network.gpt2.wpe.weight[step + 1]
    for first in range(0, len(hidden), READ_AT_ONCE):
        some = hidden[first : first + READ_AT_ONCE]
        seats = []
        for party, memory, start, n in zip(parties, memories, starts, n_rows, strict=False):
            low, high = max(first - start, 0), min(first - start + len(some), n)
            if low < high:
                stops = memory.table[:, :, low:high, :, : step + 1]
                seats.append(_Seats(slice(start + low - first, start + high - first), party.prompt, stops))
        for layer, block in enumerate(parties[0].prompt.blocks):
            _add_block(block, some, seats, layer)
    norm = network.gpt2.ln_f
    hidden = _normalise(hidden, (norm.weight, norm.bias))
    return [(hidden[memory.row + start], memory) for memory, start in zip(memories, starts, strict=False)]


class _Seats(NamedTuple):
    """Rows of a batch that are of one layout."""

    rows: slice
    prompt: LayoutPrompt
    stops: Tensor  # their keys and values, (n_layers, 2, n, n_heads, n_steps, head width)


def _add_block(block: _Block, hidden: Tensor, seats: Sequence[_Seats], layer: int) -> None:
    """Take tokens (n, width) through a block, in place."""
    asked = _project(_normalise(hidden, block.norms[0]), *block.ask)
    attended = [_attend(asked[rows], prompt.layers[layer], stops[layer]) for rows, prompt, stops in seats]
    weight, bias = block.answer
    _add_product(hidden, torch.cat(attended) if len(attended) > 1 else attended[0], weight)
    hidden.add_(bias)
    risen = _project(_normalise(hidden, block.norms[1]), *block.rise)
    weight, bias = block.fall
    _add_product(hidden, _compute_gelu(risen), weight)
    hidden.add_(bias)


def _attend(asked: Tensor, zones: tuple[Tensor, Tensor], stops: Tensor) -> Tensor:
    """Attend to the zones, which all share, and to one's own stops; the last of these is written here.

    `asked` is (n, 3 width), `stops` (2, n, n_heads, n_steps, head width), the result (n, width).
    """
    _, n, n_heads, n_steps, head_width = stops.shape
    query, *told = asked.view(n, 3, n_heads, head_width).unbind(1)
    keys, values = stops.unbind()
    keys[:, :, -1], values[:, :, -1] = told
    query = query.contiguous()
    to_zones = _project(query.view(n, -1), zones[0]).view(n, n_heads, -1)
    to_stops = torch.bmm(keys.flatten(0, 1), query.view(n * n_heads, head_width, 1))
    weights = torch.cat([to_zones, to_stops.view(n, n_heads, n_steps)], 2).softmax(2)
    n_zones = to_zones.shape[2]
    out = (weights[:, :, n_zones:, None] * values).sum(2)  # for so few steps faster than a product
    out = out.view(n, n_heads * head_width)
    _add_product(out, weights[:, :, :n_zones].reshape(n, -1), zones[1])
    return out


def _fill_tiles(n: int) -> int:
    """Rows of as many whole tiles as hold `n` rows."""
    return -(-n // TILE) * TILE


def _fill_up(rows: Tensor) -> Tensor:
    """Put rows of zeros behind, up to whole tiles."""
    n = len(rows)
    return torch.cat([rows, rows.new_zeros(_fill_tiles(n) - n, *rows.shape[1:])]) if n % TILE else rows


def _project(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Product of rows of whole tiles with a weight (inputs, outputs), tile by tile, plus a bias."""
    tiles = rows.unflatten(0, (-1, TILE))
    weights = weight.expand(len(tiles), *weight.shape)
    if bias is None:
        return torch.bmm(tiles, weights).flatten(0, 1)
    return torch.baddbmm(bias.expand(len(tiles), 1, len(bias)), tiles, weights).flatten(0, 1)


def _add_product(total: Tensor, rows: Tensor, weight: Tensor) -> None:
    """Add the product of rows of whole tiles with a weight to `total`, in place."""
    tiles = rows.unflatten(0, (-1, TILE))
    total.unflatten(0, (-1, TILE)).baddbmm_(tiles, weight.expand(len(tiles), *weight.shape))


def _apply(layer: nn.Linear, rows: Tensor) -> Tensor:
    """Apply a layer to rows of whole tiles."""
    return _project(rows, layer.weight.T.contiguous(), layer.bias)


def _normalise(x: Tensor, weight_and_bias: tuple[Tensor, Tensor]) -> Tensor:
    return torch.layer_norm(x, x.shape[1:], *weight_and_bias)


def _compute_gelu(x: Tensor) -> Tensor:
    """GELU in the form with tanh, (1 + tanh y) / 2 written as the logistic of 2 y: half of torch's time."""
    return torch.addcmul(_GELU_SLOPE, x, x, value=_GELU_BEND).mul_(x).sigmoid_().mul_(x)


@torch.no_grad()
def point(
    network: GPT2Pointer, hidden: Tensor, prompt: LayoutPrompt, relations: Tensor, leaving: Tensor
) -> Tensor:
    """Logits of the next zone, the last column leaving; the same function as `GPT2Pointer.point`."""
    gelu, out = nn.functional.gelu, network.relation_out
    n, n_zones, _ = relations.shape
    hidden, leaving = _fill_up(hidden), _fill_up(leaving)
    to_zone = _project(_apply(network.query, hidden), prompt.pointer_keys.T) + out.bias
    context = _apply(network.relation_context, hidden)[:, None]
    to_relation = network.relation_in.weight.T.contiguous()
    for start in range(0, n, POINT_AT_ONCE):
        rows = slice(start, start + POINT_AT_ONCE)
        seen = _fill_up(relations[rows]).flatten(0, 1)  # (n_rows * n_zones, n_relations)
        weighed = (context[rows] + prompt.relation_offset).flatten(0, 1)
        _add_product(weighed, seen, to_relation)
        to_zone[rows] += torch.mv(gelu(weighed), out.weight[0]).view(-1, n_zones)
    to_leave = _apply(network.leave_out, gelu(_apply(network.leave_in, torch.cat([hidden, leaving], 1))))
    return torch.cat([to_zone, to_leave], 1)[:n]


@torch.no_grad()
def weigh_dwells(
    network: GPT2Pointer, hidden: Tensor, prompt: LayoutPrompt, zone: Tensor, n_wanted: Tensor
) -> Tensor:
    """Logits of the stop's length in the zones (n,) that were chosen; as `GPT2Pointer.dwell_logits`."""
    wanted = torch.log1p(_fill_up(n_wanted).float())[:, None] * network.dwell_wanted.weight[:, 0]
    considered = _fill_up(hidden + prompt.dwell_offset[zone]) + wanted
    return _apply(network.dwell_out, nn.functional.gelu(considered))[: len(hidden)]
