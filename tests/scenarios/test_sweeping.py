"""Sweeps: the points of a plan, and the same question asked at each."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layouts import ConfigError, bundled_store
from models import build_reference_model
from scenarios import Execution, SweepPlan, compare, sweep
from scenarios.monte_carlo import RunConfig
from scenarios.sweep_plan import configure
from simulator import SimulationConfig

BASE = RunConfig(n_shoppers=30, n_replications=3, seed=4, tracks="none")


def test_a_grid_has_every_combination():
    plan = SweepPlan.from_dict(
        {
            "parameters": {
                "shoppers": [100, 200],
                "checkout.base_service_s": {"low": 20, "high": 60, "steps": 3},
                "checkout.noise_cv": {"low": 0.1, "high": 1.6, "steps": 3, "log": True},
            }
        }
    )
    points = plan.list_points()
    assert len(points) == 18
    assert len({json.dumps(point) for point in points}) == 18
    assert {point["checkout.base_service_s"] for point in points} == {20, 40, 60}
    assert sorted({point["checkout.noise_cv"] for point in points}) == pytest.approx([0.1, 0.4, 1.6])


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 40), seed=st.integers(0, 99), low=st.integers(-5, 5), width=st.integers(1, 9))
def test_a_latin_hypercube_has_a_point_in_every_share(n, seed, low, width):
    plan = SweepPlan.from_dict(
        {
            "design": "latin-hypercube",
            "points": n,
            "seed": seed,
            "parameters": {
                "a": {"low": float(low), "high": float(low + width)},
                "b": {"low": low, "high": low + width},
                "c": {"low": 1.0, "high": 1000.0, "log": True},
                "d": ["x", "y"],
            },
        }
    )
    points = pd.DataFrame(plan.list_points())
    assert points.equals(pd.DataFrame(plan.list_points()))
    assert sorted(((points["a"] - low) / width * n).astype(int)) == list(range(n))
    assert sorted((np.log10(points["c"]) / 3 * n).astype(int)) == list(range(n))
    assert points["b"].between(low, low + width).all()
    assert (points["b"] % 1 == 0).all()
    assert abs((points["d"] == "x").sum() - n / 2) <= 1


def test_whole_numbers_have_equal_shares():
    content = {"design": "latin-hypercube", "points": 400, "parameters": {"a": {"low": 1, "high": 4}}}
    values = [point["a"] for point in SweepPlan.from_dict(content).list_points()]
    assert np.bincount(values).tolist() == [0, 100, 100, 100, 100]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({}, "parameters: must name one at least"),
        ({"parameters": {"a": [1]}, "desing": "grid"}, "unknown key 'desing'; there are: design, parameters"),
        ({"parameters": {"a": [1]}, "design": "random"}, "design: must be one of grid, latin-hypercube"),
        ({"parameters": {"a": []}}, r"parameters.a: must be a list of values or a range"),
        ({"parameters": {"a": {"low": 1, "hi": 2}}}, r"parameters.a: must be a list of values or a range"),
        ({"parameters": {"a": {"low": 2, "high": 1, "steps": 2}}}, "low must be a number below high"),
        ({"parameters": {"a": {"low": 1, "high": 2}}}, "a range in a grid needs steps, at least 2, got None"),
        (
            {"parameters": {"a": {"low": 0, "high": 2, "log": True, "steps": 2}}},
            "log must be true or false, and needs a low above 0",
        ),
        ({"parameters": {"a": [1]}, "design": "latin-hypercube"}, "points: a Latin hypercube needs 1 to"),
        ({"parameters": {"a": [1]}, "points": 5}, "points: a grid has as many as its values make"),
        ({"parameters": {"a": [1]}, "seed": -1}, "seed: must be a whole number of at least 0, got -1"),
    ],
)
def test_plans_that_cannot_be_are_refused(content, complaint):
    with pytest.raises(ConfigError, match=complaint):
        SweepPlan.from_dict(content)


def test_a_grid_without_end_is_refused():
    plan = SweepPlan.from_dict({"parameters": {name: list(range(100)) for name in "abc"}})
    with pytest.raises(ConfigError, match="make 1000000 points; a grid may have 10000"):
        plan.list_points()


def test_a_point_sets_what_it_names_and_turns_on_what_was_off():
    assert BASE.simulation.patience is None
    config = configure({"shoppers": 70, "checkout.base_service_s": 9.0, "patience.wait_s": 60.0}, BASE)
    assert (config.n_shoppers, config.seed, config.tracks) == (70, 4, "none")
    assert config.simulation.checkout.base_service_s == 9.0
    assert config.simulation.checkout.item_service_s == SimulationConfig().checkout.item_service_s
    assert config.simulation.patience is not None
    assert config.simulation.patience.wait_s == 60.0
    assert BASE.simulation.patience is None
    with pytest.raises(ConfigError, match=r"unknown setting checkout.service_s"):
        configure({"checkout.service_s": 9.0}, BASE)
    with pytest.raises(ConfigError, match=r"shoppers: must be a whole number, got 1\.5"):
        configure({"shoppers": 1.5}, BASE)


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def reference(shop):
    return build_reference_model(shop, np.random.default_rng(0), n_baskets=200)


PLAN = SweepPlan.from_dict({"parameters": {"checkout.base_service_s": [10.0, 300.0], "shoppers": [30, 40]}})


@pytest.fixture(scope="module")
def swept(shop, reference):
    variant = shop.swap("G3R-1", "G1L-1")
    return sweep(shop, [variant], PLAN, model=reference, n_replications=3, seed=4)


def test_every_point_has_the_figures_of_the_run_with_its_settings(swept, shop, reference):
    variant = shop.swap("G3R-1", "G1L-1")
    simulation = SimulationConfig.from_dict({"checkout": {"base_service_s": 300.0}})
    alone = compare(
        shop, variant, model=reference, n_shoppers=40, n_replications=3, seed=4, simulation=simulation
    ).result
    at = swept.table.query("`checkout.base_service_s` == 300.0 and shoppers == 40").set_index("layout")
    assert len(at) == 2
    for side in ("control", "variant"):
        row = at.loc[alone[side]["layout"]]
        assert row["minutes_per_shopper"] == pytest.approx(alone[side]["minutes_per_shopper"])
        assert row["profit_per_shopper_low"] < row["profit_per_shopper"] < row["profit_per_shopper_high"]
    lift = alone["lift"]["profit_per_shopper"]
    row = at.loc[alone["variant"]["layout"]]
    assert row["lift_profit_per_shopper"] == pytest.approx(lift["mean"])
    assert [row[f"lift_profit_per_shopper_{end}"] for end in ("low", "high")] == pytest.approx(lift["ci95"])
    assert (swept.table.query("layout == 'corner-shop'")["lift_profit_per_shopper"] == 0).all()


def test_luck_is_paired_over_points(swept):
    """Slower tills change how long people stay, not what they buy."""
    wide = swept.replications.query("layout == 'corner-shop'").pivot(index="replication", columns="point")
    assert wide["profit_per_shopper"][0].equals(wide["profit_per_shopper"][2])
    assert (wide["minutes_per_shopper"][2] > wide["minutes_per_shopper"][0] + 1).all()


def test_a_sweep_is_written_whole_and_the_same_whoever_does_the_work(swept, shop, reference, tmp_path):
    swept.save(tmp_path / "one")
    variant = shop.swap("G3R-1", "G1L-1")
    execution = Execution(n_workers=2)
    sweep(shop, [variant], PLAN, model=reference, n_replications=3, seed=4, execution=execution).save(
        tmp_path / "two"
    )
    files = {
        home: {
            str(path.relative_to(tmp_path / home)): path.read_bytes()
            for path in (tmp_path / home).rglob("*")
            if path.is_file()
        }
        for home in ("one", "two")
    }
    assert files["one"] == files["two"]
    assert {"sweep.json", "sweep.parquet", "sweep.csv", "replications.parquet"} <= files["one"].keys()
    table = pd.read_csv(tmp_path / "one" / "sweep.csv")
    pd.testing.assert_frame_equal(table, pd.read_parquet(tmp_path / "one" / "sweep.parquet"))
    assert "its interval is above 0 at" in swept.summary()


def test_a_single_replication_has_no_interval(shop, reference):
    with pytest.raises(ConfigError, match="at least 2 for an interval, got 1"):
        sweep(shop, [], PLAN, model=reference, n_replications=1)


def test_an_impossible_point_is_named(shop, reference):
    plan = SweepPlan.from_dict({"parameters": {"checkout.noise_cv": [0.3, -1.0]}})
    with pytest.raises(ConfigError, match=r'point 1 of the plan, {"checkout.noise_cv": -1.0}: .*noise_cv'):
        sweep(shop, [], plan, model=reference)
