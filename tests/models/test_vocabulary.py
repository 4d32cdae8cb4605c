import json

import numpy as np

from models.vocabulary import AttributeCoder

CODER = AttributeCoder.fit(
    {"mission": np.array(["quick", "major", "quick"]), "age": np.array(["55+", "unknown", "-"])}
)


def test_every_level_that_occurs_is_known_and_unknown_comes_first():
    assert CODER.levels == {"age": ("unknown", "-", "55+"), "mission": ("unknown", "major", "quick")}
    assert CODER.n_levels == 6


def test_codes_run_on_over_the_attributes_by_name():
    codes = CODER.encode({"mission": np.array(["quick", "major"]), "age": np.array(["55+", "-"])})
    assert codes.tolist() == [[2, 5], [1, 4]]


def test_the_order_of_the_attributes_does_not_matter():
    columns = {"mission": np.array(["quick", "major"]), "age": np.array(["-", "55+"])}
    other = AttributeCoder(dict(reversed(CODER.levels.items())))
    assert other.encode(columns).tolist() == CODER.encode(columns).tolist()
    assert other.encode(dict(reversed(columns.items()))).tolist() == CODER.encode(columns).tolist()


def test_a_level_never_seen_and_an_absent_attribute_count_as_unknown():
    codes = CODER.encode({"mission": np.array(["fill-in", "quick"]), "weather": np.array(["wet", "dry"])})
    assert codes.tolist() == [[0, 3], [0, 5]]


def test_one_hot_marks_one_level_of_each_attribute():
    codes = CODER.encode({"mission": np.array(["quick"]), "age": np.array(["-"])})
    assert CODER.one_hot(codes).tolist() == [[0, 1, 0, 0, 0, 1]]


def test_json_form_gives_the_same_coder():
    text = json.dumps(CODER.to_dict(), sort_keys=True)
    assert AttributeCoder.from_dict(json.loads(text)) == CODER
