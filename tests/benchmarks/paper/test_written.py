import numpy as np
import pytest

from benchmarks.paper.written import compare_written, count_written
from layouts import bundled_store
from models.paper.reading import interpret_words
from models.paper.words import TextEncoding, buy_word

FIX = TextEncoding(kind="fix", interval_s=5, attributes=())


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def vocabulary(shop):
    """Words of some cells inside zones, one code off the floor, and purchases."""
    from layouts import CellCodes

    codes = CellCodes.of(shop.grid).all_codes
    zone = next(z for z in range(shop.n_zones) if shop.stands[z].any())
    cell = int(shop.walks.zone_cells[zone][0])
    category = int(shop.sku_category[np.flatnonzero(shop.stands[zone])[0]])
    words = [
        "<door>",
        str(codes[cell]),
        str(codes[0]),
        "333333",
        buy_word(shop.categories[category]),
        "<exit>",
    ]
    return words, zone, cell, category


def test_fixes_and_lines_are_counted_by_journey(shop, vocabulary):
    words, zone, cell, category = vocabulary
    meanings = interpret_words(words, shop, FIX)
    assert meanings.cell[3] == -1  # nobody can stand there
    counts = count_written([np.array([0, 1, 1, 4, 2, 5]), np.array([0, 3, 5])], meanings, shop, FIX)
    cells = counts["cells"].toarray()
    assert cells[0, cell] == 2
    assert cells[0, 0] == 1
    assert cells[0].sum() == 3
    assert cells[1, -1] == 1
    assert counts["zone_purchases"].toarray()[:, zone].tolist() == [1, 0]
    assert counts["category_purchases"].toarray()[:, category].tolist() == [1, 0]


def test_the_same_journeys_differ_by_nothing_and_others_by_more_than_the_floor(shop, vocabulary):
    words, *_ = vocabulary
    meanings = interpret_words(words, shop, FIX)
    rng = np.random.default_rng(0)
    journeys = [np.array([0, *rng.integers(1, 3, 6), 4, 5]) for _ in range(200)]
    counts = count_written(journeys, meanings, shop, FIX)
    assert compare_written(counts, counts, rng)["cells"]["value"] == pytest.approx(0.0, abs=1e-12)
    other = count_written([np.array([0, *[2] * 6, 4, 5])] * 200, meanings, shop, FIX)
    assert compare_written(counts, other, rng)["cells"]["ratio"] > 10
