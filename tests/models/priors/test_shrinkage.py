import numpy as np
import pytest

from layouts import ObservationError
from models.priors import shrink_estimates


def test_spreads_are_recovered_and_beliefs_are_nearer_than_estimates():
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(25), 10)
    truth = 0.5 + rng.normal(0.0, 0.3, 25)[group] + rng.normal(0.0, 0.2, len(group))
    se = rng.uniform(0.1, 0.6, len(group))
    estimate = truth + se * rng.normal(size=len(group))
    shrunk = shrink_estimates(estimate, se, group)
    assert shrunk.unit_spread == pytest.approx(0.2, abs=0.1)
    assert shrunk.group_spread == pytest.approx(0.3, abs=0.15)
    assert np.mean((shrunk.mean - truth) ** 2) < 0.5 * np.mean((estimate - truth) ** 2)
    inside = np.abs(shrunk.mean - truth) < 1.96 * shrunk.sd
    assert inside.mean() == pytest.approx(0.95, abs=0.055)  # 250 units: four standard errors


def test_a_unit_without_an_estimate_has_the_mean_of_its_group_and_more_doubt():
    estimate = np.array([1.0, 1.2, 0.8, np.nan, -1.0, -0.7, -1.2])
    se = np.array([0.1, 0.1, 0.1, np.inf, 0.1, 0.1, 0.1])
    shrunk = shrink_estimates(estimate, se, np.array([0, 0, 0, 0, 1, 1, 1]))
    assert shrunk.mean[3] == pytest.approx(shrunk.group_mean[0])
    assert shrunk.sd[3] > shrunk.sd[:3].max()
    assert shrunk.group_mean[0] > 0.7 > -0.7 > shrunk.group_mean[1]


def test_noise_alone_is_drawn_to_one_value():
    rng = np.random.default_rng(9)
    estimate = 0.4 + rng.normal(size=60)
    shrunk = shrink_estimates(estimate, np.ones(60) * 1.3, np.arange(60) % 4)
    assert np.ptp(shrunk.mean) < 0.1 * np.ptp(estimate)


def test_too_few_estimates_are_refused():
    with pytest.raises(ObservationError, match="only 2 estimates"):
        shrink_estimates(np.ones(3), np.array([1.0, 1.0, np.inf]), np.zeros(3, dtype=int))
