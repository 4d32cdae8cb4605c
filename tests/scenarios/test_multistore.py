import numpy as np
import pytest

from layouts import bundled_store
from models import load_model, view_layout
from scenarios.multistore import build_multistore_model, draw_walked_store, main
from simulator import Luck, draw_population, plan_itineraries


@pytest.fixture(autouse=True)
def few_stores_to_look_at(monkeypatch):
    monkeypatch.setattr("scenarios.multistore.N_VALIDATION_STORES", 2)
    monkeypatch.setattr("scenarios.multistore.N_TOWNS", 2)


def shop(model, store, n=200):
    luck = Luck(1)
    _, baskets = draw_population(model, store, n, luck)
    return plan_itineraries(model, store, baskets, n, luck)


@pytest.mark.parametrize("seed", range(3))
def test_walked_journeys_take_what_stands_at_their_stops(seed):
    walked = draw_walked_store(np.random.default_rng(seed), 2, 40)[1]
    journeys, store = walked.journeys, walked.view.store
    zone = journeys.zone[journeys.pick_row, journeys.pick_stop]
    assert journeys.n == 40
    assert (zone >= 0).all()
    assert store.stands[zone, journeys.pick_sku].all()
    assert (walked.view.zone_features == view_layout(store).zone_features).all()


def test_a_model_is_made_and_the_same_seed_makes_the_same(tmp_path):
    for name in ("one", "other"):
        main(str(tmp_path / name), "2", "4", "3")
    files = [
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("one", "other")
    ]
    assert files[0] == files[1]
    plans = shop(load_model(tmp_path / "one"), bundled_store("corner-shop"))
    assert plans.n_picks > 200


def test_looks_are_told():
    seen = []
    build_multistore_model(n_stores=1, n_steps=2, seed=0, on_look=lambda *look: seen.append(look[1]))
    assert seen == [2]
