"""Sampling in a Python loop over torch: without a compiler, for the LSTM, and as the reference for tests.

All sequences of a batch stand at the same position: prompts are read token by token like the rest.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from layouts import ConfigError
from models.decoding.engines import SamplingTask
from models.paper.network import LSTMLanguageModel

BATCH = 64


class Stepper(Protocol):
    """A network that reads one more token per row, and remembers."""

    def step(self, tokens: Tensor) -> Tensor:
        """Read tokens (n,); return the states (n, width) to which `lm_head` applies, or logits."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Forget all rows but these."""
        ...


class LoopEngine:
    """Samples with torch (`kind` "torch") or by transformers' own forward pass ("transformers")."""

    def __init__(self, network: nn.Module, kind: str) -> None:
        is_lstm = isinstance(network, LSTMLanguageModel)
        if is_lstm and kind != "torch":
            raise ConfigError(f"engine {kind!r} cannot run an LSTM; take 'torch' or 'auto'")
        self.network, self.kind = network, kind
        self.vocab_size, self.eos_id = network.config.vocab_size, network.config.eos_token_id
        self.n_positions: int | None = None if is_lstm else network.config.n_positions

    def _open(self, n: int, n_positions: int) -> Stepper:
        if isinstance(self.network, LSTMLanguageModel):
            return _LSTMStepper(self.network)
        if self.kind == "transformers":
            return _TransformersStepper(self.network)
        return _GPT2Stepper(self.network, n, n_positions)

    @torch.no_grad()
    def compute_logits(self, tokens: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Logits after each token of one sequence, shape (len(tokens), vocab_size)."""
        stepper = self._open(1, len(tokens))
        device = next(self.network.parameters()).device
        read = torch.from_numpy(np.asarray(tokens, dtype=np.int64)).to(device)
        states = [stepper.step(token[None]) for token in read]
        return self._apply_head(torch.cat(states)).float().cpu().numpy()

    def _apply_head(self, states: Tensor) -> Tensor:
        return states if self.kind == "transformers" else self.network.lm_head(states)

    @torch.no_grad()
    def sample(self, task: SamplingTask) -> list[NDArray[np.int64]]:
        """Go on with each prompt until the end token or its limit."""
        starts = range(0, task.n, BATCH)
        return [sequence for at in starts for sequence in self._sample(task.take(slice(at, at + BATCH)))]

    def _sample(self, task: SamplingTask) -> list[NDArray[np.int64]]:
        grammar, n_prompt = task.grammar, np.array([len(prompt) for prompt in task.prompts])
        allowed = _Allowed(self, task)
        tokens = np.zeros((task.n, int(task.limits.max(initial=1))), dtype=np.int64)
        for row, prompt in enumerate(task.prompts):
            tokens[row, : len(prompt)] = prompt
        length, states = n_prompt.copy(), task.states.copy()
        stepper = self._open(task.n, tokens.shape[1])
        running = np.arange(task.n)
        done = length >= task.limits
        for position in range(tokens.shape[1]):
            left = ~done[running]
            if not left.all():
                running = running[left]
                stepper.keep(torch.from_numpy(np.flatnonzero(left)))
            if len(running) == 0:
                break
            hidden = stepper.step(allowed.to_device(tokens[running, position]))
            writes = np.flatnonzero(length[running] == position + 1)
            rows = running[writes]
            if len(rows) == 0:
                continue
            luck = task.uniforms[rows, position + 1 - n_prompt[rows]]
            token = allowed.draw(hidden[torch.from_numpy(writes)], states[rows], luck)
            tokens[rows, position + 1] = token
            length[rows] += 1
            entered = grammar.state_of_token[token]
            states[rows] = np.where(entered >= 0, entered, states[rows])
            done[rows] = (token == grammar.eos_id) | (length[rows] >= task.limits[rows])
        return [row[:n] for row, n in zip(tokens, length, strict=True)]


class _Allowed:
    """Draws among the allowed tokens of each state, padded to the most that any state allows."""

    def __init__(self, engine: LoopEngine, task: SamplingTask) -> None:
        grammar = task.grammar
        self.engine, self.temperature = engine, task.temperature
        self.n_allowed = np.diff(grammar.allowed_offsets)
        rank = np.arange(self.n_allowed.max())
        index = np.minimum(grammar.allowed_offsets[:-1, None] + rank, len(grammar.allowed_tokens) - 1)
        self.tokens = grammar.allowed_tokens[index]  # (n_states, most)
        self.device = next(engine.network.parameters()).device

    def to_device(self, array: NDArray[np.integer[Any]]) -> Tensor:
        return torch.from_numpy(np.asarray(array, dtype=np.int64)).to(self.device)

    def draw(
        self, hidden: Tensor, states: NDArray[np.integer[Any]], u: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        tokens = self.tokens[states]
        logits = self._score(hidden, self.to_device(tokens)).double().cpu().numpy() / self.temperature
        logits[np.arange(tokens.shape[1]) >= self.n_allowed[states, None]] = -np.inf
        cdf = np.cumsum(np.exp(logits - logits.max(axis=1, keepdims=True)), axis=1)
        rank = (cdf <= u[:, None] * cdf[:, -1:]).sum(axis=1)
        return tokens[np.arange(len(tokens)), np.minimum(rank, self.n_allowed[states] - 1)]

    def _score(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Logits of the given tokens, (n, most): of them alone if they are few."""
        head = getattr(self.engine.network, "lm_head", None)
        weight = getattr(head, "weight", None)
        if self.engine.kind == "transformers" or weight is None or 8 * tokens.shape[1] > len(weight):
            return self.engine._apply_head(hidden).gather(1, tokens)
        return torch.bmm(weight[tokens], hidden[..., None])[..., 0]


class _GPT2Stepper:
    """GPT-2 with keys and values in place, (n_layers, n, n_heads, n_positions, head width)."""

    def __init__(self, network: nn.Module, n: int, n_positions: int) -> None:
        config = network.config
        self.gpt2, self.n_heads = network.transformer, config.n_head
        shape = (config.n_layer, n, config.n_head, n_positions, config.n_embd // config.n_head)
        weight = self.gpt2.wte.weight
        self.keys = torch.zeros(shape, dtype=weight.dtype, device=weight.device)
        self.values = torch.zeros_like(self.keys)
        self.position = 0

    def step(self, tokens: Tensor) -> Tensor:
        hidden = self.gpt2.wte(tokens) + self.gpt2.wpe.weight[self.position]
        for layer, block in enumerate(self.gpt2.h):
            hidden = hidden + self._attend(layer, block.attn, block.ln_1(hidden))
            hidden = hidden + block.mlp(block.ln_2(hidden))
        self.position += 1
        return self.gpt2.ln_f(hidden)

    def _attend(self, layer: int, attention: Any, x: Tensor) -> Tensor:
        n, width = x.shape
        query, key, value = attention.c_attn(x).view(n, 3, self.n_heads, -1).unbind(1)
        self.keys[layer, :, :, self.position] = key
        self.values[layer, :, :, self.position] = value
        keys, values = (of[layer, :, :, : self.position + 1] for of in (self.keys, self.values))
        scores = torch.matmul(keys, query[..., None])[..., 0] / query.shape[-1] ** 0.5
        out = torch.matmul(scores.softmax(-1)[..., None, :], values)[..., 0, :]
        return attention.c_proj(out.reshape(n, width))

    def keep(self, rows: Tensor) -> None:
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]


class _TransformersStepper:
    """The library's own forward pass and cache; gives logits."""

    def __init__(self, network: nn.Module) -> None:
        from transformers import DynamicCache

        self.network, self.cache = network, DynamicCache(config=network.config)

    def step(self, tokens: Tensor) -> Tensor:
        return self.network(tokens[:, None], past_key_values=self.cache, use_cache=True).logits[:, 0]

    def keep(self, rows: Tensor) -> None:
        if self.cache.get_seq_length():
            self.cache.batch_select_indices(rows)


class _LSTMStepper:
    """The LSTM with its memory, (n_layers, n, n_hidden) twice."""

    def __init__(self, network: LSTMLanguageModel) -> None:
        self.network = network
        self.memory: tuple[Tensor, Tensor] | None = None

    def step(self, tokens: Tensor) -> Tensor:
        hidden, self.memory = self.network.read(tokens[:, None], self.memory)
        return hidden[:, 0]

    def keep(self, rows: Tensor) -> None:
        if self.memory is not None:
            self.memory = (self.memory[0][:, rows].contiguous(), self.memory[1][:, rows].contiguous())
