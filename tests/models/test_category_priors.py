import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layouts import ModelError
from models import category_priors, match_categories
from models.category_priors import SAME_WORDS, SYNONYMS, find_published, load_display_priors

PUBLISHED = (
    "BEERS/ALES",
    "DOMESTIC WINE",
    "CANDY - PACKAGED",
    "ICE CREAM/MILK/SHERBTS",
    "FRZN ICE",
    "YOGURT",
)
KNOWN_WORDS = sorted({word for phrase in SYNONYMS for word in phrase.split()} | set(SAME_WORDS))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("beer_wine", {"BEERS/ALES", "DOMESTIC WINE"}),
        ("Confectionery", {"CANDY - PACKAGED"}),
        ("sweets", {"CANDY - PACKAGED"}),
        ("ice cream", {"ICE CREAM/MILK/SHERBTS"}),  # the phrase, so not every kind of ice
        ("Yoghurts", {"YOGURT"}),
        ("fresh and good", set()),
    ],
)
def test_names_are_found_by_synonyms_then_by_words(name, expected):
    assert find_published(name, PUBLISHED) == expected


def test_the_table_of_synonyms_names_published_categories_only():
    published = set(load_display_priors()["categories"])
    assert {category for meant in SYNONYMS.values() for category in meant} <= published


@given(
    st.lists(st.sampled_from(KNOWN_WORDS), min_size=1, max_size=4, unique=True),
    st.randoms(use_true_random=False),
)
def test_case_order_and_what_parts_the_words_do_not_matter(words, random):
    shuffled = list(words)
    random.shuffle(shuffled)
    one, other = match_categories([" ".join(words), "_".join(shuffled).upper()])
    assert (one.matched, one.score, one.score_sd) == (other.matched, other.score, other.score_sd)


@given(st.lists(st.sampled_from([*KNOWN_WORDS, "xyzzy"]), max_size=6))
def test_each_match_depends_on_its_own_name_alone(names):
    assert match_categories(names) == [match_categories([name])[0] for name in names]


@given(st.text("qxzw_ 019&", max_size=20))
def test_unknown_names_have_score_0_and_the_spread_of_all(name):
    (match,) = match_categories([name])
    assert match.matched == ()
    assert match.score == 0.0
    assert match.score_sd == load_display_priors()["overall"]["score_spread"] >= 1.0


def test_a_match_is_the_mean_by_sales(monkeypatch):
    categories = {
        "BEERS/ALES": {"sales": 299.0, "score": 1.0, "score_sd": 0.0},
        "DOMESTIC WINE": {"sales": 99.0, "score": -1.0, "score_sd": 0.0},
    }
    priors = {"categories": categories, "overall": {"score_spread": 1.5}}
    monkeypatch.setattr(category_priors, "load_display_priors", lambda: priors)
    beer, both = match_categories(["beer", "beer & wine"])
    assert (beer.score, beer.score_sd) == (1.0, 0.0)
    assert both.score == pytest.approx(0.75 - 0.25)
    assert both.score_sd == pytest.approx(np.sqrt(1.0 - 0.25))  # +-1 with shares 3/4 and 1/4


def test_published_scores_have_mean_0_and_variance_1_by_sales():
    categories = load_display_priors()["categories"].values()
    sales, score = np.array([(each["sales"], each["score"]) for each in categories]).T
    mean = np.average(score, weights=sales)
    assert mean == pytest.approx(0.0, abs=1e-3)
    assert np.average((score - mean) ** 2, weights=sales) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("text", ["{", json.dumps({"categories": {}})])
def test_a_broken_file_is_told(tmp_path, monkeypatch, text):
    path = tmp_path / "displays.json"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(category_priors, "DISPLAYS_FILE", path)
    load_display_priors.cache_clear()
    try:
        with pytest.raises(ModelError, match=r"displays\.json"):
            load_display_priors()
    finally:
        load_display_priors.cache_clear()
