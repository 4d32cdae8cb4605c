"""Journeys written as lines of text.

A line: ``<mission:quick> <age_band:18-34> ... <door> 012301 012303 <buy:dairy> 012303 ... <exit>``. A word
per cell, one ``<buy:CATEGORY>`` per receipt line after the cell where it was taken. Only sessions with a
linked receipt and both ends are written, as for the other policies: without a receipt nothing is known about
purchases. The whole visit is written, waiting at the tills included, unless the encoding ends at the till
(`analysis.build_journeys`, which gives the purchases, leaves waiting out of its stops).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import Journeys
from layouts import CellCodes, Store
from models.paper.reach import find_homes, find_till_cells
from models.paper.tracks import CellTracks, NearDistances, Paths, trace_cells
from models.paper.words import EXIT, TextEncoding, buy_word
from models.vocabulary import UNKNOWN

_OTHER_ZONE_S = 20.0  # how much farther in time a cell is taken to give a purchase its very zone
_STEP_QUANTILE = 0.9995


@dataclass(frozen=True, eq=False)
class JourneyTexts:
    """Journeys as text.

    Attributes
    ----------
    session_ids
        Name of each session, shape (n,).
    lines
        Its words, separated by spaces.
    report
        Counts: sessions written and left out; seconds that were jumps or filled; fixes moved back because the
        walk was too far; receipt lines written, in another zone than where they were taken, or left out since
        the track never came into reach.
    """

    session_ids: NDArray[Any]
    lines: tuple[str, ...]
    report: dict[str, int]

    @property
    def n(self) -> int:
        """Number of journeys."""
        return len(self.lines)


@dataclass(frozen=True, eq=False)
class _Stands:
    """One session as cells with the second at which each begins and how many it lasts."""

    cell: NDArray[np.int64]
    t_s: NDArray[np.int64]
    stay_s: NDArray[np.int64]


def select_sessions(journeys: Journeys) -> pd.DataFrame:
    """Sessions with a linked receipt and both ends, in order of their names."""
    sessions = journeys.sessions
    return sessions[sessions["has_receipt"] & sessions["is_complete"]].sort_values("session_id")


def write_journeys(
    positions: pd.DataFrame,
    journeys: Journeys,
    store: Store,
    encoding: TextEncoding,
    *,
    tracks: CellTracks | None = None,
) -> JourneyTexts:
    """Write the journeys that have a receipt and both ends as lines of text.

    Parameters
    ----------
    positions
        Cleaned positions, `session_id, t_s, x, y`.
    journeys
        What `build_journeys` made of the same observations: purchases and attributes.
    store
        The layout in which they were observed.
    encoding
        Form of the text.
    tracks
        What `trace_cells` gave for these positions, where it is at hand.
    """
    tracks = tracks or trace_cells(positions, store)
    writer = _Writer(store, encoding)
    row_of = {str(name): row for row, name in enumerate(tracks.session_ids)}
    picks = _picks_by_session(journeys, store)
    last_stop_s = _last_stop_s(journeys)
    sessions = select_sessions(journeys)
    names, lines = [], []
    for session in sessions.to_dict("records"):
        name = str(session["session_id"])
        if name not in row_of:
            continue
        row = row_of[name]
        cells, start_s = tracks.get_cells(row), int(tracks.start_s[row])
        if encoding.until == "till":
            cells = writer.cut_at_till(cells, last_stop_s.get(name, start_s) - start_s)
        known = {key: str(session.get(key, UNKNOWN)) for key in encoding.attributes}
        known = {key: UNKNOWN if value == "nan" else value for key, value in known.items()}
        lines.append(writer.write(known, cells, start_s, picks.get(name, [])))
        names.append(name)
    report = {
        "n_sessions": len(lines),
        "n_sessions_left_out": len(journeys.sessions) - len(lines),
        "n_seconds": len(tracks.cell),
        "n_seconds_jumps": tracks.n_jumps,
        "n_seconds_filled": tracks.n_filled,
    }
    return JourneyTexts(np.array(names, dtype=object), tuple(lines), report | writer.report)


def fit_encoding(encoding: TextEncoding, tracks: CellTracks, store: Store) -> TextEncoding:
    """Measure what the encoding takes from data: the step of `fix`, the walking speed of `time`.

    The step is the distance that all but one in 2,000 intervals stay below; the speed is the length of all
    steps over the seconds that are not spent waiting.
    """
    writer = _Writer(store, encoding)
    if encoding.kind == "fix":
        fixes = [tracks.get_cells(row)[:: encoding.interval_s] for row in range(tracks.n)]
        pairs = np.concatenate([np.stack([cells[:-1], cells[1:]]) for cells in fixes], axis=1)
        metres = NearDistances(store.grid, 2.0 * encoding.step_m).measure(*pairs)
        step_m = float(np.quantile(metres, _STEP_QUANTILE, method="lower")) if pairs.size else np.inf
        return replace(encoding, step_m=round(step_m, 3)) if np.isfinite(step_m) else encoding
    walked_m, walked_s = 0.0, 0.0
    for row in range(tracks.n):
        stands = writer.find_stands(tracks.get_cells(row), 0)
        walked_m += float(np.hypot(*np.diff(store.grid.xy[stands.cell], axis=0).T).sum())
        walked_s += float(stands.stay_s[stands.stay_s < encoding.wait_s[0]].sum())
    return replace(encoding, speed_mps=round(walked_m / walked_s, 4)) if walked_m and walked_s else encoding


class _Writer:
    """Writes one session after the other and counts what had to be changed."""

    def __init__(self, store: Store, encoding: TextEncoding) -> None:
        self._store, self._encoding = store, encoding
        self._codes = CellCodes.of(store.grid).all_codes.tolist()
        self._buy = [buy_word(category) for category in store.categories]
        self._paths = Paths(store)
        self._near = NearDistances(store.grid, encoding.step_m) if encoding.kind == "fix" else None
        self._home = find_homes(store, encoding.reach_m)
        self._is_till = find_till_cells(store)
        self.report = dict.fromkeys(("n_fixes_moved", "n_lines", "n_lines_moved", "n_lines_out_of_reach"), 0)

    def cut_at_till(self, cells: NDArray[np.int64], after_s: int) -> NDArray[np.int64]:
        """Leave out what follows the first second at a till from `after_s` on."""
        at_till = np.flatnonzero(self._is_till[cells[max(after_s, 0) :]])
        return cells[: max(after_s, 0) + at_till[0] + 1] if len(at_till) else cells

    def write(
        self,
        attributes: dict[str, str],
        cells: NDArray[np.int64],
        start_s: int,
        picks: list[tuple[int, int, int, int]],
    ) -> str:
        """Line of one session; `picks` are category, zone and the first and last second of the visit."""
        stands = self.find_stands(cells, start_s)
        bought: dict[int, list[int]] = {}
        for category, zone, begin_s, end_s in picks:
            at = self._place(stands, category, zone, begin_s, end_s)
            if at >= 0:
                bought.setdefault(at, []).append(category)
        words = [self._encoding.write_prompt(attributes)]
        waits = self._encoding.wait_words
        for index, (cell, stay_s) in enumerate(
            zip(stands.cell.tolist(), stands.stay_s.tolist(), strict=True)
        ):
            words.append(self._codes[cell])
            if waits:
                words.extend(waits[wait] for wait in self._encoding.split_wait(stay_s))
            words.extend(self._buy[category] for category in sorted(bought.get(index, [])))
        return " ".join([*words, EXIT])

    def find_stands(self, cells: NDArray[np.int64], start_s: int) -> _Stands:
        """Cells of a session as the encoding sees them."""
        if self._encoding.kind == "fix":
            interval_s = self._encoding.interval_s
            fixes = self._hold_back(cells[::interval_s].copy())
            t_s = start_s + interval_s * np.arange(len(fixes))
            return _Stands(fixes, t_s, np.full(len(fixes), interval_s))
        first = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
        return self._fill_steps(cells[first], start_s + first, np.diff(np.r_[first, len(cells)]))

    def _hold_back(self, fixes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Move fixes that are farther from the one before than a step can bring back along the way."""
        assert self._near is not None
        step_m = self._encoding.step_m + 1e-6
        for index in np.flatnonzero(self._near.measure(fixes[:-1], fixes[1:]) > step_m):
            at = int(index)
            while at + 1 < len(fixes):
                cells, metres = self._paths.find(fixes[at], fixes[at + 1])
                if metres[-1] <= step_m:
                    break
                fixes[at + 1] = cells[np.searchsorted(metres, step_m, side="right") - 1]
                self.report["n_fixes_moved"] += 1
                at += 1
        return fixes

    def _fill_steps(
        self, cells: NDArray[np.int64], t_s: NDArray[np.int64], stay_s: NDArray[np.int64]
    ) -> _Stands:
        """Insert the cells passed between seconds, zero seconds long."""
        parts = list(self._passed(cells))
        n_new = np.array([len(part) for part in parts] + [1])
        owner = np.repeat(np.arange(len(cells)), n_new)
        is_own = np.r_[True, owner[1:] != owner[:-1]]
        walked = np.concatenate([*parts, cells[-1:]])
        return _Stands(walked, t_s[owner], np.where(is_own, stay_s[owner], 0))

    def _passed(self, cells: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Cells from each to the next, the next left out."""
        for here, there in zip(cells[:-1].tolist(), cells[1:].tolist(), strict=True):
            yield self._paths.find(here, there)[0][:-1]

    def _place(self, stands: _Stands, category: int, zone: int, begin_s: int, end_s: int) -> int:
        """Stand at which a purchase is written: in the visit if possible, and read back as the same zone."""
        home = self._home[stands.cell, category]
        late_s = np.maximum(stands.t_s - end_s, 0) + np.maximum(begin_s - stands.t_s - stands.stay_s, 0)
        cost = np.where(home >= 0, late_s + np.where(home == zone, 0.0, _OTHER_ZONE_S), np.inf)
        at = len(cost) - 1 - int(cost[::-1].argmin())  # the last of the best
        if not np.isfinite(cost[at]):
            self.report["n_lines_out_of_reach"] += 1
            return -1
        self.report["n_lines"] += 1
        self.report["n_lines_moved"] += int(home[at] != zone)
        return at


def _picks_by_session(journeys: Journeys, store: Store) -> dict[str, list[tuple[int, int, int, int]]]:
    """Category, zone, first and last second of the visit for each receipt line, by session."""
    picks = journeys.picks.merge(
        journeys.visits[["session_id", "visit", "t_s", "dwell_s"]], on=["session_id", "visit"]
    )
    category = store.sku_category[picks["sku_id"].map(store.sku_index).to_numpy(dtype=np.int64)]
    zone = picks["zone_id"].map(store.zone_index).to_numpy(dtype=np.int64)
    begin_s = picks["t_s"].to_numpy(dtype=np.int64)
    end_s = begin_s + picks["dwell_s"].to_numpy(dtype=np.int64)
    of_session: dict[str, list[tuple[int, int, int, int]]] = {}
    rows = zip(category.tolist(), zone.tolist(), begin_s.tolist(), end_s.tolist(), strict=True)
    for name, row in zip(picks["session_id"].astype(str), rows, strict=True):
        of_session.setdefault(name, []).append(row)
    return of_session


def _last_stop_s(journeys: Journeys) -> dict[str, int]:
    """Second at which the last stop of each session is over."""
    end_s = (journeys.visits["t_s"] + journeys.visits["dwell_s"]).astype("int64")
    return {
        str(name): int(value) for name, value in end_s.groupby(journeys.visits["session_id"]).max().items()
    }
