import pytest

from benchmarks.common import ROOT
from benchmarks.speed.scale import BEGIN, END, PAGE, describe, fill

RESULT = {
    "date": "2026-01-05",
    "machine": {"n_cores": 2, "processor": "some", "memory_gib": 16},
    "settings": {"quick": False, "shoppers": 2000},
    "shoppers": {"runs": [{"shoppers": n, "cpu_s": n / 1000} for n in (1000, 3000, 10_000)], "slope": 1.0},
    "memory": {
        "runs": [{"shoppers": 20, "replications": 10, "peak_mib": 600.4}],
        "runs_of_shoppers": [{"shoppers": 2000, "replications": 1, "peak_mib": 900.0}],
    },
    "bars": [{"what": "slope", "measured": "1.0", "bar": "0.95 to 1.1", "holds": "yes"}],
}


def test_costs_follow_from_one_replication():
    """1 ms a journey; 2 s a day; 30 x 2 days; 2,000 x 21 x 30 days are 700 hours."""
    text = describe(RESULT)
    assert "| one journey | 1.00 ms |" in text
    assert "| one store day (2,000 shoppers) | 2.0 s |" in text
    assert "| one A/B (30 replications, 2 layouts) | 2.0 min |" in text
    assert "| 700 h; 7.0 h of 100 cores |" in text
    assert "| 20 | 10 | 600 |" in text
    assert "| slope | 1.0 | 0.95 to 1.1 | yes |" in text


def test_only_what_stands_between_the_marks_is_replaced():
    page = f"before\n{BEGIN}old\n{END}after\n"
    assert fill(page, "new\n") == f"before\n{BEGIN}new\n{END}after\n"
    with pytest.raises(ValueError, match="unpack"):
        fill("a page without marks", "new")


def test_the_page_has_its_marks():
    text = PAGE.read_text(encoding="utf-8")
    assert text.index(BEGIN) < text.index(END)
    assert PAGE.is_relative_to(ROOT)
