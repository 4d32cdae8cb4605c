"""Figures of a validation hold the numbers they were given."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from analysis import plot_calibration, plot_distributions, plot_heatmaps

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def make_rows():
    rows = pd.DataFrame(
        {"item": ["milk", "$jam$", "none"], "observed": [10.0, 4.0, 0.0], "predicted": [11.0, 8.0, 0.0]}
    )
    for side in ("observed", "predicted"):
        rows[f"{side}_low"], rows[f"{side}_high"] = rows[side] - 1.0, rows[side] + 1.0
    return rows.assign(difference_se=0.7, is_within=[True, False, True])


def test_items_off_the_line_are_named_as_text():
    ax = plot_calibration(make_rows())
    assert [text.get_text() for text in ax.texts] == [r"\$jam\$"]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["within the 95 % interval (1)", "outside the 95 % interval (1)"]  # nothing at 0 and 0
    assert ax.get_xlim() == ax.get_ylim()


def test_a_distribution_function_ends_at_one():
    ax = plot_distributions(np.array([3.0, 1.0]), np.array([2.0]), label="dwell [s]")
    observed, generated = ax.lines
    assert observed.get_xdata().tolist() == [0.0, 1.0, 3.0]
    assert observed.get_ydata()[-1] == generated.get_ydata()[-1] == 1.0
    assert ax.get_xlabel() == "dwell [s]"


def test_both_maps_share_a_scale(tiny_store):
    import matplotlib.pyplot as plt

    observed, generated = np.zeros(tiny_store.grid.n_cells), np.zeros(tiny_store.grid.n_cells)
    observed[3], generated[7] = 5.0, 2.0
    axes = plt.subplots(1, 3)[1]
    plot_heatmaps(tiny_store, observed, generated, axes=axes)
    assert axes[0].images[0].norm.vmax == axes[1].images[0].norm.vmax == 5.0
    difference = np.ma.filled(axes[2].images[0].get_array(), np.nan)
    assert (np.nanmin(difference), np.nanmax(difference)) == (-5.0, 2.0)
