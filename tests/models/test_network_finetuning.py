import numpy as np
import pytest
import torch

from models import build_reference_model, view_layout
from models.network_finetuning import FinetuningConfig, extend_attributes, finetune_network
from models.policy_training import TrainingStore
from tests.models.worlds import CODER, encode_itineraries, make_network, plan


def walk(store, n):
    truth = build_reference_model(store, np.random.default_rng(0), n_baskets=100)
    attributes = {"mission": np.full(n, "quick", dtype=object)}
    journeys = encode_itineraries(plan(truth, store, n, seed=1), attributes)
    planned = np.ones((n, len(store.categories)))
    return TrainingStore(view_layout(store), journeys, planned, CODER.encode(attributes))


def test_new_levels_start_as_unknown_and_old_ones_stay():
    network = make_network()
    seen = {
        "mission": np.array(["quick", "pick-up"], dtype=object),
        "loyalty": np.array(["gold", "unknown"], dtype=object),
    }
    larger, coder = extend_attributes(network, CODER, seen)
    assert coder.levels["mission"] == ("unknown", "major", "quick", "pick-up")
    assert coder.levels["gender"] == CODER.levels["gender"]

    def embed(network, coder, **values):
        codes = coder.encode({name: np.array([value], dtype=object) for name, value in values.items()})
        return network.attribute_in(torch.from_numpy(codes)).sum(1).detach().numpy()

    old = embed(network, CODER, mission="quick", gender="male")
    assert embed(larger, coder, mission="quick", gender="male", loyalty="gold") == pytest.approx(
        old, abs=1e-6
    )
    unknown = embed(network, CODER, mission="unknown", gender="unknown")
    assert embed(larger, coder, mission="pick-up", gender="unknown") == pytest.approx(unknown, abs=1e-6)
    same, _ = extend_attributes(network, CODER, {"mission": np.array(["quick"], dtype=object)})
    assert same.attribute_in.weight.shape == network.attribute_in.weight.shape


def test_held_back_visits_get_better(corner_shop):
    network, store = make_network(), walk(corner_shop, 60)
    history = finetune_network(
        network, store, rng=np.random.default_rng(0), config=FinetuningConfig(n_steps=60, learning_rate=5e-3)
    )
    assert history[0]["step"] == 0
    assert min(look["validation"] for look in history) < history[0]["validation"] - 0.3
    assert not network.training


def test_where_no_step_helps_the_network_stays_as_it_was(corner_shop):
    network, store = make_network(), walk(corner_shop, 8)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    absurd = FinetuningConfig(n_steps=40, learning_rate=30.0)
    finetune_network(network, store, rng=np.random.default_rng(0), config=absurd)
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())


def test_two_visits_are_enough_to_run(corner_shop):
    network = make_network()
    finetune_network(
        network, walk(corner_shop, 2), rng=np.random.default_rng(0), config=FinetuningConfig(n_steps=5)
    )
    assert all(torch.isfinite(values).all() for values in network.state_dict().values())
