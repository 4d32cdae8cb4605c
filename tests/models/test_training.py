import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from analysis import clean_tracks, observe
from layouts import ConfigError, ObservationError
from models import PRESETS, build_reference_model, fit_model
from models.store_profile import estimate_empty_share, fit_door_pause
from scenarios.monte_carlo import RunConfig, simulate_replication
from tests.models.worlds import plan


@pytest.fixture(scope="module")
def observations(corner_shop):
    """A day of 150 reference shoppers, as a tracking system and the tills hand it over."""
    truth = build_reference_model(corner_shop, np.random.default_rng(0))
    config = RunConfig(n_shoppers=150, n_replications=1, seed=1)
    tables = simulate_replication(corner_shop, truth, 0, config)
    return observe(tables.tracks, tables.receipts, tables.sessions, corner_shop, np.random.default_rng(2))


@pytest.fixture(scope="module", autouse=True)
def short_training():
    """Two epochs are enough to see that a model is made."""
    short = replace(PRESETS["tiny"], policy=replace(PRESETS["tiny"].policy, max_epochs=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "tiny", short)
        yield


@pytest.fixture(scope="module")
def fitted(corner_shop, observations):
    return fit_model(corner_shop, observations, preset="tiny", n_hypotheses=2, rng=np.random.default_rng(3))


def test_a_fitted_model_can_shop(fitted, corner_shop):
    plans = plan(fitted, corner_shop, 200)
    assert 1.0 < plans.n_picks / 200 < 10
    assert 0 < plans.pick_planned.mean() < 1


def test_what_is_known_of_the_data_is_kept(fitted, corner_shop, observations):
    known = fitted.knowledge
    assert known["store_hash"] == corner_shop.content_hash
    assert known["n_sessions"] == observations.tracks["session_id"].nunique()
    assert 30 <= known["n_journeys"] <= 150
    assert 0 < known["planned_line_share"] < 1
    assert len(known["history"]) == 2
    assert set(known["zone_types_of_category"]) == set(corner_shop.categories)
    zone_types = {str(zone.zone_type) for zone in corner_shop.zones}
    assert all(set(types) <= zone_types for types in known["zone_types_of_category"].values())
    json.dumps(known)


@pytest.mark.parametrize("median_s", [0.0, 8.0])
def test_how_long_people_stand_at_the_door_is_read_from_tracks(corner_shop, median_s):
    truth = build_reference_model(corner_shop, np.random.default_rng(0))
    truth = replace(truth, pace=replace(truth.pace, door_median_s=median_s, door_log_sd=0.4))
    tables = simulate_replication(corner_shop, truth, 0, RunConfig(n_shoppers=300, n_replications=1, seed=1))
    seen = observe(tables.tracks, tables.receipts, tables.sessions, corner_shop, np.random.default_rng(2))
    pace = fit_door_pause(clean_tracks(seen.tracks, corner_shop), corner_shop, truth.pace)
    assert fit_door_pause(clean_tracks(seen.tracks, corner_shop)[:0], corner_shop, truth.pace) == truth.pace
    if median_s == 0:
        assert pace == truth.pace  # nobody stands there, so nothing is said
        return
    assert pace.door_median_s == pytest.approx(median_s, rel=0.15)
    assert pace.door_log_sd == pytest.approx(0.4, rel=0.3)


def test_pace_and_arrivals_are_those_observed(fitted):
    """The reference shopper walks 0.9 m/s at the median, and comes between 8 and 20 o'clock."""
    assert np.exp(fitted.pace.speed_log_mean) == pytest.approx(0.9, rel=0.25)
    assert fitted.pace.speed_log_sd == pytest.approx(0.2, abs=0.15)
    assert sum(fitted.hourly_share) == pytest.approx(1.0)
    assert not any(fitted.hourly_share[:8])
    assert not any(fitted.hourly_share[20:])
    assert fitted.shoppers_per_day > 100


def test_fitting_is_repeatable_to_the_bit_and_leaves_torchs_own_luck_alone(fitted, corner_shop, observations):
    torch.manual_seed(12)
    before = torch.get_rng_state()
    again = fit_model(corner_shop, observations, preset="tiny", n_hypotheses=2, rng=np.random.default_rng(3))
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in (
        (fitted.policy.network, again.policy.network),
        (fitted.conversion, again.conversion),
    ):
        weights = other.state_dict()
        assert all(torch.equal(value, weights[name]) for name, value in one.state_dict().items())
    assert np.array_equal(fitted.needs.planned_share, again.needs.planned_share)


def test_an_unknown_preset_names_the_known_ones(corner_shop, observations):
    with pytest.raises(ConfigError, match="tiny, small, base"):
        fit_model(corner_shop, observations, preset="huge", rng=np.random.default_rng(0))
    assert list(PRESETS) == ["tiny", "small", "base"]


def test_too_few_journeys_are_refused(corner_shop, observations):
    few = observations.tracks["session_id"].unique()[:20]
    part = type(observations)(
        tracks=observations.tracks[observations.tracks["session_id"].isin(few)],
        receipts=observations.receipts,
        sessions=observations.sessions,
    )
    with pytest.raises(ObservationError, match="at least 30 are needed"):
        fit_model(corner_shop, part, preset="tiny", rng=np.random.default_rng(0))


def test_visits_without_purchase_are_those_without_receipt_less_the_unlinked():
    class Table:
        sessions = pd.DataFrame({"has_receipt": [True] * 70 + [False] * 30})
        report = {"n_receipts_without_session": 18}  # noqa: RUF012

    assert estimate_empty_share(Table) == pytest.approx(0.12)
    Table.report = {"n_receipts_without_session": 40}
    assert estimate_empty_share(Table) == 0.0
