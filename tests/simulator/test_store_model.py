"""Everybody walks where one can walk, is served and leaves; stepping and running give the same run."""

import gc
import weakref

import mesa
import numpy as np
import pytest
import shapely

from layouts import ModelError, Store
from simulator import Activity, Luck, Population, Shopper, SimulationConfig, StoreModel, compute_positions
from tests.simulator.scripted import build_scripted_model, draw_population, make_itineraries

ROUNDING_M = 1e-9


def find_faults(model: StoreModel) -> np.ndarray:
    """Positions at whole seconds that lie in something solid or off the floor."""
    _, _, xy = compute_positions(model)
    assert len(xy) > 1000
    points = shapely.points(xy)
    is_off = ~shapely.dwithin(model.store.walkable, points, ROUNDING_M)
    is_in_fixture = shapely.intersects(model.store.blocked.buffer(-ROUNDING_M), points)
    return xy[is_off | is_in_fixture]


@pytest.mark.parametrize("run", ["crowded_tiny", "busy_market"])
def test_nobody_is_ever_in_a_fixture_or_off_the_floor(run: str, request: pytest.FixtureRequest) -> None:
    assert find_faults(request.getfixturevalue(run)).size == 0


def find_free_metres(model: StoreModel, xy: np.ndarray, within_m: float) -> np.ndarray:
    """Metres that no time is taken for: ways are timed between middles of cells, tills stand beside them."""
    walks = model.store.walks
    aside_m = np.hypot(*(walks.seen_xy - walks.grid.xy).T)
    points = np.flatnonzero(aside_m)
    away_m = np.hypot(*(xy[:, None] - walks.seen_xy[points]).transpose(2, 0, 1))
    return np.where(away_m <= within_m + walks.grid.cell_m, aside_m[points], 0.0).max(axis=1, initial=0.0)


@pytest.mark.parametrize("run", ["crowded_tiny", "busy_market"])
def test_nobody_jumps_and_everybody_goes_from_an_entrance_to_an_exit(
    run: str, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(run)
    shopper, t_s, xy = compute_positions(model)
    same = np.diff(shopper) == 0
    assert np.all(np.diff(t_s)[same] == 1)
    step_m = np.hypot(*np.diff(xy, axis=0).T)[same]
    free_m = find_free_metres(model, xy[1:][same], model.population.speed_mps.max())
    assert np.all(step_m <= model.population.speed_mps[shopper[1:][same]] + free_m + ROUNDING_M)
    first, last = np.flatnonzero(np.diff(shopper, prepend=-1)), np.flatnonzero(np.diff(shopper, append=-1))
    walks, cells = model.store.walks, model.store.grid.xy
    for rows, places in ((first, walks.entrance_places), (last, walks.exit_places)):
        doors = cells[walks.place_cell[places]]
        away_m = np.hypot(*(xy[rows][:, None] - doors).transpose(2, 0, 1)).min(axis=1)
        assert np.all(away_m <= model.population.speed_mps[shopper[rows]] + ROUNDING_M)  # within one second


@pytest.mark.parametrize("run", ["crowded_tiny", "busy_market"])
def test_every_shopper_leaves(run: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(run)
    assert not model.running
    assert model.n_inside == len(model.agents) == 0
    assert np.all(model.exit_s >= model.population.arrival_s)
    assert sum(model.queue_lengths) == 0


def test_every_stop_is_stood_through_where_it_was_planned(busy_market: StoreModel) -> None:
    plans = busy_market.itineraries
    shopper, t_s, xy = compute_positions(busy_market)
    first_row = np.searchsorted(shopper, np.arange(plans.n_shoppers))
    first_s = t_s[first_row]
    for stop in range(0, plans.n_stops, 7):
        begin, who = busy_market.stop_s[stop], plans.stop_shopper[stop]
        during = np.arange(np.ceil(begin), begin + plans.stop_dwell_s[stop]).astype(int)
        here = xy[first_row[who] + during - first_s[who]]
        assert np.allclose(here, busy_market.store.grid.xy[plans.stop_cell[stop]], atol=1e-6)


def test_stepping_second_by_second_equals_running(tiny_store: Store) -> None:
    stepped, run = (build_scripted_model(tiny_store, 30, within_s=200.0) for _ in range(2))
    while stepped.running:
        stepped.step()
    run.run()
    assert stepped.time_s == stepped.steps == run.time_s == run.steps
    for ours, theirs in zip(compute_positions(stepped), compute_positions(run), strict=True):
        assert np.array_equal(ours, theirs)
    figures = [model.datacollector.get_model_vars_dataframe() for model in (stepped, run)]
    assert figures[0].equals(figures[1])
    assert len(figures[0]) > 10


def test_live_positions_equal_the_tables(tiny_store: Store) -> None:
    model, seen = build_scripted_model(tiny_store, 40, within_s=200.0), {}
    activities = set()
    while model.running:
        for shopper in model.agents:
            seen[shopper.unique_id, model.time_s] = (shopper.position_at(model.time_s), shopper.cell)
            activities.add(shopper.activity)
        model.step()
    assert activities == set(Activity)
    shopper, t_s, xy = compute_positions(model)
    rows = {key: row for row, key in enumerate(zip(shopper.tolist(), t_s.tolist(), strict=True))}
    assert len(seen) > 1000
    for key, (position, cell) in seen.items():
        assert np.allclose(position, xy[rows[key]], atol=1e-9)
        assert np.hypot(*(model.store.grid.xy[cell] - position)) < 0.5 * np.sqrt(2) + 1e-9


def test_those_who_wait_stand_in_line_in_order_of_arrival(tiny_store: Store) -> None:
    zone, bread = tiny_store.zone_index["south"], tiny_store.sku_index["BREAD"]
    cell = int(tiny_store.walks.zone_cells[zone][0])
    model = StoreModel(
        tiny_store,
        Population(n=3, arrival_s=np.array([0.0, 5.0, 10.0]), speed_mps=np.ones(3)),
        make_itineraries(3, [(i, zone, cell, 5.0) for i in range(3)], [(i, bread, 1) for i in range(3)]),
    )
    while model.time_s < 35:
        model.step()
    till = tiny_store.grid.xy[model.till_cell[0]]
    line = [np.hypot(*(shopper.position_at(35.0) - till)) for shopper in model.agents]
    assert model.queue_lengths == [3]
    assert line[0] == 0
    assert 0.7 < line[1] < line[2] < 3.0
    model.run()
    assert np.all(np.diff(model.exit_s) > 10)


def test_baskets_fill_stop_by_stop(tiny_store: Store) -> None:
    zone, bread, cake = tiny_store.zone_index["south"], *(tiny_store.sku_index[s] for s in ("BREAD", "CAKE"))
    cell = int(tiny_store.walks.zone_cells[zone][0])
    plans = make_itineraries(1, [(0, zone, cell, 10.0), (0, zone, cell, 10.0)], [(0, bread, 1), (1, cake, 2)])
    model = StoreModel(tiny_store, Population(n=1, arrival_s=np.zeros(1), speed_mps=np.ones(1)), plans)
    sizes = []
    while model.running:
        model.step()
        sizes += [len(shopper.goods) for shopper in model.agents]
    assert sizes == sorted(sizes)
    assert set(sizes) == {0, 1, 2}
    assert model.revenue == 2.0 + 2 * 3.0


def test_a_shopper_meets_the_same_luck_whoever_else_comes(market_a: Store) -> None:
    few, many = (build_scripted_model(market_a, n, seed=5) for n in (20, 200))
    assert np.array_equal(few.itineraries.n_items, many.itineraries.n_items[:20])
    assert few.service_s == many.service_s[:20]


def test_models_do_not_leak(tiny_store: Store) -> None:
    finished = [build_scripted_model(tiny_store, 10) for _ in range(20)]
    for model in finished:
        model.run()
    broken_off = build_scripted_model(tiny_store, 10, within_s=20.0)
    while len(broken_off.agents) < 3:
        broken_off.step()
    watched = [weakref.ref(model) for model in [*finished, broken_off]]
    del finished, model, broken_off
    gc.collect()
    assert [ref for ref in watched if ref() is not None] == []
    assert not any(type(model) is StoreModel for model in mesa.Agent._ids)
    assert not any(type(thing) is Shopper for thing in gc.get_objects())


def test_a_model_without_arguments_runs() -> None:
    model = StoreModel()
    for _ in range(10):
        model.step()
    model.run()
    assert model.n_served > 0


def test_an_empty_population_is_over_at_once(tiny_store: Store) -> None:
    model = StoreModel(tiny_store, draw_population(0), make_itineraries(0, [], []))
    model.run()
    assert model.time_s == 0
    assert len(compute_positions(model)[0]) == 0


def test_seed_and_rng_mean_what_they_mean_in_mesa(tiny_store: Store) -> None:
    assert StoreModel(tiny_store, seed=3).luck == StoreModel(tiny_store, rng=3).luck == Luck(3)
    assert StoreModel(tiny_store, seed=3).random.random() == StoreModel(tiny_store, seed=3).random.random()
    assert StoreModel(tiny_store, luck=Luck(-5)).running  # a seed that Mesa itself would refuse
    with pytest.raises(ValueError, match="not both"):
        StoreModel(tiny_store, seed=3, rng=4)


def test_figures_are_collected_as_often_as_asked_for(tiny_store: Store) -> None:
    config = SimulationConfig(collect_every_s=15)
    model = build_scripted_model(tiny_store, 5, within_s=30.0, config=config)
    model.run()
    times_s = model.datacollector.get_model_vars_dataframe()["time_s"].tolist()
    assert times_s == [*range(0, model.time_s, 15), model.time_s]


def test_nights_are_skipped(tiny_store: Store) -> None:
    zone = tiny_store.zone_index["south"]
    cell = int(tiny_store.walks.zone_cells[zone][0])
    plans = make_itineraries(2, [(1, zone, cell, 5.0)], [])
    model = StoreModel(tiny_store, Population(2, np.array([10.0, 2 * 86400.0 + 10]), np.ones(2)), plans)
    model.run()
    assert 2 * 86400 < model.time_s < 2 * 86400 + 60
    times_s = model.datacollector.get_model_vars_dataframe()["time_s"].to_numpy()
    assert not np.any((times_s > 43_200) & (times_s < 86_400))


def test_a_cohort_of_another_size_is_refused(tiny_store: Store) -> None:
    with pytest.raises(ModelError, match="itineraries of 3 shoppers for a population of 2"):
        StoreModel(tiny_store, draw_population(2), make_itineraries(3, [], []))
