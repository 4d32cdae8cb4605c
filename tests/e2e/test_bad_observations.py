"""Observations with a fault in them, through `storesim train`: file, column, row and what would be right."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

Refuses = Callable[..., str]
Change = Callable[[Path], object]
TRACKING = "session_id,t,x,y\ns1,2026-01-05T09:00:00Z,0.5,0.5\ns1,2026-01-05T09:00:01Z,1.0,0.5\n"
POS = (
    "basket_id,session_id,sku_id,qty,unit_price,margin,checkout_ts\n"
    "b1,s1,MILK,2,1.2,0.2,2026-01-05T09:05:00Z\nb2,,JAM,1,2.5,0.8,2026-01-05T09:06:00Z\n"
)
SESSIONS = "session_id,mission\ns1,quick\n"


def replace(file: str, old: str, new: str) -> Change:
    """Change the text of a file."""

    def run(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))

    return run


def write(file: str, content: bytes) -> Change:
    """Put this content in place of the table."""

    def run(folder: Path) -> None:
        (folder / file).with_suffix(".csv").unlink(missing_ok=True)
        (folder / file).write_bytes(content)

    return run


def convert(file: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    """Put a changed Parquet file in place of the table."""

    def run(folder: Path) -> None:
        change(pd.read_csv(folder / f"{file}.csv")).to_parquet(folder / f"{file}.parquet")
        (folder / f"{file}.csv").unlink()

    return run


def add_many_rows_then_text(folder: Path) -> None:
    """Longer than the pieces in which pandas reads a table and guesses types."""
    rows = "s1,2026-01-05T09:00:02Z,1.0,0.5\n" * 300_000
    (folder / "tracking.csv").write_text(TRACKING + rows + "s1,2026-01-05T09:00:03Z,left,0.5\n")


FAULTS: dict[str, tuple[Change, str]] = {
    "text for x": (
        replace("tracking.csv", "1.0,0.5", "left,0.5"),
        "tracking.csv, column x: row 3 has 'left'; it should be metres",
    ),
    "text for x far down": (
        add_many_rows_then_text,
        "tracking.csv, column x: row 300004 has 'left'; it should be",
    ),
    "text for x in Parquet": (
        convert("tracking", lambda table: table.assign(x=["0.5", "left"])),
        "tracking.parquet, column x: row 3 has 'left'; it should be metres",
    ),
    "endless x": (
        replace("tracking.csv", "1.0,0.5", "inf,0.5"),
        "tracking.csv, column x: row 3 has inf; it should be metres",
    ),
    "a time that is none": (
        replace("tracking.csv", "2026-01-05T09:00:01Z", "noon"),
        "tracking.csv, column t: row 3 has 'noon'; it should be a UTC time like 2026-01-05T08:00:00Z",
    ),
    "a number for a time": (
        convert("tracking", lambda table: table.assign(t=[0, 1])),
        "tracking.parquet, column t: row 2 has 0, row 3 has 1; it should be a UTC time",
    ),
    "no time": (
        replace("tracking.csv", "2026-01-05T09:00:01Z", ""),
        "tracking.csv, column t: row 3 has nothing",
    ),
    "a date that does not exist": (
        replace("tracking.csv", "2026-01-05T09:00:01Z", "2026-02-30T09:00:01Z"),
        "tracking.csv, column t: row 3 has '2026-02-30T09:00:01Z'",
    ),
    "no session": (
        replace("tracking.csv", "s1,2026-01-05T09:00:01Z", ",2026-01-05T09:00:01Z"),
        "tracking.csv, column session_id: row 3 has nothing; it should be a session id",
    ),
    "wrong columns": (
        replace("tracking.csv", "session_id,t,x,y", "id,time,lon,lat"),
        "tracking.csv: column session_id, t, x, y is missing",
    ),
    "too many fields": (replace("tracking.csv", "1.0,0.5", "1.0,0.5,7,8"), "tracking.csv: cannot be read"),
    "degrees": (
        lambda folder: (folder / "tracking.csv").write_text(
            "session_id,t,x,y\n"
            + "".join(f"s1,2026-01-05T09:00:{i:02d}Z,13.4050{i:02d},52.5200{i:02d}\n" for i in range(60))
        ),
        "tracking.csv: x runs from 13.405 to 13.4051 and y from 52.52 to 52.5201, the floor of the",
    ),
    "only a header": (
        write("tracking.csv", b"session_id,t,x,y\n"),
        "tracking.csv: holds no fix; it needs at least one row",
    ),
    "empty file": (write("tracking.csv", b""), "tracking.csv: is empty; it needs session_id, t, x, y"),
    "empty Parquet": (write("tracking.parquet", b""), "tracking.parquet: cannot be read"),
    "binary junk": (write("tracking.parquet", bytes(range(256)) * 40), "tracking.parquet: cannot be read"),
    "binary junk as CSV": (write("pos.csv", bytes(range(256)) * 40), "pos.csv: cannot be read"),
    "10 MB of nonsense": (
        write("pos.csv", b"nonsense " * 1_200_000),
        "pos.csv: column basket_id, session_id",
    ),
    "no tracks": (
        lambda folder: (folder / "tracking.csv").unlink(),
        "tracking.parquet or tracking.csv is missing",
    ),
    "no receipts": (lambda folder: (folder / "pos.csv").unlink(), "pos.parquet or pos.csv is missing"),
    "unknown SKUs": (
        replace("pos.csv", "JAM", "TEA"),
        "pos.csv, column sku_id: row 3 has 'TEA'; it should be a SKU of catalogue.csv",
    ),
    "line break in a SKU": (
        replace("pos.csv", "JAM", '"J\nAM"'),
        r"pos.csv, column sku_id: row 3 has 'J\nAM'",
    ),
    "a page for a SKU": (replace("pos.csv", "JAM", "J" * 10_000), "pos.csv, column sku_id: row 3 has 'JJJ"),
    "half a unit": (
        replace("pos.csv", "MILK,2", "MILK,0.5"),
        "pos.csv, column qty: row 2 has 0.5; it should be a whole number",
    ),
    "no unit": (
        replace("pos.csv", "MILK,2", "MILK,0"),
        "pos.csv, column qty: row 2 has 0; it should be a whole number of 1 to 10000",
    ),
    "more units than there are": (
        replace("pos.csv", "MILK,2", "MILK,1e30"),
        "pos.csv, column qty: row 2 has 1e+30; it should be",
    ),
    "text for a price": (
        replace("pos.csv", "2.5", "cheap"),
        "pos.csv, column unit_price: row 3 has 'cheap'; it should be an amount",
    ),
    "negative price": (
        replace("pos.csv", "2.5", "-2.5"),
        "pos.csv, column unit_price: row 3 has -2.5; it should be an amount of money, zero or more",
    ),
    "a receipt without a time": (
        replace("pos.csv", "2026-01-05T09:06:00Z", "later"),
        "pos.csv, column checkout_ts: row 3 has 'later'; it should be a UTC time",
    ),
    "a session described twice": (
        replace("sessions.csv", "s1,quick", "s1,quick\ns1,major"),
        "sessions.csv, column session_id: row 3 has 's1'; it should be one row per session",
    ),
    "sessions without an id": (
        replace("sessions.csv", "session_id", "id"),
        "sessions.csv: column session_id is missing",
    ),
    "too few to learn from": (lambda _: None, "observations: 1 journeys with a receipt"),
    "a track beside the store": (
        replace("tracking.csv", ",0.5\n", ",-15\n"),
        "tracking.csv: x runs from 0.5 to 1 and y from -15 to -15, the floor",
    ),
    "no receipt with a track": (
        replace("pos.csv", "b1,s1", "b1,s2"),
        "observations: 0 journeys with a receipt",
    ),
}


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """One visit of the tiny store, observed: no fault in it but that it is the only one."""
    folder = tmp_path / "days"
    folder.mkdir()
    for name, text in (("tracking", TRACKING), ("pos", POS), ("sessions", SESSIONS)):
        (folder / f"{name}.csv").write_text(text)
    return folder


@pytest.fixture
def command(tmp_path: Path, tiny_folder: Path) -> list[object]:
    """Everything but the observations."""
    return ["train", "--store", tiny_folder, "--out", tmp_path / "new" / "model", "--observations"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line(refuses: Refuses, command: list[object], days: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    change(days)
    assert message in refuses(*command, days)


def test_several_faults_are_told_at_once(refuses: Refuses, command: list[object], days: Path) -> None:
    for fault in ("text for x", "unknown SKUs", "a session described twice"):
        FAULTS[fault][0](days)
    message = refuses(*command, days, n_lines=1)
    assert all(file in message for file in ("tracking.csv", "pos.csv", "sessions.csv"))


@pytest.mark.parametrize("wrong", ["a file", "nothing", "an empty folder"])
def test_what_holds_no_observations_is_told(
    refuses: Refuses, command: list[object], tmp_path: Path, wrong: str
) -> None:
    place = tmp_path / "place"
    if wrong == "a file":
        place.write_text(TRACKING)
    elif wrong == "an empty folder":
        place.mkdir()
    message = refuses(*command, place)
    assert ("is missing" if wrong == "an empty folder" else "is not a folder") in message


def test_an_unknown_preset_is_told_before_anything_is_read(
    refuses: Refuses, command: list[object], tmp_path: Path
) -> None:
    message = refuses(*command, tmp_path / "nowhere", "--preset", "huge")
    assert "preset 'huge': unknown to policy 'layout'; known are tiny, small, base" in message


def test_order_and_repetition_do_not_matter(corner_shop: Path, tmp_path: Path) -> None:
    """Rows shuffled over all sessions and every tenth fix twice: the same journeys."""
    from analysis import build_journeys, load_observations
    from layouts import load_store

    store = load_store(corner_shop / "store")
    days = tmp_path / "days"
    days.mkdir()
    tables = {
        name: pd.read_parquet(corner_shop / "days" / f"{name}.parquet")
        for name in ("tracking", "pos", "sessions")
    }
    fixes = tables["tracking"]
    shuffled = pd.concat([fixes, fixes[::10]]).sample(frac=1.0, random_state=0)
    shuffled.to_parquet(days / "tracking.parquet")
    tables["pos"].to_csv(days / "pos.csv", index=False)
    tables["sessions"][::-1].to_csv(days / "sessions.csv", index=False)
    journeys = [
        build_journeys(load_observations(folder, store), store) for folder in (corner_shop / "days", days)
    ]
    for name in ("visits", "picks"):
        one, other = (
            table.astype({"session_id": str})
            .sort_values(["session_id", "visit", *extra])
            .reset_index(drop=True)
            for table in (getattr(found, name) for found in journeys)
            for extra in [["sku_id"] if name == "picks" else []]
        )
        pd.testing.assert_frame_equal(one, other)
