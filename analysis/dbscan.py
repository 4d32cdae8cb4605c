"""Stops as the paper finds them: clusters of positions near each other in space and time (DBSCAN).

Each session's positions are clustered by scikit-learn over x, y and t, scaled so that a neighbourhood is an
ellipsoid of `eps_m` by `eps_s` (Ester et al. 1996, KDD-96, pp. 226-231). A cluster's medoid says where it
was, and the layout says which zone that is. Receipts have no say in it; `build_journeys` links them
afterwards, as it does for the other way of finding stops: `JourneyConfig(stops=DbscanConfig())`.
`sweep_clusters` compares both over parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import shapely

from analysis import schema as c
from analysis.arrays import FloatArray, IntArray
from analysis.io import Observations
from analysis.stops import StopConfig, Stops, detect_stops
from layouts import ConfigError, Store, ZoneType

_CHUNK = 200_000  # positions clustered at once
_NOT_SHOPPED = (ZoneType.ENTRANCE, ZoneType.CHECKOUT)


@dataclass(frozen=True, kw_only=True)
class DbscanConfig:
    """What makes a cluster of positions, one a second, a stop.

    Attributes
    ----------
    eps_m
        Radius of a neighbourhood [m]. The paper's is 2.5 m; that is wider than a zone, so neighbouring
        shelves are easily one stop. About 0.5 m agrees best with purchases where positions are as good.
    eps_s
        Its half length in time [s]. It keeps two visits of one place apart, and chains stops the less the
        shorter it is. Unknown in the paper; the default is the best with its radius in `sweep_clusters`.
    min_samples
        Positions within a neighbourhood, the point itself included, that make it dense: at one a second,
        seconds. Unknown in the paper; chosen like `eps_s`. Somebody who walks steadily at v has
        2 / sqrt((v / eps_m)^2 + 1 / eps_s^2) of them, so this sets the speed below which walking counts as
        stopping; more than 2 `eps_s` can never be reached.
    zone_m
        A medoid that lies in no zone counts for the nearest one up to this far [m], else for none.
    """

    eps_m: float = 2.5
    eps_s: float = 10.0
    min_samples: int = 15
    zone_m: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what finds nothing."""
        if not (self.eps_m > 0 and self.eps_s > 0 and self.zone_m >= 0):
            raise ConfigError("eps_m and eps_s must be positive, zone_m not negative")
        if not 1 <= self.min_samples <= 2 * self.eps_s:
            raise ConfigError(
                f"min_samples must be from 1 to 2 eps_s = {2 * self.eps_s:g}, got {self.min_samples}"
            )

    @property
    def speed_mps(self) -> float:
        """Speed [m/s] below which steady walking is dense enough to be a stop."""
        excess = (2.0 / self.min_samples) ** 2 - 1.0 / self.eps_s**2
        return float(self.eps_m * np.sqrt(max(excess, 0.0)))


def detect_clusters(
    session: IntArray, t_s: IntArray, xy: FloatArray, store: Store, *, config: DbscanConfig | None = None
) -> Stops:
    """Find the stops of all sessions by clustering their positions.

    Parameters
    ----------
    session, t_s, xy
        Session number, whole second and position [m] of each row, sorted; shapes (n,), (n,), (n, 2).
    store
        Gives the zones. Entrance zones are nowhere.
    config
        Parameters of the clustering.

    Returns
    -------
    stops
        One per cluster, from its first to its last position; `xy` is the medoid (the position nearest to the
        median of both coordinates). Stops nowhere have zone -1.
    """
    config = config or DbscanConfig()
    parts = []
    for rows in _chunk_rows(session):
        label = _cluster(session[rows], t_s[rows], xy[rows], config)
        parts.append(_summarise(label, session[rows], t_s[rows], xy[rows]))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else []
    if not columns or not len(columns[0]):
        empty = np.zeros(0, dtype="int64")
        return Stops(empty, empty, empty, empty, np.zeros((0, 2)))
    stop_session, stop_t_s, dwell_s, medoid = columns
    zone = _find_zones(medoid, store, config.zone_m)
    order = np.lexsort([stop_t_s, stop_session])
    return Stops(stop_session[order], zone[order], stop_t_s[order], dwell_s[order], medoid[order])


def sweep_clusters(
    positions: pd.DataFrame,
    observations: Observations,
    store: Store,
    *,
    eps_m: Sequence[float] = (0.5, 1.0, 1.5, 2.5, 4.0),
    min_samples: Sequence[int] = (4, 6, 8, 10, 12, 15, 18),
    config: DbscanConfig | None = None,
) -> pd.DataFrame:
    """Compare stops with purchases over a range of parameters, and with the stops of `analysis.stops`.

    A receipt line is found if its SKU stands in the zone of one of the session's stops; this is before
    `build_journeys` corrects or inserts any. Only sessions with a linked receipt count, only stops at shelves
    (not at tills or the door).

    Parameters
    ----------
    positions
        What `clean_tracks` gave; a few hundred sessions are enough.
    observations
        The receipts.
    store
        The layout.
    eps_m, min_samples
        Values to combine; what `eps_s` cannot reach is left out.
    config
        Everything else.

    Returns
    -------
    sweep
        `method` (dbscan, hmm, hmm_with_receipts), `eps_m`, `min_samples`, `speed_mps` (missing for the other
        method); per session: `stops_per_session`, `zones_per_session`, `stopped_share` (of its time);
        `median_dwell_s`; `recall` (share of receipt lines found), `precision` (share of the zones stopped at
        in which something on the receipt stands).
    """
    config = config or DbscanConfig()
    lines = observations.receipts[observations.receipts[c.SESSION_ID].notna()]
    kept = positions[positions[c.SESSION_ID].isin(lines[c.SESSION_ID])]
    session, names = pd.factorize(kept[c.SESSION_ID])
    row = pd.Index(names).get_indexer(lines[c.SESSION_ID])
    sku = lines[c.SKU_ID].map(store.sku_index).to_numpy(dtype="int64")
    line = np.stack([row[row >= 0], sku[row >= 0]])
    track = (
        np.asarray(session, dtype="int64"),
        kept[c.T_S].to_numpy(dtype="int64"),
        kept[[c.X, c.Y]].to_numpy(dtype="float64"),
    )
    table = []
    for radius in eps_m:
        for count in min_samples:
            if count <= 2 * config.eps_s:
                setting = replace(config, eps_m=radius, min_samples=count)
                named = {"eps_m": radius, "min_samples": count, "speed_mps": setting.speed_mps}
                stops = detect_clusters(*track, store, config=setting)
                table.append({"method": "dbscan", **named, **_score(stops, line, len(track[0]), store)})
    bought = np.zeros((len(names), store.n_zones), dtype=bool)
    np.logical_or.at(bought, line[0], store.stands.T[line[1]])
    for method, known in (("hmm", None), ("hmm_with_receipts", bought)):
        stops = detect_stops(*track, store, bought=known, config=StopConfig())
        table.append({"method": method, **_score(stops, line, len(track[0]), store)})
    return pd.DataFrame(table)


def _score(stops: Stops, line: IntArray, n_seconds: int, store: Store) -> dict[str, float]:
    """How stops and purchases agree; `line` is session and SKU of each receipt line, shape (2, n)."""
    is_shelf = np.array([zone.zone_type not in _NOT_SHOPPED for zone in store.zones])
    kept = (stops.zone >= 0) & is_shelf[stops.zone]
    n_sessions = int(max(stops.session.max(initial=0), line[0].max(initial=0))) + 1
    visited = np.zeros((n_sessions, store.n_zones), dtype=bool)
    visited[stops.session[kept], stops.zone[kept]] = True
    bought = np.zeros_like(visited)
    np.logical_or.at(bought, line[0], store.stands.T[line[1]])
    found = (visited[line[0]] & store.stands.T[line[1]]).any(axis=1)
    return {
        "stops_per_session": float(kept.sum() / n_sessions),
        "zones_per_session": float(visited.sum() / n_sessions),
        "stopped_share": float(stops.dwell_s.sum() / max(n_seconds, 1)),
        "median_dwell_s": float(np.median(stops.dwell_s[kept])) if kept.any() else np.nan,
        "recall": float(found.mean()) if len(found) else np.nan,
        "precision": float((visited & bought).sum() / visited.sum()) if visited.any() else np.nan,
    }


def _chunk_rows(session: IntArray) -> Iterator[slice]:
    """Rows of whole sessions, about as many at a time as can be clustered in little memory."""
    starts = np.flatnonzero(np.r_[True, session[1:] != session[:-1]]) if len(session) else np.zeros(0, int)
    bounds = np.r_[starts, len(session)]
    begin = 0
    while begin < len(starts):
        end = max(int(np.searchsorted(bounds, bounds[begin] + _CHUNK, side="right")) - 1, begin + 1)
        yield slice(int(bounds[begin]), int(bounds[end]))
        begin = end


def _cluster(session: IntArray, t_s: IntArray, xy: FloatArray, config: DbscanConfig) -> IntArray:
    """Cluster of each position, -1 for walking; sessions lie too far apart in time to touch."""
    from sklearn.cluster import DBSCAN

    apart_s = float(t_s.max() - t_s.min()) + 10.0 * config.eps_s
    line_s = (session - session[0]) * apart_s + t_s
    scaled = np.column_stack([xy / config.eps_m, line_s / config.eps_s])
    found = DBSCAN(eps=1.0, min_samples=config.min_samples, algorithm="kd_tree").fit_predict(scaled)
    return np.asarray(found, dtype="int64")


def _summarise(
    label: IntArray, session: IntArray, t_s: IntArray, xy: FloatArray
) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Session, begin, length and medoid of each cluster."""
    rows = np.flatnonzero(label >= 0)
    table = pd.DataFrame({"label": label[rows], "t": t_s[rows], "x": xy[rows, 0], "y": xy[rows, 1]})
    by_label = table.groupby("label")
    middle = by_label[["x", "y"]].transform("median")
    table["off"] = np.hypot(table["x"] - middle["x"], table["y"] - middle["y"])
    medoid = rows[by_label["off"].idxmin().to_numpy(dtype="int64")]
    first, last = by_label["t"].min().to_numpy("int64"), by_label["t"].max().to_numpy("int64")
    return session[medoid], first, last - first + 1, xy[medoid]


def _find_zones(xy: FloatArray, store: Store, limit_m: float) -> IntArray:
    """Zone of the nearest cell, or the nearest zone within the limit; -1 for nowhere and the entrance."""
    zone = np.array(store.grid.zone[store.grid.nearest(xy)], dtype="int64")
    open_zones = [i for i, place in enumerate(store.zones) if place.zone_type != ZoneType.ENTRANCE]
    polygons = np.array([store.zones[i].polygon for i in open_zones], dtype=object)
    lost = np.flatnonzero(zone < 0)
    if len(lost) and len(polygons):
        points = shapely.points(xy[lost])
        row, nearest = shapely.STRtree(polygons).query_nearest(
            points, max_distance=limit_m + 1e-9, all_matches=False
        )
        zone[lost[row]] = np.array(open_zones, dtype="int64")[nearest]
    is_entrance = np.array([place.zone_type == ZoneType.ENTRANCE for place in store.zones] + [False])
    return np.where(is_entrance[zone], -1, zone)
