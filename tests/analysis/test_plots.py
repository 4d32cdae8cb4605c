"""Figures hold the numbers they were given."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from analysis import (
    compute_lift,
    plot_floor,
    plot_heatmap,
    plot_heatmap_difference,
    plot_lift,
    plot_zone_kpis,
)

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_a_plan_keeps_its_proportions(tiny_store):
    ax = plot_floor(tiny_store)
    assert ax.get_aspect() == 1.0
    assert ax.get_xlim()[0] < 0 < 6 < ax.get_xlim()[1]


def test_a_heat_map_shows_each_cell_where_it_is(tiny_store):
    occupancy = np.zeros(tiny_store.grid.n_cells)
    cell = tiny_store.grid.cell_at(np.array([[5.25, 1.25]]))[0]
    occupancy[cell] = 7.0
    image = plot_heatmap(tiny_store, occupancy).images[0]
    shown = np.ma.filled(image.get_array(), np.nan)
    assert np.argwhere(shown == 7.0).tolist() == [[2, 10]]  # row, column of 50 cm
    assert image.get_extent() == [0.0, 6.0, 0.0, 5.0]


def test_equal_maps_differ_by_nothing(tiny_store):
    occupancy = np.ones(tiny_store.grid.n_cells)
    image = plot_heatmap_difference(tiny_store, occupancy, occupancy).images[0]
    assert np.nanmax(np.abs(np.ma.filled(image.get_array(), np.nan))) == 0.0


def test_the_largest_zones_come_first():
    kpis = pd.DataFrame({"zone_id": list("abc"), "profit": [1.0, 3.0, 2.0]})
    ax = plot_zone_kpis(kpis, "profit", n_top=2)
    assert [bar.get_width() for bar in ax.patches] == [2.0, 3.0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["c", "b"]


def test_lifts_are_named_with_their_unit():
    control = np.arange(5.0)
    lifts = {"endcap": compute_lift(control, control + np.array([0.1, 0.2, 0.3, 0.1, 0.0]))}
    ax = plot_lift(lifts, unit="EUR per shopper")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["endcap"]
    assert "EUR per shopper" in ax.get_xlabel()
