"""Every cell is one token, and lines come back from their tokens."""

from dataclasses import replace

import numpy as np
import pytest
from shapely.geometry import box

from layouts import CellCodes, ModelError, bundled_store
from models.paper import JourneyTokenizer, TextEncoding, build_grammar, build_tokenizer, train_tokenizer
from models.paper.tokenizer import N_BYTES, list_codes

ENCODING = TextEncoding(attributes=("mission",))


@pytest.fixture(scope="module")
def store():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def lines(store):
    codes = CellCodes.of(store.grid).all_codes
    rng = np.random.default_rng(0)
    return [
        " ".join(["<mission:quick>", "<door>", *rng.choice(codes, 40), "<buy:fruit%20tea>", "<exit>"])
        for _ in range(30)
    ]


@pytest.fixture(scope="module")
def tokenizer(store, lines):
    return build_tokenizer(lines, store, ENCODING)


def test_each_word_is_one_token_and_lines_come_back(tokenizer, lines):
    ids = tokenizer.encode(lines)
    assert [len(sequence) for sequence in ids] == [len(line.split()) for line in lines]
    assert tokenizer.decode(ids) == lines
    assert [" ".join(tokenizer.words[i] for i in sequence) for sequence in ids] == lines
    without_spaces = [line.replace("> ", ">").replace(" <", "<") for line in lines]
    assert [s.tolist() for s in tokenizer.encode(without_spaces)] == [s.tolist() for s in ids]


def test_all_codes_of_the_common_frame_are_tokens_whatever_was_walked(tokenizer):
    codes = list_codes(bundled_store("racetrack"))
    assert len(codes) == 4096
    assert min(tokenizer.find_id(code) for code in codes) >= 0
    assert N_BYTES + 4096 < tokenizer.n_tokens < 5000
    for word in ("<buy:dairy>", "<mission:unknown>", "<pad>", "<door>", "<exit>"):
        assert word.startswith("<buy") or tokenizer.find_id(word) >= 0


def test_byte_level_means_that_nothing_is_unknown(tokenizer):
    line = "<door> 012301 späti?! 99 <exit>"
    assert tokenizer.decode(tokenizer.encode([line])) == [line]


def test_a_store_too_large_for_the_frame_has_its_own_cells_as_tokens(tiny_store):
    hall = replace(tiny_store, floor=box(0, 0, 40, 5))  # 80 cells wide: 3 x 3 a level
    tokenizer = build_tokenizer([], hall, ENCODING)
    codes = CellCodes.of(hall.grid).all_codes
    assert min(tokenizer.find_id(str(code)) for code in codes) >= 0
    assert len(list_codes(hall)) == hall.grid.n_cells
    build_grammar(hall, tokenizer, ENCODING)


def test_characters_instead_of_pairs_make_lines_six_times_as_long(tokenizer, lines):
    by_characters = train_tokenizer(lines, max_tokens=N_BYTES + 5)  # room for the tags and no pair
    n_pairs, n_characters = (sum(map(len, t.encode(lines))) for t in (tokenizer, by_characters))
    assert by_characters.decode(by_characters.encode(lines)) == lines
    # Seven for each of 40 codes (its six characters and the space before it), one for each of 4 tags
    assert n_characters / n_pairs == pytest.approx((40 * 7 + 4) / 44)


def test_pairs_without_a_universe_leave_unseen_codes_in_pieces(lines):
    trained = train_tokenizer(lines)
    seen = {word for line in lines for word in line.split()}
    assert all(trained.find_id(word) >= 0 for word in seen)
    unseen = next(code for code in list_codes(bundled_store("corner-shop")) if code not in seen)
    assert len(trained.encode([f"<door> {unseen}"])[0]) > 2


def test_the_same_lines_give_the_same_tokenizer(tokenizer, store, lines):
    assert build_tokenizer(lines[::-1], store, ENCODING).backend.to_str() == tokenizer.backend.to_str()


def test_a_saved_tokenizer_is_read_by_us_and_by_transformers(tokenizer, lines, tmp_path):
    from transformers import PreTrainedTokenizerFast

    tokenizer.save(tmp_path)
    ids = [sequence.tolist() for sequence in tokenizer.encode(lines)]
    assert [s.tolist() for s in JourneyTokenizer.load(tmp_path).encode(lines)] == ids
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert theirs(lines)["input_ids"] == ids
    assert (theirs.pad_token_id, theirs.bos_token_id, theirs.eos_token_id) == (
        tokenizer.pad_id,
        tokenizer.door_id,
        tokenizer.eos_id,
    )


def test_new_words_of_another_store_keep_the_ids_of_the_old(tokenizer, lines):
    extended = tokenizer.extend(["<buy:vinyl>", "<mission:quick>", "<buy:vinyl>"])
    assert extended.n_tokens == tokenizer.n_tokens + 1
    assert extended.find_id("<buy:vinyl>") == tokenizer.n_tokens
    assert extended.words[:-1] == tokenizer.words
    assert tokenizer.find_id("<buy:vinyl>") == -1


def test_what_is_no_tokenizer_is_refused(tmp_path, lines):
    with pytest.raises(ModelError, match="not found"):
        JourneyTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="not a tokenizer"):
        JourneyTokenizer.load(tmp_path)
    with pytest.raises(ModelError, match="max_tokens must be at least"):
        train_tokenizer(lines, max_tokens=N_BYTES)
