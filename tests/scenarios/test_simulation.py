import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from analysis import load_observations
from layouts import ConfigError, bundled_store, load_store
from models import build_reference_model
from scenarios import compare, execution, monte_carlo, runs, simulate
from scenarios.monte_carlo import Job, RunConfig, simulate_replication
from scenarios.report import write_report
from scenarios.runs import collect_totals, run_job
from simulator import SimulationConfig, build_tables
from tests.models.worlds import make_model


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def reference(shop):
    return build_reference_model(shop, np.random.default_rng(0), n_baskets=300)


@pytest.fixture(scope="module")
def result(shop, reference):
    return simulate(shop, model=reference, n_shoppers=60, n_replications=3, seed=5)


@pytest.fixture(scope="module")
def run(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    result.save(folder)
    return folder


def hash_files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_run_twice_gives_the_same_bytes_with_one_worker_or_two(shop, tmp_path):
    """A network decides, so threads and batches have their say; all files of the run are compared."""
    model = make_model(shop)
    for name, n_workers in (("once", 1), ("again", 1), ("two", 2)):
        simulate(
            shop, model=model, n_shoppers=40, n_replications=3, seed=9, n_workers=n_workers, tracks="all"
        ).save(tmp_path / name)
    once = hash_files(tmp_path / "once")
    assert len(once) == 10
    assert hash_files(tmp_path / "again") == once
    assert hash_files(tmp_path / "two") == once


def test_a_comparison_gives_the_same_bytes_whatever_is_planned_together(shop, tmp_path, monkeypatch):
    """One replication at a time, lots that hold some of the layouts, all at once, and two workers."""
    model, variants = make_model(shop), [shop.swap("G2R-1", "G2L-1"), shop.remove_fixture("EB1")]
    for name, worth, n_workers in (("alone", 1, 1), ("lots", 80, 1), ("all", 2048, 1), ("two", 2048, 2)):
        monkeypatch.setattr(execution, "LOT_SHOPPERS", worth)
        compared = compare(
            shop, variants, model=model, n_shoppers=20, n_replications=8, seed=9, n_workers=n_workers
        )
        compared.save(tmp_path / name)
    alone = hash_files(tmp_path / "alone")
    assert len(alone) > 10
    for name in ("lots", "all", "two"):
        assert hash_files(tmp_path / name) == alone


def test_a_replication_does_not_depend_on_the_others(shop, reference, result):
    alone = simulate_replication(shop, reference, 2, RunConfig(n_shoppers=60, n_replications=7, seed=5))
    among = result.tables[0, 2]
    for name in ("receipts", "sessions", "zones", "visits", "picks"):
        pd.testing.assert_frame_equal(getattr(alone, name), getattr(among, name))
    assert np.array_equal(alone.occupancy, among.occupancy)
    assert alone.totals == among.totals


def test_replications_and_seeds_differ(result, shop, reference):
    profit = result.replications["profit_per_shopper"]
    assert profit.nunique() == 3
    other = simulate(shop, model=reference, n_shoppers=60, n_replications=1, seed=6)
    assert other.replications["profit_per_shopper"][0] not in profit.tolist()


def test_equal_layouts_are_lived_once(shop, reference, monkeypatch):
    lived = []

    def count(living, **options):
        lived.append((living.store.name, living.luck.replication))
        return build_tables(living, **options)

    monkeypatch.setattr(monte_carlo, "build_tables", count)
    from dataclasses import replace

    variant = shop.swap("G2R-1", "G2L-1")
    stores = [shop, variant, replace(shop, name="copy")]
    config = RunConfig(n_shoppers=5, n_replications=2, seed=0)
    tables = run_job(Job(reference, tuple((store, config) for store in stores)), 2)
    assert list(tables) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert sorted(lived) == sorted((s.name, r) for s in (shop, variant) for r in (0, 1))
    assert tables[2, 1].receipts.equals(tables[0, 1].receipts)


def test_the_number_of_threads_is_given_back(shop, reference):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        simulate(shop, model=reference, n_shoppers=3, n_replications=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("tracks", "kept"), [("first", [0]), ("all", [0, 1]), ("none", [])])
def test_tracks_are_kept_as_asked(tracks, kept, shop, reference, tmp_path):
    simulate(shop, model=reference, n_shoppers=8, n_replications=2, tracks=tracks).save(tmp_path / "run")
    table = pd.read_parquet(tmp_path / "run" / "tracking.parquet")
    assert sorted(table["replication"].unique().tolist()) == kept
    assert list(table.columns) == ["layout", "replication", "session_id", "t", "x", "y"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"n_shoppers": 0}, "n_shoppers must be at least 1, got 0"),
        ({"n_replications": -1}, "n_replications must be at least 1, got -1"),
        ({"tracks": "some"}, "tracks must be one of first, all, none, got 'some'"),
    ],
)
def test_impossible_runs_are_refused(options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        RunConfig(**{"n_shoppers": 5, "n_replications": 2, "seed": 0, **options})


# ---- the run folder


def test_tables_have_the_columns_of_the_formats(run):
    columns = {path.stem: list(pd.read_parquet(path).columns) for path in run.glob("*.parquet")}
    front = ["layout", "replication"]
    kpis = ["profit_per_shopper", "revenue_per_shopper", "items_per_shopper", "minutes_per_shopper"]
    receipt = ["basket_id", "session_id", "sku_id", "qty", "unit_price", "margin", "checkout_ts"]
    zone_kpis = ["reach", "stop_rate", "engage_dwell_s", "visits", "purchases", "conversion", "profit"]
    assert columns["pos"] == front + receipt
    assert columns["zones"] == [*front, "zone_id", *zone_kpis]
    assert columns["replications"] == front + kpis
    assert columns["occupancy"] == ["layout", "x", "y", "seconds"]
    assert columns["sessions"][:3] == [*front, "session_id"]


def test_receipts_sessions_and_totals_agree_to_the_cent(run, result):
    pos = pd.read_parquet(run / "pos.parquet")
    sessions = pd.read_parquet(run / "sessions.parquet")
    totals = pd.read_parquet(run / "replications.parquet").set_index("replication")
    for replication in range(3):
        lines = pos[pos["replication"] == replication]
        people = sessions[sessions["replication"] == replication]
        assert len(people) == 60
        for money, per_unit in (("profit", "margin"), ("revenue", "unit_price")):
            of_receipts = (lines["qty"] * lines[per_unit]).sum()
            assert of_receipts == pytest.approx(people[money].sum(), abs=0.005)
            assert of_receipts / 60 == pytest.approx(
                totals.loc[replication, f"{money}_per_shopper"], abs=1e-4
            )
        assert lines["qty"].sum() == people["n_items"].sum()
    figures = result.result["control"]
    for kpi in totals.columns.drop("layout"):
        assert figures[kpi] == pytest.approx(totals[kpi].mean())


def test_occupancy_is_the_time_spent_inside(run, shop):
    occupancy = pd.read_parquet(run / "occupancy.parquet")
    sessions = pd.read_parquet(run / "sessions.parquet")
    assert len(occupancy) == len(shop.grid.xy)
    assert occupancy["seconds"].sum() == pytest.approx(sessions["duration_s"].sum() / 3, rel=0.02)


def test_a_simulated_day_can_be_read_as_an_observed_one(run, shop):
    observed = load_observations(run, shop)
    assert len(observed.tracks) == len(pd.read_parquet(run / "tracking.parquet"))
    assert len(observed.receipts) == len(pd.read_parquet(run / "pos.parquet"))
    assert "mission" in observed.sessions.columns


def test_the_store_is_kept_and_the_report_can_be_written(run, shop):
    assert load_store(run / "stores" / "layout-0").content_hash == shop.content_hash
    page = write_report(run).read_text(encoding="utf-8")
    assert shop.name in page


def test_how_the_run_came_about_is_kept(result, shop):
    kept = result.result
    assert (kept["seed"], kept["shoppers"], kept["replications"]) == (5, 60, 3)
    assert (kept["model"], kept["currency"]) == ("reference", "EUR")
    assert kept["stores"] == {shop.name: shop.content_hash}
    assert {"storesim", "torch", "mesa"} <= kept["versions"].keys()
    assert "lift" not in kept


def test_a_run_that_cannot_be_written_leaves_nothing(result, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(runs, "save_store", fail)
    with pytest.raises(OSError, match="disk full"):
        result.save(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_day_without_any_purchase_can_be_saved(shop, reference, tmp_path):
    """Nobody comes for anything or buys on the way: no receipts, all figures 0 but the minutes."""
    from dataclasses import replace

    from models import BasketBank, ReferenceBehaviour

    nothing = BasketBank(
        attributes={"mission": np.array(["quick"], dtype=object)},
        row=np.zeros(0, dtype=np.int64),
        sku_id=np.zeros(0, dtype=object),
        qty=np.zeros(0, dtype=np.int64),
        planned_share=np.zeros(0),
    )
    calm = build_reference_model(
        shop, np.random.default_rng(0), behaviour=ReferenceBehaviour(impulse_hazard=1e-12)
    )
    result = simulate(shop, model=replace(calm, needs=nothing), n_shoppers=6, n_replications=2)
    result.save(tmp_path / "run")
    assert len(pd.read_parquet(tmp_path / "run" / "pos.parquet")) == 0
    totals = collect_totals(result.parts, result.stores)
    assert (totals[["profit_per_shopper", "revenue_per_shopper", "items_per_shopper"]] == 0).all(axis=None)
    assert (totals["minutes_per_shopper"] > 0).all()
    write_report(tmp_path / "run")


def test_summary_says_the_figures(result):
    text = result.summary()
    assert text.startswith("corner-shop: profit ")
    assert f"{result.result['control']['profit_per_shopper']:.2f} EUR" in text


def test_what_is_not_sold_is_written_where_it_can_happen(shop, reference, result, run, tmp_path):
    """Shoppers who wait a minute at most leave their baskets at slow tills."""
    assert result.tables[0, 0].lost is None
    assert not (run / "lost.parquet").exists()
    day = SimulationConfig.from_dict({"checkout": {"base_service_s": 900.0}, "patience": {"wait_s": 60.0}})
    impatient = simulate(shop, model=reference, n_shoppers=120, n_replications=2, simulation=day)
    impatient.save(tmp_path / "run")
    lost = pd.read_parquet(tmp_path / "run" / "lost.parquet")
    assert list(lost.columns[:4]) == ["layout", "replication", "session_id", "visit"]
    assert len(lost) == sum(len(impatient.tables[0, r].lost) for r in range(2)) > 0
    assert (
        impatient.replications["items_per_shopper"].mean() < result.replications["items_per_shopper"].mean()
    )
