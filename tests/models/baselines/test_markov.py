import numpy as np
import pytest
from scipy import stats

from layouts import ConfigError
from models import LEAVE
from models.baselines import MarkovPolicy
from models.baselines.markov import smooth_counts
from tests.models.baselines.chains import Crowd, by_chances, draw_journeys

CHANCES = {
    -1: [0.0, 0.7, 0.2, 0.1, 0.0, 0.0],
    1: [0.0, 0.0, 0.5, 0.1, 0.1, 0.3],
    2: [0.0, 0.1, 0.0, 0.6, 0.1, 0.2],
    3: [0.0, 0.3, 0.1, 0.0, 0.2, 0.4],
    4: [0.0, 0.2, 0.2, 0.2, 0.0, 0.4],
}


def count_moves(crowd):
    counts = np.zeros((6, 6))
    for _, place, decisions in crowd.steps:
        target = np.where(decisions.zone == LEAVE, 5, decisions.zone)
        np.add.at(counts, (np.minimum(place, 5), target), 1)
    return counts


@pytest.mark.parametrize("order", [1, 2])
def test_a_known_chain_is_recovered(order, tiny_store, tiny_view):
    journeys = draw_journeys(tiny_store, by_chances(CHANCES), 4000)
    policy = MarkovPolicy(order).fit(journeys, tiny_store, np.random.default_rng(0))
    counts = count_moves(Crowd(policy, tiny_view, 4000, seed=1).walk())
    for zone, chances in CHANCES.items():
        row, expected = counts[zone], np.array(chances)
        possible = expected > 0
        assert row[~possible].sum() <= 0.01 * row.sum()
        # both the fit and the walk are samples, so the deviation is allowed to be twice that of one
        statistic = ((row - expected * row.sum()) ** 2)[possible] / (expected * row.sum())[possible]
        assert statistic.sum() / 2.2 < stats.chi2.ppf(0.999, possible.sum() - 1)


def there_and_back(stops, rng):
    """From the middle (2) people go on to where they did not come from: order 2, invisible to order 1."""
    if len(stops) == 3:
        return LEAVE
    return (int(rng.choice([1, 3])), 2, 4 - stops[0] if len(stops) == 2 else 0)[len(stops)]


def test_order_two_sees_where_people_came_from(tiny_store, tiny_view):
    journeys = draw_journeys(tiny_store, there_and_back, 400)
    share = {}
    for order in (1, 2):
        policy = MarkovPolicy(order).fit(journeys, tiny_store, np.random.default_rng(0))
        crowd = Crowd(policy, tiny_view, 400).walk()
        walks = [stops for stops in map(crowd.stops_of, range(400)) if len(stops) == 3 and stops[1] == 2]
        share[order] = np.mean([stops[0] != stops[2] for stops in walks])
    assert share[2] > 0.95
    assert 0.4 < share[1] < 0.6


def test_smoothing_leans_on_the_lower_order_where_it_knows_better():
    lower = np.tile([0.5, 0.3, 0.2], (40, 1))
    rng = np.random.default_rng(0)
    same = smooth_counts(rng.multinomial(5, lower[0], 40).astype(float), lower)
    assert np.abs(same - lower).max() < 0.1  # rows do not differ: the common chances win
    apart = smooth_counts(np.array([[50.0, 0, 0], [0, 50, 0], [0, 0, 50]] * 10), lower[:30])
    assert apart.max(axis=1).min() > 0.95
    assert np.allclose(same.sum(axis=1), 1.0)


def test_other_orders_are_refused():
    with pytest.raises(ConfigError, match="order 3"):
        MarkovPolicy(3)
