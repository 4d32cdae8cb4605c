"""Wrong options, models, runs and places of output, and interruptions: nothing half-written is left.

Stores and observations with faults in them have modules of their own.
"""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.shopper_model import FORMAT

Refuses = Callable[..., str]
Storesim = Callable[..., Any]
SHORT = ("--shoppers", 30, "--replications", 2, "--tracks", "none")


# ---- options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["simulate", "--shoppers", 0], "Invalid value for '--shoppers'"),
        (["simulate", "--shoppers", 10**12], "Invalid value for '--shoppers'"),
        (["simulate", "--shoppers", "many"], "Invalid value for '--shoppers'"),
        (["simulate", "--seed", -1], "Invalid value for '--seed'"),
        (["simulate", "--workers", 0], "Invalid value for '--workers'"),
        (["simulate", "--tracks", "some"], "Invalid value for '--tracks'"),
        (["simulate", "--shopers", 5], "No such option: --shopers"),
        (["simulate"], "Missing option '--store'"),
        (
            ["ab", "--control", "bundled:corner-shop", "--model", "m", "--out", "o"],
            "Missing option '--variant'",
        ),
        (["ab", "--replications", 1], "Invalid value for '--replications'"),
        (["train", "--preset"], "Option '--preset' requires an argument"),
        (["simulat"], "No such command 'simulat'"),
    ],
)
def test_a_wrong_option_is_one_line(refuses: Refuses, arguments: list[object], message: str) -> None:
    said = refuses(*arguments)
    assert message in said
    assert "--help" in said


# ---- places of output


def fill(place: Path, what: str) -> None:
    if what == "a file":
        place.write_text("mine")
        return
    place.mkdir()
    names = {
        "other files": ["notes.txt"],
        "a run with notes beside it": ["result.json", "notes.txt"],
        "somebody's config": ["config.json", "src.py"],
    }
    for name in names[what]:
        (place / name).write_text("mine")


@pytest.mark.parametrize("what", ["a file", "other files", "a run with notes beside it", "somebody's config"])
@pytest.mark.parametrize("command", ["train", "simulate", "ab"])
def test_what_is_there_is_left_alone(refuses: Refuses, tmp_path: Path, command: str, what: str) -> None:
    stores = {
        "train": ["--store", "bundled:corner-shop", "--observations", tmp_path],
        "simulate": ["--store", "bundled:corner-shop", "--model", tmp_path],
        "ab": ["--control", "bundled:corner-shop", "--variant", "bundled:corner-shop", "--model", tmp_path],
    }
    fill(tmp_path / "out", what)
    message = refuses(command, *stores[command], "--out", tmp_path / "out")
    assert f"--out {tmp_path / 'out'}: " in message
    assert "name a new folder" in message


def test_a_place_below_a_file_is_refused(refuses: Refuses, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    arguments = ["--store", "bundled:corner-shop", "--model", tmp_path, "--out", tmp_path / "file" / "run"]
    assert "nothing can be written in" in refuses("simulate", *arguments)


# ---- models


def edit_config(path: Path, **changes: object) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **changes}))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil_weights(model: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(model / "policy" / "model.safetensors")
    next(iter(weights.values())).flat[0] = float("nan")
    save_file(weights, model / "policy" / "model.safetensors")


MODEL_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (shutil.rmtree, "model: no such folder; name the folder of a model, or bundled:NAME"),
    "empty folder": (
        lambda m: (shutil.rmtree(m), m.mkdir()),
        "config.json: not found; give a model folder written by",
    ),
    "a file": (lambda m: (shutil.rmtree(m), m.write_text("model")), "model: no such folder"),
    "binary config": (
        lambda m: (m / "config.json").write_bytes(bytes(range(256))),
        "config.json: cannot be read as JSON",
    ),
    "10 MB of brackets": (
        lambda m: (m / "config.json").write_text("[" * 10_000_000),
        "config.json: cannot be read as JSON",
    ),
    "a list for a config": (
        lambda m: (m / "config.json").write_text("[]"),
        "config.json: holds no JSON object",
    ),
    "config of another program": (
        lambda m: (m / "config.json").write_text('{"model_type": "gpt2", "n_embd": 768}'),
        f"config.json: no model of ours; this version reads format {FORMAT}",
    ),
    "a later format": (
        lambda m: edit_config(m, format=99),
        f"config.json: model format 99; this version reads format {FORMAT}",
    ),
    "text for arrivals": (lambda m: edit_config(m, shoppers_per_day="many"), "a wrong shoppers_per_day"),
    "too few hours": (lambda m: edit_config(m, hourly_share=[1.0]), "a wrong hourly_share"),
    "unknown pace": (lambda m: edit_config(m, pace={"stride_m": 0.7}), "a wrong pace"),
    "no knowledge": (lambda m: edit_config(m, knowledge=None), "a wrong knowledge"),
    "no policy": (lambda m: shutil.rmtree(m / "policy"), "policy/config.json: not found"),
    "config of another part": (
        lambda m: shutil.copy(m / "needs" / "config.json", m / "policy" / "config.json"),
        "policy/config.json: kind None is none of layout, paper, ",
    ),
    "impossible network": (
        lambda m: edit_config(m / "policy", network={"n_levels": 6, "n_embd": 15, "n_head": 2}),
        "policy: is not what `storesim train` writes",
    ),
    "truncated weights": (
        lambda m: cut(m / "policy" / "model.safetensors"),
        "policy/model.safetensors: not a safetensors file",
    ),
    "truncated baskets": (
        lambda m: cut(m / "needs" / "model.safetensors"),
        "needs/model.safetensors: not a safetensors file",
    ),
    "a pickle in disguise": (
        lambda m: (m / "conversion" / "model.safetensors").write_bytes(pickle.dumps({"w": [1.0] * 1000})),
        "conversion/model.safetensors: not a safetensors file",
    ),
    "no weights": (
        lambda m: (m / "conversion" / "model.safetensors").unlink(),
        "conversion/model.safetensors: not found",
    ),
    "weights of another part": (
        lambda m: shutil.copy(m / "conversion" / "model.safetensors", m / "policy" / "model.safetensors"),
        "policy/model.safetensors: does not fit config.json",
    ),
    "weights that are not finite": (spoil_weights, "policy/model.safetensors: "),
}


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained model, to damage."""
    return Path(shutil.copytree(trained, tmp_path / "model"))


@pytest.mark.parametrize("fault", MODEL_FAULTS)
def test_a_fault_of_a_model_is_one_line(refuses: Refuses, model: Path, tmp_path: Path, fault: str) -> None:
    damage, message = MODEL_FAULTS[fault]
    damage(model)
    arguments = ["--store", "bundled:corner-shop", "--model", model, "--out", tmp_path / "run", *SHORT]
    assert message in refuses("simulate", *arguments)


def test_a_store_is_no_model(refuses: Refuses, corner_shop: Path, tmp_path: Path) -> None:
    arguments = [
        "--store",
        corner_shop / "store",
        "--model",
        corner_shop / "store",
        "--out",
        tmp_path / "run",
    ]
    assert "store/config.json: not found; give a model folder" in refuses("simulate", *arguments)


# ---- what is unusual but right


def test_a_variant_without_some_goods_and_with_odd_names_runs(
    storesim: Storesim, trained: Path, corner_shop: Path, tmp_path: Path
) -> None:
    """The model knows SKUs that the variant lacks; its names hold quotes and tags."""
    variant = Path(shutil.copytree(corner_shop / "store", tmp_path / "variant"))
    name = """<script>alert("x")</script> & 'Söhne' {0} %s"""
    layout = json.loads((variant / "layout.geojson").read_text())
    layout["store"]["name"] = name
    (variant / "layout.geojson").write_text(json.dumps(layout))
    goods = pd.read_csv(variant / "catalogue.csv")
    gone = set(goods["sku_id"][::3])
    for table in ("catalogue", "planogram"):
        rows = pd.read_csv(variant / f"{table}.csv")
        rows[~rows["sku_id"].isin(gone)].to_csv(variant / f"{table}.csv", index=False)
    arguments = ["--control", corner_shop / "store", "--variant", variant, "--model", trained]
    code, out, err = storesim("ab", *arguments, "--out", tmp_path / "run", *SHORT)
    assert (code, err) == (0, "")
    assert name in out
    assert storesim("report", "--run", tmp_path / "run").code == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_stores_of_two_currencies_are_not_compared(
    refuses: Refuses, trained: Path, corner_shop: Path, tmp_path: Path
) -> None:
    variant = Path(shutil.copytree(corner_shop / "store", tmp_path / "variant"))
    layout = variant / "layout.geojson"
    layout.write_text(layout.read_text().replace('"EUR"', '"SEK"'))
    arguments = ["--control", corner_shop / "store", "--variant", variant, "--model", trained]
    message = refuses("ab", *arguments, "--out", tmp_path / "run", *SHORT)
    assert "SEK" in message
    assert "EUR" in message


# ---- runs


RUN_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (shutil.rmtree, "has no result.json; name a folder that simulate or ab wrote"),
    "a result that is not JSON": (lambda r: (r / "result.json").write_text("{"), "cannot be read as a run"),
    "a list for a result": (lambda r: (r / "result.json").write_text("[]"), "cannot be read as a run"),
    "a result of another program": (
        lambda r: (r / "result.json").write_text('{"control": {}}'),
        "cannot be read as a run",
    ),
    "a lift without figures": (lambda r: edit_result(r, lift={}), "cannot be read as a run"),
    "10 MB of brackets": (
        lambda r: (r / "result.json").write_text("[" * 10_000_000),
        "cannot be read as a run",
    ),
    "binary table": (
        lambda r: (r / "zones.parquet").write_bytes(bytes(range(256))),
        "cannot be read as a run",
    ),
    "no table": (lambda r: (r / "occupancy.parquet").unlink(), "cannot be read as a run"),
    "a table of other columns": (
        lambda r: pd.DataFrame({"a": [1]}).to_parquet(r / "zones.parquet"),
        "cannot be read as a run (zones.parquet has no column layout",
    ),
    "no stores": (lambda r: shutil.rmtree(r / "stores"), "cannot be read as a run"),
    "another store": (
        lambda r: shutil.rmtree(r / "stores" / "layout-0"),
        "stores/ lacks the layout 'corner-shop'; run the simulation again",
    ),
}


def edit_result(run: Path, **changes: object) -> None:
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, **changes}))


@pytest.mark.parametrize("fault", RUN_FAULTS)
def test_a_fault_of_a_run_is_one_line(refuses: Refuses, compared: Path, tmp_path: Path, fault: str) -> None:
    run = Path(shutil.copytree(compared, tmp_path / "run"))
    damage, message = RUN_FAULTS[fault]
    damage(run)
    assert message in refuses("report", "--run", run)


# ---- Ctrl-C


def test_an_interruption_leaves_nothing(
    storesim: Storesim, trained: Path, corner_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulator import StoreModel

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(StoreModel, "run", interrupt)
    arguments = [
        "--store",
        corner_shop / "store",
        "--model",
        trained,
        "--out",
        tmp_path / "new" / "run",
        *SHORT,
    ]
    assert storesim("simulate", *arguments) == (130, "", "storesim: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_while_writing_leaves_the_earlier_run(
    storesim: Storesim, trained: Path, compared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import scenarios.runs

    run = Path(shutil.copytree(compared, tmp_path / "run"))
    before = (run / "result.json").read_bytes()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    arguments = ["--store", "bundled:corner-shop", "--model", trained, "--out", run, *SHORT]
    with monkeypatch.context() as patch:
        patch.setattr(scenarios.runs, "save_store", interrupt)  # after the tables
        code, out, err = storesim("simulate", *arguments)
    kept = f"2 finished replications are kept in {tmp_path / 'run.partial'}: the same command with --resume"
    assert (code, out, err) == (130, "", f"storesim: interrupted; {kept} goes on\n")
    assert (run / "result.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.partial"]
    assert storesim("simulate", *arguments, "--resume").code == 0
    assert (run / "result.json").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start the installed command, in a group of processes of its own as a terminal does."""
    storesim = Path(sys.executable).with_name("storesim")
    return subprocess.Popen(
        [str(storesim), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_interrupts,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def hear_interrupts() -> None:
    """Let Ctrl-C through, which a shell makes its background jobs deaf to."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def list_children(pid: int) -> list[int]:
    """Child processes; a command's workers are children of a child that makes them."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def test_ctrl_c_reaches_workers_as_well(trained: Path, corner_shop: Path, tmp_path: Path) -> None:
    """As a terminal sends it: to the command and its workers, at work or still starting."""
    arguments = ["--store", corner_shop / "store", "--model", trained, "--out", tmp_path / "run"]
    process = start("simulate", *arguments, "--replications", 2000, "--shoppers", 20, "--workers", 2)
    deadline = time.monotonic() + 60
    while process.poll() is None and not any(map(list_children, list_children(process.pid))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "storesim: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


# ---- as a process


def test_the_installed_command_says_the_same(tiny_folder: Path, tmp_path: Path) -> None:
    (tiny_folder / "planogram.csv").write_text("nonsense")
    process = start("simulate", "--store", tiny_folder, "--model", tmp_path / "no", "--out", tmp_path / "run")
    out, err = process.communicate(timeout=60)
    path = tiny_folder / "planogram.csv"
    columns = "sku_id, zone_id, facings, shelf_level"
    assert (process.returncode, out) == (2, "")
    assert err == f"storesim: {path}: has no column {columns}; needed are {columns}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
