"""Tills against queueing theory: waiting times, order of service, no lost shoppers."""

import math

import numpy as np
import pytest

from layouts import Store
from simulator import CheckoutConfig, Luck, ServiceNoise, SimulationConfig, StoreModel, TillChoice
from simulator.checkout import Checkouts, draw_service_s
from tests.simulator.scripted import (
    SERVICE_S,
    build_scripted_model,
    draw_population,
    make_itineraries,
    run_queue,
    with_tills,
)


def expected_waiting_s(n_tills: int, load: float, service_s: float) -> float:
    """Mean wait in an M/M/c queue by Erlang's C formula; `load` is arrivals x service / tills."""
    offered = n_tills * load
    term = offered**n_tills / math.factorial(n_tills) / (1 - load)
    must_wait = term / (sum(offered**k / math.factorial(k) for k in range(n_tills)) + term)
    return must_wait * service_s / (n_tills * (1 - load))


@pytest.mark.parametrize(
    ("n_tills", "load", "choice"),
    [(1, 0.6, TillChoice.SHORTEST_QUEUE), (3, 0.75, TillChoice.FIRST_FREE)],
    ids=["M/M/1", "M/M/3"],
)
def test_mean_waiting_agrees_with_erlang_c(
    tiny_store: Store, n_tills: int, load: float, choice: TillChoice
) -> None:
    store, means = with_tills(tiny_store, n_tills), []
    for replication in range(16):
        model = run_queue(store, load=load, replication=replication, n=1500, choice=choice)
        means.append(np.mean((model.start_s - model.ready_s)[300:]))  # the first 300 find the store too empty
    expected, error = (
        expected_waiting_s(n_tills, load, SERVICE_S),
        np.std(means, ddof=1) / np.sqrt(len(means)),
    )
    assert error < 0.1 * expected  # else the next line says little
    assert abs(np.mean(means) - expected) < 2.5 * error


def test_separate_queues_wait_longer_than_one_line(tiny_store: Store) -> None:
    store = with_tills(tiny_store, 3)
    waits = {
        choice: np.mean([
            np.mean(model.start_s - model.ready_s)
            for model in (run_queue(store, load=0.75, replication=r, n=800, choice=choice) for r in range(4))
        ])
        for choice in TillChoice
    }  # fmt: skip
    assert waits[TillChoice.SHORTEST_QUEUE] > waits[TillChoice.FIRST_FREE]


@pytest.mark.parametrize("choice", list(TillChoice))
def test_tills_serve_one_at_a_time_and_never_idle_while_somebody_waits(
    tiny_store: Store, choice: TillChoice
) -> None:
    config = SimulationConfig(checkout=CheckoutConfig(choice=choice))
    model = build_scripted_model(with_tills(tiny_store, 2), 120, config=config)
    model.run()
    buyers = model.itineraries.n_items > 0
    assert np.array_equal(model.till >= 0, buyers)
    assert np.array_equal(np.isfinite(model.start_s), buyers)
    assert np.all(model.start_s[buyers] >= model.ready_s[buyers])
    for till in range(2):
        served = np.flatnonzero(model.till == till)
        served = served[np.argsort(model.start_s[served])]
        assert len(served) > 20
        previous_end_s = np.concatenate([[0.0], model.end_s[served[:-1]]])
        assert np.array_equal(model.start_s[served], np.maximum(model.ready_s[served], previous_end_s))


def test_everybody_who_came_is_inside_or_has_left_at_every_minute(tiny_store: Store) -> None:
    model = build_scripted_model(tiny_store, 80)
    model.run()
    live = model.datacollector.get_model_vars_dataframe()
    for row in live.itertuples():
        arrived = np.sum(model.population.arrival_s <= row.time_s)
        assert row.n_inside == arrived - np.sum(model.exit_s <= row.time_s)
        assert row.n_served <= np.sum(model.end_s <= row.time_s)
    assert live["queue_lengths"].map(sum).max() > 5
    assert live["n_served"].iloc[-1] == np.sum(model.itineraries.n_items > 0) == model.n_served


def test_an_empty_basket_does_not_queue(tiny_store: Store) -> None:
    zone = tiny_store.zone_index["south"]
    cell = int(tiny_store.walks.zone_cells[zone][0])
    model = StoreModel(tiny_store, draw_population(2), make_itineraries(2, [(0, zone, cell, 7.0)], []))
    model.run()
    walks = tiny_store.walks
    door, way_out = (
        int(walks.place_cell[places][0]) for places in (walks.entrance_places, walks.exit_places)
    )
    ways_m = [walks.distance_m(door, cell) + walks.distance_m(cell, way_out), walks.distance_m(door, way_out)]
    expected_s = np.array(ways_m) / model.population.speed_mps + [7.0, 0.0]
    assert np.allclose(model.exit_s - model.population.arrival_s, expected_s, atol=1e-5)
    assert model.n_served == 0


def test_shortest_queue_and_ties_by_distance() -> None:
    tills = Checkouts(3, TillChoice.SHORTEST_QUEUE)
    far_to_near = np.array([9.0, 5.0, 7.0])
    assert tills.choose(0.0, far_to_near) == 1
    tills.join(1, 0.0, ready_s=2.0, service_s=100.0)
    assert tills.choose(1.0, far_to_near) == 2
    tills.join(2, 1.0, ready_s=2.0, service_s=10.0)
    assert tills.choose(2.0, far_to_near) == 0
    turn = tills.join(2, 2.0, ready_s=3.0, service_s=10.0)
    assert (turn.ahead_end_s, turn.start_s, turn.end_s) == ((12.0,), 12.0, 22.0)
    assert tills.queue_lengths(11.9) == [0, 1, 2]
    assert tills.queue_lengths(12.0) == [0, 1, 1]


@pytest.mark.parametrize(("noise", "cv"), [(ServiceNoise.LOGNORMAL, 0.5), (ServiceNoise.EXPONENTIAL, 1.0)])
def test_service_has_the_mean_and_spread_asked_for(noise: ServiceNoise, cv: float) -> None:
    n = 20_000
    service_s = draw_service_s(CheckoutConfig(noise=noise, noise_cv=0.5), np.full(n, 10), Luck(1))
    assert abs(service_s.mean() / 70.5 - 1) < 4 * cv / np.sqrt(n)
    assert abs(service_s.std() / 70.5 / cv - 1) < 0.05
    exact = draw_service_s(CheckoutConfig(noise=ServiceNoise.NONE), np.array([1, 10]), Luck(1))
    assert exact == pytest.approx([43.95, 70.5])
