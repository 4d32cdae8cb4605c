"""What may follow what in a journey of tokens, as plain arrays: sampling under it never leaves the floor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layouts import ConfigError

IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Grammar:
    """A state machine over tokens; a state is the cell where the shopper stands, or the door.

    Attributes
    ----------
    state_of_token
        State entered by each token, shape (n_tokens,); -1: the state stays (a purchase, a wait).
    allowed_offsets, allowed_tokens
        Token ids that may follow in each state, sorted within it: those of state `s` are
        `allowed_tokens[allowed_offsets[s]:allowed_offsets[s + 1]]`, at least one.
    start_state
        State before the first token.
    eos_id
        Token that ends a journey.

    Notes
    -----
    What only stands in prompts (attributes, the door) need not be allowed anywhere: prompts are followed, not
    checked.
    """

    state_of_token: IntArray
    allowed_offsets: IntArray
    allowed_tokens: IntArray
    start_state: int
    eos_id: int

    def __post_init__(self) -> None:
        faults = self._find_faults()
        if faults:
            raise ConfigError("grammar: " + "; ".join(faults))

    def _find_faults(self) -> list[str]:
        offsets, tokens = self.allowed_offsets, self.allowed_tokens
        sizes = np.diff(offsets)
        if len(sizes) == 0 or offsets[0] != 0 or offsets[-1] != len(tokens) or (sizes < 0).any():
            return [f"allowed_offsets must rise from 0 to {len(tokens)}, the number of allowed tokens"]
        faults = []
        if (sizes == 0).any():
            faults.append(f"state {int(np.argmin(sizes))} allows no token; every state must allow one")
        if len(tokens) and not 0 <= tokens.min() <= tokens.max() < self.n_tokens:
            faults.append(f"allowed_tokens must be from 0 to {self.n_tokens - 1}")
        rises = np.diff(tokens) > 0
        rises[offsets[1:-1][(offsets[1:-1] > 0) & (offsets[1:-1] < len(tokens))] - 1] = True
        if not rises.all():
            faults.append("allowed_tokens must rise within each state")
        if not -1 <= self.state_of_token.min() <= self.state_of_token.max() < self.n_states:
            faults.append(f"state_of_token must be from -1 to {self.n_states - 1}")
        if not 0 <= self.start_state < self.n_states:
            faults.append(f"start_state must be from 0 to {self.n_states - 1}, got {self.start_state}")
        if not 0 <= self.eos_id < self.n_tokens:
            faults.append(f"eos_id must be from 0 to {self.n_tokens - 1}, got {self.eos_id}")
        return faults

    @property
    def n_states(self) -> int:
        """Number of states."""
        return len(self.allowed_offsets) - 1

    @property
    def n_tokens(self) -> int:
        """Size of the vocabulary."""
        return len(self.state_of_token)

    def get_allowed(self, state: int) -> IntArray:
        """Token ids that may follow in a state, sorted."""
        return self.allowed_tokens[self.allowed_offsets[state] : self.allowed_offsets[state + 1]]

    def trace_states(self, tokens: IntArray) -> IntArray:
        """State before each token and after the last, shape (len(tokens) + 1,), from `start_state` on."""
        entered = np.concatenate(
            [[self.start_state], self.state_of_token[np.asarray(tokens, dtype=np.int64)]]
        )
        last_entered = np.maximum.accumulate(np.where(entered >= 0, np.arange(len(entered)), 0))
        return entered[last_entered]

    def check_tokens(self, tokens: IntArray) -> NDArray[np.bool_]:
        """Tell for each token of a journey, the prompt included, whether it was allowed where it stands."""
        pair = self.trace_states(tokens)[:-1] * self.n_tokens + tokens
        found = np.minimum(np.searchsorted(self._allowed_pairs, pair), len(self._allowed_pairs) - 1)
        return self._allowed_pairs[found] == pair

    @cached_property
    def _allowed_pairs(self) -> NDArray[np.int64]:
        """Every state with every token allowed there as one rising number."""
        state = np.repeat(np.arange(self.n_states), np.diff(self.allowed_offsets))
        return state * self.n_tokens + self.allowed_tokens
