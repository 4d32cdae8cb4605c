"""Zone entries, zone KPIs, occupancy."""

import numpy as np
import pandas as pd
import pytest

from analysis import compute_occupancy, compute_zone_entries, compute_zone_kpis, find_zones


def seconds(session_id, points):
    xy = np.repeat([point[:2] for point in points], [point[2] for point in points], axis=0)
    return pd.DataFrame({"session_id": session_id, "t_s": np.arange(len(xy)), "x": xy[:, 0], "y": xy[:, 1]})


@pytest.fixture
def positions():
    """`a` passes south in 3 s, stays 10 s at north, 9 s at south; `b` passes south in 2 s."""
    a = seconds("a", [(0.5, 0.5, 2), (3, 1.5, 3), (5.8, 1.5, 2), (3, 3.5, 10), (3, 1.5, 9)])
    b = seconds("b", [(3, 1.5, 2), (5.8, 1.5, 4)])
    return pd.concat([a, b], ignore_index=True)


def test_points_find_their_zone(tiny_store):
    names = [zone.zone_id for zone in tiny_store.zones]
    found = find_zones(np.array([[3.0, 1.5], [5.0, 2.5], [1.5, 0.5], [3.0, 2.5], [-4.0, 99.0]]), tiny_store)
    assert [names[zone] if zone >= 0 else None for zone in found] == ["south", "end", None, None, None]


def test_tiles_and_a_look_at_each_point_agree(tiny_store):
    xy = np.random.default_rng(6).uniform((0, 0), (6, 5), (3000, 2))
    for index, zone in enumerate(tiny_store.zones):
        x0, y0, x1, y1 = zone.polygon.bounds
        inside = (xy[:, 0] > x0) & (xy[:, 0] < x1) & (xy[:, 1] > y0) & (xy[:, 1] < y1)
        np.testing.assert_array_equal(find_zones(xy, tiny_store) == index, inside)


def test_entries_are_runs_of_seconds_in_one_zone(positions, tiny_store):
    entries = compute_zone_entries(positions, tiny_store)
    rows = list(entries[["session_id", "zone_id", "t_s", "dwell_s"]].itertuples(index=False, name=None))
    assert rows == [
        ("a", "door", 0, 2),
        ("a", "south", 2, 3),
        ("a", "north", 7, 10),
        ("a", "south", 17, 9),
        ("b", "south", 0, 2),
    ]


def test_a_missing_second_ends_an_entry(tiny_store):
    entries = compute_zone_entries(seconds("a", [(3, 1.5, 9)]).drop(index=4), tiny_store)
    assert entries["dwell_s"].tolist() == [4, 4]


def test_kpis_by_hand(positions, tiny_store):
    picks = pd.DataFrame(
        {"session_id": ["a", "a"], "zone_id": ["north", "south"], "qty": [2, 1], "margin": [0.8, 0.6]}
    )
    entries = compute_zone_entries(positions, tiny_store)
    kpis = compute_zone_kpis(entries, picks, tiny_store, n_sessions=4).set_index("zone_id")
    south = kpis.loc["south"]
    assert south.to_dict() == pytest.approx(
        {
            "reach": 2 / 4,
            "stop_rate": 1 / 3,
            "engage_dwell_s": 9.0,
            "visits": 3 / 4,
            "purchases": 1 / 4,
            "conversion": 1 / 2,
            "profit": 0.6 / 4,
        }
    )
    assert kpis.loc["north", "profit"] == pytest.approx(1.6 / 4)
    assert kpis.loc["cold", ["reach", "visits", "purchases", "profit"]].tolist() == [0, 0, 0, 0]
    assert kpis.loc["cold", ["stop_rate", "engage_dwell_s", "conversion"]].isna().all()
    assert kpis.index.tolist() == [zone.zone_id for zone in tiny_store.zones]


def test_kpis_without_any_purchase(positions, tiny_store):
    picks = pd.DataFrame({"session_id": [], "zone_id": [], "qty": [], "margin": []})
    kpis = compute_zone_kpis(compute_zone_entries(positions, tiny_store), picks, tiny_store, n_sessions=2)
    assert kpis["profit"].tolist() == [0.0] * tiny_store.n_zones


def test_occupancy_counts_every_second_once(positions, tiny_store):
    occupancy_s = compute_occupancy(positions, tiny_store)
    assert occupancy_s.shape == (tiny_store.grid.n_cells,)
    assert occupancy_s.sum() == len(positions)
    assert occupancy_s[tiny_store.grid.nearest(np.array([[3.0, 3.5]]))[0]] <= 10
    assert occupancy_s.max() == 14  # the seconds at south
