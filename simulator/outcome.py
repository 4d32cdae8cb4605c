"""How visits end, and what is taken in them."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """How a visit ended; also why what a shopper wanted was not sold."""

    EMPTY = "empty"  # without anything in the basket
    PAID = "paid"
    BALKED = "balked"  # found the queue too long, left the basket and went
    RENEGED = "reneged"  # gave up waiting, left the basket and went


class Taken(NamedTuple):
    """Units of a SKU that a shopper took or wanted at a stop (rows of the store and the itineraries)."""

    stop: int
    sku: int
    qty: int
    is_planned: bool
