"""Stores and models as a person names them: a folder, or a bundled one as `bundled:NAME`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layouts import BUNDLED_STORES, ConfigError, Store, StoresimError, bundled_store, load_store

if TYPE_CHECKING:
    from models import ShopperModel
    from scenarios.sweep_plan import SweepPlan
    from simulator import SimulationConfig

BUNDLED = "bundled:"
STORE_FILES = ("layout.geojson", "catalogue.csv", "planogram.csv")


def open_store(identifier: str) -> Store:
    """Load the store of a folder, or a bundled one.

    Raises
    ------
    ConfigError
        If there is no such folder or bundled store.
    LayoutError
        If the folder does not hold a valid store.
    """
    if identifier.startswith(BUNDLED):
        return bundled_store(_bundled_name(identifier, known=BUNDLED_STORES, kind="store"))
    folder = _folder(identifier, kind="store")
    try:
        return load_store(folder)
    except StoresimError as error:  # a comparison opens several: say in which the faults are
        lines = str(error).splitlines()
        named = [str(folder / line) if line.startswith(STORE_FILES) else line for line in lines]
        raise type(error)("\n".join(named)) from error


def open_model(identifier: str) -> "ShopperModel":
    """Load the shopper model of a folder, or a bundled one.

    Raises
    ------
    ConfigError
        If there is no such folder or bundled model.
    ModelError
        If the folder does not hold a model that this version can read.
    """
    folder = None if identifier.startswith(BUNDLED) else _folder(identifier, kind="model")
    import models  # torch takes most of a second: a wrong folder is told before it

    if folder is None:
        home = Path(models.__file__).parent / "bundled"
        known = tuple(sorted(path.name for path in home.glob("*") if path.is_dir()))
        return models.load_model(home / _bundled_name(identifier, known=known, kind="model"))
    return models.load_model(folder)


def open_settings(path: Path | None) -> "SimulationConfig | None":
    """Read the settings of a store day from a JSON file; None if there is none.

    Raises
    ------
    ConfigError
        If the file cannot be read as JSON, or a setting is unknown or out of range.
    """
    if path is None:
        return None
    settings = read_json(path)
    from simulator import SimulationConfig

    try:
        return SimulationConfig.from_dict(settings)
    except StoresimError as error:
        raise type(error)(f"{path}: {error}") from error


def open_plan(path: Path) -> "SweepPlan":
    """Read the plan of a sweep from a JSON file.

    Raises
    ------
    ConfigError
        If the file cannot be read as JSON, or is no plan.
    """
    content = read_json(path)
    from scenarios.sweep_plan import SweepPlan

    try:
        return SweepPlan.from_dict(content)
    except StoresimError as error:
        raise type(error)(f"{path}: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ConfigError
        If the file is not there, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name one with a JSON object") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds no JSON object; put the settings in {{ }}")
    return content


def _bundled_name(identifier: str, *, known: tuple[str, ...], kind: str) -> str:
    name = identifier.removeprefix(BUNDLED)
    if name not in known:
        choices = ", ".join(BUNDLED + other for other in known) or "none"
        raise ConfigError(f"{identifier}: no such bundled {kind}; there are: {choices}")
    return name


def _folder(identifier: str, *, kind: str) -> Path:
    folder = Path(identifier)
    if not folder.is_dir():
        raise ConfigError(f"{identifier}: no such folder; name the folder of a {kind}, or bundled:NAME")
    return folder
