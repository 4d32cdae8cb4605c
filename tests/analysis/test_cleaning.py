"""Raw fixes to clean positions."""

import numpy as np
import pandas as pd
import pytest
import shapely

from analysis import CleaningConfig, clean_tracks, compute_session_spans, move_to_walkable
from layouts import ConfigError, ObservationError


@pytest.fixture
def tracks(observed, shopping_trip):
    return observed({"s": shopping_trip}).tracks


def true_positions(tracks):
    return tracks[["x", "y"]].to_numpy()


def test_a_true_track_stays_where_it_is(tracks, tiny_store):
    positions = clean_tracks(tracks, tiny_store)
    off_m = np.hypot(*(positions[["x", "y"]].to_numpy() - true_positions(tracks)).T)
    assert positions["t_s"].tolist() == list(range(len(tracks)))
    assert off_m.max() < 0.6  # corners are cut a little
    assert np.median(off_m) < 0.05


def test_noise_shrinks(tracks, tiny_store):
    rng = np.random.default_rng(1)
    noisy = tracks.assign(x=tracks["x"] + rng.normal(0, 0.3, len(tracks)), y=tracks["y"])
    error = clean_tracks(noisy, tiny_store)["x"].to_numpy() - tracks["x"].to_numpy()
    assert error.std() < 0.2


def test_a_jump_is_removed(tracks, tiny_store):
    jumped = tracks.copy()
    jumped.loc[12, ["x", "y"]] = [9.0, 9.0]
    off_m = np.hypot(*(clean_tracks(jumped, tiny_store)[["x", "y"]].to_numpy() - true_positions(tracks)).T)
    assert off_m[9:16].max() < 0.3


def test_a_short_gap_is_filled_and_a_long_one_is_not(observed, tiny_store):
    walk = observed({"s": [(0.5, 0.5, 5.0), (5.5, 0.5, 5.0), (5.5, 4.5, 5.0), (0.5, 4.2, 5.0)]}).tracks
    short = clean_tracks(walk.drop(index=range(7, 10)), tiny_store)
    assert len(short) == len(walk)
    long = clean_tracks(walk.drop(index=range(6, 20)), tiny_store)
    assert set(range(len(walk))) - set(long["t_s"]) == set(range(6, 20))


def test_a_long_gap_of_somebody_who_stands_still_is_filled(observed, tiny_store):
    walk = observed({"s": [(0.5, 0.5, 2.0), (3.0, 1.5, 60.0), (5.5, 0.5, 2.0)]}).tracks
    positions = clean_tracks(walk.drop(index=range(15, 45)), tiny_store)
    assert len(positions) == len(walk)


def test_positions_in_fixtures_or_off_the_floor_become_walkable(tiny_store):
    moved = move_to_walkable(np.array([[3.0, 2.1], [-1.0, 1.0], [1.0, 1.03]]), tiny_store)
    assert shapely.contains_xy(tiny_store.walkable, *moved.T).all()
    assert moved[0, 1] < 2.0  # out of the face that it was nearest to
    assert moved[2].tolist() == [1.0, 1.03]


def test_irregular_fixes_missing_positions_and_sessions_side_by_side(observed, shopping_trip, tiny_store):
    tracks = observed({"b": shopping_trip, "a": shopping_trip}).tracks
    rng = np.random.default_rng(2)
    shifted = tracks.assign(t=tracks["t"] + pd.to_timedelta(rng.integers(0, 400, len(tracks)), unit="ms"))
    shifted.loc[20, "x"] = np.nan
    positions = clean_tracks(shifted, tiny_store)
    assert positions["session_id"].drop_duplicates().tolist() == ["b", "a"]
    assert (positions.groupby("session_id", observed=True)["t_s"].diff().dropna() == 1).all()
    assert positions[["x", "y"]].notna().all(axis=None)


def test_a_session_cut_short_is_not_complete(observed, shopping_trip, tiny_store):
    tracks = observed({"whole": shopping_trip, "cut": shopping_trip[:-2], "late": shopping_trip}).tracks
    late = tracks.index[tracks["session_id"] == "late"]
    tracks = tracks.drop(index=late[:25])
    config = CleaningConfig(door_radius_m=1.5)
    spans = compute_session_spans(tracks, clean_tracks(tracks, tiny_store, config), tiny_store, config)
    assert spans["session_id"].tolist() == ["whole", "cut", "late"]
    assert spans["is_complete"].tolist() == [True, False, False]
    assert spans["entry_ts"].iloc[0] == tracks["t"].iloc[0]
    assert spans["duration_s"].iloc[0] == len(late) - 1


def test_settings_must_be_positive():
    with pytest.raises(ConfigError, match="smoothing_s must be positive"):
        CleaningConfig(smoothing_s=0.0)


def test_tracks_without_any_position_are_refused(tracks, tiny_store):
    with pytest.raises(ObservationError, match="no usable position"):
        clean_tracks(tracks.assign(x=np.nan), tiny_store)
