import numpy as np
import pandas as pd
import pytest

from analysis import Journeys
from models import MAX_STOPS, compute_exposures, encode_journeys, view_layout
from models.encoding import compute_leg_speeds, drop_stops_for, keep_planned_stops
from models.layout_view import NOTICE_M, NOTICE_S, TILL_LOOK_S
from tests.models.worlds import make_journeys


@pytest.fixture
def at(tiny_store):
    return tiny_store.zone_index


@pytest.fixture
def sku(tiny_store):
    return tiny_store.sku_index


def make_table(tiny_store, n_stops: dict[str, int], **columns) -> Journeys:
    """Sessions that stop in `south` and `north` in turn, and take bread at the first stop."""
    visits = [
        (session, visit, ("south", "north")[visit % 2], 30.0 * visit, 10.0 + visit)
        for session, n in n_stops.items()
        for visit in range(n)
    ]
    picks = [(session, 0, "south", "BREAD", 2, 2.0, 0.6) for session, n in n_stops.items() if n]
    sessions = pd.DataFrame({"session_id": list(n_stops), "has_receipt": True, "is_complete": True})
    return Journeys(
        visits=pd.DataFrame(visits, columns=["session_id", "visit", "zone_id", "t_s", "dwell_s"]),
        picks=pd.DataFrame(
            picks, columns=["session_id", "visit", "zone_id", "sku_id", "qty", "unit_price", "margin"]
        ),
        sessions=sessions.assign(**columns),
        report={},
    )


def test_stops_and_picks_become_arrays(tiny_store, at, sku):
    table = make_table(tiny_store, {"b": 3, "a": 1}, mission=["major", None])
    encoded = encode_journeys(table, tiny_store)
    assert encoded.n == 2  # sorted by session: a, b
    assert encoded.zone.tolist() == [[at["south"], -1, -1], [at["south"], at["north"], at["south"]]]
    assert encoded.dwell_s.tolist() == [[10, 0, 0], [10, 11, 12]]
    assert encoded.start_s.tolist() == [[0, 0, 0], [0, 30, 60]]
    assert sorted(zip(encoded.pick_row.tolist(), encoded.pick_stop.tolist(), strict=True)) == [(0, 0), (1, 0)]
    assert encoded.pick_sku.tolist() == [sku["BREAD"]] * 2
    assert encoded.pick_qty.tolist() == [2, 2]
    assert encoded.attributes["mission"].tolist() == ["unknown", "major"]
    assert encoded.attributes["gender"].tolist() == ["unknown", "unknown"]


def test_journeys_without_receipt_end_or_stop_and_endless_ones_are_left_out(tiny_store):
    n_stops = {"none": 0, "one": 1, "receipt": 2, "cut": 2, "longest": MAX_STOPS, "endless": MAX_STOPS + 1}
    table = make_table(
        tiny_store,
        n_stops,
        has_receipt=[s != "receipt" for s in n_stops],
        is_complete=[s != "cut" for s in n_stops],
    )
    encoded = encode_journeys(table, tiny_store)
    assert (encoded.zone >= 0).sum(axis=1).tolist() == [MAX_STOPS, 1]  # longest, one


def test_picks_follow_their_stop_when_a_zone_is_unknown(tiny_store, at):
    """A visit to a zone that the store does not have is dropped; the picks of later visits keep theirs."""
    table = make_table(tiny_store, {"a": 3})
    table.visits.loc[0, "zone_id"] = "elsewhere"
    table.picks.loc[0, "visit"] = 2
    encoded = encode_journeys(table, tiny_store)
    assert encoded.zone.tolist() == [[at["north"], at["south"]]]
    assert encoded.pick_stop.tolist() == [1]


def test_bought_categories(tiny_store, sku):
    journeys = make_journeys([[1], [2]], [(0, 0, sku["MILK"], 1), (0, 0, sku["YOGURT"], 1)])
    bought = journeys.bought_categories(tiny_store)
    assert [tiny_store.categories[c] for c in np.flatnonzero(bought[0])] == ["dairy"]
    assert not bought[1].any()


def test_exposures_of_a_journey_with_two_stops(tiny_store, tiny_view, at):
    """Door to south, 6 s there, south to cold, 9 s there, cold to the till, where one looks round."""
    zone = np.array([[at["south"], at["cold"], -1], [-1, at["south"], at["cold"]]])
    dwell = np.array([[6.0, 9.0, 0.0], [0.0, 6.0, 9.0]])
    exposure = compute_exposures(zone, dwell, tiny_view)
    walks = tiny_store.walks
    door, till = walks.entrance_places.start, walks.checkout_places.start
    for z in range(tiny_store.n_zones):
        expected = 0.0
        for a, b in ((door, at["south"]), (at["south"], at["cold"]), (at["cold"], till)):
            looks = tiny_store.leg_views[a, b, z] / NOTICE_M
            if b == till:
                looks += tiny_store.sight[walks.place_cell[till], z] * TILL_LOOK_S / NOTICE_S
            expected += 1 - np.exp(-looks)
        for place, seconds in ((at["south"], 6.0), (at["cold"], 9.0)):
            sight = tiny_store.sight[walks.place_cell[place], z]
            expected += 1 - np.exp(-sight * seconds / NOTICE_S)
        assert exposure[0, z] == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(exposure[0], exposure[1])  # padding may stand anywhere
    assert exposure[0, at["south"]] > 1 - np.exp(-6.0 / NOTICE_S)


def test_who_stops_nowhere_walks_from_the_door_to_the_till(tiny_store, tiny_view):
    none = np.full((1, 2), -1)
    walks = tiny_store.walks
    leg = walks.entrance_places.start, walks.checkout_places.start
    exposure = compute_exposures(none, np.zeros((1, 2)), tiny_view)
    assert exposure[0] == pytest.approx(tiny_view.leg_notice[leg])


def test_what_is_noticed_counts_by_the_stop_that_it_leads_to(tiny_view, at):
    """Half on the way to the first stop and there, nothing for the second, twice on the way out."""
    first, second = at["south"], at["cold"]
    weighed, out = (
        compute_exposures(np.array([[first, second]]), np.array([[6.0, 9.0]]), tiny_view, np.array([weights]))
        for weights in ([0.5, 0.0, 2.0], [0.0, 0.0, 1.0])
    )
    alone = compute_exposures(np.array([[first]]), np.array([[6.0]]), tiny_view, np.array([[1.0, 0.0]]))
    assert weighed == pytest.approx(0.5 * alone + 2.0 * out)
    assert alone.any()
    assert out.any()


def test_speed_from_first_to_last_stop(corner_shop):
    """Walks of known length, walked at 0.8 and 1.3 m/s; a journey of one stop has no speed."""
    view = view_layout(corner_shop)
    zone = np.array([[0, 12, 22, 3], [5, 20, 1, -1], [4, -1, -1, -1]])
    speed = np.array([0.8, 1.3, 1.0])
    dwell = np.where(zone >= 0, 15.0, 0.0)
    leg_m = np.zeros(zone.shape)
    leg_m[:, 1:] = np.where(zone[:, 1:] >= 0, view.distance_m[zone[:, :-1], zone[:, 1:]], 0.0)
    before = np.concatenate([np.zeros((3, 1)), dwell[:, :-1]], axis=1)
    journeys = make_journeys(zone.tolist(), [], dwell_s=dwell.tolist())
    journeys.start_s[:] = (before + leg_m / speed[:, None]).cumsum(axis=1)
    assert compute_leg_speeds(journeys, view) == pytest.approx([0.8, 1.3], rel=1e-4)


def test_stops_for_one_category_alone_are_dropped(tiny_store, at, sku):
    south, north, cold, end = at["south"], at["north"], at["cold"], at["end"]
    journeys = make_journeys(
        [[south, north, cold, end], [cold, south, -1, -1]],
        [
            (0, 0, sku["BREAD"], 1),
            (0, 0, sku["CAKE"], 1),  # bread and cake are both bakery
            (0, 1, sku["JAM"], 1),
            (0, 1, sku["CRISPS"], 1),  # two categories at one stop
            (0, 2, sku["MILK"], 2),
            (0, 3, sku["CRISPS"], 1),
            (1, 0, sku["MILK"], 1),
        ],
    )
    code = {name: c for c, name in enumerate(tiny_store.categories)}
    row = np.array([0, 0, 0, 0, 1, 1])
    category = np.array([code[c] for c in ("bakery", "breakfast", "snacks", "dairy", "dairy", "bakery")])
    kept = drop_stops_for(journeys, row, category, tiny_store)
    assert kept.tolist() == [
        [-1, north, cold, end],
        [south, north, cold, end],  # jam was taken where crisps were taken too
        [south, north, cold, -1],  # crisps on the endcap go, those beside the jam stay
        [south, north, -1, end],
        [-1, south, -1, -1],
        [cold, south, -1, -1],  # nothing of bakery was bought; browsing stays
    ]
    assert journeys.zone[0].tolist() == [south, north, cold, end]  # unchanged


def test_a_stop_stays_for_what_was_planned_and_not_for_a_look(tiny_store, at, sku):
    """Bread was planned, milk was not, nothing was taken in the north; bread once more at the end."""
    journeys = make_journeys(
        [[at["south"], at["cold"], at["north"], at["south"]]],
        [(0, 0, sku["BREAD"], 1), (0, 1, sku["MILK"], 1), (0, 3, sku["BREAD"], 1)],
    )
    planned = np.zeros((1, len(tiny_store.categories)), dtype=bool)
    planned[0, tiny_store.sku_category[sku["BREAD"]]] = True
    assert keep_planned_stops(journeys, planned, tiny_store).tolist() == [[True, False, False, True]]
    assert not keep_planned_stops(journeys, np.zeros_like(planned), tiny_store).any()
