from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layouts import ModelError, swap_contents
from models.needs import BasketBank
from models.velocity_needs import (
    BlendedNeeds,
    VelocityNeeds,
    choose_categories,
    compute_line_shares,
    load_needs,
)


@pytest.fixture(scope="module")
def needs():
    return VelocityNeeds.from_priors(np.random.default_rng(0))


def luck(n):
    return np.random.default_rng(1).random(n)


def test_lines_of_categories_follow_the_velocities(needs, corner_shop):
    """8,192 baskets of four lines: the shares are off by a few in a thousand at most."""
    bank = needs.make_bank(corner_shop)
    category = corner_shop.sku_category[[corner_shop.sku_index[sku_id] for sku_id in bank.sku_id]]
    share = np.bincount(category, minlength=len(corner_shop.categories)) / len(bank.row)
    assert share == pytest.approx(compute_line_shares(needs, corner_shop), abs=0.006)


def test_quick_trips_want_less_than_major_ones(needs, corner_shop):
    baskets = needs.draw(luck(3000), corner_shop)
    n_lines = np.bincount(baskets.shopper, minlength=3000)
    mission = baskets.attributes["mission"]
    means = [n_lines[mission == m].mean() for m in ("quick", "fill-in", "major")]
    assert means == sorted(means)
    assert means[2] > 3 * means[0]


def test_the_layout_has_no_say_in_what_is_wanted(needs, corner_shop):
    stocked = [corner_shop.zones[z].zone_id for z in np.flatnonzero(corner_shop.stands.any(axis=1))]
    changed = swap_contents(corner_shop, stocked[0], stocked[3])
    before, after = needs.draw(luck(500), corner_shop), needs.draw(luck(500), changed)
    assert (before.sku == after.sku).all()
    assert (before.shopper == after.shopper).all()


def test_a_category_that_sells_more_leaves_the_skus_of_others_alone(needs, corner_shop):
    """Most baskets keep every line that is not of the category whose velocity was raised."""
    name = corner_shop.skus[0].category
    skus = tuple(
        replace(sku, velocity=sku.velocity * 1.3) if sku.category == name else sku for sku in corner_shop.skus
    )
    changed = replace(corner_shop, skus=skus)
    lines = [
        {
            (int(row), store.skus[sku].sku_id)
            for row, sku in zip(baskets.shopper, baskets.sku, strict=True)
            if store.skus[sku].category != name
        }
        for store in (corner_shop, changed)
        for baskets in [needs.draw(luck(2000), store)]
    ]
    assert len(lines[0] & lines[1]) > 0.9 * len(lines[0])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(2, 9), st.integers(0, 2**31))
def test_each_basket_gets_as_many_categories_as_it_wants(n, k, seed):
    rng = np.random.default_rng(seed)
    n_wanted = rng.integers(0, k + 1, n)
    if not n_wanted.sum():
        n_wanted[0] = 1
    chosen = choose_categories(rng.gumbel(size=(n, k)), n_wanted, rng.dirichlet(np.ones(k)) + 1e-6)
    assert (chosen.sum(axis=1) == n_wanted).all()


def test_who_wants_nothing_gets_an_empty_basket(corner_shop):
    nobody = VelocityNeeds({"mission": np.array(["quick"] * 4, dtype=object)}, np.array([0, 0, 0, 3]))
    n_lines = np.bincount(nobody.draw(luck(4000), corner_shop).shopper, minlength=4000)
    assert (n_lines == 0).mean() == pytest.approx(0.75, abs=0.04)


def blend(needs, store, share):
    bank = BasketBank(
        attributes={"mission": np.array(["observed"] * 3, dtype=object)},
        row=np.array([0, 1, 2]),
        sku_id=np.array([sku.sku_id for sku in store.skus[:3]], dtype=object),
        qty=np.ones(3, dtype=np.int64),
        planned_share=np.ones(3),
    )
    return BlendedNeeds(bank, needs, share)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_blend_draws_its_share_of_observed_baskets(needs, corner_shop, share):
    baskets = blend(needs, corner_shop, share).draw(luck(3000), corner_shop)
    is_observed = baskets.attributes["mission"] == "observed"
    assert is_observed.mean() == pytest.approx(share, abs=0.03)
    assert (np.diff(baskets.shopper) >= 0).all()
    assert (np.bincount(baskets.shopper, minlength=3000)[is_observed] == 1).all()


def test_saved_needs_draw_the_same(needs, corner_shop, tmp_path):
    for name, part in (("made", needs), ("blend", blend(needs, corner_shop, 0.4))):
        part.save_pretrained(tmp_path / name)
        one, other = (
            part.draw(luck(300), corner_shop),
            load_needs(tmp_path / name).draw(luck(300), corner_shop),
        )
        assert (one.sku == other.sku).all()
        assert (one.planned_share == other.planned_share).all()


def test_needs_that_do_not_fit_together_are_refused(tmp_path):
    VelocityNeeds({"mission": np.array(["quick"], dtype=object)}, np.array([1, 2])).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="do not fit together"):
        load_needs(tmp_path)
