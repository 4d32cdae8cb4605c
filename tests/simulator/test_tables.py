"""Tables agree to the cent, name only what is there, and are the same bytes for the same seed."""

import hashlib
import io
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from analysis import schema
from layouts import ModelError, Store
from simulator import (
    Engine,
    Population,
    ReplicationTables,
    SimulationConfig,
    StockConfig,
    StoreModel,
    build_tables,
)
from simulator.tables import compute_positions
from tests.simulator.scripted import build_scripted_model, make_itineraries

FRAMES = ("tracks", "receipts", "sessions", "visits", "picks", "zones")


def compute_digest(tables: ReplicationTables) -> str:
    digest = hashlib.sha256(tables.occupancy.tobytes() + repr(tables.totals).encode())
    for name in FRAMES:
        buffer = io.BytesIO()
        getattr(tables, name).to_parquet(buffer)
        digest.update(buffer.getvalue())
    return digest.hexdigest()


@pytest.fixture(scope="session")
def market_tables(busy_market: StoreModel) -> ReplicationTables:
    return build_tables(busy_market)


def test_columns_are_those_of_an_observed_day(market_tables: ReplicationTables) -> None:
    assert tuple(market_tables.tracks) == schema.TRACK_COLUMNS
    assert tuple(market_tables.receipts) == schema.RECEIPT_COLUMNS
    assert tuple(market_tables.visits) == schema.VISIT_COLUMNS
    assert {*schema.PICK_COLUMNS} <= {*market_tables.picks}
    assert {"session_id", "entry_ts", "minutes", "mission", "waiting_s"} <= {*market_tables.sessions}
    assert str(market_tables.tracks["t"].dtype) == "datetime64[us, UTC]"


def test_receipts_sessions_zones_and_totals_agree_to_the_cent(
    market_tables: ReplicationTables, market_a: Store
) -> None:
    receipts, sessions, n = market_tables.receipts, market_tables.sessions, 200
    for column, unit, figure in (
        ("profit", "margin", "profit_per_shopper"),
        ("revenue", "unit_price", "revenue_per_shopper"),
    ):
        total = (receipts["qty"] * receipts[unit]).sum()
        assert total > 100
        assert sessions[column].sum() == pytest.approx(total, abs=0.004)
        assert market_tables.totals[figure] * n == pytest.approx(total, abs=0.004)
        by_session = (receipts["qty"] * receipts[unit]).groupby(receipts["session_id"]).sum()
        listed = sessions.set_index("session_id")[column]
        assert np.allclose(listed[listed > 0], by_session, atol=1e-9)
    assert receipts["qty"].sum() == sessions["n_items"].sum() == market_tables.picks["qty"].sum()
    assert market_tables.zones["profit"].sum() * n == pytest.approx(
        (receipts["qty"] * receipts["margin"]).sum(), abs=0.004
    )
    assert market_tables.totals["minutes_per_shopper"] == pytest.approx(sessions["minutes"].mean())


def test_live_revenue_equals_the_receipts(busy_market: StoreModel, market_tables: ReplicationTables) -> None:
    receipts = market_tables.receipts
    assert busy_market.revenue == pytest.approx((receipts["qty"] * receipts["unit_price"]).sum(), abs=0.004)
    assert busy_market.n_served == receipts["basket_id"].nunique()


def test_every_pick_was_taken_where_the_sku_stands_and_the_shopper_stopped(
    market_tables: ReplicationTables, market_a: Store
) -> None:
    picks = market_tables.picks.merge(
        market_tables.visits, on=["session_id", "visit"], validate="many_to_one"
    )
    assert len(picks) == len(market_tables.picks)
    assert (picks["zone_id_x"] == picks["zone_id_y"]).all()
    where = picks["zone_id_x"].map(market_a.zone_index), picks["sku_id"].map(market_a.sku_index)
    assert market_a.stands[where].all()


def test_occupancy_counts_every_second_once(market_tables: ReplicationTables, market_a: Store) -> None:
    assert market_tables.occupancy.shape == (market_a.grid.n_cells,)
    assert market_tables.occupancy.sum() == len(market_tables.tracks)


def test_a_receipt_by_hand(tiny_store: Store) -> None:
    zones = [tiny_store.zone_index[zone_id] for zone_id in ("south", "end", "north")]
    skus = [tiny_store.sku_index[sku_id] for sku_id in ("BREAD", "CRISPS")]
    cells = [int(tiny_store.walks.zone_cells[zone][0]) for zone in zones]
    plans = make_itineraries(
        2,
        [(1, zone, cell, 10.0) for zone, cell in zip(zones, cells, strict=True)],
        [(0, skus[0], 2), (1, skus[1], 1), (2, skus[1], 3)],
    )
    population = build_scripted_model(tiny_store, 2).population
    model = StoreModel(tiny_store, population, plans)
    model.run()
    tables = build_tables(model)
    lines = tables.receipts
    assert lines["sku_id"].tolist() == ["BREAD", "CRISPS"]
    assert lines["qty"].tolist() == [2, 4]
    assert lines["basket_id"].tolist() == ["r0-b00001"] * 2
    assert lines["session_id"].tolist() == ["r0-s00001"] * 2
    assert tables.totals["profit_per_shopper"] == pytest.approx((2 * 0.6 + 4 * 0.7) / 2)
    assert tables.sessions["n_items"].tolist() == [0, 6]
    opening = pd.Timestamp("2026-01-05T08:00:00Z")
    entry = opening + pd.to_timedelta(population.arrival_s, unit="s").round("us")
    assert np.abs((tables.sessions["entry_ts"] - entry).dt.total_seconds()).max() < 1e-5
    first = tables.tracks.groupby("session_id")["t"].min().reset_index(drop=True)
    assert first.tolist() == entry.ceil("s").tolist()
    assert lines["checkout_ts"].iloc[0] < tables.tracks["t"].max()
    zones = tables.zones.set_index("zone_id")
    assert zones.loc["south", "profit"] == pytest.approx(2 * 0.6 / 2)
    assert zones.loc["end", "purchases"] == pytest.approx(1 / 2)
    assert zones.loc["end", "reach"] == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    "settings", [{"engine": Engine.EVENTS}, {"engine": Engine.ARRAYS}, {"stock": StockConfig()}]
)
def test_who_stands_at_the_door_is_seen_there_before_they_walk(tiny_store: Store, settings: dict) -> None:
    plans = make_itineraries(2, [], [])
    arrival_s = np.array([5.0, 10.0])
    config = SimulationConfig(**settings)
    plain, paused = (
        StoreModel(tiny_store, Population(2, arrival_s, np.ones(2), door_s=door_s), plans, config=config)
        for door_s in (None, np.array([7.0, 0.0]))
    )
    plain.run()
    paused.run()
    assert paused.exit_s - plain.exit_s == pytest.approx([7.0, 0.0])
    shopper, t_s, xy = compute_positions(paused)
    walks = tiny_store.walks
    door = walks.seen_xy[walks.place_cell[walks.entrance_places][0]]
    first = shopper == 0
    assert t_s[first][0] == 5
    assert (xy[first][:8] == door).all()
    assert (xy[first][8] != door).any()


def test_the_same_seed_gives_the_same_bytes_in_another_process_too(tiny_store: Store, tmp_path) -> None:
    from layouts import save_store

    model = build_scripted_model(tiny_store, 30, seed=4)
    model.run()
    expected = compute_digest(build_tables(model))
    save_store(tiny_store, tmp_path / "tiny")
    script = (
        "import sys; from layouts import load_store; from simulator import build_tables;"
        "from tests.simulator.scripted import build_scripted_model as build;"
        "from tests.simulator.test_tables import compute_digest;"
        "model = build(load_store(sys.argv[1]), 30, seed=4); model.run();"
        "print(compute_digest(build_tables(model)))"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "tiny"],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == expected


def test_another_seed_gives_other_tables(tiny_store: Store) -> None:
    digests = set()
    for seed in (4, 5):
        model = build_scripted_model(tiny_store, 30, seed=seed)
        model.run()
        digests.add(compute_digest(build_tables(model)))
    assert len(digests) == 2


def test_tables_of_nobody_and_of_nobody_who_buys(tiny_store: Store) -> None:
    for n in (0, 3):
        population = build_scripted_model(tiny_store, n).population
        model = StoreModel(tiny_store, population, make_itineraries(n, [], []))
        model.run()
        tables = build_tables(model)
        assert len(tables.receipts) == len(tables.visits) == 0
        assert len(tables.sessions) == n
        assert tables.totals["revenue_per_shopper"] == 0


def test_a_run_that_is_not_over_has_no_tables(tiny_store: Store) -> None:
    with pytest.raises(ModelError, match=r"the run is not over: 0 shoppers inside; call run\(\) first"):
        build_tables(build_scripted_model(tiny_store, 5))
