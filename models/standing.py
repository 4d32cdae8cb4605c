"""Where people stand at a zone, learned from tracks: near the shelf, and before the goods that they come for.

At the places of the store that was observed, each cell counts for the stops that were made there. A zone that
is not where it was, or offers other goods, has no such record: there the distance to the shelf decides, as
it does on average of all zones. Standing places change no decision and no purchase, only where it happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from analysis import Journeys
from layouts import ModelError, Store
from models.habits import describe_places, find_known_places
from models.storage import load_arrays, read_config, save_arrays

REACH_M = 1.0  # who stands farther from a zone than this is not held to stand at it
BIN_M, N_BINS = 0.25, 8  # of the distance to the shelf
STOPS_OF_DISTANCE = 20.0  # what the distance to the shelf counts for, in stops at the place
EVEN_STOPS = 50.0  # what standing anywhere alike counts for, in stops of all zones
LEAST_SHARE = 0.002  # of a place's stops; cells with less are left out
N_SHARPENINGS = 30  # more of them take luck for detail


@dataclass(frozen=True, eq=False)
class StandingPlaces:
    """Cells that people of one store stand on.

    Attributes
    ----------
    xy, sku_ids
        Middle of each place [m], shape (n, 2), and what it offered.
    place, cell_xy, share
        Of each cell that somebody stood on at a place: the place, the middle of the cell [m], its share of
        the place's stops; shapes (k,), (k, 2), (k,).
    by_distance
        How much more often than on average people stand at 0 to 0.25 m from the shelf, 0.25 to 0.5 m, ...,
        shape (`N_BINS`,).
    """

    xy: NDArray[np.float64]
    sku_ids: tuple[frozenset[str], ...]
    place: NDArray[np.int64]
    cell_xy: NDArray[np.float64]
    share: NDArray[np.float64]
    by_distance: NDArray[np.float64]

    def weigh(self, store: Store) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Cells of any layout's zones: zone, cell and share of each, sorted by zone; shapes (m,).

        The shares of a zone sum to 1; a zone that cannot be stood at has none.
        """
        return _weigh(self, store)

    def save_pretrained(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors` into `folder`."""
        places = [
            {"xy": xy.tolist(), "sku_ids": sorted(skus)}
            for xy, skus in zip(self.xy, self.sku_ids, strict=True)
        ]
        arrays = {
            "place": self.place.astype(np.int32),
            "cell_xy": self.cell_xy.astype(np.float32),
            "share": self.share.astype(np.float32),
            "by_distance": self.by_distance.astype(np.float32),
        }
        save_arrays(folder, arrays, {}, config={"places": places})

    @classmethod
    def from_pretrained(cls, folder: Path) -> StandingPlaces:
        """Read what `save_pretrained` wrote.

        Raises
        ------
        ModelError
            If the parts do not fit one another.
        """
        places, (arrays, _) = read_config(folder)["places"], load_arrays(folder)
        place, cell_xy, share, by_distance = (
            arrays[name] for name in ("place", "cell_xy", "share", "by_distance")
        )
        is_right = (
            place.shape == share.shape == cell_xy.shape[:1]
            and cell_xy.shape[1:] == (2,)
            and by_distance.shape == (N_BINS,)
            and bool(((place >= 0) & (place < len(places))).all())
            and all(bool(np.isfinite(values).all()) for values in (cell_xy, share, by_distance))
            and bool((share >= 0).all() and (by_distance > 0).all())
        )
        if not is_right:
            raise ModelError(f"{folder}: standing places do not fit one another; train the model again")
        return cls(
            xy=np.array([item["xy"] for item in places], dtype=float).reshape(-1, 2),
            sku_ids=tuple(frozenset(item["sku_ids"]) for item in places),
            place=place.astype(np.int64),
            cell_xy=cell_xy.astype(float),
            share=share.astype(float),
            by_distance=by_distance.astype(float),
        )


@lru_cache(maxsize=16)  # every replication asks
def _weigh(
    standing: StandingPlaces, store: Store
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    known, strength = find_known_places(store, standing.xy, standing.sku_ids)
    strength = strength * np.isin(known, standing.place)  # somebody stood there
    zones, cells, shares = [], [], []
    for zone, own in enumerate(store.walks.zone_cells):
        weights = np.zeros(store.grid.n_cells)
        plain = standing.by_distance[_bin_distances(store, zone, own)]
        weights[own] = (1.0 - strength[zone]) * plain / plain.sum() if len(own) else 0.0
        here = standing.place == known[zone]
        at = np.asarray(store.grid.cell_at(standing.cell_xy[here]))
        is_open = at >= 0  # it can still be walked on
        np.add.at(weights, at[is_open], strength[zone] * standing.share[here][is_open])
        if not weights.any():
            weights[own] = 1.0
        kept = np.flatnonzero(weights)
        zones.append(np.full(len(kept), zone))
        cells.append(kept)
        shares.append(weights[kept] / weights.sum())
    return np.concatenate(zones), np.concatenate(cells), np.concatenate(shares)


def fit_standing(
    store: Store,
    journeys: Journeys,
    positions: pd.DataFrame,
    *,
    noise_m: float,
    prior: StandingPlaces | None = None,
) -> StandingPlaces:
    """Learn where people stand.

    Parameters
    ----------
    store
        The layout in which they were observed.
    journeys
        Gives the stops.
    positions
        Cleaned, `session_id, t_s, x, y`.
    noise_m
        Of the positions, standard deviation on each axis [m]. It is taken out: a simulated track is given it
        once more.
    prior
        Of another store, whose distances to shelves stand in for few stops.
    """
    seconds, n_stops = _count_seconds(store, journeys, positions)
    stood = np.zeros_like(seconds)  # stops by place and cell
    for place in np.flatnonzero(n_stops).tolist():
        cells = np.union1d(store.walks.zone_cells[place], np.flatnonzero(seconds[place]))
        share = _sharpen(seconds[place, cells], store.grid.xy[cells], noise_m)
        stood[place, cells] = n_stops[place] * share
    by_distance = _compare_distances(store, stood, prior)
    places, cells_of, shares = [], [], []
    for place, own in enumerate(store.walks.zone_cells):
        if not n_stops[place] or not len(own):
            continue
        plain = by_distance[_bin_distances(store, place, own)]
        share = stood[place].copy()
        share[own] += STOPS_OF_DISTANCE * plain / plain.sum()
        share /= share.sum()
        kept = np.flatnonzero(share >= LEAST_SHARE)
        places.append(np.full(len(kept), place))
        cells_of.append(kept)
        shares.append(share[kept] / share[kept].sum())
    xy, sku_ids = describe_places(store)
    none = [np.zeros(0, dtype=np.int64)]
    return StandingPlaces(
        xy=xy,
        sku_ids=sku_ids,
        place=np.concatenate(places or none),
        cell_xy=store.grid.xy[np.concatenate(cells_of or none)].astype(float),
        share=np.concatenate(shares or [np.zeros(0)]).round(6),
        by_distance=by_distance.round(6),
    )


def _count_seconds(
    store: Store, journeys: Journeys, positions: pd.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Seconds that were stood near each zone, by cell, and the stops that they are of.

    Shapes (n_zones, n_cells) and (n_zones,).
    """
    visits = journeys.visits[journeys.visits["zone_id"].isin(store.zone_index)]
    ids = pd.Index(journeys.sessions["session_id"])
    span = float(positions["t_s"].max() + visits["t_s"].max() + visits["dwell_s"].max() + 1.0)
    at = ids.get_indexer(pd.Index(positions["session_id"].astype("str")))
    of = ids.get_indexer(pd.Index(visits["session_id"].astype("str")))
    start = of * span + visits["t_s"].to_numpy()
    order = np.argsort(start, kind="stable")
    start, end = start[order], (start + visits["dwell_s"].to_numpy())[order]
    zone = visits["zone_id"].astype("str").map(store.zone_index).to_numpy(dtype=np.int64)[order]
    moment = at * span + positions["t_s"].to_numpy()
    stop = np.searchsorted(start, moment, side="right") - 1
    stands = (at >= 0) & (stop >= 0)
    stands[stands] = moment[stands] <= end[stop[stands]]
    xy, stop = positions.loc[stands, ["x", "y"]].to_numpy(dtype=float), stop[stands]
    cell = np.asarray(store.grid.cell_at(xy), dtype=np.int64)
    polygons = np.array([item.polygon for item in store.zones], dtype=object)
    near = (cell >= 0) & shapely.dwithin(polygons[zone[stop]], shapely.points(xy), REACH_M)
    seconds = np.zeros((store.n_zones, store.grid.n_cells))
    np.add.at(seconds, (zone[stop[near]], cell[near]), 1.0)
    return seconds, np.bincount(zone[np.unique(stop[near])], minlength=store.n_zones)


def _sharpen(seconds: NDArray[np.float64], xy: NDArray[np.float64], noise_m: float) -> NDArray[np.float64]:
    """Shares of cells, shape (n,), of which noise makes what was seen (Richardson 1972, Lucy 1974).

    Parameters
    ----------
    seconds
        Seen in each cell, shape (n,).
    xy
        Middle of each cell [m], shape (n, 2).
    noise_m
        Standard deviation on each axis [m].
    """
    squared_m = ((xy[:, None] - xy[None]) ** 2).sum(axis=2)
    seen_in = np.exp(-squared_m / (2.0 * max(noise_m, 1e-3) ** 2))  # row: where one stood
    seen_in /= seen_in.sum(axis=1, keepdims=True)
    share = np.full(len(seconds), 1.0 / len(seconds))
    for _ in range(N_SHARPENINGS):
        expected = np.maximum(share @ seen_in, 1e-12)
        share = share * (seen_in @ (seconds / seconds.sum() / expected))
    return np.asarray(share / share.sum())


def _compare_distances(
    store: Store, n_stops: NDArray[np.float64], prior: StandingPlaces | None
) -> NDArray[np.float64]:
    """Stops by distance to the shelf, relative to what standing on the zones' cells alike would give."""
    stood, even = np.zeros(N_BINS), np.zeros(N_BINS)
    for zone, cells in enumerate(store.walks.zone_cells):
        own = n_stops[zone, cells]
        if own.any():
            bins = _bin_distances(store, zone, cells)
            np.add.at(stood, bins, own)
            np.add.at(even, bins, own.sum() / len(cells))
    before = np.ones(N_BINS) if prior is None else prior.by_distance
    n_before = EVEN_STOPS / N_BINS
    return np.asarray((stood + n_before * before) / (even + n_before))


def _bin_distances(store: Store, zone: int, cells: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Bin of the distance of cells from the fixture of a zone; the same for all without one."""
    fixture = {item.fixture_id: item.polygon for item in store.fixtures}.get(
        store.zones[zone].fixture_id or ""
    )
    if fixture is None:
        return np.zeros(len(cells), dtype=np.int64)
    metres = shapely.distance(shapely.points(store.grid.xy[cells]), fixture)
    return np.minimum((metres / BIN_M).astype(np.int64), N_BINS - 1)
