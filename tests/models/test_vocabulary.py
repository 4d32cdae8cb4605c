import numpy as np

from models.vocabulary import AttributeCoder

CODER = AttributeCoder.fit(
    {"mission": np.array(["quick", "major", "quick"]), "age": np.array(["55+", "unknown", "-"])}
)


def test_every_level_that_occurs_is_known_and_unknown_comes_first():
    assert CODER.levels == {"mission": ("unknown", "major", "quick"), "age": ("unknown", "-", "55+")}
    assert CODER.n_levels == 6


def test_codes_run_on_over_the_attributes():
    codes = CODER.encode({"mission": np.array(["quick", "major"]), "age": np.array(["55+", "-"])})
    assert codes.tolist() == [[2, 5], [1, 4]]


def test_a_level_never_seen_and_an_absent_attribute_count_as_unknown():
    codes = CODER.encode({"mission": np.array(["fill-in", "quick"]), "weather": np.array(["wet", "dry"])})
    assert codes.tolist() == [[0, 3], [2, 3]]


def test_one_hot_marks_one_level_of_each_attribute():
    codes = CODER.encode({"mission": np.array(["quick"]), "age": np.array(["-"])})
    assert CODER.one_hot(codes).tolist() == [[0, 0, 1, 0, 1, 0]]


def test_json_form_gives_the_same_coder():
    assert AttributeCoder.from_dict(CODER.to_dict()) == CODER
