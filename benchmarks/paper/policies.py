"""Every policy on the days of market-a that training never saw: divergences beside their noise floors.

Two tables. *In the simulator*: each policy lives in the same simulator, with the same needs and conversion
model, and goes through `storesim validate`. *As written*: what the language models write by themselves, see
`benchmarks.paper.as_written`. A third table tells who walks through shelves.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import add_data_option, print_table, write_result
from benchmarks.paper.as_written import print_encodings, print_written, run_as_written, run_encodings
from benchmarks.paper.crossings import place_stops, tabulate_crossings
from benchmarks.paper.setting import Setting, fit, format_ratio, prepare
from models import POLICIES, ShopperModel, view_layout
from models.paper.policy import PaperPolicy
from scenarios.validation import validate
from simulator import Luck, draw_population, plan_itineraries

FIGURES = ("cell_seconds", "zone_visits", "zone_transitions", "zone_purchases", "category_purchases")


def main() -> None:
    setting = prepare(parse_options())
    names = list(POLICIES) if not setting.options.quick else ["layout", "paper", "markov-1"]
    simulated, stops = {}, {}
    for name in names:
        model = setting.base if name == "layout" else replace(setting.base, policy=fit(name, setting))
        simulated[name] = run_in_simulator(model, setting)
        stops[name] = place_stops(draw_stops(model, setting), view_layout(setting.store))
        print_simulated(simulated)
    paper = fit("paper", setting)
    assert isinstance(paper, PaperPolicy)
    written, raw = run_as_written(paper, setting)
    print_written(written)
    encodings = run_encodings(setting)
    print_encodings(encodings)
    crossings = measure_crossings(raw, stops, setting)
    print_crossings(crossings)
    content = {"simulated": simulated, "written": written, "encodings": encodings, "crossings": crossings}
    settings = {key: getattr(setting.options, key) for key in ("seed", "replications", "quick")}
    write_result("paper-policies", {"settings": settings, **content}, out=setting.options.out)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_option(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replications", type=int, default=2, help="simulated days a policy")
    parser.add_argument("--quick", action="store_true", help="small networks and three policies: a trial")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE")
    return parser.parse_args()


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


# ---- through shelves


def measure_crossings(
    raw: dict[str, pd.DataFrame], stops: dict[str, pd.DataFrame], setting: Setting
) -> dict[str, list[dict[str, Any]]]:
    """Raw output: cells at fixes of the language models, straight lines from stop to stop of the others."""
    tables = {
        "fixes": tabulate_crossings(raw, setting.store),
        "stops": tabulate_crossings(stops, setting.store),
    }
    return {name: table.to_dict("records") for name, table in tables.items()}


def print_crossings(crossings: dict[str, list[dict[str, Any]]]) -> None:
    head = ["raw output", "off the floor", "touches a shelf", "through a shelf"]
    for name, rows in crossings.items():
        cells = [
            [
                row["source"],
                *(f"{row[key]:.2%}" for key in ("off_floor_share", "straight_share", "crossing_share")),
            ]
            for row in rows
        ]
        print_table(f"Straight lines between {name}", head, cells)


if __name__ == "__main__":
    main()
