"""A store with a fault in it: the command names file, row or feature and what would be right."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refuses = Callable[..., str]
Change = Callable[[Path], None]
LAYOUT, CATALOGUE, PLANOGRAM = "layout.geojson", "catalogue.csv", "planogram.csv"


def change_layout(change: Callable[[dict[str, Any]], object]) -> Change:
    """Let `change` work on the GeoJSON document."""

    def run(folder: Path) -> None:
        document = json.loads((folder / LAYOUT).read_text())
        change(document)
        (folder / LAYOUT).write_text(json.dumps(document))

    return run


def change_feature(name: str, change: Callable[[dict[str, Any]], object]) -> Change:
    """Let `change` work on the feature of this kind or identifier."""
    keys = {"fixture": "fixture_id", "zone": "zone_id", "checkout": "checkout_id"}

    def find(document: dict[str, Any]) -> None:
        for feature in document["features"]:
            kind = feature["properties"]["kind"]
            if name in (kind, feature["properties"].get(keys.get(kind, "door_id"))):
                return change(feature)
        raise AssertionError(name)

    return change_layout(find)


def set_property(name: str, key: str, value: object) -> Change:
    return change_feature(name, lambda feature: feature["properties"].update({key: value}))


def set_corners(name: str, *corners: tuple[float, float]) -> Change:
    ring = [list(corner) for corner in (*corners, corners[0])]
    return change_feature(name, lambda feature: feature["geometry"].update(coordinates=[ring]))


def scale(factor: float, shift: tuple[float, float] = (0.0, 0.0)) -> Change:
    """Write all coordinates in another unit."""

    def rescale(value: Any) -> Any:
        if isinstance(value[0], list):
            return [rescale(part) for part in value]
        return [shift[0] + factor * value[0], shift[1] + factor * value[1]]

    def run(document: dict[str, Any]) -> None:
        for feature in document["features"]:
            feature["geometry"]["coordinates"] = rescale(feature["geometry"]["coordinates"])

    return change_layout(run)


def repeat(name: str) -> Change:
    def run(folder: Path) -> None:
        copies: list[Any] = []
        change_feature(name, copies.append)(folder)
        change_layout(lambda document: document["features"].append(copies[0]))(folder)

    return run


def drop_kind(kind: str) -> Change:
    def run(document: dict[str, Any]) -> None:
        document["features"] = [f for f in document["features"] if f["properties"]["kind"] != kind]

    return change_layout(run)


def rename_a_copy_of_the_gondola(folder: Path) -> None:
    """A small table in the corner that bears the gondola's name."""
    repeat("C")(folder)
    ring = [[5.5, 4.5], [6, 4.5], [6, 5], [5.5, 5], [5.5, 4.5]]

    def run(document: dict[str, Any]) -> None:
        document["features"][-1]["properties"]["fixture_id"] = "G"
        document["features"][-1]["geometry"] = {"type": "Polygon", "coordinates": [ring]}

    change_layout(run)(folder)


def wall_off_end(folder: Path) -> None:
    walls = [[4.55, 3.05, 6, 3.2], [4.55, 1.75, 6, 1.9]]
    for x0, y0, x1, y1 in walls:
        ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
        wall = {
            "type": "Feature",
            "properties": {"kind": "obstacle"},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        change_layout(lambda document, wall=wall: document["features"].append(wall))(folder)


def change_rows(file: str, change: Callable[[list[list[str]]], object]) -> Change:
    """Let `change` work on the rows of a table, header first."""

    def run(folder: Path) -> None:
        with (folder / file).open(newline="") as source:
            rows = list(csv.reader(source))
        change(rows)
        with (folder / file).open("w", newline="") as target:
            csv.writer(target).writerows(rows)

    return run


def set_cell(file: str, key: str, column: str, value: str) -> Change:
    """Change a cell in the first row that starts with `key`."""

    def run(rows: list[list[str]]) -> None:
        row = next(row for row in rows[1:] if row[0] == key)
        row[rows[0].index(column)] = value

    return change_rows(file, run)


def drop_rows(file: str, key: str) -> Change:
    return change_rows(file, lambda rows: rows.__setitem__(slice(None), [r for r in rows if r[0] != key]))


def write(file: str, content: bytes | str) -> Change:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / file).write_bytes(data) and None


def remove(file: str) -> Change:
    return lambda folder: (folder / file).unlink()


def make_a_folder_of(file: str) -> Change:
    def run(folder: Path) -> None:
        (folder / file).unlink()
        (folder / file).mkdir()

    return run


FAULTS: dict[str, tuple[Change, str]] = {
    # issue 2
    "overlapping zones": (
        set_corners("north", (2, 3), (4, 3), (4, 4.2), (2, 4.2)),
        "layout.geojson, zone 'cold': overlaps zone 'north' by 0.30 m2; move one or merge them",
    ),
    "unreachable zone": (
        wall_off_end,
        "layout.geojson, zone 'end': cannot be reached from an entrance; leave a gap",
    ),
    "SKU in no zone": (
        drop_rows(PLANOGRAM, "JAM"),
        "catalogue.csv, SKU 'JAM': stands in no zone; give it a row in planogram.csv",
    ),
    "over capacity": (
        set_cell(PLANOGRAM, "JAM", "facings", "8"),
        "zone 'north' then holds 10 facings of 8; take 2 away",
    ),
    "cold goods in a warm zone": (
        set_cell(PLANOGRAM, "YOGURT", "zone_id", "end"),
        "SKU 'YOGURT' must be kept cold but zone 'end' is warm; a zone with refrigeration is needed (cold)",
    ),
    # files
    "no layout": (remove(LAYOUT), "layout.geojson: not found; a store is a folder with"),
    "no catalogue": (remove(CATALOGUE), "catalogue.csv: not found; a store is a folder with"),
    "no planogram": (remove(PLANOGRAM), "planogram.csv: not found; a store is a folder with"),
    "a folder for a layout": (
        make_a_folder_of(LAYOUT),
        "layout.geojson: cannot be opened as a file (Is a directory); a store",
    ),
    "a folder for a table": (
        make_a_folder_of(PLANOGRAM),
        "planogram.csv: cannot be opened as a file (Is a directory); a store",
    ),
    "empty layout": (write(LAYOUT, ""), "layout.geojson: is not valid JSON"),
    "empty catalogue": (write(CATALOGUE, ""), "catalogue.csv: is empty; needed are the columns sku_id, name"),
    "empty planogram": (
        write(PLANOGRAM, ""),
        "planogram.csv: is empty; needed are the columns sku_id, zone_id",
    ),
    "no rows": (
        change_rows(CATALOGUE, lambda rows: rows.__delitem__(slice(1, None))),
        "catalogue.csv: has no rows",
    ),
    "layout that is not JSON": (write(LAYOUT, "<gml/>"), "layout.geojson: is not valid JSON"),
    "JSON that is not GeoJSON": (write(LAYOUT, '{"rooms": 4}'), "layout.geojson: is not a FeatureCollection"),
    "binary layout": (write(LAYOUT, bytes(range(256))), "layout.geojson: is not valid JSON"),
    "binary table": (
        write(CATALOGUE, bytes(range(256))),
        "catalogue.csv: cannot be read as a comma-separated table",
    ),
    "10 MB of brackets": (write(LAYOUT, "[" * 10_000_000), "layout.geojson: is nested too deeply"),
    "10 MB of text": (write(LAYOUT, "nonsense " * 1_200_000), "layout.geojson: is not valid JSON"),
    "10 MB in one row": (write(CATALOGUE, "nonsense " * 1_200_000), "catalogue.csv: "),
    "many rows": (
        write(PLANOGRAM, "nonsense,more\n" * 75_000),
        "planogram.csv: has no column sku_id, zone_id",
    ),
    # tables
    "missing column": (
        change_rows(CATALOGUE, lambda rows: [row.pop(4) for row in rows]),
        "catalogue.csv: has no column price; needed are",
    ),
    "semicolons": (
        lambda folder: (
            (folder / CATALOGUE).write_text((folder / CATALOGUE).read_text().replace(",", ";")) and None
        ),
        "catalogue.csv: has no column sku_id, name",
    ),
    "text for a price": (
        set_cell(CATALOGUE, "JAM", "price", "cheap"),
        "catalogue.csv, row 5: price is 'cheap'; a number is needed",
    ),
    "currency in a price": (
        set_cell(CATALOGUE, "JAM", "price", "2.50 €"),
        "row 5: price is '2.50 €'; a number is needed",
    ),
    "no price": (
        set_cell(CATALOGUE, "JAM", "price", ""),
        "catalogue.csv, row 5: price is ''; a number is needed",
    ),
    "underscores in a price": (
        set_cell(CATALOGUE, "JAM", "price", "2_5"),
        "row 5: price is '2_5'; a number is needed",
    ),
    "negative price": (
        set_cell(CATALOGUE, "JAM", "price", "-2.5"),
        "row 5: price is -2.5; zero or more is needed",
    ),
    "price not a number": (
        set_cell(CATALOGUE, "JAM", "price", "NaN"),
        "row 5: price is 'NaN'; a finite number is needed",
    ),
    "endless price": (
        set_cell(CATALOGUE, "JAM", "price", "inf"),
        "row 5: price is 'inf'; a finite number is needed",
    ),
    "endless text for a price": (
        set_cell(CATALOGUE, "JAM", "price", "x" * 100_000),
        "row 5: price is 'xxxxxxx",
    ),
    "huge facings": (
        set_cell(PLANOGRAM, "JAM", "facings", "1e30"),
        "facings is '1e30'; a number up to 1000000000 is needed",
    ),
    "SKU twice": (
        change_rows(CATALOGUE, lambda rows: rows.append(rows[4])),
        "catalogue.csv, row 8: sku_id 'JAM' is already in catalogue.csv, row 5; SKUs must be unique",
    ),
    "unknown SKU": (
        change_rows(PLANOGRAM, lambda rows: rows.append(["CAKES", "south", "1", "eye"])),
        "SKU 'CAKES' is not in catalogue.csv; did you mean 'CAKE'?",
    ),
    "unknown zone": (
        set_cell(PLANOGRAM, "JAM", "zone_id", "nroth"),
        "zone 'nroth' is not in layout.geojson; did you mean 'north'?",
    ),
    "unknown shelf level": (
        set_cell(PLANOGRAM, "JAM", "shelf_level", "knee"),
        "shelf_level is 'knee'; one of floor, low, eye, top",
    ),
    "line break in a name": (
        set_cell(CATALOGUE, "JAM", "name", "jam\nand more"),
        r"catalogue.csv, row 5: name is 'jam\nand more'; a name on one line, without",
    ),
    # geometry
    "text for x": (
        set_corners("end", ("left", 2), (5.5, 2), (5.5, 3), (4.5, 3)),  # type: ignore[arg-type]
        "layout.geojson, zone 'end': coordinates cannot be read; those of a Polygon, finite and in metres",
    ),
    "not a number for x": (
        set_corners("end", (float("nan"), 2), (5.5, 2), (5.5, 3), (4.5, 3)),
        "layout.geojson, zone 'end': coordinates cannot be read; those of a Polygon, finite and in",
    ),
    "endless y": (
        set_corners("end", (4.5, 2), (5.5, float("inf")), (5.5, 3), (4.5, 3)),
        "layout.geojson, zone 'end': coordinates are empty or not finite",
    ),
    "x beyond all measure": (
        set_corners("end", (4.5, 2), (1e300, 2), (1e300, 3), (4.5, 3)),
        "layout.geojson, zone 'end': lies 1e+300 m from the origin",
    ),
    "self-intersecting polygon": (
        set_corners("south", (2, 1), (4, 2), (4, 1), (2, 2)),
        "layout.geojson, zone 'south': polygon is invalid (Self-intersection",
    ),
    "a line for a polygon": (set_corners("south", (2, 1), (4, 2)), "layout.geojson, zone 'south': "),
    "no geometry": (
        change_feature("south", lambda feature: feature.update(geometry=None)),
        "layout.geojson, zone 'south': geometry is missing; a Polygon in metres is needed",
    ),
    "degrees": (
        scale(9e-6, (13.4, 52.5)),
        "layout.geojson, floor: measures 5.4e-05 x 4.5e-05 m; planar coordinates in metres are needed",
    ),
    "millimetres": (
        scale(1000),
        "layout.geojson, floor: measures 6000 x 5000 m; planar coordinates in metres",
    ),
    "two floors": (
        repeat("floor"),
        "layout.geojson: has 2 floors; exactly one feature of kind 'floor' is needed",
    ),
    "no floor": (drop_kind("floor"), "layout.geojson: has 0 floors; exactly one feature"),
    "no entrance": (
        drop_kind("entrance"),
        "layout.geojson has no entrance; at least one feature of kind 'entrance'",
    ),
    "no exit": (drop_kind("exit"), "layout.geojson has no exit; at least one feature of kind 'exit'"),
    "no till": (drop_kind("checkout"), "layout.geojson has no checkout; at least one"),
    "unknown kind": (
        set_property("C1", "kind", "till"),
        "kind is 'till'; one of floor, obstacle, fixture, zone",
    ),
    "unknown zone_type": (
        set_property("end", "zone_type", "corner"),
        "zone 'end': zone_type is 'corner'; one of aisle, endcap",
    ),
    "text for a capacity": (
        set_property("end", "capacity_facings", "many"),
        "zone 'end': capacity_facings is 'many'; a number",
    ),
    "no capacity": (
        set_property("end", "capacity_facings", None),
        "zone 'end': capacity_facings is missing; a number",
    ),
    "unknown fixture": (
        set_property("end", "fixture_id", "EE"),
        "zone 'end': fixture_id 'EE' is no fixture of this layout",
    ),
    "fixture twice": (
        rename_a_copy_of_the_gondola,
        "layout.geojson, fixture 'G': occurs 2 times; identifiers must be unique",
    ),
    "line break in an identifier": (
        set_property("E", "fixture_id", "E\nE"),
        r"fixture_id is 'E\nE'; a name on one line, without",
    ),
    "a list for an identifier": (
        set_property("C1", "checkout_id", [1, 2]),
        "checkout_id is [1, 2]; a name is needed",
    ),
    "closes before it opens": (
        change_layout(lambda document: document["store"].update(open="20:00", close="08:00")),
        "layout.geojson, store: closes at 08:00, opens at 20:00",
    ),
    "line break in the store's name": (
        change_layout(lambda document: document["store"].update(name="my\nstore")),
        r"layout.geojson, store: name is 'my\nstore'; a name on one line, without",
    ),
}


@pytest.fixture
def command(tmp_path: Path) -> list[object]:
    """Everything but the store; the model is not there, which is told only if the store is right."""
    return ["simulate", "--model", tmp_path / "no-model", "--out", tmp_path / "new" / "run", "--store"]


def test_a_store_without_fault_passes(refuses: Refuses, command: list[object], tiny_folder: Path) -> None:
    assert "no-model: no such folder" in refuses(*command, tiny_folder)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line(refuses: Refuses, command: list[object], tiny_folder: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    change(tiny_folder)
    assert message in refuses(*command, tiny_folder)


def test_several_faults_are_told_at_once_one_a_line(
    refuses: Refuses, command: list[object], tiny_folder: Path
) -> None:
    for fault in ("no exit", "negative price", "unknown shelf level"):
        FAULTS[fault][0](tiny_folder)
    refuses(*command, tiny_folder, n_lines=3)


def test_fifty_faults_are_counted_past_the_first_twenty(
    refuses: Refuses, command: list[object], tiny_folder: Path
) -> None:
    change_rows(PLANOGRAM, lambda rows: rows.extend([["TEA", "north", "1", "eye"] for _ in range(50)]))(
        tiny_folder
    )
    assert "more faults" in refuses(*command, tiny_folder, n_lines=21)


@pytest.mark.parametrize(
    "wrong", ["a file", "an empty folder", "nothing", "a model", "a shortcut to nothing"]
)
def test_what_is_no_store_is_told(
    refuses: Refuses, command: list[object], tmp_path: Path, wrong: str
) -> None:
    place = tmp_path / "place"
    if wrong == "a file":
        place.write_text("{}")
    elif wrong == "a shortcut to nothing":
        os.symlink(tmp_path / "gone", place)
    elif wrong != "nothing":
        place.mkdir()
        if wrong == "a model":
            (place / "config.json").write_text("{}")
    message = refuses(*command, place)
    assert str(place) in message
    assert "store" in message


@pytest.mark.parametrize("option", ["--control", "--variant"])
def test_either_store_of_a_comparison_is_checked(
    refuses: Refuses, tmp_path: Path, tiny_folder: Path, option: str
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    for file in tiny_folder.iterdir():
        (bad / file.name).write_bytes(file.read_bytes())
    write(CATALOGUE, (bad / CATALOGUE).read_text().splitlines()[0] + "\n")(bad)
    stores = {"--control": tiny_folder, "--variant": tiny_folder} | {option: bad}
    given = [part for pair in stores.items() for part in pair]
    message = refuses("ab", *given, "--model", tmp_path / "no-model", "--out", tmp_path / "run")
    assert "catalogue.csv: has no rows; at least one SKU is needed" in message
