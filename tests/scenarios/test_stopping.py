"""Stopping rules on made-up replications whose truth is known: their errors are counted."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from layouts import ConfigError, bundled_store
from models import build_reference_model
from scenarios import compare
from scenarios.stopping import (
    FIRST_LOOK,
    UntilBest,
    UntilNarrow,
    choose_rule,
    compute_widths,
    list_growing_looks,
)


def draw_profits(rng, means, n, noise=1.0, shared=2.0):
    """Profits of layouts that share their luck, shape (n, n_layouts)."""
    luck = rng.normal(0, shared, (n, 1))
    return np.asarray(means) + luck + rng.normal(0, noise, (n, len(means)))


def run_rule(rule, profit, names):
    """Look as a run does; give the verdict and how many replications it took."""
    for n in rule.list_looks(len(profit)):
        verdict = rule.judge(profit[:n], names, len(profit))
        if verdict.is_enough:
            break
    return verdict, n


@pytest.mark.parametrize(("n_most", "growth"), [(2, 1.2), (10, 1.5), (11, 1.5), (400, 1.2), (400, 1.5)])
def test_looks_grow_and_end_with_the_most(n_most, growth):
    looks = list_growing_looks(n_most, growth)
    assert looks[-1] == n_most
    assert looks == sorted(set(looks))
    assert looks[0] == min(FIRST_LOOK, n_most)
    assert all(after <= before * growth + 1 for before, after in pairwise(looks))


def test_widths_by_hand():
    """Differences 1, 2, 3: standard error 1/sqrt(3), Student's t with 2 degrees of freedom 4.302653."""
    profit = np.array([[10.0, 11.0, 10.0, 0.0], [20.0, 22.0, 20.0, 0.0], [30.0, 33.0, 30.0, 0.0]])
    widths = compute_widths(profit)
    assert widths[0] == pytest.approx(100 * 2 * 4.302653 / np.sqrt(3) / 20, rel=1e-6)
    assert widths[1] == 0.0
    assert compute_widths(profit[:, [3, 0]]) == np.inf  # of a control that earns nothing


def test_intervals_that_are_narrow_enough_keep_their_coverage():
    """1,500 runs: 93 %, as the docstring says, less 3 standard errors of the count."""
    rng, truth = np.random.default_rng(1), 0.5
    covered, numbers = 0, []
    for _ in range(1500):
        profit = draw_profits(rng, [100.0, 100.0 + truth], 400)
        verdict, n = run_rule(UntilNarrow(1.0), profit, ["today", "idea"])
        assert verdict.is_enough
        difference = profit[:n, 1] - profit[:n, 0]
        half = compute_widths(profit[:n])[0] / 200 * profit[:n, 0].mean()
        covered += abs(difference.mean() - truth) <= half
        numbers.append(n)
    assert covered / 1500 > 0.93 - 3 * np.sqrt(0.93 * 0.07 / 1500)
    needed = (2 * 1.96 * np.sqrt(2) / 1.0) ** 2  # width 1 with this noise
    assert needed * 0.8 < np.mean(numbers) < needed * 1.3


@pytest.mark.parametrize(("n_layouts", "alpha"), [(2, 0.1), (5, 0.1)])
def test_equal_layouts_lose_a_given_one_no_oftener_than_allowed(n_layouts, alpha):
    """The worst case for the error: nothing is better, and the one that counts as best is dropped by luck."""
    rng, n_runs = np.random.default_rng(2), 600
    rule = UntilBest(alpha)
    dropped = sum(
        not rule.find_contenders(draw_profits(rng, np.zeros(n_layouts), 60), 60)[0] for _ in range(n_runs)
    )
    assert dropped / n_runs <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / n_runs)
    assert dropped > 0  # the error is spent, not merely bounded


def test_the_best_is_found_with_the_stated_error_and_the_sooner_the_clearer_it_is():
    rng, alpha, n_runs = np.random.default_rng(3), 0.1, 300
    names = ["today", "a", "b", "c"]
    numbers = {}
    for lead in (0.4, 2.0):
        wrong, taken = 0, []
        for _ in range(n_runs):
            verdict, n = run_rule(UntilBest(alpha), draw_profits(rng, [0.0, 0, lead, 0], 300), names)
            wrong += verdict.is_enough and verdict.findings["best"] != "b"
            taken.append(n)
        assert wrong / n_runs <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / n_runs)
        numbers[lead] = np.mean(taken)
    assert numbers[2.0] < 20 < numbers[0.4] < 300


def test_what_is_still_open_is_told():
    rng = np.random.default_rng(4)
    profit = draw_profits(rng, [0.0, 0.0, -9.0], 10)
    verdict, n = run_rule(UntilBest(0.05), profit, ["today", "a", "b"])
    assert (verdict.is_enough, n) == (False, 10)
    assert verdict.reason == "which earns most is still open between today, a"
    assert verdict.findings == {"best": None, "contenders": ["today", "a"]}


def test_layouts_that_never_differ_are_best_together():
    same = np.arange(12.0)[:, None] + np.array([0.0, 0.0, -5.0])
    verdict, n = run_rule(UntilBest(0.05), same, ["today", "copy", "worse"])
    assert (verdict.is_enough, n) == (True, 10)
    assert verdict.reason == "today and copy earn most, with an error of at most 0.05"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((1.0, 0.1), "--until-width and --until-best: give one of them"),
        ((0.0, None), "--until-width must be above 0 percent, got 0"),
        ((float("nan"), None), "--until-width must be above 0 percent, got nan"),
        ((None, 0.0), "--until-best must be an error above 0 and at most 0.5, got 0"),
        ((None, 0.6), "--until-best must be an error above 0 and at most 0.5, got 0.6"),
    ],
)
def test_rules_that_cannot_be_are_refused(options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        choose_rule(*options)


def test_options_choose_the_rule():
    assert choose_rule(None, None) is None
    assert choose_rule(2.0, None) == UntilNarrow(2.0)
    assert choose_rule(None, 0.1) == UntilBest(0.1)


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


def test_a_run_stops_by_its_rule_and_says_so(shop, tmp_path):
    """As many as were run count, in every table."""
    model = build_reference_model(shop, np.random.default_rng(0), n_baskets=200)
    emptied = tuple(p for p in shop.placements if p.zone_id != "G1R-1")
    kept = {p.sku_id for p in emptied}
    worse = replace(
        shop, name="worse", placements=emptied, skus=tuple(s for s in shop.skus if s.sku_id in kept)
    )
    options = {"model": model, "n_shoppers": 40, "n_replications": 40, "tracks": "none"}
    result = compare(shop, worse, stopping=UntilBest(0.2), **options)
    how = result.result["stopping"]
    assert how["until_best"] == 0.2
    assert how["most"] == 40
    n = how["replications"]
    assert n in UntilBest(0.2).list_looks(40)
    assert result.result["replications"] == n
    assert len(result.replications) == 2 * n
    result.save(tmp_path / "one")
    assert json.loads((tmp_path / "one" / "result.json").read_text())["stopping"] == how
    assert result.summary().splitlines()[-1].startswith(f"{n} of at most 40 replications: ")
    wide = compare(shop, worse, stopping=UntilNarrow(1e9), **options)
    assert wide.result["stopping"]["replications"] == 10
    assert wide.result["stopping"]["widths"].keys() == {"worse"}


@pytest.mark.parametrize(
    ("rule", "figure"),
    [(UntilBest(0.2), "expected_profit_per_shopper"), (UntilNarrow(1.0), "profit_per_shopper")],
)
def test_a_rule_looks_at_the_profit_that_it_names(shop, monkeypatch, rule, figure):
    """What is told to be best is so by the figure with less luck; a width is that of the interval told."""
    model = build_reference_model(shop, np.random.default_rng(0), n_baskets=200)
    seen = []
    judge = type(rule).judge

    def look(self, profit, names, n_most):
        seen.append(profit)
        return judge(self, profit, names, n_most)

    monkeypatch.setattr(type(rule), "judge", look)
    result = compare(
        shop, shop.swap("G2R-1", "G2L-1"), model=model, n_shoppers=20, n_replications=4, stopping=rule
    )
    parts = result.parts
    of_parts = np.array([parts.totals(task)[figure] for task in parts]).reshape(2, 4).T
    assert np.array_equal(seen[-1], of_parts)
