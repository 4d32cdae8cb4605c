"""Do shoppers of a model go and buy in layout B as people do? Divergences beside those of other visitors.

A model learns from layout A alone and lives as many visits of each edited layout as were observed. Zone
visits and purchases are compared with those of visitors of B whom nothing was learned from; the floor is what
other visitors of B show in the same comparison. Both sides go through the same measurement layer, cleaning
and linking of receipts. Layout A itself, on held-out visits, stands beside it. An interrupted run goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import kl_div
from tqdm import tqdm

from analysis import (
    Observations,
    SessionSample,
    build_journeys,
    clean_tracks,
    estimate_divergence_floor,
    jensen_shannon_divergence,
    observe,
    sample_sessions,
)
from benchmarks.common import CACHE, print_table, write_result
from benchmarks.fidelity.judging import FIT_SEED, Task, keep, log_to_stderr
from benchmarks.fidelity.predictors import find_predictor
from benchmarks.fidelity.predictors._simulated import SimulatedLift, name_by_place
from benchmarks.fidelity.worlds import FAMILIES, N_OBSERVED, OTHER_VISIT_SEED, VISIT_SEED, World
from layouts import ConfigError, Store
from models import ShopperModel
from scenarios.monte_carlo import RunConfig, simulate_replication

FloatArray = npt.NDArray[np.float64]

LAYOUT_A = "A"
EDITS = ("forty-swaps", "no-displays", "closed-aisle", "moved-door", "moved-tills")  # they change much
FIGURES = ("zone_visits", "zone_purchases", "category_purchases")
PREDICTORS = ("layout", "nearest")
NO_CHANGE = "no_change"  # what was observed in A, taken as the answer for B
FLOOR_SEEDS = (VISIT_SEED, 7, 8)  # other visitors, held against those of OTHER_VISIT_SEED
SIMULATION_SEEDS = (11, 12)  # no visitor's: nobody shares luck with who is compared with
N_REPLICATIONS = 8  # the visits of a sample are shared among the hypotheses of a model
N_WORST = 3
BARS = {"S": 1.5, "X": 2.0}  # of the ratio


@dataclass(frozen=True, eq=False)
class Counts:
    """What the sessions of a sample did in sum.

    Attributes
    ----------
    n
        Sessions.
    by_bin
        By the names of `FIGURES`, each of shape (k,).
    """

    n: int
    by_bin: dict[str, FloatArray]

    @classmethod
    def of(cls, samples: Sequence[SessionSample]) -> Counts:
        """Add up samples of one store."""
        totals = {name: np.sum([of.counts[name].sum(axis=0) for of in samples], axis=0) for name in FIGURES}
        return cls(sum(sample.n for sample in samples), totals)

    def move_to(self, store: Store, other: Store) -> Counts:
        """Counts of `store` by the zones of `other` of the same names; zones that are gone drop out."""
        bins = {name: self.by_bin[name] for name in FIGURES}
        kept = [zone.zone_id for zone in other.zones if zone.zone_id in store.zone_index]
        source, target = ([of.zone_index[name] for name in kept] for of in (store, other))
        for name in ("zone_visits", "zone_purchases"):
            moved = np.zeros(other.n_zones)
            moved[target] = bins[name][source]
            bins[name] = moved
        return Counts(self.n, bins)


def main() -> None:
    """Run what is asked for, print the table, write `benchmarks/results/realism.json`."""
    options = parse_options()
    log_to_stderr()
    try:
        for name in options.predictors:
            find_predictor(name)
    except ConfigError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    tasks = [
        Task(
            family=family,
            seed=seed,
            predictors=tuple(options.predictors),
            n_observed=options.sessions,
            n_truth=0,
            cache=options.cache,
            reuse=options.reuse,
        )
        for family in options.family
        for seed in range(options.first, options.first + options.worlds)
    ]
    rows = [row for task in tqdm(tasks, unit="world", disable=None) for row in compare_world(task)]
    scores = score(rows)
    print_scores(scores)
    settings = {
        "worlds": options.worlds,
        "first": options.first,
        "n_observed": options.sessions,
        "edits": list(EDITS),
        "divergence": "Jensen-Shannon, logarithm of base e; n sessions observed, m simulated, k bins",
        "floor": f"mean divergence of {len(FLOOR_SEEDS)} other samples of n real visitors of the same layout",
        "samples": f"{len(SIMULATION_SEEDS)} of m visits, each of {N_REPLICATIONS} replications",
        "bars": BARS,
    }
    write_result("realism", {"settings": settings, "scores": scores, "rows": rows}, out=options.out)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fidelity.realism",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--family", nargs="+", choices=FAMILIES, default=list(FAMILIES), metavar="S|X")
    parser.add_argument("--worlds", type=int, default=2, help="of each family (default 2)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first world (default 0)")
    parser.add_argument("--predictors", nargs="+", default=list(PREDICTORS), metavar="NAME")
    parser.add_argument("--sessions", type=int, default=N_OBSERVED, help="visits of each sample")
    parser.add_argument("--cache", type=Path, default=CACHE / "realism", metavar="DIR", help="of answers")
    parser.add_argument("--reuse", action="store_true", help="take kept answers of other code too")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default benchmarks/results/realism.json")
    return parser.parse_args()


def compare_world(task: Task) -> list[dict[str, Any]]:
    """Compare every predictor with the visitors of each layout of a world.

    Returns
    -------
    rows
        One for each layout, predictor and figure, see `compare_counts`.

    Raises
    ------
    ConfigError
        If a predictor simulates no visits, or edited layouts were not observed.
    """
    torch.set_num_threads(1)
    world = task.open()
    if not isinstance(world, World):
        raise ConfigError(f"{world.name}: its edited layouts were not observed; generated worlds are needed")
    name = "-".join(("realism", *task.predictors))
    return keep(task, world, name, partial(_compare, world, task.predictors))[0]


def _compare(world: World, predictors: Sequence[str]) -> list[dict[str, Any]]:
    a, n = world.store, world.n_observed
    today = Counts.of([measure_sessions(world.observations, a)])
    fitted = {name: _fit(world, name) for name in predictors}
    rows = []
    for layout, store in {LAYOUT_A: a, **{e.name: e.store for e in world.edits if e.name in EDITS}}.items():
        seen = measure_sessions(world.people.observe(store, n, OTHER_VISIT_SEED), store)
        others = [
            Counts.of([measure_sessions(world.people.observe(store, n, seed), store)]) for seed in FLOOR_SEEDS
        ]
        told = {NO_CHANGE: [today.move_to(a, store)]}
        for name, lift in fitted.items():
            named = name_by_place(a, store) if lift.is_place_bound else store
            told[name] = [simulate_counts(lift.model, named, n, seed) for seed in SIMULATION_SEEDS]
        about = {"case": world.name, "family": world.family, "store": a.name, "layout": layout}
        rows += [
            about | {"predictor": name, "figure": figure} | compare_counts(seen, of, others, figure, store)
            for name, of in told.items()
            for figure in FIGURES
        ]
    return rows


def _fit(world: World, name: str) -> SimulatedLift:
    fitted = find_predictor(name).fit(world.store, world.observations, np.random.default_rng(FIT_SEED))
    if not isinstance(fitted, SimulatedLift):
        raise ConfigError(f"predictor {name!r}: simulates no visits; layout and nearest do, for instance")
    return fitted


def simulate_counts(model: ShopperModel, store: Store, n_visits: int, seed: int) -> Counts:
    """Live visits and measure them as real ones are; the hypotheses of a model take turns."""
    parts = np.array_split(np.arange(n_visits), min(N_REPLICATIONS, n_visits))
    luck = np.random.SeedSequence(seed).spawn(len(parts))
    samples = []
    for replication, part in enumerate(parts):
        config = RunConfig(n_shoppers=len(part), n_replications=len(parts), seed=seed, tracks="all")
        lived = simulate_replication(store, model, replication, config)
        rng = np.random.default_rng(luck[replication])
        samples.append(
            measure_sessions(observe(lived.tracks, lived.receipts, lived.sessions, store, rng), store)
        )
    return Counts.of(samples)


def measure_sessions(observed: Observations, store: Store) -> SessionSample:
    """Count what each session did, observed or simulated alike."""
    positions = clean_tracks(observed.tracks, store)
    return sample_sessions(observed, build_journeys(observed, store, positions=positions), positions, store)


def compare_counts(
    seen: SessionSample, told: Sequence[Counts], others: Sequence[Counts], figure: str, store: Store
) -> dict[str, Any]:
    """Compare predicted counts with observed ones.

    Parameters
    ----------
    seen
        Visitors of the layout.
    told, others
        What is predicted of it (the divergences are averaged), and its other visitors, who make the floor.
    figure
        One of `FIGURES`.
    store
        Names the bins.

    Returns
    -------
    row
        `value` and `floor` [nats], their `ratio`, `floor_by_splits` (from random halves of `seen` alone);
        `n`, `m` sessions and `n_counts`, `m_counts` counts of both sides, `k` bins in use; `level`, counts
        per session predicted for one observed; `worst`, the bins that make most of the divergence with
        their `part` of it and their shares of all counts.
    """
    observed = seen.counts[figure].sum(axis=0)
    mean = np.mean([of.by_bin[figure] for of in told], axis=0)
    value = float(np.mean([jensen_shannon_divergence(observed, of.by_bin[figure]) for of in told]))
    floor = float(np.mean([jensen_shannon_divergence(observed, of.by_bin[figure]) for of in others]))
    m = told[0].n
    by_splits = estimate_divergence_floor(seen.counts[figure], m, np.random.default_rng(0)).mean
    return {
        "value": value,
        "floor": floor,
        "ratio": value / floor,
        "floor_by_splits": by_splits,
        "n": seen.n,
        "m": m,
        "k": int(((observed > 0) | (mean > 0)).sum()),
        "n_counts": float(observed.sum()),
        "m_counts": float(mean.sum()),
        "level": float(mean.sum() / m / (observed.sum() / seen.n)),
        "worst": _find_worst(observed, mean, _name_bins(figure, store)),
    }


def _name_bins(figure: str, store: Store) -> list[str]:
    if figure == "category_purchases":
        return list(store.categories)
    return [f"{zone.zone_id} ({zone.zone_type})" for zone in store.zones]


def _find_worst(observed: FloatArray, told: FloatArray, names: Sequence[str]) -> list[dict[str, Any]]:
    """The bins that make most of a divergence."""
    p, q = observed / observed.sum(), told / told.sum()
    terms = kl_div(p, (p + q) / 2) + kl_div(q, (p + q) / 2)  # none is negative; in sum twice the divergence
    order = np.argsort(-terms, kind="stable")[:N_WORST]
    return [
        {"bin": names[k], "part": float(terms[k] / terms.sum()), "observed": float(p[k]), "told": float(q[k])}
        for k in order
        if terms[k] > 0
    ]


def score(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sum up rows by family, figure and predictor, layout A apart from the edited ones.

    Returns
    -------
    scores
        Sum of the divergences over the sum of their floors (`ratio`) and of the floors by splits
        (`ratio_by_splits`), the worst single ratio, mean `level`, number of layouts.
    """
    keys = dict.fromkeys((r["family"], r["figure"], r["predictor"], r["layout"] == LAYOUT_A) for r in rows)
    scores = []
    for family, figure, predictor, is_a in keys:
        asked = (family, figure, predictor, is_a)
        own = [
            r for r in rows if (r["family"], r["figure"], r["predictor"], r["layout"] == LAYOUT_A) == asked
        ]
        total = sum(row["value"] for row in own)
        scores.append(
            {
                "family": family,
                "figure": figure,
                "predictor": predictor,
                "layouts": LAYOUT_A if is_a else "B",
                "n_layouts": len(own),
                "mean_value": total / len(own),
                "mean_floor": sum(row["floor"] for row in own) / len(own),
                "ratio": total / sum(row["floor"] for row in own),
                "ratio_by_splits": total / sum(row["floor_by_splits"] for row in own),
                "worst_ratio": max(row["ratio"] for row in own),
                "level": sum(row["level"] for row in own) / len(own),
            }
        )
    return scores


def print_scores(scores: Sequence[dict[str, Any]]) -> None:
    """Print a row for each score."""
    rows = [
        [
            f"{of['family']} {of['figure']} {of['predictor']}",
            of["layouts"],
            of["n_layouts"],
            f"{1000 * of['mean_value']:.3f}",
            f"{1000 * of['mean_floor']:.3f}",
            *(f"{of[key]:.2f}" for key in ("ratio", "ratio_by_splits", "worst_ratio", "level")),
        ]
        for of in scores
    ]
    heads = ["mnats", "floor", "ratio", "by splits", "worst", "level"]
    print_table("Divergence from visitors over its floor", ["figure", "in", "layouts", *heads], rows)


if __name__ == "__main__":
    main()
