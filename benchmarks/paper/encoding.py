"""What the paper's encoding makes of a store: clusters against purchases, sequences, tokens, legal moves.

`python -m benchmarks.paper.encoding [--quick]` prints the tables, writes
`benchmarks/results/paper-encoding.json` and draws `docs/images/dbscan-sweep.png`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import (
    Journeys,
    build_journeys,
    clean_tracks,
    jensen_shannon_divergence,
    load_observations,
    plot_cluster_sweep,
    sweep_clusters,
)
from benchmarks.common import ROOT, add_data_option, find_market, print_table, write_result
from layouts import Store, load_store
from models.paper import (
    CellTracks,
    TextEncoding,
    build_grammar,
    build_tokenizer,
    fit_encoding,
    measure_legality,
    read_journeys,
    trace_cells,
    train_tokenizer,
    write_journeys,
)
from models.paper.tokenizer import N_BYTES

N_SWEPT = 400  # sessions; recall is then known to about a percentage point
FIGURE = ROOT / "docs" / "images" / "dbscan-sweep.png"


def main() -> None:
    """Measure one market."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_data_option(parser)
    parser.add_argument("--market", default="market-a", help="folder of the developer store")
    parser.add_argument("--quick", action="store_true", help="few sessions; nothing is written")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="where to write the JSON")
    options = parser.parse_args()
    market = find_market(options.data, options.market)
    store = load_store(market / "store")
    observations = load_observations(market / "observations", store)
    positions = clean_tracks(observations.tracks, store)
    if options.quick:
        positions = keep_sessions(positions, 60)
    sweep = sweep_clusters(keep_sessions(positions, N_SWEPT), observations, store)
    print_sweep(sweep)
    content = {"market": options.market, "sweep": to_records(sweep), "encodings": {}}
    journeys = build_journeys(observations, store)
    tracks = trace_cells(positions, store)
    for name, encoding in (("fix", TextEncoding()), ("time", TextEncoding(kind="time"))):
        content["encodings"][name] = measure_encoding(encoding, positions, journeys, tracks, store)
    print_encodings(content["encodings"])
    if not options.quick:
        draw_sweep(sweep)
        write_result("paper-encoding", content, out=options.out)


def keep_sessions(positions: pd.DataFrame, n_sessions: int) -> pd.DataFrame:
    """Positions of the first sessions."""
    return positions[pd.factorize(positions["session_id"])[0] < n_sessions]


def measure_encoding(
    encoding: TextEncoding, positions: pd.DataFrame, journeys: Journeys, tracks: CellTracks, store: Store
) -> dict[str, Any]:
    """Measure lengths, legality, and what text and back changes."""
    encoding = fit_encoding(encoding, tracks, store)
    texts = write_journeys(positions, journeys, store, encoding, tracks=tracks)
    tokenizer = build_tokenizer(texts.lines, store, encoding)
    sequences = tokenizer.encode(texts.lines)
    grammar = build_grammar(store, tokenizer, encoding)
    lengths = np.array([len(sequence) for sequence in sequences])
    n_tags = len({word for line in texts.lines for word in line.split() if word.startswith("<")} | {"<pad>"})
    by_characters = train_tokenizer(texts.lines, max_tokens=N_BYTES + n_tags).encode(texts.lines)
    read, picks = read_journeys(texts.lines, store, encoding, session_ids=texts.session_ids)
    seen = positions[positions["session_id"].isin(texts.session_ids)]
    bought = journeys.picks[journeys.picks["session_id"].isin(texts.session_ids)]
    zones = [zone.zone_id for zone in store.zones]
    before, after = (
        table["zone_id"].value_counts().reindex(zones, fill_value=0) for table in (bought, picks)
    )
    return {
        "encoding": encoding.to_dict(),
        "report": texts.report,
        "n_tokens": tokenizer.n_tokens,
        "tokens_mean": float(lengths.mean()),
        "tokens_quantiles": dict(
            zip(("50", "90", "99", "100"), np.quantile(lengths, [0.5, 0.9, 0.99, 1]).tolist(), strict=True)
        ),
        "character_ratio": sum(map(len, by_characters)) / int(lengths.sum()),
        "legality": measure_legality(grammar, sequences, tokenizer.door_id),
        "cells_jsd": jensen_shannon_divergence(count_seconds(seen, store), count_seconds(read, store)),
        "picks_moved_zone": float(np.abs(before - after).sum() / 2 / max(before.sum(), 1)),
    }


def count_seconds(positions: pd.DataFrame, store: Store) -> np.ndarray:
    """Seconds per walkable cell; positions between cells count for the nearest."""
    xy = positions[["x", "y"]].to_numpy(dtype=np.float64)
    cell = store.grid.cell_at(xy)
    cell = np.where(cell < 0, store.grid.nearest(xy), cell)
    return np.bincount(cell, minlength=store.grid.n_cells).astype(np.float64)


def print_sweep(sweep: pd.DataFrame) -> None:
    columns = ["eps_m", "min_samples", "speed_mps", "stops_per_session", "zones_per_session"]
    columns += ["stopped_share", "median_dwell_s", "recall", "precision"]
    rows = [
        [row["method"], *("" if math.isnan(row[name]) else f"{row[name]:.3g}" for name in columns)]
        for row in sweep.to_dict("records")
    ]
    print_table("Stops against purchases", ["method", *columns], rows)


def print_encodings(encodings: dict[str, dict[str, Any]]) -> None:
    rows = [
        [
            name,
            f"{found['tokens_mean']:.0f}",
            f"{found['tokens_quantiles']['99']:.0f}",
            f"{found['character_ratio']:.2f}",
            f"{100 * found['legality']['sequences']:.2f} %",
            f"{found['legality']['mean_allowed']:.0f}",
            f"{found['cells_jsd']:.5f}",
            f"{100 * found['picks_moved_zone']:.2f} %",
        ]
        for name, found in encodings.items()
    ]
    head = ["encoding", "tokens", "99 %", "characters", "legal", "allowed", "JSD cells", "picks moved"]
    print_table("Journeys as text", head, rows)


def to_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON, without what is missing."""
    return [
        {name: value for name, value in row.items() if not (isinstance(value, float) and math.isnan(value))}
        for row in table.to_dict("records")
    ]


def draw_sweep(sweep: pd.DataFrame) -> None:
    """Draw the figure of the documentation."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure, ax = plt.subplots(figsize=(7.0, 4.5), layout="constrained")
    plot_cluster_sweep(sweep, ax=ax)
    figure.savefig(FIGURE, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
