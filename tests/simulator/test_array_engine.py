"""Arrays give what events give, to the byte: records, live figures, tables."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layouts import Store, bundled_store
from simulator import (
    CheckoutConfig,
    Engine,
    Luck,
    Population,
    SimulationConfig,
    StockConfig,
    StoreModel,
    TillChoice,
    build_tables,
    draw_scripted_itineraries,
)
from simulator.array_engine import ArrayRun, compute_schedule
from simulator.legs import compute_legs
from tests.simulator.scripted import build_scripted_model, draw_population, make_itineraries, with_tills

FROZEN = [HealthCheck.function_scoped_fixture]  # stores are, so examples cannot disturb each other
RECORDS = ("stop_s", "till", "ready_s", "start_s", "end_s", "exit_s")
FIGURES = ("time_s", "steps", "n_served", "revenue", "running", "n_inside", "queue_lengths")


def run_both(store: Store, population: Population, plans, luck: Luck, **options) -> list[StoreModel]:
    models = [
        StoreModel(store, population, plans, config=SimulationConfig(engine=engine, **options), luck=luck)
        for engine in (Engine.EVENTS, Engine.ARRAYS)
    ]
    for model in models:
        model.run()
    return models


def assert_same(events: StoreModel, arrays: StoreModel) -> None:
    for name in RECORDS:
        assert getattr(events, name).tobytes() == getattr(arrays, name).tobytes(), name
    for name in FIGURES:
        assert getattr(events, name) == getattr(arrays, name), name
    ours, theirs = (model.datacollector.get_model_vars_dataframe() for model in (arrays, events))
    assert ours.equals(theirs)
    of_arrays, of_events = build_tables(arrays), build_tables(events)
    for name in ("tracks", "receipts", "sessions", "visits", "picks", "zones"):
        assert getattr(of_arrays, name).equals(getattr(of_events, name)), name
    assert of_arrays.occupancy.tobytes() == of_events.occupancy.tobytes()
    assert of_arrays.totals == of_events.totals
    for walks, others in zip(arrays.walks, events.walks, strict=True):
        for walk, other in zip(walks, others, strict=True):
            assert walk.start_s == other.start_s
            assert walk.cells.tolist() == other.cells.tolist()
            assert walk.metres.tobytes() == other.metres.tobytes()


@settings(max_examples=25, deadline=None, suppress_health_check=FROZEN)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 80),
    within_s=st.floats(1.0, 2000.0),
    n_tills=st.integers(1, 4),
    choice=st.sampled_from(TillChoice),
    approach_m=st.floats(0.0, 8.0),
    every_s=st.integers(1, 100),
    at_door_s=st.sampled_from([0.0, 10.0]),
)
def test_arrays_give_what_events_give(
    tiny_store: Store,
    seed: int,
    n: int,
    within_s: float,
    n_tills: int,
    choice: TillChoice,
    approach_m: float,
    every_s: int,
    at_door_s: float,
) -> None:
    luck = Luck(seed)
    models = run_both(
        with_tills(tiny_store, n_tills),
        draw_population(n, seed=seed, within_s=within_s, at_door_s=at_door_s),
        draw_scripted_itineraries(tiny_store, n, luck),
        luck,
        checkout=CheckoutConfig(choice=choice, approach_m=approach_m),
        collect_every_s=every_s,
    )
    assert_same(*models)


def test_a_day_in_the_supermarket_is_the_same_by_arrays() -> None:
    store, luck = bundled_store("supermarket"), Luck(9)
    plans = draw_scripted_itineraries(store, 300, luck, mean_stops=8)
    assert_same(*run_both(store, draw_population(300, within_s=7200.0), plans, luck))


def test_nights_and_whole_seconds_are_the_same_by_arrays(tiny_store: Store) -> None:
    zone = tiny_store.zone_index["south"]
    cell = int(tiny_store.walks.zone_cells[zone][0])
    arrival_s = np.array([0.0, 60.0, 2 * 86_400.0 + 43_180.0])  # the last leaves after closing
    plans = make_itineraries(
        3, [(1, zone, cell, 5.0), (2, zone, cell, 900.0)], [(0, tiny_store.sku_index["BREAD"], 1)]
    )
    assert_same(*run_both(tiny_store, Population(3, arrival_s, np.ones(3)), plans, Luck(0)))


@pytest.mark.parametrize("n", [0, 4])
def test_nobody_and_nobody_who_buys_are_the_same_by_arrays(tiny_store: Store, n: int) -> None:
    plans = make_itineraries(n, [], [])
    assert_same(*run_both(tiny_store, draw_population(n), plans, Luck(0)))


def test_ways_that_are_told_are_the_same_by_arrays(tiny_store: Store) -> None:
    luck, n = Luck(3), 20
    plans = draw_scripted_itineraries(tiny_store, n, luck)
    n_legs, rng = plans.n_stops + n, np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 3, n_legs))])
    ways = rng.integers(tiny_store.grid.n_cells, size=offsets[-1])
    plans = dataclasses.replace(plans, way_cells=ways, way_offsets=offsets)
    assert_same(*run_both(tiny_store, draw_population(n), plans, luck))


def test_a_model_that_has_been_stepped_goes_on_by_events(tiny_store: Store) -> None:
    luck = Luck(1)
    plans = draw_scripted_itineraries(tiny_store, 30, luck)
    models = [
        StoreModel(tiny_store, draw_population(30), plans, config=SimulationConfig(engine=engine), luck=luck)
        for engine in (Engine.EVENTS, Engine.ARRAYS)
    ]
    for model in models:
        for _ in range(100):
            model.step()
        assert len(model.agents) > 0
        model.run()
    assert_same(*models)


def test_auto_takes_arrays_where_it_can(tiny_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    run = ArrayRun.run
    monkeypatch.setattr(ArrayRun, "run", lambda self: taken.append(self.model) or run(self))
    models = [
        build_scripted_model(tiny_store, 10, config=SimulationConfig(**settings))
        for settings in ({}, {"engine": Engine.ARRAYS}, {"engine": Engine.EVENTS}, {"stock": StockConfig()})
    ]
    models[1].step()
    for model in models:
        model.run()
    assert taken == [models[0]]


def test_a_schedule_by_hand(tiny_store: Store) -> None:
    door, here, there = 0, 3, 5
    legs = compute_legs(tiny_store, np.array([door, here, door]), np.array([here, there, there]))
    schedule = compute_schedule(
        legs, np.array([0, 1, 1]), np.array([10.0, 20.0]), np.array([1.0, 0.5]), np.array([4.0])
    )
    assert schedule.stop_s == pytest.approx([10.0 + 1.5])
    assert schedule.done_s == pytest.approx([10.0 + 1.5 + 4.0, 20.0])
    assert schedule.leg_start_s == pytest.approx([10.0, 15.5, 20.0])
