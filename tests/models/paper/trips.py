"""One shopper of the tiny store, walked by hand, as positions and as the journey made of them."""

import numpy as np
import pandas as pd

from analysis import Journeys

WAY = [(0.25, 0.25, 4), (3.25, 1.25, 12), (4.75, 2.25, 9), (4.25, 3.25, 0), (3.25, 3.25, 10)]
BACK = [(4.75, 3.25, 0), (4.75, 0.75, 15), (5.75, 0.25, 2)]  # till for 15 s, then out


def walk_straight(stays, speed_mps=1.0):
    """Whole seconds and positions of somebody who goes straight from stay to stay."""
    t, knots = 0.0, []
    for number, (x, y, stay_s) in enumerate(stays):
        if number:
            t += np.hypot(x - stays[number - 1][0], y - stays[number - 1][1]) / speed_mps
        knots += [(t, x, y), (t + stay_s, x, y)]
        t += stay_s
    line = np.array(knots)
    second = np.arange(int(t) + 1)
    return second, np.column_stack([np.interp(second, line[:, 0], line[:, k]) for k in (1, 2)])


def make_positions(walks):
    parts = []
    for session_id, stays in walks.items():
        second, xy = walk_straight(stays)
        parts.append(pd.DataFrame({"session_id": session_id, "t_s": second, "x": xy[:, 0], "y": xy[:, 1]}))
    return pd.concat(parts, ignore_index=True).astype({"session_id": "category"})


def make_journeys(session_ids, attributes=None):
    """Bread at `south` and crisps at `end` for each session, as on `WAY`."""
    n = len(session_ids)
    visits = {"zone_id": ["south", "end", "north"] * n, "t_s": [8.0, 21.0, 34.0] * n}
    ids = np.repeat(session_ids, 3)
    picks = {"zone_id": ["south", "end"] * n, "sku_id": ["BREAD", "CRISPS"] * n, "visit": [0, 1] * n}
    return Journeys(
        visits=pd.DataFrame({"session_id": ids, "visit": [0, 1, 2] * n, **visits, "dwell_s": 10.0}),
        picks=pd.DataFrame({"session_id": np.repeat(session_ids, 2), **picks, "qty": 1}),
        sessions=pd.DataFrame(
            {"session_id": session_ids, "has_receipt": True, "is_complete": True, **(attributes or {})}
        ),
        report={},
    )


def make_trip():
    """Positions and journey of session `s`."""
    return make_positions({"s": WAY + BACK}), make_journeys(["s"], {"mission": "quick"})
