import numpy as np
import pytest
from scipy.special import softmax

from models import LEAVE
from models.baselines import MarkovPolicy, SVMPolicy
from models.baselines.svm import N_STOPS_BACK, calibrate
from tests.models.baselines.chains import Crowd, draw_journeys


def remember_the_first(stops, rng):
    """Six stops between 2 and 4, then back to where one began, 1 or 3: seven stops ago."""
    if not stops:
        return int(rng.choice([1, 3]))
    if len(stops) == N_STOPS_BACK:
        return stops[0]
    return LEAVE if len(stops) > N_STOPS_BACK else (2, 4)[len(stops) % 2]


def share_back(policy, view, n=300):
    crowd = Crowd(policy, view, n).walk()
    walks = [stops for stops in map(crowd.stops_of, range(n)) if len(stops) > N_STOPS_BACK]
    return np.mean([stops[0] == stops[N_STOPS_BACK] for stops in walks]) if walks else 0.0


def test_seven_stops_are_remembered(tiny_store, tiny_view):
    journeys = draw_journeys(tiny_store, remember_the_first, 300)
    rng = np.random.default_rng(0)
    assert share_back(SVMPolicy().fit(journeys, tiny_store, rng), tiny_view) > 0.9
    assert share_back(MarkovPolicy(2).fit(journeys, tiny_store, rng), tiny_view) < 0.7


def test_calibration_recovers_scale_and_biases():
    rng = np.random.default_rng(0)
    log_weights = rng.normal(size=(6000, 4))
    bias = np.array([0.5, -0.5, 0.0, 0.3])
    chance = softmax(2.0 * log_weights + bias, axis=1)
    target = (rng.random((6000, 1)) > chance.cumsum(axis=1)).sum(axis=1)
    scale, fitted = calibrate(log_weights, target)
    assert scale == pytest.approx(2.0, abs=0.12)
    assert fitted - fitted.mean() == pytest.approx(bias - bias.mean(), abs=0.12)


def test_attributes_tell_people_apart(tiny_store, tiny_view):
    """Quick shoppers of the data go to 1, the others to 3."""
    journeys = draw_journeys(tiny_store, lambda stops, rng: LEAVE if stops else 1, 200)
    is_quick = journeys.attributes["mission"] == "quick"
    journeys.zone[~is_quick, 0] = 3
    policy = SVMPolicy().fit(journeys, tiny_store, np.random.default_rng(0))
    zone = Crowd(policy, tiny_view, 200).walk(n_steps=1).steps[0][2].zone
    assert np.mean(zone[::2] == 1) > 0.9  # even rows are quick
    assert np.mean(zone[1::2] == 3) > 0.9
