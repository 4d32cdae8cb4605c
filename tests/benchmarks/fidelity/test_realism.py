import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from analysis import jensen_shannon_divergence
from benchmarks.fidelity import other_shopper, realism
from benchmarks.fidelity.realism import (
    FIGURES,
    OTHER_VISIT_SEED,
    VISIT_SEED,
    Counts,
    compare_counts,
    measure_sessions,
    score,
    simulate_counts,
)
from benchmarks.fidelity.worlds import draw_world


@pytest.fixture(scope="module")
def world():
    return draw_world("S", 1, n_observed=400)


@pytest.fixture(scope="module")
def seen(world):
    return measure_sessions(world.people.observe(world.store, 400, OTHER_VISIT_SEED), world.store)


def test_the_people_themselves_are_at_their_floor(world, seen):
    told = [simulate_counts(world.people.model, world.store, 400, seed) for seed in (11, 12, 13, 14)]
    others = [
        Counts.of([measure_sessions(world.people.observe(world.store, 400, seed), world.store)])
        for seed in (VISIT_SEED, 7, 8, 9)
    ]
    assert {of.n for of in (*told, *others)} == {400}
    for figure in FIGURES:
        row = compare_counts(seen, told, others, figure, world.store)
        # with twelve other samples of visitors as `seen` it was 0.77 to 1.41
        assert 0.6 < row["ratio"] < 1.6, figure
        assert 0.5 < row["floor_by_splits"] / row["floor"] < 2.0, figure
        assert row["level"] == pytest.approx(1.0, abs=0.15), figure


def test_divergence_levels_and_worst_bins_by_hand(world, seen):
    names, k = world.store.categories, len(world.store.categories)
    counts = np.zeros((4, k))
    counts[:, 0], counts[:2, 1] = 1.0, 1.0  # four and two
    sample = replace(seen.select(np.arange(seen.n) < 4), counts={"category_purchases": csr_array(counts)})
    told, other = (np.zeros(k) for _ in range(2))
    told[[0, 2]], other[[0, 1]] = (4.0, 8.0), (5.0, 1.0)
    row = compare_counts(
        sample,
        [Counts(8, {"category_purchases": told})],
        [Counts(8, {"category_purchases": other})],
        "category_purchases",
        world.store,
    )
    observed = counts.sum(axis=0)
    assert row["value"] == pytest.approx(jensen_shannon_divergence(observed, told))
    assert row["ratio"] == pytest.approx(row["value"] / jensen_shannon_divergence(observed, other))
    assert (row["n"], row["m"], row["k"], row["n_counts"], row["m_counts"]) == (4, 8, 3, 6.0, 12.0)
    assert row["level"] == pytest.approx(1.0)  # 1.5 a session on both sides
    assert {bin_["bin"]: bin_["told"] for bin_ in row["worst"]} == pytest.approx(
        {names[0]: 1 / 3, names[1]: 0.0, names[2]: 2 / 3}
    )
    assert sum(bin_["part"] for bin_ in row["worst"]) == pytest.approx(1.0)


def test_nothing_changes_means_the_same_counts_in_zones_of_the_same_name(world):
    edit = next(edit for edit in world.edits if edit.name == "closed-aisle")
    rng = np.random.default_rng(0)
    counts = Counts(9, {name: rng.random(world.store.n_zones) for name in FIGURES})
    moved = counts.move_to(world.store, edit.store)
    assert edit.store.n_zones < world.store.n_zones
    for index, zone in enumerate(edit.store.zones):
        before = counts.by_bin["zone_visits"][world.store.zone_index[zone.zone_id]]
        assert moved.by_bin["zone_visits"][index] == before
    assert moved.by_bin["category_purchases"] is counts.by_bin["category_purchases"]


def test_scores_are_sums_over_sums_and_keep_layout_a_apart():
    about = {"family": "S", "figure": "zone_visits", "predictor": "layout"}
    rows = [
        about | {"layout": name, "value": v, "floor": f, "floor_by_splits": 1.0, "ratio": v / f, "level": 1.0}
        for name, v, f in (("A", 5.0, 1.0), ("moved-door", 2.0, 1.0), ("closed-aisle", 2.0, 3.0))
    ]
    today, edited = score(rows)
    assert (today["layouts"], today["ratio"]) == ("A", 5.0)
    assert (edited["layouts"], edited["n_layouts"], edited["ratio"]) == ("B", 2, 1.0)
    assert (edited["worst_ratio"], edited["ratio_by_splits"]) == (2.0, 2.0)


def test_the_command_writes_every_row_and_goes_on_where_it_was(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(other_shopper, "PILOT_SHOPPERS", 100)
    monkeypatch.setattr(realism, "EDITS", ("no-displays",))
    monkeypatch.setattr(realism, "FLOOR_SEEDS", (VISIT_SEED,))
    monkeypatch.setattr(realism, "SIMULATION_SEEDS", (11,))
    out = tmp_path / "realism.json"
    arguments = ["realism", "--family", "X", "--worlds", "1", "--first", "1", "--predictors", "nearest"]
    arguments += ["--sessions", "120", "--cache", str(tmp_path / "cache"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", arguments)
    realism.main()
    assert "X zone_visits nearest" in capsys.readouterr().out
    first = json.loads(out.read_text())
    assert {(row["layout"], row["predictor"], row["figure"]) for row in first["rows"]} == {
        (layout, predictor, figure)
        for layout in ("A", "no-displays")
        for predictor in ("no_change", "nearest")
        for figure in FIGURES
    }
    assert {row["m"] for row in first["rows"]} == {120}
    monkeypatch.setattr(realism, "_fit", None)  # what was kept needs no fit
    realism.main()
    assert json.loads(out.read_text())["rows"] == first["rows"]


def test_an_unknown_predictor_ends_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["realism", "--predictors", "crystal_ball"])
    with pytest.raises(SystemExit, match="2"):
        realism.main()
    assert "crystal_ball" in capsys.readouterr().err
