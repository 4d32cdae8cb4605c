"""The checks of soundness must be able to fail."""

from dataclasses import replace

import pandas as pd

from benchmarks.invariants import check_positions, count_stops_elsewhere
from benchmarks.soundness import count_lifts, count_unlike, rename_zones


def track(*xy: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame({"session_id": "s", "x": [x for x, _ in xy], "y": [y for _, y in xy]})


def test_positions_in_a_fixture_and_off_the_floor_are_counted(tiny_store):
    checks = check_positions(tiny_store, track((1.0, 2.0), (3.0, 2.5), (2.0, 2.5), (-0.1, 1.0)))
    assert checks["seconds not in a fixture"] == (4, 1)  # the second; its edge is not inside
    assert checks["seconds on the floor"] == (4, 1)


def test_a_purchase_away_from_its_zone_is_counted(tiny_store):
    picks = pd.DataFrame(
        {"session_id": "s", "zone_id": ["south", "north"], "t_s": [0.5, 1.5], "dwell_s": [1.0, 1.0]}
    )
    tracks = track((0.5, 0.5), (3.0, 1.5), (3.0, 1.5))
    assert count_stops_elsewhere(tiny_store, tracks, picks) == (2, 1)


def test_files_that_differ_or_are_missing_are_counted():
    assert count_unlike({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == (3, 2)


def test_only_exactly_zero_lifts_pass():
    lift = {"mean": 0.0, "ci95": [0.0, 0.0]}
    assert count_lifts([{"lift": {"profit": lift, "items": lift | {"mean": 1e-12}}}]) == (2, 1)


def test_renamed_zones_change_the_content_but_not_the_arrays(tiny_store, tmp_path):
    twin = rename_zones(tiny_store, tmp_path / "twin")
    assert twin.content_hash != replace(tiny_store, name=twin.name).content_hash
    assert (twin.stands == tiny_store.stands).all()
