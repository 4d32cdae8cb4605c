"""What no hypothesis covers: fit the constants of `scenarios.model_error` on development worlds.

Usage: python -m benchmarks.fidelity.calibration [--worlds N] [--policy NAME] [--cache DIR]

Worlds from 500 on are for development; those that judge begin at 0. Each world is asked about its edits with
intervals that hold luck and hypotheses only. The squared error that these leave unexplained is regressed on
the extents of what each edit changes times powers of the share of sales that the store's model holds to be
unplanned and of its misfit, no coefficient below 0; then all are raised alike until 95 % of these edits lie
in their intervals. Of the powers of the share that is taken which makes the errors most likely, then of those
of the misfit that which covers both families most alike.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import nnls
from tqdm import tqdm

from benchmarks.common import CACHE
from benchmarks.fidelity.predictors._simulated import fit_policy
from benchmarks.fidelity.worlds import FAMILIES, draw_world
from models.hypotheses import N_HYPOTHESES
from scenarios.model_error import ERROR_SD, measure_change, measure_misfit, measure_unplanned

FloatArray = npt.NDArray[np.floating]

FIRST = 500  # of the development worlds
ASKED = 0.95  # of the development edits in their interval
FIT_SEED = 0
LABELS = ("family", "edit")  # of a row
UNPLANNED_POWERS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)  # that are tried
MISFIT_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
# Half-widths in standard deviations: few hypotheses alone, and once the further error is known as well
T_FEW, T_MANY = float(stats.t.ppf(0.975, N_HYPOTHESES - 1)), 2.0


def main() -> None:
    """Print the constants, and the coverage that they give on the worlds they were fitted to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--worlds", type=int, default=4, help="of each family (default 4)")
    parser.add_argument("--cache", type=Path, default=CACHE / "calibration", metavar="DIR")
    parser.add_argument("--policy", default="layout", choices=("layout", "nearest"), help="whose errors")
    options = parser.parse_args()
    worlds = [(family, FIRST + n) for n in range(options.worlds) for family in FAMILIES]
    cache = options.cache / options.policy
    rows = [
        row
        for family, seed in tqdm(worlds, unit="world")
        for row in ask_world(family, seed, options.policy, cache)
    ]
    fit_constants(rows)


def ask_world(family: str, seed: int, policy: str, cache: Path) -> list[dict[str, Any]]:
    """Predictions and truths of one world's edits, from the cache if they are there."""
    path = cache / f"{family}{seed}.json"
    if path.is_file():
        kept: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    world = draw_world(family, seed)
    fitted = fit_policy(world.store, world.observations, np.random.default_rng(FIT_SEED), policy=policy)
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
            {"family": family, "edit": edit.name, "predicted": answer.mean, "half": half}
            | {"true": true, "se": se}
            | {"unplanned": measure_unplanned(fitted.model), "misfit": measure_misfit(fitted.model)}
            | extents
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return rows


def fit_constants(rows: list[dict[str, Any]]) -> None:
    """Find the constants that explain the errors, and print them."""
    family = np.array([row["family"] for row in rows])
    column = {name: np.array([row[name] for row in rows]) for name in rows[0] if name not in LABELS}
    error = column["predicted"] - column["true"]
    known = (column["half"] / T_FEW) ** 2 + column["se"] ** 2
    print(f"{len(error)} edits; both powers, log-likelihood, coverage of {' and '.join(FAMILIES)}")

    def explain(by_share: float, by_misfit: float) -> tuple[FloatArray, FloatArray, float, float]:
        scale = column["unplanned"] ** by_share * column["misfit"] ** by_misfit
        coefficients, sd = explain_errors(error, known, {name: column[name] * scale**2 for name in ERROR_SD})
        is_covered = np.abs(error) <= T_MANY * sd
        shares = [is_covered[family == name].mean() for name in FAMILIES]
        likely = float(stats.norm.logpdf(error, scale=sd).sum())
        print(by_share, by_misfit, round(likely, 1), *(f"{share:.1%}" for share in shares))
        return coefficients, sd, likely, max(shares) - min(shares)

    by_share = max(UNPLANNED_POWERS, key=lambda power: explain(power, 0.0)[2])
    fits = {power: explain(by_share, power) for power in MISFIT_POWERS}
    by_misfit = min(fits, key=lambda power: fits[power][3])
    coefficients, sd, *_ = fits[by_misfit]
    print(f"UNPLANNED_POWER, MISFIT_POWER = {by_share}, {by_misfit}; ERROR_SD:")
    print({name: round(math.sqrt(value), 4) for name, value in zip(ERROR_SD, coefficients, strict=True)})
    for label, spread in (("without", np.sqrt(known)), ("with", sd)):
        covered = np.abs(error) <= T_MANY * spread
        print(
            f"{label} them: {covered.mean():.0%} covered, mean half-width "
            f"{T_MANY * spread.mean() / np.abs(error).mean():.1f} times the mean error"
        )


def explain_errors(
    error: FloatArray, known: FloatArray, extents: dict[str, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Find the variance of each kind of change, and the standard deviation of every error.

    Parameters
    ----------
    error, known
        Of each edit's prediction, and the variance of it that luck and hypotheses explain, shape (n,).
    extents
        Of each edit, by kind of change, as far as its store lets errors grow, each shape (n,).
    """
    extent = np.stack(list(extents.values()), axis=1)
    unexplained = error**2 - known
    coefficients = np.zeros(len(extents))
    for _ in range(20):  # weights by the variance that comes out: small errors tell of small edits
        weight = 1.0 / (known + extent @ coefficients + 0.001**2)
        coefficients, _ = nnls(extent * weight[:, None], unexplained * weight)
    for factor in np.linspace(1.0, 4.0, 61):  # errors have longer tails than a normal distribution
        sd = np.sqrt(known + extent @ coefficients * factor)
        if (np.abs(error) <= T_MANY * sd).mean() >= ASKED:
            break
    return coefficients * factor, sd


if __name__ == "__main__":
    main()
