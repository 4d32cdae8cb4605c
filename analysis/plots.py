"""Figures: numbers in, axes in and out; nothing is shown or saved here.

matplotlib is loaded when a figure is drawn, since most runs draw none.
Colours: one hue for amounts, blue to red around white for differences, so that heat maps read the same on
paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis import schema as c
from analysis.arrays import FloatArray
from analysis.lift import Lift
from layouts import Store

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FLOOR, _WALL, _FIXTURE, _EDGE, _ZONE = "#fbfaf7", "#5f5b55", "#d9d4ca", "#8d877c", "#b7b0a2"


def plot_floor(store: Store, *, ax: Axes | None = None, has_zones: bool = True) -> Axes:
    """Draw the plan: floor, walls, fixtures, zones in outline, doors and tills."""
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Polygon as Patch

    ax = _new_axes(ax)
    ax.add_patch(Patch(np.array(store.floor.exterior.coords), facecolor=_FLOOR, edgecolor=_WALL, lw=1.2))
    for hole in store.floor.interiors:
        ax.add_patch(Patch(np.array(hole.coords), facecolor="white", edgecolor=_WALL))
    for obstacle in store.obstacles:
        ax.add_patch(Patch(np.array(obstacle.exterior.coords), facecolor=_WALL, zorder=3))
    for fixture in store.fixtures:
        outline = np.array(fixture.polygon.exterior.coords)
        ax.add_patch(Patch(outline, facecolor=_FIXTURE, edgecolor=_EDGE, lw=0.6, zorder=3))
    if has_zones:
        outlines = [np.array(zone.polygon.exterior.coords) for zone in store.zones]
        ax.add_collection(PolyCollection(outlines, facecolor="none", edgecolor=_ZONE, lw=0.4, zorder=4))
    _mark(ax, [door.xy for door in store.entrances], marker="^", color="#2a7f62", label="entrance")
    _mark(ax, [door.xy for door in store.exits], marker="v", color="#a4442f", label="exit")
    _mark(ax, [till.xy for till in store.checkouts], marker="s", color="#33415c", label="checkout")
    x0, y0, x1, y1 = store.floor.bounds
    ax.set(xlim=(x0 - 0.3, x1 + 0.3), ylim=(y0 - 0.3, y1 + 0.3), xlabel="x [m]", ylabel="y [m]")
    ax.set_aspect("equal")
    return ax


def plot_heatmap(
    store: Store, occupancy: FloatArray, *, ax: Axes | None = None, vmax: float | None = None
) -> Axes:
    """Draw seconds per walkable cell over the plan, on a logarithmic scale.

    Parameters
    ----------
    occupancy
        Seconds (or seconds per shopper), shape (n_cells,).
    vmax
        Top of the scale; give two maps the same one to compare them.
    """
    from matplotlib.colors import LogNorm

    ax = plot_floor(store, ax=ax, has_zones=False)
    top = float(vmax if vmax is not None else occupancy.max(initial=0.0)) or 1.0
    norm = LogNorm(vmin=top / 1000.0, vmax=top)
    image = _image(store, np.where(occupancy > 0, occupancy, np.nan))
    shown = ax.imshow(image, extent=_extent(store), origin="lower", cmap="magma_r", norm=norm, zorder=2)
    ax.figure.colorbar(shown, ax=ax, shrink=0.7, label="time in cell [s]")
    return ax


def plot_heatmap_difference(
    store: Store, control: FloatArray, variant: FloatArray, *, ax: Axes | None = None
) -> Axes:
    """Draw variant minus control, seconds per cell; both on the cells of `store`, shape (n_cells,)."""
    from matplotlib.colors import TwoSlopeNorm

    ax = plot_floor(store, ax=ax, has_zones=False)
    difference = np.asarray(variant) - np.asarray(control)
    top = float(np.quantile(np.abs(difference), 0.995)) or float(np.abs(difference).max(initial=0.0)) or 1.0
    shown = ax.imshow(
        _image(store, difference),
        extent=_extent(store),
        origin="lower",
        cmap="RdBu_r",
        norm=TwoSlopeNorm(0.0, -top, top),
        zorder=2,
    )
    ax.figure.colorbar(shown, ax=ax, shrink=0.7, label="change of time in cell [s]", extend="both")
    return ax


def plot_zone_kpis(
    kpis: pd.DataFrame, kpi: str = c.PROFIT, *, ax: Axes | None = None, n_top: int = 20
) -> Axes:
    """Draw one KPI of the zones where it is largest, as bars.

    Parameters
    ----------
    kpis
        What `compute_zone_kpis` gave.
    kpi
        Name of a column.
    n_top
        Bars to draw.
    """
    ax = _new_axes(ax)
    shown = kpis.nlargest(n_top, kpi).iloc[::-1]
    ax.barh(shown[c.ZONE_ID], shown[kpi], color="#4c6a92")
    ax.set(xlabel=kpi.replace("_", " "), ylabel="zone")
    return ax


def plot_lift(lifts: Mapping[str, Lift], *, ax: Axes | None = None, unit: str = "") -> Axes:
    """Draw lifts with their 95 % intervals, one line each, beside zero.

    Parameters
    ----------
    lifts
        By the name that stands beside it; all in one unit.
    unit
        Of the lift, for the axis.
    """
    ax = _new_axes(ax)
    names = list(lifts)[::-1]
    means = np.array([lifts[name].mean for name in names])
    ends = np.array([lifts[name].ci95 for name in names]).reshape(-1, 2)
    reach = np.nan_to_num(np.abs(ends.T - means))
    ax.errorbar(means, np.arange(len(names)), xerr=reach, fmt="o", color="#33415c", capsize=3)
    ax.axvline(0.0, color="#8d877c", lw=0.8)
    ax.set_yticks(np.arange(len(names)), names)
    ax.set(xlabel=f"variant minus control [{unit}]" if unit else "variant minus control")
    return ax


def plot_cluster_sweep(sweep: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of purchases that stops explain against how many zones they name, a line per radius.

    Parameters
    ----------
    sweep
        What `sweep_clusters` gave. Points of a line are values of `min_samples`, written beside them; other
        ways of finding stops are single points.
    """
    ax = _new_axes(ax)
    clusters = sweep[sweep["method"] == "dbscan"]
    radii = sorted(clusters["eps_m"].unique())
    for index, radius in enumerate(radii):
        line = clusters[clusters["eps_m"] == radius].sort_values("min_samples")
        shade = (0.1 + 0.65 * index / max(len(radii) - 1, 1),) * 3
        ax.plot(line["zones_per_session"], line["recall"], "o-", color=shade, label=f"DBSCAN, {radius:g} m")
        for point in line.itertuples():
            where = (point.zones_per_session, point.recall)
            ax.annotate(f"{point.min_samples:.0f}", where, xytext=(4, -9), textcoords="offset points", size=7)
    for marker, (method, point) in zip(
        "sD^v", sweep[sweep["method"] != "dbscan"].groupby("method"), strict=False
    ):
        name = str(method).replace("_", " ").replace("hmm", "HMM")
        ax.plot(point["zones_per_session"], point["recall"], marker, color="#a4442f", label=name)
    ax.set(xlabel="Zones stopped at per session", ylabel="Share of receipt lines at a stop", ylim=(0.0, 1.03))
    ax.legend(fontsize=8, loc="lower right")
    return ax


def _new_axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


def _mark(ax: Axes, points: list[tuple[float, float]], *, marker: str, color: str, label: str) -> None:
    if points:
        x, y = np.array(points).T
        ax.scatter(x, y, marker=marker, color=color, s=28, zorder=5, label=label)


def _image(store: Store, values: FloatArray) -> FloatArray:
    image = np.full(store.grid.shape, np.nan)
    image[store.grid.walkable] = values
    return image


def _extent(store: Store) -> tuple[float, float, float, float]:
    (x0, y0), (n_rows, n_columns) = store.grid.origin, store.grid.shape
    return x0, x0 + n_columns * store.grid.cell_m, y0, y0 + n_rows * store.grid.cell_m
