import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import analysis
import models
import scenarios
import scenarios.training
from layouts import LayoutError, load_store, save_store
from scenarios.cli import main


@dataclass
class FakeResult:
    """What `simulate` and `compare` give: it saves itself and sums itself up."""

    saved: list[Path] = field(default_factory=list)

    def save(self, folder):
        self.saved.append(folder)

    def summary(self):
        return "end earns +0.14 EUR per shopper"


@dataclass
class Fakes:
    """Stand-ins for the floors below, and what they were called with."""

    result: FakeResult = field(default_factory=FakeResult)
    calls: dict = field(default_factory=dict)

    def record(self, name, result):
        def called(*args, **options):
            self.calls[name] = (args, options)
            return result

        return called


@pytest.fixture
def fakes(monkeypatch):
    fakes = Fakes()
    for module, name, result in (
        (scenarios, "simulate", fakes.result),
        (scenarios, "compare", fakes.result),
        (models, "load_model", "the model"),
        (scenarios.training, "write_trained", None),
        (analysis, "load_observations", "the observations"),
    ):
        monkeypatch.setitem(vars(module), name, fakes.record(name, result))  # without importing the real one
    return fakes


@pytest.fixture
def storesim(monkeypatch, capsys):
    """Run the command with arguments: exit code, what it said, what it complained of."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["storesim", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return stop.value.code or 0, said.out, said.err

    return run


@pytest.fixture
def folders(tmp_path, tiny_store):
    """A control, a variant and a model folder, and a place for results."""
    save_store(tiny_store, tmp_path / "control")
    save_store(tiny_store.swap("end", "south"), tmp_path / "variant")
    (tmp_path / "model").mkdir()
    return tmp_path


def test_help_names_the_commands_and_needs_no_floor():
    code = (
        "import sys\nfrom scenarios.cli import app\nfrom typer.testing import CliRunner\n"
        "print(CliRunner().invoke(app, ['--help']).output)\n"
        "print('loaded', sorted({'numpy', 'pandas', 'torch', 'mesa', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(command in done.stdout for command in ("train", "simulate", "ab", "report"))
    assert "loaded []" in done.stdout


def test_ab_compares_the_stores_and_saves(storesim, fakes, folders):
    arguments = [
        "--control",
        folders / "control",
        "--variant",
        folders / "variant",
        "--variant",
        folders / "control",
    ]
    options = ["--shoppers", 50, "--replications", 3, "--seed", 7, "--workers", 2, "--tracks", "none"]
    code, said, _ = storesim(
        "ab", *arguments, *options, "--model", folders / "model", "--out", folders / "run"
    )
    assert code == 0
    assert said.startswith("end earns +0.14 EUR per shopper\n")
    (control, variants), given = fakes.calls["compare"]
    assert control == load_store(folders / "control")
    assert variants == [load_store(folders / "variant"), control]
    assert given == {
        "model": "the model",
        "n_shoppers": 50,
        "n_replications": 3,
        "seed": 7,
        "tracks": "none",
        "simulation": None,
        "stopping": None,
        "execution": scenarios.Execution(n_workers=2, work=folders / "run.partial"),
    }
    assert fakes.result.saved == [folders / "run"]


def test_ab_stops_by_the_rule_that_is_asked_for(storesim, fakes, folders):
    from scenarios.stopping import UntilBest, UntilNarrow

    arguments = ["ab", "--control", folders / "control", "--variant", folders / "variant"]
    arguments += ["--model", folders / "model", "--out", folders / "run"]
    for options, rule in (
        (["--until-best", 0.05], UntilBest(0.05)),
        (["--until-width", 1.5], UntilNarrow(1.5)),
    ):
        assert storesim(*arguments, *options)[0] == 0
        assert fakes.calls["compare"][1]["stopping"] == rule
    code, _, complaints = storesim(*arguments, "--until-best", 0.05, "--until-width", 1.5)
    assert (code, complaints) == (2, "storesim: --until-width and --until-best: give one of them\n")


def test_simulate_saves_and_sums_up(storesim, fakes, folders):
    code, said, _ = storesim(
        "simulate", "--store", folders / "control", "--model", folders / "model", "--out", folders / "run"
    )
    assert (code, said.count("\n")) == (0, 2)
    assert fakes.calls["simulate"][1]["tracks"] == "first"
    assert fakes.calls["load_model"][0] == (folders / "model",)
    assert fakes.result.saved == [folders / "run"]


def test_train_learns_from_the_observations(storesim, fakes, folders):
    arguments = ["--store", folders / "control", "--observations", folders, "--out", folders / "new"]
    code, said, _ = storesim("train", *arguments, "--seed", 3)
    assert (code, said) == (0, f"Model written to {folders / 'new'}\n")
    store, observations, out = fakes.calls["write_trained"][0]
    assert (store.name, observations, out) == ("tiny", "the observations", folders / "new")
    assert fakes.calls["write_trained"][1] == {
        "policy": "layout",
        "preset": "small",
        "checkpoints": None,
        "seed": 3,
    }


def test_report_tells_where_it_is(storesim, write_run, tiny_store):
    run = write_run(tiny_store)
    code, said, _ = storesim("report", "--run", run)
    assert (code, said) == (0, f"Report written to {run / 'report.html'}\n")


def simulate_arguments(folders, **changed):
    chosen = {"store": folders / "control", "model": folders / "model", "out": folders / "run"} | changed
    return [str(part) for name, value in chosen.items() for part in (f"--{name}", value)]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"store": "nowhere"}, "nowhere: no such folder"),
        ({"store": "bundled:hypermarket"}, "there are: bundled:corner-shop"),
        ({"model": "nowhere"}, "nowhere: no such folder"),
        ({"model": "bundled:hypermarket"}, "bundled:hypermarket: no such bundled model"),
        ({"out": "control"}, "holds other files"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(storesim, fakes, folders, monkeypatch, changed, complaint):
    monkeypatch.chdir(folders)
    before = sorted(folders.rglob("*"))
    code, said, complaints = storesim("simulate", *simulate_arguments(folders, **changed))
    assert (code, said) == (2, "")
    assert complaints.startswith("storesim: ")
    assert complaints.count("\n") == 1
    assert complaint in complaints
    assert "simulate" not in fakes.calls
    assert sorted(folders.rglob("*")) == before


def test_a_fault_of_a_store_is_told_as_the_floor_tells_it(storesim, fakes, folders, monkeypatch):
    def refuse(*_, **__):
        raise LayoutError("layout.geojson, feature 'end': overlaps 'south'; move one")

    monkeypatch.setitem(vars(scenarios), "simulate", refuse)
    code, _, complaints = storesim("simulate", *simulate_arguments(folders))
    assert (code, complaints) == (2, "storesim: layout.geojson, feature 'end': overlaps 'south'; move one\n")
    assert not (folders / "run").exists()


def test_a_fault_of_the_program_is_not_passed_off_as_bad_input(fakes, folders, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setitem(vars(scenarios), "simulate", fail)
    monkeypatch.setattr(sys, "argv", ["storesim", "simulate", *simulate_arguments(folders)])
    with pytest.raises(ZeroDivisionError):
        main()


@pytest.mark.parametrize("wrong", [{"shoppers": 0}, {"seed": -1}, {"tracks": "some"}, {"workers": "two"}])
def test_numbers_out_of_range_exit_2(storesim, fakes, folders, wrong):
    code, _, complaints = storesim("simulate", *simulate_arguments(folders, **wrong))
    assert code == 2
    assert f"--{next(iter(wrong))}" in complaints
    assert "simulate" not in fakes.calls
