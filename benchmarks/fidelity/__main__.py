"""Are changes of layout predicted? Worlds with known truth and the stores of the data folder, all predictors.

Each predictor learns from layout A of a world and says what every edit changes; then the truth is opened. In
family S the reference shopper visits, in family X a shopper of another structure, `data` are the stores of
the data folder with their published outcomes. An interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.common import CACHE, add_data_option, print_table, write_result
from benchmarks.fidelity.cases import PUBLISHED
from benchmarks.fidelity.judging import Task, judge, log_to_stderr
from benchmarks.fidelity.predictors import find_predictor, list_predictors
from benchmarks.fidelity.scores import Judged, score_by_kind, score_predictions, take_median_over_stores
from benchmarks.fidelity.worlds import FAMILIES, N_OBSERVED, N_TRUTH
from layouts import ConfigError

DATA = "data"
MARKETS = ("market-a", "market-b")
FIGURES = {  # figure -> head of its column, factor
    "skill": ("skill", 1),
    "skill_without_largest": ("without largest", 1),
    "sign_accuracy": ("signs %", 100),
    "spearman": ("rank", 1),
    "regret": ("regret %", 100),
    "coverage": ("in interval %", 100),
    "width_by_error": ("width/error", 1),
    "mean_absolute_error": ("error, points", 100),
    "slope": ("slope", 1),
    "null_effect": ("null, points", 100),
}


def main() -> None:
    """Run what is asked for, print the tables, write the result."""
    options = parse_options()
    log_to_stderr()
    try:
        predictors = choose_predictors(options.predictors)
        for name in options.refit:
            find_predictor(name)
    except ConfigError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    tasks, skipped = make_tasks(options, predictors)
    for reason in skipped:
        print(f"skipped: {reason}")
    cases = run(tasks, n_workers=options.workers)
    families = {case["family"] for case in cases}
    scores = {
        family: score_family([case for case in cases if case["family"] == family], predictors)
        for family in (*FAMILIES, PUBLISHED)
        if family in families
    }
    if {"X", PUBLISHED} <= families:  # all people who are not of the model's structure
        scores["X and published"] = score_family([c for c in cases if c["family"] != "S"], predictors)
    for family, of_predictor in scores.items():
        print_family(family, of_predictor)
    settings = {
        "worlds": options.worlds,
        "first": options.first,
        "n_observed": options.sessions,
        "n_truth": options.truth_shoppers,
    }
    write_result(
        "fidelity",
        {"settings": settings, "scores": scores, "skipped": skipped, "cases": cases},
        out=options.out,
    )


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fidelity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_option(parser)
    choices = (*FAMILIES, DATA)
    parser.add_argument("--family", nargs="+", choices=choices, default=list(choices), metavar="S|X|data")
    parser.add_argument("--worlds", type=int, default=20, help="of each family (default 20)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first world (default 0)")
    parser.add_argument(
        "--predictors", nargs="+", metavar="NAME", help="default: all that are not slow; `all`: slow ones too"
    )
    parser.add_argument("--sessions", type=int, default=N_OBSERVED, help="visits observed in layout A")
    parser.add_argument("--truth-shoppers", type=int, default=N_TRUTH, help="who visit both layouts")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=CACHE / "fidelity", metavar="DIR", help="of answers")
    parser.add_argument(
        "--mirrored", action="store_true", help="also fit to the mirrored store and mirrored data"
    )
    parser.add_argument("--reuse", action="store_true", help="take kept answers of other code too")
    parser.add_argument("--refit", nargs="+", default=[], metavar="NAME", help="ask these anew")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default benchmarks/results/fidelity.json")
    return parser.parse_args()


def choose_predictors(names: list[str] | None) -> tuple[str, ...]:
    """Predictors by name; those that are not slow if none is named, everything for `all`.

    Raises
    ------
    ConfigError
        If a name is unknown.
    """
    known = list_predictors()
    if names == ["all"]:
        return tuple(known)
    if names is None:
        return tuple(name for name, module in known.items() if not getattr(module, "IS_SLOW", False))
    for name in names:
        find_predictor(name)
    return tuple(names)


def make_tasks(options: argparse.Namespace, predictors: tuple[str, ...]) -> tuple[list[Task], list[str]]:
    """List the cases, and why some that were asked for are left out."""
    common: dict[str, Any] = {
        "predictors": predictors,
        "n_observed": options.sessions,
        "n_truth": options.truth_shoppers,
        "cache": options.cache,
        "reuse": options.reuse,
        "refit": tuple(options.refit),
        "mirrored": options.mirrored,
    }
    tasks = [
        Task(family=family, seed=seed, **common)
        for seed in range(options.first, options.first + options.worlds)
        for family in FAMILIES
        if family in options.family
    ]
    skipped = []
    for name in MARKETS if DATA in options.family else ():
        folder = options.data / name
        if (folder / "store").is_dir() and any(folder.glob("counterfactuals/*/truth.json")):
            tasks.append(Task(family=PUBLISHED, seed=0, folder=folder, **common))
        else:
            skipped.append(f"{name}: {folder} holds no store with truth.json; name the folder with --data")
    return tasks, skipped


def run(tasks: list[Task], *, n_workers: int) -> list[dict[str, Any]]:
    """Judge all cases, in processes of their own if there are several workers; in the order of the tasks."""
    if n_workers == 1:
        return [judge(task) for task in tqdm(tasks, unit="case", disable=None)]
    with ProcessPoolExecutor(n_workers, get_context("spawn"), initializer=log_to_stderr) as pool:
        futures = {pool.submit(judge, task): index for index, task in enumerate(tasks)}
        done: dict[int, dict[str, Any]] = {}
        for future in tqdm(as_completed(futures), total=len(tasks), unit="case", disable=None):
            done[futures[future]] = future.result()
    return [done[index] for index in range(len(tasks))]


def score_family(cases: list[dict[str, Any]], predictors: tuple[str, ...]) -> dict[str, Any]:
    """Scores of every predictor over the cases of a family in which it answered."""
    scores = {}
    for name in predictors:
        answered = [case["predictors"][name] for case in cases if name in case["predictors"]]
        judged = [Judged(**row) for answer in answered for row in answer["edits"]]
        if judged:
            scores[name] = {
                "n_cases": len(answered),
                "seconds_per_case": round(sum(answer["seconds"] for answer in answered) / len(answered), 1),
                "pooled": score_predictions(judged),
                "median": take_median_over_stores(judged),
                "by_kind": score_by_kind(judged),
            }
    return scores


def print_family(family: str, scores: dict[str, Any]) -> None:
    """Print three tables: pooled, median over stores, skill by kind of edit."""
    order = sorted(scores, key=lambda name: -scores[name]["pooled"]["skill"])
    heads = [head for head, _ in FIGURES.values()]
    for part, title in (("pooled", "all edits"), ("median", "median over stores")):
        rows = [
            [name, scores[name]["n_cases"]]
            + [f"{factor * scores[name][part][figure]:.2f}" for figure, (_, factor) in FIGURES.items()]
            for name in order
        ]
        print_table(f"Family {family}, {title}", ["predictor", "stores", *heads], rows)
    kinds = sorted({kind for name in order for kind in scores[name]["by_kind"]} - {"null"})
    rows = [
        [
            name,
            *(_format_error(scores[name]["by_kind"].get(kind)) for kind in kinds),
            scores[name]["seconds_per_case"],
        ]
        for name in order
    ]
    head = ["predictor", *kinds, "seconds a case"]
    print_table(f"Family {family}, mean absolute error in points by kind of edit", head, rows)


def _format_error(of_kind: dict[str, float] | None) -> str:
    return f"{100 * of_kind['mean_absolute_error']:.2f}" if of_kind else ""


if __name__ == "__main__":
    main()
