import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layouts import ConfigError
from models.paper.grammar import Grammar

# Two cells (tokens 2, 3) behind a door; 1 is a purchase, only in the second cell; 0 ends, only in the first.
DOOR, FIRST, SECOND = range(3)
TWO_CELLS = {
    "state_of_token": np.array([-1, -1, FIRST, SECOND, DOOR]),
    "allowed_offsets": np.array([0, 1, 4, 6]),
    "allowed_tokens": np.array([2, 0, 2, 3, 1, 2]),
    "start_state": DOOR,
    "eos_id": 0,
}


def test_states_follow_the_cells_and_stay_at_purchases():
    grammar = Grammar(**TWO_CELLS)
    assert grammar.trace_states(np.array([2, 3, 1, 1, 2, 0])).tolist() == [0, 1, 2, 2, 2, 1, 1]


def test_what_is_not_allowed_where_it_stands_is_told():
    grammar = Grammar(**TWO_CELLS)
    assert grammar.check_tokens(np.array([2, 3, 1, 2, 0])).all()
    assert grammar.check_tokens(np.array([2, 1, 3, 0])).tolist() == [True, False, True, False]
    assert grammar.check_tokens(np.array([], dtype=int)).shape == (0,)


@given(st.lists(st.integers(0, 4), max_size=12))
def test_check_equals_a_look_at_each_state(tokens):
    grammar = Grammar(**TWO_CELLS)
    state, expected = DOOR, []
    for token in tokens:
        expected.append(token in grammar.get_allowed(state))
        state = state if grammar.state_of_token[token] < 0 else grammar.state_of_token[token]
    assert grammar.check_tokens(np.array(tokens, dtype=int)).tolist() == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"allowed_offsets": np.array([0, 1, 1, 6])}, "state 1 allows no token"),
        ({"allowed_offsets": np.array([0, 1, 4, 5])}, "must rise from 0 to 6"),
        ({"allowed_tokens": np.array([2, 2, 0, 3, 1, 2])}, "rise within each state"),
        ({"allowed_tokens": np.array([2, 0, 2, 3, 1, 9])}, "from 0 to 4"),
        ({"state_of_token": np.array([-1, -1, 1, 7, 0])}, "state_of_token"),
        ({"start_state": 3}, "start_state"),
        ({"eos_id": -1}, "eos_id"),
    ],
)
def test_a_grammar_that_cannot_be_is_refused(change, reason):
    with pytest.raises(ConfigError, match=reason):
        Grammar(**TWO_CELLS | change)
