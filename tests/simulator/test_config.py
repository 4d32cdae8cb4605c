"""Settings survive JSON, unknown ones are refused, and the defaults do not drift."""

import json

import pytest

from layouts import ConfigError
from simulator import CheckoutConfig, ServiceNoise, SimulationConfig, TillChoice


def test_defaults_are_pinned() -> None:
    assert SimulationConfig().to_dict() == {
        "checkout": {
            "base_service_s": 41.0,
            "item_service_s": 2.95,
            "noise": "lognormal",
            "noise_cv": 0.3,
            "choice": "shortest_queue",
            "approach_m": 3.0,
            "spacing_m": 1.0,
        },
        "collect_every_s": 60,
        "first_day": "2026-01-05",
    }


def test_settings_survive_json() -> None:
    config = SimulationConfig(
        checkout=CheckoutConfig(noise=ServiceNoise.NONE, choice=TillChoice.FIRST_FREE), collect_every_s=10
    )
    assert SimulationConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"collect_every": 5}, "unknown setting collect_every; the nearest known one is collect_every_s"),
        ({"checkout": {"noise_sd": 1}}, "unknown setting checkout.noise_sd; .* checkout.noise"),
        ({"checkout": {"noise": "gauss"}}, "noise: must be one of lognormal, exponential, none, got 'gauss'"),
        ({"checkout": {"base_service_s": -1.0}}, "base_service_s: must be a finite number of at least 0"),
        ({"collect_every_s": 0}, "collect_every_s: must be at least 1"),
        ({"first_day": "2026-13-01"}, "first_day: must be a date"),
    ],
)
def test_wrong_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SimulationConfig.from_dict(settings)
