"""How results are put into words: the answer in one sentence, numbers with sign and unit."""

from collections.abc import Mapping
from typing import Any

KPI_LABELS = {
    "profit_per_shopper": "Profit per shopper",
    "revenue_per_shopper": "Revenue per shopper",
    "items_per_shopper": "Items per shopper",
    "minutes_per_shopper": "Minutes in the store",
}


def format_signed(value: float, digits: int = 2) -> str:
    """Write a number with its sign; what rounds to zero has none."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text


def format_relative(lift: Mapping[str, Any], digits: int) -> str:
    """Write a lift in percent of the control; a dash where the control is 0."""
    return "–" if lift["relative"] is None else f"{format_signed(100 * lift['relative'], digits)} %"


def format_p_value(p: float) -> str:
    """Write a p-value as printed tables do."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def shorten_layout(layout: str) -> str:
    """Return the edit's name where a layout is named `<store>--<edit>`, else the whole name."""
    edit = layout.rpartition("--")[2]
    return layout if not edit or edit.isdigit() else edit  # a number only tells namesakes apart


def is_clear(lift: Mapping[str, Any]) -> bool:
    """Tell whether the 95 % interval of a lift excludes zero."""
    low, high = lift["ci95"]
    return bool(low > 0 or high < 0)


def digits_of(lift: Mapping[str, Any]) -> int:
    """Return the decimals that money deserves: cents, or tenths of them where all is below ten cents."""
    return 2 if max(abs(lift["mean"]), *map(abs, lift["ci95"])) >= 0.1 else 3


def format_interval(lift: Mapping[str, Any], digits: int) -> str:
    """Write the 95 % interval; both ends carry a sign unless both are above zero."""
    low, high = lift["ci95"]
    if low > 0:
        return f"{low:.{digits}f} to {high:.{digits}f}"
    return f"{format_signed(low, digits)} to {format_signed(high, digits)}"


def answer_sentence(variant: str, lift: Mapping[str, Any], currency: str) -> str:
    """Answer the planner's question in one sentence.

    Parameters
    ----------
    variant
        Name of the changed layout.
    lift
        `mean` and `ci95` of the profit per shopper, variant minus control, in `currency`.
    currency
        ISO code.

    Returns
    -------
    sentence
        E.g. "snack-endcap earns +0.14 EUR per shopper (95 % interval 0.06 to 0.22)".
    """
    name, digits = shorten_layout(variant), digits_of(lift)
    if lift["mean"] == 0 and tuple(lift["ci95"]) == (0, 0):
        return f"{name} changes nothing: profit per shopper is the same to the cent"
    change = f"{format_signed(lift['mean'], digits)} {currency} per shopper"
    interval = f"(95 % interval {format_interval(lift, digits)})"
    return (
        f"{name} earns {change} {interval}"
        if is_clear(lift)
        else f"{name}: no clear change, {change} {interval}"
    )
