"""Settings survive JSON, unknown ones are refused, and the defaults do not drift."""

import json

import pytest

from layouts import ConfigError
from simulator import CheckoutConfig, ServiceNoise, SimulationConfig, TillChoice
from simulator.config import MECHANISMS


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
        "engine": "auto",
        "till_opening": None,
        "self_service": None,
        "patience": None,
        "groups": None,
        "carriers": None,
        "crowding": None,
        "aisles": None,
        "places": None,
        "stock": None,
    }
    assert not SimulationConfig().is_live


def test_settings_survive_json() -> None:
    config = SimulationConfig(
        checkout=CheckoutConfig(noise=ServiceNoise.NONE, choice=TillChoice.FIRST_FREE), collect_every_s=10
    )
    assert SimulationConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("name", list(MECHANISMS))
def test_each_mechanism_is_turned_on_by_itself_and_survives_json(name: str) -> None:
    config = SimulationConfig.from_dict({name: {}})
    assert getattr(config, name) == MECHANISMS[name]()
    assert config.is_live
    assert SimulationConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"collect_every": 5}, "unknown setting collect_every; the nearest known one is collect_every_s"),
        ({"checkout": {"noise_sd": 1}}, "unknown setting checkout.noise_sd; .* checkout.noise"),
        ({"checkout": {"noise": "gauss"}}, "noise: must be one of lognormal, exponential, none, got 'gauss'"),
        ({"checkout": {"base_service_s": -1.0}}, "base_service_s: must be a finite number of at least 0"),
        ({"collect_every_s": 0}, "collect_every_s: must be a whole number of at least 1"),
        ({"checkout": None}, "checkout: must be a mapping of settings, got None"),
        ({"patience": True}, "patience: must be a mapping of settings, got True"),
        (
            {"patience": {"wait": 1}},
            "unknown setting patience.wait; the nearest known one is patience.wait_s",
        ),
        ({"patience": {"wait_s": -1}}, "wait_s: must be a finite number of at least 0, got -1"),
        ({"patience": {"wait_noise": "gauss"}}, "wait_noise: must be one of lognormal"),
        ({"till_opening": {"min_open": 0}}, "min_open: must be a whole number of at least 1, got 0"),
        (
            {"till_opening": {"close_below": 3}},
            r"close_below: must be below open_above \(3\), got 3",
        ),
        ({"self_service": {"max_items": 1.5}}, "max_items: must be a whole number of at least 0, got 1.5"),
        ({"groups": {"size_share": []}}, "size_share: must be weights of at least 0"),
        ({"groups": {"size_share": [1, -1]}}, "size_share: must be weights of at least 0"),
        ({"groups": {"speed_loss": 0.5}}, "speed_loss: leaves groups of 4 no speed; must be below 0.333"),
        ({"carriers": {"without": "cry"}}, "without: must be one of wait, go_without, got 'cry'"),
        ({"carriers": {"n_carts": 0, "without": "wait"}}, "n_carts: must be at least 1 where shoppers wait"),
        ({"stock": {"refill": "often"}}, "refill: must be one of periodic, threshold, never, got 'often'"),
        ({"stock": {"low_share": 2}}, "low_share: must be a finite number of 0 to 1, got 2"),
        ({"engine": "warp"}, "engine: must be one of auto, events, arrays, got 'warp'"),
        (
            {"engine": "arrays", "stock": {}},
            r"engine: must be auto or events where a mechanism is on \(stock\), got arrays",
        ),
        ({"first_day": "2026-13-01"}, "first_day: must be a date"),
    ],
)
def test_wrong_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SimulationConfig.from_dict(settings)
