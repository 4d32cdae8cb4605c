"""Figures of a validation: predicted beside observed rates, and distributions of both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.arrays import FloatArray
from analysis.plots import plot_heatmap, plot_heatmap_difference
from layouts import Store

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OBSERVED, _SIMULATED, _OUTSIDE = "#33415c", "#c8643c", "#a4161a"
_N_LABELS = 5


def plot_calibration(rows: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw predicted against observed rates with their 95 % intervals; the farthest off are named.

    Parameters
    ----------
    rows
        Of one figure, from the `calibration` of a `Validation`.
    """
    ax = _new_axes(ax)
    rows = rows[(rows["observed"] > 0) | (rows["predicted"] > 0)]
    top = 1.05 * max(float(rows[["observed_high", "predicted_high"]].to_numpy().max(initial=0.0)), 1e-9)
    ax.plot([0, top], [0, top], color="#8d877c", lw=0.8, zorder=1)
    for is_within, color in ((True, _OBSERVED), (False, _OUTSIDE)):
        part = rows[rows["is_within"] == is_within]
        ax.errorbar(
            part["predicted"],
            part["observed"],
            xerr=_reach(part, "predicted"),
            yerr=_reach(part, "observed"),
            fmt="o",
            ms=3.5,
            lw=0.7,
            color=color,
            label=f"{'within' if is_within else 'outside'} the 95 % interval ({len(part)})",
        )
    z = (rows["predicted"] - rows["observed"]).abs() / rows["difference_se"].where(rows["difference_se"] > 0)
    for row in rows.assign(z=z)[~rows["is_within"]].nlargest(_N_LABELS, "z").itertuples():
        place = (row.predicted, row.observed)
        ax.annotate(_plain(row.item), place, xytext=(5, 3), textcoords="offset points", fontsize=7)
    ax.set(xlim=(0, top), ylim=(0, top), xlabel="predicted, per 100 sessions")
    ax.set(ylabel="observed, per 100 sessions")
    ax.set_aspect("equal")
    ax.legend(fontsize=7, loc="upper left", frameon=False)
    return ax


def plot_distributions(
    observed: FloatArray, simulated: FloatArray, *, label: str, ax: Axes | None = None
) -> Axes:
    """Draw the distribution functions of both sides, up to the 99 % quantile.

    Parameters
    ----------
    observed, simulated
        Values of one measure, shapes (n,) and (m,).
    label
        Name and unit of the measure.
    """
    ax = _new_axes(ax)
    both = np.concatenate([observed, simulated])
    top = float(np.quantile(both, 0.99)) if len(both) else 1.0
    for values, color, name in ((observed, _OBSERVED, "observed"), (simulated, _SIMULATED, "generated")):
        ax.step(
            np.r_[0.0, np.sort(values)],
            np.linspace(0.0, 1.0, len(values) + 1),
            where="post",
            color=color,
            lw=1.3,
            label=name,
        )
    ax.set(xlim=(0, max(top, 1e-9)), ylim=(0, 1), xlabel=_plain(label), ylabel="share at or below")
    ax.legend(fontsize=7, loc="lower right", frameon=False)
    return ax


def plot_heatmaps(
    store: Store, observed_s: FloatArray, generated_s: FloatArray, *, axes: Sequence[Axes]
) -> None:
    """Draw seconds per session and cell: observed, generated (one scale for both) and their difference.

    Parameters
    ----------
    observed_s, generated_s
        Shape (n_cells,).
    axes
        Three of them.
    """
    top = float(max(observed_s.max(initial=0.0), generated_s.max(initial=0.0))) or 1.0
    titles = ("observed", "generated", "generated minus observed")
    plot_heatmap(store, observed_s, ax=axes[0], vmax=top)
    plot_heatmap(store, generated_s, ax=axes[1], vmax=top)
    plot_heatmap_difference(store, observed_s, generated_s, ax=axes[2])
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=10)
    for bar in axes[0].figure.axes[3:]:
        bar.set_ylabel("seconds per session in the cell")


def _reach(rows: pd.DataFrame, side: str) -> FloatArray:
    """Length of both arms of the error bars, shape (2, n)."""
    middle, low, high = (rows[name].to_numpy() for name in (side, f"{side}_low", f"{side}_high"))
    return np.maximum(np.stack([middle - low, high - middle]), 0.0)


def _plain(text: str) -> str:
    """Keep matplotlib from reading a name as mathematics."""
    return str(text).replace("$", r"\$")


def _new_axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots()[1]
