"""The same policy asked one agent at a time through transformers, as agents on their own would ask it.

Each shopper decides alone: a batch of one, transformers' own GPT-2 with its own cache of keys and values; the
layout is read once for all, which is in its favour. Everything else is the same code. Its cost is measured on
a few dozen shoppers and told per journey, beside that of a whole replication as the simulator makes it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from torch import Tensor

import models.layout_policy
import simulator.inference
from benchmarks.common import print_table
from benchmarks.speed.stopwatch import Stopwatch
from layouts import Store
from models import LayoutPolicy, ShopperModel
from models.decoder import LayoutPrompt, Readers
from models.gpt2_pointer import GPT2Pointer
from scenarios import monte_carlo
from scenarios.execution import at_work
from scenarios.monte_carlo import Job, RunConfig


def decode_alone(network: GPT2Pointer, parties: Sequence[Readers], step: int) -> list[tuple[Tensor, Any]]:
    """Read one more journey token of one shopper with transformers; as `models.decoder.decode_step`."""
    from transformers import DynamicCache

    [(prompt, embedded, memory)] = parties
    seen: Any = memory
    if seen is None:
        seen = DynamicCache()
        for index, layer in enumerate(_read_layout(network, prompt).layers):
            seen.update(layer.keys, layer.values, index)
    out = network.gpt2(
        inputs_embeds=embedded[:, None],
        position_ids=torch.tensor([[step + 1]]),
        past_key_values=seen,
        use_cache=True,
    )
    return [(out.last_hidden_state[:, 0], out.past_key_values)]


@cache
def _read_layout(network: GPT2Pointer, prompt: LayoutPrompt) -> Any:
    return network.read_layout(prompt.stops[:-1])[1]


def time_one_by_one(store: Store, model: ShopperModel, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds a journey, one agent at a time and as the simulator does it, in turns; medians."""
    if not isinstance(model.policy, LayoutPolicy):
        raise SystemExit("one-by-one: needs a model with the layout policy")
    n_alone = options.shoppers_alone
    together, alone, agreeing = list[Cost](), list[Cost](), []
    with at_work():
        _live(store, model, n_alone, options.seed)  # geometry that the store then keeps
        for _ in range(options.repeats):
            cost, _ = _live(store, model, options.shoppers, options.seed)
            together.append(cost)
            _, expected = _live(store, model, n_alone, options.seed)
            with (
                mock.patch.object(models.layout_policy, "decode_step", decode_alone),
                mock.patch.object(simulator.inference, "LOT", 1),
            ):
                cost, visited = _live(store, model, n_alone, options.seed)
            alone.append(cost)
            agreeing.append(float(np.mean([a == b for a, b in zip(expected, visited, strict=True)])))
    both = {"together": together, "alone": alone}
    journey = {name: statistics.median(cost.journey_ms for cost in costs) for name, costs in both.items()}
    planning = {name: statistics.median(cost.planning_ms for cost in costs) for name, costs in both.items()}
    return {
        "shoppers_together": options.shoppers,
        "shoppers_alone": n_alone,
        "ms_per_journey": journey,
        "ms_per_journey_of_planning": planning,
        "times_as_fast": journey["alone"] / journey["together"],
        "times_as_fast_in_planning": planning["alone"] / planning["together"],
        "share_of_journeys_alike": statistics.median(agreeing),
    }


class Cost(NamedTuple):
    """Milliseconds a journey: all of it, and of planning (the policy, what is met and bought)."""

    journey_ms: float
    planning_ms: float


def _live(store: Store, model: ShopperModel, n: int, seed: int) -> tuple[Cost, list[tuple[str, ...]]]:
    """Live one replication; give its cost and the zones that each shopper stopped at."""
    config = RunConfig(n_shoppers=n, n_replications=1, seed=seed)
    start = time.perf_counter()
    watch = Stopwatch()
    with watch.timing(monte_carlo, "plan_cohorts", "planning"):
        [tables] = Job(model, ((store, config),)).live([(0, 0)])
    cost = Cost(1000 * (time.perf_counter() - start) / n, 1000 * watch.seconds["planning"] / n)
    stops = tables.visits.groupby("session_id")["zone_id"].agg(tuple)
    return cost, [stops.get(session, ()) for session in tables.sessions["session_id"]]


def print_one_by_one(measured: dict[str, Any]) -> None:
    journey, planning = measured["ms_per_journey"], measured["ms_per_journey_of_planning"]
    alike = f"{100 * measured['share_of_journeys_alike']:.0f} %"
    rows = [
        ["the simulator", f"{journey['together']:.2f}", f"{planning['together']:.2f}", ""],
        ["one agent at a time", f"{journey['alone']:.1f}", f"{planning['alone']:.1f}", alike],
        ["ratio", f"{measured['times_as_fast']:.0f}", f"{measured['times_as_fast_in_planning']:.0f}", ""],
    ]
    head = ["", "ms a journey", "of it planning", "same journeys"]
    print_table("The same policy, one process (medians)", head, rows)
