"""Codes of cells: exact both ways, and near places look alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layouts import CellCodes, CodeFrame, ConfigError, LayoutError, bundled_store


def count_shared(a: np.ndarray, b: np.ndarray, n_levels: int) -> np.ndarray:
    """How many characters two codes share from the left."""
    one, other = (x.astype(f"U{n_levels}").view(np.uint32).reshape(-1, n_levels) for x in (a, b))
    return np.cumprod(one == other, axis=1).sum(axis=1)


frames = st.builds(
    CodeFrame,
    origin=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    cell_m=st.sampled_from([0.25, 0.5, 1.0, 2.0]),
    n_levels=st.integers(1, 7),
    split=st.integers(2, 7),
)


@given(frames, st.lists(st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)), min_size=1, max_size=40))
def test_every_cell_comes_back_from_its_code(frame, shares):
    rows_cols = np.floor(np.array(shares) * frame.n_side).astype(int)
    codes = frame.encode_rows_cols(rows_cols)
    assert {len(code) for code in codes} == {frame.n_levels}
    assert set("".join(codes)) <= set(frame.characters)
    np.testing.assert_array_equal(frame.decode_rows_cols(codes), rows_cols)


@given(frames, st.data())
def test_a_shared_prefix_bounds_the_distance(frame, data):
    cells = st.tuples(st.integers(0, frame.n_side - 1), st.integers(0, frame.n_side - 1))
    pairs = np.array(data.draw(st.lists(st.tuples(cells, cells), min_size=1, max_size=30)))
    a, b = frame.encode_rows_cols(pairs[:, 0]), frame.encode_rows_cols(pairs[:, 1])
    apart = np.abs(pairs[:, 0] - pairs[:, 1]).max(axis=1)
    n_shared = count_shared(a, b, frame.n_levels)
    assert (apart * frame.cell_m < frame.cell_m * frame.split ** (frame.n_levels - n_shared) - 1e-9).all()


def test_the_first_character_is_the_quarter_and_the_last_the_cell():
    frame = CodeFrame()
    corners = np.array([[0, 0], [0, 63], [63, 0], [63, 63], [0, 1], [1, 0], [32, 31]])
    expected = ["000000", "111111", "222222", "333333", "000001", "000002", "211111"]
    assert frame.encode_rows_cols(corners).tolist() == expected
    assert frame.shared_size_m(0) == 32.0
    assert frame.shared_size_m(6) == 0.5


def test_neighbours_share_longer_prefixes_than_strangers():
    frame = CodeFrame()
    rng = np.random.default_rng(1)
    here = rng.integers(0, 63, (4000, 2))
    codes = frame.encode_rows_cols(here)
    beside = count_shared(codes, frame.encode_rows_cols(here + np.array([0, 1])), 6)
    anywhere = count_shared(codes, frame.encode_rows_cols(rng.permutation(here)), 6)
    # Half of all neighbours differ in the last bit alone, a quarter in the last two, ...: 5 - 1 on average
    assert beside.mean() == pytest.approx(4.0, abs=0.1)
    assert anywhere.mean() == pytest.approx(1 / 3, abs=0.1)  # a quarter share one, a sixteenth two, ...


def test_all_stores_up_to_64_cells_share_one_frame_and_larger_ones_split_finer():
    splits = [CodeFrame.fitting((side, 10)).split for side in (1, 64, 65, 729, 730, 4096)]
    assert splits == [2, 2, 3, 3, 4, 4]
    assert CodeFrame.fitting((65, 65), n_levels=7).split == 2
    with pytest.raises(LayoutError, match="give n_levels more"):
        CodeFrame.fitting((7**6 + 1, 1))


@pytest.mark.parametrize("name", ["corner-shop", "racetrack"])
def test_every_walkable_cell_of_a_store_comes_back(name):
    grid = bundled_store(name).grid
    codes = CellCodes.of(grid)
    cells = np.arange(grid.n_cells)
    assert len(set(codes.all_codes)) == grid.n_cells
    np.testing.assert_array_equal(codes.decode(codes.encode(cells)), cells)
    np.testing.assert_allclose(codes.frame.decode_xy(codes.all_codes), grid.xy, atol=1e-9)


def test_codes_of_no_cell_decode_to_none(tiny_store):
    codes = CellCodes.of(tiny_store.grid)
    behind_the_shelf = codes.frame.encode_xy(np.array([[3.25, 2.25]]))[0]
    words = [behind_the_shelf, "333333", "00000", "0000000", "00000x", "", "00000é", "000009"]
    assert codes.decode(words).tolist() == [-1] * len(words)
    assert codes.decode([]).tolist() == []
    with pytest.raises(LayoutError, match="cell ids must be"):
        codes.encode(np.array([-1]))


def test_what_gives_no_codes_is_refused():
    with pytest.raises(LayoutError, match="row 64, column 0: outside"):
        CodeFrame().encode_rows_cols(np.array([[64, 0]]))
    for options in ({"split": 8}, {"split": 1}, {"n_levels": 0}, {"cell_m": 0.0}):
        with pytest.raises(ConfigError):
            CodeFrame(**options)


def draw_walk(rng: np.random.Generator, n_points: int = 400) -> np.ndarray:
    """Somebody who walks through a square of 30 m, a smooth turn every few metres."""
    heading = np.cumsum(rng.normal(0, 0.3, n_points))
    xy = 15 + np.cumsum(0.7 * np.column_stack([np.cos(heading), np.sin(heading)]), axis=0)
    return 30 - np.abs(np.abs(xy) % 60 - 30)  # walls reflect


@pytest.mark.parametrize("n_levels", [4, 6, 8])
@pytest.mark.parametrize("cell_m", [0.25, 0.5, 1.0, 2.0])
def test_spatial_relations_of_walks_survive_any_resolution(cell_m, n_levels):
    side = int(np.ceil(30 / cell_m)) + 1
    frame = CodeFrame.fitting((side, side), cell_m=cell_m, n_levels=n_levels)
    xy = draw_walk(np.random.default_rng(2))
    decoded = frame.decode_xy(frame.encode_xy(xy))
    off_m = np.hypot(*(decoded - xy).T)
    assert off_m.max() <= cell_m / np.sqrt(2) + 1e-9
    apart, apart_decoded = (np.hypot(*(p[:, None] - p[None]).transpose(2, 0, 1)) for p in (xy, decoded))
    assert np.abs(apart - apart_decoded).max() <= cell_m * np.sqrt(2) + 1e-9
    assert np.corrcoef(apart.ravel(), apart_decoded.ravel())[0, 1] > 1 - (cell_m / 30) ** 2 * 2
