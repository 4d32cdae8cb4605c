from dataclasses import replace

import numpy as np
import pytest

from layouts import Checkout, CheckoutType, Placement, ShelfLevel, bundled_store, with_placements
from scenarios.support import judge_support


def put(store, sku_id, zone_id, facings=1):
    extra = Placement(sku_id=sku_id, zone_id=zone_id, facings=facings, shelf_level=ShelfLevel.EYE)
    return with_placements(store, [*store.placements, extra], "edit")


@pytest.fixture
def few_goods_move(monkeypatch):
    """Let the size of a move alone: each rule is tested by itself."""
    monkeypatch.setattr("scenarios.support.MUCH_MOVED", 1.0)


@pytest.fixture
def shop():
    return bundled_store("corner-shop")


def know(store, **changes):
    """What a model that was trained on this store knows of it."""
    zone_type = {zone.zone_id: str(zone.zone_type) for zone in store.zones}
    seen: dict[str, set[str]] = {}
    for item in store.placements:
        category = store.skus[store.sku_index[item.sku_id]].category
        seen.setdefault(category, set()).add(zone_type[item.zone_id])
    return {
        "store_hash": store.content_hash,
        "zone_types_of_category": {name: sorted(types) for name, types in seen.items()},
        **changes,
    }


def judge(control, variant, **changes):
    return judge_support(control, variant, know(control, **changes))


@pytest.mark.usefixtures("few_goods_move")
def test_what_the_data_had_is_high(shop):
    """Goods of two shelves of one kind change places."""
    support = judge(shop, shop.swap("G2R-1", "G2L-1"))
    assert (support.level, support.why) == ("high", [])
    assert judge(shop, shop).level == "high"


def test_another_control_layout_is_low(tiny_store):
    support = judge_support(tiny_store, tiny_store, know(tiny_store.swap("south", "north")))
    assert support.level == "low"
    assert support.why == ["the model was not trained on this control layout (tiny)"]


def test_a_model_that_knows_nothing_is_low(tiny_store):
    assert judge_support(tiny_store, tiny_store, {"kind": "reference shopper"}).level == "low"


@pytest.mark.usefixtures("few_goods_move")
def test_a_category_on_a_display_for_the_first_time_is_low(tiny_store):
    support = judge(tiny_store, put(tiny_store, "JAM", "end"))
    assert support.level == "low"
    assert support.why == ["breakfast was never seen in a zone of type endcap"]


def test_a_category_in_another_kind_of_shelf_is_medium(shop):
    """Crisps stand in aisles and on endcaps; a perimeter shelf is new to one category that is not there."""
    known = know(shop)["zone_types_of_category"]
    category = next(name for name, types in sorted(known.items()) if "perimeter" not in types)
    sku = next(sku for sku in shop.skus if sku.category == category)
    roomy = next(
        zone
        for zone in shop.zones
        if zone.zone_type == "perimeter"
        and zone.capacity_facings > shop.facings[shop.zone_index[zone.zone_id]].sum()
    )
    support = judge(shop, put(shop, sku.sku_id, roomy.zone_id))
    assert support.level == "medium"
    assert support.why == [f"{category} was never seen in a zone of type perimeter"]


@pytest.mark.usefixtures("few_goods_move")
def test_what_another_store_showed_counts_as_seen(tiny_store):
    known = know(tiny_store)["zone_types_of_category"]
    known["breakfast"] = [*known["breakfast"], "endcap"]
    support = judge(tiny_store, put(tiny_store, "JAM", "end"), zone_types_of_category=known)
    assert support.level == "high"


def test_a_category_that_was_never_sold_is_low(tiny_store):
    tea = replace(tiny_store.skus[0], sku_id="TEA", category="tea")
    variant = put(replace(tiny_store, skus=(*tiny_store.skus, tea)), "TEA", "south")
    support = judge(tiny_store, variant)
    assert support.level == "low"
    assert "the category tea was never sold in the data" in support.why


@pytest.mark.usefixtures("few_goods_move")
def test_moved_furniture_and_tills_are_medium(shop):
    fixture = next(zone.fixture_id for zone in shop.zones if zone.zone_id == "EB-1")
    x0, y0, x1, y1 = next(f.polygon.bounds for f in shop.fixtures if f.fixture_id == fixture)
    moved = shop.move(fixture, to=((x0 + x1) / 2, (y0 + y1) / 2 + 0.05))
    support = judge(shop, moved)
    assert support.level == "medium"
    assert support.why == ["walls, fixtures, doors or tills differ, so people will walk where they never did"]
    till = Checkout(checkout_id="C2", checkout_type=CheckoutType.SELF, xy=(2.25, 0.75))
    assert judge(shop, replace(shop, checkouts=(*shop.checkouts, till))).level == "medium"


@pytest.mark.usefixtures("few_goods_move")
def test_a_change_of_more_than_a_quarter_of_the_zones_is_medium(tiny_store):
    """Two of five zones: 40 %; facings alone change the content."""
    one = with_placements(
        tiny_store,
        [replace(p, facings=p.facings + (p.sku_id == "JAM")) for p in tiny_store.placements],
        "facings",
    )
    assert judge(tiny_store, one).level == "high"  # one of five
    support = judge(tiny_store, tiny_store.swap("south", "north"))
    assert support.level == "medium"
    assert support.why == ["40% of the zones differ from the control"]


def test_renamed_zones_with_the_same_goods_have_not_changed(tiny_store):
    """Names of zones say nothing; a new name alone must not read as a new place."""
    renamed = replace(
        tiny_store,
        zones=tuple(replace(zone, zone_id=f"z-{zone.zone_id}") for zone in tiny_store.zones),
        placements=tuple(replace(p, zone_id=f"z-{p.zone_id}") for p in tiny_store.placements),
    )
    assert judge(tiny_store, renamed).why == []


@pytest.mark.usefixtures("few_goods_move")
def test_low_outweighs_medium_and_all_reasons_are_told(tiny_store):
    variant = put(tiny_store.swap("south", "north"), "JAM", "end")
    support = judge(tiny_store, variant)
    assert support.level == "low"
    assert len(support.why) == 2
    assert "60% of the zones" in support.why[1]


def test_another_catalogue_lowers_support(tiny_store):
    first = tiny_store.skus[0]
    dearer = replace(tiny_store, skus=(replace(first, price=first.price + 1), *tiny_store.skus[1:]))
    known = {"store_hash": tiny_store.content_hash, "zone_types_of_category": {}}
    support = judge_support(tiny_store, dearer, known)
    assert support.level == "medium"
    assert support.why == ["1 SKUs have another price or margin, to which these shoppers do not react"]


def test_moving_what_many_buy_is_medium(tiny_store):
    """All six SKUs sell something; those that change places are weighed by their velocity."""
    a, b = (tiny_store.zones[z] for z in np.flatnonzero(tiny_store.stands.any(axis=1))[:2])
    moved = {item.sku_id for item in tiny_store.placements if item.zone_id in (a.zone_id, b.zone_id)}
    placements = [
        replace(item, zone_id={a.zone_id: b.zone_id, b.zone_id: a.zone_id}.get(item.zone_id, item.zone_id))
        for item in tiny_store.placements
    ]
    variant = replace(tiny_store, placements=tuple(placements))
    total = sum(sku.velocity for sku in tiny_store.skus)
    share = sum(sku.velocity for sku in tiny_store.skus if sku.sku_id in moved) / total
    why = judge_support(tiny_store, variant, know(tiny_store)).why
    assert any(
        reason.startswith(f"goods that make {share:.0%} of the units sold stand elsewhere") for reason in why
    )
