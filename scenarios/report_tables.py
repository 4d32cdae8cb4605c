"""The report's tables: what changes, where the difference is made, all zones."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis import compute_lift
from layouts import Store
from scenarios.report_data import KPIS, Run
from scenarios.report_html import Markup, element, table
from scenarios.report_svg import draw_interval, draw_replications
from scenarios.wording import (
    KPI_LABELS,
    format_interval,
    format_p_value,
    format_relative,
    format_signed,
    is_clear,
)

N_LARGEST = 12  # zone changes shown before the full table
ZONE_COLUMNS = {  # KPI: (heading, factor, decimals)
    "reach": ("reach [%]", 100, 1),
    "stop_rate": ("stop rate [%]", 100, 1),
    "engage_dwell_s": ("dwell [s]", 1, 1),
    "visits": ("visits / 100", 100, 1),
    "purchases": ("purchases / 100", 100, 1),
    "conversion": ("conversion [%]", 100, 1),
    "profit": ("profit / 100", 100, 2),
}
LIFT_NOTE = (
    "Lift is variant minus control. The same shoppers, with the same needs and the same luck, visit both "
    "layouts; each dot is one replication of all of them. The bar below is the mean with its 95 % interval. "
    "A trained model's is wider than the dots: it also holds how far off such models were in other stores."
)
CHANGES_NOTE = (
    "The zones whose profit changes most, by where items were picked. One interval in twenty misses by "
    "chance, so read the large ones; what one zone gains, another that holds the same goods may have lost."
)
ZONES_NOTE = (
    "Reach: share of shoppers who enter the zone. Stop rate: share of visits of 8 s or longer; dwell: median "
    "seconds of those. Visits, purchases (receipt lines) and profit are for 100 shoppers. Conversion: share "
    "of those who enter who buy there."
)


def lift_table(run: Run, answer: Mapping[str, Any]) -> Markup:
    """Tell what a variant changes: four KPIs with interval, and each replication's difference."""
    variant, lifts = answer["variant"], answer["lift"]
    span = 1.05 * max([1e-9, *(abs(end) for kpi in KPIS for end in _relative(run.control[kpi], lifts[kpi]))])
    rows = [_lift_row(kpi, run, variant, lifts[kpi], span) for kpi in KPIS]
    axis = f"relative, axis ±{100 * span:.1f} %"
    head = ["", "control", "variant", "lift", "95 % interval", "relative", "p", axis]
    differences = run.replication_differences(variant["layout"], "profit_per_shopper")
    return element(
        "section",
        element("h2", "What changes"),
        table(head, rows),
        element("h3", "Profit per shopper: each replication's difference"),
        draw_replications(differences, lifts["profit_per_shopper"], unit=run.currency),
        element("p", LIFT_NOTE, css="note"),
    )


def _lift_row(
    kpi: str, run: Run, variant: Mapping[str, Any], lift: Mapping[str, Any], span: float
) -> list[str]:
    unit = {"items_per_shopper": "items", "minutes_per_shopper": "min"}.get(kpi, run.currency)
    is_money_or_items = kpi != "minutes_per_shopper"  # a longer visit is neither good nor bad
    low, mean, high = _relative(run.control[kpi], lift)
    return [
        f"{KPI_LABELS[kpi]} [{unit}]",
        f"{run.control[kpi]:.2f}",
        f"{variant[kpi]:.2f}",
        element("td", format_signed(lift["mean"], 3), css=_kind(lift) if is_money_or_items else ""),
        format_interval(lift, 3),
        format_relative(lift, 2),
        format_p_value(lift["p_value"]),
        draw_interval(low, mean, high, span=span, is_neutral=not is_money_or_items),
    ]


def _relative(level: float, lift: Mapping[str, Any]) -> tuple[float, float, float]:
    """Low end, mean and high end as shares of the control's level; zeros where that is zero."""
    low, high = lift["ci95"]
    return (low / level, lift["mean"] / level, high / level) if level else (0.0, 0.0, 0.0)


def _kind(lift: Mapping[str, Any]) -> str:
    return "" if not is_clear(lift) else "up" if lift["mean"] > 0 else "down"


def largest_changes(run: Run, variant: str) -> Markup:
    """Tell which zones win and lose most profit in a variant."""
    changes = 100 * run.zone_differences(variant, "profit")
    largest = changes.mean().abs().sort_values(ascending=False, kind="stable").index[:N_LARGEST]
    lifts = {
        zone_id: compute_lift(np.zeros(len(changes)), changes[zone_id].to_numpy()) for zone_id in largest
    }
    span = 1.05 * max([1e-9, *(abs(end) for lift in lifts.values() for end in lift.ci95)])
    marked = run.changed_zones(variant)
    before, after = _contents(run.stores[run.control["layout"]]), _contents(run.stores[variant])
    rows = []
    for zone_id, lift in lifts.items():
        low, high = lift.ci95
        summary = {"mean": lift.mean, "ci95": lift.ci95}
        rows.append(
            [
                _zone_name(zone_id, marked),
                _held(before.get(zone_id, ""), after.get(zone_id, "")),
                element("td", format_signed(lift.mean, 2), css=_kind(summary)),
                format_interval(summary, 2),
                draw_interval(low, lift.mean, high, span=span),
            ]
        )
    money = f"profit [{run.currency} per 100 shoppers]"
    return element(
        "section",
        element("h2", "Where the difference is made"),
        table(["zone", "holds", money, "95 % interval", f"axis ±{span:.2f}"], rows, css="changes"),
        element("p", CHANGES_NOTE, css="note"),
    )


def zone_table(run: Run, variant: str | None) -> Markup:
    """List the KPIs of every zone, of the variant with the control's beside them, or of the one store."""
    control = run.control["layout"]
    layouts = [control] if variant is None else [variant, control]
    marked = frozenset() if variant is None else run.changed_zones(variant)
    contents = [_contents(run.stores[layout]) for layout in layouts]
    rows = []
    for zone_id in sorted({zone.zone_id for layout in layouts for zone in run.stores[layout].zones}):
        row = [
            _zone_name(zone_id, marked),
            _held(contents[-1].get(zone_id, ""), contents[0].get(zone_id, "")),
        ]
        for kpi in ZONE_COLUMNS:
            now, *was = (_format_kpi(run.zone_means, layout, zone_id, kpi) for layout in layouts)
            row.append(element("td", now, *(element("div", text, css="was") for text in was)))
        rows.append(row)
    head = ["zone", "holds", *(heading for heading, _, _ in ZONE_COLUMNS.values())]
    note = ZONES_NOTE if variant is None else f"{ZONES_NOTE} Upper figure: variant; lower, grey: control."
    return element(
        "section",
        element("h2", "All zones"),
        table(head, rows, css="zones"),
        element("p", note, css="note"),
        css="break",
    )


def _zone_name(zone_id: str, marked: frozenset[str]) -> Markup:
    return element("td", zone_id, " ", element("span", "changed", css="tag") if zone_id in marked else "")


def _held(before: str, after: str) -> Markup:
    """What a zone holds and, where that is something else, what it held."""
    was = element("div", f"was: {before or 'nothing'}", css="was") if before != after else ""
    return element("td", after or "nothing", was, css="text")


def _format_kpi(means: pd.DataFrame, layout: str, zone_id: str, kpi: str) -> str:
    _, factor, digits = ZONE_COLUMNS[kpi]
    value = means[kpi].get((layout, zone_id), np.nan)
    return "–" if np.isnan(value) else f"{factor * value:.{digits}f}"


def _contents(store: Store) -> dict[str, str]:
    """The two categories with most facings of each zone."""
    categories = {sku.sku_id: sku.category for sku in store.skus}
    facings: dict[str, Counter[str]] = {}
    for placement in store.placements:
        facings.setdefault(placement.zone_id, Counter())[categories[placement.sku_id]] += placement.facings
    return {
        zone_id: ", ".join(
            name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:2]
        )
        for zone_id, counts in facings.items()
    }
