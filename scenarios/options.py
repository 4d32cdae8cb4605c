"""Options that commands share: their types, limits and what `--help` says of them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Tracks(StrEnum):
    """Which replications' positions are kept."""

    FIRST = "first"
    ALL = "all"
    NONE = "none"


StoreName = Annotated[str, typer.Option(metavar="DIR", help="Folder of the store, or bundled:NAME.")]
ControlName = Annotated[str, typer.Option(metavar="DIR", help="Folder of today's store, or bundled:NAME.")]
ModelName = Annotated[
    str, typer.Option(metavar="MODEL_DIR", help="Folder of the trained model, or bundled:NAME.")
]
Shoppers = Annotated[
    int,
    typer.Option(
        min=1,
        max=1_000_000,
        help="Shoppers who enter in each replication; more than a day's fill several days.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")]
Workers = Annotated[
    int, typer.Option(min=1, help="Processes at work; the result is the same with any number.")
]
TracksKept = Annotated[
    Tracks,
    typer.Option(
        help="Positions (metres, every second) to keep: of the first replication, of all or of none."
    ),
]
RunFolder = Annotated[
    Path,
    typer.Option(metavar="DIR", help="Folder to write: new, empty, or an earlier run, which is replaced."),
]

Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on from what an interrupted run left beside --out; the result is the same.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Dask scheduler whose workers are used instead of processes here, like tcp://10.0.0.5:8786.",
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="JSON file with settings of the store day, see docs/formats.md."),
]

ObservationsFolder = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder with tracking, pos and perhaps sessions (CSV or Parquet).")
]
ModelFolder = Annotated[
    Path, typer.Option(metavar="MODEL_DIR", help="Folder for the model: new, empty, or a model.")
]
UntilWidth = Annotated[
    float | None,
    typer.Option(
        metavar="PERCENT",
        help="Stop when every variant's 95 % interval is at most so wide, in % of the control's profit.",
    ),
]
UntilBest = Annotated[
    float | None,
    typer.Option(
        metavar="ERROR",
        help="Stop when the layout that earns most is known with at most this error, like 0.05.",
    ),
]
PlanFile = Annotated[
    Path, typer.Option(metavar="FILE", help="JSON file: parameters and their values, see docs/formats.md.")
]
SweepFolder = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder to write: new, empty, or an earlier sweep.")
]
