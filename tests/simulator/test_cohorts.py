"""Cohorts of several replications and layouts that are planned together: each as if it were alone."""

from dataclasses import fields, replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layouts import ModelError, bundled_store
from models import Decisions, LayoutPolicy, build_reference_model
from simulator import Cohort, Luck, draw_population, inference, plan_cohorts, plan_itineraries
from tests.models.worlds import make_model

SHOP = bundled_store("corner-shop")
GONE = SHOP.remove_fixture("EB1")  # a zone less
STORES = (SHOP, SHOP.swap("G2R-1", "G2L-1"), GONE)
NETWORK, REFERENCE = make_model(SHOP), build_reference_model(SHOP, np.random.default_rng(0), n_baskets=200)
SIZES = (1, 5, 16, 40, 75)


def make_cohort(model, layout, replication):
    """Another number of shoppers, and another hypothesis of what they buy, in each replication."""
    n, luck = SIZES[replication % len(SIZES)], Luck(8, replication)
    conversion = make_model(SHOP, seed=replication).conversion if model is NETWORK else model.conversion
    model = replace(model, conversion=conversion)
    _, baskets = draw_population(model, STORES[layout], n, luck)
    return Cohort(model, STORES[layout], baskets, n, luck)


COHORTS = {
    (name, layout, replication): make_cohort(model, layout, replication)
    for name, model in (("network", NETWORK), ("reference", REFERENCE))
    for layout in range(len(STORES))
    for replication in range(len(SIZES))
}


def plan_alone(cohort):
    return plan_itineraries(cohort.model, cohort.store, cohort.baskets, cohort.n, cohort.luck)


ALONE = {key: plan_alone(cohort) for key, cohort in COHORTS.items()}
ONE_OF_THEM = st.tuples(st.integers(0, len(STORES) - 1), st.integers(0, len(SIZES) - 1))


def assert_same(plans, expected):
    for field in fields(expected):
        assert np.array_equal(getattr(plans, field.name), getattr(expected, field.name)), field.name


@pytest.mark.parametrize("name", ["network", "reference"])
@settings(max_examples=12, deadline=None)
@given(company=st.lists(ONE_OF_THEM, min_size=1, max_size=8), lot=st.sampled_from([20, 60, 130, 2048]))
def test_cohorts_decide_as_they_do_alone_in_any_company_and_lot(name, company, lot):
    keys = [(name, *cohort) for cohort in company]
    with mock.patch.object(inference, "LOT", lot):
        together = plan_cohorts([COHORTS[key] for key in keys])
    for key, plans in zip(keys, together, strict=True):
        assert_same(plans, ALONE[key])


def test_every_cohort_has_luck_people_and_a_hypothesis_of_its_own():
    plans = [ALONE["network", 0, replication] for replication in range(len(SIZES))]
    assert [some.n_shoppers for some in plans] == list(SIZES)
    assert len({some.stop_dwell_s[0] for some in plans}) == len(SIZES)
    assert all((~some.pick_planned).any() for some in plans[1:])


def test_one_pass_serves_every_layout_and_replication(monkeypatch):
    passes = []
    original = LayoutPolicy.decide_together

    def count(policy, parties):
        passes.append([(len(party.states.place), party.states.n_stops) for party in parties])
        return original(policy, parties)

    monkeypatch.setattr(LayoutPolicy, "decide_together", count)
    plan_cohorts([cohort for (name, *_), cohort in COHORTS.items() if name == "network"])
    assert passes[0] == [(sum(SIZES), 0)] * len(STORES)  # rows of a layout stand side by side
    steps = [{n_stops for _, n_stops in parties} for parties in passes]
    assert steps == [{step} for step in range(len(passes))]


class Sheep:
    """Goes where the first of its batch would go: right only if it is asked for each cohort by itself."""

    buys = False

    def encode_attributes(self, attributes):
        return np.zeros((len(attributes["mission"]), 1), dtype=np.int64)

    def decide(self, states, layout, draws):
        n = len(states.place)
        zone = int(draws.next_zone[0, 0] * layout.n_zones) if states.n_stops < 3 else -1
        return Decisions(zone=np.full(n, zone), dwell_s=np.full(n, 9.0))


def test_other_policies_are_asked_for_each_cohort_by_itself():
    policy = Sheep()
    cohorts = [
        replace(cohort, model=replace(cohort.model, policy=policy))
        for (name, *_), cohort in COHORTS.items()
        if name == "reference"
    ]
    for plans, cohort in zip(plan_cohorts(cohorts), cohorts, strict=True):
        assert_same(plans, plan_alone(cohort))


def test_cohorts_of_two_policies_are_refused():
    with pytest.raises(ModelError, match="must share one policy"):
        plan_cohorts([COHORTS["network", 0, 0], COHORTS["reference", 0, 0]])
