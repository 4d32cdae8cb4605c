"""Would snacks earn more on the front endcap? Writes that variant of the bundled supermarket.

Usage: python -m scenarios.snack_endcap STORE_DIR
"""

import sys
from collections.abc import Collection
from pathlib import Path

from layouts import (
    Placement,
    PlanogramError,
    ShelfLevel,
    Store,
    ZoneType,
    bundled_store,
    save_store,
    with_placements,
)

SNACKS = ("salty snacks", "confectionery", "biscuits")
N_SKUS = 5


def put_on_front_endcap(store: Store, categories: Collection[str] = SNACKS, *, n_skus: int = N_SKUS) -> Store:
    """Show the best sellers of some categories on the endcap nearest the entrance, besides their home shelf.

    Parameters
    ----------
    store
        The store as it is.
    categories
        What to show.
    n_skus
        How many SKUs share the endcap, best sellers first.

    Returns
    -------
    variant
        The store with the endcap's goods replaced; they still stand at home.

    Raises
    ------
    PlanogramError
        If the store carries none of the categories.
    """
    endcaps = [zone for zone in store.zones if zone.zone_type is ZoneType.ENDCAP]
    front = min(endcaps, key=lambda zone: store.distance_from_entrance_m[store.zone_index[zone.zone_id]])
    sold = sorted((sku for sku in store.skus if sku.category in categories), key=lambda sku: -sku.velocity)
    if not sold:
        raise PlanogramError(
            f"no {', '.join(categories)} in this store; it carries {', '.join(store.categories)}"
        )
    shown = [
        Placement(
            sku_id=sku.sku_id,
            zone_id=front.zone_id,
            facings=front.capacity_facings // min(n_skus, len(sold)),
            shelf_level=ShelfLevel.EYE,
        )
        for sku in sold[:n_skus]
    ]
    others = [placement for placement in store.placements if placement.zone_id != front.zone_id]
    return with_placements(store, others + shown, "snack-endcap")


if __name__ == "__main__":
    save_store(put_on_front_endcap(bundled_store("supermarket")), Path(sys.argv[1]))
