"""`storesim validate`: files and columns of docs/formats.md, the report, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import save_observations
from layouts import bundled_store
from scenarios.observe import observe_reference_shopper

Storesim = Callable[..., Any]
Refuses = Callable[..., str]
FILES = {
    *("validation.json", "divergences.csv", "distributions.csv", "calibration.csv", "occupancy.parquet"),
    *("heatmaps.png", "distributions.png", "calibration.png", "stores"),
}


@pytest.fixture(scope="session")
def later_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 120 more visits to the corner shop."""
    folder = tmp_path_factory.mktemp("later-days")
    days = observe_reference_shopper(bundled_store("corner-shop"), n_shoppers=120, seed=2, town=1)
    save_observations(days, folder)
    return folder


def test_a_validation_has_the_files_that_are_promised(
    storesim: Storesim, corner_shop: Path, trained: Path, later_days: Path, tmp_path: Path
) -> None:
    out = tmp_path / "validation"
    arguments = ["--store", corner_shop / "store", "--model", trained, "--observations", later_days]
    code, said, err = storesim("validate", *arguments, "--out", out, "--replications", 1, "--seed", 2)
    assert (code, err) == (0, "")
    assert said.splitlines()[0] == "corner-shop: 120 observed sessions against 1 x 120 simulated"
    assert {path.name for path in out.iterdir()} == FILES
    result = json.loads((out / "validation.json").read_text())
    assert (result["seed"], result["sessions"], result["trained_on_this_store"]) == (2, 120, True)
    rows = pd.read_csv(out / "divergences.csv", keep_default_na=False, na_values=[""]).fillna(
        {"attribute": ""}
    )
    first = rows.iloc[:6]
    assert first["figure"].tolist() == [
        *("cell_seconds", "cell_sessions", "zone_visits", "zone_transitions"),
        *("zone_purchases", "category_purchases"),
    ]
    assert (first["n"] == 120).all()
    assert (first["ratio"] == first["value"] / first["floor"]).all()
    assert {"value", "floor", "floor95", "k", "base"} <= set(rows.columns)
    assert result["floor_checks"]["off_floor"] == result["floor_checks"]["crossings"] == 0
    assert storesim("report", "--run", out).out == f"Report written to {out / 'report.html'}\n"
    assert "times floor" in (out / "report.html").read_text()
    code, _, _ = storesim("validate", *arguments, "--out", out, "--replications", 1, "--shoppers", 40)
    assert code == 0  # an earlier validation is replaced, with its report
    assert {path.name for path in out.iterdir()} == FILES
    assert json.loads((out / "validation.json").read_text())["shoppers"] == 40


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"store": "nowhere"}, "nowhere: no such folder"),
        ({"model": "nowhere"}, "nowhere: no such folder"),
        ({"observations": "nowhere"}, "nowhere: is not a folder"),
        ({"shoppers": "0"}, "Invalid value for '--shoppers'"),
        ({"replications": "0"}, "Invalid value for '--replications'"),
        ({"shoppers": "5"}, "at least 30 observed and simulated sessions, got 5"),
        ({"out": "."}, "holds other files"),
    ],
)
def test_bad_input_is_one_line(
    refuses: Refuses,
    corner_shop: Path,
    trained: Path,
    later_days: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    options = {"store": "bundled:corner-shop", "model": trained, "observations": later_days, "out": "run"}
    options |= {"replications": 1} | changed
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    assert message in refuses("validate", *arguments)


def test_days_of_another_store_are_refused(
    refuses: Refuses, trained: Path, later_days: Path, tmp_path: Path
) -> None:
    arguments = ["--store", "bundled:supermarket", "--model", trained, "--observations", later_days]
    assert "should be a SKU of catalogue.csv" in refuses("validate", *arguments, "--out", tmp_path / "run")
