"""Distances between distributions of a measure, with noise floors where its values come in sessions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.arrays import FloatArray
from analysis.noise_floors import Distance, NoiseFloor, estimate_floor
from analysis.session_sample import Values

_N_SPLITS = 100
_MAX_KNOTS = 400  # points at which the distribution functions are compared


def compute_distances(p: FloatArray, q: FloatArray) -> tuple[float, float]:
    """Distances of two samples of one measure.

    Parameters
    ----------
    p, q
        Values, shapes (n,) and (m,).

    Returns
    -------
    wasserstein
        Mean distance, in the unit of the values, by which values have to be moved to make one sample the
        other (order 1).
    ks
        Largest difference of the two distribution functions (Kolmogorov and Smirnov), from 0 to 1.
    """
    knots = np.unique(np.concatenate([p, q]))
    gap = _share_below(p, knots) - _share_below(q, knots)
    return float((np.abs(gap[:-1]) * np.diff(knots)).sum()), float(np.abs(gap).max())


def estimate_distance_floors(
    values: Values, n_sessions: int, m_sessions: int, rng: np.random.Generator
) -> tuple[NoiseFloor, NoiseFloor]:
    """Noise floors of both distances, the session being what is drawn.

    Parameters
    ----------
    values
        The observed values, each with its session.
    n_sessions, m_sessions
        Sessions on the observed and on the other side, those without any value included.
    rng
        Draws the splits.

    Returns
    -------
    wasserstein, ks
        See `compute_distances`.
    """
    knots = np.unique(values.value)
    if len(knots) > _MAX_KNOTS:
        knots = np.unique(np.quantile(values.value, np.linspace(0.0, 1.0, _MAX_KNOTS)))
    at_knot = np.searchsorted(knots, values.value)  # the first knot that is not below the value
    table = np.zeros((n_sessions, len(knots)))
    np.add.at(table, (values.session, at_knot), 1.0)

    def compare_by(measure: Callable[[FloatArray], FloatArray]) -> Distance:
        return lambda a, b: measure(np.abs(_share_by_knot(a @ table) - _share_by_knot(b @ table)))

    wasserstein, ks = (
        estimate_floor(compare_by(measure), n_sessions, m_sessions, rng, rate=0.5, n_splits=_N_SPLITS)
        for measure in (lambda gap: gap[:, :-1] @ np.diff(knots), lambda gap: gap.max(axis=1))
    )
    return wasserstein, ks


def _share_by_knot(counts: FloatArray) -> FloatArray:
    """Distribution function at each knot of each row of counts; NaN where a row has none."""
    below = np.cumsum(counts, axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(below / below[:, -1:])


def _share_below(values: FloatArray, knots: FloatArray) -> FloatArray:
    """Share of the values that are at most each knot."""
    return np.searchsorted(np.sort(values), knots, side="right") / len(values)
