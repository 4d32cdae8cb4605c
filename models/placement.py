"""What a placement does to the appeal of an article: features, and what was published of their effects."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layouts import ShelfLevel, Store, ZoneType
from models.layout_view import LayoutView

# Feature of a SKU in a zone: (prior mean, prior standard deviation) of its coefficient in log attraction.
PRIORS: dict[str, tuple[float, float]] = {
    "log_facings": (0.17, 0.05),  # mean of 1,268 space elasticities, see docs/model.md
    "is_eye_level": (0.15, 0.10),
    "is_floor_level": (-0.15, 0.10),
    "is_top_level": (-0.10, 0.10),
    "log_relative_price": (-0.3, 0.3),
    "margin_rate": (0.0, 0.3),
    "is_endcap": (0.42, 0.3),  # +23 to +114 % at equal price and promotion: log 0.21 to 0.76
    "is_promo": (0.4, 0.3),
    "is_checkout": (0.4, 0.3),
    "to_checkout": (0.0, 0.1),
    "log_area": (0.0, 0.1),
}


@lru_cache(maxsize=16)
def compute_velocity_share(store: Store) -> NDArray[np.float32]:
    """Log of each SKU's share in the velocity of its category, shape (n_skus,)."""
    velocity = np.array([sku.velocity for sku in store.skus]) + 0.1
    total = np.bincount(store.sku_category, velocity, len(store.categories))
    share: NDArray[np.float32] = np.log(velocity / total[store.sku_category]).astype(np.float32)
    return share


@lru_cache(maxsize=16)
def compute_placement_features(view: LayoutView) -> NDArray[np.float32]:
    """Features `PRIORS` of every SKU in every zone, (n_zones, n_skus, n_features); 0 where it is absent."""
    store = view.store
    price = np.array([sku.price for sku in store.skus]).clip(0.01)
    margin = np.array([sku.margin for sku in store.skus])
    category = store.sku_category
    in_category = np.bincount(category, minlength=len(store.categories)).clip(1)
    mean_price = np.bincount(category, price, len(store.categories)) / in_category
    levels = list(ShelfLevel)
    zone_type = [zone.zone_type for zone in store.zones]

    def per_zone(values: Any) -> NDArray[Any]:
        return np.broadcast_to(np.asarray(values, dtype=float)[:, None], store.stands.shape)

    def per_sku(values: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(values[None, :], store.stands.shape)

    columns = {
        "log_facings": np.log(np.maximum(store.facings, 1)),
        "is_eye_level": store.shelf_level == levels.index(ShelfLevel.EYE),
        "is_floor_level": store.shelf_level == levels.index(ShelfLevel.FLOOR),
        "is_top_level": store.shelf_level == levels.index(ShelfLevel.TOP),
        "log_relative_price": per_sku(np.log(price / mean_price[category])),
        "margin_rate": per_sku(margin / price - 0.3),
        "is_endcap": per_zone([kind == ZoneType.ENDCAP for kind in zone_type]),
        "is_promo": per_zone([kind == ZoneType.PROMO for kind in zone_type]),
        "is_checkout": per_zone([kind == ZoneType.CHECKOUT for kind in zone_type]),
        "to_checkout": per_zone(store.distance_to_checkout_m / view.scale_m - 0.5),
        "log_area": per_zone([np.log(zone.area_m2 / 6.0) for zone in store.zones]),
    }
    features = np.stack([np.asarray(columns[name], dtype=np.float32) for name in PRIORS], axis=2)
    return features * store.stands[:, :, None]
