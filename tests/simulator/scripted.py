"""Small cohorts and runs for the simulator's tests."""

import dataclasses

import numpy as np
from shapely.geometry import box

from layouts import Checkout, CheckoutType, Door, Store
from simulator import (
    CheckoutConfig,
    Itineraries,
    Luck,
    Population,
    Purpose,
    ServiceNoise,
    SimulationConfig,
    StoreModel,
    TillChoice,
    draw_scripted_itineraries,
)

SERVICE_S = 60.0  # mean service of `run_queue`


def draw_population(n: int, *, seed: int = 0, within_s: float = 600.0, at_door_s: float = 0.0) -> Population:
    rng = np.random.default_rng(seed)
    return Population(
        n=n,
        arrival_s=rng.uniform(0, within_s, n),
        speed_mps=rng.uniform(0.6, 1.6, n),
        attributes={"mission": rng.choice(["quick", "major"], n)},
        door_s=rng.uniform(0, at_door_s, n) if at_door_s else None,
    )


def make_itineraries(
    n: int, stops: list[tuple[int, int, int, float]], picks: list[tuple[int, int, int]]
) -> Itineraries:
    """Itineraries of stops (shopper, zone, cell, dwell_s) and picks (stop, sku, qty)."""
    shopper, zone, cell, dwell_s = np.array(stops, dtype=float).reshape(-1, 4).T
    stop, sku, qty = np.array(picks, dtype=int).reshape(-1, 3).T
    return Itineraries(
        n_shoppers=n,
        stop_shopper=shopper.astype(int),
        stop_zone=zone.astype(int),
        stop_cell=cell.astype(int),
        stop_dwell_s=dwell_s,
        pick_stop=stop,
        pick_sku=sku,
        pick_qty=qty,
        pick_planned=np.ones(len(stop), dtype=bool),
        missed=np.zeros(n, dtype=int),
    )


def build_scripted_model(
    store: Store,
    n: int = 60,
    *,
    seed: int = 0,
    within_s: float = 600.0,
    mean_stops: int = 4,
    config: SimulationConfig | None = None,
) -> StoreModel:
    luck = Luck(seed)
    return StoreModel(
        store,
        draw_population(n, seed=seed, within_s=within_s),
        draw_scripted_itineraries(store, n, luck, mean_stops=mean_stops),
        config=config,
        luck=luck,
    )


def with_tills(store: Store, n: int, *, n_self: int = 0) -> Store:
    """Put n tills, the last `n_self` of them self-checkouts, on one and the same cell: all equally near."""
    tills = [
        Checkout(
            checkout_id=f"C{i}",
            checkout_type=CheckoutType.SELF if i >= n - n_self else CheckoutType.STAFFED,
            xy=(4.7 + i / 100, 0.75),
        )
        for i in range(n)
    ]
    return dataclasses.replace(store, checkouts=tuple(tills))


def make_hall(tiny: Store) -> Store:
    """A hall of 12 by 4 m, walked from left to right; between 3 and 9 m of it is an aisle."""
    (south,) = (zone for zone in tiny.zones if zone.zone_id == "south")
    (gondola,) = (fixture for fixture in tiny.fixtures if fixture.fixture_id == "G")
    return dataclasses.replace(
        tiny,
        floor=box(0, 0, 12, 4),
        fixtures=(dataclasses.replace(gondola, polygon=box(3, 3.5, 9, 4)),),
        zones=(dataclasses.replace(south, polygon=box(3, 0, 9, 3.5), capacity_facings=40),),
        entrances=(Door(door_id="in", xy=(0.25, 1.75)),),
        exits=(Door(door_id="out", xy=(11.75, 1.75)),),
        checkouts=(Checkout(checkout_id="C1", checkout_type=CheckoutType.STAFFED, xy=(10.75, 1.75)),),
        placements=tuple(
            dataclasses.replace(item, zone_id="south")
            for item in {item.sku_id: item for item in tiny.placements}.values()
        ),
    )


def run_queue(
    store: Store,
    *,
    load: float,
    replication: int,
    n: int,
    choice: TillChoice = TillChoice.SHORTEST_QUEUE,
    approach_m: float = 3.0,
    **mechanisms: object,
) -> StoreModel:
    """Shoppers who come as a Poisson process and buy a bread at the same place, to exponential service."""
    luck = Luck(11, replication)
    gaps_s = luck.exponential(Purpose.ARRIVAL, np.arange(n)) * SERVICE_S / (load * len(store.checkouts))
    zone, bread = store.zone_index["south"], store.sku_index["BREAD"]
    cell = int(store.walks.zone_cells[zone][0])
    checkout = CheckoutConfig(
        base_service_s=SERVICE_S,
        item_service_s=0.0,
        noise=ServiceNoise.EXPONENTIAL,
        choice=choice,
        approach_m=approach_m,
    )
    model = StoreModel(
        store,
        Population(n=n, arrival_s=np.cumsum(gaps_s), speed_mps=np.ones(n)),
        make_itineraries(n, [(i, zone, cell, 5.0) for i in range(n)], [(i, bread, 1) for i in range(n)]),
        config=SimulationConfig(checkout=checkout, collect_every_s=86_400, **mechanisms),
        luck=luck,
    )
    model.run()
    return model
