"""Observed and simulated sessions of one store beside each other, each difference beside its noise floor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.sparse import csr_array

from analysis import schema as c
from analysis.arrays import FloatArray
from analysis.distances import compute_distances, estimate_distance_floors
from analysis.divergences import estimate_divergence_floor, jensen_shannon_divergence
from analysis.noise_floors import NoiseFloor
from analysis.session_sample import COUNTS, UNITS, SessionSample
from layouts import ObservationError, Store

MIN_SESSIONS = 30
"""A sample or level with fewer sessions than this, on either side, is not compared."""

_MAX_LEVELS = 20  # an attribute with more (a loyalty number, a postcode) is left out
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_NAN_FLOOR = NoiseFloor(float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Validation:
    """How far simulated sessions are from observed ones; docs/validation.md says what each column is.

    Attributes
    ----------
    divergences
        Jensen-Shannon divergences of counts: of all sessions, then of each level of each attribute.
    distributions
        Measures per session, stop or basket: distances and quantiles, of all sessions, then by level.
    calibration
        Predicted beside observed rates of every category and zone.
    """

    divergences: pd.DataFrame
    distributions: pd.DataFrame
    calibration: pd.DataFrame


@dataclass(frozen=True, eq=False)
class _Group:
    """The sessions of one level of an attribute (or all of them) on both sides."""

    attribute: str
    level: str
    observed: SessionSample
    simulated: tuple[SessionSample, ...]
    others: tuple[SessionSample, ...]  # simulated, not of this level

    @property
    def keys(self) -> dict[str, str]:
        return {"attribute": self.attribute, "level": self.level}


def compare_samples(
    observed: SessionSample, simulated: Sequence[SessionSample], store: Store, rng: np.random.Generator
) -> Validation:
    """Compare observed sessions with those of one or several simulated replications.

    Parameters
    ----------
    observed
        Sessions that the model has not seen.
    simulated
        One sample per replication; each is compared with `observed`, and the comparisons are averaged.
    store
        Names zones and categories.
    rng
        Draws the splits of the observed sessions that the noise floors are estimated from.

    Raises
    ------
    ObservationError
        If either side has fewer than `MIN_SESSIONS` sessions.
    """
    fewest = min(observed.n, *(sample.n for sample in simulated))
    if fewest < MIN_SESSIONS:
        raise ObservationError(
            f"a comparison needs at least {MIN_SESSIONS} observed and simulated sessions, got {fewest}"
        )
    groups = [_Group("", "", observed, tuple(simulated), ()), *_split_by_level(observed, simulated)]
    return Validation(
        divergences=pd.DataFrame([_compare_counts(group, name, rng) for group in groups for name in COUNTS]),
        distributions=pd.DataFrame([_compare_values(group, name, rng) for group in groups for name in UNITS]),
        calibration=_calibrate(observed, simulated, store),
    )


def _split_by_level(observed: SessionSample, simulated: Sequence[SessionSample]) -> Iterator[_Group]:
    """Every level of every attribute that both sides know; what was not recorded is no level."""
    for attribute in observed.attributes.columns:
        if any(attribute not in sample.attributes for sample in simulated):
            continue
        of_session = observed.attributes[attribute].astype("str")
        levels = sorted(set(of_session) - {c.UNKNOWN})
        if not 2 <= len(levels) <= _MAX_LEVELS:
            continue
        for level in levels:
            marks = [(sample.attributes[attribute].astype("str") == level).to_numpy() for sample in simulated]
            own = tuple(sample.select(mark) for sample, mark in zip(simulated, marks, strict=True))
            rest = tuple(sample.select(~mark) for sample, mark in zip(simulated, marks, strict=True))
            kept = observed.select((of_session == level).to_numpy())
            if min(kept.n, *(sample.n for sample in own)) >= MIN_SESSIONS:
                yield _Group(str(attribute), level, kept, own, rest)


def _compare_counts(group: _Group, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """One row of `divergences`."""
    counts = group.observed.counts[name]
    totals = [sample.counts[name].sum(axis=0) for sample in group.simulated]
    seen = counts.sum(axis=0)
    values = np.array([_divergence(seen, total) for total in totals])
    m = round(np.mean([sample.n for sample in group.simulated]))
    has_both = bool(np.isfinite(values).all())
    floor = estimate_divergence_floor(counts, m, rng) if has_both else _NAN_FLOOR
    others = [_compare_to_others(seen, sample.counts[name], m, rng) for sample in group.others]
    return {
        "figure": name,
        **group.keys,
        **_beside_floor(values, floor),
        "others": float(np.mean(others)) if others else float("nan"),
        "n": group.observed.n,
        "m": m,
        "n_counts": float(seen.sum()),
        "m_counts": float(np.mean([total.sum() for total in totals])),
        "k": int(((seen > 0) | (np.sum(totals, axis=0) > 0)).sum()),
        "base": "e",
    }


def _compare_to_others(
    seen: FloatArray, others: csr_array, m: int, rng: np.random.Generator, n_draws: int = 10
) -> float:
    """Divergence from sessions of other levels, as many as the level itself has (fewer would differ more)."""
    n = others.shape[0]
    size = min(m, n)
    weights = np.zeros((n_draws, n))
    np.put_along_axis(weights, np.argsort(rng.random((n_draws, n)), axis=1)[:, :size], 1.0, axis=1)
    return float(np.mean([_divergence(seen, total) for total in (others.T @ weights.T).T]))


def _divergence(p: FloatArray, q: FloatArray) -> float:
    return jensen_shannon_divergence(p, q) if p.sum() > 0 and q.sum() > 0 else float("nan")


def _beside_floor(values: FloatArray, floor: NoiseFloor) -> dict[str, float]:
    """Mean over the replications, their spread, and what chance alone would make of it."""
    value = float(values.mean())
    return {
        "value": value,
        "sd": float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
        "floor": floor.mean,
        "floor95": floor.upper95,
        "ratio": value / floor.mean if floor.mean > 0 else float("nan"),
    }


def _compare_values(group: _Group, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """One row of `distributions`."""
    observed, simulated = group.observed.values[name], [sample.values[name] for sample in group.simulated]
    m = round(np.mean([sample.n for sample in group.simulated]))
    row: dict[str, Any] = {"measure": name, "unit": UNITS[name], **group.keys}
    has_both = len(observed.value) > 0 and all(len(of.value) for of in simulated)
    if has_both:
        pairs = np.array([compute_distances(observed.value, of.value) for of in simulated])
        floors = estimate_distance_floors(observed, group.observed.n, m, rng)
    else:
        pairs, floors = np.full((1, 2), np.nan), (_NAN_FLOOR, _NAN_FLOOR)
    for column, distance, floor in zip(pairs.T, ("wasserstein", "ks"), floors, strict=True):
        row |= {f"{distance}_{key}": number for key, number in _beside_floor(column, floor).items()}
    pooled = np.concatenate([of.value for of in simulated])
    for side, values in (("observed", observed.value), ("simulated", pooled)):
        row[f"{side}_mean"] = float(values.mean()) if len(values) else float("nan")
        for q in _QUANTILES:
            row[f"{side}_q{100 * q:02.0f}"] = float(np.quantile(values, q)) if len(values) else float("nan")
    return row | {"n": group.observed.n, "m": m, "n_values": len(observed.value), "m_values": len(pooled)}


def _calibrate(observed: SessionSample, simulated: Sequence[SessionSample], store: Store) -> pd.DataFrame:
    """Rates per 100 sessions of every category and zone, predicted and observed, with 95 % intervals."""
    zones, categories = [zone.zone_id for zone in store.zones], list(store.categories)
    names: Mapping[str, list[str]] = {
        "category_purchases": categories,
        "zone_purchases": zones,
        "zone_visits": zones,
    }
    parts = []
    for figure, items in names.items():
        seen, seen_se = _compute_rates([observed.counts[figure]])
        told, told_se = _compute_rates([sample.counts[figure] for sample in simulated])
        parts.append(
            pd.DataFrame(
                {
                    "figure": figure,
                    "item": items,
                    "observed": seen,
                    "observed_low": np.maximum(seen - _Z * seen_se, 0.0),
                    "observed_high": seen + _Z * seen_se,
                    "predicted": told,
                    "predicted_low": np.maximum(told - _Z * told_se, 0.0),
                    "predicted_high": told + _Z * told_se,
                    "difference_se": np.hypot(seen_se, told_se),
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    is_within = (table["predicted"] - table["observed"]).abs() <= _Z * table["difference_se"]
    return table.assign(is_within=is_within)


_Z = float(stats.norm.ppf(0.975))


def _compute_rates(counts: Sequence[csr_array]) -> tuple[FloatArray, FloatArray]:
    """Counts per 100 sessions and their standard errors over all sessions, each of shape (k,)."""
    n = sum(table.shape[0] for table in counts)
    mean = np.sum([table.sum(axis=0) for table in counts], axis=0) / n
    square = np.sum([table.power(2).sum(axis=0) for table in counts], axis=0) / n
    return 100.0 * mean, 100.0 * np.sqrt(np.maximum(square - mean**2, 0.0) / n)


def summarise_calibration(calibration: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Sum up a calibration table.

    Parameters
    ----------
    calibration
        Of a `Validation`.

    Returns
    -------
    summary
        By figure: `n_items` that occur on either side; `within95`, the share of them whose difference lies
        within its 95 % interval; `error`, the sum of the absolute differences as a share of all observed,
        and `error_floor`, what chance alone would make of it; `slope` of observed on predicted rates (below
        1: differences between items are exaggerated) and their correlation.
    """
    summary = {}
    for figure, rows in calibration.groupby("figure", sort=False):
        rows = rows[(rows["observed"] > 0) | (rows["predicted"] > 0)]
        seen, told = rows["observed"].to_numpy(), rows["predicted"].to_numpy()
        total = max(float(seen.sum()), 1e-9)
        spread = float(np.var(told))
        has_spread = spread > 0 and float(np.var(seen)) > 0
        summary[str(figure)] = {
            "n_items": len(rows),
            "within95": float(rows["is_within"].mean()),
            "error": float(np.abs(told - seen).sum() / total),
            "error_floor": float(np.sqrt(2.0 / np.pi) * rows["difference_se"].sum() / total),
            "slope": float(np.cov(told, seen, ddof=0)[0, 1] / spread) if has_spread else float("nan"),
            "correlation": float(np.corrcoef(told, seen)[0, 1]) if has_spread else float("nan"),
        }
    return summary
