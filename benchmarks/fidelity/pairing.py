"""What it is worth that the same shoppers, with the same luck, visit both layouts.

For every edit of the bundled supermarket: the correlation between the profit of a shopper in today's layout
and in the edited one, how many times more shoppers an unpaired comparison would need for the same standard
error of the lift, and how many times fewer are enough with unplanned purchases at their expectation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.common import print_table, write_result
from benchmarks.fidelity.edits import draw_edits
from benchmarks.fidelity.worlds import decide_profit, expect_profit
from layouts import bundled_store
from scenarios.inputs import open_model

STORE, SEED = "supermarket", 3


def main() -> None:
    """Print the table, write `benchmarks/results/pairing.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shoppers", type=int, default=4000)
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    store, model = bundled_store(STORE), open_model(f"bundled:{STORE}")
    before = decide_profit(model, store, options.shoppers, SEED)
    expected_before = expect_profit(model, store, options.shoppers, SEED)
    rows = []
    for edit in draw_edits(store, np.random.default_rng(SEED)):
        after = decide_profit(model, edit.store, options.shoppers, SEED)
        paired = float((after - before).var())
        expected = float((expect_profit(model, edit.store, options.shoppers, SEED) - expected_before).var())
        rows.append(
            {
                "edit": edit.name,
                "kind": edit.kind,
                "correlation": float(np.corrcoef(before, after)[0, 1]),
                "saves": float(before.var() + after.var()) / paired if paired else None,
                "expecting_saves": paired / expected if expected else None,
                "lift_se": float(np.sqrt(paired / options.shoppers) / before.mean()),
            }
        )
    print_table(
        f"Paired shoppers, {STORE}, {options.shoppers} of them",
        ["edit", "kind", "correlation", "times fewer shoppers", "again, expected", "se of the lift, points"],
        [
            (
                row["edit"],
                row["kind"],
                f"{row['correlation']:.3f}",
                *(
                    "no difference" if row[s] is None else f"{row[s]:.0f}"
                    for s in ("saves", "expecting_saves")
                ),
                f"{100 * float(str(row['lift_se'])):.2f}",
            )
            for row in rows
        ],
    )
    settings = {"shoppers": options.shoppers, "seed": SEED}
    write_result("pairing", {"settings": settings, "edits": rows}, out=options.out)


if __name__ == "__main__":
    main()
