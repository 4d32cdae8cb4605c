import json
from dataclasses import replace

import numpy as np
import pytest

from layouts import ConfigError, bundled_store
from models import build_reference_model
from scenarios import compare
from scenarios.report import write_report
from scenarios.report_data import load_run
from tests.models.worlds import make_model

KPIS = ("profit_per_shopper", "revenue_per_shopper", "items_per_shopper", "minutes_per_shopper")


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def variant(shop):
    """Goods from the farthest aisle beside the door, and the other way round."""
    return shop.swap("G3R-1", "G1L-1")


@pytest.fixture(scope="module")
def reference(shop):
    return build_reference_model(shop, np.random.default_rng(0), n_baskets=300)


@pytest.fixture(scope="module")
def answer(shop, variant, reference):
    return compare(shop, variant, model=reference, n_shoppers=80, n_replications=4, seed=3)


def rename_zones(store):
    """The same store in other words: it is lived anew, as its content hash differs."""
    name = {zone.zone_id: f"z{i * 7 % 31}" for i, zone in enumerate(store.zones)}
    return replace(
        store,
        name="renamed",
        zones=tuple(replace(zone, zone_id=name[zone.zone_id]) for zone in reversed(store.zones)),
        placements=tuple(replace(p, zone_id=name[p.zone_id]) for p in reversed(store.placements)),
    )


def is_nothing(lift):
    return lift == {"mean": 0.0, "ci95": [0.0, 0.0], "relative": 0.0, "p_value": 1.0}


def test_a_layout_against_itself_gives_exactly_nothing(shop, reference):
    result = compare(shop, shop, model=reference, n_shoppers=30, n_replications=3)
    assert all(is_nothing(result.result["lift"][kpi]) for kpi in KPIS)
    assert result.result["control"]["layout"] == "corner-shop"
    assert result.result["variant"]["layout"] == "corner-shop--2"


@pytest.mark.parametrize("kind", ["reference", "network"])
def test_a_copy_under_other_names_is_lived_anew_and_gives_exactly_nothing(kind, shop, reference):
    copy = rename_zones(shop)
    assert copy.content_hash != shop.content_hash
    model = reference if kind == "reference" else make_model(shop)
    result = compare(shop, copy, model=model, n_shoppers=30, n_replications=2)
    assert result.tables[0, 0] is not result.tables[1, 0]
    assert all(is_nothing(result.result["lift"][kpi]) for kpi in KPIS)
    for replication in range(2):
        control, variant = (result.tables[layout, replication].sessions for layout in (0, 1))
        assert control.equals(variant)


def test_result_has_the_fields_of_the_formats(answer):
    result = json.loads(json.dumps(answer.result))
    assert {
        "seed",
        "shoppers",
        "replications",
        "model",
        "currency",
        "control",
        "variant",
        "lift",
        "support",
    } <= (result.keys())
    assert (result["seed"], result["shoppers"], result["replications"]) == (3, 80, 4)
    for layout in ("control", "variant"):
        assert result[layout].keys() == {"layout", *KPIS}
    assert result["variant"]["layout"] == "corner-shop--swap-G3R-1-G1L-1"
    assert result["lift"].keys() == set(KPIS)
    for lift in result["lift"].values():
        assert lift.keys() == {"mean", "ci95", "relative", "p_value"}
        assert lift["ci95"][0] <= lift["mean"] <= lift["ci95"][1]
        assert 0 <= lift["p_value"] <= 1
    assert result["support"]["level"] == "low"  # the reference shopper was trained on nothing
    assert result["stores"].keys() == {"corner-shop", "corner-shop--swap-G3R-1-G1L-1"}
    assert "variants" not in result


def test_lift_is_the_mean_difference_of_the_pairs(answer):
    table = answer.replications
    assert len(table) == 8
    for kpi in KPIS:
        by_layout = table.pivot(index="replication", columns="layout", values=kpi)
        difference = by_layout["corner-shop--swap-G3R-1-G1L-1"] - by_layout["corner-shop"]
        lift = answer.result["lift"][kpi]
        assert lift["mean"] == pytest.approx(difference.mean())
        assert lift["relative"] == pytest.approx(difference.mean() / by_layout["corner-shop"].mean())
        half = 3.182446 * difference.std(ddof=1) / 2  # Student's t, 3 degrees of freedom, 97.5 %
        assert lift["ci95"] == pytest.approx([lift["mean"] - half, lift["mean"] + half])
        means = answer.result["variant"][kpi] - answer.result["control"][kpi]
        assert lift["mean"] == pytest.approx(means)


def test_the_same_people_come_to_both_layouts(answer):
    control, variant = (answer.tables[layout, 1].sessions for layout in (0, 1))
    for column in ("session_id", "entry_ts", "mission"):
        assert control[column].equals(variant[column])
    assert np.corrcoef(control["profit"], variant["profit"])[0, 1] > 0.8


def test_several_variants_are_each_held_against_the_control(shop, variant, reference, answer):
    other = shop.swap("G2R-1", "G2L-1")
    both = compare(shop, [variant, other], model=reference, n_shoppers=80, n_replications=4, seed=3)
    assert not {"variant", "lift", "support"} & both.result.keys()
    first, second = both.result["variants"]
    assert first.keys() == {"variant", "lift", "support"}
    assert first["lift"] == answer.result["lift"]  # whatever else was asked
    assert second["variant"]["layout"] == other.name
    assert [a["variant"]["layout"] for a in both.answers] == [variant.name, other.name]
    assert len(both.summary().splitlines()) == 2


def test_summary_is_the_answer_and_how_far_to_trust_it(answer):
    text = answer.summary()
    assert "EUR per shopper" in text
    assert "swap-G3R-1-G1L-1" in text
    assert text.endswith("support: low")


def test_the_run_folder_can_be_reported(answer, shop, variant, tmp_path):
    answer.save(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == json.loads(json.dumps(answer.result))
    run = load_run(tmp_path / "run")
    assert {store.content_hash for store in run.stores.values()} == {
        shop.content_hash,
        variant.content_hash,
    }
    page = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "swap-G3R-1-G1L-1" in page
    assert "never trained" in page or "not trained" in page


def test_stores_of_one_name_are_told_apart(shop, variant, reference):
    """Also where a name that would be given is taken already."""
    stores = [replace(shop, name=name) for name in ("a", "a", "a--2", "a")]
    result = compare(stores[0], stores[1:], model=reference, n_shoppers=5, n_replications=2)
    names = [store.name for store in result.stores]
    assert len(set(names)) == 4
    assert names[0] == "a"
    assert "a--2" in names
    assert len(result.replications.groupby("layout")) == 4


def test_questions_without_an_answer_are_refused(shop, variant, reference):
    with pytest.raises(ConfigError, match="name at least one changed store"):
        compare(shop, [], model=reference)
    with pytest.raises(ConfigError, match="at least 2 for an interval, got 1"):
        compare(shop, variant, model=reference, n_replications=1)
    with pytest.raises(ConfigError, match="one currency"):
        compare(shop, replace(variant, currency="SEK"), model=reference)


def test_a_day_without_sales_can_be_compared_and_reported(shop, tmp_path):
    """The relative lift of nothing is 0: JSON knows no NaN."""
    from models import ReferenceBehaviour

    calm = build_reference_model(
        shop, np.random.default_rng(0), behaviour=ReferenceBehaviour(impulse_hazard=1e-12)
    )
    needs = replace(calm.needs, planned_share=np.zeros(len(calm.needs.row)))
    result = compare(
        shop, shop.swap("G3R-1", "G1L-1"), model=replace(calm, needs=needs), n_shoppers=5, n_replications=2
    )
    result.save(tmp_path / "run")

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    json.loads((tmp_path / "run" / "result.json").read_text(), parse_constant=refuse)
    write_report(tmp_path / "run")
