import numpy as np
import pytest

from benchmarks.fidelity.predictors import _simulated, find_predictor
from benchmarks.fidelity.predictors._simulated import name_by_place
from benchmarks.fidelity.predictors.sales_on_exposure import _regress_within
from benchmarks.fidelity.worlds import draw_world


@pytest.fixture(scope="module")
def world():
    return draw_world("X", 1, n_observed=250, n_truth=300)


def get_edit(world, name):
    return next(edit for edit in world.edits if edit.name == name)


def test_zones_are_named_after_what_stood_in_their_place(world):
    back = name_by_place(world.store, get_edit(world, "relabelled").store)
    assert [zone.zone_id for zone in back.zones] == [zone.zone_id for zone in world.store.zones]
    assert back.placements == world.store.placements
    table = name_by_place(world.store, get_edit(world, "table-at-the-door").store)
    assert set(table.zone_index) - set(world.store.zone_index) == {"new new-table-zone"}


@pytest.mark.parametrize("name", ["markov_1", "nearest"])
def test_models_see_that_other_names_change_nothing(world, name, monkeypatch):
    monkeypatch.setattr(_simulated, "N_SIMULATED", 160)
    monkeypatch.setattr(_simulated, "N_PLACE_BOUND", 160)
    fitted = find_predictor(name).fit(world.store, world.observations, np.random.default_rng(0))
    assert fitted.predict(world.store, get_edit(world, "relabelled").store).mean == 0.0
    emptied = fitted.predict(world.store, get_edit(world, "no-displays").store)
    assert emptied.lower < emptied.mean < emptied.upper


def test_bounds_see_the_answer(world):
    edit = get_edit(world, "no-displays")
    again = find_predictor("truth_again").fit_case(world, np.random.default_rng(0))
    prediction = again.predict(world.store, edit.store)
    true, se = world.true_lift(edit)
    assert prediction.mean != true
    assert prediction.mean == pytest.approx(true, abs=6 * se)
    test = find_predictor("field_test").fit_case(world, np.random.default_rng(0))
    prediction = test.predict(world.store, edit.store)
    # 250 visitors before, 250 after: the standard error of the difference is about 7 % of the profit
    assert 0.1 < prediction.upper - prediction.lower < 0.6


def test_slope_within_groups_by_hand():
    # two groups on parallel lines of slope 2, the second 10 higher
    x, group = np.array([0.0, 1.0, 2.0, 5.0, 6.0, 7.0]), np.array([0, 0, 0, 1, 1, 1])
    slope, se = _regress_within(2 * x + 10 * group, x, group)
    assert slope == pytest.approx(2.0)
    assert se == pytest.approx(0.0, abs=1e-9)
