from dataclasses import replace

import numpy as np
import pytest

from layouts import DISPLAY_TYPES, bundled_store, swap_contents, with_placements
from models.hypotheses import Hypothesis
from scenarios.model_error import (
    ERROR_SD,
    MISFIT_POWER,
    UNPLANNED_POWER,
    estimate_error,
    measure_change,
    measure_misfit,
)
from tests.models.worlds import make_model
from tests.scenarios.test_support import put


@pytest.fixture(scope="module")
def shop():
    return bundled_store("supermarket")


@pytest.fixture(scope="module")
def people(shop):
    return make_people(shop)


def make_people(shop, *, unplanned=0.4, habituation=0.6, spent=0.0001):
    model = make_model(shop)
    model.conversion.log_habituation.data.fill_(float(np.log(habituation)))
    model.conversion.log_spent.data.fill_(float(np.log(spent)))
    needs = model.needs.replan(np.full(len(model.needs.line_shares), 1.0 - unplanned))
    return replace(model, hypotheses=(Hypothesis(needs, model.conversion),))


def shelves(store):
    return [z for z in store.zones if z.zone_type not in DISPLAY_TYPES and z.zone_type != "entrance"]


def test_the_same_store_and_one_with_other_names_are_no_change(shop, people):
    renamed = replace(
        shop,
        zones=tuple(replace(zone, zone_id=f"new {zone.zone_id}") for zone in shop.zones),
        placements=tuple(replace(item, zone_id=f"new {item.zone_id}") for item in shop.placements),
    )
    for other in (shop, renamed):
        assert set(measure_change(shop, other).values()) == {0.0}
        assert estimate_error(shop, other, people) == 0.0


def test_a_swap_moves_goods_and_nothing_else(shop):
    first, second = [z.zone_id for z in shelves(shop) if not z.has_refrigeration][:2]
    change = measure_change(shop, swap_contents(shop, first, second))
    assert 0.0 < change["goods"] < 0.2
    assert change["displays"] == change["ways"] == 0.0


def test_goods_on_one_more_display_change_that_display(tiny_store):
    change = measure_change(tiny_store, put(tiny_store, "BREAD", "end"))
    assert change["displays"] == 1.0  # its only one
    assert change["ways"] == 0.0


def test_a_moved_door_changes_ways_and_the_farther_the_more(shop):
    door = shop.entrances[0]
    x0, _, x1, _ = shop.floor.bounds
    changes = []
    for share in (0.1, 0.5):
        x = door.xy[0] + share * ((x1 if door.xy[0] < (x0 + x1) / 2 else x0) - door.xy[0])
        moved = replace(shop, entrances=(replace(door, xy=(x, door.xy[1])),))
        changes.append(measure_change(shop, moved))
    assert 0.0 < changes[0]["ways"] < changes[1]["ways"] < 1.0
    assert changes[0]["goods"] == changes[0]["displays"] == 0.0


def empty_displays(shop):
    kind = {zone.zone_id: zone.zone_type for zone in shop.zones}
    kept = [item for item in shop.placements if kind[item.zone_id] not in DISPLAY_TYPES]
    return with_placements(shop, kept, "emptied")


def test_the_error_is_the_root_of_the_sum_of_squares_times_powers_of_what_is_unplanned_and_of_the_misfit(
    shop, people
):
    emptied = empty_displays(shop)
    change = measure_change(shop, emptied)
    assert change["displays"] == 1.0
    squares = sum(extent * ERROR_SD[kind] ** 2 for kind, extent in change.items())
    powers = 0.4**UNPLANNED_POWER * 0.4**MISFIT_POWER
    assert estimate_error(shop, emptied, people) == pytest.approx(powers * squares**0.5, rel=1e-3)


def test_people_who_plan_all_they_buy_leave_nothing_open(shop):
    emptied = empty_displays(shop)
    errors = [estimate_error(shop, emptied, make_people(shop, unplanned=u)) for u in (0.0, 0.1, 0.3)]
    assert errors[0] == 0.0
    assert 0.0 < errors[1] < errors[2]


def test_people_for_whom_looks_add_up_without_end_leave_less_open(shop):
    asked = [{"habituation": 0.95}, {"habituation": 0.5}, {"habituation": 0.95, "spent": 0.5}]
    misfits = [measure_misfit(make_people(shop, **people)) for people in asked]
    assert misfits == pytest.approx([0.1, 0.5, 1.0 - 0.95 * np.exp(-1.0)], abs=1e-3)
    errors = [estimate_error(shop, empty_displays(shop), make_people(shop, **people)) for people in asked]
    assert errors[0] < errors[1] < errors[2]


def test_a_model_without_hypotheses_is_taken_for_what_people_are(shop):
    assert estimate_error(shop, empty_displays(shop), make_model(shop)) == 0.0
