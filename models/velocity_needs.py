"""Needs for a store whose receipts were never seen, or hardly: from what its catalogue says sells.

A catalogue gives every SKU's velocity. Who comes and how many categories they want is a list of profiles
(from the literature, or from a few observed visits); which categories, so that all of them together sell in
proportion to the velocities.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layouts import ModelError, Store
from models.needs import BasketBank, Baskets, Needs
from models.storage import load_arrays, read_config, save_arrays, write_config

N_BASKETS = 8192  # of the bank that is made for a store
N_ROUNDS = 12  # of fitting the category weights to the velocities
PLANNED_SHARE = (
    0.8  # of receipt lines: between the 45 % of interviews and the 80 % of diaries, see docs/model.md
)
UNITS_PER_LINE = 1.25  # [A]
EXTRA_LINE_SHARE = 0.2  # [A] lines beyond the first of a category
MISSIONS = ("quick", "fill-in", "major")
MISSION_SHARE = (0.5, 0.35, 0.15)  # docs/model.md
LIST_MEAN = (1.9, 5.0, 9.0)  # categories wanted: mean of a Poisson-log-normal, at least 1
LIST_SIGMA = 0.4


@dataclass(frozen=True, eq=False)
class VelocityNeeds:
    """Who comes, and for how many categories; which ones, the catalogue of the store decides.

    Attributes
    ----------
    attributes
        Values of each customer attribute, one per profile, shape (n_profiles,).
    n_wanted
        Categories in the basket of each profile, 0 for who leaves with nothing, shape (n_profiles,).
    units_per_line
        By category name; `UNITS_PER_LINE` for others. Receipt lines are velocity over units per line.
    planned_share
        Chance that a line was planned, by category name; `PLANNED_SHARE` for others.
    category_tilt
        Factor on what velocity says of a category, by name; 1 for others.
    seed
        Of the bank of baskets: the same store always meets the same ones.
    """

    attributes: dict[str, NDArray[Any]]
    n_wanted: NDArray[np.int64]
    units_per_line: dict[str, float] = field(default_factory=dict)
    planned_share: dict[str, float] = field(default_factory=dict)
    category_tilt: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    _banks: dict[tuple[Any, ...], BasketBank] = field(default_factory=dict, repr=False)

    @classmethod
    def from_priors(cls, rng: np.random.Generator, *, n_profiles: int = 2000) -> VelocityNeeds:
        """Draw profiles from published shares of missions and sizes of baskets; see docs/model.md."""
        mission = rng.choice(len(MISSIONS), size=n_profiles, p=MISSION_SHARE)
        spread = np.exp(rng.normal(-0.5 * LIST_SIGMA**2, LIST_SIGMA, n_profiles))
        rate = (np.array(LIST_MEAN)[mission] - 1.0) * spread
        n_wanted = 1 + rng.poisson(rate)
        chance = np.array([[0.73, 0.25, 0.02], [0.25, 0.5, 0.25], [0.02, 0.18, 0.8]])[mission]  # [A]
        carrier = (rng.random((n_profiles, 1)) > chance.cumsum(axis=1)[:, :2]).sum(axis=1)
        return cls(
            attributes={
                "mission": np.array(MISSIONS, dtype=object)[mission],
                "carrier": np.array(("none", "basket", "cart"), dtype=object)[carrier],
                "age_band": np.full(n_profiles, "unknown", dtype=object),
                "gender": np.full(n_profiles, "unknown", dtype=object),
            },
            n_wanted=n_wanted,
        )

    def draw(self, u: NDArray[np.floating[Any]], store: Store) -> Baskets:
        """Draw baskets of this store's catalogue; see `Needs`."""
        return self.make_bank(store).draw(u, store)

    def make_bank(self, store: Store) -> BasketBank:
        """Make the baskets of a store, `N_BASKETS` of them; where things stand has no say in it."""
        key = tuple((sku.sku_id, sku.velocity) for sku in store.skus)
        if key not in self._banks:
            self._banks[key] = self._make_bank(store)
        return self._banks[key]

    def planned_share_of(self, store: Store) -> NDArray[np.float64]:
        """Chance that a line of each category of `store` was planned, shape (n_categories,)."""
        return np.array([self.planned_share.get(str(name), PLANNED_SHARE) for name in store.categories])

    def with_planned_share(self, store: Store, share: NDArray[np.float64]) -> VelocityNeeds:
        """Give the categories of `store` other shares; the needs are otherwise the same."""
        names = (str(name) for name in store.categories)
        planned = dict(zip(names, np.round(share, 4).tolist(), strict=True))
        return replace(self, planned_share=planned, _banks={})

    def _make_bank(self, store: Store) -> BasketBank:
        n, n_categories = N_BASKETS, len(store.categories)
        profile = np.random.default_rng(self.seed).permutation(np.arange(n) * len(self.n_wanted) // n)
        streams = [_stream(self.seed, name) for name in store.categories]
        taste = np.column_stack([stream.gumbel(size=n) for stream in streams])
        n_wanted = np.minimum(self.n_wanted[profile], n_categories)
        wanted = choose_categories(taste, n_wanted, compute_line_shares(self, store))
        lines = [
            self._draw_lines(store, c, np.flatnonzero(wanted[:, c]), stream)
            for c, stream in enumerate(streams)
        ]
        row, sku, qty = (np.concatenate(column) for column in zip(*lines, strict=True))
        order = np.argsort(row, kind="stable")
        names = [str(store.categories[c]) for c in store.sku_category[sku[order]]]
        return BasketBank(
            attributes={name: values[profile] for name, values in self.attributes.items()},
            row=row[order],
            sku_id=np.array([item.sku_id for item in store.skus], dtype=object)[sku[order]],
            qty=qty[order],
            planned_share=np.array([self.planned_share.get(name, PLANNED_SHARE) for name in names]),
        )

    def _draw_lines(
        self, store: Store, category: int, row: NDArray[np.int64], stream: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """SKU and units of the lines of one category in the baskets `row`; a few take two SKUs of it."""
        u = stream.random((N_BASKETS, 4))[row]
        of_category = np.flatnonzero(store.sku_category == category)
        cdf = np.cumsum([store.skus[k].velocity + 1e-6 for k in of_category])
        first, second = (
            of_category[np.searchsorted(cdf, u[:, k] * cdf[-1]).clip(max=len(of_category) - 1)]
            for k in (0, 1)
        )
        also = (u[:, 2] < EXTRA_LINE_SHARE) & (second != first)
        units = self.units_per_line.get(str(store.categories[category]), UNITS_PER_LINE)
        qty = 1 + (u[:, 3] < (units - 1.0) / 2.0) + (u[:, 3] > 1.0 - (units - 1.0) / 2.0)
        qty = qty.astype(np.int64)
        return (
            np.concatenate([row, row[also]]),
            np.concatenate([first, second[also]]),
            np.concatenate([qty, np.ones(int(also.sum()), dtype=np.int64)]),
        )

    def save_pretrained(self, folder: Path) -> None:
        """Write the profiles into `folder`."""
        config = {
            "kind": "velocity",
            "seed": self.seed,
            "units_per_line": self.units_per_line,
            "planned_share": self.planned_share,
            "category_tilt": self.category_tilt,
        }
        save_arrays(folder, {"n_wanted": self.n_wanted}, dict(self.attributes), config=config)

    @classmethod
    def from_pretrained(cls, folder: Path) -> VelocityNeeds:
        """Read what `save_pretrained` wrote."""
        config = read_config(folder)
        arrays, attributes = load_arrays(folder)
        needs = cls(
            attributes=attributes,
            n_wanted=arrays["n_wanted"].astype(np.int64),
            **{k: config[k] for k in ("units_per_line", "planned_share", "category_tilt", "seed")},
        )
        is_sound = attributes and all(len(v) == len(needs.n_wanted) for v in attributes.values())
        if not (is_sound and len(needs.n_wanted) and (needs.n_wanted >= 0).all()):
            raise ModelError(
                f"{folder}: profiles and their attributes do not fit together; train the model again"
            )
        return needs


@dataclass(frozen=True, eq=False)
class BlendedNeeds:
    """Observed baskets where there are enough of them, else baskets made from the catalogue's velocities.

    `bank_share` of the shoppers are drawn from `bank`, the others from `made`.
    """

    bank: BasketBank
    made: VelocityNeeds
    bank_share: float

    @property
    def line_shares(self) -> NDArray[np.float64]:
        """Chance that each observed line was planned, then that of made ones by category in order of name."""
        made = [self.made.planned_share[name] for name in sorted(self.made.planned_share)]
        return np.concatenate([self.bank.planned_share, made])

    def replan(self, line_shares: NDArray[np.float64]) -> BlendedNeeds:
        """Take other chances that lines were planned, in the order of `line_shares`."""
        of_bank, of_made = np.split(line_shares, [len(self.bank.planned_share)])
        made = dict(zip(sorted(self.made.planned_share), of_made.round(4).tolist(), strict=True))
        return replace(
            self,
            bank=self.bank.replan(of_bank),
            made=replace(self.made, planned_share=made, _banks={}),
        )

    def draw(self, u: NDArray[np.floating[Any]], store: Store) -> Baskets:
        """Draw from the one or the other; see `Needs`."""
        u = np.asarray(u, dtype=float)
        is_observed = u < self.bank_share
        parts = []
        for rows, needs, scaled in (
            (np.flatnonzero(is_observed), self.bank, u / max(self.bank_share, 1e-12)),
            (
                np.flatnonzero(~is_observed),
                self.made,
                (u - self.bank_share) / max(1.0 - self.bank_share, 1e-12),
            ),
        ):
            parts.append((rows, needs.draw(scaled[rows], store)))
        return _merge(parts, len(u))

    def save_pretrained(self, folder: Path) -> None:
        """Write both parts into `folder`."""
        write_config(folder, {"kind": "blended", "bank_share": self.bank_share})
        self.bank.save_pretrained(folder / "bank")
        self.made.save_pretrained(folder / "made")

    @classmethod
    def from_pretrained(cls, folder: Path) -> BlendedNeeds:
        """Read what `save_pretrained` wrote."""
        share = float(read_config(folder)["bank_share"])
        if not 0.0 <= share <= 1.0:
            raise ModelError(f"{folder}: bank_share must lie in 0 .. 1, got {share}; train the model again")
        return cls(
            BasketBank.from_pretrained(folder / "bank"),
            VelocityNeeds.from_pretrained(folder / "made"),
            share,
        )


def load_needs(folder: Path) -> Needs:
    """Read needs of any kind."""
    kind = read_config(folder).get("kind", "bank")
    kinds: dict[str, Any] = {"bank": BasketBank, "velocity": VelocityNeeds, "blended": BlendedNeeds}
    if kind not in kinds:
        raise ModelError(f"{folder}: needs of kind {kind!r}; known are {', '.join(kinds)}")
    needs: Needs = kinds[kind].from_pretrained(folder)
    return needs


def compute_line_shares(needs: VelocityNeeds, store: Store) -> NDArray[np.float64]:
    """Share of each category in all receipt lines, as catalogue and `needs` say, shape (n_categories,)."""
    velocity = np.array([sku.velocity for sku in store.skus]) + 1e-6
    lines = np.bincount(store.sku_category, velocity, len(store.categories)).astype(float)
    names = [str(name) for name in store.categories]
    lines /= np.array([needs.units_per_line.get(name, UNITS_PER_LINE) for name in names])
    lines *= np.array([needs.category_tilt.get(name, 1.0) for name in names])
    return np.asarray(lines / lines.sum())


def expect_wanted(needs: VelocityNeeds, store: Store) -> NDArray[np.float64]:
    """Share of the baskets made for `store` that hold each category, shape (n_categories,)."""
    bank = needs.make_bank(store)
    category = store.sku_category[bank.index_skus(store)]
    holds = np.zeros((bank.n, len(store.categories)), dtype=bool)
    holds[bank.row, category] = True
    return np.asarray(holds.mean(axis=0).clip(1e-4, 0.99))


def choose_categories(
    taste: NDArray[np.float64], n_wanted: NDArray[np.int64], target: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Choose `n_wanted` categories for each basket, so that over all of them each gets its `target` share.

    Parameters
    ----------
    taste
        Gumbel luck of each basket with each category, shape (n, n_categories).
    n_wanted
        Categories in each basket, at most n_categories, shape (n,).
    target
        Share of each category in all that is chosen, shape (n_categories,). A share that no weight can give
        (a category can be in a basket but once) is approached from below.

    Returns
    -------
    wanted
        Shape (n, n_categories).
    """
    log_weight = np.log(target)
    for _ in range(N_ROUNDS):
        wanted = _largest(taste + log_weight, n_wanted)
        got = wanted.sum(axis=0) / wanted.sum()
        log_weight = (log_weight + np.log(target / np.maximum(got, 1e-6))).clip(-30.0, 30.0)
    return _largest(taste + log_weight, n_wanted)


def _largest(score: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.bool_]:
    rank = (-score).argsort(axis=1).argsort(axis=1)
    return np.asarray(rank < n[:, None])


def _stream(seed: int, name: str) -> np.random.Generator:
    """Luck of one category, so that baskets keep theirs when other categories come or go."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])


def _merge(parts: list[tuple[NDArray[np.int64], Baskets]], n: int) -> Baskets:
    """Put baskets of several sources back into the order of their shoppers."""
    names = sorted(set().union(*(baskets.attributes for _, baskets in parts)))
    attributes = {name: np.full(n, "unknown", dtype=object) for name in names}
    n_unknown = np.zeros(n, dtype=np.int64)
    for rows, baskets in parts:
        n_unknown[rows] = baskets.n_unknown
        for name, values in baskets.attributes.items():
            attributes[name][rows] = values
    shopper = np.concatenate([rows[baskets.shopper] for rows, baskets in parts])
    order = np.argsort(shopper, kind="stable")

    def merged(field_name: str) -> NDArray[Any]:
        return np.concatenate([getattr(baskets, field_name) for _, baskets in parts])[order]

    return Baskets(
        attributes=attributes,
        shopper=shopper[order],
        sku=merged("sku"),
        qty=merged("qty"),
        planned_share=merged("planned_share"),
        n_unknown=n_unknown,
    )
