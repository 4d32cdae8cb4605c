"""Tills that open and close, and people who do not queue or give up: against queueing theory."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from layouts import Store
from simulator import (
    CheckoutConfig,
    Outcome,
    PatienceConfig,
    SelfServiceConfig,
    ServiceNoise,
    SimulationConfig,
    StoreModel,
    TillChoice,
    TillOpeningConfig,
    build_tables,
)
from tests.simulator.scripted import SERVICE_S, build_scripted_model, run_queue, with_tills

ENDLESS = PatienceConfig(queue_limit=None, wait_s=None)  # live, but nothing is limited


def assert_agrees(samples: list[float], expected: float, *, within: float) -> None:
    """The mean of independent samples is `expected`: |t| < 3 (p < 0.01), and they are precise enough."""
    error = np.std(samples, ddof=1) / np.sqrt(len(samples))
    assert error < within * expected  # else the next line says little
    assert abs(np.mean(samples) - expected) < 3 * error


@pytest.mark.parametrize("choice", list(TillChoice))
def test_live_tills_that_limit_nothing_serve_as_planned_ones_do(
    tiny_store: Store, choice: TillChoice
) -> None:
    planned, live = (
        build_scripted_model(
            with_tills(tiny_store, 2),
            120,
            config=SimulationConfig(checkout=CheckoutConfig(choice=choice), patience=patience),
        )
        for patience in (None, ENDLESS)
    )
    planned.run()
    live.run()
    ours, theirs = build_tables(live), build_tables(planned)
    assert ours.sessions.drop(columns="outcome").equals(theirs.sessions)
    for name in ("tracks", "receipts", "visits", "picks", "zones"):
        assert getattr(ours, name).equals(getattr(theirs, name)), name
    assert ours.totals == theirs.totals | {"lost_profit_per_shopper": 0.0, "lost_revenue_per_shopper": 0.0}
    assert len(ours.lost) == 0
    assert theirs.lost is None


def test_balking_agrees_with_the_loss_of_a_queue_with_limited_room(tiny_store: Store) -> None:
    load, room = 0.9, 3  # M/M/1/K
    expected = (1 - load) * load**room / (1 - load ** (room + 1))
    patience = PatienceConfig(queue_limit=room, queue_limit_cv=0.0, wait_s=None)
    shares = []
    for replication in range(12):
        model = run_queue(
            tiny_store, load=load, replication=replication, n=1000, approach_m=0.0, patience=patience
        )
        shares.append(float(np.mean(model.live.outcome[100:] == Outcome.BALKED)))
    assert_agrees(shares, expected, within=0.05)


def test_reneging_agrees_with_a_queue_of_impatient_customers(tiny_store: Store) -> None:
    load, patience_services = 1.2, 2.0  # M/M/1+M: more come than can be served
    weights = [1.0]  # of 0, 1, 2, ... people: birth and death
    for n in range(1, 200):
        weights.append(weights[-1] * load / (1 + (n - 1) / patience_services))
    share = np.array(weights) / sum(weights)
    waiting = sum(max(n - 1, 0) * share[n] for n in range(len(share)))
    expected = waiting / patience_services / load
    patience = PatienceConfig(
        queue_limit=None, wait_s=patience_services * SERVICE_S, wait_noise=ServiceNoise.EXPONENTIAL
    )
    shares = []
    for replication in range(12):
        model = run_queue(
            tiny_store, load=load, replication=replication, n=1000, approach_m=0.0, patience=patience
        )
        shares.append(float(np.mean(model.live.outcome[100:] == Outcome.RENEGED)))
    assert_agrees(shares, expected, within=0.05)


IMPATIENT = PatienceConfig(queue_limit=4, wait_s=120.0)


@pytest.fixture
def impatient(tiny_store: Store) -> StoreModel:
    model = build_scripted_model(tiny_store, 100, config=SimulationConfig(patience=IMPATIENT))
    model.run()
    return model


def test_everybody_who_enters_leaves_in_one_of_four_ways(impatient: StoreModel) -> None:
    outcomes = Counter(impatient.live.outcome.tolist())
    assert set(outcomes) == set(Outcome)
    assert sum(outcomes.values()) == 100
    assert np.all(np.isfinite(impatient.exit_s))
    assert impatient.n_served == outcomes[Outcome.PAID] == np.sum(np.isfinite(impatient.end_s))
    plans = impatient.itineraries
    assert outcomes[Outcome.EMPTY] == np.sum(plans.n_items == 0)
    assert impatient.queue_lengths == [0]


def test_what_is_not_paid_for_is_on_no_receipt_but_among_the_lost(impatient: StoreModel) -> None:
    tables, plans = build_tables(impatient), impatient.itineraries
    sessions = tables.sessions.set_index("session_id")
    paid = sessions.index[sessions["outcome"] == Outcome.PAID]
    assert set(tables.receipts["session_id"]) == set(tables.picks["session_id"]) == set(paid)
    assert set(tables.lost["reason"]) == {"balked", "reneged"}
    assert tables.lost["qty"].sum() + tables.receipts["qty"].sum() == plans.n_items.sum()
    assert tables.lost["qty"].sum() == impatient.n_lost
    assert (sessions.loc[sessions["outcome"] != Outcome.PAID, ["n_items", "revenue", "profit"]] == 0).all(
        axis=None
    )
    money = (tables.receipts["qty"] * tables.receipts["unit_price"]).sum()
    assert impatient.revenue == pytest.approx(money) == pytest.approx(sessions["revenue"].sum())
    reneged = sessions["outcome"] == Outcome.RENEGED
    assert (sessions.loc[reneged, "waiting_s"] > 0).all()


def test_nobody_jumps_when_people_leave_the_queue(impatient: StoreModel) -> None:
    for index, walks in enumerate(impatient.walks):
        for before, after in itertools.pairwise(walks):
            assert before.cells[-1] == after.cells[0]
            assert before.end_s(impatient.population.speed_mps[index]) <= after.start_s + 1e-9
        assert walks[-1].end_s(impatient.population.speed_mps[index]) == impatient.exit_s[index]


def test_a_run_with_impatient_people_is_the_same_step_by_step(
    tiny_store: Store, impatient: StoreModel
) -> None:
    stepped = build_scripted_model(tiny_store, 100, config=SimulationConfig(patience=IMPATIENT))
    while stepped.running:
        stepped.step()
    assert np.array_equal(stepped.exit_s, impatient.exit_s)
    assert stepped.live.lost == impatient.live.lost


# opening


def test_another_till_opens_a_delay_after_the_queue_grew(tiny_store: Store) -> None:
    rule = TillOpeningConfig(min_open=1, open_above=2.0, close_below=0.5, delay_s=90.0)
    model = run_queue(
        with_tills(tiny_store, 3), load=0.8, replication=0, n=300, approach_m=0.0, till_opening=rule
    )
    joined = np.sort(model.ready_s)  # with no way to walk, joining and being ready are one
    opened = [t_s for t_s, _, is_open in model.live.tills.openings if is_open]
    assert len(opened) > 5
    for t_s in opened:
        assert np.any(np.isclose(joined, t_s - 90.0, atol=1e-9))
    n_queueing = np.array([np.sum((model.ready_s <= t_s) & (model.end_s > t_s)) for t_s in joined])
    assert opened[0] - 90.0 == pytest.approx(joined[np.argmax(n_queueing > 2)])  # the third is one too many
    n_open = 1 + np.cumsum([1 if is_open else -1 for _, _, is_open in model.live.tills.openings])
    assert n_open.min() >= 1
    assert n_open.max() <= 3


def test_tills_on_call_keep_waits_between_few_and_all_tills(tiny_store: Store) -> None:
    rules = {
        "one": TillOpeningConfig(min_open=1, open_above=1e9),
        "on call": TillOpeningConfig(min_open=1, open_above=2.0, close_below=0.5, delay_s=30.0),
        "all": TillOpeningConfig(min_open=3),
    }
    waits = {}
    for name, rule in rules.items():
        model = run_queue(with_tills(tiny_store, 3), load=0.5, replication=1, n=400, till_opening=rule)
        waits[name] = np.mean(model.start_s - model.ready_s)
    assert waits["all"] < waits["on call"] < waits["one"] / 3


def test_a_till_that_closes_serves_those_who_queue_at_it(tiny_store: Store) -> None:
    rule = TillOpeningConfig(min_open=1, open_above=1.5, close_below=1.0, delay_s=10.0)
    model = run_queue(with_tills(tiny_store, 3), load=0.7, replication=2, n=400, till_opening=rule)
    assert np.all(np.isfinite(model.end_s))
    is_open, changes = [True, False, False], list(model.live.tills.openings)
    assert {is_open for _, _, is_open in changes} == {True, False}
    for joined_s, till in sorted(zip(model.ready_s - 3.0, model.till, strict=True)):
        while changes and changes[0][0] < joined_s - 1.0:  # a second of grace: the way is not quite 3 m
            is_open[changes[0][1]] = changes[0][2]
            changes.pop(0)
        near = [change for change in changes if change[0] < joined_s + 1.0]
        assert is_open[till] or any(change[1] == till for change in near)


# self-checkouts


def test_self_checkouts_take_small_baskets_at_their_own_pace(tiny_store: Store) -> None:
    store = with_tills(tiny_store, 3, n_self=1)
    is_self = np.array([checkout.checkout_type == "self" for checkout in store.checkouts])
    config = SimulationConfig(
        checkout=CheckoutConfig(noise=ServiceNoise.NONE),
        self_service=SelfServiceConfig(base_service_s=10.0, item_service_s=7.0, max_items=3),
    )
    model = build_scripted_model(store, 150, config=config)
    model.run()
    n_items, service_s = model.itineraries.n_items, model.end_s - model.start_s
    at_self = (model.till >= 0) & is_self[model.till]
    assert at_self.sum() > 10
    assert n_items[at_self].max() == 3
    assert np.allclose(service_s[at_self], 10.0 + 7.0 * n_items[at_self])
    at_staffed = (model.till >= 0) & ~is_self[model.till]
    assert np.allclose(service_s[at_staffed], 41.0 + 2.95 * n_items[at_staffed])


def test_large_baskets_go_to_self_checkouts_where_there_is_nothing_else(tiny_store: Store) -> None:
    config = SimulationConfig(self_service=SelfServiceConfig(max_items=0))
    model = build_scripted_model(with_tills(tiny_store, 2, n_self=2), 20, config=config)
    model.run()
    assert model.n_served == np.sum(model.itineraries.n_items > 0)
    assert math.isfinite(np.nanmax(model.end_s))
