"""Paths for a whole cohort are those of the walk graph, and as long."""

import numpy as np

from layouts import Store
from simulator.legs import compute_legs


def test_legs_equal_the_walk_graphs_paths(tiny_store: Store) -> None:
    cells = np.arange(tiny_store.grid.n_cells)
    sources, targets = (ends.ravel() for ends in np.meshgrid(cells[::5], cells[::7]))
    legs = compute_legs(tiny_store, sources, targets)
    for leg, (source, target) in enumerate(zip(sources, targets, strict=True)):
        rows = slice(legs.offsets[leg], legs.offsets[leg + 1])
        assert np.array_equal(legs.cells[rows], tiny_store.walks.walked_path(int(source), int(target)))
    expected = [tiny_store.walks.distance_m(s, t) for s, t in zip(sources, targets, strict=True)]
    assert np.allclose(legs.length_m, expected, atol=1e-5)


def test_a_legs_length_does_not_depend_on_the_legs_beside_it(market_a: Store) -> None:
    rng = np.random.default_rng(0)
    sources, targets = rng.integers(0, market_a.grid.n_cells, (2, 600))
    whole = compute_legs(market_a, sources, targets).length_m
    alone = [compute_legs(market_a, sources[i : i + 1], targets[i : i + 1]).length_m[0] for i in range(100)]
    assert np.array_equal(whole[:100], alone)
