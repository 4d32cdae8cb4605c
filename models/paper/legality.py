"""Which words may follow where: nobody leaves the floor, crosses a shelf or takes what is out of reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from layouts import CellCodes, ModelError, Store
from models.paper.grammar import Grammar
from models.paper.reach import find_homes
from models.paper.tokenizer import JourneyTokenizer
from models.paper.tracks import find_near_cells
from models.paper.words import TextEncoding, buy_word


def build_grammar(store: Store, tokenizer: JourneyTokenizer, encoding: TextEncoding) -> Grammar:
    """Say what may follow in a store; state `c` is standing in walkable cell `c`, the last state is the door.

    From a cell one goes on to every cell within `encoding.step_m` of walking, the cell itself included
    (`fix`), or to the cells one legal step away, and can wait (`time`). Purchases are of categories that
    stand in a zone within `encoding.reach_m` of walking. A journey begins within `encoding.door_m` of an
    entrance and can end within as much of a till or an exit. No one is trapped: every step can be undone.

    Parameters
    ----------
    store
        The layout to walk in; it need not be the one of the training data.
    tokenizer
        Must have each walkable cell as one token, as `build_tokenizer` sees to.
    encoding
        Form of the text.

    Raises
    ------
    ModelError
        If a cell is not one token, or no journey could begin.
    """
    codes = CellCodes.of(store.grid).all_codes
    token_of_cell = np.array([tokenizer.find_id(str(code)) for code in codes], dtype=np.int64)
    if (token_of_cell < 0).any():
        n_missing = int((token_of_cell < 0).sum())
        raise ModelError(
            f"{n_missing} of the {len(codes)} cells of {store.name!r} are no tokens, the first is "
            f"{codes[token_of_cell < 0][0]}; train a tokenizer with this store's cells"
        )
    pairs = [_find_steps(store, encoding, token_of_cell), _find_purchases(store, tokenizer, encoding)]
    start = store.grid.n_cells
    begin = _find_near(store, [door.xy for door in store.entrances], encoding.door_m)
    if not len(begin):
        raise ModelError(f"{store.name!r}: no cell within {encoding.door_m} m of an entrance")
    pairs.append(_cross(np.array([start]), token_of_cell[begin]))
    waits = np.array([tokenizer.find_id(word) for word in encoding.wait_words], dtype=np.int64)
    pairs.append(_cross(np.arange(start), waits[waits >= 0]))
    ways_out = [*(till.xy for till in store.checkouts), *(door.xy for door in store.exits)]
    end = _find_near(store, ways_out, encoding.door_m)
    pairs.append(_cross(end, np.array([tokenizer.eos_id])))
    state, token = np.unique(np.concatenate(pairs, axis=1), axis=1)  # sorted by state, then token
    state_of_token = np.full(tokenizer.n_tokens, -1, dtype=np.int64)
    state_of_token[token_of_cell] = np.arange(start)
    state_of_token[tokenizer.door_id] = start
    return Grammar(
        state_of_token=state_of_token,
        allowed_offsets=np.searchsorted(state, np.arange(start + 2)),
        allowed_tokens=token,
        start_state=start,
        eos_id=tokenizer.eos_id,
    )


def measure_legality(
    grammar: Grammar, sequences: Sequence[NDArray[np.integer[Any]]], door_id: int
) -> dict[str, float]:
    """Measure how much of what was observed the grammar can write.

    Parameters
    ----------
    grammar
        What may follow.
    sequences
        Token ids of journeys, prompts included; what stands before the door is not counted.

    Returns
    -------
    shares
        `sequences`: share of journeys that are legal throughout; `tokens`: share of tokens that are legal
        where they stand; `mean_allowed`, `max_allowed`: sizes of the sets of allowed tokens where they stand.
    """
    n_legal, n_tokens, n_whole = 0, 0, 0
    sizes = np.diff(grammar.allowed_offsets)
    allowed, largest = 0, 0
    for sequence in sequences:
        journey = np.asarray(sequence)[int(np.argmax(np.asarray(sequence) == door_id)) + 1 :]
        is_legal = grammar.check_tokens(journey)
        here = sizes[grammar.trace_states(journey)[:-1]]
        n_legal, n_tokens = n_legal + int(is_legal.sum()), n_tokens + len(journey)
        n_whole += bool(is_legal.all())
        allowed, largest = allowed + int(here.sum()), max(largest, int(here.max(initial=0)))
    return {
        "sequences": n_whole / max(len(sequences), 1),
        "tokens": n_legal / max(n_tokens, 1),
        "mean_allowed": allowed / max(n_tokens, 1),
        "max_allowed": float(largest),
    }


def _find_steps(store: Store, encoding: TextEncoding, token_of_cell: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every cell with the token of every cell that may follow it, shape (2, n)."""
    if encoding.kind == "fix":
        near = find_near_cells(store.grid, encoding.step_m)
    else:
        near = csr_array(store.grid.lattice.steps)
    state = np.repeat(np.arange(store.grid.n_cells), np.diff(near.indptr))
    return np.stack([state, token_of_cell[near.indices]])


def _find_purchases(store: Store, tokenizer: JourneyTokenizer, encoding: TextEncoding) -> NDArray[np.int64]:
    """Every cell with the token of every category that can be taken there, shape (2, n)."""
    buys = np.array([tokenizer.find_id(buy_word(category)) for category in store.categories], dtype=np.int64)
    cell, category = np.nonzero((find_homes(store, encoding.reach_m) >= 0) & (buys >= 0))
    return np.stack([cell, buys[category]])


def _find_near(store: Store, points: list[tuple[float, float]], limit_m: float) -> NDArray[np.int64]:
    """Cells whose centres are near a point, as the crow flies."""
    places = np.array(points, dtype=np.float64).reshape(-1, 2)
    apart_m = np.hypot(*(store.grid.xy[:, None] - places[None]).transpose(2, 0, 1))
    return np.flatnonzero(apart_m.min(axis=1, initial=np.inf) <= limit_m)


def _cross(states: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every state with every token, shape (2, n)."""
    return np.stack([np.repeat(states, len(tokens)), np.tile(tokens, len(states))])
