"""Text back into tables: positions second by second, and what was taken where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layouts import CellCodes, Store
from models.paper.reach import find_homes
from models.paper.tracks import Paths
from models.paper.words import EXIT, TextEncoding, read_tag, split_words

IntArray = NDArray[np.integer[Any]]
POSITIONS = ("session_id", "t_s", "x", "y")
PICKS = ("session_id", "t_s", "zone_id", "category")


@dataclass(frozen=True, eq=False)
class Meanings:
    """What each word of a vocabulary says in one store.

    Attributes
    ----------
    cell
        Walkable cell id, shape (n_words,); -1 for other words and for codes where nobody can stand.
    xy
        Centre of the cell that a code names [m], walkable or not, shape (n_words, 2); NaN for other words.
    category
        Index into `store.categories` of a purchase, shape (n_words,); -1 for other words and for categories
        that the store does not sell.
    wait_s
        Seconds that a wait word stands for, shape (n_words,); 0 for other words.
    is_exit
        True for the word that ends a journey, shape (n_words,).
    """

    cell: NDArray[np.int64]
    xy: NDArray[np.float64]
    category: NDArray[np.int64]
    wait_s: NDArray[np.float64]
    is_exit: NDArray[np.bool_]

    @property
    def is_code(self) -> NDArray[np.bool_]:
        """True for words that name a cell of the frame, walkable or not, shape (n_words,)."""
        return np.isfinite(self.xy[:, 0])


@dataclass(frozen=True, eq=False)
class CellVisits:
    """Journeys as the cells they name, all journeys one after another.

    Attributes
    ----------
    first
        First row of each journey and the number of rows at the end, shape (n + 1,).
    cell
        Walkable cell id, shape (n_rows,); -1 where nobody can stand.
    xy
        Centre of the cell [m], shape (n_rows, 2).
    t_s
        Second since entry at which the cell is reached, shape (n_rows,).
    stay_s
        Seconds spent there before the way goes on, shape (n_rows,).
    end_s
        Second at which each journey ends, shape (n,).
    pick_row, pick_category
        Row of the cell at which each receipt line was taken, and its category; shape (n_picks,).
    """

    first: NDArray[np.int64]
    cell: NDArray[np.int64]
    xy: NDArray[np.float64]
    t_s: NDArray[np.float64]
    stay_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    pick_row: NDArray[np.int64]
    pick_category: NDArray[np.int64]

    @property
    def journey(self) -> NDArray[np.int64]:
        """Number of the journey that each row belongs to, shape (n_rows,)."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


def interpret_words(words: Sequence[str], store: Store, encoding: TextEncoding) -> Meanings:
    """Find what each word says in a store.

    Parameters
    ----------
    words
        Distinct words, such as those of a tokenizer by token id; what is no word of a journey says nothing.
    """
    codes = CellCodes.of(store.grid)
    text = np.array([word if not word.startswith("<") else "" for word in words], dtype=str)
    category_index = {category: index for index, category in enumerate(store.categories)}
    seconds = dict(zip(encoding.wait_words, encoding.wait_s, strict=bool(encoding.wait_words)))
    tags = [read_tag(word) for word in words]
    bought = [category_index.get(tag[1], -1) if tag and tag[0] == "buy" else -1 for tag in tags]
    return Meanings(
        cell=np.asarray(codes.decode(text), dtype=np.int64),
        xy=np.asarray(codes.frame.decode_xy(text), dtype=np.float64),
        category=np.array(bought, dtype=np.int64),
        wait_s=np.array([seconds.get(word, 0.0) for word in words], dtype=np.float64),
        is_exit=np.array([word == EXIT for word in words], dtype=bool),
    )


def read_cell_visits(sequences: Sequence[IntArray], meanings: Meanings, encoding: TextEncoding) -> CellVisits:
    """Read token sequences as visits of cells; what follows the exit word is not read.

    Purchases before the first cell, and words that say nothing in this store, are left out.
    """
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    tokens = np.concatenate([np.asarray(s, dtype=np.int64) for s in sequences] or [np.zeros(0, np.int64)])
    journey = np.repeat(np.arange(len(lengths)), lengths)
    ended = np.cumsum(meanings.is_exit[tokens])
    before = np.concatenate([[0], ended])[np.cumsum(lengths) - lengths] if len(lengths) else ended
    inside = ended == before[journey]  # no exit word yet in this journey
    tokens, journey = tokens[inside], journey[inside]
    is_code = meanings.is_code[tokens]
    row = np.cumsum(is_code) - 1  # of the last cell before or at each token
    owner = journey[is_code]
    first = np.searchsorted(owner, np.arange(len(lengths) + 1))
    has_cell = (row >= 0) & (journey == np.append(owner, -1)[row])
    xy = meanings.xy[tokens[is_code]]
    wait_s = np.bincount(row[has_cell], weights=meanings.wait_s[tokens[has_cell]], minlength=len(owner))
    t_s, stay_s, end_s = _time_cells(first, owner, xy, wait_s, encoding)
    is_pick = has_cell & (meanings.category[tokens] >= 0)
    return CellVisits(
        first=first,
        cell=meanings.cell[tokens[is_code]],
        xy=xy,
        t_s=t_s,
        stay_s=stay_s,
        end_s=end_s,
        pick_row=row[is_pick],
        pick_category=meanings.category[tokens[is_pick]],
    )


def _time_cells(
    first: IntArray,
    owner: IntArray,
    xy: NDArray[np.float64],
    wait_s: NDArray[Any],
    encoding: TextEncoding,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """When each cell is reached, how long the shopper stays in it, and when each journey ends."""
    n = len(first) - 1
    number = np.arange(len(owner)) - first[owner]
    if encoding.kind == "fix":
        t_s = encoding.interval_s * number.astype(np.float64)
        is_last = np.append(owner[1:] != owner[:-1], True)[: len(owner)]
        stay_s = np.where(is_last, encoding.interval_s - 1.0, 0.0)
        return t_s, stay_s, np.maximum(encoding.interval_s * np.diff(first) - 1.0, 0.0)
    walk_s = np.zeros(len(owner))
    walk_s[1:] = np.hypot(*np.diff(xy, axis=0).T) / encoding.speed_mps
    walk_s[number == 0] = 0.0
    spent = np.cumsum(walk_s + wait_s)
    begin = np.concatenate([[0.0], spent])[first[:-1]]
    end_s = np.concatenate([[0.0], spent])[first[1:]] - begin
    return spent - wait_s - begin[owner], wait_s, end_s if n else np.zeros(0)


def decode_journeys(
    sequences: Sequence[IntArray],
    meanings: Meanings,
    store: Store,
    encoding: TextEncoding,
    *,
    session_ids: Sequence[str] | NDArray[Any] | None = None,
    is_raw: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn token sequences into tables.

    Parameters
    ----------
    sequences
        Indices into the vocabulary of `meanings`, prompt included or not.
    meanings
        What `interpret_words` found for that vocabulary in `store`.
    store, encoding
        The layout and the form of the text.
    session_ids
        Names of the journeys; their numbers if not given.
    is_raw
        True for just the cells as they stand in the text, one row each; else a position for every whole
        second, along the shortest walk from cell to cell (straight where a cell is not walkable).

    Returns
    -------
    positions
        `session_id, t_s, x, y`: seconds since entry, centres of cells [m].
    picks
        `session_id, t_s, zone_id, category`: a row per receipt line, in the nearest zone within reach where
        the category stands; `zone_id` is empty if there is none.
    """
    visits = read_cell_visits(sequences, meanings, encoding)
    names = np.array(session_ids if session_ids is not None else range(len(sequences)), dtype=str)
    home = find_homes(store, encoding.reach_m)
    cell = visits.cell[visits.pick_row]
    zone = np.where(cell >= 0, home[cell, visits.pick_category], -1)
    zone_ids = np.array([*(place.zone_id for place in store.zones), None], dtype=object)
    categories = np.array(store.categories, dtype=object)
    picks = pd.DataFrame(
        {
            "session_id": pd.Series(names[visits.journey[visits.pick_row]], dtype="str"),
            "t_s": visits.t_s[visits.pick_row],
            "zone_id": pd.Series(zone_ids[zone], dtype="str"),
            "category": pd.Series(categories[visits.pick_category], dtype="str"),
        }
    )
    journey, t_s, xy = (
        (visits.journey, visits.t_s, visits.xy) if is_raw else _walk(visits, store, encoding.speed_mps)
    )
    positions = pd.DataFrame(
        {
            "session_id": pd.Categorical.from_codes(journey, categories=pd.Index(names)),
            "t_s": t_s if is_raw else t_s.astype(np.int64),
            "x": xy[:, 0],
            "y": xy[:, 1],
        }
    )
    return positions, picks


def read_journeys(
    lines: Sequence[str],
    store: Store,
    encoding: TextEncoding,
    *,
    session_ids: Sequence[str] | NDArray[Any] | None = None,
    is_raw: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn lines of text into positions and picks; see `decode_journeys`."""
    words = [split_words(line) for line in lines]
    vocabulary = sorted({word for line in words for word in line})
    index = {word: number for number, word in enumerate(vocabulary)}
    sequences = [np.array([index[word] for word in line], dtype=np.int64) for line in words]
    meanings = interpret_words(vocabulary, store, encoding)
    return decode_journeys(sequences, meanings, store, encoding, session_ids=session_ids, is_raw=is_raw)


def _walk(
    visits: CellVisits, store: Store, speed_mps: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Journey, second and position [m] of every whole second of every journey.

    From cell to cell people walk at `speed_mps`, or faster if there is less time; what is left of the time
    they stay, half of it at either end.
    """
    row, walked_m, passed_m, passed_xy = _find_passed(visits, store)
    leave_s = visits.t_s + visits.stay_s
    pause_s = np.zeros(len(leave_s))
    pause_s[:-1] = np.maximum(visits.t_s[1:] - leave_s[:-1] - walked_m[:-1] / speed_mps, 0.0) / 2.0
    walk_s = np.append(visits.t_s[1:], 0.0) - leave_s - 2.0 * pause_s
    same = np.append(np.diff(visits.journey) == 0, False)
    passed_s = leave_s[row] + pause_s[row] + walk_s[row] * passed_m / np.maximum(walked_m[row], 1e-9)
    knot_row = np.concatenate([np.arange(len(leave_s))] * 2 + [row, np.flatnonzero(same)])
    arrive_s = (leave_s + pause_s + walk_s)[same]
    knot_s = np.concatenate([visits.t_s, leave_s + np.where(same, pause_s, 0.0), passed_s, arrive_s])
    knot_xy = np.concatenate([visits.xy, visits.xy, passed_xy, visits.xy[1:][same[:-1]]])
    return _sample_seconds(visits, knot_row, knot_s, knot_xy)


def _sample_seconds(
    visits: CellVisits, knot_row: IntArray, knot_s: NDArray[np.float64], knot_xy: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Positions at whole seconds between knots, all journeys on one time line."""
    n_seconds = np.where(np.diff(visits.first) == 0, 0, np.floor(visits.end_s).astype(np.int64) + 1)
    journey = np.repeat(np.arange(len(n_seconds)), n_seconds)
    second = np.arange(n_seconds.sum()) - np.repeat(np.cumsum(n_seconds) - n_seconds, n_seconds)
    if not len(journey):
        return journey, second.astype(np.float64), np.zeros((0, 2))
    begin_s = np.concatenate([[0.0], np.cumsum(visits.end_s + 10.0)])[:-1]
    line_s = begin_s[visits.journey[knot_row]] + knot_s
    order = np.lexsort([line_s, knot_row])
    wanted_s = begin_s[journey] + second
    xy = [np.interp(wanted_s, line_s[order], knot_xy[order, k]) for k in (0, 1)]
    return journey, second.astype(np.float64), np.column_stack(xy)


def _find_passed(
    visits: CellVisits, store: Store
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Ways from each row's cell to the next.

    Returns the metres walked from each row, and of every cell passed between two rows: the row before it, the
    metres from there, and the centre [m].
    """
    walked_m = np.append(np.hypot(*np.diff(visits.xy, axis=0).T), 0.0)
    here = np.flatnonzero((np.diff(visits.journey) == 0) & (walked_m[:-1] > 0))
    here = here[np.minimum(visits.cell[here], visits.cell[here + 1]) >= 0]
    source, target = visits.cell[here], visits.cell[here + 1]
    far = np.ones(len(here), dtype=bool)
    if len(here):
        far = np.asarray(store.grid.lattice.steps[source, target]) == 0
    here = here[far]
    pair, which = np.unique(source[far] * store.grid.n_cells + target[far], return_inverse=True)
    paths = Paths(store)
    found = [paths.find(*divmod(key, store.grid.n_cells)) for key in pair.tolist()]
    n_passed = np.array([len(cells) - 2 for cells, _ in found], dtype=np.int64)
    cells = np.concatenate([np.zeros(0, np.int64), *(cells[1:-1] for cells, _ in found)])
    metres = np.concatenate([np.zeros(0), *(metres[1:-1] for _, metres in found)])
    walked_m[here] = np.array([metres[-1] for _, metres in found])[which] if len(here) else 0.0
    count = n_passed[which]
    first = (np.cumsum(n_passed) - n_passed)[which]
    at = np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
    return np.repeat(here, count), walked_m, metres[at], store.grid.xy[cells[at]]
