"""Do predicted lifts of layout changes come true? The developer stores, through the real command line.

For each market: `storesim train` on its observations, `storesim ab` on its counterfactual stores, and only
then a look at their `truth.json`: predicted beside true lift and beside the predictor "no change"; and the
levels of today's layout beside held-out days. No truth is used for anything but this report.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import load_observations
from benchmarks.common import (
    CACHE,
    COMMIT_AT_START,
    add_data_option,
    find_edits,
    find_market,
    print_table,
    write_result,
)
from benchmarks.fidelity.scores import compute_expected_skill_limit, compute_level, compute_skill, judge_sign
from layouts import load_store
from scenarios.report_data import KPIS

TRAIN_LIMIT_S = 20 * 60
LABELS = {kpi: kpi.removesuffix("_per_shopper") for kpi in KPIS}


def main() -> None:
    options = parse_options()
    markets = {}
    for name in options.markets:
        markets[name] = run_market(find_market(options.data, name), options)
        print_market(name, markets[name])
    overall = score([edit for market in markets.values() for edit in market["edits"].values()])
    if len(markets) > 1:
        print_scores(f"All {overall['n_edits']} edits", overall)
    settings = {
        name: getattr(options, name)
        for name in ("preset", "train_seed", "shoppers", "replications", "seed", "workers")
    }
    write_result("market", {"settings": settings, "markets": markets, "overall": overall}, out=options.out)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_option(parser)
    parser.add_argument("--markets", nargs="+", default=["market-a", "market-b"], metavar="NAME")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--train-seed", type=int, default=0)
    parser.add_argument("--shoppers", type=int, default=5000, help="per replication (default 5000)")
    parser.add_argument("--replications", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the simulation")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--reuse", action="store_true", help="take the model that an earlier run trained")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help="models and runs are kept here"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="result (default benchmarks/results/market.json)"
    )
    return parser.parse_args()


# running


def run_market(market: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Train, predict, and only then read the truth."""
    model = options.cache / f"{market.name}-{options.preset}-s{options.train_seed}"
    training = train(market, model, options)
    edits = find_edits(market)
    run = options.cache / f"{market.name}-ab"
    variants = [part for folder in edits.values() for part in ("--variant", str(folder))]
    ab = storesim(
        "ab", "--control", str(market / "store"), *variants, "--model", str(model),
        "--shoppers", str(options.shoppers), "--replications", str(options.replications),
        "--seed", str(options.seed), "--workers", str(options.workers), "--out", str(run),
    )  # fmt: skip
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    answers = result.get("variants") or [result]
    truths = {name: json.loads((folder.parent / "truth.json").read_text()) for name, folder in edits.items()}
    report = {
        "train": training,
        "ab": ab,
        "model": describe_model(model),
        "edits": {
            name: compare_lifts(answer, truths[name], result["control"])
            for name, answer in zip(edits, answers, strict=True)
        },
        "levels": {
            "simulated": {LABELS[kpi]: result["control"][kpi] for kpi in KPIS},
            "true": {LABELS[kpi]: next(iter(truths.values()))["control"][kpi] for kpi in KPIS},
            "held-out days": observe_levels(market / "held-out-days", market / "store"),
            "training days": observe_levels(market / "observations", market / "store"),
        },
    }
    return report | {"scores": score(list(report["edits"].values()))}


def train(market: Path, model: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Train by the command line, or take what an earlier run left; how long it took is kept with it."""
    note = model.with_name(model.name + "-train.json")
    if options.reuse and (model / "config.json").is_file() and note.is_file():
        return json.loads(note.read_text(encoding="utf-8")) | {"is_reused": True}
    cost = storesim(
        "train", "--store", str(market / "store"), "--observations", str(market / "observations"),
        "--out", str(model), "--preset", options.preset, "--seed", str(options.train_seed),
    )  # fmt: skip
    cost |= {"is_within_limit": cost["wall_s"] <= TRAIN_LIMIT_S, "commit": COMMIT_AT_START}
    note.write_text(json.dumps(cost), encoding="utf-8")
    return cost | {"is_reused": False}


def storesim(*arguments: str) -> dict[str, Any]:
    """Run the command line; return wall and processor seconds and the peak memory of one process [GiB]."""
    command = [str(Path(sys.executable).with_name("storesim")), *arguments]
    print("$ storesim", *arguments, flush=True)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    )
    if done.returncode:
        raise SystemExit(f"storesim {arguments[0]} ended with exit code {done.returncode}")
    wall_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "peak_gib": round(after.ru_maxrss / 2**20, 2),  # of the largest child so far
    }


def describe_model(model: Path) -> dict[str, Any]:
    """What the model says of its training."""
    knowledge = json.loads((model / "config.json").read_text(encoding="utf-8"))["knowledge"]
    losses = [epoch["validation"] for epoch in knowledge.get("history", [])]
    kept = {
        key: knowledge[key] for key in ("n_sessions", "n_journeys", "planned_line_share") if key in knowledge
    }
    return kept | {"n_epochs": len(losses), "best_validation_loss": min(losses, default=None)}


def observe_levels(folder: Path, store_folder: Path) -> dict[str, Any]:
    """Profit, revenue, items and minutes per shopper of observed days, each with a standard error.

    Every tracked session is a shopper and every receipt counts, linked to a track or not. Minutes run
    from the first to the last fix of a track; a few tracks are cut short, so they err to the low side.
    """
    seen = load_observations(folder, load_store(store_folder))
    spans = seen.tracks.groupby("session_id", observed=True)["t"].agg(["min", "max"])
    minutes = (spans["max"] - spans["min"]).dt.total_seconds() / 60
    lines = seen.receipts
    values = {
        "profit": lines["qty"] * lines["margin"],
        "revenue": lines["qty"] * lines["unit_price"],
        "items": lines["qty"],
    }
    levels = {
        name: compute_level(value.groupby(lines["basket_id"]).sum(), len(spans))
        for name, value in values.items()
    } | {"minutes": compute_level(minutes, len(spans))}
    days = pd.Series(spans["min"]).dt.date.nunique()
    return {name: level for name, (level, _) in levels.items()} | {
        "se": {name: se for name, (_, se) in levels.items()},
        "n_shoppers": len(spans),
        "n_receipts": int(lines["basket_id"].nunique()),
        "n_days": int(days),
    }


# scores


def compare_lifts(answer: dict[str, Any], truth: dict[str, Any], control: dict[str, Any]) -> dict[str, Any]:
    """Put predicted and true lifts side by side, relative to the control, per KPI."""
    compared = {}
    for kpi, label in LABELS.items():
        lift, true = answer["lift"][kpi], truth["lift"][kpi]
        compared[label] = {
            "predicted": lift["relative"],
            "ci95": [end / control[kpi] for end in lift["ci95"]],
            "true": true["relative"],
            "true_se": true["relative_se"],
            "predicted_mean": lift["mean"],
            "true_mean": true["mean"],
            "sign": judge_sign(lift["relative"], true["relative"], true["relative_se"]),
            "is_covered": lift["ci95"][0] / control[kpi]
            <= true["relative"]
            <= lift["ci95"][1] / control[kpi],
        }
    return {"what": truth["what"], "support": answer["support"]["level"], "lift": compared}


def score(edits: list[dict[str, Any]]) -> dict[str, Any]:
    """Skill, mean absolute errors and signs over edits, on relative lifts, per KPI."""
    scores: dict[str, Any] = {"n_edits": len(edits)}
    for label in LABELS.values():
        lifts = [edit["lift"][label] for edit in edits]
        predicted, true = ([lift[key] for lift in lifts] for key in ("predicted", "true"))
        signs = [lift["sign"] for lift in lifts]
        scores[label] = {
            "skill": compute_skill(predicted, true),
            "skill_limit": compute_expected_skill_limit(true, [lift["true_se"] for lift in lifts]),
            "mean_absolute_error": sum(abs(p - t) for p, t in zip(predicted, true, strict=True)) / len(lifts),
            "mean_absolute_error_of_no_change": sum(abs(t) for t in true) / len(lifts),
            "n_signs_right": signs.count("right"),
            "n_signs": len(signs) - signs.count("too small"),
            "n_covered": sum(lift["is_covered"] for lift in lifts),
        }
    return scores


# printing


def print_market(name: str, market: dict[str, Any]) -> None:
    cost, ab = market["train"], market["ab"]
    reused = ", reused" if cost["is_reused"] else ""
    verdict = "within" if cost["is_within_limit"] else "ABOVE"
    print(
        f"\n{name}: training {cost['wall_s'] / 60:.1f} min of wall time ({verdict} the limit of "
        f"{TRAIN_LIMIT_S // 60} min{reused}), {cost['cpu_s'] / 60:.1f} min of processor time; "
        f"ab {ab['wall_s'] / 60:.1f} min"
    )
    for label in LABELS.values():
        rows = []
        for edit, compared in market["edits"].items():
            lift = compared["lift"][label]
            rows.append(
                [
                    edit,
                    percent(lift["predicted"]),
                    f"{percent(lift['ci95'][0])} to {percent(lift['ci95'][1])}",
                    f"{percent(lift['true'])} ± {100 * lift['true_se']:.2f}",
                    percent(lift["predicted"] - lift["true"]),
                    percent(-lift["true"]),
                    lift["sign"],
                    compared["support"],
                ]
            )
        head = [
            "edit",
            "predicted %",
            "95 % interval",
            "true % ± se",
            "error",
            "error of no change",
            "sign",
            "support",
        ]
        print_table(f"{name}: lift of {label} per shopper, relative to the control", head, rows)
    print_scores(f"{name}: scores", market["scores"])
    print_levels(name, market["levels"])


def print_scores(title: str, scores: dict[str, Any]) -> None:
    rows = []
    for label in LABELS.values():
        of = scores[label]
        rows.append(
            [
                label,
                f"{of['skill']:.3f}",
                f"{of['skill_limit']:.3f}",
                f"{100 * of['mean_absolute_error']:.2f}",
                f"{100 * of['mean_absolute_error_of_no_change']:.2f}",
                f"{of['n_signs_right']} of {of['n_signs']}",
                f"{of['n_covered']} of {scores['n_edits']}",
            ]
        )
    head = [
        "lift of",
        "skill",
        "skill of truth",
        "MAE [points]",
        "MAE of no change",
        "signs right",
        "in interval",
    ]
    print_table(title, head, rows)


def print_levels(name: str, levels: dict[str, Any]) -> None:
    rows = []
    for label in LABELS.values():
        simulated, held_out = levels["simulated"][label], levels["held-out days"]
        rows.append(
            [
                label,
                f"{simulated:.3f}",
                f"{held_out[label]:.3f} ± {held_out['se'][label]:.3f}",
                percent(simulated / held_out[label] - 1),
                f"{levels['training days'][label]:.3f} ± {levels['training days']['se'][label]:.3f}",
                f"{levels['true'][label]:.3f}",
                percent(simulated / levels["true"][label] - 1),
            ]
        )
    head = [
        "per shopper",
        "simulated",
        "held-out ± se",
        "simulated to it",
        "training days",
        "true",
        "simulated to it",
    ]
    print_table(f"{name}: levels under today's layout (differences in %)", head, rows)


def percent(share: float) -> str:
    """Write a share in percent, with its sign."""
    return f"{100 * share:+.2f}"


if __name__ == "__main__":
    main()
