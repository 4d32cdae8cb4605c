"""Comparisons: equal worlds differ by chance, unequal ones by more, and each level is looked at by itself."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from analysis import MIN_SESSIONS, UNITS, SessionSample, compare_samples, summarise_calibration
from analysis.session_sample import COUNTS, Values
from layouts import ObservationError


def draw_sample(store, rng: np.random.Generator, n: int, *, taste: float = 0.0, factor: float = 1.0):
    """Sessions of two missions, `quick` and `major`, that have other bins; `taste` shifts all of them."""
    mission = np.where(rng.random(n) < 0.5, "quick", "major")
    counts = {}
    for name in COUNTS:
        k = {"category_purchases": len(store.categories), "zone_transitions": (store.n_zones + 1) ** 2}.get(
            name, store.grid.n_cells if name.startswith("cell") else store.n_zones
        )
        weight = np.linspace(1.0, 2.0 + taste, k)
        quick, major = (weight / weight.sum(), weight[::-1] ** 3 / (weight**3).sum())
        rows = [rng.multinomial(8, quick if one == "quick" else major) for one in mission]
        counts[name] = csr_array(np.array(rows, dtype=float))
    values = {name: Values(np.arange(n), factor * rng.lognormal(2.0, 0.5, n)) for name in UNITS}
    attributes = pd.DataFrame({"mission": mission, "name": [f"n{i}" for i in range(n)]})
    return SessionSample(attributes=attributes, counts=counts, values=values)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def overall(rows):
    return rows[rows["attribute"] == ""]


def test_equal_worlds_differ_by_the_noise_floor(tiny_store, rng):
    samples = [draw_sample(tiny_store, rng, 400) for _ in range(5)]
    found = compare_samples(samples[0], samples[1:], tiny_store, rng)
    rows = overall(found.divergences).set_index("figure")
    assert rows["ratio"].between(0.15, 2.5).all()  # four degrees of freedom leave much to chance ...
    assert (
        rows.loc[["cell_seconds", "cell_sessions"], "ratio"].between(0.75, 1.3).all()
    )  # ... hundreds do not
    assert overall(found.distributions)["wasserstein_ratio"].median() < 1.6
    assert found.calibration["is_within"].mean() > 0.85
    for of in summarise_calibration(found.calibration).values():
        assert of["error"] < 2.0 * of["error_floor"]


def test_another_taste_and_longer_visits_are_seen(tiny_store, rng):
    observed = draw_sample(tiny_store, rng, 400)
    found = compare_samples(
        observed, [draw_sample(tiny_store, rng, 400, taste=20.0, factor=1.5)], tiny_store, rng
    )
    rows = overall(found.divergences).set_index("figure")
    assert (rows["value"] > rows["floor95"]).all()
    moved = overall(found.distributions).set_index("measure").loc["duration"]
    assert moved["simulated_mean"] - moved["observed_mean"] == pytest.approx(
        moved["wasserstein_value"], rel=0.05
    )
    assert moved["ks_value"] > moved["ks_floor95"]
    assert found.calibration["is_within"].mean() < 0.8


def test_each_level_is_compared_with_itself(tiny_store, rng):
    samples = [draw_sample(tiny_store, rng, 300) for _ in range(2)]
    rows = compare_samples(samples[0], samples[1:], tiny_store, rng).divergences
    levels = rows[rows["attribute"] != ""]
    assert set(zip(levels["attribute"], levels["level"], strict=True)) == {
        ("mission", "quick"),
        ("mission", "major"),
    }
    assert levels.groupby("figure")["n"].sum().eq(300).all()
    assert (levels["others"] > 3 * levels["value"]).sum() > len(levels) / 2  # the missions do differ
    assert overall(rows)["others"].isna().all()


def test_the_same_generator_gives_the_same_tables(tiny_store, rng):
    samples = [draw_sample(tiny_store, rng, 80) for _ in range(2)]
    first, again = (
        compare_samples(samples[0], samples[1:], tiny_store, np.random.default_rng(1)) for _ in range(2)
    )
    for name in ("divergences", "distributions", "calibration"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(again, name))


def test_without_purchases_their_figures_stay_empty(tiny_store, rng):
    bought, nothing = draw_sample(tiny_store, rng, 60), draw_sample(tiny_store, rng, 60)
    nothing.counts["category_purchases"].data[:] = 0.0
    none = Values(np.zeros(0, dtype="int64"), np.zeros(0))
    nothing = SessionSample(
        attributes=nothing.attributes,
        counts=nothing.counts,
        values=dict(nothing.values) | {"basket_lines": none},
    )
    found = compare_samples(nothing, [bought], tiny_store, rng)
    row = overall(found.divergences).set_index("figure").loc["category_purchases"]
    assert np.isnan([row["value"], row["floor"], row["ratio"]]).all()
    lines = overall(found.distributions).set_index("measure").loc["basket_lines"]
    assert np.isnan([lines["wasserstein_value"], lines["observed_mean"]]).all()
    assert lines["simulated_mean"] > 0


def test_a_handful_of_sessions_is_refused(tiny_store, rng):
    few, many = draw_sample(tiny_store, rng, MIN_SESSIONS - 1), draw_sample(tiny_store, rng, 60)
    with pytest.raises(ObservationError, match=f"at least {MIN_SESSIONS}"):
        compare_samples(few, [many], tiny_store, rng)
