"""Journeys written as text and read back say the same."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layouts import CellCodes, ConfigError
from models.paper import TextEncoding, fit_encoding, read_journeys, take_points, trace_cells, write_journeys
from models.paper.words import attribute_word, buy_word, read_tag, split_words
from tests.models.paper.trips import make_trip


@pytest.fixture
def trip():
    return make_trip()


FIX = TextEncoding(kind="fix", attributes=("mission", "gender"))
TIME = replace(FIX, kind="time", speed_mps=1.0)


def get_words(texts):
    return split_words(texts.lines[0])


def find_cells(xy, store):
    return store.grid.cell_at(np.asarray(xy))


def test_a_fix_every_five_seconds_with_the_purchases_where_they_were_made(tiny_store, trip):
    positions, journeys = trip
    words = get_words(write_journeys(positions, journeys, tiny_store, FIX))
    assert words[:3] == ["<mission:quick>", "<gender:unknown>", "<door>"]
    assert words[-1] == "<exit>"
    codes = CellCodes.of(tiny_store.grid)
    cells = [word for word in words if not word.startswith("<")]
    fixes = positions[["x", "y"]].to_numpy()[::5]
    np.testing.assert_array_equal(codes.decode(cells), find_cells(fixes, tiny_store))
    at = codes.encode(find_cells([(3.25, 1.25), (4.75, 2.25)], tiny_store))
    for category, code in zip(("bakery", "snacks"), at, strict=True):
        assert words[words.index(buy_word(category)) - 1] == code


def test_time_words_hold_every_step_and_the_waits(tiny_store, trip):
    positions, journeys = trip
    words = get_words(write_journeys(positions, journeys, tiny_store, TIME))
    cells = CellCodes.of(tiny_store.grid).decode([word for word in words if not word.startswith("<")])
    assert (tiny_store.grid.lattice.steps[cells[:-1], cells[1:]] > 0).all()
    waits = [float(read_tag(word)[1]) for word in words if word.startswith("<wait")]
    assert sum(wait >= 9 for wait in waits) == 4  # south, end, north, till
    assert words[words.index("<buy:bakery>") - 1].startswith("<wait:12")


@pytest.mark.parametrize("encoding", [FIX, TIME], ids=["fix", "time"])
def test_what_is_read_is_what_was_walked(tiny_store, trip, encoding):
    positions, journeys = trip
    texts = write_journeys(positions, journeys, tiny_store, encoding)
    read, picks = read_journeys(texts.lines, tiny_store, encoding, session_ids=texts.session_ids)
    assert read["t_s"].tolist() == list(range(len(read)))
    assert len(read) == pytest.approx(len(positions), abs=6)
    assert (find_cells(read[["x", "y"]], tiny_store) >= 0).all()
    n = min(len(read), len(positions))
    off_m = np.hypot(*(read[["x", "y"]].to_numpy()[:n] - positions[["x", "y"]].to_numpy()[:n]).T)
    assert np.median(off_m) < 0.5
    assert off_m.max() < 3.0
    assert picks[["zone_id", "category"]].to_numpy().tolist() == [["south", "bakery"], ["end", "snacks"]]
    visits = journeys.visits.iloc[:2]
    assert picks["t_s"].between(visits["t_s"] - 5, visits["t_s"] + visits["dwell_s"] + 5).all()


def test_raw_reading_gives_the_cells_as_they_stand_even_inside_shelves(tiny_store):
    inside = CellCodes.of(tiny_store.grid).frame.encode_xy(np.array([[3.25, 2.25]]))[0]
    positions, _ = read_journeys([f"<door> {inside} {inside} <exit>"], tiny_store, FIX, is_raw=True)
    assert positions[["t_s", "x", "y"]].to_numpy().tolist() == [[0, 3.25, 2.25], [5, 3.25, 2.25]]


def test_nothing_is_read_after_the_exit_and_strange_words_say_nothing(tiny_store):
    here = CellCodes.of(tiny_store.grid).all_codes[0]
    line = f"<mission:quick> <door> <buy:dairy> {here} <buy:vinyl> what <exit> {here} <buy:dairy>"
    positions, picks = read_journeys([line, "", f"{here} {here}"], tiny_store, FIX)
    assert positions.groupby("session_id", observed=False).size().tolist() == [5, 0, 10]
    assert len(picks) == 0


def test_journeys_without_receipt_or_an_end_are_left_out(tiny_store, trip):
    positions, journeys = trip
    for lacking in ("has_receipt", "is_complete"):
        sessions = journeys.sessions.assign(**{lacking: False})
        texts = write_journeys(positions, replace(journeys, sessions=sessions), tiny_store, FIX)
        assert (texts.n, texts.report["n_sessions_left_out"]) == (0, 1)


def test_a_text_until_the_till_ends_there(tiny_store, trip):
    positions, journeys = trip
    full = get_words(write_journeys(positions, journeys, tiny_store, FIX))
    cut = get_words(write_journeys(positions, journeys, tiny_store, replace(FIX, until="till")))
    assert cut[:-1] == full[: len(cut) - 1]
    assert 2 <= len(full) - len(cut) <= 4  # 15 s at the till and the way out
    last = tiny_store.grid.xy[CellCodes.of(tiny_store.grid).decode([cut[-2]])[0]]
    assert np.hypot(last[0] - 4.75, last[1] - 0.75) < 2.5


def test_a_fix_too_far_away_is_moved_back_along_the_way(tiny_store, trip):
    positions, journeys = trip
    texts = write_journeys(positions, journeys, tiny_store, replace(FIX, step_m=1.5))
    assert texts.report["n_fixes_moved"] > 0
    cells = CellCodes.of(tiny_store.grid).decode([w for w in get_words(texts) if not w.startswith("<")])
    for here, there in itertools.pairwise(cells):
        assert tiny_store.walks.distance_m(here, there) <= 1.5 + 1e-6


def test_a_purchase_that_the_track_never_came_near_is_counted(tiny_store, trip):
    positions, journeys = trip
    picks = journeys.picks.assign(sku_id="MILK", zone_id="cold")
    near_door = positions[positions["t_s"] < 9]
    texts = write_journeys(near_door, replace(journeys, picks=picks), tiny_store, FIX)
    assert texts.report["n_lines_out_of_reach"] == 2
    assert "<buy:dairy>" not in get_words(texts)


def test_the_step_and_the_speed_are_measured(tiny_store, trip):
    tracks = trace_cells(trip[0], tiny_store)
    encoding = fit_encoding(TIME, tracks, tiny_store)
    read, _ = read_journeys(write_journeys(*trip, tiny_store, encoding).lines, tiny_store, encoding)
    assert len(read) == pytest.approx(
        len(trip[0]), abs=4
    )  # what is not waiting is walked in the rest of the time
    assert 2.5 <= fit_encoding(FIX, tracks, tiny_store).step_m <= 5.5


def test_the_first_seven_points_come_with_what_was_done_there():
    line = "<mission:quick> <door> 0 1 2 <buy:a> 3 4 5 6 <wait:2> <buy:b> 7 8 <exit>"
    assert take_points(line) == "<mission:quick> <door> 0 1 2 <buy:a> 3 4 5 6 <wait:2> <buy:b>"
    assert take_points("<door> 0 <exit>") == "<door> 0"


@given(st.text(min_size=1), st.text())
def test_any_name_makes_one_word_that_says_it(name, level):
    word = attribute_word(name, level)
    assert split_words(f"a{word}b") == ["a", word, "b"]
    assert read_tag(word) == (name, level)


@given(st.integers(0, 4000))
def test_waits_stand_for_about_the_time_spent(stay_s):
    total = sum(TIME.wait_s[index] for index in TIME.split_wait(stay_s))
    assert abs(total - stay_s) <= max(1.0, 0.17 * stay_s)


def test_settings_survive_json_and_wrong_ones_are_refused():
    assert TextEncoding.from_dict(TIME.to_dict()) == TIME
    with pytest.raises(ConfigError, match="unknown setting 'intervall'"):
        TextEncoding.from_dict({"intervall": 5})
    for wrong in ({"kind": "both"}, {"interval_s": 0}, {"wait_s": (3, 2)}, {"attributes": ("buy",)}):
        with pytest.raises(ConfigError):
            TextEncoding(**wrong)
