"""What makes a store possible: each check returns its faults as lines; the callers raise them together."""

from collections.abc import Sequence

from layouts.records import Placement, Sku
from layouts.store import Store


def find_layout_faults(store: Store) -> list[str]:
    return []


def find_sku_faults(skus: Sequence[tuple[str, Sku]]) -> list[str]:
    return []


def find_placement_faults(store: Store, rows: Sequence[tuple[str, Placement]]) -> list[str]:
    return []
