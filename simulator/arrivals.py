"""When shoppers come, and through which door: the same people at the same time in every layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layouts import ConfigError, Store
from simulator.luck import FloatArray, Luck, Purpose

DAY_S = 86_400.0
_HOUR_S = 3_600.0


@dataclass(frozen=True, kw_only=True)
class ArrivalProfile:
    """How arrivals are spread over a day.

    Parameters
    ----------
    hourly_share
        Weight of each hour of the day 0 .. 23, shape (24,); need not sum to 1. Hours in which the store is
        closed count for nothing; of an hour in which it opens or closes only the open part is used.
    shoppers_per_day
        How many shoppers come on a day. More than these spread over several days.
    """

    hourly_share: tuple[float, ...] = (1.0,) * 24
    shoppers_per_day: int = 600

    def __post_init__(self) -> None:
        object.__setattr__(self, "hourly_share", tuple(float(share) for share in self.hourly_share))
        if len(self.hourly_share) != 24 or not np.all(np.isfinite(self.hourly_share)):
            raise ConfigError(f"hourly_share: must hold 24 finite numbers, got {len(self.hourly_share)}")
        if min(self.hourly_share) < 0:
            raise ConfigError(f"hourly_share: must not be negative, got {min(self.hourly_share)}")
        if self.shoppers_per_day < 1:
            raise ConfigError(f"shoppers_per_day: must be at least 1, got {self.shoppers_per_day}")


def draw_arrivals(profile: ArrivalProfile, n: int, store: Store, luck: Luck) -> FloatArray:
    """Draw when each of n shoppers enters, keyed by the shopper's index alone.

    Shopper i comes on day ``i // profile.shoppers_per_day``, so the last day may be a quieter one, and more
    shoppers never move those who were there before.

    Returns
    -------
    arrival_s
        Seconds since the opening of day 0, shape (n,), not sorted; day k adds 86400 k.

    Raises
    ------
    ConfigError
        If the profile has no arrivals while the store is open.
    """
    open_s, close_s = opening_hours_s(store)
    edges = np.unique(np.concatenate([[open_s, close_s], np.arange(25) * _HOUR_S]))
    edges = edges[(edges >= open_s) & (edges <= close_s)]
    hour = np.minimum(edges[:-1] // _HOUR_S, 23).astype(np.int64)
    cumulated = np.concatenate([[0.0], np.cumsum(np.asarray(profile.hourly_share)[hour])])
    if cumulated[-1] <= 0:
        raise ConfigError(
            f"hourly_share: no arrivals while store {store.name!r} is open ({store.open} to {store.close})"
        )
    shopper = np.arange(n)
    u = luck.uniform(Purpose.ARRIVAL, shopper) * cumulated[-1]
    # hours without arrivals leave the curve flat: search from the right, so that they are skipped
    piece = np.searchsorted(cumulated, u, side="right") - 1
    within = (u - cumulated[piece]) / (cumulated[piece + 1] - cumulated[piece])
    second_of_day = edges[piece] + within * (edges[piece + 1] - edges[piece])
    return np.asarray(second_of_day - open_s + DAY_S * (shopper // profile.shoppers_per_day))


def draw_entrances(store: Store, n: int, luck: Luck) -> npt.NDArray[np.int64]:
    """Draw the entrance (index into ``store.entrances``) of each of n shoppers, all equally likely.

    Shape (n,). A store with one entrance gives zeros; an edit that keeps the entrances keeps the draws.
    """
    return np.floor(luck.uniform(Purpose.ENTRANCE, np.arange(n)) * len(store.entrances)).astype(np.int64)


def draw_speeds_mps(n: int, luck: Luck, *, mean_mps: float = 1.0, cv: float = 0.2) -> FloatArray:
    """Draw walking speeds [m/s], lognormal, keyed by the shopper's index; shape (n,).

    The defaults are assumptions: no sourced figure for walking speed in a store was found.
    """
    sigma = np.sqrt(np.log1p(cv**2))
    return np.asarray(mean_mps * np.exp(sigma * luck.normal(Purpose.SPEED, np.arange(n)) - sigma**2 / 2))


def opening_hours_s(store: Store) -> tuple[float, float]:
    """Return opening and closing time of a store in seconds since midnight."""
    open_s, close_s = _seconds_of_day(store.open), _seconds_of_day(store.close)
    if close_s <= open_s:
        raise ConfigError(
            f"store {store.name!r}: closes at {store.close}, must be after it opens at {store.open}"
        )
    return open_s, close_s


def _seconds_of_day(clock: str) -> float:
    """Read "HH:MM" (or "HH:MM:SS"); "24:00" is the end of the day."""
    parts = [int(part) for part in str(clock).split(":")]
    return float(sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False)))
