"""The figures of a validation folder: heat maps, distributions, calibration, as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis import UNITS, SessionSample, plot_calibration, plot_distributions, plot_heatmaps
from layouts import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 110


def mean_seconds(samples: tuple[SessionSample, ...]) -> np.ndarray:
    """Seconds per session in each cell, shape (n_cells,)."""
    total = np.sum([sample.counts["cell_seconds"].sum(axis=0) for sample in samples], axis=0)
    return np.asarray(total / sum(sample.n for sample in samples), dtype="float64")


def save_figures(
    folder: Path,
    store: Store,
    observed: SessionSample,
    simulated: tuple[SessionSample, ...],
    calibration: pd.DataFrame,
) -> None:
    """Write `heatmaps.png`, `distributions.png` and `calibration.png` into a folder."""
    figures = {
        "heatmaps": _draw_heatmaps(store, observed, simulated),
        "distributions": _draw_distributions(store, observed, simulated),
        "calibration": _draw_calibration(calibration),
    }
    for name, figure in figures.items():  # without the version of matplotlib, for the sake of equal bytes
        figure.savefig(folder / f"{name}.png", dpi=_DPI, metadata={"Software": None})


def _draw_heatmaps(store: Store, observed: SessionSample, simulated: tuple[SessionSample, ...]) -> Figure:
    x0, y0, x1, y1 = store.floor.bounds
    height = float(np.clip(5.0 * (y1 - y0) / (x1 - x0), 2.5, 9.0))
    figure = _new_figure(17.0, height)
    seconds = [mean_seconds(samples) for samples in ((observed,), simulated)]
    plot_heatmaps(store, seconds[0], seconds[1], axes=figure.subplots(1, 3))
    return figure


def _draw_distributions(
    store: Store, observed: SessionSample, simulated: tuple[SessionSample, ...]
) -> Figure:
    figure = _new_figure(14.0, 6.4)
    axes = figure.subplots(2, 4).ravel()
    for ax, (name, unit) in zip(axes, UNITS.items(), strict=False):
        label = name.replace("_", " ")
        if not label.endswith(unit):
            label += f" [{store.currency if unit == 'money' else unit}]"
        pooled = np.concatenate([sample.values[name].value for sample in simulated])
        plot_distributions(observed.values[name].value, pooled, label=label, ax=ax)
    for ax in axes[len(UNITS) :]:
        ax.set_axis_off()
    return figure


def _draw_calibration(calibration: pd.DataFrame) -> Figure:
    figure = _new_figure(14.0, 4.9)
    parts = list(calibration.groupby("figure", sort=False))
    for ax, (name, rows) in zip(figure.subplots(1, len(parts)), parts, strict=True):
        plot_calibration(rows, ax=ax).set_title(str(name).replace("_", " "), fontsize=10)
    return figure


def _new_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
