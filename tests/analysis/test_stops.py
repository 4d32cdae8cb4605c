"""Where people stood."""

import itertools

import numpy as np
import pytest

from analysis import StopConfig, detect_stops
from analysis.stops import compute_speeds, decode_zones


def find(tiny_store, observed, stays, noise=0.0, **options):
    tracks = observed({"s": stays}).tracks
    xy = tracks[["x", "y"]].to_numpy() + np.random.default_rng(3).normal(0, noise, (len(tracks), 2))
    n = len(tracks)
    stops = detect_stops(np.zeros(n, dtype="int64"), np.arange(n), xy, tiny_store, **options)
    names = [zone.zone_id for zone in tiny_store.zones]
    return stops, [names[zone] for zone in stops.zone if zone >= 0]


def test_three_pauses_give_three_stops_with_their_zones_and_dwells(tiny_store, observed, shopping_trip):
    stops, zones = find(tiny_store, observed, shopping_trip)
    assert zones == ["south", "end", "north"]
    np.testing.assert_allclose(stops.dwell_s[stops.zone >= 0], [20, 15, 12], atol=2)


def test_waiting_at_door_and_till_is_nowhere(tiny_store, observed, shopping_trip):
    stops, _ = find(tiny_store, observed, shopping_trip)
    assert stops.zone[0] == -1
    assert stops.zone[-1] == -1
    assert stops.dwell_s[-1] == pytest.approx(30, abs=3)


def test_walking_through_is_no_stop(tiny_store, observed):
    _, zones = find(tiny_store, observed, [(0.25, 1.5, 0.0), (5.9, 1.5, 0.0)])
    assert zones == []


def test_a_purchase_decides_between_two_zones_at_their_common_border(tiny_store, observed):
    stays = [(1.0, 1.0, 0.0), (1.0, 4.0, 0.0), (3.0, 3.98, 15.0), (1.0, 4.0, 0.0), (1.0, 1.0, 0.0)]
    for wanted in ("north", "cold"):
        bought = np.zeros((1, tiny_store.n_zones), dtype=bool)
        bought[0, tiny_store.zone_index[wanted]] = True
        assert find(tiny_store, observed, stays, noise=0.1, bought=bought)[1] == [wanted]


def test_a_purchase_cannot_move_a_stop_across_the_store(tiny_store, observed, shopping_trip):
    bought = np.zeros((1, tiny_store.n_zones), dtype=bool)
    bought[0, tiny_store.zone_index["cold"]] = True
    assert find(tiny_store, observed, shopping_trip[:2], bought=bought)[1] == ["south"]


def test_speeds_stop_at_session_ends_and_gaps():
    session = np.array([0, 0, 0, 1, 1, 1])
    t_s = np.array([0, 1, 2, 0, 1, 9])
    xy = np.array([[0.0, 0], [1, 0], [2, 0], [50, 0], [52, 0], [99, 0]])
    np.testing.assert_allclose(compute_speeds(session, t_s, xy), [1, 1, 1, 2, 2, 0])


def test_decoding_finds_the_best_of_all_paths():
    rng = np.random.default_rng(4)
    log_likelihood = rng.normal(0, 1.5, (11, 3)).astype("float32")
    starts = np.array([0, 5, 7])  # runs of 5, 2 and 4 seconds
    bonus = rng.normal(0, 1, (3, 3)).astype("float32")

    def score(run, states):
        value = bonus[run, states[0]] + log_likelihood[starts[run], states[0]]
        for k in range(1, len(states)):
            if states[k] != states[k - 1]:
                value += bonus[run, states[k]] - 1.0
            value += log_likelihood[starts[run] + k, states[k]]
        return value

    found = decode_zones(log_likelihood, starts, bonus, switch_cost=1.0)
    for run, (begin, end) in enumerate(itertools.pairwise([0, 5, 7, 11])):
        best = max(score(run, path) for path in itertools.product(range(3), repeat=end - begin))
        assert score(run, found[begin:end]) == pytest.approx(best, abs=1e-4)


def test_nobody_standing_gives_no_stops(tiny_store):
    xy = np.column_stack([np.linspace(0.5, 5.5, 6), np.full(6, 1.5)])
    stops = detect_stops(np.zeros(6, dtype="int64"), np.arange(6), xy, tiny_store, config=StopConfig())
    assert len(stops.zone) == 0
