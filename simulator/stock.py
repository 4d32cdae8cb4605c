"""What lies on the shelves: units that are taken, put back and refilled while the store is open."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from layouts import Store
from simulator.luck import IntArray, Purpose, stable_keys
from simulator.settings import check_count, check_number, to_enum

if TYPE_CHECKING:
    from simulator.live_store import LiveStore

STOCK = -2  # the number of the refilling in the event queue: before tills and shoppers at equal times


class Refill(StrEnum):
    """When shelves are filled up."""

    PERIODIC = "periodic"  # all of them, every so often
    THRESHOLD = "threshold"  # each when it runs low, a while later
    NEVER = "never"


@dataclass(frozen=True, kw_only=True)
class StockConfig:
    """How much lies on the shelves, and when they are filled up. The defaults are assumptions.

    A refill brings a shelf, that is, a SKU in a zone, back to its full number of units. What is behind the
    scenes never runs out.

    Parameters
    ----------
    units_per_facing
        Units one behind the other in each facing.
    initial_share
        Share of the units that are there when the run begins.
    refill
        When shelves are filled up.
    period_s
        Time from refill to refill, the first one after it [s]; periodic only.
    low_share, delay_s
        A refill is called for when a shelf holds less than this share, and comes so much later [s]; threshold
        only.
    substitute_chance
        Chance that a shopper who does not find what they planned to buy takes another SKU of its category
        from the same zone instead.
    """

    units_per_facing: int = 8
    initial_share: float = 1.0
    refill: Refill = Refill.PERIODIC
    period_s: float = 14_400.0
    low_share: float = 0.25
    delay_s: float = 1_800.0
    substitute_chance: float = 0.45

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        to_enum(self, "refill", Refill)
        check_count(self, "units_per_facing", low=1)
        check_number(self, "period_s", low=1.0)
        check_number(self, "delay_s")
        for name in ("initial_share", "low_share", "substitute_chance"):
            check_number(self, name, high=1.0)


class Shelves:
    """The units on the shelves while a simulation runs; a shelf is a SKU in a zone.

    Parameters
    ----------
    config
        How much they hold, and when they are filled.
    store
        What stands where.
    live
        Where the refilling is woken, and whose luck decides about substitutes.

    Attributes
    ----------
    full, initial, units, refilled
        Units of each SKU in each zone, shape (n_zones, n_skus): when full, in the beginning, now, and brought
        there so far. What is put back after a refill lies on top of a full shelf.
    """

    def __init__(self, config: StockConfig, store: Store, live: LiveStore) -> None:
        self.config, self._live = config, live
        self.full: IntArray = np.asarray(store.facings).astype(np.int64) * config.units_per_facing
        self.initial: IntArray = np.floor(self.full * config.initial_share + 1e-9).astype(np.int64)
        self.units, self.refilled = self.initial.copy(), np.zeros_like(self.initial)
        self._calls: list[tuple[float, int, int]] = []  # when which shelf will be filled
        self._is_called = np.zeros(self.full.shape, dtype=bool)
        self._same_category = store.sku_category[:, None] == store.sku_category[None]
        self._sku_key = stable_keys([sku.sku_id for sku in store.skus])
        if config.refill is Refill.PERIODIC:
            live.wake(STOCK, config.period_s)
        elif config.refill is Refill.THRESHOLD:
            for zone, sku in np.argwhere(self.full > 0).tolist():
                self._call(zone, sku, 0.0)

    def take(self, zone: int, sku: int, qty: int, t_s: float) -> int:
        """Take up to `qty` units; return how many there were."""
        taken = min(qty, int(self.units[zone, sku]))
        self.units[zone, sku] -= taken
        if self.config.refill is Refill.THRESHOLD:
            self._call(zone, sku, t_s)
        return taken

    def put_back(self, zone: int, sku: int, qty: int) -> None:
        """Put units back that were not paid for."""
        self.units[zone, sku] += qty

    def find_substitute(self, zone: int, sku: int) -> int | None:
        """SKU of the same category with the most units in the zone, the first of several; None without."""
        units = np.where(self._same_category[sku], self.units[zone], 0)
        units[sku] = 0
        best = int(units.argmax())
        return best if units[best] > 0 else None

    def is_substituted(self, shopper: int, sku: int) -> bool:
        """Whether a shopper would take another SKU for this one: the same answer whenever it is asked."""
        u = self._live.model.luck.uniform(Purpose.SUBSTITUTE, shopper, self._sku_key[sku])
        return float(u) < self.config.substitute_chance

    def act(self, t_s: float) -> float:
        """Fill what is due; return when to fill again."""
        if self.config.refill is Refill.PERIODIC:
            self._fill(np.maximum(self.full - self.units, 0))
            return t_s + self.config.period_s
        while self._calls and self._calls[0][0] <= t_s:
            _, zone, sku = heapq.heappop(self._calls)
            self._is_called[zone, sku] = False
            missing = np.zeros_like(self.full)
            missing[zone, sku] = max(self.full[zone, sku] - self.units[zone, sku], 0)
            self._fill(missing)
        return self._calls[0][0] if self._calls else math.inf

    def _fill(self, units: IntArray) -> None:
        self.units += units
        self.refilled += units

    def _call(self, zone: int, sku: int, t_s: float) -> None:
        """Call for a refill if a shelf has run low and none is under way."""
        is_low = self.units[zone, sku] < self.config.low_share * self.full[zone, sku]
        if is_low and not self._is_called[zone, sku]:
            self._is_called[zone, sku] = True
            heapq.heappush(self._calls, (t_s + self.config.delay_s, zone, sku))
            self._live.wake(STOCK, self._calls[0][0])
