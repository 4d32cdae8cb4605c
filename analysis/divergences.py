"""How far two sets of journeys differ, beside the difference that chance alone would make.

A divergence says something only beside its noise floor, the base of its logarithm, the number of bins and
the two sample sizes; so all of them travel together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.special import rel_entr

from analysis import schema as c
from analysis.arrays import FloatArray
from analysis.noise_floors import NoiseFloor, estimate_floor
from layouts import ConfigError, Store

_CHUNK = 4_000_000  # numbers held at a time


@dataclass(frozen=True)
class Divergence:
    """Jensen-Shannon divergence of two tables of counts.

    Attributes
    ----------
    value
        0 for equal distributions, at most ln 2 in natural logarithms.
    floor
        What two samples of these sizes from one distribution would show on average.
    n, m
        Counts behind each side.
    k
        Bins that at least one side uses.
    base
        Of the logarithm.
    """

    value: float
    floor: float
    n: float
    m: float
    k: int
    base: float


def jensen_shannon_divergence(p: FloatArray, q: FloatArray, *, base: float = math.e) -> float:
    """Jensen-Shannon divergence (not its square root) of two histograms.

    Parameters
    ----------
    p, q
        Counts or probabilities, not negative, shape (k,); each is scaled to sum 1.
    base
        Of the logarithm: e for nats, 2 for bits.

    References
    ----------
    Lin (1991), IEEE Trans. Inf. Theory 37(1), pp. 145-151.
    """
    p, q = np.asarray(p, dtype="float64"), np.asarray(q, dtype="float64")
    if p.shape != q.shape or (p < 0).any() or (q < 0).any() or not p.sum() > 0 or not q.sum() > 0:
        raise ConfigError("a divergence needs two histograms of one shape, not negative, each with a count")
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2.0
    return float((rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2.0 / np.log(base))


def noise_floor(n: float, m: float, k: int, *, base: float = math.e) -> float:
    """Divergence to expect of two samples of one distribution: (k - 1) / 8 (1/n + 1/m) nats.

    Parameters
    ----------
    n, m
        Independent counts on each side. Seconds of one visit are not: see `estimate_divergence_floor`.
    k
        Bins.
    base
        Of the logarithm.
    """
    return (k - 1) / 8.0 * (1.0 / n + 1.0 / m) / float(np.log(base))


def estimate_divergence_floor(
    counts: FloatArray | csr_array,
    m_sessions: int,
    rng: np.random.Generator,
    *,
    n_splits: int = 200,
    base: float = math.e,
) -> NoiseFloor:
    """Noise floor of the divergence where counts come in sessions: random parts of the sessions compared.

    Parameters
    ----------
    counts
        Of each session and bin, shape (n_sessions, k), dense or sparse.
    m_sessions
        Sessions on the other side of the comparison that the floor is for.
    rng
        Draws the parts.
    n_splits
        See `estimate_floor`.
    base
        Of the logarithm.
    """
    bins = csr_array(counts).T.tocsr()  # (k, n_sessions)

    def distance(a: FloatArray, b: FloatArray) -> FloatArray:
        parts = np.array_split(np.arange(len(a)), max(1, len(a) * bins.shape[0] // _CHUNK))
        return np.concatenate([_divergence_of_rows((bins @ a[r].T).T, (bins @ b[r].T).T) for r in parts])

    floor = estimate_floor(distance, bins.shape[1], m_sessions, rng, n_splits=n_splits)
    return NoiseFloor(floor.mean / float(np.log(base)), floor.upper95 / float(np.log(base)))


def _divergence_of_rows(p: FloatArray, q: FloatArray) -> FloatArray:
    """Jensen-Shannon divergence [nats] of each row of counts, shape (n, k) -> (n,); NaN if one has none."""
    with np.errstate(invalid="ignore"):
        p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
    middle = (p + q) / 2.0
    return np.asarray((rel_entr(p, middle).sum(axis=1) + rel_entr(q, middle).sum(axis=1)) / 2.0)


def compute_divergence(p: FloatArray, q: FloatArray, *, base: float = math.e) -> Divergence:
    """Divergence of two tables of counts with its noise floor.

    Parameters
    ----------
    p, q
        Counts of one kind of event (zone visits, receipt lines) by bin, shape (k,). Bins that are empty on
        both sides are left out of `k`. The floor takes the counts as independent.
    base
        Of the logarithm.
    """
    p, q = np.asarray(p, dtype="float64"), np.asarray(q, dtype="float64")
    value = jensen_shannon_divergence(p, q, base=base)
    n, m, k = float(p.sum()), float(q.sum()), int(((p > 0) | (q > 0)).sum())
    return Divergence(value, noise_floor(n, m, k, base=base), n, m, k, base)


def count_by_zone(table: pd.DataFrame, store: Store) -> FloatArray:
    """Rows (visits, entries or picks) by zone, shape (n_zones,)."""
    index = table[c.ZONE_ID].astype("str").map(store.zone_index).astype("int64")
    return np.bincount(index, minlength=len(store.zones)).astype("float64")


def count_by_category(picks: pd.DataFrame, store: Store) -> FloatArray:
    """Receipt lines by category, shape (n_categories,)."""
    sku = picks[c.SKU_ID].astype("str").map(store.sku_index).astype("int64")
    return np.bincount(store.sku_category[sku], minlength=len(store.categories)).astype("float64")


def count_cell_visits(positions: pd.DataFrame, store: Store) -> FloatArray:
    """Sessions that were seen in each walkable cell, shape (n_cells,); seconds of one session count once."""
    cell = np.array(store.grid.cell_at(positions[[c.X, c.Y]].to_numpy(dtype="float64")))
    session = pd.factorize(positions[c.SESSION_ID])[0]
    n_cells = len(store.grid.xy)
    pairs = np.unique(session[cell >= 0] * n_cells + cell[cell >= 0])
    return np.bincount(pairs % n_cells, minlength=n_cells).astype("float64")
