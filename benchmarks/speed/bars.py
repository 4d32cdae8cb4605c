"""The bars that speed and growth are held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.speed.walking import ALONE

AB_S = 150.0  # 2,000 shoppers x 30 replications x 2 layouts on two cores
JOURNEYS_PER_S = 1000.0
MOVES_PER_S = 5e6  # cell steps of the walking part alone
TIMES_ONE_BY_ONE = 50.0
TIMES_TWO_WORKERS = 1.8
LONG_RUN = 16  # replications; in a shorter run, starting takes most of the time
SLOPE = (0.95, 1.1)
GROWTH_MIB = 50.0


def hold_against_bars(measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compare what was measured with the bars; what was not measured is left out.

    Returns
    -------
    bars
        `what`, `measured`, `bar` and `holds` of each, in words.
    """
    bars: list[dict[str, Any]] = []

    def hold(what: str, value: float, bar: str, holds: bool, form: str = "{:.2f}") -> None:
        bars.append(
            {"what": what, "measured": form.format(value), "bar": bar, "holds": "yes" if holds else "no"}
        )

    ab = [run for run in measured.get("ab", []) if (run["shoppers"], run["replications"]) == (2000, 30)]
    if ab:  # of this size: in a shorter run, starting takes most of the time
        best = max(ab, key=lambda run: run["workers"])
        name, speed = "A/B of 2,000 x 30 x 2", best["journeys_per_second"]
        hold(f"{name} [s]", best["wall_s"], f"at most {AB_S:.0f}", best["wall_s"] <= AB_S, "{:.1f}")
        bar = f"at least {JOURNEYS_PER_S:,.0f}"
        hold(f"{name} [journeys/s]", speed, bar, speed >= JOURNEYS_PER_S, "{:,.0f}")
    for run in measured.get("runs", []):
        if (run["policy"], run["workers"]) == ("GPT-2", 2) and run["replications"] >= LONG_RUN:
            name, times = f"2 workers beside 1, {run['replications']} replications", run["times_as_fast"]
            hold(name, times, f"at least {TIMES_TWO_WORKERS}", times >= TIMES_TWO_WORKERS)
    if walking := measured.get("walking"):
        moves = walking[ALONE]["moves_per_second"] / 1e6
        hold(
            "walking alone [M steps/s]",
            moves,
            f"at least {MOVES_PER_S / 1e6:.0f}",
            moves >= MOVES_PER_S / 1e6,
        )
    if alone := measured.get("one_by_one"):
        times = alone["times_as_fast"]
        hold(
            "beside one agent at a time", times, f"at least {TIMES_ONE_BY_ONE:.0f}", times >= TIMES_ONE_BY_ONE
        )
    if shoppers := measured.get("shoppers"):
        slope, (low, high) = shoppers["slope"], SLOPE
        hold("log-log slope in shoppers", slope, f"{low} to {high}", low <= slope <= high, "{:.3f}")
    if memory := measured.get("memory"):
        growth = memory["growth_mib"]
        span = f"{memory['runs'][0]['replications']} to {memory['runs'][-1]['replications']:,}"
        hold(
            f"memory from {span} replications [MiB]",
            growth,
            f"at most {GROWTH_MIB:.0f}",
            growth <= GROWTH_MIB,
        )
    if kills := measured.get("kills"):
        same, n = kills["with_same_bytes"], len(kills["runs"])
        hold("runs with killed workers, same bytes", same, f"all {n}", same == n, "{:.0f}")
    return bars
