"""Noisy estimates drawn towards the mean of their group, and that towards the mean of all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from layouts import ObservationError

Floats = NDArray[np.float64]

FLAT_SD = 10.0  # of the overall mean before anything is seen, in units of the estimates: as good as flat
LEAST_SPREAD, MOST_SPREAD = 1e-3, 5.0


@dataclass(frozen=True, kw_only=True)
class ShrunkEstimates:
    """What is believed of each unit and each group once all estimates are seen.

    Attributes
    ----------
    mean, sd
        Of each unit, shape (n_units,); a unit without an estimate has its group's mean and the spread of
        units.
    group_mean, group_sd
        Of the mean of each group, shape (n_groups,).
    overall
        Mean of all groups.
    unit_spread, group_spread
        Standard deviation of units within a group, and of groups.
    """

    mean: Floats
    sd: Floats
    group_mean: Floats
    group_sd: Floats
    overall: float
    unit_spread: float
    group_spread: float


def shrink_estimates(estimate: Floats, se: Floats, group: NDArray[np.integer]) -> ShrunkEstimates:
    """Draw estimates towards the means of their groups, as far as their errors and the data's spread ask for.

    The model is estimate ~ N(effect, se^2), effect ~ N(group mean, unit spread^2), group mean ~ N(overall,
    group spread^2). The spreads maximise the likelihood with the overall mean integrated out.

    Parameters
    ----------
    estimate, se
        Estimates and standard errors, shape (n_units,); an infinite or missing error marks a unit without
        one.
    group
        Number of the group of each unit, shape (n_units,), from 0.

    Raises
    ------
    ObservationError
        If fewer than 3 units have an estimate: no spread can be told from that.

    References
    ----------
    Efron and Morris (1975), J. American Statistical Association 70, pp. 311-319.
    """
    seen = np.isfinite(se) & np.isfinite(estimate)
    if seen.sum() < 3:
        raise ObservationError(f"only {seen.sum()} estimates; at least 3 are needed to draw them together")
    y, noise = estimate[seen], se[seen] ** 2
    member = (group[:, None] == np.arange(group.max() + 1)).astype(np.float64)  # (n_units, n_groups)
    together = member[seen] @ member[seen].T

    def covariance(spreads: Floats) -> Floats:
        unit, between = spreads**2
        return np.diag(noise + unit) + between * together + FLAT_SD**2

    def minus_log_likelihood(log_spreads: Floats) -> float:
        factor = cho_factor(covariance(np.exp(log_spreads)), lower=True)
        return float(0.5 * y @ cho_solve(factor, y) + np.log(np.diag(factor[0])).sum())

    bounds = [(np.log(LEAST_SPREAD), np.log(MOST_SPREAD))] * 2
    starts = [np.log([0.1, 0.1]), np.log([0.5, 0.02]), np.log([0.02, 0.5])]
    exact = {"ftol": 1e-14, "gtol": 1e-9}  # so that digits which are written do not depend on rounding
    fits = [
        minimize(minus_log_likelihood, start, bounds=bounds, method="L-BFGS-B", jac="3-point", options=exact)
        for start in starts
    ]
    spreads = np.exp(min(fits, key=lambda fit: float(fit.fun)).x)
    unit, between = spreads**2
    factor = cho_factor(covariance(spreads), lower=True)

    def believe(shared: Floats, prior_variance: float) -> tuple[Floats, Floats]:
        """Mean and standard deviation of what shares this covariance with the estimates, (n, n_seen)."""
        variance = prior_variance - (shared * cho_solve(factor, shared.T).T).sum(axis=1)
        return shared @ cho_solve(factor, y), np.sqrt(variance.clip(0.0))

    of_group = between * member[seen].T + FLAT_SD**2  # (n_groups, n_seen)
    of_unit = member @ of_group + unit * np.eye(len(estimate))[:, seen]
    mean, sd = believe(of_unit, unit + between + FLAT_SD**2)
    group_mean, group_sd = believe(of_group, between + FLAT_SD**2)
    overall, _ = believe(np.full((1, len(y)), FLAT_SD**2), FLAT_SD**2)
    return ShrunkEstimates(
        mean=mean,
        sd=sd,
        group_mean=group_mean,
        group_sd=group_sd,
        overall=float(overall[0]),
        unit_spread=float(spreads[0]),
        group_spread=float(spreads[1]),
    )
