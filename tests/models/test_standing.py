import contextlib
import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import shapely

from analysis import Journeys
from layouts import ModelError, StoresimError, swap_contents
from models import StandingPlaces
from models.standing import BIN_M, N_BINS, fit_standing
from models.storage import load_arrays, read_config, save_arrays
from tests.models.worlds import make_model, plan

NOISE_M = 0.1


def stocked(store):
    return np.flatnonzero(store.stands.any(axis=1)).tolist()


def observe_standing(store, cell_of_zone, n=200, noise_m=NOISE_M, seed=0):
    """Sessions of one stop of 10 s each; somebody stands on the given cell of the zone."""
    rng = np.random.default_rng(seed)
    zone = rng.choice(list(cell_of_zone), n)
    cell = np.array([cell_of_zone[z][rng.integers(len(cell_of_zone[z]))] for z in zone])
    ids = [f"s{i}" for i in range(n)]
    visits = pd.DataFrame(
        {"session_id": ids, "visit": 0, "zone_id": [store.zones[z].zone_id for z in zone], "t_s": 5.0}
    ).assign(dwell_s=10.0)
    t_s = np.tile(np.arange(20.0), n)
    door = np.asarray(store.entrances[0].xy)
    stands = (t_s >= 5.0) & (t_s <= 15.0)
    xy = np.where(stands[:, None], np.repeat(store.grid.xy[cell], 20, axis=0), door)
    xy = xy + noise_m * rng.normal(size=xy.shape)
    positions = pd.DataFrame({"session_id": np.repeat(ids, 20), "t_s": t_s, "x": xy[:, 0], "y": xy[:, 1]})
    sessions = pd.DataFrame({"session_id": ids})
    return Journeys(visits=visits, picks=pd.DataFrame(), sessions=sessions, report={}), positions


@pytest.fixture(scope="module")
def favourites(corner_shop):
    """Two cells of each of five zones."""
    cells = corner_shop.walks.zone_cells
    return {z: cells[z][-2:].tolist() for z in stocked(corner_shop) if len(cells[z]) > 3 and z % 3 == 0}


@pytest.fixture(scope="module")
def standing(corner_shop, favourites):
    return fit_standing(corner_shop, *observe_standing(corner_shop, favourites, n=2000), noise_m=NOISE_M)


def share_by_cell(standing, store, zone):
    zones, cells, shares = standing.weigh(store)
    return dict(zip(cells[zones == zone].tolist(), shares[zones == zone].tolist(), strict=True))


def test_the_shares_of_every_zone_sum_to_one_on_cells_that_can_be_walked_on(standing, corner_shop):
    zones, cells, shares = standing.weigh(corner_shop)
    assert np.bincount(zones, shares) == pytest.approx(np.ones(corner_shop.n_zones))
    assert (np.diff(zones) >= 0).all()
    assert (shares > 0).all()
    assert cells.min() >= 0
    assert cells.max() < corner_shop.grid.n_cells


def test_where_people_stood_they_will_stand(standing, corner_shop, favourites):
    for zone, cells in favourites.items():
        share = share_by_cell(standing, corner_shop, zone)
        assert sum(share.get(cell, 0.0) for cell in cells) > 0.8


def test_the_noise_of_the_tracking_is_taken_out(corner_shop, favourites):
    noise_m = 0.3
    seen = observe_standing(corner_shop, favourites, n=2000, noise_m=noise_m)
    sharp, blurred = (fit_standing(corner_shop, *seen, noise_m=taken_out) for taken_out in (noise_m, 0.01))
    for zone, cells in favourites.items():
        there, about = (
            sum(share_by_cell(fitted, corner_shop, zone).get(cell, 0.0) for cell in cells)
            for fitted in (sharp, blurred)
        )
        assert there > 0.75
        assert there > about + 0.1


def test_other_goods_or_another_place_leave_the_distance_to_the_shelf_alone(
    standing, corner_shop, favourites
):
    zone, swapped = _swap_some(corner_shop, favourites)
    share = share_by_cell(standing, swapped, zone)
    assert set(share) == set(corner_shop.walks.zone_cells[zone].tolist())
    elsewhere = replace(standing, xy=standing.xy + 50.0)
    assert share_by_cell(elsewhere, corner_shop, zone) == pytest.approx(share)


def test_the_distance_to_the_shelf_is_learned_from_all_zones(corner_shop):
    """Everybody stands on the cell nearest to the shelf: so they will at a zone that nobody stood at."""
    nearest = {}
    for zone in stocked(corner_shop):
        fixture = {f.fixture_id: f.polygon for f in corner_shop.fixtures}[corner_shop.zones[zone].fixture_id]
        cells = corner_shop.walks.zone_cells[zone]
        metres = [fixture.distance(point) for point in shapely.points(corner_shop.grid.xy[cells])]
        if int(min(metres) / BIN_M) < int(max(metres) / BIN_M):
            nearest[zone] = [int(cells[int(np.argmin(metres))])]
    seen = dict(list(nearest.items())[1:])
    unseen, (cell,) = next(iter(nearest.items()))
    fitted = fit_standing(corner_shop, *observe_standing(corner_shop, seen, n=2000), noise_m=NOISE_M)
    share = share_by_cell(fitted, corner_shop, unseen)
    assert share[cell] > 1.5 / len(share)
    few = fit_standing(corner_shop, *observe_standing(corner_shop, seen, n=2), noise_m=NOISE_M, prior=fitted)
    assert few.by_distance == pytest.approx(fitted.by_distance, rel=0.3)


def _swap_some(store, zones):
    """The first of `zones` that can get all other goods from another one, and the store with both swapped."""
    for zone, other in itertools.permutations(zones, 2):
        if not (store.stands[zone] & store.stands[other]).any():
            with contextlib.suppress(StoresimError):
                return zone, swap_contents(store, store.zones[zone].zone_id, store.zones[other].zone_id)
    raise AssertionError("no two zones can be swapped")


def test_what_was_written_is_read_again(standing, corner_shop, tmp_path):
    standing.save_pretrained(tmp_path)
    read = StandingPlaces.from_pretrained(tmp_path)
    for before, after in zip(standing.weigh(corner_shop), read.weigh(corner_shop), strict=True):
        assert after == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "values"),
    [("place", np.array([999])), ("share", np.array([-1.0])), ("by_distance", np.zeros(N_BINS))],
)
def test_parts_that_do_not_fit_are_refused(standing, tmp_path, name, values):
    standing.save_pretrained(tmp_path)
    config, (arrays, _) = read_config(tmp_path), load_arrays(tmp_path)
    save_arrays(tmp_path, arrays | {name: values}, {}, config={"places": config["places"]})
    with pytest.raises(ModelError, match="standing places"):
        StandingPlaces.from_pretrained(tmp_path)


def test_standing_places_change_where_people_stand_and_nothing_else(standing, corner_shop, favourites):
    model = make_model(corner_shop)
    anywhere = plan(model, corner_shop, 600)
    placed = plan(replace(model, standing=standing), corner_shop, 600)
    for name in ("stop_shopper", "stop_zone", "stop_dwell_s", "pick_stop", "pick_sku", "pick_qty"):
        assert np.array_equal(getattr(anywhere, name), getattr(placed, name)), name
    zone = max(favourites, key=lambda z: (placed.stop_zone == z).sum())
    here = placed.stop_cell[placed.stop_zone == zone]
    assert len(here) > 50
    share = share_by_cell(standing, corner_shop, zone)
    for cell, expected in share.items():
        se = np.sqrt(expected * (1 - expected) / len(here))
        assert (here == cell).mean() == pytest.approx(expected, abs=4 * se)  # false alarm: 1 in 1,000
