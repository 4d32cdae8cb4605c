from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from layouts import ModelError
from models import BasketBank
from tests.models.worlds import make_journeys

BANK = BasketBank(
    attributes={"mission": np.array(["quick", "major", "quick"], dtype=object)},
    row=np.array([0, 1, 1, 1]),  # basket 2 is empty
    sku_id=np.array(["MILK", "BREAD", "GONE", "JAM"], dtype=object),
    qty=np.array([2, 1, 1, 3]),
    planned_share=np.array([1.0, 0.4, 0.9, 0.2]),
)


def lines(baskets, shopper, store):
    rows = np.flatnonzero(baskets.shopper == shopper)
    return [
        (store.skus[baskets.sku[i]].sku_id, int(baskets.qty[i]), float(baskets.planned_share[i]))
        for i in rows
    ]


def test_each_uniform_draws_a_basket_with_its_lines(tiny_store):
    baskets = BANK.draw(np.array([0.1, 0.99, 0.5, 0.34]), tiny_store)
    assert baskets.attributes["mission"].tolist() == ["quick", "quick", "major", "major"]
    assert lines(baskets, 0, tiny_store) == [("MILK", 2, 1.0)]
    assert lines(baskets, 1, tiny_store) == []
    assert lines(baskets, 2, tiny_store) == lines(baskets, 3, tiny_store)
    assert lines(baskets, 2, tiny_store) == [("BREAD", 1, 0.4), ("JAM", 3, 0.2)]
    assert (np.diff(baskets.shopper) >= 0).all()


def test_lines_that_the_store_does_not_carry_are_counted(tiny_store):
    assert BANK.draw(np.array([0.1, 0.5, 0.99, 0.5]), tiny_store).n_unknown.tolist() == [0, 1, 0, 1]


def test_baskets_are_drawn_equally_often(tiny_store):
    n = 30_000
    baskets = BANK.draw(np.random.default_rng(0).random(n), tiny_store)
    n_lines = np.bincount(baskets.shopper, minlength=n) + baskets.n_unknown
    counts = np.bincount(n_lines, minlength=4)[[1, 3, 0]]  # tells the three baskets apart
    assert stats.chisquare(counts, np.full(3, n / 3)).pvalue > 0.001


@pytest.mark.parametrize("u", [1e-17, 1 - 1e-17])
def test_the_ends_of_the_unit_interval_draw_the_first_and_last(u, tiny_store):
    baskets = BANK.draw(np.array([u]), tiny_store)
    assert lines(baskets, 0, tiny_store) == ([("MILK", 2, 1.0)] if u < 0.5 else [])


def test_a_shopper_draws_alike_alone_and_among_others(tiny_store):
    u = np.random.default_rng(1).random(50)
    together = BANK.draw(u, tiny_store)
    for shopper in (0, 13, 49):
        alone = BANK.draw(u[[shopper]], tiny_store)
        assert lines(alone, 0, tiny_store) == lines(together, shopper, tiny_store)


def test_fitting_keeps_every_receipt_line_and_adds_empty_baskets(tiny_store):
    index = tiny_store.sku_index
    journeys = make_journeys(
        [[1], [2], [1]],
        [(2, 0, index["BREAD"], 1), (0, 0, index["MILK"], 2), (0, 0, index["JAM"], 1)],
        attributes={"mission": np.array(["quick", "major", "quick"], dtype=object)},
    )
    share = np.random.default_rng(3).random((3, len(tiny_store.categories)))
    bank = BasketBank.fit(journeys, tiny_store, share, empty_share=0.4)
    assert bank.n == 5  # three observed, two empty: 40 %
    assert bank.row.tolist() == [0, 0, 2]
    assert bank.sku_id.tolist() == ["MILK", "JAM", "BREAD"]
    assert bank.qty.tolist() == [2, 1, 1]
    code = {name: c for c, name in enumerate(tiny_store.categories)}
    assert bank.planned_share.tolist() == [
        share[0, code["dairy"]],
        share[0, code["breakfast"]],
        share[2, code["bakery"]],
    ]


def test_saved_and_loaded_the_draws_are_the_same(tiny_store, tmp_path):
    BANK.save_pretrained(tmp_path)
    loaded = BasketBank.from_pretrained(tmp_path)
    u = np.random.default_rng(2).random(200)
    before, after = BANK.draw(u, tiny_store), loaded.draw(u, tiny_store)
    for name in ("shopper", "sku", "qty", "planned_share", "n_unknown"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    assert before.attributes["mission"].tolist() == after.attributes["mission"].tolist()


def test_baskets_are_drawn_as_often_as_they_weigh(tiny_store):
    n, weight = 30_000, np.array([0.5, 2.0, 0.5])
    baskets = replace(BANK, weight=weight).draw(np.random.default_rng(0).random(n), tiny_store)
    n_lines = np.bincount(baskets.shopper, minlength=n) + baskets.n_unknown
    counts = np.bincount(n_lines, minlength=4)[[1, 3, 0]]
    assert stats.chisquare(counts, n * weight / weight.sum()).pvalue > 0.001


def test_weights_are_saved(tmp_path):
    replace(BANK, weight=np.array([0.5, 2.0, 0.5])).save_pretrained(tmp_path)
    assert BasketBank.from_pretrained(tmp_path).weight.tolist() == [0.5, 2.0, 0.5]


@pytest.mark.parametrize("weight", [[1.0, 1.0], [1.0, -1.0, 1.0], [1.0, np.nan, 1.0]])
def test_weights_that_cannot_be_are_refused(weight, tmp_path):
    replace(BANK, weight=np.array(weight)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="do not fit together"):
        BasketBank.from_pretrained(tmp_path)
