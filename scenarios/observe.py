"""Observations of a store where there are none: the reference shopper visits it, a tracking system looks on.

Usage: python -m scenarios.observe STORE OBSERVATIONS_DIR [N_SHOPPERS] [SEED] [TOWN]
STORE is a folder or bundled:NAME. The same TOWN with another SEED gives other days of the same town.
"""

import sys
from pathlib import Path

import numpy as np

from analysis import Observations, observe, save_observations
from layouts import Store, writing_folder
from models import ReferenceBehaviour, build_reference_model
from scenarios.inputs import open_store
from scenarios.monte_carlo import RunConfig, simulate_replication

PARTS = ("tracking.parquet", "pos.parquet", "sessions.parquet")  # of a folder of observations


def observe_reference_shopper(
    store: Store,
    *,
    n_shoppers: int,
    seed: int,
    behaviour: ReferenceBehaviour | None = None,
    town: int | None = None,
) -> Observations:
    """Let reference shoppers visit `store` and measure them as a tracking system and tills would.

    Parameters
    ----------
    store
        Where.
    n_shoppers
        How many enter; more than a day's fill several days.
    seed
        Of the town's tastes, the shoppers' luck and the measurement.
    behaviour
        Of the town; that of the literature if left out.
    town
        Seed of the town's tastes alone, to observe other days of a town; `seed` if left out.

    Returns
    -------
    observations
        Noisy tracks with gaps, receipts of which some are not linked, customer attributes.
    """
    tastes = np.random.default_rng(np.random.SeedSequence(seed if town is None else town).spawn(2)[0])
    measurement = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
    model = build_reference_model(store, tastes, behaviour=behaviour or ReferenceBehaviour())
    config = RunConfig(n_shoppers=n_shoppers, n_replications=1, seed=seed)
    tables = simulate_replication(store, model, 0, config)
    sessions = tables.sessions[["session_id", "mission", "age_band", "gender", "carrier"]]
    return observe(tables.tracks, tables.receipts, sessions, store, measurement)


def main(store: str, out: str, n_shoppers: str = "4000", seed: str = "1", town: str | None = None) -> None:
    """Write the folder of observations."""
    observed = observe_reference_shopper(
        open_store(store),
        n_shoppers=int(n_shoppers),
        seed=int(seed),
        town=None if town is None else int(town),
    )
    with writing_folder(Path(out), parts=PARTS) as folder:
        save_observations(observed, folder)
    print(f"{observed.tracks['session_id'].nunique()} visits written to {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
