"""Runs that several of the simulator's tests look at."""

from pathlib import Path

import pytest

from layouts import Store, load_store
from simulator import StoreModel
from tests.simulator.scripted import build_scripted_model

DEVELOPER_STORES = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def market_a() -> Store:
    folder = DEVELOPER_STORES / "market-a" / "store"
    if not folder.is_dir():
        pytest.skip("the developer stores are not beside the repository")
    return load_store(folder)


@pytest.fixture
def crowded_tiny(tiny_store: Store) -> StoreModel:
    """Sixty shoppers within ten minutes at one till, run to the end: the queue grows long."""
    model = build_scripted_model(tiny_store)
    model.run()
    return model


@pytest.fixture(scope="session")
def busy_market(market_a: Store) -> StoreModel:
    """Two hundred shoppers in market-a within half an hour, run to the end."""
    model = build_scripted_model(market_a, 200, within_s=1800.0, mean_stops=8)
    model.run()
    return model
