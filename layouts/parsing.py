"""From JSON and text cells to records: every fault is named with its place, none stops the rest."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import shapely
from shapely.geometry import Polygon, shape
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from layouts.records import (
    Checkout,
    CheckoutType,
    Door,
    Fixture,
    FixtureType,
    Placement,
    ShelfLevel,
    Sku,
    Zone,
    ZoneType,
)

KINDS = ("floor", "obstacle", "fixture", "zone", "entrance", "exit", "checkout")
POINT_KINDS = ("entrance", "exit", "checkout")
ID_FIELDS = {
    "fixture": "fixture_id",
    "zone": "zone_id",
    "entrance": "door_id",
    "exit": "door_id",
    "checkout": "checkout_id",
}
CATALOGUE_COLUMNS = tuple(Sku.__dataclass_fields__)
PLANOGRAM_COLUMNS = tuple(Placement.__dataclass_fields__)
MAX_NAME_LENGTH = 200
MAX_NUMBER, MAX_COUNT = 1e9, 1_000_000  # more is a slip, and sums of it would overflow
MAX_COORDINATE_M = 1e7  # national grids count from far away; no store lies further
FLOOR_SIDE_M = (1.0, 1000.0)  # less is degrees, more is millimetres

T = TypeVar("T")


class FieldError(ValueError):
    """One value that cannot be used; the text says what is wrong and what would be right."""


def read_text(value: object) -> str:
    """Read a name or identifier that must not be empty."""
    if value is None or not str(value).strip():
        raise FieldError("is empty; a name is needed")
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise FieldError(f"{_say(value)}; a name is needed")
    text = str(value).strip()
    if len(text) > MAX_NAME_LENGTH:
        raise FieldError(f"{_say(value)}; at most {MAX_NAME_LENGTH} characters are needed")
    if _UNPRINTABLE.search(text):  # it would break messages and tables
        raise FieldError(f"{_say(value)}; a name on one line, without control characters, is needed")
    return text


_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _say(value: object) -> str:
    """Quote a wrong value, cut to a length that fits a line."""
    if value is None:
        return "is missing"
    text = repr(value[:60] if isinstance(value, str) else value)
    return f"is {text}" if len(text) <= 60 else f"is {text[:50]}..."


def read_number(value: object) -> float:
    """Read a finite number."""
    try:
        if isinstance(value, bool) or "_" in str(value):  # Python reads 2_5 as 25
            raise ValueError
        number = float(str(value).strip())
    except ValueError:
        raise FieldError(f"{_say(value)}; a number is needed") from None
    if not math.isfinite(number):
        raise FieldError(f"{_say(value)}; a finite number is needed")
    if abs(number) > MAX_NUMBER:
        raise FieldError(f"{_say(value)}; a number up to {MAX_NUMBER:.0f} is needed")
    return number


def read_amount(value: object) -> float:
    """Read a number that is not negative."""
    number = read_number(value)
    if number < 0:
        raise FieldError(f"is {value}; zero or more is needed")
    return number


def read_count(value: object) -> int:
    """Read a whole number that is not negative."""
    number = read_amount(value)
    if number != int(number):
        raise FieldError(f"is {value}; a whole number is needed")
    if number > MAX_COUNT:
        raise FieldError(f"is {value}; at most {MAX_COUNT} is needed")
    return int(number)


def read_flag(value: object) -> bool:
    """Read true or false."""
    text = str(value).strip().lower()
    if text in ("true", "1", "yes"):
        return True
    if text in ("false", "0", "no"):
        return False
    raise FieldError(f"{_say(value)}; true or false is needed")


def read_choice(choices: type[StrEnum]) -> Callable[[object], Any]:
    """Make a reader for one of a closed list of words."""

    def read(value: object) -> StrEnum:
        try:
            return choices(str(value).strip().lower())
        except ValueError:
            raise FieldError(f"{_say(value)}; one of {', '.join(choices)} is needed") from None

    return read


def read_time(value: object) -> str:
    """Read a time of day."""
    if not isinstance(value, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", value):
        raise FieldError(f"{_say(value)}; a time like '08:00' is needed")
    return value


def read_optional_text(value: object) -> str | None:
    """Read a name that may be missing."""
    return None if value is None or not str(value).strip() else read_text(value)


def read_label(value: object) -> str:
    """Read a text that may be empty."""
    return read_optional_text(value) or ""


FEATURE_FIELDS: dict[str, dict[str, Callable[[object], Any]]] = {
    "floor": {},
    "obstacle": {},
    "fixture": {"fixture_id": read_text, "fixture_type": read_choice(FixtureType), "refrigerated": read_flag},
    "zone": {
        "zone_id": read_text,
        "version": read_count,
        "zone_type": read_choice(ZoneType),
        "fixture_id": read_optional_text,
        "capacity_facings": read_count,
        "has_refrigeration": read_flag,
    },
    "entrance": {"door_id": read_text},
    "exit": {"door_id": read_text},
    "checkout": {"checkout_id": read_text, "checkout_type": read_choice(CheckoutType)},
}
SKU_FIELDS: dict[str, Callable[[object], Any]] = {
    "sku_id": read_text,
    "name": read_text,
    "category": read_text,
    "subcategory": read_label,
    "price": read_amount,
    "margin": read_number,
    "requires_refrigeration": read_flag,
    "facings_required": read_count,
    "velocity": read_amount,
}
PLACEMENT_FIELDS: dict[str, Callable[[object], Any]] = {
    "sku_id": read_text,
    "zone_id": read_text,
    "facings": read_count,
    "shelf_level": read_choice(ShelfLevel),
}


def parse_layout(document: Any, file: str) -> tuple[dict[str, Any], list[str]]:
    """Turn a GeoJSON document into the geometric fields of a `Store`.

    Returns
    -------
    fields
        Keyword arguments of `Store` but `skus` and `placements`; complete only if there are no faults.
    faults
        One line each.
    """
    if not isinstance(document, dict) or not isinstance(document.get("features"), list):
        return {}, [f"{file}: is not a FeatureCollection; an object with a list 'features' is needed"]
    fields, faults = _parse_header(document.get("store"), file)
    found: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for number, feature in enumerate(document["features"], start=1):
        kind, record, feature_faults = _parse_feature(feature, number)
        faults += [f"{file}, {fault}" for fault in feature_faults]
        if record is not None:
            found[kind].append(record)
    n_floors = sum(_kind_of(feature) == "floor" for feature in document["features"])
    if n_floors != 1:
        faults.append(f"{file}: has {n_floors} floors; exactly one feature of kind 'floor' is needed")
    faults += [f"{file}, floor: {fault}" for floor in found["floor"] for fault in _size_faults(floor)]
    fields["floor"] = found["floor"][0] if found["floor"] else Polygon()
    fields |= {f"{kind}s": tuple(found[kind]) for kind in KINDS if kind != "floor"}
    return fields, faults


def _size_faults(floor: BaseGeometry) -> list[str]:
    """Find coordinates in another unit: they give a floor on which nobody could stand, or a huge one."""
    x0, y0, x1, y1 = floor.bounds
    smallest, largest = FLOOR_SIDE_M
    if min(x1 - x0, y1 - y0) >= smallest and max(x1 - x0, y1 - y0) <= largest:
        return []
    measures = f"measures {x1 - x0:.4g} x {y1 - y0:.4g} m"
    return [
        f"{measures}; planar coordinates in metres are needed, not degrees (longitude, latitude), mm or feet"
    ]


def _kind_of(feature: Any) -> object:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    return properties.get("kind") if isinstance(properties, dict) else None


def _parse_header(header: Any, file: str) -> tuple[dict[str, Any], list[str]]:
    """Read the member that describes the whole store."""
    if not isinstance(header, dict):
        return {}, [f"{file}: has no member 'store'; name, currency, open and close are needed there"]
    readers: dict[str, Callable[[object], Any]] = {
        "name": read_text,
        "currency": read_text,
        "open": read_time,
        "close": read_time,
    }
    fields, faults = _read_fields(header, readers)
    if not faults and fields["open"] >= fields["close"]:
        faults.append(f"closes at {fields['close']}, opens at {fields['open']}; it must open first")
    return fields, [f"{file}, store: {fault}" for fault in faults]


def _parse_feature(feature: Any, number: int) -> tuple[str, Any, list[str]]:
    """Read one feature; the record is None if anything is wrong with it."""
    kind = _kind_of(feature)
    if kind not in KINDS:
        return "", None, [f"feature {number}: kind {_say(kind)}; one of {', '.join(KINDS)} is needed"]
    kind, properties = str(kind), feature["properties"]
    values, faults = _read_fields(properties, FEATURE_FIELDS[kind])
    name = values.get(ID_FIELDS.get(kind, ""))
    where = f"{kind} '{name}'" if name else f"feature {number} ({kind})"
    geometry, fault = _read_geometry(feature.get("geometry"), "Point" if kind in POINT_KINDS else "Polygon")
    faults += [fault] if fault else []
    if geometry is None or faults:
        return kind, None, [f"{where}: {fault}" for fault in faults]
    if kind in POINT_KINDS:
        xy = (float(geometry.x), float(geometry.y))
        return kind, Checkout(**values, xy=xy) if kind == "checkout" else Door(**values, xy=xy), []
    if kind in ("floor", "obstacle"):
        return kind, geometry, []
    return (
        kind,
        Zone(**values, polygon=geometry) if kind == "zone" else Fixture(**values, polygon=geometry),
        [],
    )


def _read_geometry(geometry: Any, wanted: str) -> tuple[BaseGeometry | None, str]:
    """Read a point or polygon in metres; say what is wrong otherwise."""
    if not isinstance(geometry, dict) or geometry.get("type") != wanted:
        got = geometry.get("type") if isinstance(geometry, dict) else geometry
        return None, f"geometry {_say(got)}; a {wanted} in metres is needed"
    try:
        read = shapely.force_2d(shape(geometry))
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, shapely.errors.ShapelyError):
        return None, f"coordinates cannot be read; those of a {wanted}, finite and in metres, are needed"
    if read.is_empty or not all(map(math.isfinite, shapely.get_coordinates(read).ravel())):
        return None, f"coordinates are empty or not finite; those of a {wanted} in metres are needed"
    furthest = float(abs(shapely.get_coordinates(read)).max())
    if furthest > MAX_COORDINATE_M:
        return None, f"lies {furthest:.3g} m from the origin; planar coordinates in metres are needed"
    if not read.is_valid or (wanted == "Polygon" and read.area <= 0):
        return (
            None,
            f"polygon is invalid ({explain_validity(read)}); a ring that does not cross itself is needed",
        )
    return read, ""


def _read_fields(
    values: Any, readers: dict[str, Callable[[object], Any]]
) -> tuple[dict[str, Any], list[str]]:
    """Apply a reader to each named value."""
    read, faults = {}, []
    for field, reader in readers.items():
        try:
            read[field] = reader(values.get(field))
        except FieldError as fault:
            faults.append(f"{field} {fault}")
    return read, faults


@dataclass(frozen=True)
class Table:
    """A CSV file as text: the names in its first row, then each row with its number in a spreadsheet."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, list[str]], ...]

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[int, list[str]]]) -> "Table":
        """Take the first row for the header."""
        header = rows[0][1] if rows else []
        return cls(tuple(name.strip() for name in header), tuple(rows[1:]))


def parse_catalogue(table: Table, file: str) -> tuple[list[tuple[str, Sku]], list[str]]:
    """Turn a text table into SKUs, each with where it stands in the file ("catalogue.csv, row 3")."""
    return _parse_rows(table, file, SKU_FIELDS, lambda values: Sku(**values))


def parse_planogram(table: Table, file: str) -> tuple[list[tuple[str, Placement]], list[str]]:
    """Turn a text table into placements, each with where it stands in the file ("planogram.csv, row 3")."""
    return _parse_rows(table, file, PLACEMENT_FIELDS, lambda values: Placement(**values))


def _parse_rows(
    table: Table, file: str, readers: dict[str, Callable[[object], Any]], make: Callable[[dict[str, Any]], T]
) -> tuple[list[tuple[str, T]], list[str]]:
    """Read each row; the header is row 1, as in a spreadsheet."""
    missing = [column for column in readers if column not in table.columns]
    if not any(table.columns):
        return [], [f"{file}: is empty; needed are the columns {', '.join(readers)}"]
    if missing:
        return [], [f"{file}: has no column {', '.join(missing)}; needed are {', '.join(readers)}"]
    records, faults = [], []
    for number, row in table.rows:
        where = f"{file}, row {number}"
        if any(text.strip() for text in row[len(table.columns) :]):
            n = len(table.columns)
            faults.append(f"{where}: has {len(row)} fields, not {n}; put texts with commas in quotes")
            continue
        padded = row + [""] * (len(table.columns) - len(row))
        values, row_faults = _read_fields(dict(zip(table.columns, padded, strict=False)), readers)
        faults += [f"{where}: {fault}" for fault in row_faults]
        if not row_faults:
            records.append((where, make(values)))
    return records, faults
