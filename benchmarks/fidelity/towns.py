"""What the towns of family X are like in today's stores: `python -m benchmarks.fidelity.towns [N_TOWNS]`.

Beside it what is known of real trips: half of them carry nothing, the modal basket is one item, a third of
supermarket trips take under ten minutes, and 20 % (diaries) to 55 % (POPAI) of what is bought is unplanned.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.common import print_table
from benchmarks.fidelity.other_shopper import shop
from benchmarks.fidelity.worlds import OtherPeople, draw_world

N_SHOPPERS = 4000


def main(n_towns: str = "6") -> None:
    """Print a row for each town."""
    rows = [describe_town(seed) for seed in range(int(n_towns))]
    print_table("Towns of family X", list(rows[0]), [list(row.values()) for row in rows])


def describe_town(seed: int) -> dict[str, str]:
    """Figures of a town's trips by their name; minutes are without waiting and paying."""
    world = draw_world("X", seed)
    assert isinstance(world.people, OtherPeople)
    trips = shop(world.people.town, world.store, N_SHOPPERS, seed=1)
    plans = trips.itineraries
    n_lines = np.bincount(plans.pick_shopper, minlength=N_SHOPPERS)
    return {
        "store": world.store.name,
        "zones": str(world.store.n_zones),
        "unplanned %": f"{100 * (1 - plans.pick_planned.mean()):.0f}",
        "lines": f"{n_lines.mean():.1f}",
        "modal": str(np.bincount(n_lines).argmax()),
        "none %": f"{100 * (n_lines == 0).mean():.0f}",
        "stops": f"{plans.n_stops / N_SHOPPERS:.1f}",
        "minutes": f"{trips.minutes.mean():.1f}",
        "median": f"{np.median(trips.minutes):.1f}",
        "no carrier %": f"{100 * (trips.population.attributes['carrier'] == 'none').mean():.0f}",
        "profit": f"{trips.profit.mean():.2f}",
        "cv": f"{trips.profit.std() / trips.profit.mean():.2f}",
        "missed": f"{plans.missed.mean():.2f}",
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
