"""What displays do to sales, from receipts of stores that display different goods in the same week.

Compared is the same product in the same week in stores that display it and stores that do not. Two levels are
taken out: that of the product in the store (its usual sales there) and that of the product in the week (its
price and mailer, the season, what all stores have in common). What is left of a display is that it is there.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from layouts import ObservationError
from models.priors.fixed_effects import Floats, Ints, fit_poisson_with_levels

MIN_PURCHASES = 3  # of a product in a store over all weeks; fewer tell next to nothing
MIN_SHOWN, MIN_PRODUCTS = 20, 3  # purchases on display, and products, that a category's effect asks for

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DisplayPanel:
    """Purchases of each product in each store and week, and how it was shown there.

    Attributes
    ----------
    count
        Receipts with the product, shape (n_rows,).
    shown
        1 where the product stood on a display of this kind or was in the mailer, shape (n_rows, n_kinds).
    kinds
        Names of the kinds.
    product, product_store, product_week
        Number of the row's product, of product and store, of product and week, shape (n_rows,), from 0.
    category
        Category of the product of each row, shape (n_rows,).
    log_traffic
        Log of all receipt lines of that store and week, shape (n_rows,).
    """

    count: Floats
    shown: Floats
    kinds: tuple[str, ...]
    product: Ints
    product_store: Ints
    product_week: Ints
    category: NDArray[np.object_]
    log_traffic: Floats

    def take(self, rows: NDArray[np.bool_]) -> "DisplayPanel":
        """Keep the rows marked, and number what is left anew."""

        def renumber(values: Ints) -> Ints:
            return np.unique(values[rows], return_inverse=True)[1]

        return DisplayPanel(
            count=self.count[rows],
            shown=self.shown[rows],
            kinds=self.kinds,
            product=renumber(self.product),
            product_store=renumber(self.product_store),
            product_week=renumber(self.product_week),
            category=self.category[rows],
            log_traffic=self.log_traffic[rows],
        )


def build_display_panel(
    lines: pd.DataFrame, shown: pd.DataFrame, kinds: tuple[str, ...], category: Mapping[int, str]
) -> DisplayPanel:
    """Lay receipts out by product, store and week, zeros included.

    A product counts as being in a store from the first to the last week in which it was sold or shown there.
    Left out are products never shown, those sold fewer than 3 times in a store, and weeks in which a product
    was sold in no store.

    Parameters
    ----------
    lines
        Receipt lines: `product_id`, `store_id`, `week`, one row for each receipt and product.
    shown
        `product_id`, `store_id`, `week` and, for each kind, a column of booleans. Absent: not shown.
    kinds
        Columns of `shown`.
    category
        Category of each product; products without one are left out.
    """
    keys = ["product_id", "store_id", "week"]
    traffic = lines.groupby(["store_id", "week"]).size().rename("traffic").reset_index()
    lines = lines[lines["product_id"].isin(category) & lines["product_id"].isin(shown["product_id"])]
    counts = lines.groupby(keys).size().rename("count").reset_index()
    pairs = counts.groupby(keys[:2]).agg(n=("count", "sum"), first=("week", "min"), last=("week", "max"))
    pairs = pairs[pairs["n"] >= MIN_PURCHASES]
    if pairs.empty:
        raise ObservationError(
            f"receipts: no product ever shown was sold {MIN_PURCHASES} times in one store; more are needed"
        )
    shown = shown.join(pairs[[]], on=keys[:2], how="inner")
    seen = shown.groupby(keys[:2])["week"].agg(["min", "max"]).reindex(pairs.index)
    first = np.fmin(pairs["first"], seen["min"]).to_numpy(dtype=np.int64)
    n_weeks = np.fmax(pairs["last"], seen["max"]).to_numpy(dtype=np.int64) - first + 1
    pair = np.repeat(np.arange(len(pairs)), n_weeks)
    rows = pairs.index.to_frame(index=False).iloc[pair].reset_index(drop=True)
    rows["week"] = first[pair] + np.arange(len(pair)) - np.repeat(np.cumsum(n_weeks) - n_weeks, n_weeks)
    rows = rows.merge(counts, on=keys, how="left").merge(traffic, on=keys[1:], how="inner")
    rows = rows.merge(shown, on=keys, how="left").fillna({"count": 0})
    rows = rows[rows.groupby(["product_id", "week"])["count"].transform("sum") > 0]
    return DisplayPanel(
        count=rows["count"].to_numpy(dtype=np.float64),
        shown=np.stack([rows[kind].eq(True).to_numpy(dtype=np.float64) for kind in kinds], axis=1),
        kinds=kinds,
        product=rows["product_id"].factorize()[0],
        product_store=rows.groupby(keys[:2]).ngroup().to_numpy(),
        product_week=rows.groupby(["product_id", "week"]).ngroup().to_numpy(),
        category=rows["product_id"].map(category).to_numpy(dtype=object),
        log_traffic=np.log(rows["traffic"].to_numpy(dtype=np.float64)),
    )


@dataclass(frozen=True, kw_only=True)
class KindEffects:
    """Effect of each kind on log sales, over all categories; `n_shown` counts purchases of goods so shown."""

    coef: dict[str, float]
    coef_se: dict[str, float]
    n_shown: dict[str, int]


def fit_kinds(panel: DisplayPanel) -> KindEffects:
    """Estimate what each kind of display does, all categories together."""
    fit = fit_poisson_with_levels(
        panel.count,
        panel.shown,
        (panel.product_store, panel.product_week),
        cluster=panel.product,
        offset=panel.log_traffic,
    )
    n = panel.count @ panel.shown
    return KindEffects(
        coef=dict(zip(panel.kinds, fit.coef.tolist(), strict=True)),
        coef_se=dict(zip(panel.kinds, fit.coef_se.tolist(), strict=True)),
        n_shown=dict(zip(panel.kinds, n.astype(int).tolist(), strict=True)),
    )


@dataclass(frozen=True, kw_only=True)
class CategoryEffect:
    """Effect of a display away from the home shelf on log sales of a category's goods.

    Attributes
    ----------
    coef, coef_se
        Effect and its standard error, in log units, for the mix of displays of all categories together.
    n_groups
        Products in stores, some of whose weeks are with and some without a display.
    n_shown
        Purchases of goods on display.
    """

    coef: float
    coef_se: float
    n_groups: int
    n_shown: int


def fit_categories(
    panel: DisplayPanel, overall: KindEffects, away: Sequence[str]
) -> dict[str, CategoryEffect]:
    """Estimate what a display away from the home shelf does in each category.

    How kinds of displays differ, and what others than those `away` do, is taken from all categories together;
    each category has one effect of its own, so that a category that gets the better places does not look the
    better for it.

    Parameters
    ----------
    panel
        Purchases and displays.
    overall
        From `fit_kinds`.
    away
        Kinds that show goods elsewhere than on their home shelf.

    Returns
    -------
    effects
        By category. Left out are those with under 20 purchases on display, under 3 products, or no finite
        effect.
    """
    kind_coef = np.array([overall.coef[kind] for kind in panel.kinds])
    mean = np.average([overall.coef[kind] for kind in away], weights=[overall.n_shown[kind] for kind in away])
    is_away = panel.shown[:, [panel.kinds.index(kind) for kind in away]].max(axis=1) > 0
    expected_by_kind = panel.shown @ kind_coef - mean * is_away
    effects = {}
    names = np.unique(panel.category.astype(str))
    for name in tqdm(names, desc="categories", unit="category", disable=None):
        rows = np.asarray(panel.category == name)
        part, moved = panel.take(rows), is_away[rows]
        n_shown = int(part.count[moved].sum())
        if n_shown < MIN_SHOWN or len(np.unique(part.product[moved])) < MIN_PRODUCTS:
            continue
        try:
            fit = fit_poisson_with_levels(
                part.count,
                moved[:, None].astype(np.float64),
                (part.product_store, part.product_week),
                cluster=part.product,
                offset=part.log_traffic + expected_by_kind[rows],
            )
        except ObservationError as error:  # all or nothing was bought from displays: no finite effect
            logger.info("%s: left out, %s", name, error)
            continue
        share = np.bincount(part.product_store, moved) / np.bincount(part.product_store)
        effects[str(name)] = CategoryEffect(
            coef=float(fit.coef[0]),
            coef_se=float(fit.coef_se[0]),
            n_groups=int(((share > 0) & (share < 1)).sum()),
            n_shown=n_shown,
        )
    return effects
