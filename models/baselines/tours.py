"""Shortest ways through enough of the places where something is wanted: exact if they are few, else good.

A shopper knows how many items of its list stand in each zone and how many it still wants, but an item that
stands in several zones counts in each of them. A tour is complete once the items of its zones add up to what
is wanted; where no two zones offer the same item this is the travelling salesman's tour through all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.layout_view import LayoutView

MAX_EXACT = 10  # zones up to which every order is weighed (Held and Karp, 1962)
_NONE = -1


def plan_tours(
    place: NDArray[np.integer[Any]],
    n_wanted_here: NDArray[np.integer[Any]],
    n_wanted: NDArray[np.integer[Any]],
    layout: LayoutView,
) -> NDArray[np.int64]:
    """Plan the way of each shopper from where it stands through zones that hold its list, to a till.

    Parameters
    ----------
    place, n_wanted_here, n_wanted
        As in `ShopperStates`.
    layout
        The store.

    Returns
    -------
    tours
        Zones in the order of the visits, shape (n, n_longest), padded with -1.
    """
    n_zones = layout.n_zones
    wanted = n_wanted_here > 0
    n_places = wanted.sum(axis=1)
    tours = np.full((len(place), max(int(n_places.max(initial=0)), 1)), _NONE, dtype=np.int64)
    to_till = layout.distance_m[np.arange(n_zones), layout.nearest_checkout[:n_zones]].astype(float)
    for k in np.unique(n_places[n_places > 0]):
        rows = np.flatnonzero(n_places == k)
        zones = np.nonzero(wanted[rows])[1].reshape(-1, k)
        problem = (
            layout.distance_m[place[rows, None], zones].astype(float),
            layout.distance_m[zones[:, :, None], zones[:, None, :]].astype(float),
            to_till[zones],
            n_wanted_here[rows[:, None], zones],
            np.clip(n_wanted[rows], 1, n_wanted_here[rows].sum(axis=1)),
        )
        if k <= MAX_EXACT:
            order = find_shortest_tours(*problem)
        else:
            order = np.full((len(rows), k), _NONE)
            for row, parts in enumerate(zip(*problem, strict=True)):
                tour = approximate_tour(*parts)
                order[row, : len(tour)] = tour
        tours[rows, :k] = np.where(order >= 0, np.take_along_axis(zones, order, axis=1), _NONE)
    return tours


def find_shortest_tours(
    start_m: NDArray[np.float64],
    between_m: NDArray[np.float64],
    end_m: NDArray[np.float64],
    n_items: NDArray[np.integer[Any]],
    n_wanted: NDArray[np.integer[Any]],
) -> NDArray[np.int64]:
    """Find the shortest complete tours, for many shoppers with k zones each (dynamic programme on subsets).

    Parameters
    ----------
    start_m, between_m, end_m
        Walking distance from the shopper to each zone, between the zones, and from each to its till [m];
        shapes (n, k), (n, k, k), (n, k).
    n_items, n_wanted
        Wanted items in each zone, shape (n, k), and to be collected, shape (n,), at most the sum of them.

    Returns
    -------
    order
        Positions 0 .. k - 1 in the order of the visits, shape (n, k), padded with -1.
    """
    n, k = start_m.shape
    rows = np.arange(n)
    cost = np.full((2**k, n, k), np.inf)  # of visiting a subset, ending at one of it
    before = np.full((2**k, n, k), _NONE, dtype=np.int8)
    for first in range(k):
        cost[1 << first, :, first] = start_m[:, first]
    for visited in range(1, 2**k):
        for end in range(k):
            rest = visited ^ (1 << end)
            if visited >> end & 1 and rest:
                way = cost[rest] + between_m[:, :, end]
                previous = way.argmin(axis=1)
                cost[visited, :, end], before[visited, :, end] = way[rows, previous], previous
    contains = np.arange(2**k)[:, None] >> np.arange(k) & 1
    is_complete = contains @ n_items.T >= n_wanted  # (2^k, n)
    total = np.where(is_complete[:, :, None], cost + end_m, np.inf)
    best = total.transpose(1, 0, 2).reshape(n, -1).argmin(axis=1)
    subset, last = best // k, best % k
    reverse = np.full((n, k), _NONE, dtype=np.int64)
    for step in range(k):
        on = np.flatnonzero(last >= 0)
        reverse[on, step] = last[on]
        previous = before[subset[on], on, last[on]]
        subset[on] ^= 1 << last[on]
        last[on] = previous
    n_visits = (reverse >= 0).sum(axis=1)
    back = n_visits[:, None] - 1 - np.arange(k)
    return np.where(back >= 0, np.take_along_axis(reverse, back.clip(0), axis=1), _NONE)


def approximate_tour(
    start_m: NDArray[np.float64],
    between_m: NDArray[np.float64],
    end_m: NDArray[np.float64],
    n_items: NDArray[np.integer[Any]],
    n_wanted: int,
) -> list[int]:
    """Build a complete tour by cheapest insertion, drop what is superfluous, and shorten it by 2-opt.

    Arguments are those of `find_shortest_tours` for one shopper; returns positions in order of the visits.
    """
    k = len(start_m)
    metres = np.full((k + 2, k + 2), np.inf)  # zones, then the shopper (k) and the till (k + 1)
    metres[:k, :k], metres[k, :k], metres[:k, k + 1] = between_m, start_m, end_m
    metres[k, k + 1] = 0.0  # never walked: a tour holds a zone
    tour, missing = [k, k + 1], n_wanted
    while missing > 0:
        extra = metres[tour[:-1]][:, :k].T + metres[:k, tour[1:]] - metres[tour[:-1], tour[1:]]  # (k, legs)
        extra = np.maximum(extra, 0.0) / np.minimum(n_items, missing)[:, None]
        extra[tour[1:-1]] = np.inf
        zone, leg = np.unravel_index(int(extra.argmin()), extra.shape)
        tour.insert(int(leg) + 1, int(zone))
        missing -= int(n_items[zone])
    tour = _shorten(tour, metres)
    return _shorten(_drop_superfluous(tour, metres, n_items, -missing), metres)[1:-1]


def _drop_superfluous(
    tour: list[int], metres: NDArray[np.float64], n_items: NDArray[np.integer[Any]], surplus: int
) -> list[int]:
    """Drop zones that the tour can do without, the greatest saving first."""
    while True:
        at = [i for i in range(1, len(tour) - 1) if n_items[tour[i]] <= surplus]
        if not at:
            return tour
        saving = [
            metres[tour[i - 1], tour[i]] + metres[tour[i], tour[i + 1]] - metres[tour[i - 1], tour[i + 1]]
            for i in at
        ]
        dropped = at[int(np.argmax(saving))]
        surplus -= int(n_items[tour[dropped]])
        tour = tour[:dropped] + tour[dropped + 1 :]


def _shorten(tour: list[int], metres: NDArray[np.float64]) -> list[int]:
    """Turn stretches of the tour round as long as that shortens it (2-opt); both ends stay."""
    path = np.array(tour)
    while len(path) > 3:
        a, b = path[:-2], path[1:-1]  # the leg before a stretch that starts at b
        c, d = path[1:-1], path[2:]  # the leg after a stretch that ends at c
        gain = metres[a, b][:, None] + metres[c, d] - metres[a[:, None], c] - metres[b[:, None], d]
        gain[np.tril_indices(len(a))] = 0.0
        first, last = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[first, last] < 1e-9:
            break
        path[first + 1 : last + 2] = path[first + 1 : last + 2][::-1]
    return [int(node) for node in path]
