"""A shopper decides the same, to the last bit, whoever decides beside it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layouts import bundled_store
from models import LEAVE, DecisionDraws, LayoutPolicy, view_layout
from tests.models.test_layout_policy import draw_luck, draw_states, rows_of
from tests.models.worlds import CODER, make_network

N = 1100  # more than go through at a time
N_STEPS = 6  # more than the memory has room for at first
POLICY = LayoutPolicy(make_network(n_layer=3, n_embd=96, n_relation=48), CODER)
VIEW = view_layout(bundled_store("corner-shop"))


def shop(rows, leave_at):
    """Zones and dwells of these shoppers, in their order; (n, N_STEPS), 0 once they have left."""
    zones, dwells = (np.zeros((len(rows), N_STEPS)) for _ in range(2))
    memory, place, dwell = None, np.full(len(rows), VIEW.entrance), np.zeros(len(rows))
    here = np.arange(len(rows))
    for step in range(N_STEPS):
        stays = np.flatnonzero(leave_at[rows[here]] > step)
        if len(stays) < len(here):
            memory, here = memory.take(stays) if memory is not None else None, here[stays]
        if not len(here):
            break
        who = rows[here]
        states = rows_of(draw_states(VIEW, N, n_stops=step, seed=step), who, memory)
        luck = draw_luck(VIEW, N, seed=step)
        decisions = POLICY.decide(
            replace(states, place=place[here], last_dwell_s=dwell[here]),
            VIEW,
            DecisionDraws(next_zone=luck.next_zone[who], dwell=luck.dwell[who]),
        )
        zones[here, step], dwells[here, step], memory = decisions.zone, decisions.dwell_s, decisions.memory
        place[here] = np.where(decisions.zone == LEAVE, place[here], decisions.zone)
        dwell[here] = decisions.dwell_s
    return zones, dwells


LEAVE_AT = np.random.default_rng(1).integers(1, N_STEPS + 1, N)


@pytest.fixture(scope="module")
def all_together():
    return shop(np.arange(N), LEAVE_AT)


@settings(max_examples=25, deadline=None)
@given(n=st.sampled_from([1, 2, 7, 15, 16, 17, 100, 300, 1050]), seed=st.integers(0, 2**32 - 1))
def test_the_same_alone_and_in_any_company(all_together, n, seed):
    rows = np.random.default_rng(seed).permutation(N)[:n]
    zones, dwells = shop(rows, LEAVE_AT)
    assert np.array_equal(zones, all_together[0][rows])
    assert np.array_equal(dwells, all_together[1][rows])


def test_decisions_differ_between_shoppers(all_together):
    zones, dwells = all_together
    assert len(np.unique(dwells[:, 0])) > N / 2
    assert len(np.unique(zones)) > VIEW.n_zones / 2
