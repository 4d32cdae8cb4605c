"""Observations of a store where there are none: the reference shopper visits it, a tracking system looks on.

Usage: python -m scenarios.observe STORE OBSERVATIONS_DIR [N_SHOPPERS] [SEED]
STORE is a folder or bundled:NAME.
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
    store: Store, *, n_shoppers: int, seed: int, behaviour: ReferenceBehaviour | None = None
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

    Returns
    -------
    observations
        Noisy tracks with gaps, receipts of which some are not linked, customer attributes.
    """
    tastes, measurement = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    model = build_reference_model(store, tastes, behaviour=behaviour or ReferenceBehaviour())
    config = RunConfig(n_shoppers=n_shoppers, n_replications=1, seed=seed)
    tables = simulate_replication(store, model, 0, config)
    sessions = tables.sessions[["session_id", "mission", "age_band", "gender", "carrier"]]
    return observe(tables.tracks, tables.receipts, sessions, store, measurement)


def main(store: str, out: str, n_shoppers: str = "4000", seed: str = "1") -> None:
    """Write the folder of observations."""
    observed = observe_reference_shopper(open_store(store), n_shoppers=int(n_shoppers), seed=int(seed))
    with writing_folder(Path(out), parts=PARTS) as folder:
        save_observations(observed, folder)
    print(f"{observed.tracks['session_id'].nunique()} visits written to {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
