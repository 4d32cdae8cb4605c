"""How many visits does a new store need? Divergence from its held-out days against visits learned from.

Usage: python -m benchmarks.paper.finetuning [--quick] [--data DIR]

For 8, 16, ..., 2048 visits of market-b, three ways: from scratch, fine-tuned from a model of market-a, and
fine-tuned from the bundled multi-store model (with no visit at all, too). Then the bundled racetrack, a store
that no training saw, walked by reference shoppers. What is compared are zone visits and receipt lines by
zone and category of as many simulated shoppers as were held out, seen through the measurement layer, with
noise floors over sessions (natural logarithms). The hypotheses of a model take turns among the shoppers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis import (
    Observations,
    SessionSample,
    estimate_divergence_floor,
    jensen_shannon_divergence,
    load_observations,
)
from benchmarks.common import CACHE, ROOT, add_data_option, find_market, print_table, write_result
from benchmarks.fidelity.realism import FIGURES, measure_sessions, simulate_counts
from layouts import Store, StoresimError, bundled_store, load_store
from models import ShopperModel, load_model
from models.finetuning import take_sessions
from scenarios.finetuning import finetune
from scenarios.inputs import open_model
from scenarios.observe import observe_reference_shopper
from scenarios.training import train

SIZES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
QUICK_SIZES = (8, 64, 512)
N_SMALL, N_DRAWS = 64, 3  # up to so many visits, and with all of them, several draws are averaged
N_RACETRACK = 3000  # visits, half of them held out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_option(parser)
    parser.add_argument("--quick", action="store_true", help="three sizes, one draw each")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    multistore = open_model("bundled:multistore")
    curve = measure_curve(options.data, multistore, quick=options.quick)
    racetrack = measure_racetrack(multistore, quick=options.quick)
    for title, rows in (("market-b", curve), ("racetrack", racetrack)):
        print_table(
            f"{title}: divergence (times the floor)",
            ["learned from", "visits", *FIGURES],
            [(row["source"], row["visits"], *(_show(row, name) for name in FIGURES)) for row in rows],
        )
    write_result(
        "paper-finetuning", {"quick": options.quick, "curve": curve, "racetrack": racetrack}, out=options.out
    )
    if not options.quick:
        plot_curve(curve, ROOT / "docs" / "images" / "finetuning.png")


def _show(row: dict[str, Any], name: str) -> str:
    return f"{row[name]['value']:.4f} ({row[name]['value'] / row[name]['floor']:.1f})"


def measure_curve(data: Path, multistore: ShopperModel, *, quick: bool) -> list[dict[str, Any]]:
    """Every size and source on market-b."""
    market = find_market(data, "market-b")
    store = load_store(market / "store")
    observed = load_observations(market / "observations", store)
    held = measure_sessions(load_observations(market / "held-out-days", store), store)
    market_a = fit_market_a(data)
    n_all = int(observed.tracks["session_id"].nunique())
    sizes = [*(QUICK_SIZES if quick else SIZES), n_all]
    rows = [measure("multistore", 0, store, multistore, held)]
    for n in sizes:
        for draw in range(N_DRAWS if (n <= N_SMALL or n == n_all) and not quick else 1):
            for source, fit in _sources(store, observed, market_a, multistore):
                start = time.perf_counter()
                try:
                    model = fit(n, draw)
                except StoresimError as error:
                    print(f"{source}, {n} visits: {error}", flush=True)
                    continue
                seconds = time.perf_counter() - start
                rows.append(measure(source, n, store, model, held) | {"draw": draw, "fit_s": seconds})
                print(source, n, *(_show(rows[-1], name) for name in FIGURES), flush=True)
    return average_draws(rows)


def _sources(
    store: Store, observed: Observations, market_a: ShopperModel, multistore: ShopperModel
) -> Iterator[tuple[str, Callable[[int, int], ShopperModel]]]:
    def scratch(n: int, draw: int) -> ShopperModel:
        part = take_sessions(observed, n, np.random.default_rng(draw))
        return train(store, part, rng=np.random.default_rng(draw), min_journeys=2)

    def finetuned(prior: ShopperModel) -> Callable[[int, int], ShopperModel]:
        return lambda n, draw: finetune(prior, store, observed, n_sessions=n, seed=draw)

    yield "scratch", scratch
    yield "market-a", finetuned(market_a)
    yield "multistore", finetuned(multistore)


def fit_market_a(data: Path) -> ShopperModel:
    """Model of the other market, kept for the next time."""
    folder = CACHE / "market-a-small-s0"
    if folder.is_dir():
        try:
            return load_model(folder)
        except StoresimError:  # of an earlier version
            pass
    market = find_market(data, "market-a")
    store = load_store(market / "store")
    observed = load_observations(market / "observations", store)
    return train(store, observed, preset="small", rng=np.random.default_rng(0))


def measure_racetrack(multistore: ShopperModel, *, quick: bool) -> list[dict[str, Any]]:
    """Zero-shot and fine-tuned on a store of another format that no training saw."""
    store = bundled_store("racetrack")
    both = observe_reference_shopper(store, n_shoppers=N_RACETRACK, seed=11)
    names = np.sort(both.tracks["session_id"].unique())
    kept = set(np.random.default_rng(0).permutation(names)[: len(names) // 2])
    observed, rest = _part(both, kept), _part(both, set(names) - kept)
    held = measure_sessions(rest, store)
    rows = [measure("multistore", 0, store, multistore, held)]
    for n in (64,) if quick else (8, 64, 512):
        model = finetune(multistore, store, observed, n_sessions=n)
        rows.append(measure("multistore", n, store, model, held))
    model = train(store, observed, rng=np.random.default_rng(0))
    return [*rows, measure("scratch", len(kept), store, model, held)]


def _part(observed: Observations, sessions: set[str]) -> Observations:
    return Observations(
        *(
            table[table["session_id"].isin(sessions)].reset_index(drop=True)
            for table in (observed.tracks, observed.receipts, observed.sessions)
        )
    )


def measure(source: str, n: int, store: Store, model: ShopperModel, held: SessionSample) -> dict[str, Any]:
    """Simulate as many shoppers as were held out, observe them, and compare."""
    simulated = simulate_counts(model, store, held.n, seed=5)
    row: dict[str, Any] = {"source": source, "visits": n}
    for name in FIGURES:
        mine, theirs = simulated.by_bin[name], held.counts[name].sum(axis=0)
        row[name] = {
            "value": jensen_shannon_divergence(mine, theirs),
            "floor": estimate_divergence_floor(held.counts[name], simulated.n, np.random.default_rng(0)).mean,
            "n": float(mine.sum()),
            "m": float(theirs.sum()),
            "k": int(((mine > 0) | (theirs > 0)).sum()),
        }
    return row


def average_draws(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean of the draws of one source and size; `values` keeps the single ones."""
    averaged: list[dict[str, Any]] = []
    for key in dict.fromkeys((row["source"], row["visits"]) for row in rows):
        same = [row for row in rows if (row["source"], row["visits"]) == key]
        mean: dict[str, Any] = {"source": key[0], "visits": key[1], "n_draws": len(same)}
        if "fit_s" in same[0]:
            mean["fit_s"] = round(float(np.mean([row["fit_s"] for row in same])), 1)
        for name in FIGURES:
            values = [row[name]["value"] for row in same]
            mean[name] = same[0][name] | {
                "value": float(np.mean(values)),
                "floor": float(np.mean([row[name]["floor"] for row in same])),
                "values": values,
            }
        averaged.append(mean)
    return averaged


def plot_curve(rows: list[dict[str, Any]], path: Path) -> None:
    """Divergence against visits, one line a source, one panel a measure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(FIGURES), figsize=(12, 3.6), layout="constrained")
    for ax, name in zip(panels, FIGURES, strict=True):
        for source in ("scratch", "market-a", "multistore"):
            of_source = [row for row in rows if row["source"] == source and row["visits"]]
            ax.loglog(
                [row["visits"] for row in of_source],
                [row[name]["value"] for row in of_source],
                marker="o",
                label="from scratch" if source == "scratch" else f"from {source}",
            )
        zero = next(row for row in rows if row["visits"] == 0)
        ax.axhline(zero[name]["value"], color="0.5", linestyle=":", label="multistore, no visit")
        ax.axhline(zero[name]["floor"], color="0.5", linestyle="--", label="noise floor")
        ax.set(title=name.replace("_", " "), xlabel="Visits of market-b learned from")
    panels[0].set_ylabel("Jensen-Shannon divergence [nats]")
    panels[-1].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
