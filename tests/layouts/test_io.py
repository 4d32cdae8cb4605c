import json
from pathlib import Path

import pandas as pd
import pytest

from layouts import (
    BUNDLED_STORES,
    CatalogueError,
    LayoutError,
    PlanogramError,
    Store,
    StoresimError,
    bundled_store,
    load_store,
    save_store,
)


@pytest.mark.parametrize("name", BUNDLED_STORES)
def test_saved_store_is_the_same_store(name: str, tmp_path: Path) -> None:
    store = bundled_store(name)
    save_store(store, tmp_path / "copy")
    assert load_store(tmp_path / "copy") == store
    assert {path.name for path in tmp_path.iterdir()} == {"copy"}  # nothing left aside
    save_store(store, tmp_path / "copy")  # replacing is fine


def test_same_store_same_bytes(tiny_store: Store, tiny_folder: Path, tmp_path: Path) -> None:
    save_store(load_store(tiny_folder), tmp_path / "again")
    for path in tiny_folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_columns_in_any_order_with_extras_and_a_byte_order_mark(tiny_store: Store, tiny_folder: Path) -> None:
    for name in ("catalogue.csv", "planogram.csv"):
        table = pd.read_csv(tiny_folder / name, dtype=str)[::-1]
        table.insert(0, "supplier", "x")
        table[table.columns[::-1]].to_csv(tiny_folder / name, index=False, encoding="utf-8-sig")
    assert load_store(tiny_folder) == tiny_store


def edit_csv(folder: Path, name: str, row: int, column: str, value: str) -> None:
    table = pd.read_csv(folder / name, dtype=str)
    table.loc[row, column] = value
    table.to_csv(folder / name, index=False)


@pytest.mark.parametrize(
    ("name", "column", "value", "message"),
    [
        ("catalogue.csv", "price", "cheap", "catalogue.csv, row 3: price is 'cheap'; a number is needed"),
        ("catalogue.csv", "price", "-1", "catalogue.csv, row 3: price is -1; zero or more is needed"),
        (
            "catalogue.csv",
            "velocity",
            "nan",
            "catalogue.csv, row 3: velocity is 'nan'; a finite number is needed",
        ),
        ("catalogue.csv", "margin", "9", "catalogue.csv, row 3: margin 9 is above the price 3"),
        (
            "catalogue.csv",
            "requires_refrigeration",
            "maybe",
            "row 3: requires_refrigeration is 'maybe'; true or false",
        ),
        ("catalogue.csv", "sku_id", "BREAD", "row 3: sku_id 'BREAD' is already in catalogue.csv, row 2"),
        ("planogram.csv", "facings", "2.5", "planogram.csv, row 3: facings is 2.5; a whole number is needed"),
        (
            "planogram.csv",
            "facings",
            "80",
            "planogram.csv, row 3: zone 'south' then holds 83 facings of 8; take 75 away",
        ),
        (
            "planogram.csv",
            "shelf_level",
            "middle",
            "row 3: shelf_level is 'middle'; one of floor, low, eye, top",
        ),
        (
            "planogram.csv",
            "zone_id",
            "nroth",
            "row 3: zone 'nroth' is not in layout.geojson; did you mean 'north'?",
        ),
        (
            "planogram.csv",
            "sku_id",
            "CAKES",
            "row 3: SKU 'CAKES' is not in catalogue.csv; did you mean 'CAKE'?",
        ),
    ],
)
def test_a_bad_cell_is_named(tiny_folder: Path, name: str, column: str, value: str, message: str) -> None:
    edit_csv(tiny_folder, name, 1, column, value)
    with pytest.raises(StoresimError) as caught:
        load_store(tiny_folder)
    assert message in str(caught.value)


def test_cold_goods_in_a_warm_zone(tiny_folder: Path) -> None:
    table = pd.read_csv(tiny_folder / "planogram.csv", dtype=str)
    row = table.index[table.sku_id == "MILK"][0]
    edit_csv(tiny_folder, "planogram.csv", row, "zone_id", "end")
    with pytest.raises(
        PlanogramError, match=rf"row {row + 2}: SKU 'MILK' must be kept cold but zone 'end' is warm.*cold"
    ):
        load_store(tiny_folder)


def test_sku_in_no_zone(tiny_folder: Path) -> None:
    table = pd.read_csv(tiny_folder / "planogram.csv", dtype=str)
    table[table.sku_id != "JAM"].to_csv(tiny_folder / "planogram.csv", index=False)
    with pytest.raises(PlanogramError, match=r"catalogue.csv, SKU 'JAM': stands in no zone"):
        load_store(tiny_folder)


def test_all_faults_of_all_files_come_at_once(tiny_folder: Path) -> None:
    edit_csv(tiny_folder, "catalogue.csv", 0, "price", "x")
    edit_csv(tiny_folder, "planogram.csv", 2, "facings", "y")
    document = json.loads((tiny_folder / "layout.geojson").read_text())
    document["features"] = [f for f in document["features"] if f["properties"]["kind"] != "exit"]
    (tiny_folder / "layout.geojson").write_text(json.dumps(document))
    with pytest.raises(LayoutError) as caught:
        load_store(tiny_folder)
    lines = str(caught.value).splitlines()
    assert [line.split(",")[0].split(" ")[0] for line in lines] == [
        "layout.geojson",
        "catalogue.csv",
        "planogram.csv",
    ]


@pytest.mark.parametrize("name", ["layout.geojson", "catalogue.csv", "planogram.csv"])
def test_a_missing_file_is_named(tiny_folder: Path, name: str) -> None:
    (tiny_folder / name).unlink()
    with pytest.raises(StoresimError, match=f"{name}: not found; a store is a folder with"):
        load_store(tiny_folder)
    with pytest.raises(LayoutError, match="is not a folder"):
        load_store(tiny_folder / "nowhere")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"type": "FeatureCollection"}', '{"features": [7, null, {}]}']
)
def test_a_broken_layout_is_an_error_of_ours(tiny_folder: Path, text: str) -> None:
    (tiny_folder / "layout.geojson").write_text(text)
    with pytest.raises(LayoutError, match=r"layout\.geojson"):
        load_store(tiny_folder)


def test_empty_and_ragged_tables_are_errors_of_ours(tiny_folder: Path) -> None:
    header = "sku_id,zone_id,facings,shelf_level\n"
    for text in ("", "sku_id\n", header + "1,2,3,4,5,6\n", header + "1,2\n", header + '"', header):
        (tiny_folder / "planogram.csv").write_text(text)
        with pytest.raises(PlanogramError, match=r"planogram\.csv"):
            load_store(tiny_folder)


def test_a_comma_in_a_name_is_explained(tiny_folder: Path) -> None:
    path = tiny_folder / "catalogue.csv"
    path.write_text(path.read_text().replace("CAKE,cake", "CAKE,cake, sweet"))
    with pytest.raises(
        CatalogueError, match=r"catalogue.csv, row \d: has 10 fields, not 9; put texts with commas"
    ):
        load_store(tiny_folder)
    path.write_text(path.read_text().replace("cake, sweet", '"cake, sweet"') + "\n\n")
    store = load_store(tiny_folder)
    assert store.skus[store.sku_index["CAKE"]].name == "cake, sweet"
