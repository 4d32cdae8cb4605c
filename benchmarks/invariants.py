"""What must hold of any replication, each check with the number of cases looked at and the faults.

Positions are held against the polygons themselves, purchases against the planogram and the stops, money
against the receipts; nothing here asks the cells on which the simulation walks whether they are right.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import shapely

from layouts import Store
from models import ShopperModel
from simulator import (
    Luck,
    ReplicationTables,
    StoreModel,
    build_tables,
    draw_population,
    plan_itineraries,
)

CENT = 0.005
EXIT_M = 1.0  # how far from the exit's point the last whole second may find a leaver, besides a second's walk
Checks = dict[str, tuple[int, int]]  # what must hold -> cases looked at, faults


def check_replication(store: Store, model: ShopperModel, n_shoppers: int, seed: int) -> Checks:
    """Live one replication and look at everything that it left."""
    luck = Luck(seed, 0)
    population, baskets = draw_population(model, store, n_shoppers, luck)
    living = StoreModel(
        store, population, plan_itineraries(model, store, baskets, n_shoppers, luck), luck=luck
    )
    living.run()
    tables = build_tables(living)
    return (
        check_positions(store, tables.tracks)
        | check_walks(store, living)
        | check_leaving(store, tables, living, n_shoppers)
        | check_purchases(store, tables)
        | check_money(store, tables, living, n_shoppers)
    )


def check_positions(store: Store, tracks: pd.DataFrame) -> Checks:
    """Hold every second of every shopper against the floor's, fixtures' and obstacles' polygons."""
    x, y = tracks["x"].to_numpy(), tracks["y"].to_numpy()
    on_floor = shapely.intersects_xy(store.floor, x, y)
    in_fixture = np.zeros(len(x), dtype=bool)
    in_obstacle = np.zeros(len(x), dtype=bool)
    for inside, polygons in (
        (in_fixture, [fixture.polygon for fixture in store.fixtures]),
        (in_obstacle, store.obstacles),
    ):
        for polygon in polygons:
            shapely.prepare(polygon)
            inside |= shapely.contains_xy(polygon, x, y)
    return {
        "seconds on the floor": (len(x), int((~on_floor).sum())),
        "seconds not in a fixture": (len(x), int(in_fixture.sum())),
        "seconds not in an obstacle": (len(x), int(in_obstacle.sum())),
    }


def check_walks(store: Store, living: StoreModel) -> Checks:
    """Hold every distinct step that anybody took, as a line, against the same polygons."""
    cells = [walk.cells for walks in living.walks for walk in walks]
    steps = np.unique(
        np.concatenate([np.stack([c[:-1], c[1:]], axis=1) for c in cells if len(c) > 1]), axis=0
    )
    lines = shapely.linestrings(store.grid.xy[steps])
    shapes = [fixture.polygon for fixture in store.fixtures] + list(store.obstacles)
    crosses = np.zeros(len(lines), dtype=bool)
    for shape in shapes:
        crosses |= shapely.relate_pattern(lines, shape, "T********")
    crosses |= ~shapely.covered_by(lines, store.floor)
    return {"distinct steps crossing nothing": (len(lines), int(crosses.sum()))}


def check_leaving(store: Store, tables: ReplicationTables, living: StoreModel, n_shoppers: int) -> Checks:
    """Everybody who entered has left, by an exit, after at least a second inside."""
    is_out = np.isfinite(living.exit_s) & (living.exit_s > living.population.arrival_s)
    n_inside = living.n_inside + len(living.agents)
    last = tables.tracks.groupby("session_id", sort=True)[["x", "y"]].last()
    doors = np.array([door.xy for door in store.exits])
    gap_m = np.linalg.norm(last.to_numpy()[:, None] - doors[None], axis=2).min(axis=1)
    return {
        "shoppers who left": (
            n_shoppers,
            int((~is_out).sum()) + n_inside + n_shoppers - len(tables.sessions),
        ),
        "last seen at an exit": (n_shoppers, int((gap_m > EXIT_M + living.population.speed_mps).sum())),
    }


def check_purchases(store: Store, tables: ReplicationTables) -> Checks:
    """Every purchase is of a SKU that stands where its shopper stopped, and was seen to stand there."""
    stands = {(item.zone_id, item.sku_id) for item in store.placements}
    visits = tables.visits.rename(columns={"zone_id": "zone_id_visit"})
    columns = ["session_id", "visit", "zone_id_visit", "t_s", "dwell_s"]
    picks = tables.picks.merge(visits[columns], on=["session_id", "visit"], how="left")
    is_there = [pair in stands for pair in zip(picks["zone_id"], picks["sku_id"], strict=True)]
    is_visited = picks["zone_id"].eq(picks["zone_id_visit"])
    per_line = picks.groupby(["session_id", "sku_id"])["qty"].sum()
    receipts = tables.receipts.set_index(["session_id", "sku_id"])["qty"]
    unlike = per_line.subtract(receipts, fill_value=0).ne(0) if len(per_line) or len(receipts) else per_line
    n_seen, n_elsewhere = count_stops_elsewhere(store, tables.tracks, picks)
    return {
        "purchases of what stands there": (len(picks), len(picks) - sum(is_there)),
        "purchases at a stop of the shopper": (len(picks), int((~is_visited).sum())),
        "receipt lines that are the picks": (len(receipts), int(unlike.sum())),
        "purchases with the shopper's position in the zone": (n_seen, n_elsewhere),
    }


def count_stops_elsewhere(store: Store, tracks: pd.DataFrame, picks: pd.DataFrame) -> tuple[int, int]:
    """Count purchases whose stop spans a whole second, and those with the shopper outside the zone then."""
    first = tracks.groupby("session_id").indices
    second = np.ceil(picks["t_s"].to_numpy() - 1e-6)
    is_seen = second <= picks["t_s"] + picks["dwell_s"]
    start = np.array([first[session][0] for session in picks["session_id"]], dtype=np.int64)
    xy = tracks[["x", "y"]].to_numpy()[(start + second.astype(np.int64))[is_seen.to_numpy()]]
    polygons = {zone.zone_id: zone.polygon for zone in store.zones}
    zones = np.array([polygons[zone_id] for zone_id in picks.loc[is_seen, "zone_id"]], dtype=object)
    return len(xy), int((shapely.distance(zones, shapely.points(xy)) > 1e-6).sum())


def check_money(store: Store, tables: ReplicationTables, living: StoreModel, n_shoppers: int) -> Checks:
    """Receipts, picks, sessions, zones, tills and totals tell of the same money, to the cent."""
    receipts, picks, totals = tables.receipts, tables.picks, tables.totals
    revenue = float((receipts["qty"] * receipts["unit_price"]).sum())
    profit = float((receipts["qty"] * receipts["margin"]).sum())
    pairs = [
        (revenue, totals["revenue_per_shopper"] * n_shoppers),
        (profit, totals["profit_per_shopper"] * n_shoppers),
        (float(receipts["qty"].sum()), totals["items_per_shopper"] * n_shoppers),
        (profit, float(tables.zones["profit"].sum()) * n_shoppers),
        (float(len(picks)), float(tables.zones["purchases"].sum()) * n_shoppers),
        (revenue, living.revenue),
        (float(receipts["basket_id"].nunique()), float(living.n_served)),
    ]
    spent = (receipts["qty"] * receipts["unit_price"]).groupby(receipts["session_id"]).sum()
    sessions = tables.sessions.set_index("session_id")["revenue"]
    gap = sessions.subtract(spent.reindex(sessions.index, fill_value=0.0)).abs()
    prices = {sku.sku_id: (sku.price, sku.margin) for sku in store.skus}
    charged = zip(receipts["sku_id"], receipts["unit_price"], receipts["margin"], strict=True)
    return {
        "sums that agree to the cent": (len(pairs), sum(abs(a - b) >= CENT for a, b in pairs)),
        "sessions whose receipt agrees": (len(sessions), int((gap >= CENT).sum())),
        "lines at the catalogue's price": (len(receipts), sum(prices[s] != (p, m) for s, p, m in charged)),
    }
