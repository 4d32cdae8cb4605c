from dataclasses import replace

import pytest

from layouts import PlanogramError, bundled_store
from scenarios.snack_endcap import put_on_front_endcap


def test_the_endcap_holds_the_best_seller_and_the_rest_stays(tiny_store):
    skus = tuple(replace(sku, velocity=50.0) if sku.sku_id == "CAKE" else sku for sku in tiny_store.skus)
    control = replace(tiny_store, skus=skus)
    variant = put_on_front_endcap(control, ["bakery"], n_skus=1)
    held = {(p.sku_id, p.facings) for p in variant.placements if p.zone_id == "end"}
    assert held == {("CAKE", 6)}
    before, after = ({p for p in store.placements if p.zone_id != "end"} for store in (control, variant))
    assert after == before
    assert variant.name == "tiny--snack-endcap"
    assert {zone.zone_id for zone in variant.zones if zone.version == 2} == {"end"}


def test_a_store_without_the_goods_is_told(tiny_store):
    with pytest.raises(PlanogramError, match="no toys in this store; it carries bakery"):
        put_on_front_endcap(tiny_store, ["toys"])


def test_the_bundled_supermarket_gets_five_snacks():
    control = bundled_store("supermarket")
    variant = put_on_front_endcap(control)
    (changed,) = [zone.zone_id for zone in variant.zones if zone.version > 1]
    assert changed.startswith("EF-")
    assert len({p.sku_id for p in variant.placements if p.zone_id == changed}) == 5
