"""Observed data in and tables out: one folder of `tracking`, `pos` and (optionally) `sessions`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis import schema as c
from analysis.arrays import FloatArray
from layouts import ObservationError, Store

_TEXT_COLUMNS = {c.SESSION_ID: str, c.BASKET_ID: str, c.SKU_ID: str}
_MAX_EXAMPLES = 3
_MAX_QTY, _MAX_MONEY = 10_000, 1e9  # more is a slip
_NEAR_M = 5.0  # a track that never comes so near the floor is in another frame
_ONE_PLACE_M = 0.01  # nobody stands so still; degrees of longitude and latitude do


@dataclass(frozen=True)
class Observations:
    """What a retailer hands over about one store.

    Attributes
    ----------
    tracks
        Raw fixes `session_id, t, x, y` (UTC, metres), sorted by session and time; positions may be missing
        or wrong.
    receipts
        One row per receipt and SKU, the columns of `pos`; `session_id` is "" where the receipt has no track.
    sessions
        One row per tracked session, in order of first appearance: `session_id` and any customer attributes.
    """

    tracks: pd.DataFrame
    receipts: pd.DataFrame
    sessions: pd.DataFrame


def load_observations(folder: Path | str, store: Store) -> Observations:
    """Read and check one folder of observations, CSV or Parquet.

    Parameters
    ----------
    folder
        Holds `tracking`, `pos` and perhaps `sessions`, each as `.parquet` or `.csv`.
    store
        Gives the SKUs that receipts may name.

    Returns
    -------
    observations
        The three tables. A receipt that names a session without a track counts as unlinked (`session_id` "").
        Attributes that are not recorded read "unknown".

    Raises
    ------
    ObservationError
        With every fault found, each naming file and row.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ObservationError(
            f"{folder}: is not a folder; one with tracking and pos (CSV or Parquet) is needed"
        )
    faults: list[str] = []
    tracks = _read(folder, "tracking", c.TRACK_COLUMNS, faults)
    receipts = _read(folder, "pos", c.RECEIPT_COLUMNS, faults)
    sessions = _read(folder, "sessions", (c.SESSION_ID,), faults, is_optional=True)
    if tracks is not None:
        tracks = _check_tracks(tracks, store, faults)
    if receipts is not None:
        receipts = _check_receipts(receipts, store, faults)
    if sessions is not None:
        _check_session_keys(sessions, faults)
    if faults or tracks is None or receipts is None:
        raise ObservationError(f"{folder}: " + "; ".join(faults))
    return _link(tracks, receipts, sessions)


def save_observations(observations: Observations, folder: Path | str) -> None:
    """Write `tracking.parquet`, `pos.parquet` and `sessions.parquet` into `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(observations.tracks, folder / "tracking.parquet")
    write_table(observations.receipts, folder / "pos.parquet")
    write_table(observations.sessions, folder / "sessions.parquet")


def write_table(table: pd.DataFrame, path: Path | str) -> None:
    """Write one table as Parquet: aside first, then renamed, so that no half-written file is ever seen.

    The same table gives the same bytes with the same package versions; the row index is not written.
    """
    path = Path(path)
    aside = path.with_name(path.name + ".part")
    try:
        arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
        pq.write_table(arrow, aside, compression="zstd")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _read(
    folder: Path, name: str, columns: tuple[str, ...], faults: list[str], *, is_optional: bool = False
) -> pd.DataFrame | None:
    paths = [path for suffix in ("parquet", "csv") if (path := folder / f"{name}.{suffix}").is_file()]
    if not paths:
        if not is_optional:
            faults.append(f"{name}.parquet or {name}.csv is missing")
        return None
    path = paths[0]
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, dtype=_TEXT_COLUMNS, encoding="utf-8-sig", low_memory=False)
    except pd.errors.EmptyDataError:
        faults.append(f"{path.name}: is empty; it needs {', '.join(columns)}")
        return None
    except (ValueError, OSError, pa.ArrowException) as error:
        faults.append(f"{path.name}: cannot be read ({str(error).splitlines()[0]})")
        return None
    missing = [column for column in columns if column not in table.columns]
    if missing:
        faults.append(f"{path.name}: column {', '.join(missing)} is missing; it needs {', '.join(columns)}")
        return None
    table.attrs["file"] = path.name
    return table


def _check_tracks(tracks: pd.DataFrame, store: Store, faults: list[str]) -> pd.DataFrame:
    file = tracks.attrs["file"]
    session = tracks[c.SESSION_ID].astype("string")
    _fault_rows(
        file, c.SESSION_ID, tracks[c.SESSION_ID], session.isna() | (session == ""), "a session id", faults
    )
    if not tracks.size:
        faults.append(f"{file}: holds no fix; it needs at least one row")
    columns = {
        c.SESSION_ID: tracks[c.SESSION_ID].astype(str).astype("category"),
        c.T: _parse(file, tracks, c.T, _to_time, "a UTC time like 2026-01-05T08:00:00Z", faults),
        c.X: _parse(file, tracks, c.X, _to_number, "metres", faults, is_optional=True),
        c.Y: _parse(file, tracks, c.Y, _to_number, "metres", faults, is_optional=True),
    }
    checked = pd.DataFrame(columns)
    if not faults:
        _check_frame(file, checked[[c.X, c.Y]].to_numpy(), store, faults)
    order = pd.factorize(checked[c.SESSION_ID])[0]  # sessions keep the order of first appearance
    return checked.iloc[np.lexsort((checked[c.T].astype("int64"), order))].reset_index(drop=True)


def _check_frame(file: str, xy: FloatArray, store: Store, faults: list[str]) -> None:
    """Add a line if the fixes, shape (n, 2), cannot be metres in the frame of the store's layout."""
    xy = xy[np.isfinite(xy).all(axis=1)]
    if not len(xy):
        faults.append(f"{file}: no fix has a position; x and y should be metres")
        return
    (x0, y0), (x1, y1) = xy.min(axis=0), xy.max(axis=0)
    floor = np.array(store.floor.bounds).reshape(2, 2)
    is_near = ((xy > floor[0] - _NEAR_M) & (xy < floor[1] + _NEAR_M)).all(axis=1).any()
    if is_near and (len(xy) == 1 or max(x1 - x0, y1 - y0) > _ONE_PLACE_M):
        return
    (left, bottom), (right, top) = floor
    faults.append(
        f"{file}: x runs from {x0:g} to {x1:g} and y from {y0:g} to {y1:g}, the floor of the store from "
        f"{left:g} to {right:g} and {bottom:g} to {top:g}; x and y should be metres in its frame, not degrees"
    )


def _check_receipts(receipts: pd.DataFrame, store: Store, faults: list[str]) -> pd.DataFrame:
    file = receipts.attrs["file"]
    basket = receipts[c.BASKET_ID].astype("string")
    _fault_rows(
        file, c.BASKET_ID, receipts[c.BASKET_ID], basket.isna() | (basket == ""), "a basket id", faults
    )
    sku = receipts[c.SKU_ID].astype("string")
    is_unknown = ~sku.isin(list(store.sku_index))
    _fault_rows(file, c.SKU_ID, receipts[c.SKU_ID], is_unknown, "a SKU of catalogue.csv", faults)
    qty = _parse(file, receipts, c.QTY, _to_number, "a whole number of units", faults)
    is_odd = qty.notna() & ((qty < 1) | (qty > _MAX_QTY) | (qty % 1 != 0))
    _fault_rows(file, c.QTY, receipts[c.QTY], is_odd, f"a whole number of 1 to {_MAX_QTY}", faults)
    price = _parse(file, receipts, c.UNIT_PRICE, _to_number, "an amount of money", faults)
    margin = _parse(file, receipts, c.MARGIN, _to_number, "an amount of money", faults)
    is_odd = (price < 0) | (price > _MAX_MONEY)
    _fault_rows(file, c.UNIT_PRICE, price, is_odd, "an amount of money, zero or more", faults)
    _fault_rows(file, c.MARGIN, margin, margin.abs() > _MAX_MONEY, "an amount of money", faults)
    return pd.DataFrame(
        {
            c.BASKET_ID: basket.astype(str),
            c.SESSION_ID: receipts[c.SESSION_ID].astype("string").fillna("").astype(str),
            c.SKU_ID: sku.astype(str),
            c.QTY: qty if faults else qty.astype("int64"),
            c.UNIT_PRICE: price,
            c.MARGIN: margin,
            c.CHECKOUT_TS: _parse(file, receipts, c.CHECKOUT_TS, _to_time, "a UTC time", faults),
        }
    )


def _check_session_keys(sessions: pd.DataFrame, faults: list[str]) -> None:
    session = sessions[c.SESSION_ID].astype("string")
    is_bad = session.isna() | (session == "") | session.duplicated()
    _fault_rows(sessions.attrs["file"], c.SESSION_ID, session, is_bad, "one row per session", faults)


def _link(tracks: pd.DataFrame, receipts: pd.DataFrame, sessions: pd.DataFrame | None) -> Observations:
    """Give every tracked session its attributes, and empty the session of receipts that have no track."""
    tracked = pd.Series(tracks[c.SESSION_ID].unique().astype(str), dtype="str", name=c.SESSION_ID)
    linked = tracked.to_frame()
    if sessions is not None:
        attributes = sessions.drop(columns=c.SESSION_ID).astype("string").fillna(c.UNKNOWN).astype(str)
        attributes.index = pd.Index(sessions[c.SESSION_ID].astype(str))
        attributes = attributes.reindex(tracked, fill_value=c.UNKNOWN).reset_index(drop=True)
        linked = pd.concat([linked, attributes], axis=1)
    has_track = receipts[c.SESSION_ID].isin(tracked)
    receipts = receipts.assign(**{c.SESSION_ID: receipts[c.SESSION_ID].where(has_track, "")})
    return Observations(tracks=tracks, receipts=receipts, sessions=linked)


def _parse(
    file: str,
    table: pd.DataFrame,
    column: str,
    convert: Callable[[pd.Series], pd.Series],
    wanted: str,
    faults: list[str],
    *,
    is_optional: bool = False,
) -> pd.Series:
    """Convert one column; values that do not convert (and missing ones, unless optional) are faults."""
    raw = table[column]
    converted = convert(raw)
    is_bad = converted.isna() & raw.notna() if is_optional else converted.isna()
    _fault_rows(file, column, raw, is_bad, wanted, faults)
    return converted


def _to_number(raw: pd.Series) -> pd.Series:
    number = pd.to_numeric(raw, errors="coerce").astype("float64")
    return number.where(np.isfinite(number))


def _to_time(raw: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(raw):
        return pd.Series(pd.NaT, index=raw.index, dtype="datetime64[ms, UTC]")
    if isinstance(raw.dtype, pd.DatetimeTZDtype):
        return raw.dt.tz_convert("UTC").dt.as_unit("ms")
    return pd.to_datetime(raw, utc=True, format="ISO8601", errors="coerce").dt.as_unit("ms")


def _fault_rows(
    file: str, column: str, raw: pd.Series, is_bad: pd.Series, wanted: str, faults: list[str]
) -> None:
    """Add one line that names the first bad rows (counted as a spreadsheet does: the header is row 1)."""
    rows = np.flatnonzero(is_bad.to_numpy(dtype=bool))
    if not len(rows):
        return
    shown = ", ".join(f"row {row + 2} has {_show(raw.iloc[row])}" for row in rows[:_MAX_EXAMPLES])
    more = f" and {len(rows) - _MAX_EXAMPLES} more" if len(rows) > _MAX_EXAMPLES else ""
    faults.append(f"{file}, column {column}: {shown}{more}; it should be {wanted}")


def _show(value: object) -> str:
    if isinstance(value, str):
        return repr(value) if len(value) <= 40 else f"{value[:40]!r}..."
    return "nothing" if pd.isna(value) else str(value)
