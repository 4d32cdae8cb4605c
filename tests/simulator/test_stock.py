"""Shelves: nothing appears or vanishes, what is not there is not sold, refills come when they should."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from layouts import Store
from simulator import (
    CheckoutConfig,
    Itineraries,
    Luck,
    Outcome,
    PatienceConfig,
    Population,
    Purpose,
    Refill,
    SimulationConfig,
    StockConfig,
    StoreModel,
    build_tables,
)
from simulator.config import MECHANISMS
from tests.simulator.scripted import build_scripted_model, make_itineraries

FROZEN = [HealthCheck.function_scoped_fixture]  # stores are, so examples cannot disturb each other
AT_ONCE = CheckoutConfig(base_service_s=0.0, item_service_s=0.0)


def make_plans(store: Store, wants: list[list[tuple[str, str, int]]], *, planned: bool = True) -> Itineraries:
    """Itineraries of (zone, SKU, units), ten seconds at each stop."""
    stops, picks = [], []
    for shopper, wanted in enumerate(wants):
        for zone_id, sku_id, qty in wanted:
            zone = store.zone_index[zone_id]
            picks.append((len(stops), store.sku_index[sku_id], qty))
            stops.append((shopper, zone, int(store.walks.zone_cells[zone][0]), 10.0))
    plans = make_itineraries(len(wants), stops, picks)
    plans.pick_planned[:] = planned
    return plans


def run_plans(store: Store, plans: Itineraries, stock: StockConfig, *, gap_s: float = 60.0) -> StoreModel:
    n = plans.n_shoppers
    model = StoreModel(
        store,
        Population(n, np.arange(n) * gap_s, np.ones(n)),
        plans,
        config=SimulationConfig(checkout=AT_ONCE, stock=stock),
        luck=Luck(1),
    )
    model.run()
    return model


def lines_of(model: StoreModel) -> list[tuple[str, str, int]]:
    picks = build_tables(model).picks
    return [(row.zone_id, row.sku_id, row.qty) for row in picks.itertuples()]


def test_a_shelf_holds_its_facings_times_their_depth(tiny_store: Store) -> None:
    stock = StockConfig(units_per_facing=5, initial_share=0.5)
    shelves = run_plans(tiny_store, make_plans(tiny_store, [[]]), stock).live.shelves
    assert np.array_equal(shelves.full, tiny_store.facings * 5)
    assert shelves.initial[tiny_store.zone_index["south"], tiny_store.sku_index["BREAD"]] == 7


def test_what_is_not_there_is_not_sold(tiny_store: Store) -> None:
    wants = [[("south", "BREAD", 2)], [("south", "BREAD", 2)], [("south", "BREAD", 1)]]
    stock = StockConfig(units_per_facing=1, refill=Refill.NEVER, substitute_chance=0.0)  # three units
    model = run_plans(tiny_store, make_plans(tiny_store, wants), stock)
    assert lines_of(model) == [("south", "BREAD", 2), ("south", "BREAD", 1)]
    tables = build_tables(model)
    assert tables.lost[["sku_id", "qty", "reason"]].to_numpy().tolist() == [["BREAD", 1, "out_of_stock"]] * 2
    assert tables.sessions["missed"].tolist() == [0, 0, 1]  # who got some did not miss it
    assert tables.sessions["outcome"].tolist() == ["paid", "paid", "empty"]
    assert tables.receipts["qty"].tolist() == [2, 1]
    assert tables.totals["lost_revenue_per_shopper"] == pytest.approx(2 * 2.0 / 3)


def test_who_finds_nothing_takes_it_at_a_later_stop_that_has_it(tiny_store: Store) -> None:
    stock = StockConfig(units_per_facing=1, refill=Refill.NEVER, substitute_chance=1.0)
    wants = [[("north", "CRISPS", 2)], [("north", "CRISPS", 1), ("end", "CRISPS", 1)]]
    model = run_plans(tiny_store, make_plans(tiny_store, wants), stock)
    assert lines_of(model) == [("north", "CRISPS", 2), ("end", "CRISPS", 1), ("end", "CRISPS", 1)]
    assert model.live.lost == []


@pytest.mark.parametrize(("chance", "expected"), [(1.0, [("south", "CAKE", 1)]), (0.0, [])])
def test_a_planned_need_is_met_by_something_like_it_from_the_same_shelf(
    tiny_store: Store, chance: float, expected: list
) -> None:
    stock = StockConfig(units_per_facing=1, refill=Refill.NEVER, substitute_chance=chance)
    wants = [[("south", "BREAD", 3)], [("south", "BREAD", 1)]]
    model = run_plans(tiny_store, make_plans(tiny_store, wants), stock)
    assert lines_of(model)[1:] == expected
    unplanned = run_plans(tiny_store, make_plans(tiny_store, wants, planned=False), stock)
    assert lines_of(unplanned) == [("south", "BREAD", 3)]  # what was not planned is not replaced
    assert build_tables(unplanned).sessions["missed"].sum() == 0


def test_substitutes_are_taken_as_often_as_said(tiny_store: Store) -> None:
    n = 1000
    stock = StockConfig(initial_share=0.0, refill=Refill.NEVER, substitute_chance=0.3)
    model = run_plans(tiny_store, make_plans(tiny_store, [[]]), stock)
    share = np.mean([model.live.shelves.is_substituted(shopper, 0) for shopper in range(n)])
    assert abs(share - 0.3) < 4 * np.sqrt(0.3 * 0.7 / n)


def test_baskets_that_are_left_behind_go_back_to_the_shelf(tiny_store: Store) -> None:
    config = SimulationConfig(
        stock=StockConfig(units_per_facing=1, refill=Refill.NEVER), patience=PatienceConfig(queue_limit=0)
    )
    plans = make_plans(tiny_store, [[("south", "BREAD", 3)], [("south", "BREAD", 2)]])
    people = Population(2, np.array([0.0, 100.0]), np.ones(2))
    model = StoreModel(tiny_store, people, plans, config=config)
    model.run()
    assert model.live.outcome.tolist() == [Outcome.BALKED] * 2
    assert {why for _, why in model.live.lost} == {"balked"}
    assert np.array_equal(model.live.shelves.units, model.live.shelves.initial)


def test_a_shelf_that_runs_low_is_filled_after_a_while(tiny_store: Store) -> None:
    stock = StockConfig(
        units_per_facing=2, refill=Refill.THRESHOLD, low_share=0.5, delay_s=100.0, substitute_chance=0.0
    )  # six units of bread; called for below three
    wants = [
        [("south", "BREAD", 3)],
        [("south", "BREAD", 1)],
        [("south", "BREAD", 2)],
        [("south", "BREAD", 2)],
    ]
    model = run_plans(tiny_store, make_plans(tiny_store, wants), stock, gap_s=60.0)
    # after 3, 2 (called for, there 100 s later), 0 are left; the refill of six comes before the fourth
    where = tiny_store.zone_index["south"], tiny_store.sku_index["BREAD"]
    assert model.live.shelves.refilled[where] == 6
    assert model.live.shelves.units[where] == 4
    assert model.live.lost == []
    late = run_plans(tiny_store, make_plans(tiny_store, [*wants, wants[0]]), stock, gap_s=40.0)
    assert [taken.qty for taken, _ in late.live.lost] == [2]  # the fourth comes 80 s after the call


@pytest.mark.parametrize("refill", list(Refill))
@settings(max_examples=8, deadline=None, suppress_health_check=FROZEN)
@given(seed=st.integers(0, 10_000))
def test_nothing_appears_or_vanishes_with_everything_switched_on(
    tiny_store: Store, refill: Refill, seed: int
) -> None:
    stock = StockConfig(units_per_facing=1, refill=refill, period_s=300.0, delay_s=60.0)
    on = {name: kind() for name, kind in MECHANISMS.items()} | {
        "stock": stock,
        "patience": PatienceConfig(queue_limit=5, wait_s=200.0),
    }
    model = build_scripted_model(tiny_store, 60, seed=seed, config=SimulationConfig(**on))
    model.run()
    shelves, taken = model.live.shelves, model.taken
    sold = np.zeros_like(shelves.units)
    np.add.at(sold, (taken.stop_zone[taken.pick_stop], taken.pick_sku), taken.pick_qty)
    assert np.array_equal(shelves.initial + shelves.refilled, sold + shelves.units)
    assert shelves.units.min() >= 0
    assert not shelves.units[~tiny_store.stands].any()
    assert set(model.live.outcome) <= set(Outcome)
    wanted, lost = model.itineraries.n_items.sum(), model.n_lost
    assert wanted == taken.n_items.sum() + lost
    tables = build_tables(model)
    assert tables.receipts["qty"].sum() == taken.n_items.sum()
    paid = model.live.outcome == Outcome.PAID
    assert np.array_equal(tables.sessions["n_items"].to_numpy() > 0, paid)


def test_lost_sales_of_a_shelf_agree_with_what_demand_exceeds_it(tiny_store: Store) -> None:
    full, demand, period_s, n_periods = 6, 5.0, 1000.0, 40  # Poisson demand between refills
    expected = sum((k - full) * poisson.pmf(k, demand) for k in range(full + 1, 60))
    stock = StockConfig(units_per_facing=2, period_s=period_s, substitute_chance=0.0)
    losses = []
    for replication in range(12):
        n = int(demand * n_periods * 1.3)
        arrival_s = (
            np.cumsum(Luck(2, replication).exponential(Purpose.ARRIVAL, np.arange(n))) * period_s / demand
        )
        arrival_s = arrival_s[arrival_s < n_periods * period_s]
        plans = make_plans(tiny_store, [[("south", "BREAD", 1)]] * len(arrival_s))
        people = Population(len(arrival_s), arrival_s, np.ones(len(arrival_s)))
        config = SimulationConfig(checkout=AT_ONCE, stock=stock, collect_every_s=86_400)
        model = StoreModel(tiny_store, people, plans, config=config)
        model.run()
        losses.append(model.n_lost / n_periods)
    error = np.std(losses, ddof=1) / np.sqrt(len(losses))
    assert error < 0.1 * expected
    assert abs(np.mean(losses) - expected) < 3 * error
