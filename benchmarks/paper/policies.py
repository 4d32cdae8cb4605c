"""Every policy in the simulator, on the days of market-a that training never saw.

Each lives in the same simulator, with the same needs and conversion model, and goes through `storesim
validate`: divergences beside their noise floors. And how often straight lines from stop to stop would cross a
shelf, which is what the simulator's walking puts right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.common import print_table, write_result
from benchmarks.paper.crossings import place_stops, tabulate_crossings
from benchmarks.paper.setting import Setting, fit, format_ratio, parse_options, prepare, print_crossings
from models import POLICIES, ShopperModel, view_layout
from scenarios.validation import validate
from simulator import Luck, draw_population, plan_itineraries

FIGURES = ("cell_seconds", "zone_visits", "zone_transitions", "zone_purchases", "category_purchases")


def main() -> None:
    names = [*(name for name in POLICIES if name != "paper"), "paper"]
    options = parse_options(__doc__, policies=names)
    setting = prepare(options)
    simulated, stops = {}, {}
    for name in options.policies or (names if not options.quick else ["layout", "markov-1", "paper"]):
        model = setting.base if name == "layout" else replace(setting.base, policy=fit(name, setting))
        simulated[name] = run_in_simulator(model, setting)
        stops[name] = place_stops(draw_stops(model, setting), view_layout(setting.store))
        print_simulated(simulated)
    crossings = tabulate_crossings(stops, setting.store).to_dict("records")
    print_crossings("stops", crossings)
    settings = {key: getattr(options, key) for key in ("seed", "replications", "quick")}
    content = {"simulated": simulated, "crossings": crossings}
    write_result("paper-policies", {"settings": settings, **content}, out=options.out)


# ---- in the simulator


def run_in_simulator(model: ShopperModel, setting: Setting) -> dict[str, Any]:
    """Live and validate: divergences of all sessions, and within the groups of each attribute."""
    result = validate(
        setting.store,
        model=model,
        observations=setting.held_out.observations,
        n_replications=setting.options.replications,
        seed=setting.options.seed + 1,
    ).result
    of_all = {row["figure"]: row for row in result["divergences"] if not row["attribute"]}
    groups = [row for row in result["divergences"] if row["attribute"]]
    return {"divergences": of_all, "groups": groups, "floor_checks": result["floor_checks"]}


def draw_stops(model: ShopperModel, setting: Setting) -> np.ndarray[Any, Any]:
    """Zones of the stops of simulated journeys in order, padded with -1."""
    n, luck = 1000, Luck(setting.options.seed + 2)
    _, baskets = draw_population(model, setting.store, n, luck)
    plans = plan_itineraries(model, setting.store, baskets, n, luck)
    order = np.arange(plans.n_stops) - plans.stop_offsets[plans.stop_shopper]
    zone = np.full((n, int(order.max(initial=0)) + 1), -1)
    zone[plans.stop_shopper, order] = plans.stop_zone
    return zone


def print_simulated(simulated: dict[str, Any]) -> None:
    rows = [
        [name, *(format_ratio(result["divergences"][figure]) for figure in FIGURES)]
        for name, result in simulated.items()
    ]
    print_table("In the simulator: divergence / its noise floor = ratio", ["policy", *FIGURES], rows)


if __name__ == "__main__":
    main()
