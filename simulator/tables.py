"""From a finished run to the tables that an observed day has too."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from analysis import compute_occupancy, compute_zone_entries, compute_zone_kpis
from layouts import ModelError
from simulator.arrivals import opening_hours_s
from simulator.luck import FloatArray, IntArray
from simulator.store_model import StoreModel


@dataclass(frozen=True, eq=False)
class ReplicationTables:
    """What happened in one replication, in the tables and columns of an observed day.

    Parameters
    ----------
    tracks
        ``session_id, t, x, y``: true positions [m] at every whole second.
    receipts
        ``basket_id, session_id, sku_id, qty, unit_price, margin, checkout_ts``: a row per basket and SKU.
    sessions
        ``session_id, entry_ts, duration_s, minutes``, the attributes, ``waiting_s, n_items, missed, revenue,
        profit``: a row per shopper. Waiting is time in a queue, without the service. Where a mechanism is on,
        ``outcome`` too, see :class:`Outcome`, and ``size`` of groups and ``carrier`` where these are on.
    visits
        ``session_id, visit, zone_id, t_s, dwell_s``: the stops; `t_s` since the session's first position.
    picks
        ``session_id, visit, zone_id, sku_id, qty, unit_price, margin, planned``: what was taken where.
    zones
        KPIs of each zone, see :func:`analysis.compute_zone_kpis`.
    occupancy
        Person-seconds in each cell, shape (n_cells,).
    totals
        ``profit_per_shopper, revenue_per_shopper`` [currency], ``items_per_shopper, minutes_per_shopper``;
        everybody who enters counts. With ``lost``, ``lost_profit_per_shopper, lost_revenue_per_shopper``
        too; without, and where the itineraries know it, ``expected_profit_per_shopper``: the profit with
        unplanned purchases at their expectation.
    lost
        ``session_id, visit, zone_id, sku_id, qty, unit_price, margin, planned, reason``: what was wanted at a
        stop and not sold; None where no mechanism is on that could lose a sale.
    """

    tracks: pd.DataFrame
    receipts: pd.DataFrame
    sessions: pd.DataFrame
    visits: pd.DataFrame
    picks: pd.DataFrame
    zones: pd.DataFrame
    occupancy: FloatArray
    totals: dict[str, float]
    lost: pd.DataFrame | None = None


def build_tables(model: StoreModel, *, keeps_tracks: bool = True) -> ReplicationTables:
    """Turn a finished run into tables.

    Session and basket identifiers carry the replication of ``model.luck`` and the shopper's index. Without
    `keeps_tracks` the table of tracks has no row.

    Raises
    ------
    ModelError
        If somebody is still inside.
    """
    if model.running:
        raise ModelError(f"the run is not over: {model.n_inside} shoppers inside; call run() first")
    names = _Names(model)
    shopper, t_s, xy = compute_positions(model)
    first_s = np.ceil(model.population.arrival_s)
    x, y = xy.T
    kept = slice(None if keeps_tracks else 0)
    # what is counted here tells sessions apart by number: a row for each second, and numbers cost least
    positions = pd.DataFrame({"session_id": shopper, "t_s": t_s - first_s[shopper], "x": x, "y": y})
    entries = compute_zone_entries(positions, model.store)
    picks = _build_picks(model, names)
    numbered = picks.assign(session_id=model.taken.pick_shopper)
    receipts = _build_receipts(model, names)
    sessions = _build_sessions(model, names)
    lost = _build_lost(model, names)
    return ReplicationTables(
        tracks=pd.DataFrame(
            {
                "session_id": names.sessions(shopper[kept]),
                "t": names.times(t_s[kept]),
                "x": x[kept],
                "y": y[kept],
            }
        ),
        receipts=receipts,
        sessions=sessions,
        visits=_build_visits(model, names, first_s),
        picks=picks,
        zones=compute_zone_kpis(entries, numbered, model.store, model.population.n),
        occupancy=compute_occupancy(positions, model.store),
        totals=_compute_totals(sessions, lost) | _expect_profit(model),
        lost=lost,
    )


def compute_positions(model: StoreModel) -> tuple[IntArray, IntArray, FloatArray]:
    """Find where everybody was at every whole second between entering and leaving.

    Positions lie on the straight lines between neighbouring cells, hence on the floor.

    Returns
    -------
    shopper, t_s, xy
        Shape (n,), (n,) [s since the opening of day 0] and (n, 2) [m], by shopper, then time.
    """
    population = model.population
    walks = model.walk_table
    if not len(walks):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2))
    knot_owner, knot_s = np.repeat(walks.shopper, walks.n_rows), walks.compute_times_s(model.speed_mps)
    first_s = np.ceil(population.arrival_s).astype(np.int64)
    n_seconds = np.maximum(np.floor(model.exit_s).astype(np.int64) - first_s + 1, 0)
    shopper = np.repeat(np.arange(population.n), n_seconds)
    t_s = np.arange(len(shopper)) - np.repeat(np.cumsum(n_seconds) - n_seconds - first_s, n_seconds)
    # one axis for all: each shopper's seconds behind those of the one before, with a gap
    shift_s = np.concatenate([[0], np.cumsum(n_seconds + 3)[:-1]]) - first_s + 1
    at_s, knot_at_s = t_s + shift_s[shopper], knot_s + shift_s[knot_owner]
    begin_s = np.full(population.n, np.inf)  # before they walk they stand where they will start
    np.minimum.at(begin_s, knot_owner, knot_at_s)
    at_s = np.maximum(at_s, begin_s[shopper])
    x, y = (np.interp(at_s, knot_at_s, knots) for knots in model.store.walks.seen_xy[walks.cells].T)
    return shopper, t_s, np.stack([x, y]).T  # by column, as tables take them


class _Names:
    """Identifiers and timestamps of a run."""

    def __init__(self, model: StoreModel) -> None:
        self._replication, n = model.luck.replication, model.population.n
        self._indices = [f"{index:05d}" for index in range(n)]
        self._sessions = [f"r{self._replication}-s{index}" for index in self._indices]
        self._zones = [zone.zone_id for zone in model.store.zones]
        self._skus = [sku.sku_id for sku in model.store.skus]
        self._opening = np.datetime64(model.config.first_day, "us") + np.timedelta64(
            round(opening_hours_s(model.store)[0] * 1e6), "us"
        )

    def sessions(self, shopper: IntArray) -> pd.Series:
        return _take_text(self._sessions, shopper)

    def baskets(self, shopper: IntArray) -> pd.Series:
        return _take_text([f"r{self._replication}-b{index}" for index in self._indices], shopper)

    def zones(self, zone: IntArray) -> pd.Series:
        return _take_text(self._zones, zone)

    def skus(self, sku: IntArray) -> pd.Series:
        return _take_text(self._skus, sku)

    def times(self, t_s: npt.NDArray[np.number]) -> pd.DatetimeIndex:
        """Timestamps (UTC) of seconds since the opening of day 0."""
        microseconds = np.round(np.asarray(t_s) * 1_000_000).astype("timedelta64[us]")
        return pd.DatetimeIndex(self._opening + microseconds).tz_localize("UTC")


def _take_text(texts: list[str], index: IntArray) -> pd.Series:
    """Spread texts over rows; by way of Arrow, as millions of rows go through here."""
    rows = pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), pa.array(texts, pa.string()))
    return pd.Series(pd.StringDtype(na_value=np.nan).__from_arrow__(rows.cast(pa.large_string())))


def _build_visits(model: StoreModel, names: _Names, first_s: FloatArray) -> pd.DataFrame:
    plans = model.taken
    return pd.DataFrame(
        {
            "session_id": names.sessions(plans.stop_shopper),
            "visit": np.arange(plans.n_stops) - plans.stop_offsets[plans.stop_shopper],
            "zone_id": names.zones(plans.stop_zone),
            "t_s": model.stop_s - first_s[plans.stop_shopper],
            "dwell_s": plans.stop_dwell_s,
        }
    )


def _build_picks(model: StoreModel, names: _Names) -> pd.DataFrame:
    plans = model.taken
    return pd.DataFrame(
        {
            "session_id": names.sessions(plans.pick_shopper),
            "visit": plans.pick_stop - plans.stop_offsets[plans.pick_shopper],
            "zone_id": names.zones(plans.stop_zone[plans.pick_stop]),
            "sku_id": names.skus(plans.pick_sku),
            "qty": plans.pick_qty,
            "unit_price": model.price[plans.pick_sku],
            "margin": model.margin[plans.pick_sku],
            "planned": plans.pick_planned,
        }
    )


def _build_receipts(model: StoreModel, names: _Names) -> pd.DataFrame:
    """Sum the picks to one line per basket and SKU."""
    plans, n_skus = model.taken, model.store.n_skus
    line, row = np.unique(plans.pick_shopper * n_skus + plans.pick_sku, return_inverse=True)
    shopper, sku = np.divmod(line, n_skus)
    return pd.DataFrame(
        {
            "basket_id": names.baskets(shopper),
            "session_id": names.sessions(shopper),
            "sku_id": names.skus(sku),
            "qty": np.bincount(row, weights=plans.pick_qty, minlength=len(line)).astype(np.int64),
            "unit_price": model.price[sku],
            "margin": model.margin[sku],
            "checkout_ts": names.times(model.end_s[shopper]),
        }
    )


def _build_sessions(model: StoreModel, names: _Names) -> pd.DataFrame:
    population, plans, live = model.population, model.taken, model.live
    duration_s = model.exit_s - population.arrival_s
    price, margin = model.price[plans.pick_sku], model.margin[plans.pick_sku]
    waiting_s = np.nan_to_num(model.start_s - model.ready_s)
    more: dict[str, npt.NDArray[np.generic]] = {}
    if live is not None:
        waiting_s = waiting_s + live.waited_s
        more = {"outcome": live.outcome}
        more |= {} if model.config.groups is None else {"size": live.size}
        more |= {} if model.config.carriers is None else {"carrier": live.carrier}
    return pd.DataFrame(
        {
            "session_id": names.sessions(np.arange(population.n)),
            "entry_ts": names.times(population.arrival_s),
            "duration_s": duration_s,
            "minutes": duration_s / 60,
            **population.attributes,
            "waiting_s": waiting_s,
            "n_items": plans.n_items,
            "missed": plans.missed,
            "revenue": np.bincount(plans.pick_shopper, plans.pick_qty * price, population.n),
            "profit": np.bincount(plans.pick_shopper, plans.pick_qty * margin, population.n),
            **more,
        }
    )


def _build_lost(model: StoreModel, names: _Names) -> pd.DataFrame | None:
    """What was wanted and not sold, with the reason."""
    if model.live is None:
        return None
    plans, lost = model.itineraries, model.live.lost
    stop, sku, qty, is_planned = (np.array([row[i] for row, _ in lost], dtype=np.int64) for i in range(4))
    return pd.DataFrame(
        {
            "session_id": names.sessions(plans.stop_shopper[stop]),
            "visit": stop - plans.stop_offsets[plans.stop_shopper[stop]],
            "zone_id": names.zones(plans.stop_zone[stop]),
            "sku_id": names.skus(sku),
            "qty": qty,
            "unit_price": model.price[sku],
            "margin": model.margin[sku],
            "planned": is_planned.astype(bool),
            "reason": pd.Series([reason for _, reason in lost], dtype="str"),
        }
    )


def _compute_totals(sessions: pd.DataFrame, lost: pd.DataFrame | None) -> dict[str, float]:
    """Average over everybody who entered; sums are exact, so they do not depend on the order of rows."""
    columns = {"profit": "profit", "revenue": "revenue", "items": "n_items", "minutes": "minutes"}
    n = max(len(sessions), 1)
    totals = {f"{name}_per_shopper": math.fsum(sessions[column]) / n for name, column in columns.items()}
    if lost is not None:
        for name, column in (("profit", "margin"), ("revenue", "unit_price")):
            totals[f"lost_{name}_per_shopper"] = math.fsum(lost["qty"] * lost[column]) / n
    return totals


def _expect_profit(model: StoreModel) -> dict[str, float]:
    """Profit with unplanned purchases at their expectation; nothing where the day may spoil a purchase."""
    plans = model.itineraries
    if model.live is not None or plans.unplanned_profit is None:
        return {}
    planned = (plans.pick_qty * model.margin[plans.pick_sku])[plans.pick_planned]
    total = math.fsum(planned) + math.fsum(plans.unplanned_profit)
    return {"expected_profit_per_shopper": total / max(plans.n_shoppers, 1)}
