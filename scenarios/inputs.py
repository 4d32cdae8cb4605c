"""Stores and models as a person names them: a folder, or a bundled one as `bundled:NAME`."""

from pathlib import Path
from typing import TYPE_CHECKING

from layouts import BUNDLED_STORES, ConfigError, Store, StoresimError, bundled_store, load_store

if TYPE_CHECKING:
    from models import ShopperModel

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
