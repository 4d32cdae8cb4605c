"""What a tracking system does is found again in what it handed over."""

import numpy as np
import pandas as pd
import pytest

from analysis import MeasurementConfig, clean_tracks, estimate_measurement, observe
from tests.analysis.conftest import DOOR, EXIT, TILL, make_receipts, make_tracks

TRIP = [
    DOOR,
    (3.0, 1.5, 60.0),
    (5.0, 2.5, 40.0),
    (4.3, 3.5, 0.0),
    (3.0, 3.4, 50.0),
    (5.0, 3.4, 0.0),
    TILL,
    EXIT,
]


@pytest.fixture(scope="module")
def true_days():
    names = [f"s{i:03d}" for i in range(250)]
    tracks = make_tracks(dict.fromkeys(names, TRIP))
    sessions = pd.DataFrame({"session_id": names, "mission": "quick"})
    return tracks, make_receipts([(name, "JAM") for name in names]), sessions


@pytest.mark.parametrize(
    "config",
    [
        MeasurementConfig(),
        MeasurementConfig(
            noise_sd_m=0.15, noise_correlation=0.2, min_interval_s=1.0, max_interval_s=1.0, outlier_share=0.02
        ),
        MeasurementConfig(noise_sd_m=0.2, gaps_per_hour=40.0, min_gap_s=8.0, unlinked_share=0.4),
    ],
)
def test_what_was_done_is_found_again(tiny_store, true_days, config):
    seen = observe(*true_days, tiny_store, np.random.default_rng(1), config)
    found = estimate_measurement(seen, clean_tracks(seen.tracks, tiny_store), tiny_store)
    assert found.noise_sd_m == pytest.approx(config.noise_sd_m, rel=0.2)
    assert found.noise_correlation == pytest.approx(config.noise_correlation, abs=0.15)
    assert found.min_interval_s == pytest.approx(config.min_interval_s, abs=0.1)
    assert found.max_interval_s == pytest.approx(config.max_interval_s, abs=0.1)
    assert found.gaps_per_hour == pytest.approx(config.gaps_per_hour, rel=0.35)
    assert found.unlinked_share == pytest.approx(config.unlinked_share, abs=0.08)
    assert found.outlier_share == pytest.approx(config.outlier_share, rel=0.35)
    assert found.unknown_share == 0.0


def test_of_a_single_fix_nothing_is_learned(tiny_store, true_days):
    tracks, receipts, sessions = true_days
    one = tracks[tracks["session_id"] == "s000"].iloc[:1].assign(session_id=pd.Categorical(["s000"]))
    seen = observe(tracks.iloc[:2], receipts, sessions, tiny_store, np.random.default_rng(0))
    seen = type(seen)(tracks=one, receipts=receipts, sessions=sessions.iloc[:1])
    found = estimate_measurement(seen, clean_tracks(one, tiny_store), tiny_store)
    assert found == MeasurementConfig()
