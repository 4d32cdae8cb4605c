"""Arrivals follow the profile, only while the store is open, and the same in every layout."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from layouts import ConfigError, Store
from simulator import ArrivalProfile, Luck, draw_arrivals, draw_entrances, draw_speeds_mps


def test_arrivals_follow_the_hourly_shares_of_the_open_hours(tiny_store: Store) -> None:
    shares = np.zeros(24)
    shares[[6, 8, 9, 17, 22]] = [5.0, 1.0, 2.0, 3.0, 9.0]  # 6 and 22 o'clock: closed
    arrival_s = draw_arrivals(
        ArrivalProfile(hourly_share=tuple(shares), shoppers_per_day=9000), 9000, tiny_store, Luck(1)
    )
    hours = np.bincount(8 + (arrival_s // 3600).astype(int), minlength=24)
    assert set(np.flatnonzero(hours)) == {8, 9, 17}
    assert stats.chisquare(hours[[8, 9, 17]], [1500, 3000, 4500]).pvalue > 1e-4
    assert stats.kstest(arrival_s[arrival_s < 3600] / 3600, "uniform").pvalue > 1e-4


def test_only_the_open_part_of_an_hour_is_used(tiny_store: Store) -> None:
    store = dataclasses.replace(tiny_store, open="08:30", close="10:15")
    profile = ArrivalProfile(hourly_share=(0.0,) * 8 + (1.0, 0.0, 1.0) + (0.0,) * 13, shoppers_per_day=4000)
    arrival_s = draw_arrivals(profile, 4000, store, Luck(1))
    assert arrival_s.min() >= 0
    assert arrival_s.max() <= 105 * 60
    first = arrival_s < 1800  # 8:30 to 9:00; the rest comes from 10:00 to 10:15
    assert np.all(arrival_s[~first] >= 5400)
    assert abs(first.mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)


def test_more_than_a_days_shoppers_come_on_later_days(tiny_store: Store) -> None:
    arrival_s = draw_arrivals(ArrivalProfile(shoppers_per_day=100), 250, tiny_store, Luck(1))
    assert np.bincount((arrival_s // 86400).astype(int)).tolist() == [100, 100, 50]
    assert (arrival_s % 86400).max() <= 12 * 3600


def test_a_shopper_comes_at_the_same_time_whoever_else_comes_and_whatever_the_layout(
    tiny_store: Store,
) -> None:
    changed = tiny_store.swap("south", "north")
    few = draw_arrivals(ArrivalProfile(), 10, tiny_store, Luck(3))
    assert np.array_equal(few, draw_arrivals(ArrivalProfile(), 700, changed, Luck(3))[:10])
    assert np.array_equal(draw_speeds_mps(10, Luck(3)), draw_speeds_mps(700, Luck(3))[:10])
    assert draw_entrances(tiny_store, 5, Luck(3)).tolist() == [0] * 5


def test_speeds_have_the_mean_and_spread_asked_for() -> None:
    speed = draw_speeds_mps(20_000, Luck(1), mean_mps=1.2, cv=0.25)
    assert abs(speed.mean() - 1.2) < 4 * 0.3 / np.sqrt(20_000)
    assert abs(speed.std() - 0.3) < 0.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hourly_share": (1.0,) * 23}, "24 finite numbers"),
        ({"hourly_share": (1.0,) * 23 + (-1.0,)}, "not be negative"),
        ({"hourly_share": (1.0,) * 23 + (float("nan"),)}, "24 finite numbers"),
        ({"shoppers_per_day": 0}, "at least 1"),
    ],
)
def test_an_impossible_profile_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ArrivalProfile(**settings)


def test_a_profile_without_arrivals_in_opening_hours_is_refused(tiny_store: Store) -> None:
    with pytest.raises(ConfigError, match=r"no arrivals while store 'tiny' is open \(08:00 to 20:00\)"):
        draw_arrivals(ArrivalProfile(hourly_share=(1.0,) + (0.0,) * 23), 5, tiny_store, Luck(0))
    with pytest.raises(ConfigError, match="must be after it opens"):
        draw_arrivals(ArrivalProfile(), 5, dataclasses.replace(tiny_store, close="07:00"), Luck(0))
