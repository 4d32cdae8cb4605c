"""Reading and writing the folder that a store is: `layout.geojson`, `catalogue.csv`, `planogram.csv`."""

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from layouts.errors import CatalogueError, LayoutError, PlanogramError, StoresimError
from layouts.parsing import (
    CATALOGUE_COLUMNS,
    PLANOGRAM_COLUMNS,
    Table,
    parse_catalogue,
    parse_layout,
    parse_planogram,
)
from layouts.store import Store
from layouts.validation import find_layout_faults, find_placement_faults, find_sku_faults

LAYOUT_FILE, CATALOGUE_FILE, PLANOGRAM_FILE = "layout.geojson", "catalogue.csv", "planogram.csv"


def load_store(folder: str | os.PathLike[str]) -> Store:
    """Read and validate a store.

    Parameters
    ----------
    folder
        Folder with `layout.geojson`, `catalogue.csv` and `planogram.csv`. Columns may come in any order,
        further ones are ignored, a byte order mark is fine.

    Raises
    ------
    LayoutError, CatalogueError, PlanogramError
        With one line for each fault found, naming file and feature or row; the class is that of the first
        fault.
    """
    folder = Path(folder)
    faults: list[tuple[type[StoresimError], str]] = []
    layout, layout_faults = parse_layout(_read_json(folder / LAYOUT_FILE), LAYOUT_FILE)
    skus, sku_faults = parse_catalogue(_read_table(folder / CATALOGUE_FILE, CatalogueError), CATALOGUE_FILE)
    rows, row_faults = parse_planogram(_read_table(folder / PLANOGRAM_FILE, PlanogramError), PLANOGRAM_FILE)
    faults += [(LayoutError, fault) for fault in layout_faults]
    faults += [(CatalogueError, fault) for fault in sku_faults]
    if skus or not sku_faults:
        faults += [(CatalogueError, fault) for fault in find_sku_faults(skus)]
    faults += [(PlanogramError, fault) for fault in row_faults]
    if layout_faults:  # without sound geometry there is nothing to stand anything on
        _raise_first(faults)
    store = Store(
        **layout, skus=tuple(sku for _, sku in skus), placements=tuple(placement for _, placement in rows)
    )
    faults[:0] = [(LayoutError, fault) for fault in find_layout_faults(store)]
    if skus and not sku_faults and not row_faults:
        faults += [(PlanogramError, fault) for fault in find_placement_faults(store, rows)]
    _raise_first(faults)
    return store


def _raise_first(faults: list[tuple[type[StoresimError], str]]) -> None:
    """Raise all faults as one error of the first one's class."""
    if faults:
        raise faults[0][0].from_faults([text for _, text in faults])


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise LayoutError(_explain(path, error)) from error
    except RecursionError as error:
        raise LayoutError(f"{path}: is nested too deeply; a GeoJSON FeatureCollection is needed") from error
    except ValueError as error:
        raise LayoutError(
            f"{path}: is not valid JSON ({error}); a GeoJSON FeatureCollection is needed"
        ) from error


def _read_table(path: Path, kind: type[StoresimError]) -> Table:
    """Read a CSV file as text, so that the parser can say which cell is wrong."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            return Table.from_rows([(number, row) for number, row in enumerate(reader, start=1) if row])
    except OSError as error:
        raise kind(_explain(path, error)) from error
    except (ValueError, csv.Error) as error:  # bad encodings and open quotes
        raise kind(f"{path}: cannot be read as a comma-separated table in UTF-8 ({error})") from error


def _explain(path: Path, error: OSError) -> str:
    """Say why a file of a store cannot be opened."""
    names = f"{LAYOUT_FILE}, {CATALOGUE_FILE} and {PLANOGRAM_FILE}"
    if not path.parent.is_dir():
        return f"{path.parent}: is not a folder; a store is a folder with {names}"
    if isinstance(error, FileNotFoundError):
        return f"{path}: not found; a store is a folder with {names}"
    return f"{path}: cannot be opened as a file ({error.strerror}); a store is a folder with {names}"


def save_store(store: Store, folder: str | os.PathLike[str]) -> None:
    """Write a store's three files: first aside, then moved into place, so that no half-written store is left.

    Files of the same names are replaced; others in the folder stay.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (aside / LAYOUT_FILE).write_text(_layout_text(store), encoding="utf-8")
        _write_table(aside / CATALOGUE_FILE, CATALOGUE_COLUMNS, store.skus)
        _write_table(aside / PLANOGRAM_FILE, PLANOGRAM_COLUMNS, store.placements)
        folder.mkdir(exist_ok=True)
        for name in (LAYOUT_FILE, CATALOGUE_FILE, PLANOGRAM_FILE):
            os.replace(aside / name, folder / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_table(path: Path, columns: Sequence[str], records: Iterable[object]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for record in records:
            values = (getattr(record, column) for column in columns)
            writer.writerow(str(value).lower() if isinstance(value, bool) else value for value in values)


def _layout_text(store: Store) -> str:
    """GeoJSON text with one feature per line, for readable differences."""
    features = [
        _feature("floor", store.floor),
        *(_feature("obstacle", polygon) for polygon in store.obstacles),
    ]
    features += [_record_feature("fixture", fixture, fixture.polygon) for fixture in store.fixtures]
    features += [_record_feature("zone", zone, zone.polygon) for zone in store.zones]
    features += [_record_feature("entrance", door, shapely.Point(door.xy)) for door in store.entrances]
    features += [_record_feature("exit", door, shapely.Point(door.xy)) for door in store.exits]
    features += [_record_feature("checkout", till, shapely.Point(till.xy)) for till in store.checkouts]
    whole = {"name": store.name, "currency": store.currency, "open": store.open, "close": store.close}
    lines = ",\n".join(json.dumps(feature) for feature in features)
    return f'{{"type": "FeatureCollection", "store": {json.dumps(whole)}, "features": [\n{lines}\n]}}\n'


def _feature(kind: str, geometry: BaseGeometry, **properties: object) -> dict[str, object]:
    return {"type": "Feature", "properties": {"kind": kind, **properties}, "geometry": mapping(geometry)}


def _record_feature(kind: str, record: object, geometry: BaseGeometry) -> dict[str, object]:
    properties = {name: value for name, value in vars(record).items() if name not in ("polygon", "xy")}
    return _feature(kind, geometry, **properties)
