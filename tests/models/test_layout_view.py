from dataclasses import replace

import numpy as np
import pytest
from shapely.affinity import scale

from layouts import Placement, ShelfLevel, Store, bundled_store, with_placements
from models import view_layout
from models.layout_view import NOTICE_M, NOTICE_S, TILL_LOOK_S, ZONE_FEATURES


def feature(view, zone_id, name):
    return view.zone_features[view.store.zone_index[zone_id], ZONE_FEATURES.index(name)]


def rename_zones(store: Store) -> Store:
    name = {zone.zone_id: f"z{i * 7 % 31}" for i, zone in enumerate(store.zones)}
    return replace(
        store,
        zones=tuple(replace(zone, zone_id=name[zone.zone_id]) for zone in reversed(store.zones)),
        placements=tuple(replace(p, zone_id=name[p.zone_id]) for p in reversed(store.placements)),
    )


def mirror(store: Store) -> Store:
    def flip(item):
        return replace(item, polygon=scale(item.polygon, xfact=-1, origin=(3.0, 0.0)))

    def across(item):
        return replace(item, xy=(6.0 - item.xy[0], item.xy[1]))

    return replace(
        store,
        fixtures=tuple(flip(item) for item in store.fixtures),
        zones=tuple(flip(item) for item in store.zones),
        entrances=tuple(across(item) for item in store.entrances),
        exits=tuple(across(item) for item in store.exits),
        checkouts=tuple(across(item) for item in store.checkouts),
    )


def test_asked_twice_the_view_is_the_same(tiny_store):
    assert view_layout(tiny_store) is view_layout(tiny_store)


def test_features_of_the_tiny_store(tiny_view):
    assert tiny_view.zone_features.shape == (5, len(ZONE_FEATURES))
    assert feature(tiny_view, "end", "zone_is_endcap") == feature(tiny_view, "cold", "is_refrigerated") == 1
    assert feature(tiny_view, "end", "zone_is_aisle") == feature(tiny_view, "south", "is_refrigerated") == 0
    assert feature(tiny_view, "south", "fixture_is_gondola") == 1
    assert feature(tiny_view, "south", "log_facings") == pytest.approx(np.log(6) / 3)  # 3 + 2 facings
    assert feature(tiny_view, "south", "log_area") == pytest.approx(np.log(3) / 3)  # 2 m2
    # six SKUs of velocity 20; crisps stand in two places, so half of theirs counts in each
    assert feature(tiny_view, "end", "demand_share") == pytest.approx(3 * np.sqrt(10 / 120))
    assert feature(tiny_view, "end", "display_share") == 1
    assert feature(tiny_view, "north", "display_share") == 0.5
    assert feature(tiny_view, "end", "margin_rate") == pytest.approx(0.7 / 1.8)
    mean_price = (2.0 + 3.0 + 2.5 + 1.8 + 1.2 + 0.8) / 6
    assert feature(tiny_view, "end", "price_level") == pytest.approx(np.log(1.9 / (mean_price + 0.1)))
    assert feature(tiny_view, "door", "price_level") == feature(tiny_view, "door", "log_skus") == 0


def test_notice_is_one_minus_exp_of_the_way_in_view(tiny_view, tiny_store):
    before_tills = slice(0, tiny_store.walks.checkout_places.start)
    expected = 1 - np.exp(-tiny_store.leg_views[:, before_tills] / NOTICE_M)
    assert tiny_view.leg_notice[:, before_tills] == pytest.approx(expected)
    south, end = tiny_store.zone_index["south"], tiny_store.zone_index["end"]
    noticed = tiny_view.stop_notice(np.array([south, south]), np.array([NOTICE_S, 0.0]))
    assert noticed[0, south] == pytest.approx(1 - np.exp(-1.0))  # one stands in it
    assert not noticed[1].any()
    assert noticed[0, end] == pytest.approx(1 - np.exp(-tiny_view.place_sight[south, end]))


def test_who_pays_looks_round(tiny_view, tiny_store):
    till = tiny_store.walks.checkout_places.start
    looks = tiny_store.leg_views[:, till] / NOTICE_M + tiny_view.place_sight[till] * TILL_LOOK_S / NOTICE_S
    assert tiny_view.place_sight[till].max() > 0
    assert tiny_view.leg_notice[:, till] == pytest.approx(1 - np.exp(-looks), abs=1e-6)


def test_nearest_till_and_exit_are_places(tiny_view, tiny_store):
    walks = tiny_store.walks
    assert (tiny_view.nearest_checkout == walks.checkout_places.start).all()
    assert tiny_view.entrance == walks.entrance_places.start
    assert tiny_view.scale_m == pytest.approx(tiny_view.distance_m[:5, :5].max())


def test_names_and_order_do_not_show(corner_shop):
    view, renamed = view_layout(corner_shop), view_layout(rename_zones(corner_shop))
    for name in ("zone_features", "distance_m", "leg_notice", "place_sight", "zone_key"):
        assert np.array_equal(getattr(view, name), getattr(renamed, name)), name


def test_a_mirrored_store_reads_the_same(tiny_store):
    view, mirrored = view_layout(tiny_store), view_layout(mirror(tiny_store))
    there = [mirrored.store.zone_index[zone.zone_id] for zone in tiny_store.zones]
    exact = [i for i, name in enumerate(ZONE_FEATURES) if name not in ("from_entrance", "to_checkout")]
    assert mirrored.zone_features[there][:, exact] == pytest.approx(view.zone_features[:, exact], abs=1e-5)


def keys_of(store):
    return dict(
        zip((zone.zone_id for zone in store.zones), view_layout(store).zone_key.tolist(), strict=True)
    )


def test_keys_follow_what_a_zone_offers(tiny_store):
    key, swapped = keys_of(tiny_store), keys_of(tiny_store.swap("south", "end"))
    assert swapped["end"] == key["south"]
    assert swapped["cold"] == key["cold"]
    assert swapped["door"] == key["door"]
    assert len(set(swapped.values())) == 5


def test_a_shelf_keeps_its_key_when_its_best_seller_goes_on_display(corner_shop):
    """The endcap EF-1 comes before the shelf G2R-1 on the way from the door."""
    key, index = keys_of(corner_shop), corner_shop.zone_index
    assert index["EF-1"] < index["G2R-1"]
    best = corner_shop.skus[int(corner_shop.facings[index["G2R-1"]].argmax())].sku_id
    display = Placement(sku_id=best, zone_id="EF-1", facings=4, shelf_level=ShelfLevel.EYE)
    rest = [p for p in corner_shop.placements if p.zone_id != "EF-1"]
    shown = keys_of(with_placements(corner_shop, [*rest, display], "shown"))
    assert shown.pop("EF-1") not in {*key.values()} - {key["EF-1"]}
    assert shown.items() <= key.items()


@pytest.mark.parametrize("name", ["corner-shop", "supermarket", "racetrack"])
def test_views_of_bundled_stores_are_finite(name):
    view = view_layout(bundled_store(name))
    assert np.isfinite(view.zone_features).all()
    assert np.abs(view.zone_features).max() < 10
    assert np.isfinite(view.distance_m).all()
    assert view.leg_notice.min() >= 0
    assert view.leg_notice.max() < 1
    assert len(set(view.zone_key.tolist())) == view.n_zones
