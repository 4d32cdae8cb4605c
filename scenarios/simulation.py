"""Simulate one layout."""

from __future__ import annotations

from layouts import Store
from models import ShopperModel
from scenarios.execution import Execution
from scenarios.monte_carlo import Job, RunConfig, describe_run
from scenarios.runs import RunResult, collect_totals, run_job, summarise_layout
from simulator import SimulationConfig


class SimulationResult(RunResult):
    """One layout, simulated."""

    def summary(self) -> str:
        """Say the figures in a line."""
        figures, currency = self.result["control"], self.result["currency"]
        return (
            f"{figures['layout']}: profit {figures['profit_per_shopper']:.2f} {currency}, "
            f"revenue {figures['revenue_per_shopper']:.2f} {currency}, "
            f"{figures['items_per_shopper']:.1f} items and "
            f"{figures['minutes_per_shopper']:.1f} minutes per shopper"
        )


def simulate(
    store: Store,
    *,
    model: ShopperModel,
    n_shoppers: int = 2000,
    n_replications: int = 30,
    seed: int = 0,
    n_workers: int = 1,
    tracks: str = "first",
    simulation: SimulationConfig | None = None,
    execution: Execution | None = None,
) -> SimulationResult:
    """Let shoppers visit one store.

    Parameters
    ----------
    store
        The layout.
    model
        The shoppers.
    n_shoppers, n_replications, seed, tracks, simulation
        See `RunConfig`.
    n_workers
        Processes on this machine; short for `execution=Execution(n_workers=...)`.
    execution
        Where and how the run is lived; the result does not depend on it.
    """
    config = RunConfig(
        n_shoppers=n_shoppers,
        n_replications=n_replications,
        seed=seed,
        tracks=tracks,
        simulation=simulation or SimulationConfig(),
    )
    parts = run_job(
        Job(model, ((store, config),)), n_replications, execution or Execution(n_workers=n_workers)
    )
    totals = collect_totals(parts, [store])
    result = describe_run(model, [store], config) | {"control": summarise_layout(totals, store.name)}
    return SimulationResult(result=result, parts=parts, stores=(store,))
