"""What no hypothesis covers: fit the constants of `scenarios.model_error` on development worlds.

Usage: python -m benchmarks.fidelity --predictors layout --family S X --worlds N --first 500 --cache DIR
       python -m benchmarks.fidelity.calibration DIR

The answers must have been given with all constants of `ERROR_SD` at 0. Worlds from 500 on are for
development; those that judge begin at 0. The squared error that luck and hypotheses
leave unexplained is regressed on the extents of what each edit changes, no coefficient below 0; then all are
raised alike until 95 % of these edits lie in their intervals.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.optimize import nnls

from benchmarks.fidelity.worlds import draw_world
from models.hypotheses import N_HYPOTHESES
from scenarios.model_error import ERROR_SD, measure_change

ASKED = 0.95  # of the development edits in their interval
# Half-widths in standard deviations: few hypotheses alone, and once the further error is known as well
T_FEW, T_MANY = float(stats.t.ppf(0.975, N_HYPOTHESES - 1)), 2.0


def main(cache: Path) -> None:
    """Print the constants, and the coverage that they give on the worlds they were fitted to."""
    rows, names = [], tuple(ERROR_SD)
    for path in sorted(cache.glob("*-layout.json")):
        world = draw_world(path.name[0], int(path.name[1:].split("-")[0]))
        answers = json.loads(path.read_text())["answers"]
        truths = json.loads(path.with_name(path.name.replace("layout", "truth")).read_text())["answers"]
        for edit in world.edits:
            answer, truth = answers.get(edit.name), truths.get(edit.name)
            extents = measure_change(world.store, edit.store)
            if answer is None or truth is None or not any(extents.values()):
                continue
            half = (answer["upper"] - answer["lower"]) / 2 / T_FEW
            known = half**2 + truth["se"] ** 2
            rows.append((answer["mean"] - truth["true"], known, *(extents[name] for name in names)))
    table = np.array(rows)
    error, known, extents = table[:, 0], table[:, 1], table[:, 2:]
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
    main(Path(sys.argv[1]))
