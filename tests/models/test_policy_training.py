from dataclasses import replace

import numpy as np
import pytest
import torch

from models import view_layout
from models.gpt2_pointer import bin_dwell
from models.layout_view import ZONE_FEATURES
from models.policy_training import (
    CONTENT_FEATURES,
    NOTHING_DROPPED,
    PolicyTrainingConfig,
    TrainingStore,
    compute_loss,
    make_batch,
    train_policy,
)
from tests.models.worlds import CODER, encode_itineraries, make_journeys, make_network, plan

QUICK = PolicyTrainingConfig(n_steps=18, batch_size=32, learning_rate=5e-3)


@pytest.fixture(scope="module")
def shop(corner_shop):
    """Two hundred journeys of the reference shopper, everything that was taken being planned."""
    from models import build_reference_model

    truth = build_reference_model(corner_shop, np.random.default_rng(0))
    plans = plan(truth, corner_shop, 200, seed=3)
    mission = {"mission": np.where(np.arange(200) % 2, "quick", "major").astype(object)}
    journeys = encode_itineraries(plans, mission)
    return TrainingStore(
        view=view_layout(corner_shop),
        journeys=journeys,
        planned_share=np.ones((200, len(corner_shop.categories))),
        attributes=CODER.encode(mission),
    )


@pytest.fixture
def tiny_training(tiny_store, tiny_view):
    """Bread in `south`, jam and crisps in `north`, a look at `cold`, crisps at `end`; and only a look."""
    at, sku = tiny_store.zone_index, tiny_store.sku_index
    journeys = make_journeys(
        [[at["south"], at["north"], at["cold"], at["end"]], [at["cold"], -1, -1, -1]],
        [
            (0, 0, sku["BREAD"], 1),
            (0, 1, sku["JAM"], 1),
            (0, 1, sku["CRISPS"], 1),
            (0, 3, sku["CRISPS"], 2),
        ],
        dwell_s=[[5, 10, 20, 40], [80, 0, 0, 0]],
    )
    return TrainingStore(
        view=tiny_view,
        journeys=journeys,
        planned_share=np.ones((2, len(tiny_store.categories))),
        attributes=CODER.encode(journeys.attributes),
    )


def batch_of(store, config=NOTHING_DROPPED, seed=0, rows=None):
    rows = np.arange(store.journeys.n) if rows is None else rows
    return make_batch(store, rows, rng=np.random.default_rng(seed), config=config)


# ---- what a journey teaches


def test_decisions_of_a_journey(tiny_training, tiny_store):
    batch, at = batch_of(tiny_training), tiny_store.zone_index
    south, north, cold, end = at["south"], at["north"], at["cold"], at["end"]
    leave = tiny_store.n_zones
    assert batch.target.tolist() == [[south, north, cold, end, leave], [cold, *[leave] * 4]]
    assert batch.has_step.tolist() == [[True] * 5, [True, True, False, False, False]]
    entrance = tiny_training.view.entrance
    assert batch.place[0].tolist() == [entrance, south, north, cold, end]
    assert batch.tokens.zone[0].tolist() == [-1, south, north, cold, end]
    assert batch.tokens.dwell_s[0].tolist() == [0, 5, 10, 20, 40]
    assert batch.target_dwell[0, :4].tolist() == bin_dwell(np.array([5.0, 10, 20, 40])).tolist()
    assert batch.n_visits[0, :, south].tolist() == [0, 1, 1, 1, 1]
    assert batch.n_visits[0, :, end].tolist() == [0, 0, 0, 0, 1]


def test_items_still_wanted_count_down_wherever_they_stand(tiny_training, tiny_store):
    batch, at = batch_of(tiny_training), tiny_store.zone_index
    assert batch.tokens.n_wanted.tolist() == [[4, 3, 1, 1, 0], [0] * 5]
    assert batch.n_wanted_here[0, :, at["south"]].tolist() == [1, 0, 0, 0, 0]
    assert batch.n_wanted_here[0, :, at["north"]].tolist() == [3, 3, 1, 1, 0]  # crisps stand here too
    assert batch.n_wanted_here[0, :, at["end"]].tolist() == [2, 2, 1, 1, 0]
    assert not batch.n_wanted_here[1].any()


def test_stops_for_what_was_not_planned_are_taken_out_and_looks_stay(tiny_training, tiny_store):
    share = tiny_training.planned_share.copy()
    for name in ("bakery", "snacks"):
        share[:, tiny_store.categories.index(name)] = 0.0
    batch, at = batch_of(replace(tiny_training, planned_share=share)), tiny_store.zone_index
    assert batch.target[0].tolist() == [at["north"], at["cold"], tiny_store.n_zones]
    assert batch.tokens.n_wanted[0].tolist() == [1, 0, 0]
    assert batch.n_wanted_here[0, 0].tolist() == [z == at["north"] for z in range(tiny_store.n_zones)]


def test_what_is_planned_is_drawn_anew_by_its_share(tiny_training, tiny_store):
    share = tiny_training.planned_share.copy()
    share[:, tiny_store.categories.index("bakery")] = 0.3
    uncertain = replace(tiny_training, planned_share=share)
    first = [batch_of(uncertain, seed=seed).target[0, 0] for seed in range(600)]
    share_south = np.mean(np.array(first) == tiny_store.zone_index["south"])
    assert share_south == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 600))


def test_dropped_zones_leave_layout_journey_and_list(shop, corner_shop):
    config = replace(NOTHING_DROPPED, zone_dropout=0.5, display_dropout=0.9)
    n_kept = []
    for seed in range(30):
        batch = batch_of(shop, config, seed)
        kept, n = batch.kept_zones, len(batch.kept_zones)
        n_kept.append(n)
        assert batch.zone_features.shape[0] == n
        assert batch.target.max() == n
        assert set(batch.tokens.zone.ravel()) <= set(range(-1, n))
        gone = np.setdiff1d(np.arange(corner_shop.n_zones), kept)
        assert not batch.n_wanted_here[:, :, gone].any()
        chosen = batch.target[batch.has_step]
        assert np.isin(kept[chosen[chosen < n]], shop.journeys.zone).all()
    whole = np.array(n_kept) == corner_shop.n_zones
    assert 0.2 < whole.mean() < 0.8  # half of the batches see the store whole
    assert np.array(n_kept)[~whole].max() < 0.8 * corner_shop.n_zones


def test_nobody_leaves_before_the_list_is_done(shop):
    for seed in range(5):
        batch = batch_of(shop, PolicyTrainingConfig(), seed)
        leaves = batch.has_step & (batch.target == len(batch.kept_zones))
        assert (leaves.sum(axis=1) == 1).all()
        assert not batch.tokens.n_wanted[leaves].any()
        assert not batch.n_wanted_here[leaves].any()


def test_content_is_blurred_and_place_is_not(shop):
    features = shop.view.zone_features
    blurred = batch_of(shop, replace(NOTHING_DROPPED, content_dropout=1.0)).zone_features
    place = np.setdiff1d(np.arange(len(ZONE_FEATURES)), CONTENT_FEATURES)
    assert np.array_equal(blurred[:, place], features[:, place])
    assert blurred[:, CONTENT_FEATURES] == pytest.approx(
        np.tile(features.mean(axis=0)[CONTENT_FEATURES], (len(features), 1)), abs=1e-6
    )
    assert np.array_equal(batch_of(shop).zone_features, features)


# ---- learning


def test_loss_of_a_batch_is_that_of_its_journeys_whatever_the_padding(shop):
    """It is a mean over decisions, so journeys read one by one give the same."""
    network = make_network()
    rows = np.array([3, 8, 50, 120])
    with torch.no_grad():
        together = compute_loss(network, batch_of(shop, rows=rows), shop.view).item()
        alone = [batch_of(shop, rows=rows[[i]]) for i in range(4)]
        losses = np.array([compute_loss(network, batch, shop.view).item() for batch in alone])
    n_decisions = np.array([batch.has_step.sum() for batch in alone])
    assert len(set(n_decisions.tolist())) > 1
    assert together == pytest.approx((losses * n_decisions).sum() / n_decisions.sum(), rel=1e-5)


def test_training_lowers_the_loss_on_journeys_kept_aside(shop):
    network = make_network(seed=1)
    epochs = []
    history = train_policy(
        network,
        [shop],
        rng=np.random.default_rng(0),
        config=replace(QUICK, n_steps=36),
        on_epoch=lambda *figures: epochs.append(figures),
    )
    assert len(history) == len(epochs) == 6
    assert history[-1]["training"] < history[0]["training"] - 0.3
    assert history[-1]["validation"] < history[0]["validation"] - 0.1
    assert epochs[2] == (2, history[2]["training"], history[2]["validation"])
    assert not network.training


def test_the_best_epoch_is_kept(shop):
    """A learning rate so high that the second epoch is better than the last."""
    hasty = replace(QUICK, n_steps=24, learning_rate=0.2)
    network = make_network(seed=2)
    history = train_policy(network, [shop], rng=np.random.default_rng(2), config=hasty)
    losses = [epoch["validation"] for epoch in history]
    once = make_network(seed=2)
    best = int(np.argmin(losses))
    assert best < len(losses) - 1
    states = []
    train_policy(
        once,
        [shop],
        rng=np.random.default_rng(2),
        config=hasty,
        on_epoch=lambda *_: states.append({k: v.clone() for k, v in once.state_dict().items()}),
    )
    kept = network.state_dict()
    assert all(torch.equal(kept[name], states[best][name]) for name in kept)


def train_once(stores, seed):
    network = make_network(seed=3)
    history = train_policy(network, stores, rng=np.random.default_rng(seed), config=QUICK)
    return network.state_dict(), history


def test_training_is_repeatable_to_the_bit_and_leaves_torchs_own_luck_alone(shop):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    weights, history = train_once([shop], seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again, history_again = train_once([shop], seed=5)
    assert history == history_again
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    other, _ = train_once([shop], seed=6)
    assert not all(torch.equal(weights[name], other[name]) for name in weights)


def test_few_journeys_are_read_more_often_but_not_for_ever(shop):
    def count_epochs(**options):
        config = replace(QUICK, **options)
        return len(train_policy(make_network(), [shop], rng=np.random.default_rng(0), config=config))

    assert count_epochs(n_steps=10, batch_size=60) == 4  # 180 journeys to learn from: three batches an epoch
    assert count_epochs(n_steps=1000, batch_size=60, max_epochs=2) == 2


def test_one_network_learns_from_two_stores(shop, tiny_training):
    _, history = train_once([shop, tiny_training], seed=0)
    assert np.isfinite([epoch["validation"] for epoch in history]).all()
    assert history[-1]["training"] < history[0]["training"]
