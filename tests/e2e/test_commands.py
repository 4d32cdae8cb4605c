"""Train, simulate, compare, report: the files and columns of docs/formats.md, to the letter."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import build_journeys, load_observations
from layouts import load_store
from models import PRESETS

Storesim = Callable[..., Any]
KPIS = ["profit_per_shopper", "revenue_per_shopper", "items_per_shopper", "minutes_per_shopper"]
COLUMNS = {
    "tracking": ["layout", "replication", "session_id", "t", "x", "y"],
    "pos": [
        *("layout", "replication", "basket_id", "session_id", "sku_id", "qty"),
        *("unit_price", "margin", "checkout_ts"),
    ],
    "zones": [
        *("layout", "replication", "zone_id", "reach", "stop_rate", "engage_dwell_s"),
        *("visits", "purchases", "conversion", "profit"),
    ],
    "replications": ["layout", "replication", *KPIS],
    "occupancy": ["layout", "x", "y", "seconds"],
}
FILES = {*(f"{name}.parquet" for name in COLUMNS), "sessions.parquet", "result.json", "stores"}
N_SHOPPERS, N_REPLICATIONS = 40, 3


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def tables(compared: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in compared.glob("*.parquet")}


@pytest.fixture(scope="module")
def result(compared: Path) -> dict[str, Any]:
    return dict(json.loads((compared / "result.json").read_text()))


# ---- train


def test_a_model_is_a_folder_of_parts_and_a_card(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {
        "config.json",
        "README.md",
        "needs",
        "policy",
        "conversion",
        "hypotheses",
        "standing",
    }
    for part in ("needs", "policy", "conversion", "hypotheses/conversion-0"):
        assert {path.name for path in (trained / part).iterdir()} == {"config.json", "model.safetensors"}
        assert (trained / part / "model.safetensors").stat().st_mode & 0o444 == 0o444  # for everybody to read
    card = (trained / "README.md").read_text()
    assert all(word in card for word in ("corner-shop", "`tiny`", "seed 0", "validation loss"))


def test_training_again_gives_the_same_bytes(
    storesim: Storesim, corner_shop: Path, trained: Path, tmp_path: Path
) -> None:
    arguments = ["--store", corner_shop / "store", "--observations", corner_shop / "days", "--preset", "tiny"]
    code, out, err = storesim("train", *arguments, "--out", tmp_path / "again")
    assert (code, out) == (0, f"Model written to {tmp_path / 'again'}\n"), err
    assert read_files(tmp_path / "again") == read_files(trained)


# ---- ab


def test_a_run_has_the_files_that_are_promised(compared: Path) -> None:
    assert {path.name for path in compared.iterdir()} - {"report.html"} == FILES
    stores = [load_store(folder) for folder in sorted((compared / "stores").iterdir())]
    assert [store.name for store in stores] == ["corner-shop", stores[1].name]


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_has_the_columns_that_are_promised(tables: dict[str, pd.DataFrame], name: str) -> None:
    assert list(tables[name].columns) == COLUMNS[name]
    assert len(tables[name]) > 0


def test_sessions_begin_with_their_keys(tables: dict[str, pd.DataFrame]) -> None:
    sessions = tables["sessions"]
    assert list(sessions.columns[:3]) == ["layout", "replication", "session_id"]
    assert (sessions.groupby(["layout", "replication"]).size() == N_SHOPPERS).all()
    assert not sessions.duplicated(["layout", "replication", "session_id"]).any()


def test_layouts_and_replications_are_those_asked_for(
    tables: dict[str, pd.DataFrame], result: dict[str, Any]
) -> None:
    layouts = [result["control"]["layout"], result["variant"]["layout"]]
    for name in ("zones", "replications", "sessions"):
        seen = tables[name].groupby("layout", sort=False)["replication"].unique()
        assert list(seen.index) == layouts
        assert all(sorted(kept) == list(range(N_REPLICATIONS)) for kept in seen)
    assert set(tables["tracking"]["replication"]) == {0}  # unless --tracks all or none


def test_times_are_utc_and_positions_are_every_second(tables: dict[str, pd.DataFrame]) -> None:
    tracking = tables["tracking"]
    assert str(tracking["t"].dtype.tz) == "UTC"
    assert str(tables["pos"]["checkout_ts"].dtype.tz) == "UTC"
    of_one = tracking.groupby(["layout", "session_id"], observed=True)["t"]
    assert (of_one.diff().dropna() == pd.Timedelta(seconds=1)).all()
    assert np.isfinite(tracking[["x", "y"]].to_numpy()).all()


def test_the_result_has_the_keys_that_are_promised(result: dict[str, Any]) -> None:
    promised = [
        "seed",
        "shoppers",
        "replications",
        "model",
        "currency",
        "control",
        "variant",
        "lift",
        "support",
    ]
    assert set(promised) <= set(result)
    assert (result["seed"], result["shoppers"], result["replications"]) == (7, N_SHOPPERS, N_REPLICATIONS)
    assert list(result["control"]) == list(result["variant"]) == ["layout", *KPIS]
    assert list(result["lift"]) == KPIS
    for lift in result["lift"].values():
        assert list(lift) == ["mean", "ci95", "relative", "p_value"]
        assert lift["ci95"][0] <= lift["mean"] <= lift["ci95"][1]
        assert 0 <= lift["p_value"] <= 1
    assert result["support"]["level"] in ("high", "medium", "low")
    assert isinstance(result["support"]["why"], list)


def test_the_figures_follow_from_the_tables(tables: dict[str, pd.DataFrame], result: dict[str, Any]) -> None:
    receipts = tables["pos"].assign(
        profit=lambda lines: lines["qty"] * lines["margin"],
        revenue=lambda lines: lines["qty"] * lines["unit_price"],
    )
    sums = receipts.groupby("layout")[["profit", "revenue", "qty"]].sum() / (N_SHOPPERS * N_REPLICATIONS)
    for side in ("control", "variant"):
        figures = result[side]
        of_layout = sums.loc[figures["layout"]]
        assert figures["profit_per_shopper"] == pytest.approx(of_layout["profit"])
        assert figures["revenue_per_shopper"] == pytest.approx(of_layout["revenue"])
        assert figures["items_per_shopper"] == pytest.approx(of_layout["qty"])
    for kpi, lift in result["lift"].items():
        assert lift["mean"] == pytest.approx(result["variant"][kpi] - result["control"][kpi])


def test_several_variants_make_a_list(
    storesim: Storesim, corner_shop: Path, compared: Path, trained: Path, tmp_path: Path
) -> None:
    stores = [
        "--control",
        corner_shop / "store",
        "--variant",
        corner_shop / "variant",
        "--variant",
        corner_shop / "store",
    ]
    options = ["--shoppers", 30, "--replications", 2, "--tracks", "none"]
    code, _, err = storesim("ab", *stores, "--model", trained, "--out", tmp_path / "run", *options)
    assert (code, err) == (0, "")
    answers = json.loads((tmp_path / "run" / "result.json").read_text())["variants"]
    assert [list(answer) for answer in answers] == [["variant", "lift", "support"]] * 2
    assert answers[1]["lift"]["profit_per_shopper"] == {
        "mean": 0.0,
        "ci95": [0.0, 0.0],
        "relative": 0.0,
        "p_value": 1.0,
    }
    assert pd.read_parquet(tmp_path / "run" / "tracking.parquet").empty
    assert list(pd.read_parquet(tmp_path / "run" / "tracking.parquet").columns) == COLUMNS["tracking"]
    assert storesim("report", "--run", tmp_path / "run").code == 0


# ---- simulate


def test_simulating_twice_over_an_earlier_run_gives_the_same_bytes(
    storesim: Storesim, trained: Path, tmp_path: Path
) -> None:
    arguments = ["simulate", "--store", "bundled:corner-shop", "--model", trained, "--out", tmp_path / "run"]
    options = ["--shoppers", 30, "--replications", 2, "--seed", 3, "--tracks", "all"]
    assert storesim(*arguments, *options).code == 0
    first = read_files(tmp_path / "run")
    assert storesim("report", "--run", tmp_path / "run").code == 0
    code, out, err = storesim(*arguments, *options)
    assert (code, err) == (0, "")
    assert out.startswith("corner-shop: profit ")
    assert read_files(tmp_path / "run") == first  # the report of the earlier run is gone with it
    assert set(pd.read_parquet(tmp_path / "run" / "tracking.parquet")["replication"]) == {0, 1}
    result = json.loads(first["result.json"])
    assert "control" in result
    assert not {"variant", "lift", "support", "variants"} & set(result)
    assert storesim(*arguments, *options[:-4], "--seed", 4).code == 0
    assert read_files(tmp_path / "run")["pos.parquet"] != first["pos.parquet"]


def test_a_simulated_day_is_read_wherever_an_observed_day_is(
    tables: dict[str, pd.DataFrame], corner_shop: Path, tmp_path: Path
) -> None:
    """One layout, one replication, no other change: positions, receipts and journeys are found again."""
    for name in ("tracking", "pos", "sessions"):
        table = tables[name]
        one = table[(table["layout"] == "corner-shop") & (table["replication"] == 0)]
        one.to_parquet(tmp_path / f"{name}.parquet")
    store = load_store(corner_shop / "store")
    observations = load_observations(tmp_path, store)
    assert len(observations.sessions) == N_SHOPPERS
    assert set(observations.sessions["session_id"]) == set(
        pd.read_parquet(tmp_path / "sessions.parquet")["session_id"]
    )
    journeys = build_journeys(observations, store)
    buyers = observations.receipts["session_id"].nunique()
    assert buyers > N_SHOPPERS / 2
    assert journeys.sessions["has_receipt"].sum() == buyers
    assert journeys.sessions["is_complete"].mean() > 0.9


# ---- report and help


def test_the_report_is_one_page_that_needs_no_network(storesim: Storesim, compared: Path) -> None:
    code, out, err = storesim("report", "--run", compared)
    assert (code, out, err) == (0, f"Report written to {compared / 'report.html'}\n", "")
    page = (compared / "report.html").read_text()
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "per shopper (95 % interval" in page


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", ["minutes", *PRESETS]),
        ("simulate", ["metres", "every second", "day", "Processes", "same bytes"]),
        ("ab", ["metres", "every second", "day", "Processes", "same bytes", "interval"]),
        ("report", ["HTML"]),
    ],
)
def test_help_names_units(
    storesim: Storesim, monkeypatch: pytest.MonkeyPatch, command: str, words: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = storesim(command, "--help")
    assert (code, err) == (0, "")
    assert [word for word in words if word not in " ".join(out.split())] == []
