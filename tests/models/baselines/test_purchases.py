import numpy as np
import pytest

from models.baselines.dwells import DwellQuantiles
from models.baselines.purchases import MAX_LINES, PRIOR_STOPS, PlacePurchases
from tests.models.worlds import make_journeys

BREAD, CAKE, CRISPS, JAM, MILK, YOGURT = range(6)  # SKUs are kept sorted


@pytest.fixture
def purchases(tiny_store):
    """Four hundred stops at each of south and cold; both bakery SKUs at every second stop in south."""
    south, cold = tiny_store.zone_index["south"], tiny_store.zone_index["cold"]
    picks = [(row, 0, sku, 1) for row in range(0, 400, 2) for sku in (BREAD, CAKE)]
    return PlacePurchases.fit(make_journeys([[south, cold]] * 400, picks), tiny_store)


def test_lines_are_counted_by_stop_and_category(purchases, tiny_store):
    south, bakery = tiny_store.zone_index["south"], tiny_store.categories.index("bakery")
    chance = purchases.probability[south, bakery]
    assert chance.sum() == pytest.approx(1.0)
    assert chance[[0, 2]] == pytest.approx([0.5, 0.5], abs=2 * PRIOR_STOPS / 400)
    assert chance[[1, *range(3, MAX_LINES + 1)]].max() < 0.01


def test_a_category_is_never_taken_where_it_did_not_stand(purchases, tiny_store):
    cold, bakery = tiny_store.zone_index["cold"], tiny_store.categories.index("bakery")
    assert purchases.probability[cold, bakery, 0] == 1.0


def test_draws_follow_the_chances_and_the_shelf(purchases, tiny_store):
    south, bakery = tiny_store.zone_index["south"], tiny_store.categories.index("bakery")
    at = np.full(4000, south)
    u = np.random.default_rng(0).random((4000, len(tiny_store.categories)))
    lines = purchases.draw(at, at, tiny_store, u)
    assert lines[:, bakery].mean() == pytest.approx(1.0, abs=0.06)
    assert set(np.unique(lines[:, bakery])) <= {0, 1, 2}
    assert not np.delete(lines, bakery, axis=1).any()
    assert not purchases.draw(np.full(4000, -1), at, tiny_store, u).any()


def test_dwells_reproduce_the_quantiles_of_their_group():
    rng = np.random.default_rng(0)
    dwell_s = np.concatenate([rng.uniform(10, 20, 4000), rng.uniform(40, 80, 4000)])
    dwells = DwellQuantiles.fit(dwell_s, np.repeat([0, 1], 4000), 3)
    u = rng.random(5000)
    for group, middle in ((0, 15.0), (1, 60.0)):
        assert np.median(dwells.draw(np.full(5000, group), u)) == pytest.approx(middle, rel=0.03)
    nobody = dwells.draw(np.full(5000, 2), u)  # a group without a stop is like all of them
    assert np.quantile(nobody, [0.25, 0.75]) == pytest.approx(np.quantile(dwell_s, [0.25, 0.75]), rel=0.05)
    assert (np.diff(dwells.draw(np.zeros(99, int), np.linspace(0.005, 0.995, 99))) >= 0).all()
