"""One step of a GPT-2 pointer for many shoppers at once: the layout's keys and values are shared, not copied.

The same function as `GPT2Pointer.read_journeys` one token at a time (a test compares them); transformers'
cache would copy the prompt for every shopper and again at every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.gpt2_pointer import GPT2Pointer


@dataclass(frozen=True, eq=False)
class JourneyMemory:
    """Keys and values of the journey tokens so far: per layer (n, n_heads, n_steps, head width)."""

    layers: tuple[tuple[Tensor, Tensor], ...]

    def take(self, rows: NDArray[np.integer[Any]]) -> JourneyMemory:
        """Return the memory of these rows alone."""
        index = torch.from_numpy(np.asarray(rows, dtype=np.int64))
        return JourneyMemory(tuple((keys[index], values[index]) for keys, values in self.layers))


@dataclass(frozen=True, eq=False)
class LayoutPrompt:
    """A layout that a network has read: zone embeddings, zone states, and keys and values per layer."""

    embedded: Tensor
    zones: Tensor
    layers: tuple[tuple[Tensor, Tensor], ...]


@torch.no_grad()
def read_prompt(network: GPT2Pointer, zone_features: NDArray[np.float32]) -> LayoutPrompt:
    """Let the network read a layout, once for all shoppers."""
    embedded = network.embed_zones(torch.from_numpy(zone_features))
    zones, cache = network.read_layout(embedded)
    return LayoutPrompt(embedded, zones, tuple((layer.keys[0], layer.values[0]) for layer in cache.layers))


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
        The layout, and what the step before returned (None at the door).

    Returns
    -------
    hidden
        State after the token, shape (n, width).
    memory
        For the next step.
    """
    gpt2 = network.gpt2
    hidden = embedded + gpt2.wpe.weight[step + 1]
    layers = []
    for index, block in enumerate(gpt2.h):
        past = memory.layers[index] if memory is not None else None
        attended, present = _attend(block.attn, block.ln_1(hidden), prompt.layers[index], past)
        hidden = hidden + attended
        hidden = hidden + block.mlp(block.ln_2(hidden))
        layers.append(present)
    return gpt2.ln_f(hidden), JourneyMemory(tuple(layers))


def _attend(
    attention: Any, x: Tensor, prompt: tuple[Tensor, Tensor], past: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    n, width = x.shape
    n_heads = attention.num_heads
    query, key, value = attention.c_attn(x).view(n, 3, n_heads, width // n_heads).unbind(1)
    keys, values = key[:, :, None], value[:, :, None]
    if past is not None:
        keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
    prompt_keys, prompt_values = prompt  # (n_heads, n_zones, head width)
    to_zones = torch.matmul(query.transpose(0, 1), prompt_keys.transpose(1, 2))  # (n_heads, n, n_zones)
    to_stops = torch.matmul(keys, query[..., None])[..., 0]  # (n, n_heads, n_steps)
    scores = torch.cat([to_zones.transpose(0, 1), to_stops], 2) / (width // n_heads) ** 0.5
    weights = scores.softmax(-1)
    n_zones = prompt_keys.shape[1]
    out = torch.matmul(weights[..., :n_zones].transpose(0, 1), prompt_values).transpose(0, 1)
    out = out + torch.matmul(weights[..., None, n_zones:], values)[..., 0, :]
    return attention.c_proj(out.reshape(n, width)), (keys, values)
