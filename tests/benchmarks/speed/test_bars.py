import numpy as np
import pytest

from benchmarks.speed.bars import hold_against_bars
from benchmarks.speed.growth import compute_slope
from benchmarks.speed.one_by_one import time_one_by_one
from benchmarks.speed.scale import describe_small
from benchmarks.speed.small import time_small
from benchmarks.speed.walking import ALONE, SETTINGS, time_walking


def make_ab(n_workers, wall_s, times):
    sizes = {"shoppers": 2000, "replications": 30, "layouts": 2}
    return sizes | {
        "workers": n_workers,
        "wall_s": wall_s,
        "journeys_per_second": 120_000 / wall_s,
        "times_as_fast": times,
    }


@pytest.mark.parametrize(("wall_s", "times", "holds"), [(80.0, 1.9, "yes"), (160.0, 1.7, "no")])
def test_each_bar_is_held_against_what_was_measured(wall_s, times, holds):
    good = holds == "yes"
    measured = {
        "ab": [make_ab(1, 152.0, 1.0), make_ab(2, wall_s, times)],
        "runs": [{"policy": "GPT-2", "workers": 2, "replications": 16, "times_as_fast": times}],
        "walking": {ALONE: {"moves_per_second": 6e6 if good else 4e6}},
        "one_by_one": {"times_as_fast": 60.0 if good else 40.0},
        "shoppers": {"slope": 1.0 if good else 1.2},
        "memory": {
            "runs": [{"replications": 10}, {"replications": 1000}],
            "growth_mib": 20.0 if good else 51,
        },
        "kills": {"runs": [{}, {}], "with_same_bytes": 2 if good else 1},
    }
    bars = {bar["what"]: bar["holds"] for bar in hold_against_bars(measured)}
    assert bars.pop("A/B of 2,000 x 30 x 2 [journeys/s]") == ("yes" if 120_000 / wall_s >= 1000 else "no")
    assert len(bars) == 7
    assert set(bars.values()) == {holds}


def test_what_was_not_measured_has_no_bar():
    short = make_ab(2, 20.0, 0.9) | {"replications": 5}
    runs = [{"policy": "GPT-2", "workers": 2, "replications": 4, "times_as_fast": 0.9}]
    assert hold_against_bars({}) == hold_against_bars({"ab": [short], "runs": runs}) == []


def test_the_slope_of_a_power_is_its_exponent():
    runs = [{"shoppers": n, "cpu_s": 0.3 * n**1.25} for n in (10, 100, 5000)]
    assert compute_slope(runs) == pytest.approx(1.25)


def test_one_agent_at_a_time_makes_the_same_journeys():
    """The slow way is the same policy: transformers' own blocks, one shopper in a batch."""
    from argparse import Namespace

    from layouts import bundled_store
    from tests.models.worlds import make_model

    shop = bundled_store("corner-shop")
    options = Namespace(shoppers=40, shoppers_alone=6, repeats=1, seed=3)
    measured = time_one_by_one(shop, make_model(shop), options)
    assert measured["share_of_journeys_alike"] == 1.0
    assert measured["times_as_fast"] == pytest.approx(
        measured["ms_per_journey"]["alone"] / measured["ms_per_journey"]["together"]
    )
    assert np.isfinite(measured["times_as_fast"])


def test_small_replications_together_and_alone_give_the_same_files():
    from argparse import Namespace

    from layouts import bundled_store
    from tests.models.worlds import make_model

    store = bundled_store("supermarket")
    options = Namespace(small_shoppers=5, small_replications=4, repeats=2, seed=3)
    measured = time_small(store, make_model(store), options)
    assert (measured["replications"], measured["layouts"], measured["tasks_in_a_lot"]) == (4, 2, 8)
    assert measured["share_of_parts_alike"] == 1.0
    together, alone = measured["together"], measured["alone"]
    for what in ("journeys_per_second", "planned_per_second"):
        assert measured[f"times_{what}"] == pytest.approx(together[what] / alone[what])
    assert together["planned_per_second"] > together["journeys_per_second"]  # it is a part of it
    assert "| 8 cohorts together" in describe_small(measured)


def test_every_engine_walks_the_same_steps():
    from argparse import Namespace

    from layouts import bundled_store
    from tests.models.worlds import make_model

    shop = bundled_store("corner-shop")
    walking = time_walking(shop, make_model(shop), Namespace(shoppers=40, repeats=1, seed=3))
    assert set(walking) == {ALONE, *SETTINGS}
    assert walking["arrays"]["moves"] == walking["events"]["moves"] > walking[ALONE]["moves"] > 500
