import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fidelity import judging
from benchmarks.fidelity.__main__ import choose_predictors, main, make_tasks, parse_options
from benchmarks.fidelity.judging import Task, judge
from benchmarks.fidelity.predictors import find_predictor, list_predictors
from benchmarks.fidelity.worlds import draw_world
from layouts import ConfigError


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return Task(
        family="X",
        seed=1,
        predictors=("no_change", "sales_on_exposure"),
        n_observed=300,
        n_truth=200,
        cache=tmp_path_factory.mktemp("cache"),
        mirrored=True,
    )


@pytest.fixture(scope="module")
def judged(task):
    return judge(task)


def test_every_predictor_says_what_it_does_and_learns_from_observations_or_from_the_answer():
    known = list_predictors()
    assert {"no_change", "sales_on_exposure", "layout", "truth_again", "refit_on_b"} <= set(known)
    for name, module in known.items():
        assert module.__doc__.splitlines()[0].endswith("."), name
        assert hasattr(module, "fit") != hasattr(module, "fit_case"), name


def test_an_unknown_predictor_is_named_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"predictor 'crystal_ball' is unknown; known are .*gravity"):
        find_predictor("crystal_ball")


def test_slow_predictors_take_part_if_they_are_asked_for():
    assert "paper" not in choose_predictors(None)
    assert "paper" in choose_predictors(["all"])
    assert choose_predictors(["paper"]) == ("paper",)


def test_each_predictor_answers_on_each_edit_beside_the_truth(judged):
    world = draw_world("X", 1)
    names = [edit.name for edit in world.edits]
    for answer in judged["predictors"].values():
        assert [row["edit"] for row in answer["edits"]] == [*names, "mirrored"]
        assert all(row["lower"] <= row["mean"] <= row["upper"] for row in answer["edits"])
    spreadsheet = {row["edit"]: row for row in judged["predictors"]["sales_on_exposure"]["edits"]}
    assert spreadsheet["no-displays"]["mean"] < 0
    assert (
        spreadsheet["no-displays"]["true"]
        == judged["predictors"]["no_change"]["edits"][names.index("no-displays")]["true"]
    )
    assert spreadsheet["relabelled"]["mean"] == pytest.approx(0.0, abs=1e-12)
    assert abs(spreadsheet["mirrored"]["mean"]) < 0.02  # nothing but cells and fixes on other sides of a line


def test_an_interrupted_run_goes_on_from_what_is_kept(task, judged, monkeypatch):
    def refuse(*_):
        raise AssertionError("asked again")

    monkeypatch.setattr(judging, "_predict", refuse)
    monkeypatch.setattr(judging, "_open_truth", refuse)
    assert judge(task) == judged
    with pytest.raises(AssertionError, match="asked again"):
        judge(replace(task, refit=("no_change",)))
    monkeypatch.setattr(judging, "CODE_AT_START", "other code")
    with pytest.raises(AssertionError, match="asked again"):
        judge(task)
    assert judge(replace(task, reuse=True)) == judged


def test_stores_that_are_not_there_are_skipped_with_a_reason(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["fidelity", "--family", "data", "--data", str(tmp_path)])
    tasks, skipped = make_tasks(parse_options(), ("no_change",))
    assert not tasks
    assert f"market-a: {tmp_path / 'market-a'} holds no store with truth.json" in skipped[0]


def test_the_command_prints_tables_and_writes_every_answer(task, judged, monkeypatch, tmp_path, capsys):
    out = tmp_path / "fidelity.json"
    arguments = ["--family", "X", "--worlds", "1", "--first", "1", "--predictors", *task.predictors]
    arguments += ["--sessions", "300", "--truth-shoppers", "200", "--workers", "1", "--mirrored"]
    monkeypatch.setattr(sys, "argv", ["fidelity", *arguments, "--cache", str(task.cache), "--out", str(out)])
    main()
    printed = capsys.readouterr().out
    assert "Family X, all edits" in printed
    written = json.loads(out.read_text())
    assert written["cases"] == [judged]
    assert written["scores"]["X"]["no_change"]["pooled"]["skill"] == 0.0
    assert np.isfinite(written["scores"]["X"]["sales_on_exposure"]["pooled"]["slope"])
