"""The report of a validation: how near simulated days come to observed ones."""

from base64 import b64encode
from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from analysis import summarise_calibration
from scenarios.report_html import Markup, definitions, element, figure, table
from scenarios.report_svg import HEAT, LESS, MORE, draw_difference_map, draw_heat_map, draw_scale
from scenarios.validation_data import ValidationRun

FIGURE_LABELS = {
    "cell_seconds": "time in each cell",
    "cell_sessions": "sessions seen in each cell",
    "zone_visits": "stops by zone",
    "zone_transitions": "ways from stop to stop",
    "zone_purchases": "purchases by zone",
    "category_purchases": "purchases by category",
}
SHORT_LABELS = ("time in cells", "cells seen", "stops", "ways", "zone buys", "category buys")
DIVERGENCE_NOTE = (
    "Jensen-Shannon divergence in nats between observed and simulated sessions: 0 is equal, 0.69 has nothing "
    "in common. Chance alone makes two samples of these sizes differ by the noise floor on average, and by "
    "the 95 % mark or less in 19 of 20 cases; green: within it. The session is what is drawn: seconds or "
    "purchases of one session are not independent."
)
GROUP_NOTE = (
    "Within each level the same comparison, in multiples of its own noise floor; in brackets the same for as "
    "many simulated sessions of the other levels. Where the second is not larger, the attribute changes "
    "nothing that can be seen, or the model does not follow it."
)
DISTRIBUTION_NOTE = (
    "Distance: by how much values have to be moved on average to turn one distribution into the other "
    "(Wasserstein), with what chance alone would make of it. Duration, path and stops are those of complete "
    "sessions; the path is the line through positions 1 m apart; baskets are those of receipts with a track."
)
CALIBRATION_NOTE = (
    "Predicted and observed counts for 100 sessions, with 95 % intervals by session. In a perfect model 19 "
    "of 20 differences lie within their interval, and the error is that of chance."
)
HEAT_NOTE = (
    "Seconds that the mean session spends in each 50 cm cell, after measurement and cleaning on both sides."
)
N_ITEMS = 15  # of the calibration that are listed


def validation_sections(run: ValidationRun) -> Iterator[str]:
    """Give the sections of the page, the answer first."""
    yield _header(run)
    yield _divergences(run)
    yield _heat_maps(run)
    yield _calibration(run)
    yield _distributions(run)
    if (run.divergences["attribute"] != "").any():
        yield _groups(run)
    yield _provenance(run)


def _header(run: ValidationRun) -> Markup:
    overall = _overall(run.divergences).set_index("figure")
    headline = ", ".join(
        f"{_times(overall.loc[name, 'ratio'])} ({FIGURE_LABELS[name]})"
        for name in ("cell_seconds", "zone_visits", "category_purchases")
    )
    checks, result = run.result["floor_checks"], run.result
    lead = (
        f"{result['sessions']:,} observed sessions against {result['replications']} x {result['shoppers']:,} "
        f"simulated ones. Positions off the floor: {checks['off_floor']:,} of {checks['positions']:,}; moves "
        f"through shelves or walls: {checks['crossings']:,} of {checks['steps']:,}."
    )
    return element(
        "header",
        element("p", "Validation against observed days", css="kicker"),
        element(
            "h1", f"Generated days of {result['store']} differ from observed ones by {headline} noise floors."
        ),
        element("p", lead, css="lead"),
    )


def _overall(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["attribute"] == ""]


def _divergences(run: ValidationRun) -> Markup:
    rows = []
    for row in _overall(run.divergences).to_dict("records"):
        is_within = row["value"] <= row["floor95"]
        rows.append(
            [
                FIGURE_LABELS.get(row["figure"], row["figure"]),
                f"{row['value']:.4f}",
                _number(row["sd"], 4),
                f"{row['floor']:.4f}",
                f"{row['floor95']:.4f}",
                element("td", _times(row["ratio"]), css="up" if is_within else ""),
                f"{row['n']:,} / {row['m']:,}",
                f"{row['n_counts']:,.0f} / {row['m_counts']:,.0f}",
                f"{row['k']:,}",
            ]
        )
    head = ["", "divergence", "± sd", "noise floor", "95 % mark", "times floor", "sessions", "counts", "bins"]
    return element(
        "section",
        element("h2", "How far from what was observed"),
        table(head, rows),
        element("p", DIVERGENCE_NOTE, css="note"),
    )


def _heat_maps(run: ValidationRun) -> Markup:
    observed, generated = run.seconds("observed"), run.seconds("generated")
    seconds = pd.concat([observed, generated])["seconds"]
    top_s = float(seconds[seconds > 0].quantile(0.98)) if seconds.any() else 1.0
    scale = draw_scale(HEAT, ("0 s", f"{top_s:.2f} s or more"))
    maps = [
        figure(name, draw_heat_map(run.store, cells, top_s, title=name), scale)
        for name, cells in (("observed", observed), ("generated", generated))
    ]
    change = generated.assign(seconds=generated["seconds"] - observed["seconds"])
    most_s = max(float(change["seconds"].abs().quantile(0.99)), 1e-6)
    drawing = draw_difference_map(run.store, change, most_s, title="Difference")
    ends = draw_scale([*LESS[::-1], "#fff", *MORE], (f"-{most_s:.2f} s", f"+{most_s:.2f} s"))
    maps.append(figure("generated minus observed", drawing, ends))
    return element(
        "section",
        element("h2", "Where shoppers spend their time"),
        element("div", *maps, css="maps"),
        element("p", HEAT_NOTE, css="note"),
    )


def _calibration(run: ValidationRun) -> Markup:
    summary = summarise_calibration(run.calibration)
    rows = [
        [
            FIGURE_LABELS.get(name, name),
            str(of["n_items"]),
            f"{100 * of['within95']:.0f} %",
            f"{100 * of['error']:.1f} %",
            f"{100 * of['error_floor']:.1f} %",
            _number(of["slope"], 2),
            _number(of["correlation"], 3),
        ]
        for name, of in summary.items()
    ]
    head = ["", "items", "within their interval", "error", "error by chance", "slope", "correlation"]
    return element(
        "section",
        element("h2", "Predicted beside observed"),
        table(head, rows),
        _picture(run, "calibration.png", "predicted against observed counts of every category and zone"),
        element("h3", "Farthest off"),
        _farthest_off(run.calibration),
        element("p", CALIBRATION_NOTE, css="note"),
    )


def _farthest_off(calibration: pd.DataFrame) -> Markup:
    z = (calibration["predicted"] - calibration["observed"]) / calibration["difference_se"].replace(
        0.0, np.nan
    )
    order = z.abs().sort_values(ascending=False, kind="stable").index[:N_ITEMS]
    rows = [
        [
            f"{row['item']} ({FIGURE_LABELS.get(row['figure'], row['figure'])})",
            f"{row['observed']:.1f}",
            f"{row['observed_low']:.1f} to {row['observed_high']:.1f}",
            f"{row['predicted']:.1f}",
            f"{row['predicted_low']:.1f} to {row['predicted_high']:.1f}",
            f"{z[index]:+.1f}",
        ]
        for index, row in calibration.loc[order].iterrows()
    ]
    head = ["for 100 sessions", "observed", "95 %", "predicted", "95 %", "difference / its se"]
    return table(head, rows)


def _distributions(run: ValidationRun) -> Markup:
    rows = []
    for row in _overall(run.distributions).to_dict("records"):
        unit = run.result["currency"] if row["unit"] == "money" else row["unit"]
        is_within = row["wasserstein_value"] <= row["wasserstein_floor95"]
        rows.append(
            [
                _with_unit(row["measure"], unit),
                *(
                    f"{row[f'observed_{q}']:.1f} / {row[f'simulated_{q}']:.1f}"
                    for q in ("mean", "q05", "q50", "q95")
                ),
                element("td", _number(row["wasserstein_value"], 2), css="up" if is_within else ""),
                _number(row["wasserstein_floor"], 2),
                _number(row["ks_value"], 3),
                _number(row["ks_floor"], 3),
            ]
        )
    head = ["observed / generated", "mean", "5 %", "median", "95 %", "distance", "floor", "KS", "floor"]
    return element(
        "section",
        element("h2", "Visits and baskets"),
        table(head, rows),
        _picture(run, "distributions.png", "distribution functions of visits and baskets on both sides"),
        element("p", DISTRIBUTION_NOTE, css="note"),
    )


def _groups(run: ValidationRun) -> Markup:
    groups = run.divergences[run.divergences["attribute"] != ""]
    rows = []
    for (attribute, level), of_level in groups.groupby(["attribute", "level"], sort=False):
        by_figure = of_level.set_index("figure")
        first = of_level.iloc[0]
        cells = [
            _group_cell(by_figure.loc[name]) if name in by_figure.index else "–" for name in FIGURE_LABELS
        ]
        rows.append([f"{attribute}: {level}", f"{first['n']:,} / {first['m']:,}", *cells])
    return element(
        "section",
        element("h2", "Do they follow their attributes?"),
        table(["times floor (others)", "sessions", *SHORT_LABELS], rows, css="groups"),
        element("p", GROUP_NOTE, css="note"),
    )


def _group_cell(row: pd.Series) -> Markup:
    is_within = row["value"] <= row["floor95"]
    others = row["others"] / row["floor"] if row["floor"] > 0 else np.nan
    text = f"{_number(row['ratio'], 2)} ({_number(others, 2)})"
    return element("td", text, css="up" if is_within else "")


def _provenance(run: ValidationRun) -> Markup:
    result = run.result
    measurement = dict(result["measurement"])
    source = measurement.pop("source")
    pairs = {
        "Model": str(result["model"]),
        "Trained on this store": "yes" if result["trained_on_this_store"] else "no",
        "Shoppers": f"{result['shoppers']:,} in each of {result['replications']} replications",
        "Seed": str(result["seed"]),
        "Measurement noise": f"{source}; " + ", ".join(f"{k} {_short(v)}" for k, v in measurement.items()),
        f"Layout {run.store.name}": f"content {run.store.content_hash[:16]}",
        "Versions": ", ".join(f"{name} {number}" for name, number in result["versions"].items()),
    }
    return element("section", element("h2", "How this was made"), definitions(pairs))


def _picture(run: ValidationRun, name: str, description: str) -> Markup:
    """Put a PNG into the page itself."""
    data = b64encode(run.figures[name]).decode("ascii")
    return Markup(f'<img class="chart" alt="{escape(description)}" src="data:image/png;base64,{data}">')


def _with_unit(measure: str, unit: str) -> str:
    name = measure.replace("_", " ")
    return name if name.endswith(unit) else f"{name} [{unit}]"


def _times(ratio: float) -> str:
    return "–" if np.isnan(ratio) else f"{ratio:.2f}"


def _number(value: float, digits: int) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
