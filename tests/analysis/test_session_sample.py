"""What each session did, counted by hand in the tiny store."""

import numpy as np
import pytest

from analysis import UNITS, build_journeys, clean_tracks, sample_sessions
from analysis.session_sample import COUNTS, measure_paths


@pytest.fixture
def sample(tiny_store, observed, shopping_trip):
    """Two sessions: a trip that buys jam and bread, and one that stops at `south` only and buys nothing."""
    short = [shopping_trip[0], (3.0, 1.5, 25.0), *shopping_trip[-2:]]
    days = observed(
        {"long": shopping_trip, "short": short}, [("long", "JAM"), ("long", "BREAD"), ("", "MILK")]
    )
    positions = clean_tracks(days.tracks, tiny_store)
    journeys = build_journeys(days, tiny_store, positions=positions)
    return sample_sessions(days, journeys, positions, tiny_store)


def test_every_count_and_every_measure_is_there(sample):
    assert tuple(sample.counts) == COUNTS
    assert list(sample.values) == list(UNITS)
    assert list(sample.attributes.columns) == ["mission"]
    assert {table.shape[0] for table in sample.counts.values()} == {sample.n} == {2}


def test_stops_and_ways_are_those_that_were_made(sample, tiny_store):
    zone = tiny_store.zone_index
    stops = sample.counts["zone_visits"].toarray()
    assert stops[1].nonzero()[0].tolist() == [zone["south"]]
    assert {zone["south"], zone["end"], zone["north"]} <= set(stops[0].nonzero()[0].tolist())
    outside = tiny_store.n_zones
    ways = sample.counts["zone_transitions"].toarray()[1].reshape(outside + 1, outside + 1)
    assert np.argwhere(ways).tolist() == [[zone["south"], outside], [outside, zone["south"]]]
    of_long = sample.counts["zone_transitions"].toarray()[0].reshape(outside + 1, outside + 1)
    assert (of_long.sum(axis=0) == of_long.sum(axis=1)).all()  # whoever comes to a place leaves it


def test_purchases_are_those_of_linked_receipts(sample, tiny_store):
    by_zone = sample.counts["zone_purchases"].toarray()
    assert by_zone.sum(axis=1).tolist() == [2, 0]
    assert by_zone[0, tiny_store.zone_index["north"]] == 1
    names = dict(zip(tiny_store.categories, sample.counts["category_purchases"].toarray()[0], strict=True))
    assert names == {"bakery": 1, "breakfast": 1, "dairy": 0, "snacks": 0}
    assert sample.values["basket_lines"].value.tolist() == [2.0]
    assert sample.values["basket_value"].value.tolist() == [4.0]


def test_seconds_are_all_counted_and_walking_is_measured(sample):
    seconds = sample.counts["cell_seconds"].sum(axis=1)
    duration = sample.values["duration"].value
    assert seconds == pytest.approx(duration + 1, abs=1)
    assert (sample.counts["cell_sessions"].toarray() <= 1).all()
    path_m = sample.values["path_length"].value
    assert path_m == pytest.approx([11.3, 6.0], abs=1.3)  # up to a stride is lost at the end


def test_the_jitter_of_someone_who_stands_is_no_walk():
    rng = np.random.default_rng(1)
    standing = rng.normal(0.0, 0.15, (600, 2))
    walking = np.column_stack([np.linspace(0.0, 20.0, 40), np.zeros(40)])
    session = np.repeat([0, 2], [600, 40])
    metres = measure_paths(session, np.concatenate([standing, walking]), 3)
    assert metres[:2].tolist() == [0.0, 0.0]
    assert metres[2] == pytest.approx(20.0, abs=1.0)


def test_a_selection_keeps_what_belongs_to_its_sessions(sample):
    kept = sample.select(np.array([False, True]))
    assert kept.n == 1
    assert (kept.counts["zone_visits"].toarray() == sample.counts["zone_visits"].toarray()[1:]).all()
    assert len(kept.values["basket_lines"].value) == 0
    assert kept.values["duration"].session.tolist() == [0]
    assert kept.values["duration"].value[0] == sample.values["duration"].value[1]
