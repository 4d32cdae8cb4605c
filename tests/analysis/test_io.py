"""Observed data in, tables out."""

import numpy as np
import pandas as pd
import pytest

from analysis import load_observations, save_observations, write_table
from layouts import ObservationError

TRACKING = "session_id,t,x,y\n7,2026-01-05T09:00:00Z,1.0,1.0\n7,2026-01-05T09:00:01Z,1.5,1.0\n"
POS = (
    "basket_id,session_id,sku_id,qty,unit_price,margin,checkout_ts\n"
    "b1,7,MILK,2,1.2,0.2,2026-01-05T09:05:00Z\n"
    "b2,,JAM,1,2.5,0.8,2026-01-05T09:06:00Z\n"
    "b3,gone,JAM,1,2.5,0.8,2026-01-05T09:07:00Z\n"
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tracking.csv").write_text(TRACKING)
    (tmp_path / "pos.csv").write_text(POS)
    return tmp_path


def test_csv_is_read_with_ids_as_text_and_receipts_without_a_track_unlinked(folder, tiny_store):
    observations = load_observations(folder, tiny_store)
    assert observations.tracks["session_id"].tolist() == ["7", "7"]
    assert observations.receipts["session_id"].tolist() == ["7", "", ""]
    assert observations.sessions["session_id"].tolist() == ["7"]


def test_attributes_default_to_unknown(folder, tiny_store):
    (folder / "sessions.csv").write_text("session_id,mission\nother,quick\n")
    assert load_observations(folder, tiny_store).sessions["mission"].tolist() == ["unknown"]


def test_fixes_are_sorted_by_time_within_the_session(folder, tiny_store):
    rows = TRACKING.splitlines()
    (folder / "tracking.csv").write_text("\n".join([rows[0], rows[2], rows[1]]) + "\n")
    assert load_observations(folder, tiny_store).tracks["x"].tolist() == [1.0, 1.5]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("tracking.csv", "1.5,1.0", "left,1.0", r"tracking.csv, column x: row 3 has 'left'.*metres"),
        ("tracking.csv", "2026-01-05T09:00:01Z", "soon", "tracking.csv, column t: row 3 has 'soon'"),
        ("tracking.csv", "session_id,t,x,y", "session_id,t,x,z", "tracking.csv: column y is missing"),
        ("pos.csv", "b2,,JAM", "b2,,TEA", "pos.csv, column sku_id: row 3 has 'TEA'.*catalogue.csv"),
        ("pos.csv", "MILK,2", "MILK,0", "pos.csv, column qty: row 2 has 0"),
        ("pos.csv", "1.2,0.2", "1.2,low", "pos.csv, column margin: row 2 has 'low'"),
    ],
)
def test_a_fault_names_file_row_and_what_would_be_right(folder, tiny_store, file, old, new, message):
    (folder / file).write_text((folder / file).read_text().replace(old, new))
    with pytest.raises(ObservationError, match=message) as caught:
        load_observations(folder, tiny_store)
    assert "\n" not in str(caught.value)


def test_all_faults_are_told_at_once(folder, tiny_store):
    (folder / "tracking.csv").unlink()
    (folder / "pos.csv").write_text(POS.replace("MILK", "TEA"))
    with pytest.raises(ObservationError, match=r"tracking.csv is missing.*'TEA'"):
        load_observations(folder, tiny_store)


def test_saved_observations_are_read_back_the_same(folder, tiny_store, tmp_path):
    observations = load_observations(folder, tiny_store)
    save_observations(observations, tmp_path / "copy")
    again = load_observations(tmp_path / "copy", tiny_store)
    for name in ("tracks", "receipts", "sessions"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(observations, name))


def test_a_table_gives_the_same_bytes_and_leaves_nothing_aside(tmp_path):
    table = pd.DataFrame({"a": np.arange(5), "b": list("vwxyz")})
    for name in ("one", "two"):
        write_table(table, tmp_path / f"{name}.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.parquet", "two.parquet"]


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path):
    write_table(pd.DataFrame({"a": [1]}), tmp_path / "t.parquet")
    with pytest.raises(Exception, match=r"mixed|Conversion|convert"):
        write_table(pd.DataFrame({"a": [1, "x", object()]}), tmp_path / "t.parquet")
    assert pd.read_parquet(tmp_path / "t.parquet")["a"].tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
