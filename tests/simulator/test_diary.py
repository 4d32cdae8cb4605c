import numpy as np
import pytest

from simulator import Luck
from simulator.diary import Diary

KEYS = np.array([11, 22, 33, 44, 55], dtype=np.uint64)


def write_out_of_order(diary):
    """Shopper 1 stops first, then 0 and 1 together, then 0 again; shopper 2 never."""
    a = diary.add_stops(np.array([1]), np.array([3]), np.array([5.0]))
    b = diary.add_stops(np.array([0, 1]), np.array([2, 4]), np.array([6.0, 7.0]))
    c = diary.add_stops(np.array([0]), np.array([1]), np.array([8.0]))
    diary.add_picks(np.array([b[0], b[1]]), np.array([5, 1]), np.array([1, 2]), is_planned=True)
    diary.add_picks(c, np.array([0]), np.array([3]), is_planned=False)
    diary.add_picks(a, np.array([4]), np.array([1]), is_planned=False)
    diary.add_picks(b[:1], np.array([2]), np.array([1]), is_planned=False)
    return a, b, c


def test_stops_are_numbered_as_written():
    a, b, c = write_out_of_order(Diary())
    assert (a.tolist(), b.tolist(), c.tolist()) == ([0], [1, 2], [3])


def test_entries_are_sorted_by_shopper_and_keep_their_order(tiny_store):
    diary = Diary()
    write_out_of_order(diary)
    plans = diary.to_itineraries(tiny_store, KEYS, np.array([0, 2, 1]), Luck(0))
    assert plans.stop_shopper.tolist() == [0, 0, 1, 1]
    assert plans.stop_zone.tolist() == [2, 1, 3, 4]
    assert plans.stop_dwell_s.tolist() == [6.0, 8.0, 5.0, 7.0]
    assert plans.pick_stop.tolist() == [0, 0, 1, 2, 3]
    assert plans.pick_sku.tolist() == [2, 5, 0, 4, 1]  # by SKU within a stop
    assert plans.pick_qty.tolist() == [1, 1, 3, 1, 2]
    assert plans.pick_planned.tolist() == [False, True, False, False, True]
    assert plans.missed.tolist() == [0, 2, 1]
    assert plans.n_shoppers == 3


def test_an_empty_diary_is_a_cohort_that_stops_nowhere(tiny_store):
    plans = Diary().to_itineraries(tiny_store, KEYS, np.zeros(4, dtype=np.int64), Luck(0))
    assert (plans.n_shoppers, plans.n_stops, plans.n_picks) == (4, 0, 0)


def stand(tiny_store, zone, *, keys=KEYS, seed=0, n=1):
    """Cells on which `n` shoppers stand who stop in `zone` once each."""
    diary = Diary()
    diary.add_stops(np.arange(n), np.full(n, zone), np.ones(n))
    return diary.to_itineraries(tiny_store, keys, np.zeros(n, dtype=np.int64), Luck(seed)).stop_cell


def test_cells_lie_in_the_zone_and_all_of_them_are_used(tiny_store):
    for zone in range(tiny_store.n_zones):
        cells = stand(tiny_store, zone, n=800)
        assert set(cells.tolist()) == set(tiny_store.walks.zone_cells[zone].tolist())
        counts = np.unique(cells, return_counts=True)[1]
        expected = 800 / len(counts)
        assert counts == pytest.approx(expected, abs=5 * np.sqrt(expected))


def test_the_cell_follows_what_the_zone_offers(tiny_store):
    """Another index for the same offer, the same luck; another offer, another cell for most."""
    before = stand(tiny_store, 1, n=100)
    assert np.array_equal(before, stand(tiny_store, 1, n=100))
    other = KEYS.copy()
    other[[0, 2, 3, 4]] = 7, 8, 9, 10
    assert np.array_equal(before, stand(tiny_store, 1, keys=other, n=100))
    other[1] = 6
    assert not np.array_equal(before, stand(tiny_store, 1, keys=other, n=100))


def test_the_same_zone_twice_is_two_draws(tiny_store):
    diary = Diary()
    shoppers = np.arange(200)
    for _ in range(2):
        diary.add_stops(shoppers, np.full(200, 1), np.ones(200))
    plans = diary.to_itineraries(tiny_store, KEYS, np.zeros(200, dtype=np.int64), Luck(0))
    first, second = plans.stop_cell[::2], plans.stop_cell[1::2]
    assert 0 < (first == second).mean() < 0.7
