import numpy as np
import pytest

from layouts import ObservationError
from models.priors import fit_poisson_with_levels


def test_one_pair_of_counts_gives_the_log_of_their_ratio():
    count = np.array([10.0, 20.0, 5.0, 10.0])
    shown = np.array([[0.0], [1.0], [0.0], [1.0]])
    level = np.array([0, 0, 1, 1])
    fit = fit_poisson_with_levels(count, shown, (level,), cluster=np.arange(4))
    assert fit.coef[0] == pytest.approx(np.log(2.0), abs=1e-4)
    assert fit.expected == pytest.approx(count, rel=1e-3)
    # Of each pair, a share q = 2/3 is shown: information n q (1 - q), here of 30 and 15.
    assert fit.coef_se[0] == pytest.approx(1.0 / np.sqrt(45 * 2 / 9), rel=1e-3)


def test_a_display_given_to_what_sells_well_anyway_is_told_from_its_effect():
    rng = np.random.default_rng(3)
    n_products, n_weeks = 120, 50
    product, week = (each.ravel() for each in np.indices((n_products, n_weeks)))
    popular, season = rng.normal(0.0, 1.0, n_products), rng.normal(0.0, 0.3, n_weeks)
    shown = (rng.random(len(product)) < 1 / (1 + np.exp(2 - popular[product] - 2 * season[week]))) * 1.0
    count = rng.poisson(np.exp(1.0 + popular[product] + season[week] + 0.3 * shown)).astype(float)
    assert np.log(count[shown == 1].mean() / count[shown == 0].mean()) > 0.6  # what a plain mean would say
    fit = fit_poisson_with_levels(count, shown[:, None], (product, week), cluster=product)
    assert abs(fit.coef[0] - 0.3) < 4 * fit.coef_se[0] < 0.3


def test_errors_are_as_large_as_they_say_when_rows_of_a_cluster_go_together():
    rng = np.random.default_rng(5)
    product, week = (each.ravel() for each in np.indices((60, 12)))
    deviations = []
    for _ in range(120):
        shown = (
            (rng.random(60) < 0.5)[product] * (week >= 6) * 1.0
        )  # the same weeks for all of a product's rows
        late = rng.gamma(4.0, 1 / 4.0, 60)[product] * (week >= 6) + (
            week < 6
        )  # its sales change by themselves
        count = rng.poisson(5.0 * late).astype(float)
        fit = fit_poisson_with_levels(count, shown[:, None], (product, week), cluster=product)
        deviations.append(fit.coef[0] / fit.coef_se[0])
    # 95 % expected; 120 trials: below 108 has probability 1 %, small clusters cost a little more.
    assert (np.abs(deviations) < 1.96).sum() >= 106


def test_a_feature_that_never_varies_tells_nothing():
    count, level = np.array([1.0, 2.0, 3.0]), np.zeros(3, dtype=int)
    fit = fit_poisson_with_levels(count, np.ones((3, 1)), (level,), cluster=np.arange(3))
    assert fit.coef[0] == 0.0
    assert np.isinf(fit.coef_se[0])


def test_groups_without_counts_and_perfect_predictors_are_refused():
    level = np.array([0, 0, 1, 1])
    with pytest.raises(ObservationError, match="no counts"):
        fit_poisson_with_levels(np.array([1.0, 2, 0, 0]), np.eye(4), (level,), cluster=level)
    with pytest.raises(ObservationError, match="no finite fit"):
        fit_poisson_with_levels(
            np.array([1.0, 0, 1, 0]), np.array([[1.0], [0], [1], [0]]), (level,), cluster=level
        )
