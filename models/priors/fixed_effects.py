"""Poisson regression of counts with the levels of many groups taken out.

The expected count of row i is exp(offset_i + x_i b + sum over ways of the level of i's group). Levels are not
estimated one by one: those that fit the group totals have a closed form, and `b` is found with them profiled
out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layouts import ObservationError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

N_NEWTON, N_SWEEPS = 25, 400  # more than any fit has needed
LEVEL_TOLERANCE, PROJECTION_TOLERANCE, STEP_TOLERANCE = 1e-5, 1e-4, 1e-4
VANISHED = 1e-6
MAX_STEP = 1.0  # of a coefficient in one Newton step, in log units


@dataclass(frozen=True, kw_only=True)
class PoissonFit:
    """Coefficients of a Poisson regression with group levels.

    Attributes
    ----------
    coef, coef_se
        Coefficients and their standard errors, shape (n_features,). Standard errors allow for rows of one
        cluster that go together; they are never below those of a Poisson model that is true.
    expected
        Expected counts, shape (n_rows,); the totals of every group are those observed.
    """

    coef: Floats
    coef_se: Floats
    expected: Floats


def fit_poisson_with_levels(
    count: Floats, features: Floats, groups: Sequence[Ints], *, cluster: Ints, offset: Floats | None = None
) -> PoissonFit:
    """Regress counts on features, the levels of all groups taken out.

    Parameters
    ----------
    count
        Counts, shape (n_rows,), each at least 0; every group must have a positive total.
    features
        Shape (n_rows, n_features).
    groups
        For each way of grouping the number of each row's group, shape (n_rows,), from 0.
    cluster
        Number of the cluster of each row, shape (n_rows,), for the standard errors.
    offset
        Log of what the expected count is proportional to, shape (n_rows,); 0 if not given.

    Returns
    -------
    fit
        A feature that does not vary once levels are taken out has coefficient 0 and an infinite standard
        error.

    Raises
    ------
    ObservationError
        If a group has no counts (its level would be minus infinity), or no fit is reached.

    References
    ----------
    Correia, Guimaraes and Zylkin (2020), Fast Poisson estimation with high-dimensional fixed effects, Stata
    Journal 20(1). Clustered errors: Cameron and Miller (2015), J. Human Resources 50(2).
    """
    totals: list[Floats] = [np.bincount(group, count).astype(np.float64) for group in groups]
    if any((total <= 0).any() for total in totals):
        raise ObservationError("a group has no counts, so it has no level; leave its rows out first")
    x = features.T.copy()  # (n_features, n_rows)
    fixed = np.zeros(len(count)) if offset is None else offset
    coef = np.zeros(len(x))
    expected = np.exp(fixed - fixed.max())
    centred = x.copy()
    first: Floats | None = None  # what the counts tell of each coefficient at the start
    known = np.zeros(len(x), dtype=np.bool_)
    for _ in range(N_NEWTON):
        _fit_levels(expected, groups, totals)
        _project(centred, expected, groups)
        score = centred @ (count - expected)
        information = (centred * expected) @ centred.T
        told = np.diag(information)
        if first is None:
            first, known = told, told > 1e-9
        if (told[known] < VANISHED * first[known]).any():  # the coefficient runs off to infinity
            break
        step = np.zeros(len(coef))
        step[known] = np.linalg.lstsq(information[np.ix_(known, known)], score[known], rcond=1e-9)[0]
        step = step.clip(-MAX_STEP, MAX_STEP)
        coef += step
        if np.abs(step).max(initial=0.0) < STEP_TOLERANCE:
            se = _clustered_se(centred, count - expected, information, known, cluster)
            return PoissonFit(coef=coef, coef_se=se, expected=expected)
        expected *= np.exp(step @ x)
    raise ObservationError(
        "counts: no finite fit; features tell exactly which counts are 0, so leave them out"
    )


def _fit_levels(expected: Floats, groups: Sequence[Ints], totals: Sequence[Floats]) -> None:
    """Scale `expected` in place until every group's total is the observed one."""
    for _ in range(N_SWEEPS):
        change = 0.0
        for group, total in zip(groups, totals, strict=True):
            factor = total / np.maximum(np.bincount(group, expected, len(total)), 1e-300)
            expected *= factor[group]
            # Weighted by size: the level of a tiny group may wander on without any effect.
            change = max(change, float(np.average(np.abs(factor - 1.0), weights=total)))
        if change < LEVEL_TOLERANCE:
            return


def _project(centred: Floats, weight: Floats, groups: Sequence[Ints]) -> None:
    """Take weighted group means out of each row of `centred`, in place, for all ways of grouping at once."""
    sums = [np.maximum(np.bincount(group, weight), 1e-300) for group in groups]
    for column in centred:
        for _ in range(N_SWEEPS):
            change = 0.0
            for group, total in zip(groups, sums, strict=True):
                mean = np.bincount(group, weight * column, len(total)) / total
                column -= mean[group]
                change = max(change, float(np.sqrt(np.average(mean**2, weights=total))))
            if change < PROJECTION_TOLERANCE:
                break


def _clustered_se(
    centred: Floats, residual: Floats, information: Floats, known: NDArray[np.bool_], cluster: Ints
) -> Floats:
    """Square roots of the sandwich's diagonal, or of the inverse information's where that is larger."""
    scores = np.stack([np.bincount(cluster, column * residual) for column in centred])
    n_clusters = len(np.unique(cluster))
    correction = n_clusters / max(n_clusters - 1, 1)
    bread = np.linalg.pinv(information[np.ix_(known, known)])
    meat = correction * scores[known] @ scores[known].T
    se = np.full(len(centred), np.inf)
    se[known] = np.sqrt(np.maximum(np.diag(bread), np.diag(bread @ meat @ bread)))
    return se
