"""Are changes predicted in generated stores whose truth is known? Where designs are chosen.

In each world a random store is visited by reference shoppers of behaviour drawn anew; a model learns from
what a tracking system and the tills saw of layout A alone, and predicts the profit lift of edits from small
to structural. The truth is the same town shopping in the edited store. The shoppers of these worlds share
the form of the model (planned needs, hazards of what is met), so the figures flatter it: they tell which of
two designs is better, not how right the product is about a real shop.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import print_table, write_result
from benchmarks.scores import compute_skill, has_sign
from layouts import (
    DISPLAY_TYPES,
    Placement,
    ShelfLevel,
    Store,
    StoreFormat,
    StoresimError,
    ZoneType,
    build_store,
    draw_recipe,
    swap_contents,
    with_placements,
)
from models import ReferenceBehaviour, ShopperModel, build_reference_model, draw_behaviour, fit_model
from scenarios.observe import observe_reference_shopper
from simulator import Luck, draw_population, plan_itineraries

FIRST_SEED = 1000  # of the worlds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=6)
    parser.add_argument("--sessions", type=int, default=3000, help="visits observed in layout A")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    jobs = [(world, options.sessions, options.preset) for world in range(options.worlds)]
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        worlds = list(pool.map(run_world, *zip(*jobs, strict=True)))
    edits = [edit for world in worlds for edit in world["edits"]]
    print_table(
        "Profit lift of each edit",
        ["world, edit", "true lift, %", "± se", "predicted, %"],
        [
            (f"{world['store']}, {e['edit']}", *(f"{100 * e[k]:+.2f}" for k in ("true", "se", "predicted")))
            for world in worlds
            for e in world["edits"]
        ],
    )
    scores = score(edits) | {"median_skill": float(np.median([w["scores"]["skill"] for w in worlds]))}
    print_table("All edits", ["figure", "value"], [(name, f"{value:.2f}") for name, value in scores.items()])
    settings = {"worlds": options.worlds, "sessions": options.sessions, "preset": options.preset}
    write_result("worlds", {"settings": settings, "scores": scores, "worlds": worlds}, out=options.out)


def run_world(world: int, n_sessions: int, preset: str) -> dict[str, Any]:
    """Build a world, learn from its layout A, predict its edits."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(FIRST_SEED + world)
    store_format = tuple(StoreFormat)[world % len(StoreFormat)]
    store = build_store(draw_recipe(rng, store_format), rng, name=f"{store_format}-{world}")
    behaviour = draw_behaviour(rng)
    town = _build_town(store, world, behaviour)
    observed = observe_reference_shopper(store, n_shoppers=n_sessions, seed=world, behaviour=behaviour)
    model = fit_model(store, observed, preset=preset, rng=np.random.default_rng(0))
    edits = []
    for name, edited in draw_edits(store, rng):
        true, se = compute_lift_of(town, store, edited, n_shoppers=4000, n_replications=6, seed=99)
        predicted, _ = compute_lift_of(model, store, edited, n_shoppers=3000, n_replications=4, seed=5)
        edits.append({"edit": name, "true": true, "se": se, "predicted": predicted})
    return {"store": store.name, "scores": score(edits), "edits": edits}


def _build_town(store: Store, seed: int, behaviour: ReferenceBehaviour) -> ShopperModel:
    """The people whom `observe_reference_shopper` lets in with this seed."""
    tastes = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[0])
    return build_reference_model(store, tastes, behaviour=behaviour)


def compute_lift_of(
    model: ShopperModel, control: Store, variant: Store, *, n_shoppers: int, n_replications: int, seed: int
) -> tuple[float, float]:
    """Relative lift of profit and its standard error, from decisions alone: no clock, no walking."""
    profit = np.zeros((2, n_replications))
    for layout, store in enumerate((control, variant)):
        margin = np.array([sku.margin for sku in store.skus])
        for replication in range(n_replications):
            luck = Luck(seed, replication)
            _, baskets = draw_population(model, store, n_shoppers, luck)
            plans = plan_itineraries(model, store, baskets, n_shoppers, luck)
            profit[layout, replication] = (margin[plans.pick_sku] * plans.pick_qty).sum() / n_shoppers
    lift = (profit[1] - profit[0]) / profit[0].mean()
    return float(lift.mean()), float(lift.std(ddof=1) / np.sqrt(n_replications))


def score(edits: list[dict[str, Any]]) -> dict[str, float]:
    """Skill against "no change", share of right signs, slope of truth on prediction, mean error in points."""
    true = np.array([edit["true"] for edit in edits])
    predicted = np.array([edit["predicted"] for edit in edits])
    counts = np.array([has_sign(edit["true"], edit["se"]) for edit in edits])
    return {
        "skill": compute_skill(predicted, true),
        "right_signs": float(np.mean(np.sign(predicted) == np.sign(true), where=counts)),
        "slope": float(np.polyfit(predicted, true, 1)[0]),
        "mean_error_points": float(100 * np.abs(predicted - true).mean()),
    }


def draw_edits(store: Store, rng: np.random.Generator) -> Iterator[tuple[str, Store]]:
    """Edits of a store, from one swap to other goods on all displays; what does not fit is left out."""
    stocked = [zone for z, zone in enumerate(store.zones) if store.stands[z].any()]
    shelves = [zone.zone_id for zone in stocked if zone.zone_type in (ZoneType.AISLE, ZoneType.PERIMETER)]
    demand = store.stands @ np.array([sku.velocity for sku in store.skus])
    way = store.distance_from_entrance_m
    staples = sorted(shelves, key=lambda zone_id: -demand[store.zone_index[zone_id]])[:4]
    near = sorted(shelves, key=lambda zone_id: way[store.zone_index[zone_id]])
    for name, n_swaps in (("one-swap", 1), ("six-swaps", 6), ("forty-swaps", 40)):
        pairs = [tuple(rng.choice(shelves, 2, replace=False)) for _ in range(400)]
        yield name, _swap_many(store, pairs, n_swaps, name)
    for name, targets in (("staples-front", near), ("staples-back", near[::-1])):
        pairs = [(staple, target) for staple in staples for target in targets if staple != target]
        yield name, _swap_many(store, pairs, 3, name)
    displays = [zone.zone_id for zone in stocked if zone.zone_type in DISPLAY_TYPES[:2]]
    at_home = [item for item in store.placements if item.zone_id not in displays]
    if {item.sku_id for item in at_home} >= {item.sku_id for item in store.placements}:
        yield "no-displays", with_placements(store, at_home, "no-displays")
        for name in ("other-displays", "yet-other-displays"):
            yield name, with_placements(store, at_home + _fill_displays(store, displays, rng), name)


def _swap_many(store: Store, pairs: list[tuple[str, str]], n_swaps: int, name: str) -> Store:
    edited, done = store, 0
    for a, b in pairs:
        if done == n_swaps:
            break
        try:
            edited, done = swap_contents(edited, a, b), done + 1
        except StoresimError:  # too many facings, or cold goods in a warm zone
            continue
    return replace(edited, name=f"{store.name}--{name}")


def _fill_displays(store: Store, displays: list[str], rng: np.random.Generator) -> list[Placement]:
    """Four best sellers of a random category on each display."""
    by_sales = sorted(store.skus, key=lambda sku: -sku.velocity)
    placements = []
    for zone_id in displays:
        category = str(rng.choice(store.categories))
        warm = [sku for sku in by_sales if sku.category == category and not sku.requires_refrigeration]
        facings = max(store.zones[store.zone_index[zone_id]].capacity_facings // 4, 1)
        placements += [
            Placement(sku_id=sku.sku_id, zone_id=zone_id, facings=facings, shelf_level=ShelfLevel.EYE)
            for sku in warm[:4]
        ]
    return placements


if __name__ == "__main__":
    main()
