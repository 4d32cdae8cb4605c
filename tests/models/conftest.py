"""Stores and the views of them that the tests of the models share."""

import pytest

from layouts import Store, bundled_store
from models import LayoutView, view_layout


@pytest.fixture(scope="session")
def corner_shop() -> Store:
    return bundled_store("corner-shop")


@pytest.fixture
def tiny_view(tiny_store: Store) -> LayoutView:
    return view_layout(tiny_store)
