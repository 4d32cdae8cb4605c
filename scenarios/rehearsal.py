"""People live the store as it is, and their habits are set by where observed people stopped.

A policy is trained to tell the next stop of observed journeys. Living on from stops of its own it goes to
some places too often and to others too seldom, and leaves too early or late. That can be seen without any
other layout: the model lives the one that it learned from, and `Habits.revise` compares.

First with the stops that observed people seem to have decided on. Then with all stops, as the tracking system
sees them: it takes some for stops at a neighbour's place, so who stops where observed ones were seen would be
seen elsewhere. A measured day of the model's own tells how many of the stops at each place are found.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from analysis import Journeys, Observations, build_journeys, clean_tracks, estimate_measurement
from layouts import Store
from models import ConversionModel, Habits, LayoutPolicy, ShopperModel
from scenarios.measured_days import measure_day
from scenarios.monte_carlo import RunConfig, simulate_replication
from simulator import Luck, draw_population, plan_itineraries

N_SHOPPERS = 16_000
N_ROUNDS = 3  # with each of the two aims
N_MEASURED = 4000  # shoppers of the day that is measured
FOUND_STOPS = 20.0  # stops at a place that are taken for found before any is seen
LEAST_DECIDED = 0.1  # of a place's decided stops; so much is left however few are seen
NOTHING = -60.0  # log hazard of what nobody buys unplanned


def rehearse(model: ShopperModel, store: Store, observations: Observations, *, seed: int = 0) -> ShopperModel:
    """Set the habits of a model's layout policy by living the store that it was fitted in.

    Parameters
    ----------
    model
        Fitted to `store`. One of another policy, or without habits, is given back as it is.
    store
        As it stood while it was observed.
    observations
        What the model was fitted to.
    seed
        Of the lives.
    """
    policy = model.policy
    if not isinstance(policy, LayoutPolicy) or policy.habits is None:
        return model
    model = _live(model, store, seed, range(N_ROUNDS))
    aim = aim_at_seen(model, store, observations, seed)
    model = _with_habits(model, replace(_habits_of(model), n_stops=aim))
    return _live(model, store, seed, range(N_ROUNDS, 2 * N_ROUNDS))


def _live(model: ShopperModel, store: Store, seed: int, rounds: range) -> ShopperModel:
    """Live and revise the habits, round after round."""
    plain = without_impulses(model)
    for number in tqdm(rounds, desc="rehearsal", unit="round", disable=None, leave=False):
        n_stops, n_visits = count_stops(plain, store, Luck(seed, number))
        plain = _with_habits(plain, _habits_of(plain).revise(n_stops, n_visits))
    return replace(model, policy=plain.policy)


def without_impulses(model: ShopperModel) -> ShopperModel:
    """Make a copy whose people buy nothing that they did not plan: every stop of theirs was decided."""
    assert isinstance(model.conversion, ConversionModel)
    conversion = deepcopy(model.conversion)
    with torch.no_grad():
        conversion.hazard_bias.fill_(NOTHING)
    return replace(model, conversion=conversion, hypotheses=())


def count_stops(
    model: ShopperModel, store: Store, luck: Luck, *, buyers_alone: bool = True
) -> tuple[NDArray[np.int64], int]:
    """Stops by zone, shape (n_zones,), and the number of visits: of buyers, or of all."""
    _, baskets = draw_population(model, store, N_SHOPPERS, luck)
    plans = plan_itineraries(model, store, baskets, N_SHOPPERS, luck)
    counts = np.full(N_SHOPPERS, not buyers_alone)
    counts[baskets.shopper] = True
    counted = plans.stop_zone[counts[plans.stop_shopper]]
    return np.bincount(counted, minlength=store.n_zones), int(counts.sum())


def aim_at_seen(
    model: ShopperModel, store: Store, observations: Observations, seed: int
) -> NDArray[np.int64]:
    """Stops that buyers have to decide on, for all stops to be seen where they were observed.

    Stops for what the model's people buy unplanned, and those of people without a basket, are taken out. In
    all it is as many stops as the habits know of; shape (n_zones,).
    """
    positions = clean_tracks(observations.tracks, store)
    observed = _count_visits(build_journeys(observations, store, positions=positions), store)
    config = RunConfig(n_shoppers=N_MEASURED, n_replications=1, seed=seed, tracks="all")
    day = simulate_replication(store, model, 0, config)
    measurement = estimate_measurement(observations, positions, store)
    measured = measure_day(day, store, measurement, np.random.default_rng(seed)).journeys
    lived = np.bincount(day.visits["zone_id"].map(store.zone_index), minlength=store.n_zones)
    found = (_count_visits(measured, store) * N_MEASURED + FOUND_STOPS) / (lived + FOUND_STOPS)

    luck, known = Luck(seed, 2 * N_ROUNDS), _habits_of(model).n_stops
    every, _ = count_stops(model, store, luck, buyers_alone=False)
    by_buyers, _ = count_stops(without_impulses(model), store, luck)
    if not observed.any() or not by_buyers.any():
        return known
    true = observed / found
    true *= every.sum() / true.sum()
    aim = np.maximum(true - (every - by_buyers), LEAST_DECIDED * by_buyers)
    return (aim * (known.sum() / aim.sum())).round().astype(np.int64)


def _count_visits(journeys: Journeys, store: Store) -> NDArray[np.float64]:
    """Stops at each zone on a visit, shape (n_zones,)."""
    zone = journeys.visits["zone_id"].astype("str").map(store.zone_index)
    return np.bincount(zone, minlength=store.n_zones) / len(journeys.sessions)


def _habits_of(model: ShopperModel) -> Habits:
    assert isinstance(model.policy, LayoutPolicy)
    assert model.policy.habits is not None
    return model.policy.habits


def _with_habits(model: ShopperModel, habits: Habits) -> ShopperModel:
    assert isinstance(model.policy, LayoutPolicy)
    return replace(model, policy=LayoutPolicy(model.policy.network, model.policy.attributes, habits))
