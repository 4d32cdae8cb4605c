"""Nobody stands in a shelf, nobody walks through one; corners may be cut between two seconds."""

import numpy as np
import pandas as pd

from analysis import FloorChecks, check_floor, find_crossings, find_off_floor


def test_off_the_floor_is_in_a_fixture_or_outside(tiny_store):
    xy = np.array([[1.0, 1.0], [3.0, 2.5], [7.0, 1.0], [6.0, 1.0]])
    assert find_off_floor(xy, tiny_store).tolist() == [False, True, True, False]  # an edge is floor


def test_through_the_gondola_is_a_crossing_and_along_it_is_none(tiny_store):
    start = np.array([[3.0, 1.75], [2.2, 1.75], [3.0, 1.75]])
    end = np.array([[3.0, 3.25], [3.8, 1.75], [3.0, 1.75]])
    assert find_crossings(start, end, tiny_store).tolist() == [True, False, False]


def test_a_corner_may_be_cut_between_two_seconds(tiny_store):
    start, end = np.array([[1.75, 2.2]]), np.array([[2.3, 1.75]])  # around the gondola's corner at (2, 2)
    assert not find_crossings(start, end, tiny_store)[0]
    assert find_crossings(np.array([[1.75, 2.5]]), np.array([[4.75, 2.5]]), tiny_store)[0]  # lengthwise


def test_moves_are_counted_within_sessions_only(tiny_store):
    positions = pd.DataFrame(
        {
            "session_id": ["a", "a", "a", "b", "b"],
            "x": [3.0, 3.0, 3.0, 3.0, 3.0],
            "y": [1.75, 1.75, 3.25, 1.75, 2.5],
        }
    )
    checks = check_floor(positions, tiny_store)
    assert checks == FloorChecks(n_positions=5, n_off_floor=1, n_steps=2, n_crossings=checks.n_crossings)
    assert checks.n_crossings >= 1
    assert (checks + checks).n_steps == 4
    assert (checks.off_floor_share, FloorChecks(0, 0, 0, 0).crossing_share) == (0.2, 0.0)


def test_everything_is_off_the_floor_of_an_empty_table(tiny_store):
    empty = pd.DataFrame({"session_id": [], "x": [], "y": []})
    assert check_floor(empty, tiny_store) == FloorChecks(0, 0, 0, 0)
