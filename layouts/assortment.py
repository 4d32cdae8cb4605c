"""Which goods a generated store carries and where they stand.

Each category gets a home: a run of zones in proportion to its size, on shelves that suit it. End displays,
tables and racks at the tills then carry goods that also stand at home.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from layouts.goods import BRANDS, CATEGORIES, CategoryProfile, Home
from layouts.recipes import StoreFormat, StoreRecipe
from layouts.records import FixtureType, Placement, ShelfLevel, Sku, Zone, ZoneType

FILL = 0.9  # share of a zone's facings that is used
FACINGS_PER_SKU = 2.6  # least room for one SKU at home
MAX_FACINGS = 9
LEVEL_SHARES = {ShelfLevel.FLOOR: 0.2, ShelfLevel.LOW: 0.25, ShelfLevel.EYE: 0.35, ShelfLevel.TOP: 0.2}

Pools = dict[str, list[Zone]]


def choose_categories(recipe: StoreRecipe, rng: np.random.Generator) -> list[CategoryProfile]:
    """Choose which categories a store carries; every kind of home has at least one, cold goods two."""
    small = recipe.format is StoreFormat.CONVENIENCE
    chosen: list[CategoryProfile] = []
    for home, least in ((Home.FRESH, 2), (Home.COLD, 2), (Home.FROZEN, 1), (Home.DRINK, 1)):
        options = [profile for profile in CATEGORIES if profile.home is home and profile.is_everyday]
        chosen += [options[index] for index in rng.permutation(len(options))[:least]]
    rest = [profile for profile in CATEGORIES if profile not in chosen and (profile.is_everyday or not small)]
    appeal = np.array([profile.weight * (2.0 if small and profile.is_impulse else 1.0) for profile in rest])
    n_more = min(len(rest), max(0, recipe.n_categories - len(chosen)))
    return chosen + [
        rest[index] for index in rng.choice(len(rest), n_more, replace=False, p=appeal / appeal.sum())
    ]


def stock_store(
    recipe: StoreRecipe,
    zones: Sequence[Zone],
    fixture_types: dict[str, FixtureType],
    rng: np.random.Generator,
) -> tuple[list[Sku], list[Placement]]:
    """Choose SKUs and place them.

    Parameters
    ----------
    recipe
        How many categories and SKUs are wanted.
    zones
        Zones of the store, walls in walking order.
    fixture_types
        Kind of each fixture, by identifier.
    rng
        Source of chance.

    Returns
    -------
    skus, placements
        Goods and where they stand; within capacity, cold goods in cold zones only.
    """
    pools = _pool_zones(zones, fixture_types)
    homes = _assign_homes(choose_categories(recipe, rng), pools, rng)
    skus: list[Sku] = []
    placements: list[Placement] = []
    total_weight = sum(profile.weight for run in homes.values() for profile, _ in run)
    for pool, run in homes.items():
        room = int(sum(zone.capacity_facings for zone in pools[pool]) / FACINGS_PER_SKU)
        wanted = [max(2, round(recipe.n_skus * size / total_weight)) for _, size in run]
        scale = min(1.0, room / sum(wanted))
        stocked = [
            sku
            for (profile, _), n in zip(run, wanted, strict=True)
            for sku in _make_skus(profile, max(2, int(n * scale)), rng)
        ]
        skus += stocked
        placements += _fill_zones(pools[pool], stocked, rng)
    return skus, placements + _place_displays(zones, skus, rng)


def _pool_zones(zones: Sequence[Zone], fixture_types: dict[str, FixtureType]) -> Pools:
    """Sort the zones where goods are at home into wall, cold, frozen and shelf; none of them is empty."""
    pools: Pools = defaultdict(list)
    for zone in zones:
        if zone.zone_type not in (ZoneType.AISLE, ZoneType.PERIMETER):
            continue
        if zone.has_refrigeration:
            is_frozen = fixture_types[zone.fixture_id or ""] is FixtureType.FREEZER
            pools["frozen" if is_frozen else "cold"].append(zone)
        else:
            pools["wall" if zone.zone_type is ZoneType.PERIMETER else "shelf"].append(zone)
    return dict(pools)


def _assign_homes(
    categories: Sequence[CategoryProfile], pools: Pools, rng: np.random.Generator
) -> dict[str, list[tuple[CategoryProfile, float]]]:
    """Give each category the least loaded pool that suits it; returns the run of categories of each pool.

    The order within a pool is random, but fresh goods mostly come first, where the walk begins.
    """
    suited = {
        Home.FRESH: ("wall",),
        Home.COLD: ("cold",),
        Home.FROZEN: ("frozen",),
        Home.SHELF: ("shelf", "wall"),
        Home.DRINK: ("shelf", "wall", "cold"),
    }
    fallback = {"wall": "shelf", "frozen": "cold"}
    capacity = {pool: sum(zone.capacity_facings for zone in members) for pool, members in pools.items()}
    load = dict.fromkeys(pools, 0.0)
    homes: dict[str, list[tuple[CategoryProfile, float]]] = {pool: [] for pool in pools}
    shuffled = [categories[index] for index in rng.permutation(len(categories))]
    for profile in sorted(shuffled, key=lambda profile: len(suited[profile.home])):  # the choosy first
        size = profile.weight * float(rng.lognormal(0.0, 0.25))
        options = [pool if pool in pools else fallback.get(pool, pool) for pool in suited[profile.home]]
        pool = min(
            (pool for pool in options if pool in pools), key=lambda pool: (load[pool] + size) / capacity[pool]
        )
        load[pool] += size
        homes[pool].append((profile, size))
    fresh_first = rng.random() < 0.7
    return {
        pool: sorted(
            (run[index] for index in rng.permutation(len(run))),
            key=lambda entry: fresh_first and entry[0].home is not Home.FRESH,
        )
        for pool, run in homes.items()
        if run
    }


def _make_skus(profile: CategoryProfile, n: int, rng: np.random.Generator) -> list[Sku]:
    """Invent the products of one category; dear ones sell more slowly."""
    relative_price = rng.lognormal(0.0, 0.35, n)
    prices = np.maximum(0.29, np.round(profile.price * relative_price, 1) - 0.01)
    shares = np.clip(profile.margin_share * rng.normal(1.0, 0.12, n), 0.05, 0.6)
    velocities = profile.velocity * relative_price**-0.6 * rng.lognormal(0.0, 0.6, n)
    names = [f"{brand} {product}" for brand in BRANDS for product in profile.products]
    chosen = [names[index] for index in rng.permutation(len(names))[:n]]
    return [
        Sku(
            sku_id=f"{profile.code}{number:04d}",
            name=chosen[number] if number < len(chosen) else f"{profile.name} {number}",
            category=profile.name,
            subcategory=profile.products[number % len(profile.products)]
            if number >= len(chosen)
            else chosen[number].split(" ", 1)[1],
            price=round(float(prices[number]), 2),
            margin=round(float(prices[number] * shares[number]), 2),
            requires_refrigeration=profile.home in (Home.COLD, Home.FROZEN),
            facings_required=1,
            velocity=round(float(velocities[number]), 1),
        )
        for number in range(n)
    ]


def _fill_zones(zones: Sequence[Zone], skus: Sequence[Sku], rng: np.random.Generator) -> list[Placement]:
    """Spread SKUs, in their order, over zones, in theirs, so that all are about equally full.

    Room for a SKU grows with the square root of its velocity.
    """
    demand = np.sqrt([sku.velocity + 1.0 for sku in skus])
    middle = (np.cumsum(demand) - demand / 2) / demand.sum()
    capacity = np.array([zone.capacity_facings for zone in zones])
    edges = np.cumsum(capacity) / capacity.sum()
    home = np.minimum(np.searchsorted(edges, middle), len(zones) - 1)
    placements: list[Placement] = []
    for index, zone in enumerate(zones):
        members = np.flatnonzero(home == index)
        placements += _share_facings(zone, [skus[int(member)] for member in members], demand[members], rng)
    return placements


def _share_facings(
    zone: Zone, skus: Sequence[Sku], demand: np.ndarray, rng: np.random.Generator
) -> list[Placement]:
    """Divide the facings of one zone between its SKUs; what does not fit is left out."""
    if not len(skus):
        return []
    room = max(len(skus), int(FILL * zone.capacity_facings))
    facings = np.clip((room * demand / demand.sum()).astype(int), 1, MAX_FACINGS)
    while facings.sum() > zone.capacity_facings:
        facings[np.argmax(facings)] -= 1
    levels = rng.choice(len(LEVEL_SHARES), len(skus), p=list(LEVEL_SHARES.values()))
    return [
        Placement(
            sku_id=sku.sku_id, zone_id=zone.zone_id, facings=int(n), shelf_level=list(LEVEL_SHARES)[level]
        )
        for sku, n, level in zip(skus, facings, levels, strict=True)
        if n > 0
    ]


def _place_displays(zones: Sequence[Zone], skus: Sequence[Sku], rng: np.random.Generator) -> list[Placement]:
    """Fill displays with a few quick sellers of one category each, racks at the tills with cheap treats."""
    warm: dict[str, list[Sku]] = defaultdict(list)
    for sku in skus:
        if not sku.requires_refrigeration:
            warm[sku.category].append(sku)
    impulse = {profile.name for profile in CATEGORIES if profile.is_impulse}
    all_warm = sorted((sku for members in warm.values() for sku in members), key=lambda sku: sku.price)
    treats = [sku for sku in all_warm if sku.category in impulse] or all_warm
    treats = treats[: max(8, len(treats) // 2)]
    placements: list[Placement] = []
    for zone in zones:
        if zone.zone_type in (ZoneType.ENDCAP, ZoneType.PROMO):
            options = warm[sorted(warm)[rng.integers(len(warm))]]
        elif zone.zone_type is ZoneType.CHECKOUT:
            options = treats
        else:
            continue
        appeal = np.array([sku.velocity + 1.0 for sku in options])
        n = min(len(options), int(rng.integers(3, 6)))
        chosen = rng.choice(len(options), n, replace=False, p=appeal / appeal.sum())
        placements += _share_facings(zone, [options[index] for index in chosen], np.ones(n), rng)
    return placements
