"""What the grammar allows can be walked and taken, and what was observed is allowed."""

from dataclasses import replace

import numpy as np
import pytest

from layouts import CellCodes, Door, ModelError, bundled_store
from models.paper import (
    TextEncoding,
    build_grammar,
    build_tokenizer,
    measure_legality,
    read_journeys,
    train_tokenizer,
    write_journeys,
)
from models.paper.reach import find_homes
from tests.models.paper.trips import make_trip

FIX = TextEncoding(attributes=("mission",), step_m=4.0, door_m=1.5)
TIME = replace(FIX, kind="time")
ENCODINGS = pytest.mark.parametrize("encoding", [FIX, TIME], ids=["fix", "time"])


def build(store, encoding, lines=()):
    tokenizer = build_tokenizer(list(lines), store, encoding)
    return tokenizer, build_grammar(store, tokenizer, encoding)


def get_words(store, encoding, place):
    """Words allowed at a place."""
    tokenizer, grammar = build(store, encoding)
    cell = store.grid.cell_at(np.array([place]))[0]
    return {tokenizer.words[token] for token in grammar.get_allowed(cell)}


@ENCODINGS
def test_observed_journeys_are_legal_throughout(tiny_store, encoding):
    positions, journeys = make_trip()
    texts = write_journeys(positions, journeys, tiny_store, encoding)
    tokenizer, grammar = build(tiny_store, encoding, texts.lines)
    shares = measure_legality(grammar, tokenizer.encode(texts.lines), tokenizer.door_id)
    assert (shares["sequences"], shares["tokens"]) == (1.0, 1.0)
    assert 1 < shares["mean_allowed"] <= shares["max_allowed"] < grammar.n_states


def test_illegal_tokens_are_counted(tiny_store):
    tokenizer, grammar = build(tiny_store, FIX)
    door, far = CellCodes.of(tiny_store.grid).encode(
        tiny_store.grid.cell_at(np.array([[0.25, 0.25], [5.75, 4.75]]))
    )
    lines = [f"<mission:unknown> <door> {door} {door}", f"<door> {door} {far} <exit> <buy:dairy>"]
    shares = measure_legality(grammar, tokenizer.encode(lines), tokenizer.door_id)
    assert shares["sequences"] == 0.5
    assert shares["tokens"] == pytest.approx(3 / 6)  # too far, no way out there, no dairy there


def test_the_next_cell_is_within_the_step_on_foot_or_a_neighbour(tiny_store):
    grid = tiny_store.grid
    cell = grid.cell_at(np.array([[3.25, 1.75]]))[0]
    codes = CellCodes.of(grid)
    fix = codes.decode([w for w in get_words(tiny_store, FIX, (3.25, 1.75)) if not w.startswith("<")])
    expected = {c for c in range(grid.n_cells) if tiny_store.walks.distance_m(c, cell) <= 4.0}
    assert set(fix.tolist()) == expected
    assert cell in expected
    assert grid.cell_at(np.array([[3.25, 3.25]]))[0] not in expected  # behind the shelf
    time = codes.decode([w for w in get_words(tiny_store, TIME, (3.25, 1.75)) if not w.startswith("<")])
    assert set(time.tolist()) == set(np.flatnonzero(grid.lattice.steps[[cell]].toarray()[0]).tolist())


def test_waits_only_where_time_has_words(tiny_store):
    assert set(TIME.wait_words) <= get_words(tiny_store, TIME, (3.25, 1.75))
    assert not any(word.startswith("<wait") for word in get_words(tiny_store, FIX, (3.25, 1.75)))


def test_purchases_and_the_way_out_only_where_they_are(tiny_store):
    for place, bought, has_exit in (
        ((3.25, 1.75), {"<buy:bakery>"}, False),
        ((0.25, 0.25), set(), False),
        ((5.75, 0.25), set(), True),
        ((5.25, 2.25), {"<buy:snacks>"}, False),
    ):
        words = get_words(tiny_store, FIX, place)
        assert {word for word in words if word.startswith("<buy")} == bought
        assert ("<exit>" in words) == has_exit


def test_journeys_begin_near_the_door_and_never_sample_a_prompt(tiny_store):
    tokenizer, grammar = build(tiny_store, FIX)
    first = grammar.state_of_token[grammar.get_allowed(grammar.start_state)]
    assert np.hypot(*(tiny_store.grid.xy[first] - 0.25).T).max() <= 1.5
    never = [tokenizer.door_id, tokenizer.pad_id, tokenizer.find_id("<mission:unknown>")]
    assert not np.isin(never, grammar.allowed_tokens).any()


@ENCODINGS
def test_random_legal_journeys_stay_on_the_floor_and_buy_what_stands_there(encoding):
    store = bundled_store("corner-shop")
    tokenizer, grammar = build(store, encoding)
    rng = np.random.default_rng(1)
    lines = []
    for _ in range(10):
        tokens, state = [tokenizer.door_id], grammar.start_state
        for _ in range(60):
            allowed = grammar.get_allowed(state)
            tokens.append(int(rng.choice(allowed[allowed != tokenizer.eos_id])))
            entered = grammar.state_of_token[tokens[-1]]
            state = entered if entered >= 0 else state
        lines += tokenizer.decode([np.array(tokens)])
    positions, picks = read_journeys(lines, store, encoding)
    cells = store.grid.cell_at(positions[["x", "y"]].to_numpy())
    assert (cells >= 0).all()
    assert len(picks) > 10
    assert picks["zone_id"].notna().all()
    stands = {(p.zone_id, store.skus[store.sku_index[p.sku_id]].category) for p in store.placements}
    assert set(map(tuple, picks[["zone_id", "category"]].to_numpy())) <= stands


def test_the_grammar_of_an_edited_store_follows_the_goods(tiny_store):
    swapped = tiny_store.swap("south", "north")
    assert "<buy:bakery>" not in get_words(swapped, FIX, (3.25, 1.75))
    assert "<buy:snacks>" in get_words(swapped, FIX, (3.25, 1.75))
    home = find_homes(swapped, FIX.reach_m)[:, swapped.categories.index("bakery")]
    assert {swapped.zones[zone].zone_id for zone in set(home.tolist()) - {-1}} == {"north"}


def test_a_tokenizer_without_the_cells_is_refused(tiny_store):
    with pytest.raises(ModelError, match="cells of 'tiny' are no tokens"):
        build_grammar(tiny_store, train_tokenizer(["<door> <exit>"]), FIX)
    odd = replace(tiny_store, entrances=(Door(door_id="D1", xy=(0.05, 0.05)),))
    with pytest.raises(ModelError, match="no cell within"):
        build_grammar(odd, build_tokenizer([], odd, FIX), replace(FIX, door_m=0.1))
