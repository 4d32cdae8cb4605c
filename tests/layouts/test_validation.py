import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layouts import LayoutError, Store, load_store, validate_store

Features = dict[str, dict[str, Any]]  # by identifier or kind


def rewrite(folder: Path, change: Callable[[Features, list[Any]], None]) -> None:
    path = folder / "layout.geojson"
    document = json.loads(path.read_text())
    named = {}
    for feature in document["features"]:
        properties = feature["properties"]
        ids = [properties.get(key) for key in ("zone_id", "door_id", "checkout_id")] + [properties["kind"]]
        key = properties["fixture_id"] if properties["kind"] == "fixture" else next(filter(None, ids))
        named[key] = feature
    change(named, document["features"])
    path.write_text(json.dumps(document))


def rectangle(x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]]}


def set_shape(name: str, geometry: dict[str, Any]) -> Callable[[Features, list[Any]], None]:
    return lambda named, _: named[name].update(geometry=geometry)


def set_property(name: str, key: str, value: object) -> Callable[[Features, list[Any]], None]:
    return lambda named, _: named[name]["properties"].update({key: value})


def drop(name: str) -> Callable[[Features, list[Any]], None]:
    return lambda named, features: features.remove(named[name])


def repeat(name: str) -> Callable[[Features, list[Any]], None]:
    return lambda named, features: features.append(named[name])


def wall_off(_: Features, features: list[Any]) -> None:
    wall = {"type": "Feature", "properties": {"kind": "obstacle"}, "geometry": rectangle(4.55, 3.05, 6, 3.2)}
    other = {"type": "Feature", "properties": {"kind": "obstacle"}, "geometry": rectangle(4.55, 1.75, 6, 1.9)}
    features += [wall, other]


BOW_TIE = {"type": "Polygon", "coordinates": [[[2, 1], [4, 2], [4, 1], [2, 2], [2, 1]]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            set_shape("north", rectangle(2, 3, 4, 4.2)),
            r"zone 'cold': overlaps zone 'north' by 0.30 m2; move one or merge",
        ),
        (
            set_shape("south", BOW_TIE),
            r"zone 'south': polygon is invalid \(Self-intersection.*ring that does not cross",
        ),
        (set_shape("south", rectangle(2, 1, 4, 2.5)), r"zone 'south': lies under fixture 'G' by 1.00 m2"),
        (set_shape("end", rectangle(4.5, 2, 6.5, 3)), r"zone 'end': lies off the floor by 0.50 m2"),
        (set_shape("C", rectangle(0, 4.5, 4, 5.5)), r"fixture 'C': lies off the floor by 2.00 m2"),
        (set_shape("E", rectangle(3.5, 2, 4.5, 3)), r"fixture 'E': overlaps fixture 'G' by 0.50 m2"),
        (wall_off, r"zone 'end': cannot be reached from an entrance; leave a gap"),
        (
            set_shape("C1", {"type": "Point", "coordinates": [9, 9]}),
            r"checkout 'C1': is .* m from the nearest cell",
        ),
        (
            set_shape("D2", rectangle(0, 0, 1, 1)),
            r"exit 'D2': geometry is 'Polygon'; a Point in metres is needed",
        ),
        (
            set_property("end", "fixture_id", "EE"),
            r"zone 'end': fixture_id 'EE' is no fixture .* did you mean 'E'\?",
        ),
        (
            set_property("end", "zone_type", "end cap"),
            r"zone 'end': zone_type is 'end cap'; one of aisle, endcap, perim",
        ),
        (
            set_property("end", "capacity_facings", "many"),
            r"zone 'end': capacity_facings is 'many'; a number is needed",
        ),
        (
            set_property("end", "kind", "area"),
            r"feature \d+: kind is 'area'; one of floor, obstacle, fixture, zone",
        ),
        (
            set_property("E", "fixture_type", "rack"),
            r"fixture 'E': fixture_type is 'rack'; one of gondola, endcap",
        ),
        (drop("D1"), r"layout.geojson has no entrance; at least one feature of kind 'entrance' is needed"),
        (drop("D2"), r"layout.geojson has no exit"),
        (drop("C1"), r"layout.geojson has no checkout"),
        (drop("floor"), r"layout.geojson: has 0 floors; exactly one"),
        (repeat("floor"), r"layout.geojson: has 2 floors; exactly one"),
        (repeat("D2"), r"exit 'D2': occurs 2 times; identifiers must be unique"),
        (repeat("end"), r"zone 'end': occurs 2 times"),
    ],
)
def test_a_fault_of_the_layout_is_named(tiny_folder: Path, change: Any, message: str) -> None:
    rewrite(tiny_folder, change)
    with pytest.raises(LayoutError, match=message):
        load_store(tiny_folder)


def test_zones_that_touch_and_slivers_of_rounding_are_fine(tiny_folder: Path) -> None:
    rewrite(tiny_folder, set_shape("north", rectangle(2, 3, 4, 4.0003)))
    assert load_store(tiny_folder).n_zones == 5


def test_a_store_in_memory_is_checked_alike(tiny_store: Store) -> None:
    validate_store(tiny_store)
    with pytest.raises(LayoutError, match="has no exit"):
        validate_store(replace(tiny_store, exits=()))


def test_opening_hours_are_times(tiny_folder: Path) -> None:
    path = tiny_folder / "layout.geojson"
    path.write_text(path.read_text().replace('"08:00"', '"8 am"'))
    with pytest.raises(
        LayoutError, match=r"layout.geojson, store: open is '8 am'; a time like '08:00' is needed"
    ):
        load_store(tiny_folder)
