import pytest

from scenarios.wording import answer_sentence, format_p_value, format_relative, format_signed, shorten_layout


def lift(mean, low, high):
    return {"mean": mean, "ci95": [low, high]}


def test_a_clear_gain():
    sentence = answer_sentence("market--snack-endcap", lift(0.14, 0.06, 0.22), "EUR")
    assert sentence == "snack-endcap earns +0.14 EUR per shopper (95 % interval 0.06 to 0.22)"


def test_a_clear_loss():
    sentence = answer_sentence("market--milk-front", lift(-0.14, -0.22, -0.06), "EUR")
    assert sentence == "milk-front earns -0.14 EUR per shopper (95 % interval -0.22 to -0.06)"


def test_an_interval_around_zero_claims_nothing():
    sentence = answer_sentence("plan b", lift(0.01, -0.01, 0.03), "USD")
    assert sentence == "plan b: no clear change, +0.010 USD per shopper (95 % interval -0.010 to +0.030)"


def test_the_same_layout():
    assert answer_sentence("same", lift(0.0, 0.0, 0.0), "EUR").startswith("same changes nothing")


@pytest.mark.parametrize(("value", "text"), [(-0.001, "0.00"), (0.005001, "+0.01"), (-1.0, "-1.00")])
def test_what_rounds_to_zero_has_no_sign(value, text):
    assert format_signed(value) == text


@pytest.mark.parametrize(("p", "text"), [(0.0, "< 0.001"), (0.0421, "0.042"), (0.42, "0.42")])
def test_p_values(p, text):
    assert format_p_value(p) == text


@pytest.mark.parametrize(
    ("layout", "name"),
    [("market--milk-front", "milk-front"), ("market", "market"), ("market--2", "market--2")],
)
def test_a_layout_is_called_by_its_edit(layout, name):
    assert shorten_layout(layout) == name


def test_a_lift_over_nothing_has_no_percentage():
    assert format_relative({"relative": None}, 1) == "–"
    assert format_relative({"relative": 0.0123}, 1) == "+1.2 %"
