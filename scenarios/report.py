"""The report: a run or validation folder as one self-contained HTML page, the answer first."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from layouts import write_text
from scenarios.report_data import Run, load_run
from scenarios.report_html import Markup, bullets, definitions, element, figure, page
from scenarios.report_svg import HEAT, LESS, MORE, draw_difference_map, draw_heat_map, draw_scale
from scenarios.report_tables import largest_changes, lift_table, zone_table
from scenarios.report_validation import validation_sections
from scenarios.validation_data import VALIDATION_MARKER, load_validation
from scenarios.wording import answer_sentence, format_relative, format_signed, is_clear, shorten_layout

REPORT_NAME = "report.html"
SUPPORT_NOTE = (
    "The interval tells how far such predictions were off in stores of known truth. This level tells how "
    "far this change goes beyond what the model saw of yours."
)
NO_DOUBT = "nothing in this change goes beyond what the model has seen"
HEAT_NOTE = (
    "Seconds that the mean shopper spends in each 50 cm cell, walking, looking or waiting. The colours "
    "follow the square root, since tills would outshine the aisles. Point at a zone for its name."
)


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into a run or validation folder.

    Parameters
    ----------
    run_dir
        Folder that `storesim simulate`, `storesim ab` or `storesim validate` wrote.

    Returns
    -------
    path
        The page: one file, with drawings and style inside, that opens without a network.

    Raises
    ------
    ConfigError
        If the folder is neither, or lacks a part.
    """
    path = run_dir / REPORT_NAME
    if (run_dir / VALIDATION_MARKER).is_file():
        validation = load_validation(run_dir)
        title = f"storesim: validation in {validation.store.name}"
        write_text(path, page(title, validation_sections(validation)))
        return path
    run = load_run(run_dir)
    write_text(path, page(f"storesim: {run.control['layout']}", _sections(run)))
    return path


def _sections(run: Run) -> Iterator[str]:
    if not run.answers:
        yield _simulation_header(run)
        yield _heat_maps(run, None)
        yield zone_table(run, None)
    else:
        yield _answer_header(run)
    for answer in run.answers:
        variant = answer["variant"]["layout"]
        if len(run.answers) > 1:
            yield element("h2", f"{shorten_layout(variant)} against {shorten_layout(run.control['layout'])}")
        yield _support(answer["support"])
        yield lift_table(run, answer)
        yield _heat_maps(run, variant)
        yield largest_changes(run, variant)
        yield zone_table(run, variant)
    yield _provenance(run)


def _answer_header(run: Run) -> Markup:
    sentences = [
        answer_sentence(a["variant"]["layout"], a["lift"]["profit_per_shopper"], run.currency)
        for a in run.answers
    ]
    best = run.answers[0]["lift"]["profit_per_shopper"]
    kind = "" if not is_clear(best) else "up" if best["mean"] > 0 else "down"
    control = run.control
    lead = (
        f"Against {control['layout']}, where the mean shopper leaves {control['profit_per_shopper']:.2f} "
        f"{run.currency} of profit: {format_relative(best, 1)}, or "
        f"{format_signed(1000 * best['mean'], 0)} {run.currency} for every 1,000 shoppers."
    )
    ranking = element("ol", *(element("li", sentence) for sentence in sentences), css="answers")
    return element(
        "header",
        element("p", "Store layout comparison", css="kicker"),
        element("h1", f"{sentences[0]}."),
        element("p", lead, css="lead"),
        ranking if len(sentences) > 1 else "",
        css=kind,
    )


def _simulation_header(run: Run) -> Markup:
    figures, money = run.control, f"{run.currency} per shopper"
    lead = (
        f"Revenue {figures['revenue_per_shopper']:.2f} {money}, {figures['items_per_shopper']:.2f} items, "
        f"{figures['minutes_per_shopper']:.1f} minutes in the store: means over all shoppers who enter."
    )
    return element(
        "header",
        element("p", "Store simulation", css="kicker"),
        element("h1", f"{figures['layout']} earns {figures['profit_per_shopper']:.2f} {money}."),
        element("p", lead, css="lead"),
    )


def _support(support: Mapping[str, Any]) -> Markup:
    level = str(support["level"])
    return element(
        "section",
        element("h2", "How far to trust it: ", element("span", level, css=f"badge {level}")),
        bullets(map(str, support["why"] or [NO_DOUBT])),
        element("p", SUPPORT_NOTE, css="note"),
        css="support",
    )


def _heat_maps(run: Run, variant: str | None) -> Markup:
    layouts = [run.control["layout"]] if variant is None else [run.control["layout"], variant]
    cells = {layout: run.seconds_per_shopper(layout) for layout in layouts}
    seconds = pd.concat(cells.values())["seconds"]
    top_s = float(seconds[seconds > 0].quantile(0.98)) if seconds.any() else 1.0
    scale = draw_scale(HEAT, ("0 s", f"{top_s:.2f} s or more"))
    maps = []
    for layout in layouts:
        drawing = draw_heat_map(run.stores[layout], cells[layout], top_s, title=f"Heat map of {layout}")
        maps.append(figure(layout, drawing, scale))
    if variant is not None:
        maps.append(_difference_map(run, variant))
    return element(
        "section",
        element("h2", "Where shoppers spend their time"),
        element("div", *maps, css="maps"),
        _map_key(has_changes=variant is not None),
        element("p", HEAT_NOTE, css="note"),
    )


def _difference_map(run: Run, variant: str) -> Markup:
    change = run.difference(variant)
    top_s = max(float(change["seconds"].abs().quantile(0.99)), 1e-6)
    drawing = draw_difference_map(
        run.stores[variant], change, top_s, marked=run.changed_zones(variant), title="Difference of the two"
    )
    scale = draw_scale([*LESS[::-1], "#fff", *MORE], (f"-{top_s:.2f} s", f"+{top_s:.2f} s"))
    return figure("Difference: variant minus control", drawing, scale)


def _map_key(*, has_changes: bool) -> Markup:
    kinds = ("entrance", "exit", "checkout", "cooler", "freezer", "fixture")
    entries = [element("span", element("i", css=kind), kind) for kind in kinds]
    if has_changes:
        entries.append(element("span", "dashed: zones that differ from the control"))
    return element("p", *entries, css="key")


def _provenance(run: Run) -> Markup:
    result = run.result
    pairs = {
        "Shoppers": f"{result['shoppers']:,} in each of {result['replications']:,} replications",
        "Seed": str(result["seed"]),
        "Model": str(result["model"]),
    }
    for layout, store in run.stores.items():
        pairs[f"Layout {layout}"] = f"content {store.content_hash[:16]}"
    versions = result.get("versions", {})
    if versions:
        pairs["Versions"] = ", ".join(f"{name} {number}" for name, number in versions.items())
    return element(
        "section",
        element("h2", "How this was made"),
        definitions(pairs),
        element("p", "The same command with the same seed gives the same figures, to the byte.", css="note"),
    )
