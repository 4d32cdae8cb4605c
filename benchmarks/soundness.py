"""Is what a run writes possible at all? Invariants, each with the number of cases looked at and the faults.

One replication of every store is held against `benchmarks.invariants`, and runs against themselves: again,
on two workers, of a layout and itself, of a layout and its copy with other names for the zones. Shoppers are
the reference ones and, where there are weights, GPT-2.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import CACHE, add_data_option, find_edits, find_market, print_table, write_result
from benchmarks.invariants import Checks, check_replication
from layouts import BUNDLED_STORES, ConfigError, Store, bundled_store, load_store, save_store
from models import ShopperModel, build_reference_model
from scenarios import compare
from scenarios.inputs import open_model


def main() -> None:
    options = parse_options()
    market = find_market(options.data, "market-a")
    control = load_store(market / "store")
    edits = [load_store(folder) for folder in find_edits(market).values()]
    people = find_people(control, options)
    lived = {}
    for store, model in list_cases(control, edits, people):
        lived[f"{store.name}, {model.name}"] = check_replication(store, model, options.shoppers, options.seed)
        print_checks(f"{store.name}, {model.name}", lived[f"{store.name}, {model.name}"])
    runs = {}
    for kind, model in people.items():
        runs[model.name] = check_runs(control, edits[-1], model, options)
        runs[model.name] |= check_command(market, options, kind) if kind != "reference" else {}
        print_checks(f"Runs of {model.name} on {control.name}", runs[model.name])
    total = sum_checks([*lived.values(), *runs.values()])
    print_checks("All together", total)
    n_faults = sum(faults for _, faults in total.values())
    content = {
        "settings": {
            "shoppers": options.shoppers,
            "run_shoppers": options.run_shoppers,
            "seed": options.seed,
        },
        "n_faults": n_faults,
        "total": describe_checks(total),
        "stores": {name: describe_checks(checks) for name, checks in lived.items()},
        "runs": {name: describe_checks(checks) for name, checks in runs.items()},
    }
    write_result("soundness", content, out=options.out)
    sys.exit(1 if n_faults else 0)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_option(parser)
    parser.add_argument("--shoppers", type=int, default=2000, help="who live in each store (default 2000)")
    parser.add_argument("--run-shoppers", type=int, default=700, help="in each replication of the run checks")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument(
        "--model",
        default=str(CACHE / "market-a-small-s0"),
        metavar="DIR",
        help="trained on market-a; left out if it is not there (default: what benchmarks.market trained)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="result (default benchmarks/results/soundness.json)"
    )
    return parser.parse_args()


def find_people(control: Store, options: argparse.Namespace) -> dict[str, ShopperModel]:
    """Shoppers of market-a: the reference, and the trained model if it is there, by the name to open it."""
    people = {"reference": build_reference_model(control, np.random.default_rng(options.seed))}
    try:
        people[options.model] = open_model(options.model)
    except ConfigError as error:
        print(f"No trained model, reference shoppers only: {error}")
    return people


def list_cases(
    control: Store, edits: list[Store], people: dict[str, ShopperModel]
) -> Iterator[tuple[Store, ShopperModel]]:
    """List stores, each with shoppers for it: market-a and its edits, then the bundled stores."""
    yield from ((store, model) for store in (control, *edits) for model in people.values())
    for name in BUNDLED_STORES:
        store = bundled_store(name)
        yield store, build_reference_model(store, np.random.default_rng(0))
        try:
            yield store, open_model(f"bundled:{name}")
        except ConfigError:
            print(f"No bundled weights for {name}: reference shoppers only")


# whole runs


def check_runs(control: Store, variant: Store, model: ShopperModel, options: argparse.Namespace) -> Checks:
    """Compare a run with itself: again, on two workers, with the same layout, with renamed zones."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        runs = {"first": 1, "again": 1, "two-workers": 2}
        for name, n_workers in runs.items():
            run(control, variant, model, options, n_workers).save(home / name)
        files = hash_files(home / "first")
        again, two = hash_files(home / "again"), hash_files(home / "two-workers")
        twin = rename_zones(control, home / "renamed")
        itself = run(control, replace(control, name=f"{control.name}--copy"), model, options, 2)
        renamed = run(control, twin, model, options, 2)
    return {
        "files with the same bytes, run again": count_unlike(files, again),
        "files with the same bytes, two workers": count_unlike(files, two),
        "lifts of exactly 0, a layout and itself": count_lifts(itself.answers),
        "lifts of exactly 0, all zones renamed": count_lifts(renamed.answers),
    }


def run(
    control: Store, variant: Store, model: ShopperModel, options: argparse.Namespace, n_workers: int
) -> Any:
    """Run a small comparison, more than one lot of shoppers in each replication."""
    return compare(
        control,
        variant,
        model=model,
        n_shoppers=options.run_shoppers,
        n_replications=2,
        seed=options.seed,
        n_workers=n_workers,
    )


def check_command(market: Path, options: argparse.Namespace, model: str) -> Checks:
    """Run `storesim ab` in two fresh processes, on one worker and on two."""
    variant = list(find_edits(market).values())[-1]
    storesim = str(Path(sys.executable).with_name("storesim"))
    with tempfile.TemporaryDirectory() as scratch:
        hashes = []
        for n_workers in (1, 2):
            out = Path(scratch) / str(n_workers)
            subprocess.run(
                [storesim, "ab", "--control", str(market / "store"), "--variant", str(variant),
                 "--model", model, "--shoppers", str(options.run_shoppers), "--replications", "2",
                 "--seed", str(options.seed), "--workers", str(n_workers), "--out", str(out)],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            hashes.append(hash_files(out))
    return {"files with the same bytes, storesim ab with one worker and two": count_unlike(*hashes)}


def rename_zones(store: Store, folder: Path) -> Store:
    """Give every zone another identifier, and read the store anew with its features in another order."""
    names = {zone.zone_id: f"Z{index:03d}" for index, zone in enumerate(reversed(store.zones))}
    twin = replace(
        store,
        name=f"{store.name}--renamed",
        zones=tuple(replace(zone, zone_id=names[zone.zone_id]) for zone in reversed(store.zones)),
        placements=tuple(replace(item, zone_id=names[item.zone_id]) for item in reversed(store.placements)),
    )
    save_store(twin, folder)
    return load_store(folder)


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def count_unlike(one: dict[str, str], other: dict[str, str]) -> tuple[int, int]:
    """Files of two folders, and those that differ or are in one only."""
    names = one.keys() | other.keys()
    return len(names), sum(one.get(name) != other.get(name) for name in names)


def count_lifts(answers: list[dict[str, Any]]) -> tuple[int, int]:
    """Lifts of all KPIs, and those whose mean or interval is not exactly 0."""
    lifts = [lift for answer in answers for lift in answer["lift"].values()]
    return len(lifts), sum((lift["mean"], *lift["ci95"]) != (0.0, 0.0, 0.0) for lift in lifts)


# reporting


def sum_checks(checks: list[Checks]) -> Checks:
    """Add cases and faults of the same check."""
    total: Checks = {}
    for each in checks:
        for name, (n_cases, n_faults) in each.items():
            before = total.get(name, (0, 0))
            total[name] = before[0] + n_cases, before[1] + n_faults
    return total


def describe_checks(checks: Checks) -> dict[str, dict[str, int]]:
    return {name: {"cases": int(cases), "faults": int(faults)} for name, (cases, faults) in checks.items()}


def print_checks(title: str, checks: Checks) -> None:
    rows = [[name, f"{cases:,}", f"{faults:,}"] for name, (cases, faults) in checks.items()]
    print_table(title, ["what must hold", "cases", "faults"], rows)


if __name__ == "__main__":
    main()
