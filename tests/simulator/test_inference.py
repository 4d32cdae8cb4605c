"""What a cohort decides: demand is conserved, luck is keyed, edits change only what they touch."""

from dataclasses import fields, replace

import numpy as np
import pytest

from layouts import Placement, ShelfLevel, Store, bundled_store, with_placements
from models import (
    LEAVE,
    BasketBank,
    Decisions,
    ReferenceBehaviour,
    ShopperModel,
    build_reference_model,
    compute_exposures,
    view_layout,
)
from models.reference import ReferenceConversion
from simulator import Itineraries, Luck, check_itineraries, draw_population, plan_itineraries
from simulator.inference import LOT
from tests.models.worlds import compute_walk_m, encode_itineraries, make_model, plan

N = 1500
CURIOUS = ReferenceBehaviour(impulse_hazard=0.06, browse_utility=-4.5)


@pytest.fixture(scope="module")
def shop() -> Store:
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def reference(shop) -> ShopperModel:
    return build_reference_model(shop, np.random.default_rng(0), behaviour=CURIOUS)


@pytest.fixture(scope="module")
def network(shop) -> ShopperModel:
    return make_model(shop)


@pytest.fixture(scope="module", params=["reference", "network"])
def model(request) -> ShopperModel:
    return request.getfixturevalue(request.param)


def rename_zones(store: Store) -> Store:
    """The same store, zones renamed, features and rows in another order."""
    name = {zone.zone_id: f"z{i * 7 % 31}" for i, zone in enumerate(store.zones)}
    return replace(
        store,
        zones=tuple(replace(zone, zone_id=name[zone.zone_id]) for zone in reversed(store.zones)),
        fixtures=tuple(reversed(store.fixtures)),
        skus=tuple(reversed(store.skus)),
        placements=tuple(replace(p, zone_id=name[p.zone_id]) for p in reversed(store.placements)),
    )


def refill(store: Store, zone_id: str, *sku_ids: str) -> Store:
    """Put these SKUs, and nothing else, into a zone."""
    rest = [p for p in store.placements if p.zone_id != zone_id]
    new = [
        Placement(sku_id=sku_id, zone_id=zone_id, facings=2, shelf_level=ShelfLevel.EYE) for sku_id in sku_ids
    ]
    return with_placements(store, [*rest, *new], f"refill-{zone_id}")


def is_same(a: Itineraries, b: Itineraries) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def rows_of(plans: Itineraries, shoppers: range) -> Itineraries:
    """The itineraries of a run of shoppers, as if there were no others."""
    stop = slice(*plans.stop_offsets[[shoppers.start, shoppers.stop]])
    pick = slice(*np.searchsorted(plans.pick_stop, [stop.start, stop.stop]))
    return Itineraries(
        n_shoppers=len(shoppers),
        stop_shopper=plans.stop_shopper[stop] - shoppers.start,
        stop_zone=plans.stop_zone[stop],
        stop_cell=plans.stop_cell[stop],
        stop_dwell_s=plans.stop_dwell_s[stop],
        pick_stop=plans.pick_stop[pick] - stop.start,
        pick_sku=plans.pick_sku[pick],
        pick_qty=plans.pick_qty[pick],
        pick_planned=plans.pick_planned[pick],
        missed=plans.missed[shoppers.start : shoppers.stop],
        unplanned_profit=plans.unplanned_profit[shoppers.start : shoppers.stop],
    )


def profits(plans: Itineraries, store: Store) -> np.ndarray:
    margin = np.array([sku.margin for sku in store.skus])
    return np.bincount(plans.pick_shopper, plans.pick_qty * margin[plans.pick_sku], plans.n_shoppers)


def walks_m(plans: Itineraries, store: Store) -> np.ndarray:
    return compute_walk_m(encode_itineraries(plans, {}).zone, view_layout(store))


# ---- demand


def test_what_was_planned_is_bought_or_missed(model, shop):
    """Lines that are on the list for certain, and the units on them, come back as purchases or as missed."""
    certain = replace(model, needs=replace(model.needs, planned_share=np.ones(len(model.needs.row))))
    _, baskets = draw_population(certain, shop, N, Luck(1))
    plans = plan_itineraries(certain, shop, baskets, N, Luck(1))
    n_lines = np.bincount(baskets.shopper, minlength=N)
    planned = plans.pick_planned
    bought = np.bincount(plans.pick_shopper[planned], minlength=N)
    assert np.array_equal(bought + plans.missed, n_lines)
    assert plans.missed.sum() < 0.01 * n_lines.sum()  # all of it stands in the store
    found = plans.missed[baskets.shopper] == 0
    asked = sorted(
        zip(
            baskets.shopper[found].tolist(),
            baskets.sku[found].tolist(),
            baskets.qty[found].tolist(),
            strict=True,
        )
    )
    of_found = planned & (plans.missed[plans.pick_shopper] == 0)
    got = zip(
        plans.pick_shopper[of_found].tolist(),
        plans.pick_sku[of_found].tolist(),
        plans.pick_qty[of_found].tolist(),
        strict=True,
    )
    assert sorted(got) == asked


def test_what_does_not_stand_there_is_missed_and_not_replaced(reference, shop):
    """The catalogue still lists it, no shelf holds it: its buyers go without the category."""
    sku = max(shop.skus, key=lambda sku: sku.velocity)
    gone = replace(shop, placements=tuple(p for p in shop.placements if p.sku_id != sku.sku_id))
    _, baskets = draw_population(reference, gone, N, Luck(2))
    plans = plan_itineraries(reference, gone, baskets, N, Luck(2))
    index = gone.sku_index[sku.sku_id]
    wanting = baskets.shopper[baskets.sku == index]
    assert len(wanting) > 50
    assert np.array_equal(plans.missed, np.bincount(wanting, minlength=N))
    category = gone.sku_category[plans.pick_sku]
    of_them = np.isin(plans.pick_shopper, wanting) & (category == gone.sku_category[index])
    assert not (of_them & ~plans.pick_planned).any()


def test_a_sku_that_the_catalogue_lost_is_missed(reference, shop):
    sku = max(shop.skus, key=lambda sku: sku.velocity)
    gone = replace(
        shop,
        skus=tuple(s for s in shop.skus if s is not sku),
        placements=tuple(p for p in shop.placements if p.sku_id != sku.sku_id),
    )
    _, before = draw_population(reference, shop, N, Luck(2))
    wanting = before.shopper[before.sku == shop.sku_index[sku.sku_id]]
    plans = plan(reference, gone, N, seed=2)
    assert np.array_equal(plans.missed, np.bincount(wanting, minlength=N))


def test_lists_are_drawn_by_the_planned_share_category_by_category(network, shop):
    """A third of the lines are planned with chance 0.5; lines of one category are planned together."""
    _, baskets = draw_population(network, shop, 4000, Luck(3))
    plans = plan_itineraries(network, shop, baskets, 4000, Luck(3))
    n_planned = plans.pick_planned.sum() + plans.missed.sum()
    expected = baskets.planned_share.sum()
    sd = np.sqrt((baskets.planned_share * (1 - baskets.planned_share)).sum())
    assert n_planned == pytest.approx(expected, abs=4 * sd)


def test_unplanned_purchases_are_of_categories_that_are_not_on_the_list_and_once_each(model, shop):
    plans = plan(model, shop, N)
    n_categories = len(shop.categories)
    pair = plans.pick_shopper * n_categories + shop.sku_category[plans.pick_sku]
    unplanned = pair[~plans.pick_planned]
    assert len(unplanned) > 100
    assert len(np.unique(unplanned)) == len(unplanned)
    assert not np.isin(unplanned, pair[plans.pick_planned]).any()


def test_a_missed_need_is_not_met_by_chance(reference, shop):
    """Nobody buys unplanned what stands on the list, not even if no shelf has the SKU that was wanted."""
    _, baskets = draw_population(reference, shop, N, Luck(4))
    plans = plan_itineraries(reference, shop, baskets, N, Luck(4))
    n_categories = len(shop.categories)
    listed = baskets.shopper * n_categories + shop.sku_category[baskets.sku]
    unplanned = plans.pick_shopper * n_categories + shop.sku_category[plans.pick_sku]
    assert not np.isin(unplanned[~plans.pick_planned], listed).any()


def test_every_pick_stands_in_the_zone_of_its_stop(model, shop):
    plans = plan(model, shop, N)
    check_itineraries(plans, shop)
    zone = plans.stop_zone[plans.pick_stop]
    assert shop.stands[zone, plans.pick_sku].all()
    in_zone = [
        np.isin(cell, shop.walks.zone_cells[z])
        for z, cell in zip(plans.stop_zone, plans.stop_cell, strict=True)
    ]
    assert all(in_zone)


class OneStop:
    """Everybody stops once, for 12 s in the zone given, and leaves."""

    buys = False

    def __init__(self, zone):
        self.zone = zone

    def encode_attributes(self, attributes):
        return np.zeros((len(attributes["mission"]), 1), dtype=np.int64)

    def decide(self, states, layout, draws):
        n = len(states.place)
        return Decisions(zone=np.full(n, LEAVE if states.n_stops else self.zone), dwell_s=np.full(n, 12.0))


class Answering(ReferenceConversion):
    """The reference shopper's, but who stops for nothing has seen what there was to see."""

    idle_stops_notice = False


@pytest.mark.parametrize("kind", [ReferenceConversion, Answering])
def test_unplanned_purchases_follow_the_hazard_of_what_was_noticed(shop, kind):
    """Door, one stop, till: how many buy what, and in which zone, follows from three exposures."""
    model = build_reference_model(
        shop, np.random.default_rng(0), behaviour=ReferenceBehaviour(impulse_hazard=0.3)
    )
    model = replace(model, conversion=kind(model.conversion.behaviour, model.conversion.category_effect))
    dwell_s = 12.0 * kind.idle_stops_notice
    nobody = BasketBank(
        attributes={"mission": np.array(["fill-in"], dtype=object)},
        row=np.zeros(0, dtype=np.int64),
        sku_id=np.zeros(0, dtype=object),
        qty=np.zeros(0, dtype=np.int64),
        planned_share=np.zeros(0),
    )
    n, zone, view = 6000, shop.zone_index["G2R-1"], view_layout(shop)
    plans = plan(replace(model, needs=nobody, policy=OneStop(zone)), shop, n)
    hazard = model.conversion.compute_hazard(view)
    steps = (
        view.leg_notice[view.entrance, zone],
        view.stop_notice(np.array([zone]), np.array([dwell_s]))[0],
        view.leg_notice[zone, view.nearest_checkout[zone]],
    )
    expected, is_left = np.zeros(hazard.shape), np.ones(hazard.shape[1])
    for notice in steps:
        rate = notice[:, None] * hazard
        total = rate.sum(axis=0)
        expected += is_left * -np.expm1(-total) * rate / np.maximum(total, 1e-12)
        is_left = is_left * np.exp(-total)
    notices = compute_exposures(np.array([[zone]]), np.array([[dwell_s]]), view)[0]
    assert expected.sum(axis=0) == pytest.approx(-np.expm1(-(notices @ hazard)), rel=1e-4)
    bought = np.zeros(hazard.shape)
    at = plans.stop_zone[plans.pick_stop], shop.sku_category[plans.pick_sku]
    np.add.at(bought, at, 1 / n)
    assert (expected > 0.01).sum() > 5
    assert np.abs((bought - expected) / np.sqrt(expected / n + 1e-12))[expected > 0.001].max() < 4.5
    assert not bought[expected == 0].any()


# ---- luck


def test_planned_twice_the_itineraries_are_the_same(model, shop):
    """Not the same object computed once: everything is drawn, read and decided anew."""
    again = bundled_store("corner-shop")
    first, second = plan(model, shop, 600), plan(model, again, 600)
    assert first is not second
    assert is_same(first, second)


def test_another_seed_or_replication_gives_other_itineraries(reference, shop):
    first = plan(reference, shop, 300, seed=1)
    assert not is_same(first, plan(reference, shop, 300, seed=2))
    assert not is_same(first, plan(reference, shop, 300, seed=1, replication=1))


def test_a_shopper_does_not_depend_on_how_many_others_there_are(model, shop):
    """Whole lots: to the last bit for any policy."""
    many = plan(model, shop, 2 * LOT + 100)
    for lots in (1, 2):
        assert is_same(rows_of(many, range(lots * LOT)), plan(model, shop, lots * LOT))


def test_rules_do_not_depend_on_the_lot_at_all(reference, shop):
    assert is_same(rows_of(plan(reference, shop, LOT + 77), range(60)), plan(reference, shop, 60))


def test_names_of_zones_and_the_order_of_files_do_not_matter(model, shop):
    plans, renamed = plan(model, shop, N), plan(model, rename_zones(shop), N)
    assert is_same(plans, renamed)
    assert np.array_equal(profits(plans, shop), profits(renamed, rename_zones(shop)))


class Recording(OneStop):
    """One stop, and a note of the luck that was handed over with each decision."""

    def __init__(self, zone):
        super().__init__(zone)
        self.draws = []

    def decide(self, states, layout, draws):
        every = np.arange(len(states.place))[:, None], np.arange(layout.n_zones)[None]
        self.draws.append(replace(draws, dwell=draws.dwell[every]))
        return super().decide(states, layout, draws)


def record_luck(model, store, zone_id):
    policy = Recording(store.zone_index[zone_id])
    plan(replace(model, policy=policy), store, LOT)
    return policy.draws


def test_every_shopper_place_and_choice_has_luck_of_its_own(reference, shop):
    at_door, in_zone = record_luck(reference, shop, "G2R-1")
    for name in ("next_zone", "dwell"):
        values = getattr(at_door, name)
        assert len(np.unique(values)) == values.size == LOT * (shop.n_zones + (name == "next_zone"))
        assert values.mean() == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / values.size))
    assert not np.isin(in_zone.next_zone, at_door.next_zone).any()
    been = shop.zone_index["G2R-1"]  # how long the next stop takes is drawn anew where one has been
    assert (in_zone.dwell != at_door.dwell).all(axis=0).tolist() == [z == been for z in range(shop.n_zones)]


def test_luck_follows_the_goods_to_another_zone(reference, shop):
    """Swapped shelves: the luck of choosing each moves with its goods, that of all others stays."""
    a, b = shop.zone_index["G3R-1"], shop.zone_index["G2L-1"]
    before = record_luck(reference, shop, "G2R-1")
    after = record_luck(reference, shop.swap("G3R-1", "G2L-1"), "G2R-1")
    order = np.arange(shop.n_zones + 1)
    order[[a, b]] = b, a
    for step in (0, 1):
        assert np.array_equal(after[step].next_zone, before[step].next_zone[:, order])
        assert np.array_equal(after[step].dwell, before[step].dwell[:, order[:-1]])


def test_the_same_people_come_to_every_layout(reference, shop):
    variant = shop.swap("G3R-1", "G1L-1")
    (people, baskets), (same, wants) = (draw_population(reference, s, 400, Luck(5)) for s in (shop, variant))
    assert np.array_equal(people.arrival_s, same.arrival_s)
    assert np.array_equal(people.speed_mps, same.speed_mps)
    assert np.array_equal(baskets.sku, wants.sku)
    assert np.array_equal(baskets.shopper, wants.shopper)


def test_paired_profits_of_a_small_edit_go_together(reference, shop):
    """Two shelves change places; without pairing the correlation would be 0."""
    variant = shop.swap("G3R-1", "G2L-1")
    control, changed = profits(plan(reference, shop, N), shop), profits(plan(reference, variant, N), variant)
    assert (control != changed).any()
    assert np.corrcoef(control, changed)[0, 1] > 0.9
    apart = profits(plan(reference, variant, N, seed=99), variant)
    assert abs(np.corrcoef(control, apart)[0, 1]) < 0.1


# ---- edits


def planned_route(plans: Itineraries, shopper: int, until_zone: int) -> list[int]:
    """Zones in which a shopper takes planned things, up to the first stop in `until_zone`."""
    start, stop = plans.stop_offsets[[shopper, shopper + 1]]
    of_planned = set(plans.pick_stop[plans.pick_planned].tolist())
    route: list[int] = []
    for row in range(start, stop):
        if plans.stop_zone[row] == until_zone:
            break
        if row in of_planned:
            route.append(int(plans.stop_zone[row]))
    return route


def test_other_goods_at_the_till_do_not_change_the_way_there(reference, shop):
    """Planned stops before the first one at the till rack stay, for all who want none of its goods."""
    rack = shop.zone_index["CO-1"]
    home = {p.sku_id for p in shop.placements if p.zone_id == "G1L-1"}
    new = sorted(home)[:2]
    variant = refill(shop, "CO-1", *new)
    moved = {p.sku_id for p in shop.placements if p.zone_id == "CO-1"} ^ set(new)
    assert {shop.skus[k].sku_id for k in np.flatnonzero(variant.stands[rack] != shop.stands[rack])} == moved
    _, baskets = draw_population(reference, shop, N, Luck(0))
    concerned = np.isin(baskets.sku, [shop.sku_index[sku_id] for sku_id in moved])
    others = np.setdiff1d(np.arange(N), baskets.shopper[concerned])
    before, after = plan(reference, shop, N), plan(reference, variant, N)
    assert not is_same(before, after)
    compared = 0
    for shopper in others.tolist():
        a, b = planned_route(before, shopper, rack), planned_route(after, shopper, rack)
        shared = min(len(a), len(b))
        assert a[:shared] == b[:shared], shopper
        compared += shared
    assert compared > 1.5 * len(others)


def test_a_zone_that_nobody_needs_can_go_without_longer_trips(reference, shop):
    """An endcap that only repeats goods of one far shelf is emptied of shoppers' reasons and taken away."""
    sku = shop.skus[int(shop.facings[shop.zone_index["G1L-1"]].argmax())].sku_id
    bare = refill(shop, "EF-3", sku)
    needs = reference.needs
    nobody_needs = replace(needs, planned_share=np.where(needs.sku_id == sku, 0.0, 1.0))
    model = replace(reference, needs=nobody_needs)
    fixture = next(zone.fixture_id for zone in bare.zones if zone.zone_id == "EF-3")
    without = bare.remove_fixture(fixture)
    assert without.n_zones == bare.n_zones - 1
    n = 3000
    before, after = plan(model, bare, n), plan(model, without, n)

    def difference(figure):
        delta = figure(after, without) - figure(before, bare)
        return delta.mean(), delta.std(ddof=1) / np.sqrt(n)

    mean, error = difference(lambda plans, _: np.bincount(plans.stop_shopper, minlength=n))
    assert mean < 2 * error
    mean, error = difference(walks_m)
    assert mean < 2 * error + 0.05  # the other endcaps move by centimetres in the cell grid
    assert np.array_equal(
        np.bincount(before.pick_shopper[before.pick_planned], minlength=n),
        np.bincount(after.pick_shopper[after.pick_planned], minlength=n),
    )


def test_a_second_place_is_found_nearer(reference, shop):
    """A much wanted SKU of the far end is put beside the door as well: planned purchases move there."""
    far = shop.zone_index["L-1"]
    wanted = np.array([sku.velocity for sku in shop.skus]) * shop.stands[far] * (shop.stands.sum(axis=0) == 1)
    index = int(wanted.argmax())
    sku = shop.skus[index]
    near = next(
        z.zone_id
        for z in shop.zones
        if z.zone_type == "endcap" and (z.has_refrigeration or not sku.requires_refrigeration)
    )
    variant = refill(shop, near, sku.sku_id)
    plans = plan(reference, variant, N)
    of_sku = (plans.pick_sku == index) & plans.pick_planned
    zone = plans.stop_zone[plans.pick_stop[of_sku]]
    assert of_sku.sum() > 20
    assert (zone == variant.zone_index[near]).mean() > 0.5


# ---- leaving


class Wanderer(OneStop):
    """Never leaves of its own accord, and never goes where anything stands that it wants."""

    def decide(self, states, layout, draws):
        dry = np.flatnonzero(~layout.store.stands.any(axis=1))
        return Decisions(zone=np.full(len(states.place), dry[0]), dwell_s=np.ones(len(states.place)))


class Hurried(OneStop):
    def decide(self, states, layout, draws):
        return Decisions(zone=np.full(len(states.place), LEAVE), dwell_s=np.zeros(len(states.place)))


def test_who_never_leaves_is_sent_home_with_what_is_missing_counted(reference, shop):
    _, baskets = draw_population(reference, shop, 50, Luck(0))
    plans = plan_itineraries(replace(reference, policy=Wanderer(0)), shop, baskets, 50, Luck(0))
    assert np.array_equal(plans.missed, np.bincount(baskets.shopper, minlength=50))
    dry = plans.stop_zone == np.flatnonzero(~shop.stands.any(axis=1))[0]
    assert (np.bincount(plans.stop_shopper[dry], minlength=50) == 60).all()


def test_who_leaves_at_once_meets_what_lies_on_the_way_only(reference, shop):
    plans = plan(replace(reference, policy=Hurried(0)), shop, N)
    assert not plans.pick_planned.any()
    view = view_layout(shop)
    seen = view.leg_notice[view.entrance, view.nearest_checkout[view.entrance]] > 0
    assert seen[plans.stop_zone].all()
    assert np.array_equal(np.unique(plans.pick_stop), np.arange(plans.n_stops))
