from dataclasses import replace

import numpy as np
import pytest

from layouts import build_store, draw_recipe
from models import build_reference_model, view_layout
from models.policy_training import PolicyTrainingConfig, TrainingStore, make_batch
from models.pretraining import (
    COMMON_LEVELS,
    PretrainingConfig,
    draw_batch,
    pretrain_policy,
    spoil_history,
)
from tests.models.worlds import encode_itineraries, make_network, plan

CLEAN = PretrainingConfig(
    dropout=PolicyTrainingConfig(zone_dropout=0.0, display_dropout=0.0, content_dropout=0.0),
    attribute_dropout=0.0,
    stop_dropout=0.0,
    stop_shift=0.0,
    dwell_noise=0.0,
)


def walk(store, seed):
    truth = build_reference_model(store, np.random.default_rng(seed), n_baskets=100)
    plans = plan(truth, store, 60, seed=seed)
    attributes = {"mission": np.full(60, "quick", dtype=object)}
    planned = np.ones((60, len(store.categories)))
    return TrainingStore(
        view_layout(store), encode_itineraries(plans, attributes), planned, COMMON_LEVELS.encode(attributes)
    )


@pytest.fixture(scope="module")
def shops():
    rng = np.random.default_rng(3)
    return [walk(build_store(draw_recipe(rng, "convenience"), rng), seed) for seed in range(4)]


def test_what_is_asked_is_not_spoiled_and_what_is_told_is(shops):
    shop, rng = shops[0], np.random.default_rng(0)
    batch = make_batch(shop, np.arange(40), rng=rng, config=CLEAN.dropout)
    config = replace(CLEAN, stop_shift=0.3, dwell_noise=0.5, attribute_dropout=0.5)
    spoiled = spoil_history(batch, shop.view, rng=rng, config=config)
    assert (spoiled.target == batch.target).all()
    assert (spoiled.target_dwell == batch.target_dwell).all()
    told = batch.tokens.zone >= 0
    assert 0.15 < (spoiled.tokens.zone != batch.tokens.zone)[told].mean() < 0.45
    assert (spoiled.tokens.zone[~told] == -1).all()
    moved = (spoiled.place != batch.place) & told
    far = shop.view.distance_m[batch.place[moved], spoiled.place[moved]]
    assert far.max() < shop.view.distance_m.max() / 2  # next door, not anywhere
    mission = list(COMMON_LEVELS.levels).index("mission")
    unknown = sum(len(levels) for levels in list(COMMON_LEVELS.levels.values())[:mission])
    assert 0.2 < (spoiled.tokens.attributes[:, mission] == unknown).mean() < 0.8


def test_without_noise_a_batch_is_what_happened(shops):
    batch = draw_batch(shops[1], rng=np.random.default_rng(1), config=CLEAN)
    told = batch.tokens.zone >= 0
    assert (batch.kept_zones[batch.tokens.zone[told]] == batch.place[told]).all()
    assert (batch.target[:, :-1][told[:, 1:]] == batch.tokens.zone[:, 1:][told[:, 1:]]).all()


def test_a_missed_stop_takes_its_purchases_off_the_list(shops):
    config = replace(CLEAN, stop_dropout=0.5)
    rng = np.random.default_rng(2)
    fewer = [draw_batch(shops[0], rng=rng, config=config).tokens.n_wanted[:, 0].mean() for _ in range(10)]
    whole = [draw_batch(shops[0], rng=rng, config=CLEAN).tokens.n_wanted[:, 0].mean() for _ in range(10)]
    assert np.mean(fewer) < 0.75 * np.mean(whole)


def test_learning_from_stores_helps_in_another_one(shops):
    network = make_network(n_levels=COMMON_LEVELS.n_levels)
    config = PretrainingConfig(n_steps=60, batch_size=32, learning_rate=5e-3, validate_every=20)
    history = pretrain_policy(network, shops[:3], shops[3:], rng=np.random.default_rng(0), config=config)
    assert [look["step"] for look in history] == [20, 40, 60]
    assert history[-1]["validation"] < history[0]["validation"] < 6.0
    assert not network.training


def test_the_same_seed_gives_the_same_weights(shops):
    config = PretrainingConfig(n_steps=6, batch_size=16, validate_every=3)
    weights = []
    for _ in range(2):
        network = make_network(n_levels=COMMON_LEVELS.n_levels)
        pretrain_policy(network, shops[:2], shops[2:3], rng=np.random.default_rng(5), config=config)
        weights.append(network.key.weight.detach().numpy())
    assert (weights[0] == weights[1]).all()


@pytest.mark.parametrize("store_format", ["supermarket", "convenience", "racetrack"])
def test_a_mirrored_store_reads_the_same(store_format):
    """So mirror images need not be added to the training."""
    recipe = replace(draw_recipe(np.random.default_rng(4), store_format), notch_gondolas=0, notch_depth_m=0.0)
    plain, mirrored = (
        view_layout(build_store(replace(recipe, is_mirrored=flag), np.random.default_rng(8)))
        for flag in (False, True)
    )
    assert plain.n_zones == mirrored.n_zones
    order = [np.lexsort(view.zone_features.round(2).T[::-1]) for view in (plain, mirrored)]
    one, other = plain.zone_features[order[0]], mirrored.zone_features[order[1]]
    assert np.abs(one - other).mean() < 0.02
