"""Crowds: speeds follow the fundamental diagram, aisles hold and pass what they can, nobody is stuck."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from layouts import Store, ZoneType
from simulator import (
    AisleConfig,
    CarrierConfig,
    CheckoutConfig,
    CrowdingConfig,
    GroupConfig,
    Luck,
    Outcome,
    PlaceConfig,
    Population,
    Purpose,
    SimulationConfig,
    StoreModel,
    build_tables,
    compute_positions,
)
from simulator.aisles import OUTSIDE, Aisles, Places, compute_front_m
from simulator.crowd import Crowd, Diagram
from tests.simulator.scripted import build_scripted_model, make_hall, make_itineraries

WEIDMANN = CrowdingConfig()
FROZEN = [HealthCheck.function_scoped_fixture]  # stores are, so examples cannot disturb each other


def run_across(store: Store, arrival_s: np.ndarray, config: SimulationConfig) -> StoreModel:
    """Shoppers of 1 m/s who walk through the hall without buying."""
    n = len(arrival_s)
    people = Population(n, np.asarray(arrival_s, dtype=float), np.ones(n))
    model = StoreModel(store, people, make_itineraries(n, [], []), config=config)
    model.run()
    return model


# the fundamental diagram


def test_the_diagram_has_the_capacity_that_weidmann_gives() -> None:
    diagram = Diagram(WEIDMANN)
    assert 1.34 * diagram.largest == pytest.approx(1.225, abs=0.005)  # people per metre and second
    assert diagram.densest == pytest.approx(1.75, abs=0.05)


@given(density=st.floats(0.0, 50.0), more=st.floats(0.0, 5.0), jam_flow=st.floats(0.01, 1.0))
def test_denser_is_slower_but_nobody_stands_and_no_flow_is_above_the_largest(
    density: float, more: float, jam_flow: float
) -> None:
    diagram = Diagram(CrowdingConfig(jam_flow=jam_flow))
    share = diagram.speed_share(density)
    assert 0.0 < share <= 1.0
    assert diagram.speed_share(density + more) <= share + 1e-12
    if density > 5.4:
        assert share == diagram.speed_share(5.4) == pytest.approx(jam_flow * diagram.largest / 5.4)
        return
    assert density * share <= diagram.largest + 1e-9
    expected = 1.0 - math.exp(-1.913 * (1 / density - 1 / 5.4)) if density > 1e-9 else 1.0
    if density < 1.7 or density * expected > jam_flow * diagram.largest:
        assert share == pytest.approx(expected)
    else:
        assert density * share == pytest.approx(jam_flow * diagram.largest)


@pytest.mark.parametrize("flow", [0.4, 0.6, 0.8])
def test_a_stream_walks_about_as_fast_as_the_diagram_says_of_its_mean_density(
    tiny_store: Store, flow: float
) -> None:
    """People who come at random in one line; of the 3.25 m2 within a metre of a cell, 2.5 m are on it."""
    diagram, n = Diagram(WEIDMANN), 600
    arrival_s = np.cumsum(Luck(1).exponential(Purpose.ARRIVAL, np.arange(n))) / flow
    model = run_across(make_hall(tiny_store), arrival_s, SimulationConfig(crowding=WEIDMANN))
    speed_mps = 11.5 / np.mean((model.exit_s - arrival_s)[100:])
    even = brentq(lambda v: diagram.speed_share(flow / v * 2.5 / 3.25) - v, 0.5, 1.0)
    assert speed_mps == pytest.approx(even, rel=0.06)  # density varies along the line: not exact


@pytest.mark.parametrize("density", [0.25, 0.5, 1.0, 2.0, 3.0, 4.0])
def test_measured_speed_at_an_imposed_density_follows_the_diagram(tiny_store: Store, density: float) -> None:
    model = StoreModel(
        make_hall(tiny_store),
        Population(1, np.zeros(1), np.ones(1)),
        make_itineraries(1, [], []),
        config=SimulationConfig(crowding=WEIDMANN),
    )
    crowd = model.live.crowd
    crowd.room[:] = [density * 0.25] * len(crowd.room)  # people are spread evenly over the cells
    model.run()
    speed_mps = 11.5 / model.exit_s[0]
    assert speed_mps == pytest.approx(1.0 - math.exp(-1.913 * (1 / density - 1 / 5.4)), rel=1e-9)


@settings(max_examples=20, deadline=None, suppress_health_check=FROZEN)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40))
def test_density_is_what_stands_around(tiny_store: Store, seed: int, n: int) -> None:
    store = make_hall(tiny_store)
    crowd, rng = Crowd(WEIDMANN, store), np.random.default_rng(seed)
    cells = rng.integers(store.grid.n_cells, size=n)
    for cell in cells:
        crowd.add(int(cell), 1.0)
    at = int(cells[0])
    metres = np.array([store.walks.distance_m(at, cell) for cell in range(store.grid.n_cells)])
    others = np.sum(metres[cells] <= 1.0 + 1e-6) - 1
    assert crowd.density_around(at, 1.0) == pytest.approx(others / (np.sum(metres <= 1.0 + 1e-6) * 0.25))
    for cell in cells:
        crowd.add(int(cell), -1.0)
    assert crowd.room == [0.0] * store.grid.n_cells


def test_who_is_alone_walks_at_their_own_speed(tiny_store: Store) -> None:
    runs = [
        build_scripted_model(tiny_store, 1, config=SimulationConfig(crowding=on)) for on in (None, WEIDMANN)
    ]
    for model in runs:
        model.run()
    assert runs[1].exit_s == pytest.approx(runs[0].exit_s, abs=1e-9)
    tracks = [build_tables(model).tracks for model in runs]
    assert np.allclose(tracks[0][["x", "y"]], tracks[1][["x", "y"]], atol=1e-6)


FULL = SimulationConfig(
    crowding=WEIDMANN,
    aisles=AisleConfig(max_density=0.6),
    places=PlaceConfig(width_m=1.0, patience_s=30.0),
    groups=GroupConfig(),
    carriers=CarrierConfig(basket_from=1, cart_from=2, n_carts=15),
)


@pytest.fixture
def crowded(tiny_store: Store) -> StoreModel:
    model = build_scripted_model(tiny_store, 120, within_s=300.0, config=FULL)
    model.run()
    return model


def test_nobody_jumps_or_walks_faster_than_they_can_in_a_crowd(crowded: StoreModel) -> None:
    shopper, t_s, xy = compute_positions(crowded)
    same = np.diff(shopper) == 0
    assert np.all(np.diff(t_s)[same] == 1)
    step_m = np.hypot(*np.diff(xy, axis=0).T)[same]
    assert np.all(step_m <= crowded.speed_mps[shopper[1:][same]] + 1e-9)
    for index, walks in enumerate(crowded.walks):
        for walk in walks:
            assert np.all(np.diff(walk.times_s(crowded.speed_mps[index])) >= -1e-9)
        for before, after in pairwise(walks):
            assert before.cells[-1] == after.cells[0]
            assert before.end_s(crowded.speed_mps[index]) <= after.start_s + 1e-6


def test_a_crowd_costs_time_and_everybody_leaves(crowded: StoreModel, tiny_store: Store) -> None:
    alone = build_scripted_model(tiny_store, 120, within_s=300.0)
    alone.run()
    assert np.all(np.isfinite(crowded.exit_s))
    assert np.mean(crowded.exit_s) > np.mean(alone.exit_s)
    assert crowded.live.crowd.room == pytest.approx([0.0] * tiny_store.grid.n_cells, abs=1e-9)
    assert sum(crowded.live.aisles.used) == pytest.approx(0.0, abs=1e-9)
    assert crowded.live.places.n_free == crowded.live.places.n_places
    assert crowded.live.carts.n_free == 15


def test_a_crowd_is_the_same_step_by_step(crowded: StoreModel, tiny_store: Store) -> None:
    stepped = build_scripted_model(tiny_store, 120, within_s=300.0, config=FULL)
    seen = {}
    while stepped.running:
        stepped.step()
        for shopper in stepped.agents if stepped.time_s % 10 == 0 else ():
            seen[shopper.unique_id, stepped.time_s] = shopper.pos
    assert np.array_equal(stepped.exit_s, crowded.exit_s)
    shopper, t_s, xy = compute_positions(crowded)
    rows = {key: row for row, key in enumerate(zip(shopper.tolist(), t_s.tolist(), strict=True))}
    assert len(seen) > 500
    live = np.array([seen[key] for key in seen])
    assert np.allclose(live, xy[[rows[key] for key in seen]], atol=1e-6)


# aisles


def test_a_corridor_passes_no_more_than_its_capacity(tiny_store: Store) -> None:
    store, n = make_hall(tiny_store), 200
    config = SimulationConfig(aisles=AisleConfig(max_density=5 / 21))  # five people in 6 by 3.5 m
    model = run_across(store, np.arange(n) * 0.5, config)
    assert model.live.aisles.capacity == [5]
    inside_s = 6.0  # twelve cells of half a metre at 1 m/s
    exit_s = np.sort(model.exit_s)
    gaps_s = exit_s[5:] - exit_s[:-5]
    assert gaps_s.min() >= inside_s - 1e-6  # no five after each other in less than it takes to walk through
    assert (n - 6) / (exit_s[-1] - exit_s[5]) == pytest.approx(5 / inside_s, rel=0.02)  # and it is used
    shopper, _, xy = compute_positions(model)
    seconds = np.concatenate([np.arange(count) for count in np.bincount(shopper)])
    t_s = np.ceil(model.population.arrival_s)[shopper] + seconds
    # half a step is walked before one counts as inside, and one counts until half a step is walked
    in_aisle = (xy[:, 0] > 3.0) & (xy[:, 0] < 8.75)
    assert np.bincount(t_s[in_aisle].astype(int)).max() <= 5


def test_a_corridor_with_room_for_all_holds_nobody_up(tiny_store: Store) -> None:
    model = run_across(
        make_hall(tiny_store), np.arange(50) * 2.0, SimulationConfig(aisles=AisleConfig(max_density=0.5))
    )
    assert model.exit_s - model.population.arrival_s == pytest.approx(np.full(50, 11.5))


class Walker:
    """As much of a shopper as an aisle looks at."""

    def __init__(self, index: int, *, room: float = 1.0) -> None:
        self.unique_id, self.aisle, self.room = index, OUTSIDE, room
        self.awaited_aisle: int | None = None


class Alarm:
    """Keeps who was woken."""

    def __init__(self) -> None:
        self.woken: list[int] = []

    def wake(self, actor: int, t_s: float) -> None:
        self.woken.append(actor)


def test_people_who_wait_for_each_other_in_a_circle_change_places(tiny_store: Store) -> None:
    alarm = Alarm()
    aisles = Aisles(AisleConfig(max_density=0.01), tiny_store, alarm)  # one in each
    south, north = (tiny_store.zone_index[name] for name in ("south", "north"))
    cells = [aisles.aisle.index(zone) for zone in (south, north)]
    one, two, third = (Walker(index) for index in range(3))
    assert aisles.enter(one, cells[0], 0.0)
    assert aisles.enter(two, cells[1], 0.0)
    assert not aisles.enter(third, cells[0], 1.0)  # from outside: waits its turn
    assert not aisles.enter(one, cells[1], 2.0)
    assert alarm.woken == []
    assert aisles.enter(two, cells[0], 3.0)  # closes the circle
    assert (one.aisle, two.aisle) == (north, south)
    assert alarm.woken == [0]
    aisles.leave(two, 4.0)
    assert alarm.woken == [0, 2]
    assert third.aisle == south
    assert [aisles.used[zone] for zone in (south, north)] == [1.0, 1.0]


def test_a_group_that_does_not_fit_where_somebody_left_changes_places_too(tiny_store: Store) -> None:
    alarm = Alarm()
    aisles = Aisles(AisleConfig(max_density=0.01), tiny_store, alarm)
    south, north = (tiny_store.zone_index[name] for name in ("south", "north"))
    aisles.capacity[south] = 2
    cells = [aisles.aisle.index(zone) for zone in (south, north)]
    leaver, single, pair = Walker(0), Walker(1), Walker(2, room=2.0)
    assert all(aisles.enter(walker, cells[0], 0.0) for walker in (leaver, single))
    assert aisles.enter(pair, cells[1], 0.0)  # an empty aisle takes any group
    assert not aisles.enter(single, cells[1], 1.0)
    assert not aisles.enter(pair, cells[0], 2.0)
    assert alarm.woken == []  # somebody in the south can still make room ...
    aisles.leave(leaver, 3.0)
    assert sorted(alarm.woken) == [1, 2]  # ... but it is not enough for the two
    assert (single.aisle, pair.aisle) == (north, south)


@settings(max_examples=30, deadline=None, suppress_health_check=FROZEN)
@given(
    seed=st.integers(0, 10_000),
    max_density=st.floats(0.01, 1.0),
    is_open=st.booleans(),
    patience_s=st.sampled_from([None, 20.0]),
)
def test_nobody_is_ever_stuck_however_narrow_it_is(
    tiny_store: Store, seed: int, max_density: float, is_open: bool, patience_s: float | None
) -> None:
    types = {zone.zone_id: zone.zone_type if is_open else ZoneType.AISLE for zone in tiny_store.zones}
    zones = tuple(dataclasses.replace(zone, zone_type=types[zone.zone_id]) for zone in tiny_store.zones)
    config = SimulationConfig(
        crowding=WEIDMANN,
        aisles=AisleConfig(max_density=max_density),
        places=PlaceConfig(patience_s=patience_s),
        groups=GroupConfig(size_share=(3, 2, 1, 1)),
        carriers=CarrierConfig(cart_from=2, cart_room=1.5),
    )
    store = dataclasses.replace(tiny_store, zones=zones)  # every zone an aisle: all ways lead through several
    model = build_scripted_model(store, 40, seed=seed, within_s=30.0, mean_stops=8, config=config)
    model.run()
    assert np.all(np.isfinite(model.exit_s))
    assert np.all(model.live.outcome != "")


def test_people_who_wait_for_ever_are_a_fault_that_is_told(tiny_store: Store, monkeypatch) -> None:
    monkeypatch.setattr(Places, "leave", lambda self, zone, t_s: None)
    config = SimulationConfig(places=PlaceConfig(width_m=9.0, patience_s=None))
    model = build_scripted_model(tiny_store, 20, config=config)
    with pytest.raises(RuntimeError, match=r"shoppers wait for each other at \d+ s; nobody will move"):
        model.run()


# places before a shelf


def test_places_follow_the_width_of_the_zone(tiny_store: Store) -> None:
    places = Places(PlaceConfig(width_m=0.75), tiny_store, Alarm())
    fronts_m = [compute_front_m(zone.polygon) for zone in tiny_store.zones]
    assert fronts_m[tiny_store.zone_index["cold"]] == pytest.approx(3.0)
    assert places.n_places == [max(1, math.floor(front_m / 0.75 + 1e-9)) for front_m in fronts_m]


def run_to_shelf(store: Store, places: PlaceConfig, *, load: float, replication: int, n: int) -> StoreModel:
    """Poisson arrivals who stand at one shelf for exponential times and buy there; no wait at tills."""
    luck, dwell_s = Luck(17, replication), 20.0
    zone, bread = store.zone_index["south"], store.sku_index["BREAD"]
    cell = int(store.walks.zone_cells[zone][0])
    gap_s = dwell_s / (load * Places(places, store, Alarm()).n_places[zone])
    stays_s = dwell_s * luck.exponential(Purpose.DWELL, np.arange(n))
    model = StoreModel(
        store,
        Population(n, np.cumsum(luck.exponential(Purpose.ARRIVAL, np.arange(n)) * gap_s), np.ones(n)),
        make_itineraries(
            n, [(i, zone, cell, s) for i, s in enumerate(stays_s)], [(i, bread, 1) for i in range(n)]
        ),
        config=SimulationConfig(
            checkout=CheckoutConfig(base_service_s=0.0, item_service_s=0.0),
            places=places,
            collect_every_s=86_400,
        ),
        luck=luck,
    )
    model.run()
    return model


def test_waits_for_a_place_before_a_shelf_agree_with_erlang_c(tiny_store: Store) -> None:
    load, n_places, dwell_s = 0.75, 2, 20.0  # the shelf is 2 m wide
    offered = load * n_places
    term = offered**n_places / math.factorial(n_places) / (1 - load)
    must_wait = term / (sum(offered**k / math.factorial(k) for k in range(n_places)) + term)
    expected = must_wait * dwell_s / (n_places * (1 - load))
    means = []
    for replication in range(16):
        model = run_to_shelf(
            tiny_store, PlaceConfig(width_m=1.0, patience_s=None), load=load, replication=replication, n=1200
        )
        arrived_s = np.array([walks[0].end_s(1.0) for walks in model.walks])
        means.append(np.mean((model.stop_s - arrived_s)[200:]))
    error = np.std(means, ddof=1) / np.sqrt(len(means))
    assert error < 0.1 * expected
    assert abs(np.mean(means) - expected) < 3 * error


def test_who_loses_patience_before_a_shelf_goes_on_without(tiny_store: Store) -> None:
    model = run_to_shelf(
        tiny_store, PlaceConfig(width_m=2.0, patience_s=15.0), load=1.5, replication=0, n=200
    )
    tables = build_tables(model)
    without = model.live.outcome == Outcome.EMPTY
    assert 20 < without.sum() < 180
    assert set(tables.lost["reason"]) == {"crowded"}
    assert len(tables.lost) + len(tables.receipts) == 200
    assert np.array_equal(tables.sessions["missed"].to_numpy(), without.astype(int))
    assert np.array_equal(tables.visits["dwell_s"].to_numpy() == 0, without)
    arrived_s = np.array([walks[0].end_s(1.0) for walks in model.walks])
    waited_s = model.stop_s - arrived_s
    assert waited_s[without] == pytest.approx(np.full(without.sum(), 15.0))
    assert waited_s[~without].max() < 15.0
    start, end = model.stop_s[~without], model.stop_s[~without] + model.itineraries.stop_dwell_s[~without]
    order = np.argsort(start)
    assert np.all(start[order][1:] >= end[order][:-1] - 1e-9)  # one place: one after the other
