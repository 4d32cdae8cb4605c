"""Runs that are interrupted or killed go on where they were, and end with the bytes of an undisturbed one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Storesim = Callable[..., Any]
N_REPLICATIONS = 20
SIZE = ("--shoppers", 30, "--replications", N_REPLICATIONS, "--seed", 2)


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def count_parts(work: Path) -> int:
    return len(list(work.glob("parts/*/*/part.json")))


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("storesim")), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_for_parts(process: subprocess.Popen[str], work: Path, n: int) -> None:
    deadline = time.monotonic() + 120
    while count_parts(work) < n:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def list_group(group: int) -> list[int]:
    """Living processes of a process group."""
    alive = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            alive.append(int(stat.parent.name))
    return alive


def count_lived(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """List that grows with every replication that is lived in this process."""
    from scenarios import monte_carlo

    lived: list[int] = []
    original = monte_carlo.build_tables

    def count(living: Any, **options: Any) -> Any:
        lived.append(living.luck.replication)
        return original(living, **options)

    monkeypatch.setattr(monte_carlo, "build_tables", count)
    return lived


@pytest.fixture
def arguments(trained: Path, corner_shop: Path) -> list[object]:
    stores = ["--control", corner_shop / "store", "--variant", corner_shop / "variant"]
    return ["ab", *stores, "--model", trained, *SIZE]


@pytest.fixture(scope="module")
def undisturbed(
    trained: Path, corner_shop: Path, compared: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """Files of the run in one process, without a break; `compared` has made the variant."""
    from layouts import load_store
    from models import load_model
    from scenarios import compare

    stores = [load_store(corner_shop / name) for name in ("store", "variant")]
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    model, size = load_model(trained), {"n_shoppers": 30, "n_replications": N_REPLICATIONS, "seed": 2}
    compare(stores[0], stores[1], model=model, **size).save(out)
    return read_files(out)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    storesim: Storesim,
    arguments: list[object],
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed with -9: workers end by themselves, and what was finished is used."""
    out, work = tmp_path / "run", tmp_path / "run.partial"
    process = start(*arguments, "--workers", 2, "--out", out)
    wait_for_parts(process, work, 3)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while list_group(process.pid):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.05)
    n_kept = count_parts(work)
    assert 3 <= n_kept < 2 * N_REPLICATIONS
    before = read_files(work)
    code, said, complaint = storesim(*arguments, "--out", out)
    assert (code, said) == (2, "")
    assert complaint == (
        f"storesim: {work}: holds {n_kept} finished replications of an interrupted run; "
        "give --resume to finish it, or remove that folder to start anew\n"
    )
    assert read_files(work) == before
    lived = count_lived(monkeypatch)
    assert storesim(*arguments, "--out", out, "--resume").code == 0
    assert len(lived) == 2 * N_REPLICATIONS - n_kept  # nothing is lived twice
    assert read_files(out) == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_another_runs_parts_are_not_mixed_in(
    storesim: Storesim, arguments: list[object], trained: Path, tmp_path: Path
) -> None:
    from models import load_model

    out, work = tmp_path / "run", tmp_path / "run.partial"
    process = start(*arguments, "--out", out)
    wait_for_parts(process, work, 1)
    process.send_signal(signal.SIGSTOP)
    code, _, complaint = storesim(*arguments, "--out", out, "--resume")
    assert code == 2
    assert (
        complaint == f"storesim: {work}: another process is at work there; wait for it to end, or stop it\n"
    )
    process.kill()
    process.communicate()
    before = read_files(work)
    for change, named in (
        (["--seed", 3], "cases.0.seed was 2, is now 3"),
        (["--shoppers", 31], "cases.0.n_shoppers was 30, is now 31"),
        (["--variant", "bundled:corner-shop"], "cases.2.layout was not there, is now 'corner-shop--2'"),
        (["--tracks", "all"], "cases.0.tracks was 'first', is now 'all'"),
    ):
        code, _, complaint = storesim(*arguments, *change, "--out", out, "--resume")
        assert code == 2
        assert complaint == (
            f"storesim: --resume: {work} belongs to another run: {named}; give the options it had, "
            "or remove that folder to start anew\n"
        )
    config = json.loads((trained / "config.json").read_text())
    load_model(trained).save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text(json.dumps({**config, "shoppers_per_day": 77}))
    code, _, complaint = storesim(*arguments, "--model", tmp_path / "other", "--out", out, "--resume")
    assert (code, "belongs to another run: model was" in complaint) == (2, True)
    assert read_files(work) == before


def test_a_folder_of_somebodys_is_left_alone(
    storesim: Storesim, arguments: list[object], tmp_path: Path
) -> None:
    work = tmp_path / "run.partial"
    work.mkdir()
    (work / "notes.txt").write_text("mine")
    for resume in ([], ["--resume"]):
        code, _, complaint = storesim(*arguments, "--out", tmp_path / "run", *resume)
        assert (code, complaint.count("\n")) == (2, 1)
        assert "run.partial: holds other files ('notes.txt')" in complaint
    assert (work / "notes.txt").read_text() == "mine"


def test_resuming_what_was_never_begun_starts_it(
    storesim: Storesim, trained: Path, corner_shop: Path, tmp_path: Path
) -> None:
    arguments = ["--store", corner_shop / "store", "--model", trained, "--shoppers", 20, "--replications", 2]
    assert storesim("simulate", *arguments, "--out", tmp_path / "run", "--resume").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_settings_of_the_day_are_used_and_kept(
    storesim: Storesim, trained: Path, corner_shop: Path, tmp_path: Path
) -> None:
    """Slower tills, and nothing else, make longer visits; a wrong setting is one line."""
    arguments = ["--store", corner_shop / "store", "--model", trained, "--shoppers", 20, "--replications", 1]
    settings = tmp_path / "slow.json"
    results = {}
    for seconds in (41.0, 400.0):
        settings.write_text(json.dumps({"checkout": {"base_service_s": seconds}}))
        out = tmp_path / f"run-{seconds}"
        assert storesim("simulate", *arguments, "--settings", settings, "--out", out).code == 0
        results[seconds] = json.loads((out / "result.json").read_text())
        assert results[seconds]["settings"]["checkout"]["base_service_s"] == seconds
    assert (
        results[400.0]["control"]["minutes_per_shopper"] > results[41.0]["control"]["minutes_per_shopper"] + 5
    )
    assert results[400.0]["control"]["profit_per_shopper"] == results[41.0]["control"]["profit_per_shopper"]
    settings.write_text('{"checkout": {"base_service": 5}}')
    code, _, complaint = storesim("simulate", *arguments, "--settings", settings, "--out", tmp_path / "new")
    assert (code, complaint.count("\n")) == (2, 1)
    assert f"{settings}: unknown setting checkout.base_service" in complaint


def test_a_sweep_goes_on_too(
    storesim: Storesim, trained: Path, corner_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scenarios import runs

    (tmp_path / "plan.json").write_text('{"parameters": {"checkout.base_service_s": [20.0, 90.0]}}')
    arguments = ["--control", corner_shop / "store", "--model", trained, "--plan", tmp_path / "plan.json"]
    arguments += ["--shoppers", 20, "--replications", 3]
    assert storesim("sweep", *arguments, "--out", tmp_path / "whole").code == 0
    written = runs.Parts.take_up

    def interrupt(parts: Any, task: tuple[int, int]) -> bool:
        if parts.n_finished == 2:
            raise KeyboardInterrupt
        return written(parts, task)

    with monkeypatch.context() as patch:
        patch.setattr(runs.Parts, "take_up", interrupt)
        code, _, complaint = storesim("sweep", *arguments, "--out", tmp_path / "run")
    assert (code, "--resume goes on" in complaint) == (130, True)
    lived = count_lived(monkeypatch)
    assert storesim("sweep", *arguments, "--out", tmp_path / "run", "--resume").code == 0
    assert 0 < len(lived) < 6
    assert read_files(tmp_path / "run") == read_files(tmp_path / "whole")
    assert not (tmp_path / "run.partial").exists()


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        ("{", "plan.json: cannot be read as JSON"),
        ('{"parameters": {}}', "plan.json: parameters: must name one at least"),
        ('{"parameters": {"tills.n": [1]}}', "unknown setting tills"),
        (None, "plan.json: no such file; name one with a JSON object"),
    ],
)
def test_a_wrong_plan_is_one_line(
    storesim: Storesim, trained: Path, tmp_path: Path, plan: str | None, complaint: str
) -> None:
    path = tmp_path / "plan.json"
    if plan is not None:
        path.write_text(plan)
    arguments = ["--control", "bundled:corner-shop", "--model", trained, "--plan", path]
    code, out, err = storesim("sweep", *arguments, "--out", tmp_path / "run")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "run.partial").exists()
