"""Groups and carts: sizes as asked for, speeds, and carts as servers of a loss system."""

import math

import numpy as np
import pytest

from layouts import Store
from simulator import (
    Carrier,
    CarrierConfig,
    CheckoutConfig,
    GroupConfig,
    Luck,
    NoCart,
    Population,
    Purpose,
    ServiceNoise,
    SimulationConfig,
    StoreModel,
    build_tables,
    compute_positions,
    draw_scripted_itineraries,
)
from simulator.company import draw_group_sizes
from tests.simulator.scripted import build_scripted_model

NO_SERVICE = CheckoutConfig(base_service_s=0.0, item_service_s=0.0, noise=ServiceNoise.NONE)


def run_with_carts(
    store: Store, carriers: CarrierConfig, *, replication: int, n: int, gap_s: float
) -> StoreModel:
    """Shoppers who come as a Poisson process; nobody waits at a till."""
    luck = Luck(3, replication)
    arrival_s = np.cumsum(luck.exponential(Purpose.ARRIVAL, np.arange(n)) * gap_s)
    model = StoreModel(
        store,
        Population(n=n, arrival_s=arrival_s, speed_mps=np.ones(n)),
        draw_scripted_itineraries(store, n, luck, mean_stops=4),
        config=SimulationConfig(checkout=NO_SERVICE, carriers=carriers, collect_every_s=86_400),
        luck=luck,
    )
    model.run()
    return model


def compute_loss(n_servers: int, offered: float) -> float:
    """Share that finds all servers busy, by Erlang's B formula; whatever the law of the service."""
    terms = [offered**k / math.factorial(k) for k in range(n_servers + 1)]
    return terms[-1] / sum(terms)


def test_groups_have_the_sizes_asked_for() -> None:
    n, shares = 20_000, np.array([0.5, 0.3, 0.0, 0.2])
    sizes = draw_group_sizes(GroupConfig(size_share=(5, 3, 0, 2), speed_loss=0.0), n, Luck(1))
    counts = np.bincount(sizes, minlength=5)[1:]
    assert np.all(np.abs(counts - n * shares) <= 4 * np.sqrt(n * shares * (1 - shares)))
    assert np.array_equal(sizes[:50], draw_group_sizes(GroupConfig(size_share=(5, 3, 0, 2)), 50, Luck(1)))


def test_a_group_walks_together_and_is_one_shopper(tiny_store: Store) -> None:
    config = SimulationConfig(groups=GroupConfig(size_share=(0, 0, 1), speed_loss=0.25))
    alone = build_scripted_model(tiny_store, 3, within_s=1.0)
    three = build_scripted_model(tiny_store, 3, within_s=1.0, config=config)
    assert np.allclose(three.speed_mps, alone.population.speed_mps * 0.5)
    alone.run()
    three.run()
    sessions = build_tables(three).sessions
    assert sessions["size"].tolist() == [3, 3, 3]
    assert len(sessions) == len(build_tables(alone).sessions)
    assert np.array_equal(three.itineraries.n_items, alone.itineraries.n_items)
    first = [
        model.walks[0][0].end_s(model.speed_mps[0]) - model.walks[0][0].start_s for model in (alone, three)
    ]
    assert first[1] == pytest.approx(2 * first[0])


def test_baskets_and_carts_by_what_will_be_taken(tiny_store: Store) -> None:
    carriers = CarrierConfig(basket_from=1, cart_from=3, cart_speed=0.5)
    model = build_scripted_model(tiny_store, 60, config=SimulationConfig(carriers=carriers))
    model.run()
    n_items, carrier = model.itineraries.n_items, build_tables(model).sessions["carrier"].to_numpy()
    expected = np.select([n_items >= 3, n_items >= 1], [Carrier.CART, Carrier.BASKET], Carrier.NONE)
    assert carrier.tolist() == expected.tolist()
    assert set(carrier) == set(Carrier)
    slowed = np.where(carrier == Carrier.CART, 0.5, 1.0)
    assert np.allclose(model.speed_mps, model.population.speed_mps * slowed)


def test_shoppers_with_a_carrier_as_their_attribute_take_that(tiny_store: Store) -> None:
    asked = np.array(["cart", "none", "basket", "cart"])
    plans = draw_scripted_itineraries(tiny_store, 4, Luck(0))
    carriers = SimulationConfig(carriers=CarrierConfig(n_carts=1))

    def run(wanted: np.ndarray) -> list[str]:
        people = Population(4, np.arange(4.0), np.ones(4), {"carrier": wanted})
        model = StoreModel(tiny_store, people, plans, config=carriers)
        model.run()
        return build_tables(model).sessions["carrier"].tolist()

    assert run(asked) == ["cart", "none", "basket", "basket"]
    by_units = ["none" if units < 3 else "basket" for units in plans.n_items]
    assert run(np.full(4, "unknown")) == by_units


def test_carts_that_are_short_are_lost_as_erlang_b_says(tiny_store: Store) -> None:
    carriers = CarrierConfig(basket_from=0, cart_from=1, n_carts=3, cart_speed=1.0)
    gaps = []
    for replication in range(12):
        model = run_with_carts(tiny_store, carriers, replication=replication, n=1500, gap_s=20.0)
        wants = model.itineraries.n_items > 0
        inside_s = (model.exit_s - model.population.arrival_s)[wants]
        offered = inside_s.mean() * wants.sum() / np.ptp(model.population.arrival_s)
        without = np.mean(model.live.carrier[wants][50:] != Carrier.CART)
        gaps.append(without - compute_loss(3, offered))
    error = np.std(gaps, ddof=1) / np.sqrt(len(gaps))
    assert error < 0.01
    assert abs(np.mean(gaps)) < 3 * error


def test_who_waits_for_a_cart_gets_the_next_one_in_turn(tiny_store: Store) -> None:
    carriers = CarrierConfig(basket_from=0, cart_from=1, n_carts=2, without=NoCart.WAIT, cart_speed=1.0)
    model = run_with_carts(tiny_store, carriers, replication=0, n=200, gap_s=25.0)
    wants = np.flatnonzero(model.itineraries.n_items > 0)
    assert np.all(model.live.carrier[wants] == Carrier.CART)
    start_s = np.array([next(walk.start_s for walk in model.walks[i] if len(walk.cells) > 1) for i in wants])
    assert np.all(np.diff(start_s) >= 0)  # first come, first served
    assert np.sum(start_s > model.population.arrival_s[wants]) > 20
    back_s = np.sort(model.exit_s[wants])
    for turn in range(2, len(wants)):  # with c carts, the n-th is taken when all but c - 1 before are back
        expected = max(model.population.arrival_s[wants[turn]], back_s[turn - 2])
        assert start_s[turn] == pytest.approx(expected)
    assert model.live.carts.n_free == 2
    shopper, t_s, xy = compute_positions(model)
    late = wants[np.argmax(start_s - model.population.arrival_s[wants])]
    waits = (shopper == late) & (t_s < start_s[wants.tolist().index(late)])
    assert waits.sum() > 1
    assert len(np.unique(xy[waits], axis=0)) == 1
