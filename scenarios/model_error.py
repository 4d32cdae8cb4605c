"""How far off predictions are beyond what hypotheses and luck say, by what an edit changes.

Hypotheses are readings of the same data by one model; where people do not behave as that model has it, all of
them err together. How much was measured on development worlds whose truth is known, half of them of people of
another structure than the model's (`python -m benchmarks.fidelity.calibration`, docs/fidelity.md). The worlds
that judge the product have no part in it.

A layout moves what is bought unplanned; needs are met wherever they stand. So the more of its sales a store's
model holds to be unplanned, the more it can err: that share tells worlds with large errors from those with
small ones better than anything else that is known beforehand. And the less what people notice simply adds up,
be it that they tire of what they see or of buying, the less their form is known.
"""

from __future__ import annotations

import math

import numpy as np

from layouts import DISPLAY_TYPES, Store
from models import ShopperModel
from scenarios.support import compute_moved_share

# Standard deviation of the error of a relative lift, by kind of change at full extent, were all unplanned.
ERROR_SD = {"goods": 0.2901, "displays": 0.7959, "ways": 1.1932}
UNPLANNED_POWER, MISFIT_POWER = 2.0, 0.75  # of the unplanned share and the misfit, that errors grow with
LEAST_MISFIT = 0.1  # no people are quite as a model has them
N_BOUGHT = 2  # unplanned purchases after which a misfit is looked at


def estimate_error(control: Store, variant: Store, model: ShopperModel) -> float:
    """Standard deviation of the error of a predicted relative lift that no hypothesis covers; 0.01 is 1 %.

    A model without hypotheses is taken for what people are.
    """
    if not model.hypotheses:
        return 0.0
    extents = measure_change(control, variant)
    full = math.sqrt(sum(extent * ERROR_SD[kind] ** 2 for kind, extent in extents.items()))
    return full * measure_unplanned(model) ** UNPLANNED_POWER * measure_misfit(model) ** MISFIT_POWER


def measure_unplanned(model: ShopperModel) -> float:
    """Share of the receipt lines that were unplanned, as the model's hypotheses have it in the mean."""
    return 1.0 - float(np.mean([one.needs.line_shares.mean() for one in model.hypotheses]))


def measure_misfit(model: ShopperModel) -> float:
    """How far people are from the form of the model: 0 if what they notice simply adds up, at most 1."""
    counts = model.conversion.habituation * math.exp(-N_BOUGHT * model.conversion.spent)
    return min(max(1.0 - counts, LEAST_MISFIT), 1.0)


def measure_change(control: Store, variant: Store) -> dict[str, float]:
    """How much of a store an edit changes, each from 0 to 1.

    `goods` is the share of the units sold that stand elsewhere, `displays` the share of the displays of
    either layout that show something else or are not in both, `ways` how much longer or shorter the ways from
    door and to the tills become, as a share of today's, mean over the zones that keep their place.
    """
    before, after = _list_displays(control), _list_displays(variant)
    n_displays = max(len(before), len(after), 1)
    return {
        "goods": compute_moved_share(control, variant),
        "displays": max(len(before - after), len(after - before)) / n_displays,
        "ways": _compare_ways(control, variant),
    }


def _compare_ways(control: Store, variant: Store) -> float:
    before, after = _measure_ways(control), _measure_ways(variant)
    kept = [place for place in before if place in after]
    if not kept:
        return 1.0
    then = np.array([before[place] for place in kept])
    now = np.array([after[place] for place in kept])
    return float(min(np.abs(now - then).sum() / max(then.sum(), 1e-9), 1.0))


def _measure_ways(store: Store) -> dict[tuple[float, float], tuple[float, float]]:
    """Walk from the door and to the tills [m] of each zone, by its place."""
    places = [zone.polygon.centroid for zone in store.zones]
    ways = zip(store.distance_from_entrance_m, store.distance_to_checkout_m, strict=True)
    return {
        (round(place.x, 1), round(place.y, 1)): (float(door), float(till))
        for place, (door, till) in zip(places, ways, strict=True)
    }


def _list_displays(store: Store) -> set[tuple[str, frozenset[str]]]:
    """Place and goods of every display that shows something."""
    goods: dict[str, set[str]] = {}
    for item in store.placements:
        goods.setdefault(item.zone_id, set()).add(item.sku_id)
    return {
        (zone.polygon.normalize().wkt, frozenset(goods[zone.zone_id]))
        for zone in store.zones
        if zone.zone_type in DISPLAY_TYPES and zone.zone_id in goods
    }
