from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from layouts import ConfigError, ModelError
from models.paper.network import LSTMConfig, LSTMLanguageModel, build_gpt2
from models.paper.training import (
    IGNORED,
    LanguageTrainingConfig,
    compute_loss,
    compute_validation_loss,
    make_batches,
    pad_batch,
    train_language_model,
)

CONFIG = LanguageTrainingConfig(n_epochs=3, batch_tokens=512, learning_rate=4e-3, precision="float32")


def make_network(kind="gpt2", seed=1, **options):
    rng = np.random.default_rng(seed)
    if kind == "lstm":
        return LSTMLanguageModel(LSTMConfig(vocab_size=15, eos_token_id=0, n_layer=2), rng=rng)
    return build_gpt2("tiny", vocab_size=15, eos_id=0, n_positions=64, rng=rng, **options)


def train(network, walks, config=CONFIG, **options):
    return train_language_model(
        network, walks[:300], walks[300:], rng=np.random.default_rng(2), config=config, **options
    )


@pytest.mark.parametrize("kind", ["gpt2", "lstm"])
def test_training_learns_what_follows(kind, walks):
    network = make_network(kind)
    before = compute_validation_loss(network, walks[300:], CONFIG)
    history = train(network, walks)
    assert before > 2.4  # about ln 15: knows nothing
    assert history[-1]["validation"] < (1.2 if kind == "gpt2" else 1.6)
    assert compute_validation_loss(network, walks[300:], CONFIG) == pytest.approx(
        min(epoch["validation"] for epoch in history)
    )
    assert not network.training


def test_the_loss_counts_what_follows_the_prompt_and_nothing_else(walks):
    network = make_network()
    sequences = [walks[0], walks[1][:5]]
    tokens, targets = pad_batch(sequences, n_prompt=2)
    assert (targets != IGNORED).sum() == sum(len(sequence) - 2 for sequence in sequences)
    with torch.no_grad():
        loss = compute_loss(network, tokens, targets, CONFIG)
        by_hand = [
            -network(torch.from_numpy(sequence)[None]).logits[0].log_softmax(-1)[step - 1, sequence[step]]
            for sequence in sequences
            for step in range(2, len(sequence))
        ]
    assert float(loss) == pytest.approx(float(torch.stack(by_hand).mean()), abs=1e-5)


@given(st.lists(st.integers(2, 60), min_size=1, max_size=80), st.integers(60, 600))
def test_every_journey_is_in_one_batch_and_no_batch_too_large(lengths, batch_tokens):
    batches = make_batches(lengths, batch_tokens, rng=np.random.default_rng(0))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) * max(lengths[row] for row in batch) <= batch_tokens for batch in batches)


def test_batches_hold_little_padding():
    lengths = np.random.default_rng(0).lognormal(5.0, 0.5, 3000).astype(int) + 2
    batches = make_batches(list(lengths), 4096, rng=np.random.default_rng(0))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.1 * lengths.sum()


@pytest.mark.parametrize("kind", ["gpt2", "lstm"])
def test_resuming_gives_the_weights_of_an_uninterrupted_training(kind, walks, tmp_path, monkeypatch):
    whole = make_network(kind)
    history = train(whole, walks)
    interrupted = make_network(kind)

    from models.paper import training

    write, n_written = training.write_checkpoint, []

    def write_once(*arguments):
        write(*arguments)
        n_written.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "write_checkpoint", write_once)
    with pytest.raises(KeyboardInterrupt):
        train(interrupted, walks, checkpoint_dir=tmp_path)
    monkeypatch.setattr(training, "write_checkpoint", write)
    resumed = make_network(kind, seed=9)  # other weights: all must come from the checkpoint
    history_of_resumed = train(resumed, walks, checkpoint_dir=tmp_path, resume=True)
    assert [epoch["validation"] for epoch in history_of_resumed] == [epoch["validation"] for epoch in history]
    weights = resumed.state_dict()
    assert all(torch.equal(values, weights[name]) for name, values in whole.state_dict().items())


def test_a_checkpoint_of_another_training_is_refused(walks, tmp_path):
    train(make_network(), walks[:310], replace(CONFIG, n_epochs=1), checkpoint_dir=tmp_path)
    with pytest.raises(ModelError, match="n_epochs = 1, not 3"):
        train(make_network(), walks, checkpoint_dir=tmp_path, resume=True)
    with pytest.raises(ModelError, match="no checkpoint of this network"):
        train(make_network("lstm"), walks, checkpoint_dir=tmp_path, resume=True)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="no checkpoint of this network"):
        train(make_network(), walks, checkpoint_dir=tmp_path, resume=True)


def test_training_ends_when_the_validation_loss_no_longer_falls(walks):
    rng = np.random.default_rng(0)
    noise = [np.append(rng.integers(1, 14, 30), 0) for _ in range(40)]  # nothing to be learned but by heart
    network = make_network(dropout=0.0)
    config = replace(CONFIG, n_epochs=60, patience=2)
    history = train_language_model(network, noise[:20], noise[20:], rng=rng, config=config)
    losses = [epoch["validation"] for epoch in history]
    assert len(history) < 60
    assert len(history) == np.argmin(losses) + 3
    assert compute_validation_loss(network, noise[20:], CONFIG) == pytest.approx(min(losses))


def test_bfloat16_learns_as_well(walks):
    network = make_network()
    history = train(network, walks, replace(CONFIG, precision="bfloat16"))
    assert history[-1]["validation"] < 1.2
    assert next(network.parameters()).dtype == torch.float32


def test_training_leaves_the_luck_of_others_alone(walks):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train(make_network(), walks[:310], replace(CONFIG, n_epochs=1))
    assert torch.equal(torch.rand(1), expected)


def test_journeys_too_long_for_the_network_are_cut_and_told(walks, caplog):
    network = make_network()
    long = [np.tile(walks[1], 5), *walks[:20]]
    train_language_model(
        network, long, walks[20:30], rng=np.random.default_rng(0), config=replace(CONFIG, n_epochs=1)
    )
    assert "1 of 21 journeys cut off after 64 tokens" in caplog.text


def test_wrong_settings_are_refused(walks):
    with pytest.raises(ConfigError, match="precision 'half'"):
        LanguageTrainingConfig(precision="half")
    with pytest.raises(ConfigError, match="patience must be at least 1"):
        LanguageTrainingConfig(patience=0)
    with pytest.raises(ConfigError, match="at least one journey"):
        train_language_model(make_network(), walks, [], rng=np.random.default_rng(0))
