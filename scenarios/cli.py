"""The command line: `storesim train | finetune | simulate | ab | sweep | validate | report`.

Each handler opens its inputs, calls one public function and prints what it found. The floors below
are imported by the handlers, so that `storesim --help` answers at once.
"""

import logging
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from scenarios.options import (
    Cluster,
    ControlName,
    ModelFolder,
    ModelName,
    ObservationsFolder,
    PlanFile,
    Resume,
    RunFolder,
    Seed,
    SettingsFile,
    Shoppers,
    StoreName,
    SweepFolder,
    Tracks,
    TracksKept,
    UntilBest,
    UntilWidth,
    Workers,
)

BAD_INPUT, INTERRUPTED = 2, 130  # exit codes

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Agent-based store simulator: if we moved this, what would we earn?",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"storesim {version('storesim')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def train(
    store: StoreName,
    observations: ObservationsFolder,
    out: ModelFolder,
    policy: Annotated[
        str,
        typer.Option(
            help="Who decides on journeys: layout (GPT-2 that reads the layout), paper (GPT-2 over cells), "
            "or a baseline: markov-1, markov-2, svm, lstm, gravity, shortest-tour, nearest."
        ),
    ] = "layout",
    preset: Annotated[
        str,
        typer.Option(
            help="Size of the network: tiny, small or base; of paper: tiny, small, medium or gpt2-small."
        ),
    ] = "small",
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep the training of policy paper there after every epoch; go on from it if it is there.",
        ),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Learn a shopper model from a store's tracks and receipts (minutes, on the CPU)."""
    from analysis import load_observations
    from layouts import check_output_folder
    from models import MODEL_PARTS, check_preset
    from scenarios.inputs import open_store
    from scenarios.training import write_trained

    logging.basicConfig(level=logging.INFO, format="%(message)s")  # to stderr
    check_output_folder(out, parts=MODEL_PARTS)
    check_preset(policy, preset)
    subject = open_store(store)
    write_trained(
        subject,
        load_observations(observations, subject),
        out,
        policy=policy,
        preset=preset,
        checkpoints=checkpoints,
        seed=seed,
    )
    typer.echo(f"Model written to {out}")


@app.command()
def finetune(
    store: StoreName,
    model: ModelName,
    observations: ObservationsFolder,
    out: ModelFolder,
    sessions: Annotated[
        int | None,
        typer.Option(min=2, help="Visits to learn from, drawn at random; all of them if left out."),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Take a model to another store with few visits of it (seconds to minutes, on the CPU)."""
    from analysis import load_observations
    from layouts import check_output_folder
    from models import MODEL_PARTS
    from scenarios.finetuning import write_finetuned
    from scenarios.inputs import open_model, open_store

    logging.basicConfig(level=logging.INFO, format="%(message)s")  # to stderr
    check_output_folder(out, parts=MODEL_PARTS)
    subject, prior = open_store(store), open_model(model)
    observed = load_observations(observations, subject)
    write_finetuned(prior, subject, observed, out, n_sessions=sessions, seed=seed)
    typer.echo(f"Model written to {out}")


@app.command()
def simulate(
    store: StoreName,
    model: ModelName,
    out: RunFolder,
    shoppers: Shoppers = 2000,
    replications: Annotated[int, typer.Option(min=1, help="Independent repetitions.")] = 30,
    seed: Seed = 0,
    workers: Workers = 1,
    tracks: TracksKept = Tracks.FIRST,
    settings: SettingsFile = None,
    cluster: Cluster = None,
    resume: Resume = False,
) -> None:
    """Let shoppers visit one store and write their tracks, receipts and zone figures."""
    from layouts import check_output_folder
    from scenarios.inputs import open_model, open_settings, open_store
    from scenarios.work_folder import working_beside

    check_output_folder(out)
    subject = open_store(store)
    _start_importing(workers)
    from scenarios import Execution  # torch takes seconds: a wrong store is told before it
    from scenarios import simulate as run

    day = open_settings(settings)
    shoppers_model = open_model(model)
    with working_beside(out, resume=resume) as work:
        result = run(
            subject,
            model=shoppers_model,
            n_shoppers=shoppers,
            n_replications=replications,
            seed=seed,
            tracks=tracks.value,
            simulation=day,
            execution=Execution(n_workers=workers, cluster=cluster, work=work, resume=resume),
        )
        result.save(out)
    typer.echo(result.summary())
    typer.echo(f"Written to {out}; for the report: storesim report --run {out}")


@app.command()
def ab(
    control: ControlName,
    variant: Annotated[
        list[str],
        typer.Option(metavar="DIR", help="Folder of a changed store; give it again for each alternative."),
    ],
    model: ModelName,
    out: RunFolder,
    shoppers: Shoppers = 2000,
    replications: Annotated[
        int,
        typer.Option(min=2, help="Paired repetitions, or at most so many; an interval needs at least 2."),
    ] = 30,
    until_width: UntilWidth = None,
    until_best: UntilBest = None,
    seed: Seed = 0,
    workers: Workers = 1,
    tracks: TracksKept = Tracks.FIRST,
    settings: SettingsFile = None,
    cluster: Cluster = None,
    resume: Resume = False,
) -> None:
    """Compare layouts: the same shoppers visit today's store and each alternative."""
    from layouts import check_output_folder
    from scenarios.inputs import open_model, open_settings, open_store
    from scenarios.work_folder import working_beside

    check_output_folder(out)
    today, alternatives = open_store(control), [open_store(identifier) for identifier in variant]
    _start_importing(workers)
    from scenarios import Execution, compare  # torch takes seconds: a wrong store is told before it
    from scenarios.stopping import choose_rule

    rule, day = choose_rule(until_width, until_best), open_settings(settings)
    shoppers_model = open_model(model)
    with working_beside(out, resume=resume) as work:
        result = compare(
            today,
            alternatives,
            model=shoppers_model,
            n_shoppers=shoppers,
            n_replications=replications,
            seed=seed,
            tracks=tracks.value,
            simulation=day,
            stopping=rule,
            execution=Execution(n_workers=workers, cluster=cluster, work=work, resume=resume),
        )
        result.save(out)
    typer.echo(result.summary())
    typer.echo(f"Written to {out}; for the report: storesim report --run {out}")


@app.command()
def sweep(
    control: ControlName,
    model: ModelName,
    plan: PlanFile,
    out: SweepFolder,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR", help="Folder of a changed store, held against the control at every point."
        ),
    ] = None,
    shoppers: Shoppers = 2000,
    replications: Annotated[
        int, typer.Option(min=2, help="Repetitions at every point, with the same luck at all of them.")
    ] = 10,
    seed: Seed = 0,
    workers: Workers = 1,
    settings: SettingsFile = None,
    cluster: Cluster = None,
    resume: Resume = False,
) -> None:
    """Simulate a store, and perhaps its alternatives, over a grid or Latin hypercube of settings."""
    from layouts import check_output_folder
    from scenarios.inputs import open_model, open_plan, open_settings, open_store
    from scenarios.work_folder import working_beside

    today, alternatives = open_store(control), [open_store(identifier) for identifier in variant or []]
    _start_importing(workers)
    from scenarios import Execution  # torch takes seconds: a wrong store is told before it
    from scenarios import sweep as run
    from scenarios.sweeping import SWEEP_PARTS

    check_output_folder(out, parts=SWEEP_PARTS)
    day, points = open_settings(settings), open_plan(plan)
    shoppers_model = open_model(model)
    with working_beside(out, resume=resume) as work:
        result = run(
            today,
            alternatives,
            points,
            model=shoppers_model,
            n_shoppers=shoppers,
            n_replications=replications,
            seed=seed,
            simulation=day,
            execution=Execution(n_workers=workers, cluster=cluster, work=work, resume=resume),
        )
        result.save(out)
    typer.echo(result.summary())
    typer.echo(f"Written to {out}: sweep.csv has a row for every point and layout")


@app.command()
def validate(
    store: StoreName,
    model: ModelName,
    observations: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder of observed days that the model was not trained on."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write: new, empty, or an earlier validation.")
    ],
    shoppers: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, help="Shoppers in each replication; as many as were observed."),
    ] = None,
    replications: Annotated[int, typer.Option(min=1, help="Replications; their figures are averaged.")] = 3,
    seed: Seed = 0,
) -> None:
    """Compare simulated with observed days: divergences beside their noise floors, calibration, figures."""
    from analysis import load_observations
    from layouts import check_output_folder
    from scenarios.inputs import open_model, open_store
    from scenarios.validation_data import VALIDATION_PARTS

    check_output_folder(out, parts=VALIDATION_PARTS)
    subject = open_store(store)
    days = load_observations(observations, subject)
    from scenarios import validate as run  # torch takes seconds: wrong data are told before it

    result = run(
        subject,
        model=open_model(model),
        observations=days,
        n_shoppers=shoppers,
        n_replications=replications,
        seed=seed,
    )
    result.save(out)
    typer.echo(result.summary())
    typer.echo(f"Written to {out}; for the report: storesim report --run {out}")


@app.command()
def report(
    run: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder that `simulate`, `ab` or `validate` wrote.")
    ],
) -> None:
    """Turn a run folder into one self-contained HTML file."""
    from scenarios.report import write_report

    typer.echo(f"Report written to {write_report(run)}")


def _start_importing(n_workers: int) -> None:
    """Let the process from which workers are made import torch while this one does."""
    if n_workers > 1:
        from scenarios.processes import start_server

        start_server()


def main() -> None:
    """Run the command line: bad input is one line on stderr and exit code 2, Ctrl-C is exit code 130."""
    try:
        code = app(standalone_mode=False) or 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        from scenarios.work_folder import InterruptedRunError

        complaint = _explain(error)
        if complaint is None:
            raise
        print(f"storesim: {complaint}", file=sys.stderr)
        sys.exit(INTERRUPTED if isinstance(error, InterruptedRunError) else BAD_INPUT)
    if code == INTERRUPTED:
        print("storesim: interrupted; nothing was written", file=sys.stderr)
    sys.exit(code)


def _explain(error: Exception) -> str | None:
    """Say what a person can do something about; None where the program is at fault."""
    from layouts import StoresimError

    if isinstance(error, StoresimError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'input or output'}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return "this takes more memory than there is; ask for fewer --shoppers, or keep no --tracks"
    if hasattr(error, "format_message"):  # wrong options; the class has moved between versions of typer
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "storesim"
        message = " ".join(error.format_message().split()).rstrip(".") or "no command given"
        return f"{message}; see {command} --help"
    return None
