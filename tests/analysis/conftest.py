"""Walks drawn by hand through the tiny store of the other conftest."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from analysis import Observations

Stay = tuple[float, float, float]  # x, y, seconds spent there
DOOR, TILL, EXIT = (0.25, 0.25, 3.0), (4.75, 0.75, 30.0), (5.75, 0.25, 0.0)
SPEED_MPS = 0.8


def walk(stays: Sequence[Stay]) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and positions, one a second, of somebody who walks straight from stay to stay."""
    t, knots = 0.0, []
    for number, (x, y, stay_s) in enumerate(stays):
        if number:
            before = stays[number - 1]
            t += np.hypot(x - before[0], y - before[1]) / SPEED_MPS
        knots.append((t, x, y))
        t += stay_s
        knots.append((t + 1e-6, x, y))
    line = np.array(knots)
    seconds = np.arange(int(np.floor(t)) + 1)
    return seconds, np.column_stack([np.interp(seconds, line[:, 0], line[:, k]) for k in (1, 2)])


def make_tracks(walks: dict[str, Sequence[Stay]]) -> pd.DataFrame:
    parts = []
    for session_id, stays in walks.items():
        seconds, xy = walk(stays)
        t = pd.Timestamp("2026-01-05T09:00:00Z") + pd.to_timedelta(seconds, unit="s")
        parts.append(pd.DataFrame({"session_id": session_id, "t": t, "x": xy[:, 0], "y": xy[:, 1]}))
    tracks = pd.concat(parts, ignore_index=True)
    return tracks.assign(t=tracks["t"].dt.as_unit("ms"), session_id=tracks["session_id"].astype("category"))


def make_receipts(lines: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """One unit of a SKU a line, at a price of 2 and a margin of 0.5."""
    return pd.DataFrame(
        {
            "basket_id": [f"b-{session or number}" for number, (session, _) in enumerate(lines)],
            "session_id": pd.Series([session for session, _ in lines], dtype="str"),
            "sku_id": pd.Series([sku for _, sku in lines], dtype="str"),
            "qty": 1,
            "unit_price": 2.0,
            "margin": 0.5,
            "checkout_ts": pd.Timestamp("2026-01-05T09:10:00Z").as_unit("ms"),
        }
    )


def make_observations(
    walks: dict[str, Sequence[Stay]], lines: Sequence[tuple[str, str]] = ()
) -> Observations:
    sessions = pd.DataFrame({"session_id": pd.Series(list(walks), dtype="str"), "mission": "quick"})
    return Observations(tracks=make_tracks(walks), receipts=make_receipts(lines), sessions=sessions)


@pytest.fixture
def observed() -> Callable[..., Observations]:
    return make_observations


@pytest.fixture
def shopping_trip() -> list[Stay]:
    """In by the door, 20 s at `south`, 15 s at `end`, 12 s at `north`, 30 s at the till, out."""
    return [
        DOOR,
        (3.0, 1.5, 20.0),
        (5.0, 2.5, 15.0),
        (4.3, 3.5, 0.0),
        (3.0, 3.4, 12.0),
        (5.0, 3.4, 0.0),
        TILL,
        EXIT,
    ]
