"""The spreadsheet: sales of each SKU regressed on its exposure, that is on facings times visits of its zones.

Visits of a zone are counted from the tracks. Where a zone is new or stands elsewhere they come from a
regression of visits on place and kind of zone. Customers and their lists play no part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis import Observations, clean_tracks, compute_zone_entries
from benchmarks.fidelity.predictors import Fitted, Prediction
from layouts import Store, ZoneType

FloatArray = npt.NDArray[np.floating]

FACING_POWER = 0.5  # the second facing is noticed less than the first
SAME_PLACE_M = 0.5
RIDGE = 1.0
Z_95 = 1.96
ZONE_TYPES = tuple(ZoneType)


@dataclass(frozen=True, eq=False)
class SalesOnExposure:
    """Two regressions.

    Attributes
    ----------
    store
        The layout that was observed.
    units
        Units sold of each SKU, shape (n_skus,).
    elasticity, elasticity_se
        Of units to exposure, within categories.
    visit_weights, visit_residual
        Of the logarithm of visits on `_describe_zones`, and what they leave, shape (n_zones,).
    """

    store: Store
    units: FloatArray
    elasticity: float
    elasticity_se: float
    visit_weights: FloatArray
    visit_residual: FloatArray

    def predict(self, control: Store, variant: Store) -> Prediction:
        """Scale each SKU's sales by the change of its exposure, at the elasticity and at its bounds."""
        ratio = np.log(self._expose(variant)) - np.log(self._expose(control))
        earned = self.units * np.array([sku.margin for sku in control.skus])

        def lift(elasticity: float) -> float:
            return float((earned * np.exp(elasticity * ratio)).sum() / earned.sum() - 1)

        half = Z_95 * self.elasticity_se
        bounds = lift(self.elasticity - half), lift(self.elasticity + half)
        mean = lift(self.elasticity)
        return Prediction(mean, min(*bounds, mean), max(*bounds, mean))

    def _expose(self, store: Store) -> FloatArray:
        """Exposure of each SKU: visits of its zones times a power of its facings, shape (n_skus,)."""
        log_visits = _describe_zones(store) @ self.visit_weights
        before = np.array([zone.polygon.centroid.coords[0] for zone in self.store.zones])
        for index, zone in enumerate(store.zones):
            metres = np.linalg.norm(before - zone.polygon.centroid.coords[0], axis=1)
            if metres.min() < SAME_PLACE_M:
                log_visits[index] += self.visit_residual[metres.argmin()]
        return _sum_exposure(store, np.exp(log_visits))


def fit(store: Store, observations: Observations, rng: np.random.Generator) -> Fitted:
    """Count visits and sales, and regress."""
    entries = compute_zone_entries(clean_tracks(observations.tracks, store), store)
    zone = entries["zone_id"].map(store.zone_index).to_numpy(dtype=np.int64)
    log_visits = np.log(np.bincount(zone, minlength=store.n_zones) + 1.0)
    features = _describe_zones(store)
    penalty = RIDGE * np.eye(features.shape[1])
    penalty[0, 0] = 0.0
    weights = np.linalg.solve(features.T @ features + penalty, features.T @ log_visits)
    sku = observations.receipts["sku_id"].map(store.sku_index).to_numpy(dtype=np.int64)
    units = np.bincount(sku, observations.receipts["qty"], store.n_skus)
    elasticity, se = _regress_within(
        np.log(units + 0.5), np.log(_sum_exposure(store, np.exp(log_visits))), store.sku_category
    )
    return SalesOnExposure(
        store, units.astype(float), elasticity, se, weights, log_visits - features @ weights
    )


def _sum_exposure(store: Store, visits: FloatArray) -> FloatArray:
    return np.asarray(visits @ store.facings**FACING_POWER)


def _describe_zones(store: Store) -> FloatArray:
    """A constant, distances to door and tills, size and kind of each zone, (n_zones, n_features)."""
    kinds = np.array([[zone.zone_type is kind for kind in ZONE_TYPES] for zone in store.zones], dtype=float)
    plain = [
        np.ones(store.n_zones),
        store.distance_from_entrance_m / 10,
        store.distance_to_checkout_m / 10,
        np.log([zone.area_m2 for zone in store.zones]),
    ]
    return np.column_stack([*plain, kinds])


def _regress_within(y: FloatArray, x: FloatArray, group: npt.NDArray[np.integer]) -> tuple[float, float]:
    """Slope of y on x with an intercept for each group, and its standard error."""
    size = np.bincount(group)
    x, y = (value - (np.bincount(group, value) / size)[group] for value in (x, y))
    slope = float((x * y).sum() / (x**2).sum())
    freedom = len(x) - len(size) - 1
    return slope, float(np.sqrt(((y - slope * x) ** 2).sum() / freedom / (x**2).sum()))
