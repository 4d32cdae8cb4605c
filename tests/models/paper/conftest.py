import numpy as np
import pytest

from models.paper.grammar import Grammar

N_CELLS = 12  # on a ring: cell i is token 2 + i; token 0 ends, 1 is a purchase


@pytest.fixture(scope="session")
def ring():
    """From the door (token 14) to cell 0; then to a neighbour or stay, buy in even cells, end in cell 0."""
    allowed = [[2]]
    for cell in range(N_CELLS):
        near = {2 + (cell - 1) % N_CELLS, 2 + cell, 2 + (cell + 1) % N_CELLS}
        allowed.append(sorted(near | ({1} if cell % 2 == 0 else set()) | ({0} if cell == 0 else set())))
    return Grammar(
        state_of_token=np.array([-1, -1, *range(1, N_CELLS + 1), 0]),
        allowed_offsets=np.cumsum([0, *map(len, allowed)]),
        allowed_tokens=np.concatenate(allowed),
        start_state=0,
        eos_id=0,
    )


@pytest.fixture(scope="session")
def walks(ring):
    """400 walks from the door round the ring and out, mostly clockwise."""
    rng = np.random.default_rng(0)
    return [walk(ring, rng) for _ in range(400)]


def walk(ring, rng):
    tokens, cell = [ring.n_tokens - 1, 2], 0
    while len(tokens) < 60:
        if rng.random() < 0.3 and cell % 2 == 0:
            tokens.append(1)
        elif cell == 0 and rng.random() < 0.4:
            break
        else:
            cell = (cell + (1 if rng.random() < 0.9 else -1)) % N_CELLS
            tokens.append(2 + cell)
    return np.array([*tokens, 0])
