import json

import numpy as np
import pytest
import torch

from layouts import ConfigError, ModelError
from models.paper.network import (
    LSTMConfig,
    LSTMLanguageModel,
    build_gpt2,
    load_language_model,
    read_tokens,
    save_language_model,
)

TOKENS = torch.from_numpy(np.random.default_rng(0).integers(0, 15, (3, 9)))


def make_network(kind):
    rng = np.random.default_rng(1)
    if kind == "lstm":
        return LSTMLanguageModel(LSTMConfig(vocab_size=15, eos_token_id=0, n_embd=16, n_hidden=24), rng=rng)
    return build_gpt2("tiny", vocab_size=15, eos_id=0, n_positions=32, rng=rng)


@pytest.mark.parametrize("kind", ["gpt2", "lstm"])
def test_a_saved_network_gives_the_same_logits(kind, tmp_path):
    network = make_network(kind)
    save_language_model(network, tmp_path)
    loaded = load_language_model(tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded(TOKENS).logits, network(TOKENS).logits)
        assert torch.allclose(loaded.lm_head(read_tokens(loaded, TOKENS)), network(TOKENS).logits)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_transformers_reads_the_folder_of_a_gpt2(tmp_path):
    from transformers import AutoModelForCausalLM

    network = make_network("gpt2")
    save_language_model(network, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(theirs(TOKENS).logits, network(TOKENS).logits)
    assert theirs.config.activation_function == "gelu_pytorch_tanh"


@pytest.mark.parametrize("kind", ["gpt2", "lstm"])
def test_weights_depend_on_the_generator_alone(kind):
    torch.rand(3)
    first = make_network(kind).state_dict()
    second = make_network(kind).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_lstm_goes_on_from_its_state():
    network = make_network("lstm")
    with torch.no_grad():
        whole = network(TOKENS).logits
        start = network(TOKENS[:, :4])
        rest = network(TOKENS[:, 4:], start.state)
    assert torch.allclose(torch.cat([start.logits, rest.logits], 1), whole, atol=1e-6)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ConfigError, match="known are tiny, small, medium, gpt2-small"):
        build_gpt2("huge", vocab_size=5, eos_id=0, rng=np.random.default_rng(0))


@pytest.mark.parametrize("damage", ["kind", "size", "weights"])
def test_a_damaged_folder_is_a_model_error(damage, tmp_path):
    save_language_model(make_network("gpt2"), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    if damage == "weights":
        (tmp_path / "model.safetensors").write_bytes(b"nothing")
    else:
        config |= {"model_type": "bert"} if damage == "kind" else {"n_embd": 32}
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError):
        load_language_model(tmp_path)
