"""The measurement layer."""

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementConfig, observe, save_observations
from analysis.io import load_observations
from layouts import ConfigError

CLEAN = MeasurementConfig(
    noise_sd_m=0.0, gaps_per_hour=0.0, outlier_share=0.0, truncated_share=0.0, unlinked_share=0.0
)


@pytest.fixture
def truth(observed, shopping_trip):
    walks = {f"s{number:03d}": shopping_trip for number in range(200)}
    return observed(walks, [(name, "JAM") for name in walks])


def measure(truth, tiny_store, config, seed=1):
    return observe(
        truth.tracks, truth.receipts, truth.sessions, tiny_store, np.random.default_rng(seed), config
    )


def errors(truth, seen):
    """Distance of each fix of the first session from the true line, per axis."""
    name = truth.sessions["session_id"].iloc[0]
    real = truth.tracks[truth.tracks["session_id"] == name]
    fixes = seen.tracks[seen.tracks["session_id"] == name]
    t0 = real["t"].iloc[0]
    at = [(table["t"] - t0).dt.total_seconds().to_numpy() for table in (real, fixes)]
    return np.stack([fixes[k].to_numpy() - np.interp(at[1], at[0], real[k].to_numpy()) for k in ("x", "y")])


def test_without_errors_the_fixes_lie_on_the_true_path(truth, tiny_store):
    assert np.abs(errors(truth, measure(truth, tiny_store, CLEAN))).max() < 0.01


def test_intervals_lie_in_their_range(truth, tiny_store):
    tracks = measure(truth, tiny_store, CLEAN).tracks
    step_s = tracks.groupby("session_id", observed=True)["t"].diff().dt.total_seconds().dropna()
    assert step_s.between(0.499, 2.001).all()
    assert step_s.mean() == pytest.approx(1.25, abs=0.02)


def test_noise_has_its_size_and_correlation(truth, tiny_store):
    config = MeasurementConfig(noise_sd_m=0.3, gaps_per_hour=0, outlier_share=0, truncated_share=0)
    one_long_stay = truth.tracks.assign(x=3.0, y=1.5)
    seen = observe(
        one_long_stay, truth.receipts, truth.sessions, tiny_store, np.random.default_rng(2), config
    ).tracks
    error = seen["x"].to_numpy() - 3.0
    assert error.std() == pytest.approx(0.3, abs=0.02)
    assert np.corrcoef(error[1:], error[:-1])[0, 1] == pytest.approx(0.6, abs=0.05)


def test_shares_are_about_as_asked(truth, tiny_store):
    seen = measure(truth, tiny_store, MeasurementConfig(unlinked_share=0.3, unknown_share=0.5))
    se = np.sqrt(0.25 / 200)
    assert (seen.receipts["session_id"] == "").mean() == pytest.approx(0.3, abs=4 * se)
    assert (seen.sessions["mission"] == "unknown").mean() == pytest.approx(0.5, abs=4 * se)


def test_gaps_and_lost_ends_leave_every_session_some_fixes(truth, tiny_store):
    harsh = MeasurementConfig(gaps_per_hour=400.0, truncated_share=1.0, max_lost_share=0.9)
    seen = measure(truth, tiny_store, harsh)
    n_fixes = seen.tracks["session_id"].value_counts()
    assert len(n_fixes) == 200
    assert n_fixes.min() >= 1
    assert len(seen.tracks) < 0.6 * len(measure(truth, tiny_store, CLEAN).tracks)


def test_the_same_seed_gives_the_same_data(truth, tiny_store):
    config = MeasurementConfig()
    pd.testing.assert_frame_equal(
        measure(truth, tiny_store, config).tracks, measure(truth, tiny_store, config).tracks
    )


def test_what_was_observed_can_be_written_and_read(truth, tiny_store, tmp_path):
    seen = measure(truth, tiny_store, MeasurementConfig())
    save_observations(seen, tmp_path)
    pd.testing.assert_frame_equal(load_observations(tmp_path, tiny_store).tracks, seen.tracks)


def test_numbers_about_sessions_stay_behind(truth, tiny_store):
    sessions = truth.sessions.assign(waiting_s=3.0)
    seen = observe(truth.tracks, truth.receipts, sessions, tiny_store, np.random.default_rng(1), CLEAN)
    assert seen.sessions.columns.tolist() == ["session_id", "mission"]


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="unlinked_share"):
        MeasurementConfig(unlinked_share=1.5)
