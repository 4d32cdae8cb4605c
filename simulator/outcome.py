"""How visits end, and what is taken in them."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """How a visit ended."""

    EMPTY = "empty"  # without anything in the basket
    PAID = "paid"
    BALKED = "balked"  # found the queue too long, left the basket and went
    RENEGED = "reneged"  # gave up waiting, left the basket and went


class Loss(StrEnum):
    """Why something that a shopper wanted was not sold."""

    BALKED = "balked"  # the queue was too long
    RENEGED = "reneged"  # the wait was too long
    CROWDED = "crowded"  # too many stood before the shelf
    OUT_OF_STOCK = "out_of_stock"  # the shelf was empty


class Taken(NamedTuple):
    """Units of a SKU that a shopper took or wanted at a stop (rows of the store and the itineraries)."""

    stop: int
    sku: int
    qty: int
    is_planned: bool
