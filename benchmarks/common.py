"""What the benchmarks share: where data and caches are, the machine, tables and results."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CACHE = ROOT / "runs" / "benchmarks"  # trained models and runs, kept for the next time
FLOORS = ("layouts", "analysis", "models", "simulator", "scenarios")
PACKAGES = ("storesim", "torch", "transformers", "mesa", "numpy", "pandas", "shapely")


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add `--data`, the folder of the developer stores."""
    parser.add_argument(
        "--data",
        type=Path,
        default=default_data_folder(),
        metavar="DIR",
        help="folder with market-a and market-b (default: $STORESIM_DATA, else ../shared/data)",
    )


def default_data_folder() -> Path:
    """Folder of the developer stores: `$STORESIM_DATA`, else `shared/data` beside the repository."""
    named = os.environ.get("STORESIM_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


def find_market(data: Path, name: str) -> Path:
    """Folder of one developer store; ends the benchmark in a line if it is not there."""
    market = data / name
    if not (market / "store" / "layout.geojson").is_file():
        raise SystemExit(
            f"{market}: no store there; name the folder of the data with --data or STORESIM_DATA"
        )
    return market


def find_edits(market: Path) -> dict[str, Path]:
    """Counterfactual stores of a market: name of the edit -> folder of the store, in order of name."""
    return {folder.parent.name: folder for folder in sorted(market.glob("counterfactuals/*/store"))}


def describe_run() -> dict[str, Any]:
    """Tell when, on what and with which code a benchmark ran; without names of host or user."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": describe_machine(),
        "versions": {name: _version(name) for name in PACKAGES},
        "commit": COMMIT_AT_START,
        "has_uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "has_code_changed_meanwhile": hash_code() != CODE_AT_START,  # then the figures are of no one version
    }


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, operating system and Python; without names of host or user."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _read_processor(),
        "n_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(memory),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", ""),
    }


def hash_code() -> str:
    """SHA-256 over the Python files of the floors and the benchmarks, by path."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in (*FLOORS, "benchmarks") for path in (ROOT / folder).rglob("*.py")):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _read_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


CODE_AT_START, COMMIT_AT_START = hash_code(), _git("rev-parse", "--short=12", "HEAD")


def write_result(name: str, content: dict[str, Any], *, out: Path | None = None) -> Path:
    """Write `benchmarks/results/NAME.json` (or `out`): the run's description, then the content."""
    path = out or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    description = describe_run()
    text = json.dumps({"benchmark": name, **description, **content}, indent=2) + "\n"
    aside = path.with_name(path.name + ".part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
    print(f"\nWritten to {path}")
    if description["has_code_changed_meanwhile"]:
        print("Mind: the code changed while this ran, so the figures belong to no one version; run it again.")
    return path


def format_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out rows under a head: the first column to the left, the others to the right."""
    cells = [[str(value) for value in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table with a title above it."""
    print(f"\n{title}\n{format_table(head, rows)}", flush=True)
