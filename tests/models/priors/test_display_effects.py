import numpy as np
import pandas as pd
import pytest

from layouts import ObservationError
from models.priors import build_display_panel, fit_categories, fit_kinds

KEYS = ["product_id", "store_id", "week"]
KINDS = ("endcap", "in_shelf")


def repeat_lines(rows: list[tuple[int, int, int, int]]) -> pd.DataFrame:
    """Receipt lines from (product, store, week, how many)."""
    return pd.DataFrame([row[:3] for row in rows for _ in range(row[3])], columns=KEYS)


def draw_receipts(
    effects: dict[str, float], rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """Ten products a category in 12 stores and 30 weeks; stores put on the endcap what sells well there.

    In a week with a display somewhere the product is cheap in every store, which sells more than the display.
    """
    category = {100 * c + i: name for c, name in enumerate(effects) for i in range(10)}
    grid = pd.MultiIndex.from_product([category, range(12), range(1, 31)], names=KEYS).to_frame(index=False)
    pair = grid.groupby(KEYS[:2]).ngroup().to_numpy()
    offer = grid.groupby(["product_id", "week"]).ngroup().to_numpy()
    popular = rng.normal(0.5, 0.5, pair.max() + 1)[pair]
    is_cheap = (rng.random(offer.max() + 1) < 0.4)[offer]
    grid["endcap"] = is_cheap & (rng.random(len(grid)) < 1 / (1 + np.exp(-2 * (popular - 0.5))))
    grid["in_shelf"] = False
    effect = grid["product_id"].map(category).map(effects).to_numpy()
    rate = np.exp(popular + 1.0 * is_cheap + effect * grid["endcap"])
    lines = grid.loc[grid.index.repeat(rng.poisson(rate)), KEYS]
    return lines, grid[grid["endcap"]], category


def test_the_panel_has_the_weeks_between_the_first_and_the_last_and_their_zeros():
    # Product 1 is sold in weeks 2 and 4 of store 1 and on the endcap in week 5, where it is not sold; store 2
    # sells it in weeks 3 to 5. Product 2 is never shown, 3 sold too seldom; 9 makes traffic only.
    lines = repeat_lines(
        [(1, 1, 2, 2), (1, 1, 4, 1), (1, 2, 3, 2), (1, 2, 5, 1), (2, 1, 3, 9), (3, 1, 3, 2)]
        + [(9, store, week, 4) for store in (1, 2) for week in range(1, 7)]
    )
    shown = pd.DataFrame([(1, 1, 5, True, False), (3, 1, 3, True, False)], columns=[*KEYS, *KINDS])
    panel = build_display_panel(lines, shown, KINDS, {1: "tea", 2: "tea", 3: "jam"})
    # Store 1: weeks 2 to 5; store 2: weeks 3 to 5; in no week was it sold nowhere.
    assert panel.count.tolist() == [2, 0, 1, 0, 2, 0, 1]
    assert panel.shown[:, 0].tolist() == [0, 0, 0, 1, 0, 0, 0]
    assert panel.product_store.tolist() == [0] * 4 + [1] * 3
    assert panel.product_week.tolist() == [0, 1, 2, 3, 1, 2, 3]
    assert set(panel.category) == {"tea"}
    traffic = [4 + 2, 4 + 9 + 2, 4 + 1, 4, 4 + 2, 4, 4 + 1]
    assert np.exp(panel.log_traffic) == pytest.approx(traffic)


def test_no_panel_without_sales_of_what_was_shown():
    shown = pd.DataFrame([(1, 1, 5, True, False)], columns=[*KEYS, *KINDS])
    with pytest.raises(ObservationError, match="3 times in one store"):
        build_display_panel(repeat_lines([(1, 1, 5, 2)]), shown, KINDS, {1: "tea"})


def test_effects_of_categories_are_found_though_displays_go_with_offers_and_with_popularity():
    truth = {"candy": 0.6, "milk": 0.0, "tea": 0.3}
    lines, shown, category = draw_receipts(truth, np.random.default_rng(11))
    panel = build_display_panel(lines, shown, KINDS, category)
    overall = fit_kinds(panel)
    assert overall.n_shown["in_shelf"] == 0
    assert np.isinf(overall.coef_se["in_shelf"])
    assert overall.coef["endcap"] == pytest.approx(0.3, abs=0.1)
    effects = fit_categories(panel, overall, ("endcap",))
    assert set(effects) == set(truth)
    # Traffic is of these goods alone, so displays raise it a little: differences are what is told.
    for one, other in (("candy", "milk"), ("candy", "tea"), ("tea", "milk")):
        error = np.hypot(effects[one].coef_se, effects[other].coef_se)
        difference = effects[one].coef - effects[other].coef
        assert abs(difference - (truth[one] - truth[other])) < 4 * error < 0.35


def test_categories_seldom_shown_are_left_out():
    lines, shown, category = draw_receipts({"candy": 0.4, "milk": 0.1}, np.random.default_rng(4))
    shown = shown[
        (shown["product_id"] < 100) | (shown["product_id"] < 102)
    ]  # two products of the second only
    panel = build_display_panel(lines, shown, KINDS, category)
    assert set(fit_categories(panel, fit_kinds(panel), ("endcap",))) == {"candy"}
