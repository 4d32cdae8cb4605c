"""Stops out of journeys of cells: where somebody stays or takes something, and the way in between."""

import numpy as np
import pytest

from layouts import bundled_store
from models.paper.reading import CellVisits
from models.paper.stops import cut_at_tills, find_stops
from models.paper.words import TextEncoding

FIX = TextEncoding(kind="fix", interval_s=5)


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


def write_visits(shop, journeys, picks=(), stay_s=None):
    """Journeys as lists of cells; picks as (row, category)."""
    cell = np.concatenate([np.asarray(journey, dtype=np.int64) for journey in journeys])
    first = np.concatenate([[0], np.cumsum([len(journey) for journey in journeys])])
    rows, categories = zip(*picks, strict=True) if picks else ((), ())
    return CellVisits(
        first=first,
        cell=cell,
        xy=shop.grid.xy[cell],
        t_s=np.zeros(len(cell)),
        stay_s=np.zeros(len(cell)) if stay_s is None else np.asarray(stay_s, dtype=float),
        end_s=np.zeros(len(journeys)),
        pick_row=np.array(rows, dtype=np.int64),
        pick_category=np.array(categories, dtype=np.int64),
    )


def stocked_zones(shop):
    """Zones with goods, a cell in each and a category that stands there."""
    zones = [z for z in range(shop.n_zones) if shop.stands[z].any() and shop.zones[z].zone_type == "aisle"]
    cells = [int(shop.walks.zone_cells[z][0]) for z in zones]
    categories = [int(shop.sku_category[np.flatnonzero(shop.stands[z])[0]]) for z in zones]
    return zones, cells, categories


def test_staying_is_a_stop_and_passing_is_a_way(shop):
    zones, cells, _ = stocked_zones(shop)
    a, b, c = cells[0], cells[-1], cells[len(cells) // 2]
    stops = find_stops(write_visits(shop, [[a, b, b, b, c]]), shop, FIX)
    assert stops.zone.tolist() == [zones[-1]]
    assert stops.dwell_s.tolist() == [15.0]
    assert stops.get_ways(np.array([0, 1])).tolist() == [[a, b], [c, -1]]


def test_taking_something_is_a_stop_however_short(shop):
    _, cells, categories = stocked_zones(shop)
    visits = write_visits(shop, [[cells[0], cells[-1]]], picks=[(1, categories[-1]), (1, categories[-1])])
    stops = find_stops(visits, shop, FIX)
    assert stops.n_stops == 1
    assert shop.stands[stops.zone[0]][shop.sku_category == categories[-1]].any()
    assert stops.lines[0, categories[-1]] == 2
    assert stops.lines.sum() == 2
    assert stops.dwell_s.tolist() == [2.5]


def test_no_receipt_line_within_reach_is_lost(shop):
    """What is taken where it can be reached is in the lines of some stop of the same journey."""
    rng = np.random.default_rng(0)
    _, cells, categories = stocked_zones(shop)
    journeys, picks, n_rows = [], [], 0
    for _ in range(50):
        at = rng.integers(0, len(cells), rng.integers(1, 12))
        journeys.append([cells[i] for i in at])
        picks += [(n_rows + k, categories[i]) for k, i in enumerate(at) if rng.random() < 0.5]
        n_rows += len(at)
    stops = find_stops(write_visits(shop, journeys, picks), shop, FIX)
    assert stops.lines.sum() == len(picks)
    owner = np.searchsorted(np.cumsum([len(j) for j in journeys]), [row for row, _ in picks], side="right")
    per_journey = np.add.reduceat(np.append(stops.lines.sum(axis=1), 0), stops.first[:-1])
    per_journey[np.diff(stops.first) == 0] = 0
    assert np.array_equal(per_journey, np.bincount(owner, minlength=50))


def test_a_journey_without_a_stop_still_has_its_way(shop):
    _, cells, _ = stocked_zones(shop)
    stops = find_stops(write_visits(shop, [[cells[0], cells[-1]], []]), shop, FIX)
    assert stops.first.tolist() == [0, 0, 0]
    assert stops.get_ways(np.array([0, 1])).tolist() == [[cells[0], cells[-1]], [-1, -1]]


def test_journeys_do_not_run_into_each_other(shop):
    _, cells, _ = stocked_zones(shop)
    stops = find_stops(write_visits(shop, [[cells[0]], [cells[0]]]), shop, FIX)
    assert stops.n_stops == 0  # one fix each, though the same cell follows itself in the arrays


def test_waits_of_the_time_encoding_are_stops(shop):
    zones, cells, _ = stocked_zones(shop)
    encoding = TextEncoding(kind="time")
    stops = find_stops(write_visits(shop, [[cells[0], cells[-1]]], stay_s=[0.0, 9.0]), shop, encoding)
    assert (stops.zone.tolist(), stops.dwell_s.tolist()) == ([zones[-1]], [9.0])


def test_what_is_written_after_the_till_is_left_to_the_simulator(shop):
    _, cells, categories = stocked_zones(shop)
    till = int(shop.walks.place_cell[shop.walks.checkout_places][0])
    journeys = [[till, cells[0], till, till, cells[-1]], [cells[0], cells[-1]]]
    visits = cut_at_tills(write_visits(shop, journeys, picks=[(1, categories[0]), (6, categories[-1])]), shop)
    assert visits.cell.tolist() == [till, cells[0], till, cells[0], cells[-1]]
    assert visits.first.tolist() == [0, 3, 5]
    assert visits.pick_row.tolist() == [1, 4]
