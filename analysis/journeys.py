"""Journeys: who stopped where, for how long, and took what; from tracks and receipts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis import schema as c
from analysis.arrays import BoolArray, IntArray
from analysis.cleaning import CleaningConfig, clean_tracks, compute_session_spans
from analysis.dbscan import DbscanConfig, detect_clusters
from analysis.io import Observations
from analysis.picks import TrackRows, assign_picks
from analysis.stops import StopConfig, compute_speeds, detect_stops
from layouts import ConfigError, Store, ZoneType


@dataclass(frozen=True, kw_only=True)
class JourneyConfig:
    """How observations become journeys.

    Attributes
    ----------
    cleaning, stops
        How fixes become positions, and positions stops: slow stretches, or clusters (`DbscanConfig`).
    min_dwell_s
        Shorter stops count only if something was bought there.
    merge_gap_s
        Stops in one zone with no other stop and no more time than this between them are one.
    max_checkout_dwell_s
        Standing at a till is mostly waiting: a stop at a checkout rack lasts at most this long.
    relabel_m, far_m, inserted_dwell_s
        See `assign_picks`.
    """

    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    stops: StopConfig | DbscanConfig = field(default_factory=StopConfig)
    min_dwell_s: int = 4
    merge_gap_s: int = 20
    max_checkout_dwell_s: int = 15
    relabel_m: float = 1.2
    far_m: float = 3.0
    inserted_dwell_s: int = 4

    def __post_init__(self) -> None:
        if min(self.min_dwell_s, self.max_checkout_dwell_s, self.inserted_dwell_s) < 1:
            raise ConfigError("min_dwell_s, max_checkout_dwell_s and inserted_dwell_s must be at least 1 s")
        if min(self.merge_gap_s, self.relabel_m, self.far_m) < 0:
            raise ConfigError("merge_gap_s, relabel_m and far_m must not be negative")


@dataclass(frozen=True)
class Journeys:
    """The journey table in its three parts, observed or simulated alike.

    Attributes
    ----------
    visits
        Stops in order of session and time: `session_id, visit` (0.. within the session), `zone_id, t_s`
        (since the session's first fix), `dwell_s`. Passing by is not in it, nor is waiting at the tills or
        the door.
    picks
        Receipt lines of linked receipts, each at the visit where it was most likely taken: `session_id,
        visit, zone_id, sku_id, qty, unit_price, margin`.
    sessions
        `session_id, entry_ts, duration_s, has_receipt, is_complete` and the attributes. Without a receipt
        nothing is known about purchases: most such sessions are unlinked, not empty.
    report
        What was kept, corrected and dropped: counts by name.
    """

    visits: pd.DataFrame
    picks: pd.DataFrame
    sessions: pd.DataFrame
    report: dict[str, int]


def build_journeys(
    observations: Observations,
    store: Store,
    config: JourneyConfig | None = None,
    *,
    positions: pd.DataFrame | None = None,
) -> Journeys:
    """Turn tracks and receipts into journeys.

    Parameters
    ----------
    observations
        Raw tracks, receipts and session attributes.
    store
        The layout in which they were observed.
    config
        Thresholds.
    positions
        What `clean_tracks` gave for these tracks, where it is at hand; else it is computed.

    Returns
    -------
    journeys
        Every receipt line that has a track and a zone is in `picks` exactly once.
    """
    config = config or JourneyConfig()
    if positions is None:
        positions = clean_tracks(observations.tracks, store, config.cleaning)
    spans = compute_session_spans(observations.tracks, positions, store, config.cleaning)
    session_ids = pd.Index(spans[c.SESSION_ID])
    lines = _link_lines(observations.receipts, session_ids, store)
    session = np.asarray(pd.factorize(positions[c.SESSION_ID])[0], dtype="int64")
    rows = _collect_rows(session, positions, len(session_ids))
    bought = _compute_bought(lines, len(session_ids), store)
    if isinstance(config.stops, DbscanConfig):
        found = detect_clusters(session, rows.t_s, rows.xy, store, config=config.stops)
    else:
        found = detect_stops(session, rows.t_s, rows.xy, store, bought=bought, config=config.stops)
    stops = pd.DataFrame(
        {"session": found.session, "zone": found.zone, c.T_S: found.t_s, c.DWELL_S: found.dwell_s}
    ).assign(x=found.xy[:, 0], y=found.xy[:, 1])
    stops, _ = _merge_stops(_drop_short(stops, bought, config), config.merge_gap_s)
    stops, stop_of_line, line_report = assign_picks(
        stops,
        lines,
        rows,
        store,
        relabel_m=config.relabel_m,
        far_m=config.far_m,
        inserted_dwell_s=config.inserted_dwell_s,
    )
    stops, stop_of_line = _keep_shopping(stops, stop_of_line, store, config)
    visits, picks = _to_tables(stops, lines, stop_of_line, session_ids, store)
    sessions = _describe_sessions(spans, observations, lines)
    report = _count(observations, sessions, visits, lines) | line_report
    return Journeys(visits=visits, picks=picks, sessions=sessions, report=report)


def _link_lines(receipts: pd.DataFrame, session_ids: pd.Index, store: Store) -> pd.DataFrame:
    """Receipt lines of tracked sessions with `session` and `sku` as numbers."""
    number = session_ids.get_indexer(pd.Index(receipts[c.SESSION_ID]))
    lines = receipts.assign(session=number)[number >= 0]
    sku = lines[c.SKU_ID].map(store.sku_index).astype("int64")
    return lines.assign(sku=sku).sort_values(["session", c.BASKET_ID, c.SKU_ID], ignore_index=True)


def _collect_rows(session: IntArray, positions: pd.DataFrame, n_sessions: int) -> TrackRows:
    t_s = positions[c.T_S].to_numpy(dtype="int64")
    xy = positions[[c.X, c.Y]].to_numpy(dtype="float64")
    first = np.searchsorted(session, np.arange(n_sessions + 1))
    return TrackRows(first=first, t_s=t_s, xy=xy, speed_mps=compute_speeds(session, t_s, xy))


def _compute_bought(lines: pd.DataFrame, n_sessions: int, store: Store) -> BoolArray:
    """Whether something on the session's receipt stands in the zone, shape (n_sessions, n_zones)."""
    bought = np.zeros((n_sessions, len(store.zones)), dtype=bool)
    np.logical_or.at(bought, lines["session"].to_numpy(), store.stands.T[lines["sku"].to_numpy()])
    return bought


def _drop_short(stops: pd.DataFrame, bought: BoolArray, config: JourneyConfig) -> pd.DataFrame:
    """Leave out stops nowhere, and short ones where nothing was bought."""
    is_long = stops[c.DWELL_S] >= config.min_dwell_s
    is_bought = bought[stops["session"], stops["zone"]]
    return stops[(stops["zone"] >= 0) & (is_long | is_bought)].reset_index(drop=True)


def _merge_stops(stops: pd.DataFrame, gap_s: int) -> tuple[pd.DataFrame, IntArray]:
    """Join stops of one zone that follow each other closely; also the new row of each old one."""
    end = stops[c.T_S] + stops[c.DWELL_S]
    is_new = (stops["session"] != stops["session"].shift()) | (stops["zone"] != stops["zone"].shift())
    is_new |= stops[c.T_S] - end.shift() > gap_s
    group = is_new.cumsum().to_numpy(dtype="int64") - 1
    weighted = stops.assign(x=stops[c.X] * stops[c.DWELL_S], y=stops[c.Y] * stops[c.DWELL_S])
    merged = weighted.groupby(group).agg(
        {"session": "first", "zone": "first", c.T_S: "first", c.DWELL_S: "sum", c.X: "sum", c.Y: "sum"}
    )
    merged[[c.X, c.Y]] = merged[[c.X, c.Y]].div(merged[c.DWELL_S], axis=0)
    return merged, group


def _keep_shopping(
    stops: pd.DataFrame, stop_of_line: IntArray, store: Store, config: JourneyConfig
) -> tuple[pd.DataFrame, IntArray]:
    """Sort stops by time; drop waiting and short stops without a purchase; merge again."""
    is_checkout_zone = np.array([zone.zone_type == ZoneType.CHECKOUT for zone in store.zones])
    has_pick = np.zeros(len(stops), dtype=bool)
    has_pick[stop_of_line[stop_of_line >= 0]] = True
    at_checkout = is_checkout_zone[stops["zone"]]
    keep = has_pick | ((stops[c.DWELL_S] >= config.min_dwell_s) & ~at_checkout)
    stops = stops.assign(
        **{
            c.DWELL_S: stops[c.DWELL_S].where(
                ~at_checkout, stops[c.DWELL_S].clip(upper=config.max_checkout_dwell_s)
            )
        }
    )
    kept = stops[keep].sort_values(["session", c.T_S, "zone"], kind="stable")
    merged, group = _merge_stops(kept.reset_index(drop=True), config.merge_gap_s)
    new_row = np.full(len(stops) + 1, -1, dtype="int64")  # the last entry serves lines without a stop
    new_row[kept.index] = group
    return merged, new_row[stop_of_line]


def _to_tables(
    stops: pd.DataFrame, lines: pd.DataFrame, stop_of_line: IntArray, session_ids: pd.Index, store: Store
) -> tuple[pd.DataFrame, pd.DataFrame]:
    zone_ids = np.array([zone.zone_id for zone in store.zones], dtype=object)
    visit = stops.groupby("session").cumcount().to_numpy(dtype="int64")
    visits = pd.DataFrame(
        {
            c.SESSION_ID: session_ids[stops["session"]].to_numpy(),
            c.VISIT: visit,
            c.ZONE_ID: pd.Series(zone_ids[stops["zone"]], dtype="str"),
            c.T_S: stops[c.T_S].to_numpy(dtype="float64"),
            c.DWELL_S: stops[c.DWELL_S].to_numpy(dtype="float64"),
        }
    )
    has_stop = stop_of_line >= 0
    at = stop_of_line[has_stop]
    picks = lines[has_stop].assign(**{c.VISIT: visit[at], c.ZONE_ID: visits[c.ZONE_ID].to_numpy()[at]})
    picks = picks.sort_values(["session", c.VISIT, c.SKU_ID], kind="stable", ignore_index=True)
    return visits, picks[list(c.PICK_COLUMNS)]


def _describe_sessions(spans: pd.DataFrame, observations: Observations, lines: pd.DataFrame) -> pd.DataFrame:
    has_receipt = np.zeros(len(spans), dtype=bool)
    has_receipt[lines["session"]] = True
    described = spans.assign(**{c.HAS_RECEIPT: has_receipt})
    described = described[[c.SESSION_ID, c.ENTRY_TS, c.DURATION_S, c.HAS_RECEIPT, c.IS_COMPLETE]]
    return described.merge(observations.sessions, on=c.SESSION_ID, how="left", validate="one_to_one")


def _count(
    observations: Observations, sessions: pd.DataFrame, visits: pd.DataFrame, lines: pd.DataFrame
) -> dict[str, int]:
    n_receipts = observations.receipts[c.BASKET_ID].nunique()
    return {
        "n_sessions": len(sessions),
        "n_sessions_without_positions": len(observations.sessions) - len(sessions),
        "n_sessions_without_receipt": int((~sessions[c.HAS_RECEIPT]).sum()),
        "n_sessions_incomplete": int((~sessions[c.IS_COMPLETE]).sum()),
        "n_sessions_without_stops": len(sessions) - visits[c.SESSION_ID].nunique(),
        "n_receipts": n_receipts,
        "n_receipts_without_session": n_receipts - lines[c.BASKET_ID].nunique(),
        "n_visits": len(visits),
        "n_lines": len(lines),
    }
