"""Drawings of the report as inline SVG: floor plans with a heat map, intervals, bars.

Every drawing is a string without ids or scripts, so that many of them fit in one page. All text that
comes from files is escaped here.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from shapely.geometry.base import BaseGeometry

from layouts import Store
from scenarios.report_html import Markup, element

HEAT = ("#fff3d6", "#fee3a8", "#fdca72", "#fca94d", "#f88436", "#ea5a28", "#cf351f", "#a4161a", "#6a0d1c")
LESS = ("#dbe9f6", "#a6cbe5", "#5a9bcb", "#2166ac")
MORE = ("#fde0d2", "#f9b699", "#e2725b", "#b2182b")
PAD_M = 0.7


def draw_heat_map(store: Store, cells: pd.DataFrame, top_s: float, *, title: str) -> Markup:
    """Draw how long shoppers were in each cell.

    Parameters
    ----------
    store
        The layout.
    cells
        Cell centres `x`, `y` [m] and `seconds` per shopper.
    top_s
        Seconds per shopper that get the darkest colour; longer times get it too.
    title
        What a screen reader says.
    """
    share = np.clip(cells["seconds"].to_numpy() / top_s, 0, 1)
    level = np.ceil(np.sqrt(share) * len(HEAT)).astype(int)  # the root: tills would outshine the aisles
    return draw_floor(store, _cell_paths(store, cells, level, dict(enumerate(HEAT, start=1))), title=title)


def draw_difference_map(
    store: Store, cells: pd.DataFrame, top_s: float, *, marked: frozenset[str] = frozenset(), title: str
) -> Markup:
    """Draw where shoppers spend more (red) or less (blue) time than in the control.

    Parameters
    ----------
    store
        The variant.
    cells
        Cell centres `x`, `y` [m] and `seconds` per shopper, variant minus control.
    top_s
        Change [s] that gets the darkest colour; changes below a sixteenth of it stay white.
    marked
        Zones to outline, because they were changed.
    title
        What a screen reader says.
    """
    change = cells["seconds"].to_numpy() / top_s
    steps = np.floor(np.sqrt(np.clip(np.abs(change), 0, 1)) * len(MORE)).astype(int)
    level = np.sign(change).astype(int) * steps
    colours = dict(enumerate(MORE, start=1)) | {-i: colour for i, colour in enumerate(LESS, start=1)}
    return draw_floor(store, _cell_paths(store, cells, level, colours), marked=marked, title=title)


def draw_floor(
    store: Store, underlay: str = "", *, marked: frozenset[str] = frozenset(), title: str
) -> Markup:
    """Draw floor, fixtures, zones and doors over an underlay in metres; a zone pointed at tells its id."""
    west, south, east, north = store.floor.bounds
    width, height = east - west + 2 * PAD_M, north - south + 2 * PAD_M
    frame = f"{west - PAD_M:.2f} {-north - PAD_M:.2f} {width:.2f} {height:.2f}"
    parts = [
        f'<svg class="plan" viewBox="{frame}" role="img" aria-label="{escape(title)}">',
        f'<path class="floor" d="{_outline(store.floor)}"/>',
        underlay,
        *(f'<path class="obstacle" d="{_outline(polygon)}"/>' for polygon in store.obstacles),
    ]
    for fixture in store.fixtures:
        kind = escape(f"fixture {fixture.fixture_type}")
        parts.append(f'<path class="{kind}" d="{_outline(fixture.polygon)}"/>')
    for zone in store.zones:
        kind = "zone marked" if zone.zone_id in marked else "zone"
        tip = escape(f"{zone.zone_id} ({zone.zone_type})")
        parts.append(f'<path class="{kind}" d="{_outline(zone.polygon)}"><title>{tip}</title></path>')
    parts += [_square(door.xy, "entrance", f"entrance {door.door_id}") for door in store.entrances]
    parts += [_square(door.xy, "exit", f"exit {door.door_id}") for door in store.exits]
    parts += [_square(till.xy, "checkout", f"checkout {till.checkout_id}") for till in store.checkouts]
    return Markup("".join(parts) + "</svg>")


def draw_scale(colours: Sequence[str], labels: tuple[str, str]) -> Markup:
    """Draw a colour scale with a label at either end."""
    boxes = "".join(f'<rect x="{18 * i}" width="18" height="10" fill="{c}"/>' for i, c in enumerate(colours))
    width = 18 * len(colours)
    drawing = f'<svg viewBox="0 0 {width} 10" width="{width}" height="10" aria-hidden="true">{boxes}</svg>'
    return element("p", element("span", labels[0]), Markup(drawing), element("span", labels[1]), css="scale")


def draw_interval(low: float, mean: float, high: float, *, span: float, is_neutral: bool = False) -> Markup:
    """Draw a mean and its interval on an axis from -span to span; coloured where clear, unless neutral."""
    x_low, x_mean, x_high = (100 + 92 * float(np.clip(value / span, -1, 1)) for value in (low, mean, high))
    kind = "unclear" if is_neutral or low <= 0 <= high else "up" if low > 0 else "down"
    return Markup(
        f'<svg class="interval {kind}" viewBox="0 0 200 20" role="img" aria-label="interval">'
        '<line class="axis" x1="4" x2="196" y1="10" y2="10"/>'
        '<line class="zero" x1="100" x2="100" y1="0" y2="20"/>'
        f'<line class="ci" x1="{x_low:.1f}" x2="{x_high:.1f}" y1="10" y2="10"/>'
        f'<circle cx="{x_mean:.1f}" cy="10" r="4"/></svg>'
    )


def draw_replications(differences: np.ndarray, lift: Mapping[str, Any], *, unit: str) -> Markup:
    """Draw each replication's difference as a dot, and below them their mean with its interval."""
    low, high = lift["ci95"]
    span = 1.08 * max(np.abs([*differences, low, high]).max(initial=0.0), 1e-9)

    def x(value: float) -> float:
        return 320 + 300 * value / span

    dots = "".join(
        f'<circle class="dot" cx="{x(value):.1f}" cy="{16 + 7 * (i % 5)}" r="4"><title>replication {i}: '
        f"{value:+.3f} {escape(unit)}</title></circle>"
        for i, value in enumerate(differences)
    )
    step = _round_step(span)
    ticks = "".join(
        f'<text x="{x(i * step):.1f}" y="92" text-anchor="middle">{i * step:+.3g}</text>'
        f'<line class="axis" x1="{x(i * step):.1f}" x2="{x(i * step):.1f}" y1="74" y2="79"/>'
        for i in (-2, -1, 1, 2)
        if abs(i * step) < span
    )
    return Markup(
        '<svg class="replications" viewBox="0 0 640 98" role="img" aria-label="each replication">'
        '<line class="axis" x1="10" x2="630" y1="74" y2="74"/>'
        f'<line class="zero" x1="320" x2="320" y1="4" y2="79"/>{ticks}'
        f'<text x="320" y="92" text-anchor="middle">0 {escape(unit)}</text>{dots}'
        f'<line class="ci" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="60" y2="60"/>'
        f'<circle class="mean" cx="{x(lift["mean"]):.1f}" cy="60" r="6"/></svg>'
    )


def _cell_paths(store: Store, cells: pd.DataFrame, level: np.ndarray, colours: Mapping[int, str]) -> str:
    """One path per colour; neighbours of one colour in a row are one rectangle."""
    size = store.grid.cell_m
    frame = pd.DataFrame({"x": cells["x"].to_numpy(), "y": cells["y"].to_numpy(), "level": level})
    frame = frame[frame["level"] != 0].sort_values(["level", "y", "x"])
    starts = (frame[["level", "y"]].diff().abs().sum(axis=1) > 1e-6) | (frame["x"].diff() > 1.5 * size)
    runs = frame.groupby(starts.cumsum()).agg(
        x=("x", "first"), y=("y", "first"), n=("x", "size"), level=("level", "first")
    )
    paths = []
    for colour, rows in runs.groupby("level"):
        d = "".join(
            f"M{_n(x - size / 2)} {_n(-y - size / 2)}h{_n(n * size)}v{_n(size)}h{_n(-n * size)}z"
            for x, y, n in zip(rows["x"], rows["y"], rows["n"], strict=True)
        )
        paths.append(f'<path class="heat" fill="{colours[colour]}" d="{d}"/>')
    return "".join(paths)


def _round_step(span: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that fits into half of the span."""
    power = 10.0 ** np.floor(np.log10(span / 2))
    return float(max(factor * power for factor in (1, 2, 5) if factor * power <= span / 2))


def _outline(polygon: BaseGeometry) -> str:
    """SVG path of a polygon with its holes, y turned downward."""
    parts = getattr(polygon, "geoms", [polygon])
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    return "".join(
        "M" + "L".join(f"{_n(x)} {_n(-y)}" for x, y, *_ in list(ring.coords)[:-1]) + "Z" for ring in rings
    )


def _square(xy: tuple[float, float], kind: str, tip: str) -> str:
    x, y = xy
    return (
        f'<rect class="{kind}" x="{_n(x - 0.3)}" y="{_n(-y - 0.3)}" width=".6" height=".6" rx=".12">'
        f"<title>{escape(tip)}</title></rect>"
    )


def _n(value: float) -> str:
    """Centimetres are enough, and no trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
