"""`relate_zones` against plain loops over shoppers and zones."""

import numpy as np
import pytest

from models import view_layout
from models.candidates import LEAVE_RELATIONS, ZONE_RELATIONS, relate_leaving, relate_zones


def relate_by_hand(place, wanted_here, n_visits, view, zone):
    """Relations of one zone for one shopper, in metres divided by the longest walk."""
    walk = view.distance_m / view.scale_m

    def to_till(where):
        return walk[where, view.store.walks.checkout_places].min()

    wanted = [z for z in range(view.n_zones) if wanted_here[z] > 0]
    nearest = min((walk[place, z] for z in wanted), default=np.inf)
    goal = nearest if wanted else to_till(place)
    others = [z for z in wanted if z != zone]
    onward = min((walk[zone, z] for z in others), default=to_till(zone))
    here = walk[place, zone]
    return {
        "log_distance": np.log1p(view.distance_m[place, zone]) / 3,
        "distance": here,
        "is_wanted": zone in wanted,
        "log_n_wanted": np.log1p(wanted_here[zone]),
        "is_nearest_wanted": zone in wanted and here == nearest,
        "beyond_nearest_wanted": min(here - goal, 1.0) if zone in wanted else 0.0,
        "was_visited": n_visits[zone] > 0,
        "towards_checkout": to_till(zone) - to_till(place),
        "detour": here + onward - goal,
        "list_is_done": not wanted,
    }


def draw_states(view, n, seed):
    rng = np.random.default_rng(seed)
    wanted = rng.poisson(0.15, (n, view.n_zones))
    wanted[:5] = 0  # done
    wanted[5, 1:] = 0
    wanted[5, 0] = 2  # one zone left
    return rng.integers(0, view.n_zones + 1, n), wanted, rng.poisson(0.2, (n, view.n_zones))


def test_relations_agree_with_plain_loops(corner_shop):
    view = view_layout(corner_shop)
    place, wanted, visits = draw_states(view, 40, seed=0)
    relations = relate_zones(place, wanted, visits, view)
    assert relations.shape == (40, view.n_zones, len(ZONE_RELATIONS))
    for row in range(40):
        for zone in range(view.n_zones):
            expected = relate_by_hand(place[row], wanted[row], visits[row], view, zone)
            assert dict(zip(ZONE_RELATIONS, relations[row, zone].tolist(), strict=True)) == pytest.approx(
                {name: float(value) for name, value in expected.items()}, abs=1e-5
            ), (row, zone)


def test_a_shopper_is_seen_alike_alone_and_among_others(corner_shop):
    view = view_layout(corner_shop)
    place, wanted, visits = draw_states(view, 40, seed=1)
    together = relate_zones(place, wanted, visits, view)
    for row in (0, 5, 17):
        alone = relate_zones(place[[row]], wanted[[row]], visits[[row]], view)
        assert np.array_equal(alone[0], together[row])


def test_leaving_in_the_tiny_store(tiny_view, tiny_store):
    south = tiny_store.zone_index["south"]
    relations = relate_leaving(np.array([south, tiny_view.entrance]), np.array([0, 3]), 4, tiny_view)
    to_till = tiny_store.distance_to_checkout_m[south] / tiny_view.scale_m
    assert dict(zip(LEAVE_RELATIONS, relations[0].tolist(), strict=True)) == pytest.approx(
        {"list_is_done": 1.0, "n_stops": 0.2, "log_n_stops": np.log(5) / 3, "to_checkout": to_till}
    )
    assert relations[1, 0] == 0
