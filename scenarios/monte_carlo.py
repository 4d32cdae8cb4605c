"""One replication of a store, and the job of living many: cases (store and setting) times replications."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import Any

from layouts import ConfigError, Store
from models import ShopperModel
from simulator import (
    Cohort,
    Luck,
    ReplicationTables,
    SimulationConfig,
    StoreModel,
    build_tables,
    draw_population,
    plan_cohorts,
)

TRACKS = ("first", "all", "none")
VERSIONS_OF = ("storesim", "mesa", "torch", "transformers", "numpy", "scipy", "pandas", "pyarrow")

Task = tuple[int, int]  # case, replication


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What a run is asked for: the same values give the same bytes.

    Attributes
    ----------
    n_shoppers
        Who enter in each replication.
    n_replications
        Independent repetitions; replication r meets the same luck in every layout.
    seed
        Of all luck.
    tracks
        Of which replications the positions are kept: `first`, `all` or `none`.
    simulation
        Tills and whatever else of a store day can be set.
    """

    n_shoppers: int
    n_replications: int
    seed: int
    tracks: str = "first"
    simulation: SimulationConfig = field(default_factory=SimulationConfig)

    def __post_init__(self) -> None:
        for name in ("n_shoppers", "n_replications"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.tracks not in TRACKS:
            raise ConfigError(f"tracks must be one of {', '.join(TRACKS)}, got {self.tracks!r}")

    def keeps_tracks(self, replication: int) -> bool:
        """Whether the positions of this replication are kept."""
        return self.tracks == "all" or (self.tracks == "first" and replication == 0)


def simulate_replication(
    store: Store, model: ShopperModel, replication: int, config: RunConfig
) -> ReplicationTables:
    """Live one replication: who comes, what they decide, how it goes; a pure function of its arguments.

    A model that leaves something open is read anew in each replication, see `ShopperModel.hypotheses`.
    """
    return next(simulate_replications(model, [(store, replication, config)]))


def simulate_replications(
    model: ShopperModel, asked: Sequence[tuple[Store, int, RunConfig]]
) -> Iterator[ReplicationTables]:
    """Live several replications whose shoppers decide together; each as `simulate_replication` does alone.

    Parameters
    ----------
    model
        The shoppers.
    asked
        Store, replication and settings of each.

    Yields
    ------
    tables
        Of one after the other.
    """
    people, cohorts = [], []
    for store, replication, config in asked:
        luck, shoppers = Luck(config.seed, replication), model.for_replication(replication)
        population, baskets = draw_population(shoppers, store, config.n_shoppers, luck)
        people.append(population)
        cohorts.append(Cohort(shoppers, store, baskets, config.n_shoppers, luck))
    plans = plan_cohorts(cohorts)
    for (store, replication, config), population, cohort, plan in zip(
        asked, people, cohorts, plans, strict=True
    ):
        living = StoreModel(store, population, plan, config=config.simulation, luck=cohort.luck)
        living.run()
        yield build_tables(living, keeps_tracks=config.keeps_tracks(replication))


@dataclass(frozen=True, eq=False)
class Job:
    """Replications to be lived, wherever that happens.

    Attributes
    ----------
    model
        The shoppers, the same in all cases.
    cases
        Each a store and its setting; replication r of every case meets the same luck. A task is (case,
        replication).
    keeps_tables
        Whether tables are kept; otherwise only the figures per shopper are.
    """

    model: ShopperModel
    cases: tuple[tuple[Store, RunConfig], ...]
    keeps_tables: bool = True

    @cached_property
    def sources(self) -> tuple[int, ...]:
        """For each case the first that is the same in content and setting: those are lived once."""
        first: dict[tuple[str, str], int] = {}
        return tuple(
            first.setdefault((store.content_hash, repr(config)), case)
            for case, (store, config) in enumerate(self.cases)
        )

    def list_tasks(self, n_replications: int) -> list[Task]:
        """Tasks of the first replications, in their order; cases that equal an earlier one are left out."""
        return [
            (case, replication) for replication in range(n_replications) for case in sorted(set(self.sources))
        ]

    def live(self, tasks: Sequence[Task]) -> Iterator[ReplicationTables]:
        """Live some tasks whose shoppers decide together; give the tables of one after the other."""
        asked = []
        for case, replication in tasks:
            store, config = self.cases[case]
            asked.append((store, replication, config))
        return simulate_replications(self.model, asked)


def describe_run(model: ShopperModel, stores: list[Store], config: RunConfig) -> dict[str, Any]:
    """What a result keeps of how it came about."""
    return {
        "seed": config.seed,
        "shoppers": config.n_shoppers,
        "replications": config.n_replications,
        "model": model.name,
        "currency": stores[0].currency,
        "stores": {store.name: store.content_hash for store in stores},
        "settings": config.simulation.to_dict(),
        "versions": find_versions(),
    }


def find_versions() -> dict[str, str]:
    """Versions of the packages on which the bytes of a run depend."""
    return {name: version(name) for name in VERSIONS_OF}


def describe_case(store: Store, config: RunConfig) -> dict[str, Any]:
    """What decides on the bytes of a case's replications, as plain values; not how many there are."""
    setting = dataclasses.asdict(config) | {"simulation": config.simulation.to_dict()}
    del setting["n_replications"]
    return {"layout": store.name, "content": store.content_hash, **setting}
