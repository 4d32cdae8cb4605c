"""What must hold of the bundled model whatever it has learned."""

from dataclasses import replace

import numpy as np
import pytest

from layouts import DISPLAY_TYPES, Store, bundled_store
from models import ShopperModel
from scenarios.inputs import open_model
from simulator import Itineraries, Luck, draw_population, plan_itineraries

N = 1500


@pytest.fixture(scope="module")
def shop() -> Store:
    return bundled_store("supermarket")


@pytest.fixture(scope="module")
def model() -> ShopperModel:
    return open_model("bundled:supermarket")


def decide(model: ShopperModel, store: Store) -> Itineraries:
    luck = Luck(7)
    _, baskets = draw_population(model, store, N, luck)
    return plan_itineraries(model, store, baskets, N, luck)


def without_zones(store: Store, zone_ids: set[str]) -> Store:
    return replace(
        store,
        name=f"{store.name}--without",
        zones=tuple(zone for zone in store.zones if zone.zone_id not in zone_ids),
        placements=tuple(item for item in store.placements if item.zone_id not in zone_ids),
    )


def test_deleting_displays_does_not_lengthen_trips(model, shop):
    """Stops and time at them per shopper, paired: no more than four standard errors up."""
    at_home = {
        item.sku_id
        for item in shop.placements
        if shop.zones[shop.zone_index[item.zone_id]].zone_type not in DISPLAY_TYPES
    }
    displays = {
        zone.zone_id
        for zone in shop.zones
        if zone.zone_type in DISPLAY_TYPES
        and {item.sku_id for item in shop.placements if item.zone_id == zone.zone_id} <= at_home
    }
    assert len(displays) >= 3
    before, after = decide(model, shop), decide(model, without_zones(shop, displays))
    for figure in ("n_stops", "stop_s"):
        then, now = (
            np.bincount(plans.stop_shopper, weights, N)
            for plans in (before, after)
            for weights in [None if figure == "n_stops" else plans.stop_dwell_s]
        )
        change = now - then
        assert change.mean() < 4 * change.std() / np.sqrt(N), figure


def test_planned_demand_is_conserved_under_every_hypothesis(model, shop):
    """Lines on the lists are those bought as planned and those missed, in every layout alike."""
    smaller = without_zones(shop, {shop.zones[int(shop.stands.any(axis=1).argmax())].zone_id})
    for k in range(2):
        under = model.for_replication(k)
        plans = [decide(under, store) for store in (shop, smaller)]
        wanted = [int(plan.pick_planned.sum() + plan.missed.sum()) for plan in plans]
        assert wanted[0] == wanted[1] > N
