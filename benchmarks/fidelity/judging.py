"""Predict, then open the truth: one case after the other, each answer kept, so that a broken run goes on.

A prediction or truth is kept in one JSON file of the cache. It is taken again if it is of the same case, the
same edits and the same code; with `reuse` also if the code has changed since.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from benchmarks.common import CODE_AT_START
from benchmarks.fidelity.cases import Case, Market
from benchmarks.fidelity.null_edits import mirror_store
from benchmarks.fidelity.predictors import Prediction, find_predictor
from benchmarks.fidelity.scores import NULL, Judged
from benchmarks.fidelity.worlds import N_TRUTH, World, draw_world
from layouts import StoresimError

logger = logging.getLogger(__name__)

FIT_SEED = 0
MIRRORED = "mirrored"  # name of the null edit that needs a fit of its own
MIRRORED_KINDS = ("goods", "displays")  # of the edits that it looks at
Answers = dict[str, dict[str, float]]  # by name of the edit
Kept = TypeVar("Kept")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One case with everything that it is asked.

    Attributes
    ----------
    family, seed
        Of a world; a market has no seed.
    folder
        Of a market, or None.
    predictors
        Names.
    n_observed, n_truth
        Visits that are observed, and shoppers of each truth.
    cache
        Where answers are kept.
    mirrored
        Fit every predictor to the mirrored store and mirrored observations too: a null edit.
    reuse, refit
        Take answers of other code too; names of predictors whose answers are not taken.
    """

    family: str
    seed: int
    predictors: tuple[str, ...]
    n_observed: int
    cache: Path
    n_truth: int = N_TRUTH
    folder: Path | None = None
    mirrored: bool = False
    reuse: bool = False
    refit: tuple[str, ...] = field(default=())

    def open(self) -> World | Market:
        """Make the case."""
        if self.folder is not None:
            return Market.open(self.folder)
        return draw_world(self.family, self.seed, n_observed=self.n_observed, n_truth=self.n_truth)


def log_to_stderr() -> None:
    """Let a process say what it has finished, and no more."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("benchmarks").setLevel(logging.INFO)


def judge(task: Task) -> dict[str, Any]:
    """Let all predictors of a task answer, then open the truth.

    Returns
    -------
    judged
        ``case``, ``store``, ``family``; ``predictors``: by name the rows of `Judged` as dicts, with the
        seconds that they took; ``skipped``: by name why a predictor has no answer.
    """
    torch.set_num_threads(1)
    case = task.open()
    answers, seconds, skipped = {}, {}, {}
    for name in task.predictors:
        try:
            answers[name], seconds[name] = keep(task, case, name, partial(_predict, case, name))
            if task.mirrored and isinstance(case, World) and hasattr(find_predictor(name), "fit"):
                ask = partial(_predict_mirrored, case, name, answers[name])
                answers[name] |= keep(task, case, f"{name}-mirrored", ask)[0]
        except StoresimError as error:
            skipped[name] = str(error)
            logger.warning("%s, %s: %s", case.name, name, error)
    truth, _ = keep(task, case, "truth", partial(_open_truth, case))
    truth[MIRRORED] = {"true": 0.0, "se": 0.0}
    kinds = {edit.name: edit.kind for edit in case.edits} | {MIRRORED: NULL}
    return {
        "case": case.name,
        "store": case.store.name,
        "family": case.family,
        "n_zones": case.store.n_zones,
        "skipped": skipped,
        "predictors": {
            name: {
                "seconds": seconds[name],
                "edits": [
                    asdict(Judged(case=case.name, edit=edit, kind=kinds[edit], **truth[edit], **answer))
                    for edit, answer in of_edit.items()
                ],
            }
            for name, of_edit in answers.items()
        },
    }


def _predict(case: Case, name: str) -> Answers:
    """Fit a predictor to layout A and ask it about every edit."""
    module, rng = find_predictor(name), np.random.default_rng(FIT_SEED)
    if hasattr(module, "fit_case"):
        fitted = module.fit_case(case, rng)
    else:
        fitted = module.fit(case.store, case.observations, rng)
    predictions: dict[str, Prediction] = {
        edit.name: fitted.predict(case.store, edit.store) for edit in case.edits
    }
    return {name: asdict(prediction) for name, prediction in predictions.items()}


def _predict_mirrored(case: World, name: str, answers: Answers) -> Answers:
    """Ask about mirrored edits after a fit to mirrored data; the answer that differs most from the plain."""
    store, observations = case.mirror()
    fitted = find_predictor(name).fit(store, observations, np.random.default_rng(FIT_SEED))
    differences = {}
    for edit in case.edits:
        if edit.kind in MIRRORED_KINDS:
            prediction = fitted.predict(store, mirror_store(edit.store))
            before = answers[edit.name]
            differences[edit.name] = Prediction(
                prediction.mean - before["mean"],
                prediction.lower - before["upper"],
                prediction.upper - before["lower"],
            )
    return {MIRRORED: asdict(max(differences.values(), key=lambda difference: abs(difference.mean)))}


def _open_truth(case: Case) -> Answers:
    lifts = {edit.name: case.true_lift(edit) for edit in case.edits}
    return {name: {"true": true, "se": se} for name, (true, se) in lifts.items()}


def keep(task: Task, case: Case, name: str, answer: Callable[[], Kept]) -> tuple[Kept, float]:
    """Answers from the cache, or new ones that are put there, and the seconds that they took.

    Parameters
    ----------
    task, case
        What is asked, and about what: kept answers of another case or other code are not taken.
    name
        Of the file.
    answer
        Gives something that JSON can hold.
    """
    path = task.cache / f"{case.name}-{name}.json"
    about = {
        "store": case.store.content_hash,
        "edits": {edit.name: edit.store.content_hash for edit in case.edits},
        "n_observed": task.n_observed,
        "n_truth": task.n_truth,
    }
    if path.is_file() and name not in task.refit:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["about"] == about and (task.reuse or kept["code"] == CODE_AT_START):
            return kept["answers"], kept["seconds"]
    start = time.perf_counter()
    answers = answer()
    seconds = round(time.perf_counter() - start, 1)
    logger.info("%s, %s: %.0f s", case.name, name, seconds)
    content = {"about": about, "code": CODE_AT_START, "seconds": seconds, "answers": answers}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    aside.replace(path)
    return answers, seconds
