"""A model of the very world is as near as chance allows; another one is not."""

import dataclasses
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import Observations
from layouts import ConfigError, ObservationError, bundled_store
from models import ReferenceBehaviour, build_reference_model
from scenarios import ValidationResult, validate, write_report
from scenarios.observe import observe_reference_shopper
from scenarios.validation_data import VALIDATION_PARTS, load_validation

SEED, N_VISITS = 4, 400


class Measured:
    """A policy that learned its positions from measured ones."""

    measured = True

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)


@pytest.fixture(scope="module")
def store():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def days(store) -> Observations:
    return observe_reference_shopper(store, n_shoppers=N_VISITS, seed=SEED)


def build_town(store, seed=SEED):
    """The shoppers of whom `days` were observed, if the seed is theirs."""
    tastes = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[0])
    return build_reference_model(store, tastes, behaviour=ReferenceBehaviour())


@pytest.fixture(scope="module")
def same_town(store, days) -> ValidationResult:
    return validate(store, model=build_town(store), observations=days, n_replications=2, seed=9)


@pytest.fixture(scope="module")
def saved(same_town, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("validation") / "run"
    same_town.save(folder)
    return folder


def overall(result: ValidationResult) -> pd.DataFrame:
    rows = result.tables.divergences
    return rows[rows["attribute"] == ""].set_index("figure")


def test_the_true_model_is_near_the_noise_floor(same_town):
    rows = overall(same_town)
    assert rows["ratio"].max() < 1.7
    assert rows["ratio"].mean() < 1.25
    assert rows["n"].tolist() == rows["m"].tolist() == [N_VISITS] * 6
    lengths = same_town.tables.distributions.set_index(["measure", "attribute"])
    assert (
        lengths.loc[("duration", ""), "wasserstein_value"]
        < 3 * lengths.loc[("duration", ""), "wasserstein_floor"]
    )
    assert same_town.tables.calibration["is_within"].mean() > 0.85


def test_nobody_walks_through_shelves(same_town):
    checks = same_town.result["floor_checks"]
    assert checks["positions"] > 10_000
    assert (checks["off_floor"], checks["crossings"]) == (0, 0)


def test_another_town_is_farther(store, days, same_town):
    other = validate(store, model=build_town(store, seed=5), observations=days, n_replications=1, seed=9)
    assert (
        overall(other).loc["category_purchases", "ratio"]
        > 2 * overall(same_town).loc["category_purchases", "ratio"]
    )
    assert (
        overall(other).loc["category_purchases", "value"]
        > overall(other).loc["category_purchases", "floor95"]
    )


def test_the_measurement_is_that_of_the_observations(same_town):
    found = same_town.result["measurement"]
    assert found["source"] == "estimated from the observations"
    assert found["noise_sd_m"] == pytest.approx(0.3, rel=0.2)
    assert found["unlinked_share"] == pytest.approx(0.15, abs=0.06)


def test_measured_positions_get_no_new_noise(store, days):
    town = build_town(store)
    model = dataclasses.replace(town, policy=Measured(town.policy))
    result = validate(store, model=model, observations=days, n_shoppers=60, n_replications=1, seed=1)
    assert result.result["measurement"]["source"].startswith("none")
    assert result.result["measurement"]["noise_sd_m"] == 0.0
    assert result.result["measurement"]["unlinked_share"] > 0.0
    assert overall(result)["m"].tolist() == [60] * 6
    seconds = result.simulated[0].counts["cell_seconds"].sum()
    assert seconds == pytest.approx(result.result["floor_checks"]["positions"], rel=1e-3)  # nothing is lost


def test_each_level_of_each_attribute_is_compared(same_town):
    levels = same_town.tables.divergences.groupby(["attribute", "level"])["n"].first()
    assert {"quick", "major"} <= set(levels.loc["mission"].index)
    assert "unknown" not in levels.index.get_level_values("level")


def test_the_same_seed_gives_the_same_files(same_town, saved, store, days, tmp_path):
    again = validate(store, model=build_town(store), observations=days, n_replications=2, seed=9)
    again.save(tmp_path / "again")
    files = sorted(path.relative_to(saved) for path in saved.rglob("*") if path.is_file())
    assert {path.parts[0] for path in files} == set(VALIDATION_PARTS) - {"report.html"}
    for path in files:
        assert (saved / path).read_bytes() == (tmp_path / "again" / path).read_bytes(), path


def test_the_folder_is_read_again(same_town, saved):
    run = load_validation(saved)
    assert run.store == same_town.store
    assert run.result == same_town.result
    ratios = same_town.tables.divergences["ratio"].to_numpy()
    assert run.divergences["ratio"].to_numpy() == pytest.approx(ratios)
    seconds = same_town.observed.counts["cell_seconds"].sum() / N_VISITS
    assert run.seconds("observed")["seconds"].sum() == pytest.approx(seconds)


def test_the_summary_names_every_figure_with_its_floor(same_town):
    lines = same_town.summary().splitlines()
    assert lines[0].startswith("corner-shop: 400 observed sessions against 2 x 400")
    assert sum("times its noise floor" in line for line in lines) == 6
    assert lines[-1].startswith("off the floor: 0 of ")


def test_too_few_sessions_are_refused(store, days):
    few = set(days.sessions["session_id"][:10])
    part = Observations(
        tracks=days.tracks[days.tracks["session_id"].isin(few)].reset_index(drop=True),
        receipts=days.receipts,
        sessions=days.sessions[:10],
    )
    with pytest.raises(ObservationError, match="at least 30"):
        validate(store, model=build_town(store), observations=part, n_replications=1)


def test_a_damaged_folder_is_told(saved, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    (folder / "divergences.csv").write_text("figure\n")
    with pytest.raises(ConfigError, match=r"divergences\.csv has no column"):
        write_report(folder)
    (folder / "validation.json").write_text("{}")
    with pytest.raises(ConfigError, match="cannot be read as a validation"):
        write_report(folder)


class Page(HTMLParser):
    """What a browser would fetch or run, and what a reader sees."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in {"src", "href"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


def test_the_report_is_one_page_with_every_figure(saved, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert [source[:22] for source in page.sources] == ["data:image/png;base64,"] * 2
    assert not {"script", "iframe", "object", "link"} & set(page.tags)
    for words in ("stops by zone", "noise floor", "generated minus observed", "mission: quick", "KS"):
        assert words in page.text


def test_names_from_files_stay_text(saved, tmp_path):
    folder, evil = tmp_path / "run", "<script>alert(1)</script><b onclick=x>"
    shutil.copytree(saved, folder)
    for name, column in (("divergences", "level"), ("calibration", "item")):
        table = pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
        table[column] = table[column].where(table[column] == "", evil + table[column])
        table.to_csv(folder / f"{name}.csv", index=False)
    result = json.loads((folder / "validation.json").read_text())
    result |= {"model": evil, "store": evil, "currency": evil}
    (folder / "validation.json").write_text(json.dumps(result))
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert not {"script", "b"} & set(page.tags)
    assert not page.handlers
    assert page.text.count(evil) > 5
