"""From cells written one after another to stops: where somebody stood, how long, and what was taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layouts import Store, ZoneType
from models.paper.reach import find_homes, find_till_cells, measure_reach
from models.paper.reading import CellVisits
from models.paper.words import TextEncoding

SAME_PLACE_M = 0.75  # fixes this near to one another are one place: neighbouring cells, noise between them


@dataclass(frozen=True, eq=False)
class JourneyStops:
    """Stops of many journeys, one journey after another.

    Attributes
    ----------
    first
        First stop of each journey and their number at the end, shape (n + 1,).
    zone, dwell_s
        Where, and for how long [s], shape (n_stops,).
    lines
        Receipt lines of each category taken there, shape (n_stops, n_categories).
    way_cells, way_first
        Cells passed on the way to each stop, the last one being where the shopper stands, and after them
        those between the last stop and the end of each journey; first cell of each way, shape (n_stops + n +
        1,).
    """

    first: NDArray[np.int64]
    zone: NDArray[np.int64]
    dwell_s: NDArray[np.float64]
    lines: NDArray[np.int64]
    way_cells: NDArray[np.int64]
    way_first: NDArray[np.int64]

    @property
    def n_stops(self) -> int:
        """Number of stops of all journeys."""
        return len(self.zone)

    def get_ways(self, way: NDArray[np.int64]) -> NDArray[np.int64]:
        """Cells of these ways, padded with -1, shape (len(way), longest of them).

        Way `i` leads to stop `i`; way `n_stops + j` is what journey `j` walks after its last stop.
        """
        lengths = self.way_first[way + 1] - self.way_first[way]
        nth = np.arange(max(int(lengths.max(initial=0)), 1))
        inside = nth < lengths[:, None]
        index = np.where(inside, self.way_first[way][:, None] + nth, 0)
        cells = self.way_cells if len(self.way_cells) else np.full(1, -1)
        return np.where(inside, cells[index], -1)


def find_stops(visits: CellVisits, store: Store, encoding: TextEncoding) -> JourneyStops:
    """Find the stops in journeys of cells.

    A stop is where something is taken, or where a shopper stays: for two fixes or more within `SAME_PLACE_M`
    of one another (`fix`), or for a wait (`time`). Its zone is the one in which the goods taken stand, else
    the nearest within reach; standing out of reach of any zone, at the door or before the tills is no stop,
    but part of the way. What is taken out of two zones at one place makes two stops.

    Parameters
    ----------
    visits
        Journeys of walkable cells.
    store, encoding
        The layout and the form of the text.
    """
    run, stay_s = _find_runs(visits, encoding)
    places = _Places.of(store, encoding.reach_m)
    cell_of_run = visits.cell[np.searchsorted(run, np.arange(len(stay_s)))]
    pick_run, pick_zone = (
        run[visits.pick_row],
        places.home[visits.cell[visits.pick_row], visits.pick_category],
    )
    can_take = pick_zone >= 0
    pick_run, pick_zone, category = pick_run[can_take], pick_zone[can_take], visits.pick_category[can_take]
    has_pick = np.bincount(pick_run, minlength=len(stay_s)) > 0
    looks = np.flatnonzero((stay_s > 0) & ~has_pick & (places.nearest[cell_of_run] >= 0))
    keys = np.concatenate(
        [pick_run * store.n_zones + pick_zone, looks * store.n_zones + places.nearest[cell_of_run[looks]]]
    )
    key, stop_of = np.unique(keys, return_inverse=True)  # by run, then zone
    stop_run, zone = np.divmod(key, store.n_zones)
    n_in_run = np.bincount(stop_run, minlength=len(stay_s))
    lines = np.zeros((len(key), len(store.categories)), dtype=np.int64)
    np.add.at(lines, (stop_of[: len(pick_run)], category), 1)
    at_least_s = encoding.interval_s / 2.0 if encoding.kind == "fix" else encoding.wait_s[0] / 2.0
    dwell_s = np.maximum(stay_s[stop_run] / n_in_run[stop_run], at_least_s)
    journey_of_run = visits.journey[np.searchsorted(run, np.arange(len(stay_s)))]
    first = np.searchsorted(journey_of_run[stop_run], np.arange(len(visits.first)))
    way_cells, way_first = _find_ways(visits, run, stop_run, first)
    return JourneyStops(first, zone, dwell_s, lines, way_cells, way_first)


def cut_at_tills(visits: CellVisits, store: Store) -> CellVisits:
    """Leave out what follows the first cell at a till after the last purchase; the simulator does it."""
    row = np.arange(len(visits.cell))
    last_pick = visits.first[:-1].copy()
    np.maximum.at(last_pick, visits.journey[visits.pick_row], visits.pick_row)
    at_till = find_till_cells(store)[visits.cell] & (visits.cell >= 0)
    is_over = at_till & (row > last_pick[visits.journey])
    end = visits.first[1:].copy()
    np.minimum.at(end, visits.journey[is_over], row[is_over] + 1)
    kept = row < end[visits.journey]
    new_row = np.cumsum(kept) - 1
    return CellVisits(
        first=np.concatenate([[0], np.cumsum(kept)])[visits.first],
        cell=visits.cell[kept],
        xy=visits.xy[kept],
        t_s=visits.t_s[kept],
        stay_s=visits.stay_s[kept],
        end_s=visits.end_s,
        pick_row=new_row[visits.pick_row],
        pick_category=visits.pick_category,
    )


@dataclass(frozen=True, eq=False)
class _Places:
    """Zone in which a category is taken, and which is looked at, from each cell; -1 for none."""

    home: NDArray[np.int64]  # (n_cells, n_categories)
    nearest: NDArray[np.int64]  # (n_cells,)

    @classmethod
    def of(cls, store: Store, reach_m: float) -> _Places:
        distance_m = measure_reach(store, reach_m)
        nearest = np.where(np.isfinite(distance_m.min(axis=1)), distance_m.argmin(axis=1), -1)
        no_shelf = [z.zone_type in (ZoneType.ENTRANCE, ZoneType.CHECKOUT) for z in store.zones]
        nearest[np.append(no_shelf, False)[nearest]] = -1
        return cls(find_homes(store, reach_m), nearest.astype(np.int64))


def _find_runs(visits: CellVisits, encoding: TextEncoding) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Number of the run that each cell belongs to, and how long each stays in place [s]; 0: it walks."""
    is_first = np.zeros(len(visits.cell), dtype=bool)
    is_first[visits.first[:-1][visits.first[:-1] < len(is_first)]] = True
    if encoding.kind == "time":
        run = np.arange(len(visits.cell))
        return run, visits.stay_s.astype(np.float64)
    step_m = np.hypot(*np.diff(visits.xy, axis=0, prepend=visits.xy[:1]).T)
    run = np.cumsum(is_first | (step_m > SAME_PLACE_M)) - 1
    n_fixes = np.bincount(run) if len(run) else np.zeros(0, dtype=np.int64)
    return run, np.where(n_fixes > 1, n_fixes * float(encoding.interval_s), 0.0)


def _find_ways(
    visits: CellVisits, run: NDArray[np.int64], stop_run: NDArray[np.int64], first: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells on the way to each stop and after each journey's last one, without repetitions."""
    n, n_stops = len(visits.first) - 1, len(stop_run)
    stop_row = np.searchsorted(run, stop_run)  # the first cell of the run is where the shopper stands
    journey = visits.journey
    number = np.searchsorted(stop_row, np.arange(len(run)), side="left")  # the next stop at or after a cell
    is_last_leg = number >= first[journey + 1]
    way = np.where(is_last_leg, n_stops + journey, number)
    same = np.isin(run, stop_run) & (np.arange(len(run)) > np.searchsorted(run, run))  # still standing
    same[1:] |= (visits.cell[1:] == visits.cell[:-1]) & (way[1:] == way[:-1])
    kept = np.flatnonzero(~same & (visits.cell >= 0))
    order = kept[np.argsort(way[kept], kind="stable")]
    return visits.cell[order], np.searchsorted(way[order], np.arange(n_stops + n + 1))
