"""Sample sequences from a language model: checks, and the choice of the engine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from layouts import ConfigError
from models.decoding.engines import Engine, SamplingTask, open_grammar
from models.decoding.loop import LoopEngine
from models.decoding.native import NativeEngine, is_native_available
from models.paper.grammar import Grammar

logger = logging.getLogger(__name__)

ENGINES = ("auto", "native", "torch", "transformers")


def make_engine(network: nn.Module, engine: str = "auto", *, precision: str = "auto") -> Engine:
    """Make a network ready for sampling; worth keeping where one network samples often.

    Parameters
    ----------
    network
        GPT-2 or LSTM of `models.paper.network`, in evaluation mode.
    engine
        `native` (GPT-2 alone), `torch`, `transformers` (GPT-2 alone), or `auto`: `native` where it can be
        had, else `torch`.
    precision
        Of `native`, see `NativeEngine`: `float32`, `bfloat16`, `float16`, or `auto`: the fastest that the
        processor has. The others compute in the network's own precision.

    Raises
    ------
    ConfigError
        If there is no such engine, or it cannot run this network here.
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine {engine!r}: unknown; known are {', '.join(ENGINES)}")
    if engine == "native" or (engine == "auto" and is_native_available(network)):
        return NativeEngine(network, precision=precision)
    return LoopEngine(network, "torch" if engine == "auto" else engine)


def sample_sequences(
    network: nn.Module,
    prompts: Sequence[NDArray[np.integer[Any]]],
    uniforms: NDArray[np.floating[Any]],
    grammar: Grammar | None = None,
    *,
    max_tokens: int,
    temperature: float = 1.0,
    engine: str | Engine = "auto",
) -> list[NDArray[np.int64]]:
    """Go on with prompts, token by token, each drawn from the network's distribution over what is allowed.

    Parameters
    ----------
    network
        GPT-2 or LSTM of `models.paper.network`, in evaluation mode.
    prompts
        Token ids given, at least one each; their lengths may differ.
    uniforms
        Luck of each new token in [0, 1), shape (n, max_tokens) or wider: the inverse of the cumulated
        probabilities, tokens in order of their ids, is taken there.
    grammar
        What may follow; None: every token.
    max_tokens
        Most tokens to be added to a prompt. A sequence also ends where the network can read no further.
    temperature
        Divides the logits; 1 samples what was learned.
    engine
        Name, see `make_engine`, or an engine made of this network before.

    Returns
    -------
    sequences
        One array each: the prompt, then what was sampled, with the end token if it came to it. With `native`
        a sequence depends on its own prompt and luck alone, to the byte; with the others up to rounding.

    Raises
    ------
    ConfigError
        If a prompt, the luck, the grammar or a setting cannot be used.
    """
    ready = make_engine(network, engine) if isinstance(engine, str) else engine
    rules = grammar or open_grammar(ready.vocab_size, ready.eos_id)
    given = [np.asarray(prompt, dtype=np.int64) for prompt in prompts]
    luck = np.ascontiguousarray(uniforms, dtype=np.float64)
    _check(ready, given, luck, rules, max_tokens, temperature)
    limits = np.array([len(prompt) for prompt in given], dtype=np.int64) + max_tokens
    if ready.n_positions is not None:
        limits = np.minimum(limits, ready.n_positions + 1)  # the last token is written, not read
    states = np.array([rules.trace_states(prompt)[-1] for prompt in given], dtype=np.int64)
    return ready.sample(SamplingTask(given, luck, rules, states, limits, temperature))


def _check(
    engine: Engine,
    prompts: list[NDArray[np.int64]],
    uniforms: NDArray[np.float64],
    grammar: Grammar,
    max_tokens: int,
    temperature: float,
) -> None:
    if max_tokens < 1 or not temperature > 0.0:
        raise ConfigError(
            f"max_tokens must be at least 1 and temperature above 0, got {max_tokens} and {temperature}"
        )
    if uniforms.ndim != 2 or len(uniforms) != len(prompts) or uniforms.shape[1] < max_tokens:
        raise ConfigError(f"uniforms must be ({len(prompts)}, {max_tokens}), got {uniforms.shape}")
    if len(prompts) and not 0.0 <= uniforms.min() <= uniforms.max() <= 1.0:
        raise ConfigError("uniforms must be from 0 to 1")
    if grammar.n_tokens != engine.vocab_size:
        raise ConfigError(
            f"the grammar speaks of {grammar.n_tokens} tokens, the network of {engine.vocab_size}; "
            "make both with one tokenizer"
        )
    longest = engine.n_positions or max(map(len, prompts), default=0)
    for row, prompt in enumerate(prompts):
        if not 1 <= len(prompt) <= longest:
            raise ConfigError(f"prompt {row} has {len(prompt)} tokens; must have from 1 to {longest}")
        if not 0 <= prompt.min() <= prompt.max() < engine.vocab_size:
            raise ConfigError(f"prompt {row}: tokens must be from 0 to {engine.vocab_size - 1}")
