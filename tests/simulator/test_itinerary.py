"""Tables that cannot happen are refused with what, where and what would be right."""

import numpy as np
import pytest

from layouts import ModelError, Store
from simulator import Luck, Population, check_itineraries, draw_scripted_itineraries
from tests.simulator.scripted import make_itineraries


def test_offsets_baskets_and_owners_by_hand() -> None:
    plans = make_itineraries(
        4, [(0, 0, 0, 5), (0, 1, 0, 5), (2, 1, 0, 5)], [(0, 3, 2), (1, 4, 1), (1, 3, 1), (2, 0, 5)]
    )
    assert plans.stop_offsets.tolist() == [0, 2, 2, 3, 3]
    assert plans.pick_shopper.tolist() == [0, 0, 0, 2]
    assert plans.n_items.tolist() == [4, 0, 5, 0]


@pytest.mark.parametrize(
    ("stops", "picks", "message"),
    [
        ([(1, 0, 0, 5), (0, 0, 0, 5)], [], "stop_shopper: must be sorted"),
        ([(9, 0, 0, 5)], [], r"lie in 0 \.\. 2"),
        ([(0, 0, 0, -5)], [], "stop_dwell_s: must be finite and at least 0"),
        ([(0, 0, 0, 5)], [(1, 0, 1)], "pick_stop"),
        ([(0, 0, 0, 5)], [(0, 0, 0)], "pick_qty: must be at least 1"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(stops: list, picks: list, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make_itineraries(3, stops, picks)


def test_a_pick_where_the_sku_does_not_stand_is_refused(tiny_store: Store) -> None:
    cold, bread = tiny_store.zone_index["cold"], tiny_store.sku_index["BREAD"]
    with pytest.raises(ModelError, match="'BREAD' does not stand in zone 'cold'"):
        check_itineraries(make_itineraries(1, [(0, cold, 0, 5)], [(0, bread, 1)]), tiny_store)


def test_a_place_that_does_not_exist_is_refused(tiny_store: Store) -> None:
    with pytest.raises(ModelError, match=r"stop_cell: must lie in 0 \.\. \d+ in store 'tiny'"):
        check_itineraries(make_itineraries(1, [(0, 0, 10_000, 5)], []), tiny_store)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"arrival_s": np.zeros(2)}, r"arrival_s: shape \(2,\), must be \(3,\)"),
        ({"arrival_s": np.full(3, -1.0)}, "arrival_s: must be finite and at least 0"),
        ({"speed_mps": np.zeros(3)}, "speed_mps: must be finite and above 0"),
        ({"door_s": np.full(3, -1.0)}, "door_s: must be finite and at least 0"),
        ({"attributes": {"age_band": np.array(["18-25"])}}, "age_band"),
    ],
)
def test_an_impossible_population_is_refused(columns: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Population(**{"n": 3, "arrival_s": np.zeros(3), "speed_mps": np.ones(3), **columns})


def test_scripted_itineraries_fit_their_store_and_have_the_mean_asked_for(tiny_store: Store) -> None:
    plans = draw_scripted_itineraries(tiny_store, 4000, Luck(2), mean_stops=3)
    check_itineraries(plans, tiny_store)
    n_stops = np.diff(plans.stop_offsets)
    assert abs(n_stops.mean() - 3) < 4 * np.sqrt(12 / 4000)  # geometric: variance m (m + 1)
    assert (n_stops == 0).any()
    assert len(np.unique(plans.pick_sku)) == tiny_store.n_skus
