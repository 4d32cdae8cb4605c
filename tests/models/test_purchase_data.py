"""What was met on the way without what was bought, segment by segment."""

import numpy as np
import pytest
import torch

from layouts import bundled_store
from models import ConversionModel, compute_exposures, view_layout
from models.purchase_data import CLEAR_NOTICE, Encounters, PurchaseData
from models.vocabulary import AttributeCoder
from tests.models.worlds import make_journeys


@pytest.fixture(scope="module")
def store():
    return bundled_store("supermarket")


def draw_ways(store, n=40, n_stops=6):
    """Random stops, some left out, and how long they take."""
    rng = np.random.default_rng(2)
    zone = rng.integers(0, store.n_zones, (n, n_stops))
    zone[rng.random(zone.shape) < 0.3] = -1
    return zone, rng.uniform(2.0, 20.0, zone.shape).astype(np.float32)


def test_encounters_add_up_to_what_is_noticed_on_the_whole_way(store):
    zone, dwell_s = draw_ways(store)
    view = view_layout(store)
    is_offered = np.random.default_rng(3).random((len(zone), store.n_zones)) < 0.5
    n_before = np.zeros((len(zone), zone.shape[1] + 1), dtype=np.int64)
    met = Encounters.of(zone, dwell_s, is_offered, view, n_before)
    total = np.zeros((len(zone), store.n_zones))
    np.add.at(total, (met.purchase.numpy(), met.zone.numpy()), met.notices.numpy())
    whole = np.where(is_offered, compute_exposures(zone, dwell_s, view), 0.0)
    assert total == pytest.approx(whole, abs=1e-3)
    assert whole.sum() > 100


def test_what_was_bought_before_counts_from_the_next_segment_on(store):
    zone, dwell_s = draw_ways(store)
    n_before = np.tile(np.arange(zone.shape[1] + 1), (len(zone), 1))
    is_offered = np.ones((len(zone), store.n_zones), dtype=bool)
    met = Encounters.of(zone, dwell_s, is_offered, view_layout(store), n_before)
    for purchase, stops in enumerate(zone):
        before = met.n_before.flatten()[met.slot[met.purchase == purchase]].tolist()
        assert before == sorted(before)
        assert set(before) <= {*np.flatnonzero(stops >= 0).tolist(), zone.shape[1]}
        assert before[-1] == zone.shape[1]  # the racks by the tills are in view


def test_the_place_met_first_is_the_one_of_the_earliest_clear_notice():
    met = Encounters(
        purchase=torch.tensor([0, 0, 0, 1, 1, 2]),
        slot=torch.tensor([0, 1, 2, 3, 3, 8]),
        zone=torch.tensor([2, 1, 0, 0, 1, 2]),
        notices=torch.tensor([0.5 * CLEAR_NOTICE, 0.4, 0.9, 0.2, 0.3, 0.9]),
        n_before=torch.zeros(3, 3),
    )

    class Stands:
        stands = np.array([[True, False], [True, False], [False, True]])

    first = met.find_first(np.array([0, 0, 0]), Stands())
    assert first.tolist() == [
        1,  # it was hardly noticed before, and later elsewhere
        1,  # of two in one segment the clearer one
        -1,  # what was noticed was another article
    ]


def test_each_purchase_knows_its_own_place_among_what_was_met(tiny_store):
    milk = tiny_store.sku_index["MILK"]
    places = np.flatnonzero(tiny_store.stands[:, milk])
    other = int(np.flatnonzero(~tiny_store.stands[:, milk])[0])
    journeys = make_journeys([[other, int(places[0])]], [(0, 1, milk, 1)])
    coder = AttributeCoder.fit(journeys.attributes)
    model = ConversionModel(tiny_store.categories, tuple(tiny_store.sku_index), coder)
    share = journeys.bought_categories(tiny_store).astype(float)
    data = PurchaseData.of(model, journeys, view_layout(tiny_store), share, np.random.default_rng(0))
    assert data.placed.tolist() == [0]
    assert data.zone.tolist() == [places[0]]
    assert set(data.encounters.zone[data.there].tolist()) <= {int(places[0])}
    assert data.of_placed.tolist() == [0] * len(data.there)


def test_a_look_without_a_purchase_is_no_further_one(store):
    """Who looks and buys has seen as much as who looks and does not."""
    zone, dwell_s = draw_ways(store)
    stop = np.argmax(zone >= 0, axis=1)
    picks = [
        (row, nth, int(np.flatnonzero(store.stands[zone[row, nth]])[0]), 1)
        for row, nth in enumerate(stop.tolist())
        if store.stands[zone[row, nth]].any()
    ]
    looking = make_journeys(zone.tolist(), picks, dwell_s=dwell_s.tolist())
    only = np.arange(zone.shape[1]) == stop[:, None]
    plain = make_journeys(np.where(only, zone, -1).tolist(), picks, dwell_s=dwell_s.tolist())
    model = ConversionModel(store.categories, tuple(store.sku_index), AttributeCoder.fit(plain.attributes))
    share = plain.bought_categories(store).astype(float)
    seen, seen_plain = (
        PurchaseData.of(model, journeys, view_layout(store), share, np.random.default_rng(0)).exposure.notices
        for journeys in (looking, plain)
    )
    assert (zone >= 0).sum() > 3 * len(picks)
    assert torch.allclose(seen, seen_plain, atol=1e-5)
