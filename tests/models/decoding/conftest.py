import numpy as np
import pytest
import torch

from models.decoding import NativeEngine
from models.decoding.native import PRECISIONS, has_precision, is_native_available
from models.paper.grammar import Grammar
from models.paper.network import LSTMConfig, LSTMLanguageModel, build_gpt2

VOCAB, SIDE = 90, 6  # cells 0..35 of a 6 x 6 m room, 36..87 purchases, 88 the end, 89 the door
EOS, DOOR = 88, 89

PRECISIONS_HERE = [name for name in PRECISIONS if has_precision(name)]
needs_compiler = pytest.mark.skipif(
    not is_native_available(build_gpt2("tiny", vocab_size=4, eos_id=0, rng=np.random.default_rng(0))),
    reason="no C compiler",
)


def make_network(preset="tiny", vocab_size=VOCAB, *, n_positions=64, seed=0):
    """A network with strong opinions, so that errors show."""
    network = build_gpt2(
        preset, vocab_size=vocab_size, eos_id=EOS, n_positions=n_positions, rng=np.random.default_rng(seed)
    )
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in network.parameters():
            if weights.dim() > 1:
                weights.mul_(3.0)
            else:
                weights.add_(0.1 * torch.randn(weights.shape, generator=noise))
    return network


@pytest.fixture(scope="session")
def network():
    return make_network()


@pytest.fixture(scope="session")
def lstm():
    config = LSTMConfig(vocab_size=VOCAB, eos_token_id=EOS, n_embd=32, n_hidden=32, n_layer=2)
    return LSTMLanguageModel(config, rng=np.random.default_rng(0))


@pytest.fixture(scope="session")
def room():
    """Steps to neighbouring cells, purchases of the two categories there, the end in cell 0 alone."""
    allowed = []
    for row, column in np.ndindex(SIDE, SIDE):
        cell = row * SIDE + column
        near = {
            r * SIDE + c
            for r in range(max(row - 1, 0), min(row + 2, SIDE))
            for c in range(max(column - 1, 0), min(column + 2, SIDE))
        }
        allowed.append(sorted(near | {36 + cell, 37 + cell} | ({EOS} if cell == 0 else set())))
    allowed.append([0, 1])  # at the door
    return Grammar(
        state_of_token=np.array([*range(SIDE**2), *[-1] * 53, SIDE**2]),
        allowed_offsets=np.cumsum([0, *map(len, allowed)]),
        allowed_tokens=np.concatenate(allowed),
        start_state=SIDE**2,
        eos_id=EOS,
    )


@pytest.fixture(scope="session", params=PRECISIONS_HERE)
def native(request, network):
    return NativeEngine(network, precision=request.param)
