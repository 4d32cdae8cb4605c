"""What an engine is: the seam between sampling and the three ways to do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.paper.grammar import Grammar


@dataclass(frozen=True, eq=False)
class SamplingTask:
    """Sequences to be gone on with, checked and made ready.

    Attributes
    ----------
    prompts
        Tokens given, one array per sequence, none empty.
    uniforms
        Shape (n, n_new): the luck of each new token.
    grammar
        What may follow.
    states
        State of the grammar after each prompt, shape (n,).
    limits
        Greatest length of each sequence, prompt included, shape (n,).
    temperature
        Divides the logits.
    """

    prompts: list[NDArray[np.int64]]
    uniforms: NDArray[np.float64]
    grammar: Grammar
    states: NDArray[np.int64]
    limits: NDArray[np.int64]
    temperature: float

    @property
    def n(self) -> int:
        """Number of sequences."""
        return len(self.prompts)

    def take(self, rows: slice) -> SamplingTask:
        """Return the task of these sequences alone."""
        return SamplingTask(
            self.prompts[rows],
            self.uniforms[rows],
            self.grammar,
            self.states[rows],
            self.limits[rows],
            self.temperature,
        )


class Engine(Protocol):
    """A network made ready for sampling; later changes of the network's weights are not noticed by all."""

    n_positions: int | None  # longest sequence it reads; None: any
    vocab_size: int
    eos_id: int

    def sample(self, task: SamplingTask) -> list[NDArray[np.int64]]:
        """Go on with each prompt until the end token or its limit; return prompt and rest."""
        ...

    def compute_logits(self, tokens: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Logits after each token of one sequence, shape (len(tokens), vocab_size)."""
        ...


def open_grammar(vocab_size: int, eos_id: int) -> Grammar:
    """Make the grammar that allows every token everywhere."""
    return Grammar(
        state_of_token=np.full(vocab_size, -1),
        allowed_offsets=np.array([0, vocab_size]),
        allowed_tokens=np.arange(vocab_size),
        start_state=0,
        eos_id=eos_id,
    )
