"""A real Dask scheduler with two workers, started as a person would; one of them is killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="the extra storesim[cluster] is not installed")

Storesim = Callable[..., Any]
DASK = Path(sys.executable).with_name("dask")
SIZE = ("--shoppers", 150, "--replications", 12, "--seed", 4)


def start(command: Path, *arguments: object, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(command), *map(str, arguments)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


class Cluster:
    """Scheduler and workers of a test; `address` is the scheduler's."""

    def __init__(self, home: Path) -> None:
        self.home, self.processes = home, list[subprocess.Popen[str]]()
        file = home / "scheduler.json"
        self.start("scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file)
        deadline = time.monotonic() + 60
        while not (file.exists() and file.read_text().endswith("}")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        self.address = str(json.loads(file.read_text())["address"])

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        process = start(DASK, *arguments, "--no-dashboard", cwd=self.home)
        self.processes.append(process)
        return process

    def start_worker(self) -> subprocess.Popen[str]:
        options = ["--nthreads", 2, "--no-nanny", "--local-directory", self.home / "scratch"]
        return self.start("worker", self.address, *options)

    def end(self) -> None:
        for process in reversed(self.processes):
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield cluster
    finally:
        cluster.end()


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_cluster_that_loses_a_worker_gives_the_same_bytes(
    storesim: Storesim, cluster: Cluster, trained: Path, corner_shop: Path, tmp_path: Path
) -> None:
    arguments = ["simulate", "--store", corner_shop / "store", "--model", trained, *SIZE, "--tracks", "all"]
    victim, _ = cluster.start_worker(), cluster.start_worker()
    out, work = tmp_path / "there", tmp_path / "there.partial"
    process = start(
        Path(sys.executable).with_name("storesim"),
        *[*arguments, "--cluster", cluster.address, "--out", out],
        cwd=tmp_path,
    )
    deadline = time.monotonic() + 120
    while len(list(work.glob("parts/*/*/part.json"))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    victim.kill()
    assert storesim(*arguments, "--out", tmp_path / "here").code == 0
    _, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    assert not work.exists()
    assert read_files(out) == read_files(tmp_path / "here")


def test_a_scheduler_that_is_lost_is_one_line_and_costs_nothing(
    cluster: Cluster, trained: Path, corner_shop: Path, tmp_path: Path
) -> None:
    """The last test of the cluster: it has no scheduler after this."""
    cluster.start_worker()
    out, work = tmp_path / "run", tmp_path / "run.partial"
    arguments = ["--store", corner_shop / "store", "--model", trained, "--shoppers", 300]
    process = start(
        Path(sys.executable).with_name("storesim"),
        *["simulate", *arguments, "--replications", 500, "--cluster", cluster.address, "--out", out],
        cwd=tmp_path,
    )
    deadline = time.monotonic() + 120
    while len(list(work.glob("parts/*/*/part.json"))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    cluster.processes[0].kill()
    _, complaint = process.communicate(timeout=120)
    n_kept = len(list(work.glob("parts/*/*/part.json")))
    assert process.returncode == 2
    assert complaint == (
        f"storesim: --cluster {cluster.address}: the scheduler is gone; start it again; {n_kept} finished "
        f"replications are kept in {work}: the same command with --resume goes on\n"
    )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            ["--cluster", "localhost"],
            "--cluster localhost: is no address of a scheduler; it looks like tcp://",
        ),
        (["--cluster", "tcp://127.0.0.1:9", "--workers", 2], "--workers and --cluster: give one of them"),
        (["--cluster", "tcp://127.0.0.1:9"], "--cluster tcp://127.0.0.1:9: no Dask scheduler answers there"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(
    storesim: Storesim,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[object],
    complaint: str,
) -> None:
    import scenarios.cluster

    monkeypatch.setattr(scenarios.cluster, "CONNECT_S", 1)
    arguments = ["--store", "bundled:corner-shop", "--model", trained, "--out", tmp_path / "run"]
    code, out, err = storesim("simulate", *arguments, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"storesim: {complaint}")
    assert list(tmp_path.iterdir()) == []


def test_without_dask_a_line_says_what_to_install(
    storesim: Storesim, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import scenarios.execution

    monkeypatch.setattr(scenarios.execution, "find_spec", lambda name: None)
    arguments = ["--store", "bundled:corner-shop", "--model", trained, "--out", tmp_path / "run"]
    code, _, err = storesim("simulate", *arguments, "--cluster", "tcp://127.0.0.1:9")
    assert code == 2
    assert "needs Dask, which is not installed: pip install 'storesim[cluster]'" in err
