"""Compare layouts: the same shoppers with the same luck visit today's store and each alternative."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import count
from typing import Any

import pandas as pd

from analysis import compute_lift
from layouts import ConfigError, Store
from models import ShopperModel
from scenarios.execution import Execution
from scenarios.model_error import estimate_error
from scenarios.monte_carlo import Job, RunConfig, describe_run
from scenarios.report_data import KPIS
from scenarios.runs import RunResult, collect_totals, run_job, run_until, summarise_layout
from scenarios.stopping import StoppingRule
from scenarios.support import judge_support
from scenarios.wording import answer_sentence
from simulator import SimulationConfig


class ComparisonResult(RunResult):
    """Today's layout and its alternatives, lived by the same shoppers."""

    @property
    def answers(self) -> list[dict[str, Any]]:
        """`variant`, `lift` and `support` of each variant, in the order asked."""
        return self.result.get("variants") or [
            {key: self.result[key] for key in ("variant", "lift", "support")}
        ]

    def summary(self) -> str:
        """Answer in a line per variant, and say how far the model can speak for it."""
        currency = self.result["currency"]
        lines = []
        for answer in self.answers:
            sentence = answer_sentence(
                answer["variant"]["layout"], answer["lift"]["profit_per_shopper"], currency
            )
            lines.append(f"{sentence}; support: {answer['support']['level']}")
        if how := self.result.get("stopping"):
            lines.append(f"{how['replications']} of at most {how['most']} replications: {how['reason']}")
        return "\n".join(lines)


def compare(
    control: Store,
    variants: Sequence[Store] | Store,
    *,
    model: ShopperModel,
    n_shoppers: int = 2000,
    n_replications: int = 30,
    seed: int = 0,
    n_workers: int = 1,
    tracks: str = "first",
    simulation: SimulationConfig | None = None,
    stopping: StoppingRule | None = None,
    execution: Execution | None = None,
) -> ComparisonResult:
    """Run paired replications of a layout and its alternatives.

    Parameters
    ----------
    control
        Today's store.
    variants
        One or several changed stores.
    model
        The shoppers.
    n_shoppers, n_replications, seed, tracks, simulation
        See `RunConfig`; at least two replications, or there is no interval.
    n_workers
        Processes on this machine; short for `execution=Execution(n_workers=...)`.
    stopping
        When fewer than `n_replications` are enough, see `scenarios.stopping`; all of them if left out.
    execution
        Where and how the run is lived; the result does not depend on it.

    Raises
    ------
    ConfigError
        If there is no variant, or there are too few replications.
    """
    variants = [variants] if isinstance(variants, Store) else list(variants)
    if not variants:
        raise ConfigError("variants: none given; name at least one changed store")
    if n_replications < 2:
        raise ConfigError(f"n_replications must be at least 2 for an interval, got {n_replications}")
    check_currency(control, variants)
    stores = name_apart([control, *variants])
    config = RunConfig(
        n_shoppers=n_shoppers,
        n_replications=n_replications,
        seed=seed,
        tracks=tracks,
        simulation=simulation or SimulationConfig(),
    )
    job = Job(model, tuple((store, config) for store in stores))
    execution = execution or Execution(n_workers=n_workers)
    if stopping is None:
        parts, stopped = run_job(job, n_replications, execution), {}
    else:
        parts, how = run_until(job, n_replications, stopping, execution)
        config, stopped = replace(config, n_replications=parts.n_replications), {"stopping": how}
    totals = collect_totals(parts, stores)
    by_layout = {store.name: totals[totals["layout"] == store.name] for store in stores}
    lifts = [_compare(by_layout, stores[0], store, model) for store in stores[1:]]
    answers = [
        {
            "variant": summarise_layout(totals, store.name),
            "lift": lift,
            "support": asdict(judge_support(stores[0], store, model.knowledge)),
        }
        for store, lift in zip(stores[1:], lifts, strict=True)
    ]
    result = (
        describe_run(model, stores, config) | stopped | {"control": summarise_layout(totals, stores[0].name)}
    )
    result |= answers[0] if len(answers) == 1 else {"variants": answers}
    return ComparisonResult(result=result, parts=parts, stores=tuple(stores))


def check_currency(control: Store, variants: Sequence[Store]) -> None:
    """Refuse to compare money of two kinds."""
    for store in variants:
        if store.currency != control.currency:
            raise ConfigError(
                f"variant {store.name!r} is in {store.currency}, control {control.name!r} in "
                f"{control.currency}; both must be in one currency"
            )


def name_apart(stores: list[Store]) -> list[Store]:
    """Give a store that bears the name of an earlier one a free number: tables are told apart by name."""
    taken, seen = {store.name for store in stores}, set[str]()
    apart = []
    for store in stores:
        name = store.name
        if name in seen:
            name = next(free for k in count(2) if (free := f"{store.name}--{k}") not in taken)
            taken.add(name)
        seen.add(name)
        apart.append(store if name == store.name else replace(store, name=name))
    return apart


def _compare(
    by_layout: Mapping[str, pd.DataFrame], control: Store, variant: Store, model: ShopperModel
) -> dict[str, Any]:
    """Lift of every figure, with all that its interval has to cover."""
    before, after = by_layout[control.name], by_layout[variant.name]
    n_hypotheses = max(len(model.hypotheses), 1)
    error = estimate_error(control, variant, model)
    return {
        kpi: asdict_lift(before[kpi], after[kpi], n_hypotheses=n_hypotheses, relative_error=error)
        for kpi in KPIS
    }


def asdict_lift(
    control: pd.Series, variant: pd.Series, *, n_hypotheses: int = 1, relative_error: float = 0.0
) -> dict[str, Any]:
    """Lift of one figure in the form of `result.json`; relative to a control of 0 it is null.

    `relative_error` is the standard deviation of what no hypothesis covers, as a share of the control.
    """
    error_sd = relative_error * abs(float(control.mean()))
    lift = compute_lift(control.to_numpy(), variant.to_numpy(), n_hypotheses=n_hypotheses, error_sd=error_sd)
    return {
        "mean": lift.mean,
        "ci95": list(lift.ci95),
        "relative": lift.relative if math.isfinite(lift.relative) else None,  # JSON knows no NaN
        "p_value": lift.p_value,
    }
