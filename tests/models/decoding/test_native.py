import pickle

import numpy as np
import pytest
import torch

from layouts import ConfigError
from models.decoding import NativeEngine, make_engine, sample_sequences
from models.decoding import native as native_module
from models.decoding.native import is_native_available
from tests.models.decoding.conftest import DOOR, PRECISIONS_HERE, VOCAB, make_network, needs_compiler

pytestmark = needs_compiler
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.03}  # of logits whose spread is about 1


@pytest.mark.parametrize("precision", PRECISIONS_HERE)
@pytest.mark.parametrize("preset", ["tiny", "small", "medium"])
def test_logits_are_those_of_transformers(preset, precision):
    network = make_network(preset, 300, n_positions=128)
    tokens = np.random.default_rng(1).integers(0, 300, 128)
    with torch.no_grad():
        expected = network(torch.from_numpy(tokens)[None]).logits[0].numpy()
    logits = NativeEngine(network, precision=precision).compute_logits(tokens)
    assert expected.std() > 0.3
    assert np.abs(logits - expected).max() < TOLERANCE[precision]


def test_a_sequence_is_the_same_to_the_byte_whatever_runs_beside_it(network, native, room):
    rng = np.random.default_rng(2)
    prompts = [np.array([DOOR, 7, 8, 14][: rng.integers(1, 5)]) for _ in range(70)]
    uniforms = rng.random((70, 60))
    together = sample_sequences(network, prompts, uniforms, room, max_tokens=60, engine=native)
    for rows in ([0], [3, 1, 2], list(range(60, 70)), list(range(5, 36))):
        apart = sample_sequences(
            network, [prompts[row] for row in rows], uniforms[rows], room, max_tokens=60, engine=native
        )
        assert all(np.array_equal(together[row], one) for row, one in zip(rows, apart, strict=True))
    assert len({len(sequence) for sequence in together}) > 3  # places were freed and taken at various times


def test_threads_change_nothing(network, native, room, monkeypatch):
    uniforms = np.random.default_rng(3).random((70, 40))
    prompts = [np.array([DOOR])] * 70
    alone = sample_sequences(network, prompts, uniforms, room, max_tokens=40, engine=native)
    monkeypatch.setattr(native_module.torch, "get_num_threads", lambda: 2)
    shared = sample_sequences(network, prompts, uniforms, room, max_tokens=40, engine=native)
    assert all(np.array_equal(a, b) for a, b in zip(alone, shared, strict=True))


def test_an_engine_can_be_sent_to_another_process(native):
    tokens = np.arange(20)
    copy = pickle.loads(pickle.dumps(native))
    assert np.array_equal(copy.compute_logits(tokens), native.compute_logits(tokens))


def test_the_plain_build_gives_the_same_logits(network, monkeypatch, tmp_path):
    tokens = np.arange(50) % VOCAB
    expected = NativeEngine(network, precision="float32").compute_logits(tokens)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(
        native_module, "FLAGS", [flag for flag in native_module.FLAGS if flag != "-march=native"]
    )
    forget_builds()
    try:
        plain = NativeEngine(network, precision="float32").compute_logits(tokens)
    finally:
        forget_builds()
    assert [path.suffix for path in (tmp_path / "storesim").iterdir()] == [".so"]
    assert np.allclose(plain, expected, atol=1e-4)


def test_without_a_compiler_the_reason_is_told_and_torch_takes_over(network, monkeypatch, caplog):
    monkeypatch.setattr(native_module.shutil, "which", lambda name: None)
    forget_builds()
    try:
        with pytest.raises(ConfigError, match="no C compiler"):
            NativeEngine(network)
        assert not is_native_available(network)
        assert make_engine(network).kind == "torch"
        assert caplog.text.count("sampling by torch, which is slower: no C compiler") == 1
    finally:
        forget_builds()


def forget_builds():
    native_module._load_library.cache_clear()
    native_module._find_failure.cache_clear()


def test_a_compiler_that_fails_is_told(network, monkeypatch, tmp_path):
    source = tmp_path / "engine.c"
    source.write_text("int main( {")
    monkeypatch.setattr(native_module, "SOURCE", source)
    forget_builds()
    try:
        with pytest.raises(ConfigError, match="cannot build the native engine"):
            NativeEngine(network)
    finally:
        forget_builds()


def test_a_network_that_does_not_fit_is_refused(lstm):
    with pytest.raises(ConfigError, match="no GPT-2"):
        NativeEngine(lstm)
    relu = make_network()
    relu.config.activation_function = "relu"
    with pytest.raises(ConfigError, match="activation is relu"):
        NativeEngine(relu)
    with pytest.raises(ConfigError, match="precision 'int4'"):
        NativeEngine(make_network(), precision="int4")
