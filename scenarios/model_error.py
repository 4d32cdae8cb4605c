"""How far off predictions are beyond what hypotheses and luck say, by what an edit changes.

Hypotheses are readings of the same data by one model; where people do not behave as that model has it, all of
them err together. How much was measured on development worlds whose truth is known, half of them of people of
another structure than the model's (`python -m benchmarks.fidelity.calibration`, docs/fidelity.md). The worlds
that judge the product have no part in it.
"""

from __future__ import annotations

import math

from layouts import DISPLAY_TYPES, Store
from scenarios.support import compute_moved_share, has_same_geometry

# Standard deviation of the error of a relative lift for each kind of change at its full extent.
ERROR_SD = {"goods": 0.0120, "displays": 0.0093, "geometry": 0.0133}


def estimate_error(control: Store, variant: Store) -> float:
    """Standard deviation of the error of a predicted relative lift that no hypothesis covers; 0.01 is 1 %."""
    extents = measure_change(control, variant)
    return math.sqrt(sum(extent * ERROR_SD[kind] ** 2 for kind, extent in extents.items()))


def measure_change(control: Store, variant: Store) -> dict[str, float]:
    """How much of a store an edit changes, each from 0 to 1.

    `goods` is the share of the units sold that stand elsewhere, `displays` the share of the displays of
    either layout that show something else or are not in both, `geometry` whether it differs.
    """
    before, after = _list_displays(control), _list_displays(variant)
    n_displays = max(len(before), len(after), 1)
    return {
        "goods": compute_moved_share(control, variant),
        "displays": max(len(before - after), len(after - before)) / n_displays,
        "geometry": 0.0 if has_same_geometry(control, variant) else 1.0,
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
