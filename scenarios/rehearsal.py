"""People live the store as it is, and their habits are set by where observed people stopped.

A policy is trained to tell the next stop of observed journeys. Living on from stops of its own it goes to
some places too often and to others too seldom, and leaves too early or late. That can be seen without any
other layout: the model lives the one that it learned from, and `Habits.revise` compares.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from layouts import Store
from models import ConversionModel, LayoutPolicy, ShopperModel
from simulator import Luck, draw_population, plan_itineraries

N_SHOPPERS = 16_000
N_ROUNDS = 3
NOTHING = -60.0  # log hazard of what nobody buys unplanned


def rehearse(model: ShopperModel, store: Store, *, seed: int = 0) -> ShopperModel:
    """Set the habits of a model's layout policy by living the store that it was fitted in.

    Parameters
    ----------
    model
        Fitted to `store`. One of another policy, or without habits, is given back as it is.
    store
        As it stood while it was observed.
    seed
        Of the lives.
    """
    policy = model.policy
    if not isinstance(policy, LayoutPolicy) or policy.habits is None:
        return model
    assert isinstance(model.conversion, ConversionModel)
    plain = replace(model, conversion=without_impulses(model.conversion), hypotheses=())
    habits = policy.habits
    for number in tqdm(range(N_ROUNDS), desc="rehearsal", unit="round", disable=None, leave=False):
        policy = LayoutPolicy(policy.network, policy.attributes, habits)
        habits = habits.revise(*count_stops(replace(plain, policy=policy), store, Luck(seed, number)))
    return replace(model, policy=LayoutPolicy(policy.network, policy.attributes, habits))


def without_impulses(conversion: ConversionModel) -> ConversionModel:
    """Make a copy for people who buy nothing that they did not plan: every stop of theirs was decided."""
    plain = deepcopy(conversion)
    with torch.no_grad():
        plain.hazard_bias.fill_(NOTHING)
    return plain


def count_stops(model: ShopperModel, store: Store, luck: Luck) -> tuple[NDArray[np.int64], int]:
    """Stops of those who come with a basket, by zone, shape (n_zones,), and the number of their visits."""
    _, baskets = draw_population(model, store, N_SHOPPERS, luck)
    plans = plan_itineraries(model, store, baskets, N_SHOPPERS, luck)
    buys = np.zeros(N_SHOPPERS, dtype=bool)
    buys[baskets.shopper] = True
    counted = plans.stop_zone[buys[plans.stop_shopper]]
    return np.bincount(counted, minlength=store.n_zones), int(buys.sum())
