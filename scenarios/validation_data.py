"""A validation folder: what it consists of, and how it is read for the report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from layouts import ConfigError, Store, load_store

VALIDATION_MARKER = "validation.json"  # the file that makes a folder a validation folder
FIGURES = ("heatmaps.png", "distributions.png", "calibration.png")
VALIDATION_PARTS = (
    VALIDATION_MARKER,
    "divergences.csv",
    "distributions.csv",
    "calibration.csv",
    "occupancy.parquet",
    *FIGURES,
    "stores",
    "report.html",
)
_KEYS = (
    *("seed", "shoppers", "replications", "sessions", "model", "store", "currency", "versions"),
    *("trained_on_this_store", "floor_checks", "measurement"),
)
_TABLES = {
    "divergences": ("figure", "attribute", "level", "value", "floor", "floor95", "ratio", "others", "n", "m"),
    "distributions": ("measure", "unit", "attribute", "level", "wasserstein_value", "ks_value", "n", "m"),
    "calibration": ("figure", "item", "observed", "predicted", "difference_se", "is_within"),
}
_TEXT = dict.fromkeys(("figure", "measure", "unit", "attribute", "level", "item"), str)


@dataclass(frozen=True, kw_only=True)
class ValidationRun:
    """What a validation folder holds.

    Attributes
    ----------
    result
        The content of `validation.json`.
    store
        Where.
    divergences, distributions, calibration, occupancy
        The tables of the same name, see docs/formats.md.
    figures
        Content of the PNG files by name.
    """

    result: Mapping[str, Any]
    store: Store
    divergences: pd.DataFrame
    distributions: pd.DataFrame
    calibration: pd.DataFrame
    occupancy: pd.DataFrame
    figures: Mapping[str, bytes]

    def seconds(self, side: str) -> pd.DataFrame:
        """Cells `x`, `y` [m] with the `seconds` per session of one side (observed, generated)."""
        rows = self.occupancy[self.occupancy["side"] == side]
        return rows[["x", "y", "seconds"]].reset_index(drop=True)


def load_validation(folder: Path) -> ValidationRun:
    """Read the folder that `validate` wrote.

    Raises
    ------
    ConfigError
        If it lacks a part or cannot be read.
    """
    try:
        result = json.loads((folder / VALIDATION_MARKER).read_text(encoding="utf-8"))
        for key in _KEYS:
            result[key]
        return ValidationRun(
            result=result,
            store=load_store(folder / "stores" / "layout-0"),
            occupancy=pd.read_parquet(folder / "occupancy.parquet")[["side", "x", "y", "seconds"]],
            figures={name: (folder / name).read_bytes() for name in FIGURES},
            **{name: _read_csv(folder / f"{name}.csv", columns) for name, columns in _TABLES.items()},
        )
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise ConfigError(
            f"--run {folder}: cannot be read as a validation ({reason}); run storesim validate again"
        ) from error


def _read_csv(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=_TEXT, keep_default_na=False, na_values=[""])
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ConfigError(f"{path.name} has no column {', '.join(missing)}")
    texts = [name for name in _TEXT if name in table.columns]
    return table.assign(**{name: table[name].fillna("").astype(str) for name in texts})
