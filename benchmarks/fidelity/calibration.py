"""What no hypothesis covers: fit the constants of `scenarios.model_error` on development worlds.

Usage: python -m benchmarks.fidelity.calibration [--worlds N] [--cache DIR]

Worlds from 500 on are for development; those that judge begin at 0. Each world is asked about its edits with
intervals that hold luck and hypotheses only. The squared error that these leave unexplained is regressed on
the extents of what each edit changes times the squared misfit of the store's model, no coefficient below 0;
then all are raised alike until 95 % of these edits lie in their intervals.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from scipy import stats
from scipy.optimize import nnls
from tqdm import tqdm

from benchmarks.common import CACHE
from benchmarks.fidelity.predictors._simulated import fit_policy
from benchmarks.fidelity.worlds import FAMILIES, draw_world
from models.hypotheses import N_HYPOTHESES
from scenarios.model_error import ERROR_SD, measure_change, measure_misfit

FIRST = 500  # of the development worlds
ASKED = 0.95  # of the development edits in their interval
FIT_SEED = 0
# Half-widths in standard deviations: few hypotheses alone, and once the further error is known as well
T_FEW, T_MANY = float(stats.t.ppf(0.975, N_HYPOTHESES - 1)), 2.0


def main() -> None:
    """Print the constants, and the coverage that they give on the worlds they were fitted to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--worlds", type=int, default=4, help="of each family (default 4)")
    parser.add_argument("--cache", type=Path, default=CACHE / "calibration", metavar="DIR")
    options = parser.parse_args()
    worlds = [(family, FIRST + n) for n in range(options.worlds) for family in FAMILIES]
    rows = [
        row for family, seed in tqdm(worlds, unit="world") for row in ask_world(family, seed, options.cache)
    ]
    fit_constants(rows)


def ask_world(family: str, seed: int, cache: Path) -> list[dict[str, float]]:
    """Predictions and truths of one world's edits, from the cache if they are there."""
    path = cache / f"{family}{seed}.json"
    if path.is_file():
        kept: list[dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    world = draw_world(family, seed)
    fitted = fit_policy(world.store, world.observations, np.random.default_rng(FIT_SEED), policy="layout")
    rows: list[dict[str, Any]] = []
    for edit in world.edits:
        extents = measure_change(world.store, edit.store)
        if not any(extents.values()):
            continue
        with mock.patch.dict(ERROR_SD, dict.fromkeys(ERROR_SD, 0.0)):
            answer = fitted.predict(world.store, edit.store)
        true, se = world.true_lift(edit)
        half = (answer.upper - answer.lower) / 2
        rows.append(
            {"edit": edit.name, "predicted": answer.mean, "half": half, "true": true, "se": se}
            | {"misfit": measure_misfit(fitted.model)}
            | extents
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return rows


def fit_constants(rows: list[dict[str, float]]) -> None:
    """Find the constants that explain the errors, and print them."""
    names = tuple(ERROR_SD)
    column = {name: np.array([row[name] for row in rows]) for name in rows[0] if name != "edit"}
    error = column["predicted"] - column["true"]
    known = (column["half"] / T_FEW) ** 2 + column["se"] ** 2
    extents = np.stack([column[name] * column["misfit"] ** 2 for name in names], axis=1)
    unexplained = error**2 - known
    coefficients = np.zeros(len(names))
    for _ in range(20):  # weights by the variance that comes out: small errors tell of small edits
        weight = 1.0 / (known + extents @ coefficients + 0.001**2)
        coefficients, _ = nnls(extents * weight[:, None], unexplained * weight)
    for factor in np.linspace(1.0, 4.0, 61):  # errors have longer tails than a normal distribution
        sd = np.sqrt(known + extents @ coefficients * factor)
        if (np.abs(error) <= T_MANY * sd).mean() >= ASKED:
            break
    coefficients *= factor
    print(f"{len(error)} edits; constants:")
    print({name: round(math.sqrt(value), 4) for name, value in zip(names, coefficients, strict=True)})
    for label, spread in (("without", np.sqrt(known)), ("with", sd)):
        covered = np.abs(error) <= T_MANY * spread
        print(
            f"{label} them: {covered.mean():.0%} covered, mean half-width "
            f"{T_MANY * spread.mean() / np.abs(error).mean():.1f} times the mean error"
        )


if __name__ == "__main__":
    main()
