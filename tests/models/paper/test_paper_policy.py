"""The paper's policy: written at the door, lived in the simulator, the same from disk."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import build_journeys, clean_tracks, observe
from layouts import bundled_store
from models import build_reference_model, fit_model, load_model
from models.finetuning import finetune_model
from models.paper.fitting import fit_paper_policy
from models.paper.policy import PaperPolicy
from models.paper.training import LanguageTrainingConfig
from scenarios.monte_carlo import RunConfig, simulate_replication

FEW_EPOCHS = LanguageTrainingConfig(n_epochs=2, learning_rate=3e-3, precision="float32")


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def people(shop):
    return build_reference_model(shop, np.random.default_rng(0))


@pytest.fixture(scope="module")
def observations(shop, people):
    config = RunConfig(n_shoppers=150, n_replications=1, seed=2, tracks="all")
    tables = simulate_replication(shop, people, 0, config)
    rng = np.random.default_rng(3)
    return observe(tables.tracks, tables.receipts, tables.sessions, shop, rng)


@pytest.fixture(scope="module")
def policy(shop, observations):
    positions = clean_tracks(observations.tracks, shop)
    journeys = build_journeys(observations, shop, positions=positions)
    rng = np.random.default_rng(4)
    fitted, history = fit_paper_policy(positions, journeys, shop, rng=rng, preset="tiny", training=FEW_EPOCHS)
    assert history[-1]["validation"] < history[0]["validation"]
    return fitted


def live(shop, people, policy, n=60):
    model = replace(people, policy=policy)
    return simulate_replication(
        shop, model, 0, RunConfig(n_shoppers=n, n_replications=1, seed=5, tracks="all")
    )


def test_it_lives_in_the_simulator_on_the_floor(shop, people, policy):
    tables = live(shop, people, policy)
    assert (shop.grid.cell_at(tables.tracks[["x", "y"]].to_numpy()) >= 0).all()
    assert tables.sessions["session_id"].nunique() == 60
    assert len(tables.visits) > 60
    assert len(tables.receipts) > 0
    sold = tables.picks.merge(tables.visits[["session_id", "visit", "zone_id"]], on=["session_id", "visit"])
    zone = sold["zone_id_x"].map(shop.zone_index)
    sku = sold["sku_id"].map(shop.sku_index)
    assert shop.stands[zone, sku].all()


def test_from_disk_it_writes_the_same(shop, people, policy, tmp_path):
    policy.save_pretrained(tmp_path)
    loaded = PaperPolicy.from_pretrained(tmp_path)
    first, second = live(shop, people, policy, 20), live(shop, people, loaded, 20)
    assert first.tracks.equals(second.tracks)
    assert first.receipts.equals(second.receipts)


def test_transformers_reads_the_folder_as_it_is(policy, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    policy.save_pretrained(tmp_path)
    network, tokenizer = (
        AutoModelForCausalLM.from_pretrained(tmp_path),
        AutoTokenizer.from_pretrained(tmp_path),
    )
    line = "<mission:quick> <door> 000000 000001 <exit>"
    assert tokenizer(line)["input_ids"] == policy.tokenizer.encode([line])[0].tolist()
    assert network.config.vocab_size == policy.tokenizer.n_tokens


def test_an_attribute_never_seen_counts_as_unknown(policy):
    codes = policy.encode_attributes({"mission": np.array(["quick", "to rob the place"])})
    words = [policy.tokenizer.words[token] for token in codes[:, 0]]
    assert words == ["<mission:quick>", "<mission:unknown>"]


def test_fine_tuning_goes_on_with_the_words_that_there_are(shop, observations, policy):
    positions = clean_tracks(observations.tracks, shop)
    journeys = build_journeys(observations, shop, positions=positions)
    tuned, history = fit_paper_policy(
        positions,
        journeys,
        shop,
        rng=np.random.default_rng(6),
        start=policy,
        training=replace(FEW_EPOCHS, n_epochs=1, learning_rate=5e-4),
    )
    assert len(history) == 1
    assert tuned.tokenizer.words[: policy.tokenizer.n_tokens] == policy.tokenizer.words
    before = policy.network.transformer.wte.weight
    assert not np.array_equal(before.detach(), tuned.network.transformer.wte.weight.detach()[: len(before)])


def test_storesim_train_and_finetune_make_whole_models_of_it(shop, observations, tmp_path):
    model = fit_model(shop, observations, policy="paper", preset="tiny", rng=np.random.default_rng(7))
    model.save_pretrained(tmp_path / "trained")
    loaded = load_model(tmp_path / "trained")
    assert isinstance(loaded.policy, PaperPolicy)
    tuned = finetune_model(loaded, shop, observations, n_sessions=40, rng=np.random.default_rng(8))
    tuned.save_pretrained(tmp_path / "tuned")
    assert isinstance(load_model(tmp_path / "tuned").policy, PaperPolicy)
    assert tuned.knowledge["policy"] == "paper"
