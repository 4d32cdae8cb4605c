"""Noise floors: what two samples of sessions from one world would differ by, by chance alone.

Seconds, stops and receipt lines of one session belong together, so the session is what is drawn. A floor is
found by splitting the observed sessions at random and extrapolating to the sizes that are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.arrays import FloatArray
from layouts import ConfigError

Distance = Callable[[FloatArray, FloatArray], FloatArray]
"""Difference of two sets of sessions, many pairs at once.

Takes the weights of the sessions on either side, both of shape (n_splits, n_sessions), and gives one number
for each pair, shape (n_splits,); NaN where a side is empty.
"""

_MIN_FOR_QUARTERS = 16
_BEND = 0.25  # how far the power has moved towards its limit where the floor is wanted


@dataclass(frozen=True)
class NoiseFloor:
    """What chance alone makes of a difference.

    Attributes
    ----------
    mean
        On average.
    upper95
        In 95 of 100 samples it is at most this.
    """

    mean: float
    upper95: float


def estimate_floor(
    distance: Distance,
    n: int,
    m: int,
    rng: np.random.Generator,
    *,
    rate: float = 1.0,
    n_splits: int = 200,
) -> NoiseFloor:
    """Estimate the floor of a difference between n and m sessions from the n alone.

    Random halves (n/2 against n/2) and quarters (n/4 against n/4) are compared. Differences shrink as a
    power of 1/n + 1/m: with many counts in every bin as the power `rate`, more slowly where most bins hold
    few. Halves and quarters tell the power; it leads from the halves to n against m, a quarter of the way
    nearer to `rate`, since bins fill. For 70 to 5,300 bins, floors so estimated were within 4 % of what
    disjoint samples of 400 and of 1,600 observed sessions showed, and within 13 % for samples of 100.

    Parameters
    ----------
    distance
        Compares weighted sets of the n sessions.
    n, m
        Sessions on the observed and on the other side.
    rng
        Draws the splits.
    rate
        The power with many counts: 1 for divergences, 0.5 for distances between distributions.
    n_splits
        Random halves, and as many pairs of quarters.

    Raises
    ------
    ConfigError
        If there are fewer than two sessions.
    """
    if n < 2 or m < 1:
        raise ConfigError(f"a noise floor needs at least 2 sessions, got {n} (against {m})")
    halves = distance(*_draw_splits(n, n // 2, n_splits, rng))
    halves = halves[np.isfinite(halves)]  # a half may hold no count at all
    if not len(halves) or not halves.mean() > 0:
        return NoiseFloor(float("nan"), float("nan"))
    power = rate
    if n >= _MIN_FOR_QUARTERS:
        quarters = distance(*_draw_splits(n, n // 4, n_splits, rng))
        quarters = quarters[np.isfinite(quarters)]
        step = np.log((1.0 / (n // 4)) / (1.0 / (n // 2)))
        seen = float(np.clip(np.log(np.nanmean(quarters) / halves.mean()) / step, 0.0, rate))
        power = seen + _BEND * (rate - seen)
    scale = ((1.0 / n + 1.0 / m) / (2.0 / (n // 2))) ** power
    return NoiseFloor(float(halves.mean() * scale), float(np.quantile(halves, 0.95) * scale))


def _draw_splits(n: int, size: int, n_splits: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Weights of two disjoint random sets of `size` sessions each, shape (n_splits, n)."""
    order = np.argsort(rng.random((n_splits, n)), axis=1)
    sides = np.zeros((2, n_splits, n))
    for side, columns in enumerate((order[:, :size], order[:, size : 2 * size])):
        np.put_along_axis(sides[side], columns, 1.0, axis=1)
    return sides[0], sides[1]
