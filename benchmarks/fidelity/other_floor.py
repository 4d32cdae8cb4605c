"""The floor as the other shopper walks it: zones, ways between neighbouring ones, what is in view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse.csgraph import dijkstra

from benchmarks.fidelity.other_town import CUES, Sight, Town
from layouts import DISPLAY_TYPES, FixtureType, Store, ZoneType
from simulator import stable_key

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]

FARTHEST_M = 6.0  # nothing is noticed from farther
STEP_ASIDE_M = 4.0  # nobody leaves their way farther than this for goods that caught the eye
LEAST_ATTENTION_M = 0.05
LOW_FIXTURES = (FixtureType.TABLE, FixtureType.FREEZER)
USUAL_APPEAL = 2.0  # logarithm of the facings of an offer that is no more and no less conspicuous


@dataclass(frozen=True, eq=False)
class Floor:
    """What a layout is to the other shopper. Nodes are zones; an offer is a category in a zone.

    Attributes
    ----------
    store
        The layout.
    distance_m
        Walking distance between zones, shape (n_zones, n_zones).
    till_m
        From each zone to its nearest till, shape (n_zones,); `till_zone` is the zone nearest to that till.
    first_zone
        Zone at each entrance, shape (n_entrances,).
    neighbors
        Zones next to each on foot, shape (n_zones, most neighbours), -1 where there are fewer.
    heading
        Direction of the way to each neighbour, shape (n_zones, most neighbours, 2), unit vectors.
    is_perimeter, is_aisle, is_display
        Per zone.
    zone_key
        Luck's key of each zone's place.
    offer_zone, offer_category, offer_key, prominence
        Per offer; the key follows what stands there. `prominence` multiplies the metres in view.
    offer_skus
        SKUs of each offer, shape (n_offers, most SKUs), -1 where there are fewer.
    sku_place_utility
        Facings and shelf level of each of `offer_skus`, shape as that.
    first_view, view_offer, view_m
        Offers in view on each way: the way from zone i to its k-th neighbour has the rows ``first_view[w]``
        to ``first_view[w + 1]``, w = i * most neighbours + k; then one way per zone: standing there (in
        metres for each second). `view_m` are metres of way weighed by attention.
    sku_m
        From each zone to the nearest that carries a SKU, shape (n_zones, n_skus).
    partners
        Which categories remind of which, shape (n_categories, n_categories).
    """

    store: Store
    distance_m: FloatArray
    till_m: FloatArray
    till_zone: IntArray
    first_zone: IntArray
    neighbors: IntArray
    heading: FloatArray
    is_perimeter: BoolArray
    is_aisle: BoolArray
    is_display: BoolArray
    zone_key: npt.NDArray[np.uint64]
    offer_zone: IntArray
    offer_category: IntArray
    offer_key: npt.NDArray[np.uint64]
    prominence: FloatArray
    offer_skus: IntArray
    sku_place_utility: FloatArray
    first_view: IntArray
    view_offer: IntArray
    view_m: FloatArray
    sku_m: FloatArray
    partners: BoolArray


def view_floor(store: Store, town: Town) -> Floor:
    """Work out how `town` sees `store`."""
    walks = store.walks
    distance_m = walks.place_distance_m[walks.zone_places, walks.zone_places].astype(np.float64)
    nearest = _nearest_zones(store)
    tills = walks.place_cell[walks.checkout_places]
    to_till_m = walks.place_distance_m[walks.zone_places, walks.checkout_places].astype(np.float64)
    neighbors = _find_neighbors(store, nearest)
    xy = store.grid.xy[walks.place_cell[walks.zone_places]]
    kinds = np.array([zone.zone_type for zone in store.zones])
    offers = _list_offers(store, town)
    first_view, view_offer, view_m = _view_ways(
        store, town.sight, neighbors, offers["offer_zone"], distance_m
    )
    way = xy[neighbors] - xy[:, None]
    length = np.linalg.norm(way, axis=2, keepdims=True)
    return Floor(
        store=store,
        distance_m=distance_m,
        till_m=to_till_m.min(axis=1),
        till_zone=nearest[tills[to_till_m.argmin(axis=1)]],
        first_zone=nearest[walks.place_cell[walks.entrance_places]],
        neighbors=neighbors,
        heading=way / np.maximum(length, 1e-9),
        is_perimeter=kinds == ZoneType.PERIMETER,
        is_aisle=kinds == ZoneType.AISLE,
        is_display=np.isin(kinds, DISPLAY_TYPES),
        zone_key=np.array([stable_key(f"{x:.2f} {y:.2f}") for x, y in xy], dtype=np.uint64),
        first_view=first_view,
        view_offer=view_offer,
        view_m=view_m,
        sku_m=np.stack(
            [distance_m[:, store.stands[:, sku]].min(axis=1) for sku in range(store.n_skus)], axis=1
        ),
        partners=_pair_categories(store),
        **offers,
    )


def _nearest_zones(store: Store) -> IntArray:
    """Zone that is nearest on foot to each cell, shape (n_cells,)."""
    zone = store.grid.zone
    starts = np.flatnonzero(zone >= 0)
    _, _, source = dijkstra(store.grid.lattice.steps, indices=starts, min_only=True, return_predecessors=True)
    return zone[source]


def _find_neighbors(store: Store, nearest: IntArray) -> IntArray:
    """Zones whose surroundings touch: (n_zones, most neighbours), padded with -1."""
    steps = store.grid.lattice.steps.tocoo()
    pairs = np.unique(np.stack([nearest[steps.row], nearest[steps.col]], axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    count = np.bincount(pairs[:, 0], minlength=store.n_zones)
    neighbors = np.full((store.n_zones, int(count.max())), -1)
    rank = np.arange(len(pairs)) - np.repeat(np.cumsum(count) - count, count)
    neighbors[pairs[:, 0], rank] = pairs[:, 1]
    return neighbors


def _list_offers(store: Store, town: Town) -> dict[str, np.ndarray]:
    """Offers of a layout: the columns of `Floor` that are about them."""
    members = []
    for zone in range(store.n_zones):
        skus = np.flatnonzero(store.stands[zone])
        for category in np.unique(store.sku_category[skus]):
            members.append((zone, int(category), skus[store.sku_category[skus] == category]))
    most = max(len(skus) for _, _, skus in members)
    table = np.full((len(members), most), -1)
    utility = np.full((len(members), most), -np.inf)
    appeal, keys = np.zeros(len(members)), np.zeros(len(members), dtype=np.uint64)
    for row, (zone, _, skus) in enumerate(members):
        table[row, : len(skus)] = skus
        facings, level = store.facings[zone, skus], town.level_effect[store.shelf_level[zone, skus]]
        utility[row, : len(skus)] = town.facing_elasticity * np.log(facings) + level
        appeal[row] = np.log((facings * np.exp(level)).sum())
        keys[row] = stable_key(" ".join(store.skus[sku].sku_id for sku in skus))
    return {
        "offer_zone": np.array([zone for zone, _, _ in members]),
        "offer_category": np.array([category for _, category, _ in members]),
        "offer_key": keys,
        "prominence": np.exp(0.5 * np.clip(appeal - USUAL_APPEAL, -2.0, 2.0)),
        "offer_skus": table,
        "sku_place_utility": utility,
    }


def _view_ways(
    store: Store, sight: Sight, neighbors: IntArray, offer_zone: IntArray, distance_m: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Attention to every offer on every way: first rows, offers, metres."""
    walks, (n_zones, most) = store.walks, neighbors.shape
    standing = walks.place_cell[walks.zone_places]
    ways, cells, headings, metres = [], [], [], []
    for i, k in zip(*np.nonzero(neighbors >= 0), strict=True):
        path = walks.path(int(standing[i]), int(standing[neighbors[i, k]]))
        step = np.diff(store.grid.xy[path], axis=0)
        length = np.linalg.norm(step, axis=1)
        ways.append(np.full(len(step), i * most + k))
        cells.append(path[:-1])
        headings.append(step / np.maximum(length, 1e-9)[:, None])
        metres.append(length)
    ways.append(n_zones * most + np.arange(n_zones))
    cells.append(standing)
    headings.append(np.zeros((n_zones, 2)))  # who stands looks round
    metres.append(np.ones(n_zones))
    way, cell, heading, metre = map(np.concatenate, (ways, cells, headings, metres))
    seen = _attend(store, sight, cell, heading)  # (n_rows, n_zones)
    total = np.zeros((n_zones * (most + 1), n_zones))
    np.add.at(total, way, seen * metre[:, None])
    start = np.concatenate([np.repeat(np.arange(n_zones), most), np.arange(n_zones)])
    total[distance_m[start] > STEP_ASIDE_M + FARTHEST_M / 2] = 0.0
    by_offer = total[:, offer_zone]
    row, offer = np.nonzero(by_offer > LEAST_ATTENTION_M)
    return np.searchsorted(row, np.arange(len(by_offer) + 1)), offer, by_offer[row, offer]


def _attend(store: Store, sight: Sight, cell: IntArray, heading: FloatArray) -> FloatArray:
    """Attention in 0 .. 1 to each zone's shelf at three points of it, from cells with a heading."""
    low = {item.fixture_id for item in store.fixtures if item.fixture_type in LOW_FIXTURES}
    points = _shelf_points(store)  # (n_zones, 3, 2)
    used, where = np.unique(cell, return_inverse=True)
    at = store.grid.xy[used]
    hiding = store.space.solid.buffer(-1e-3, join_style="mitre")
    shapely.prepare(hiding)
    attention = np.zeros((len(cell), store.n_zones))
    for z, zone in enumerate(store.zones):
        reach = sight.display_reach_m if zone.zone_type in DISPLAY_TYPES else sight.reach_m
        for point in points[z]:
            apart = point - at
            metres = np.linalg.norm(apart, axis=1)
            near = np.flatnonzero(metres <= FARTHEST_M)
            lines = shapely.linestrings(np.stack([at[near], np.broadcast_to(point, (len(near), 2))], axis=1))
            strength = np.zeros(len(used))
            strength[near] = np.exp(-metres[near] / reach) * ~shapely.intersects(hiding, lines)
            ahead = ((apart / np.maximum(metres, 1e-9)[:, None])[where] * heading).sum(axis=1)
            attention[:, z] += strength[where] * ((1 + ahead) / 2) ** sight.narrowness / len(points[z])
        attention[:, z] *= sight.low_factor if zone.fixture_id in low else 1.0
    return attention


def _shelf_points(store: Store) -> FloatArray:
    """Three points of each zone's shelf face, a centimetre before it; of the zone if it has no fixture."""
    fixtures = {fixture.fixture_id: fixture.polygon for fixture in store.fixtures}
    points = np.zeros((store.n_zones, 3, 2))
    for z, zone in enumerate(store.zones):
        x0, y0, x1, y1 = zone.polygon.bounds
        long_x = x1 - x0 >= y1 - y0
        for n, share in enumerate((1 / 6, 1 / 2, 5 / 6)):
            x = x0 + (x1 - x0) * (share if long_x else 0.5)
            y = y0 + (y1 - y0) * (0.5 if long_x else share)
            points[z, n] = _face_point(np.array([x, y]), fixtures.get(zone.fixture_id or ""))
    return points


def _face_point(middle: FloatArray, fixture: shapely.Polygon | None) -> FloatArray:
    if fixture is None:
        return middle
    face = shapely.get_coordinates(shapely.shortest_line(shapely.Point(middle), fixture))[1]
    back = middle - face
    return face + 0.01 * back / max(float(np.linalg.norm(back)), 1e-9)


def _pair_categories(store: Store) -> BoolArray:
    index = {name: position for position, name in enumerate(store.categories)}
    partners = np.zeros((len(index), len(index)), dtype=bool)
    for a, b in CUES:
        if a in index and b in index:
            partners[index[a], index[b]] = partners[index[b], index[a]] = True
    return partners
