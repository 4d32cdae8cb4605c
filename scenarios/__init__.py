"""What if: questions about profit asked of a simulated store.

This floor compares layouts (paired replications of the same shoppers), writes the answer to a run
folder, turns that folder into a report, and holds the command line. Nothing below may need it.

The public names are imported when they are first asked for: torch and Mesa take two seconds, and
`storesim --help` needs neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenarios.ab import ComparisonResult, compare
    from scenarios.execution import Execution
    from scenarios.finetuning import finetune
    from scenarios.report import write_report
    from scenarios.simulation import SimulationResult, simulate
    from scenarios.sweep_plan import SweepPlan
    from scenarios.sweeping import SweepResult, sweep
    from scenarios.validation import ValidationResult, validate

__all__ = [
    "ComparisonResult",
    "Execution",
    "SimulationResult",
    "SweepPlan",
    "SweepResult",
    "ValidationResult",
    "compare",
    "finetune",
    "simulate",
    "sweep",
    "validate",
    "write_report",
]

_HOMES = {
    "ComparisonResult": "ab",
    "Execution": "execution",
    "SimulationResult": "simulation",
    "SweepPlan": "sweep_plan",
    "SweepResult": "sweeping",
    "ValidationResult": "validation",
    "compare": "ab",
    "finetune": "finetuning",
    "simulate": "simulation",
    "sweep": "sweeping",
    "validate": "validation",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scenarios' has no attribute '{name}'")
    return getattr(import_module(f"scenarios.{_HOMES[name]}"), name)
