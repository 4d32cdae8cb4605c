"""Planned needs: what shoppers come for, wherever it stands.

A learned population is the store's own baskets with, for every category in them, the chance that it was
planned (see `conversion`). Drawing a shopper picks one basket and keeps its planned part as the shopping
list; the rest has to be met in the store again. Correlations between needs, basket size and customer are
those of the receipts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from layouts import ModelError, Store
from models.encoding import EncodedJourneys
from models.storage import load_arrays, save_arrays


@dataclass(frozen=True, eq=False)
class Baskets:
    """What a batch of shoppers may have come for.

    Attributes
    ----------
    attributes
        Values of each customer attribute, shape (n,).
    shopper, sku, qty
        One entry per line: shopper row, index into `store.skus`, units.
    planned_share
        Chance that the line was planned; lines of one category share their luck.
    n_unknown
        Lines per shopper whose SKU the store does not carry, shape (n,): missed for certain.
    """

    attributes: dict[str, NDArray[Any]]
    shopper: NDArray[np.int64]
    sku: NDArray[np.int64]
    qty: NDArray[np.int64]
    planned_share: NDArray[np.float64]
    n_unknown: NDArray[np.int64]


class Needs(Protocol):
    """Where shopping lists come from."""

    def draw(self, u: NDArray[np.floating[Any]], store: Store) -> Baskets:
        """Draw one shopper per uniform, shape (n,); the layout has no say in who comes."""
        ...


class ObservedNeeds(Needs, Protocol):
    """Needs taken from baskets that were observed, of which it is not certain what was planned."""

    @property
    def line_shares(self) -> NDArray[np.float64]:
        """Chance that each line was planned, in which readings differ; the order is the needs' own."""
        ...

    def replan(self, line_shares: NDArray[np.float64]) -> ObservedNeeds:
        """Take other chances, shape (n_lines,)."""
        ...


@dataclass(frozen=True, eq=False)
class BasketBank:
    """Observed baskets to draw from; a line holds SKU id, units and the chance that it was planned.

    `weight` says how often each basket is drawn, shape (n,); all alike if left out.
    """

    attributes: dict[str, NDArray[Any]]
    row: NDArray[np.int64]
    sku_id: NDArray[Any]
    qty: NDArray[np.int64]
    planned_share: NDArray[np.float64]
    weight: NDArray[np.float64] | None = None

    @classmethod
    def fit(
        cls,
        journeys: EncodedJourneys,
        store: Store,
        planned_share: NDArray[np.float64],
        *,
        empty_share: float,
    ) -> BasketBank:
        """Keep the baskets of `journeys`, and so many empty ones that `empty_share` of all are empty.

        `planned_share` is the chance that each category in a basket was planned, shape (n, n_categories).
        """
        n_empty = round(journeys.n * empty_share / (1.0 - empty_share))
        repeat = np.arange(n_empty) % max(journeys.n, 1)  # who leaves with nothing is not told apart
        order = np.argsort(journeys.pick_row, kind="stable")
        row, sku = journeys.pick_row[order], journeys.pick_sku[order]
        return cls(
            attributes={k: np.concatenate([v, v[repeat]]) for k, v in journeys.attributes.items()},
            row=row,
            sku_id=np.array([item.sku_id for item in store.skus], dtype=object)[sku],
            qty=journeys.pick_qty[order],
            planned_share=planned_share[row, store.sku_category[sku]],
        )

    @property
    def line_shares(self) -> NDArray[np.float64]:
        """Chance that each line was planned; see `ObservedNeeds`."""
        return self.planned_share

    def replan(self, line_shares: NDArray[np.float64]) -> BasketBank:
        """Take other chances that the lines were planned."""
        return replace(self, planned_share=line_shares)

    @cached_property
    def _sku_index(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Every SKU id once, and which of them each line holds."""
        return np.unique(self.sku_id.astype(str), return_inverse=True)

    @cached_property
    def _drawn_until(self) -> NDArray[np.float64]:
        """Uniforms below which each basket or one before it is drawn, (n,)."""
        weight = np.ones(self.n) if self.weight is None else self.weight
        return np.cumsum(weight) / weight.sum()

    @property
    def n(self) -> int:
        """Number of baskets."""
        return len(next(iter(self.attributes.values())))

    def index_skus(self, store: Store) -> NDArray[np.int64]:
        """Index of the SKU of each line in `store.skus`, shape (n_lines,); -1 for what it does not carry."""
        sku_ids, index = self._sku_index
        return np.array([store.sku_index.get(sku_id, -1) for sku_id in sku_ids], dtype=np.int64)[index]

    def draw(self, u: NDArray[np.floating[Any]], store: Store) -> Baskets:
        """Draw baskets with replacement; see `Needs`."""
        drawn = np.minimum(np.searchsorted(self._drawn_until, u, side="right"), self.n - 1)
        start = np.searchsorted(self.row, np.arange(self.n + 1))
        n_lines = (start[1:] - start[:-1])[drawn]
        shopper = np.repeat(np.arange(len(drawn)), n_lines)
        first = np.repeat(np.cumsum(n_lines) - n_lines, n_lines)
        line = start[drawn][shopper] + np.arange(len(shopper)) - first
        sku = self.index_skus(store)[line]
        known = sku >= 0
        return Baskets(
            attributes={name: values[drawn] for name, values in self.attributes.items()},
            shopper=shopper[known],
            sku=sku[known],
            qty=self.qty[line][known],
            planned_share=self.planned_share[line][known],
            n_unknown=np.bincount(shopper[~known], minlength=len(drawn)),
        )

    def save_pretrained(self, folder: Path) -> None:
        """Write the bank into `folder`."""
        arrays = {"row": self.row, "qty": self.qty, "planned_share": self.planned_share}
        if self.weight is not None:
            arrays["weight"] = self.weight
        texts = {"sku_id": self.sku_id, **{f"attribute.{k}": v for k, v in self.attributes.items()}}
        save_arrays(folder, arrays, texts)

    @classmethod
    def from_pretrained(cls, folder: Path) -> BasketBank:
        """Read what `save_pretrained` wrote."""
        arrays, texts = load_arrays(folder)
        attributes = {k.removeprefix("attribute."): v for k, v in texts.items() if k.startswith("attribute.")}
        bank = cls(attributes=attributes, sku_id=texts["sku_id"], **arrays)
        if not bank._is_sound():
            raise ModelError(
                f"{folder}: baskets, their lines and attributes do not fit together; train the model again"
            )
        return bank

    def _is_sound(self) -> bool:
        """Whether every line belongs to a basket, in order, and holds units and a chance."""
        lines = (self.row, self.sku_id, self.qty, self.planned_share)
        return bool(
            self.attributes
            and len({len(values) for values in self.attributes.values()}) == 1
            and all(values.shape == (len(self.row),) for values in lines)
            and np.issubdtype(self.row.dtype, np.integer)
            and np.issubdtype(self.qty.dtype, np.integer)
            and (np.diff(self.row, prepend=0, append=self.n - 1) >= 0).all()
            and (self.qty >= 1).all()
            and np.isfinite(self.planned_share).all()
            and (self.weight is None or self._is_weighed())
        )

    def _is_weighed(self) -> bool:
        weight = np.asarray(self.weight)
        return weight.shape == (self.n,) and bool((weight > 0).all() and np.isfinite(weight).all())
