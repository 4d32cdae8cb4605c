"""The command line as a person uses it, one observed store and one small model learned from it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from layouts import bundled_store, load_store, save_store
from scenarios.cli import main

N_VISITS = 250


class Said(NamedTuple):
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


Storesim = Callable[..., Said]


def read_all(folder: Path) -> dict[str, bytes | None]:
    """Content of every file below a folder by path; None for what is no file."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def storesim(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Storesim:
    """Run `storesim` with these arguments in this process."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["storesim", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        assert isinstance(stop.value.code, int | None), stop.value.code
        return Said(stop.value.code or 0, said.out, said.err)

    return run


@pytest.fixture
def refuses(storesim: Storesim, tmp_path: Path) -> Callable[..., str]:
    """Run a command that must be refused: exit 2, one line, every file in `tmp_path` as before."""

    def run(*arguments: object, n_lines: int = 1) -> str:
        before = read_all(tmp_path)
        code, out, err = storesim(*arguments)
        assert (code, out) == (2, ""), err
        assert err.startswith("storesim: ")
        assert err.endswith("\n")
        assert len(err.splitlines()) == n_lines, err
        assert max(map(len, err.splitlines())) < 700, "a line that a person reads"
        assert read_all(tmp_path) == before
        return err

    return run


@pytest.fixture(scope="session")
def corner_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder `store` of the bundled corner shop and `days`, what was observed of 250 visits."""
    from analysis import save_observations
    from scenarios.observe import observe_reference_shopper

    home = tmp_path_factory.mktemp("corner-shop")
    store = bundled_store("corner-shop")
    save_store(store, home / "store")
    save_observations(observe_reference_shopper(store, n_shoppers=N_VISITS, seed=1), home / "days")
    return home


@pytest.fixture(scope="session")
def trained(corner_shop: Path) -> Path:
    """Folder of the model that `storesim train --preset tiny` learns from these observations."""
    folders = {"--store": "store", "--observations": "days", "--out": "model"}
    arguments = [part for option, name in folders.items() for part in (option, corner_shop / name)]
    return _run("train", *arguments, "--preset", "tiny") or corner_shop / "model"


@pytest.fixture(scope="session")
def compared(corner_shop: Path, trained: Path) -> Path:
    """Folder of a comparison of the corner shop with one where two aisles and two endcaps are swapped."""
    store = load_store(corner_shop / "store")
    save_store(store.swap("G1R-1", "G3L-1").swap("EF-1", "EB-3"), corner_shop / "variant")
    folders = {"--control": "store", "--variant": "variant", "--model": "model", "--out": "comparison"}
    arguments = [part for option, name in folders.items() for part in (option, corner_shop / name)]
    options = ["--shoppers", 40, "--replications", 3, "--seed", 7]
    return _run("ab", *arguments, *options) or corner_shop / "comparison"


def _run(*arguments: object) -> None:
    """Run a command for a fixture that outlives one test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["storesim", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
    assert not stop.value.code
