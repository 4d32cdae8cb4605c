"""Small cohorts and runs for the simulator's tests."""

import numpy as np

from layouts import Store
from simulator import Itineraries, Luck, Population, SimulationConfig, StoreModel, draw_scripted_itineraries


def draw_population(n: int, *, seed: int = 0, within_s: float = 600.0) -> Population:
    rng = np.random.default_rng(seed)
    return Population(
        n=n,
        arrival_s=rng.uniform(0, within_s, n),
        speed_mps=rng.uniform(0.6, 1.6, n),
        attributes={"mission": rng.choice(["quick", "major"], n)},
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
