"""Write what was measured, and what follows from it for a chain of stores, into docs/scale.md.

`python -m benchmarks.speed.scale` reads benchmarks/results/speed.json and replaces what stands between the
two marks of the page, so the page never says anything else than the last measurement does.
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.common import RESULTS, ROOT
from layouts import write_text

PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
SHOPPERS_PER_DAY = 2000
CHAIN_STORES, CHAIN_VARIANTS, CHAIN_REPLICATIONS = 2000, 20, 30


def main() -> None:
    result = json.loads((RESULTS / "speed.json").read_text(encoding="utf-8"))
    write_text(PAGE, fill(PAGE.read_text(encoding="utf-8"), describe(result)))
    print(f"Written to {PAGE}")


def fill(page: str, measured: str) -> str:
    """Put a text between the marks of a page."""
    head, rest = page.split(BEGIN)
    return head + BEGIN + measured + END + rest.split(END)[1]


def describe(result: dict[str, Any]) -> str:
    """Tables of what a result of the speed benchmark holds, in Markdown."""
    machine = result["machine"]
    how = "a quick look at a busy machine" if result["settings"]["quick"] else "a full measurement"
    parts = [
        f"\nMeasured on {result['date']}, {how} (`make bench-speed`): {machine['n_cores']} cores of "
        f"{machine['processor']}, {machine['memory_gib']} GiB. Bundled supermarket and model, "
        f"{result['settings']['shoppers']:,} shoppers a replication unless the table says otherwise.\n"
    ]
    for key, write in (
        ("shoppers", _describe_costs),
        ("ab", _describe_runs),
        ("small", describe_small),
        ("shoppers", _describe_shoppers),
        ("memory", _describe_memory),
        ("stores", _describe_stores),
        ("bars", _describe_bars),
    ):
        if result.get(key) and not (key == "ab" and result["settings"]["quick"]):  # mostly starting
            parts.append(write(result[key]))
    return "\n".join(parts) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def _describe_costs(shoppers: dict[str, Any]) -> str:
    """Cost of a journey, a day, a comparison and a chain on one core, from the run nearest to a day."""
    run = min(shoppers["runs"], key=lambda each: abs(each["shoppers"] - SHOPPERS_PER_DAY))
    journey_s = run["cpu_s"] / run["shoppers"]
    day_s = SHOPPERS_PER_DAY * journey_s
    comparison_s = 2 * CHAIN_REPLICATIONS * day_s
    chain_s = CHAIN_STORES * (1 + CHAIN_VARIANTS) * CHAIN_REPLICATIONS * day_s
    chain = f"a chain: {CHAIN_STORES:,} stores x (today + {CHAIN_VARIANTS} variants) x {CHAIN_REPLICATIONS}"
    rows = [
        ["one journey", f"{1000 * journey_s:.2f} ms"],
        [f"one store day ({SHOPPERS_PER_DAY:,} shoppers)", f"{day_s:.1f} s"],
        [f"one A/B ({CHAIN_REPLICATIONS} replications, 2 layouts)", f"{comparison_s / 60:.1f} min"],
        [chain, f"{chain_s / 3600:,.0f} h; {chain_s / 3600 / 100:,.1f} h of 100 cores"],
    ]
    how = (
        f"Processor time, from a replication of {run['shoppers']:,} that is lived and written without tracks"
    )
    return f"{how}:\n\n" + _table(["what", "costs"], rows)


def _describe_runs(runs: list[dict[str, Any]]) -> str:
    rows = [
        [str(run["workers"]), f"{run['wall_s']:.0f}", f"{run['journeys_per_second']:,.0f}"] for run in runs
    ]
    size = f"{runs[0]['shoppers']:,} x {runs[0]['replications']} x {runs[0]['layouts']}"
    return (
        f"Whole `storesim ab` of {size}, start-up and writing included; its folder has "
        f"{runs[0]['folder_mib']:.0f} MiB:\n\n" + _table(["workers", "wall s", "journeys a second"], rows)
    )


def describe_small(small: dict[str, Any]) -> str:
    """Table of small replications, together and one cohort at a time."""
    rows = [
        [name, f"{small[key]['journeys_per_second']:,.0f}", f"{small[key]['planned_per_second']:,.0f}"]
        for name, key in (
            (f"{small['tasks_in_a_lot']} cohorts together, as they are lived", "together"),
            ("one cohort at a time", "alone"),
        )
    ]
    times = [f"{small[f'times_{what}']:.1f}" for what in ("journeys_per_second", "planned_per_second")]
    size = f"{small['shoppers']} shoppers x {small['replications']} x {small['layouts']} layouts"
    return (
        f"Small replications, {size}, one process; {100 * small['share_of_parts_alike']:.0f} % of their "
        "files are the same both ways:\n\n"
        + _table(["", "journeys a second", "of it planning alone"], [*rows, ["ratio", *times]])
    )


def _describe_shoppers(shoppers: dict[str, Any]) -> str:
    rows = [
        [f"{run['shoppers']:,}", f"{run['cpu_s']:.1f}", f"{1000 * run['cpu_s'] / run['shoppers']:.2f}"]
        for run in shoppers["runs"]
    ]
    return f"Shoppers in one replication; slope of the logarithms {shoppers['slope']:.3f}:\n\n" + _table(
        ["shoppers", "CPU s", "ms a journey"], rows
    )


def _describe_memory(memory: dict[str, Any]) -> str:
    rows = [
        [f"{run['shoppers']:,}", f"{run['replications']:,}", f"{run['peak_mib']:,.0f}"]
        for run in [*memory["runs"], *memory["runs_of_shoppers"]]
    ]
    return "Greatest memory of the process, one worker:\n\n" + _table(
        ["shoppers", "replications", "MiB"], rows
    )


def _describe_stores(stores: list[dict[str, Any]]) -> str:
    rows = [
        [
            row["store"],
            str(row["zones"]),
            f"{row['skus']:,}",
            f"{row['stops_per_journey']:.1f}",
            f"{row['ms_per_journey']:.2f}",
            f"{row['ms_per_stop']:.3f}",
            f"{row['geometry_s']:.1f}",
        ]
        for row in stores
    ]
    head = ["store", "zones", "SKUs", "stops", "ms a journey", "ms a stop", "geometry, once for a worker [s]"]
    return "Zones and SKUs, with the multi-store model, CPU time:\n\n" + _table(head, rows)


def _describe_bars(bars: list[dict[str, str]]) -> str:
    rows = [[bar["what"], bar["measured"], bar["bar"], bar["holds"]] for bar in bars]
    return "Bars that were set beforehand:\n\n" + _table(["", "measured", "bar", "holds"], rows)


if __name__ == "__main__":
    main()
