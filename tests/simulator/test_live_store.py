"""Whatever is switched on together: everybody leaves, nothing is left over, nobody jumps."""

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layouts import Store
from simulator import SimulationConfig, build_tables, compute_positions
from tests.simulator.scripted import build_scripted_model, with_tills

FROZEN = [HealthCheck.function_scoped_fixture]  # stores are, so examples cannot disturb each other


@st.composite
def mixtures(draw: st.DrawFn) -> dict[str, Any]:
    """Settings with any of the mechanisms on, many of them tighter than anybody would want."""
    waits_s = st.sampled_from([None, 0.0, 10.0, 300.0])
    everything = {
        "till_opening": {
            "open_above": 1.5,
            "close_below": 1.0,
            "delay_s": draw(st.sampled_from([0.0, 30.0])),
        },
        "self_service": {"max_items": draw(st.integers(0, 4))},
        "patience": {"queue_limit": draw(st.integers(0, 6)), "wait_s": draw(waits_s)},
        "groups": {},
        "carriers": {
            "n_carts": draw(st.integers(1, 6)),
            "cart_from": 1,
            "without": draw(st.sampled_from(["wait", "go_without"])),
        },
        "crowding": {},
        "aisles": {"max_density": draw(st.floats(0.05, 1.5))},
        "places": {"width_m": draw(st.floats(0.3, 3.0)), "patience_s": draw(waits_s)},
        "stock": {
            "units_per_facing": 1,
            "refill": draw(st.sampled_from(["periodic", "threshold", "never"])),
            "period_s": 200.0,
            "delay_s": 50.0,
        },
    }
    return {name: everything[name] for name in draw(st.sets(st.sampled_from(sorted(everything)), min_size=1))}


@settings(max_examples=40, deadline=None, suppress_health_check=FROZEN)
@given(
    mixture=mixtures(),
    seed=st.integers(0, 10_000),
    n=st.integers(1, 60),
    within_s=st.sampled_from([10.0, 200.0, 800.0]),
)
def test_any_mixture_of_mechanisms_keeps_what_must_hold(
    tiny_store: Store, mixture: dict[str, Any], seed: int, n: int, within_s: float
) -> None:
    store, config = with_tills(tiny_store, 3, n_self=1), SimulationConfig.from_dict(mixture)
    model = build_scripted_model(store, n, seed=seed, within_s=within_s, config=config)
    model.run()
    live = model.live
    assert np.all(np.isfinite(model.exit_s))
    assert np.all(live.outcome != "")
    assert model.itineraries.n_items.sum() == model.taken.n_items.sum() + model.n_lost
    assert build_tables(model).receipts["qty"].sum() == model.taken.n_items.sum()
    # what was taken up is given back
    assert sum(model.queue_lengths) == 0
    assert live.crowd is None or np.allclose(live.crowd.room, 0.0)
    assert live.aisles is None or np.allclose(live.aisles.used, 0.0)
    assert live.places is None or live.places.n_free == live.places.n_places
    assert live.carts is None or live.carts.n_free == mixture["carriers"]["n_carts"]
    # nobody jumps: a till, door or exit lies at most half a diagonal beside the middle of its cell
    shopper, _, xy = compute_positions(model)
    same, beside_m = np.diff(shopper) == 0, store.grid.cell_m * np.sqrt(0.5)
    step_m = np.hypot(*np.diff(xy, axis=0).T)[same]
    assert np.all(step_m <= model.speed_mps[shopper[1:][same]] + beside_m + 1e-6)
    assert np.mean(step_m <= model.speed_mps[shopper[1:][same]] + 1e-6) > 0.9
