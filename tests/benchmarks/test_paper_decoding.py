import numpy as np

from benchmarks.paper.decoding import DOOR, EOS, make_decoders, make_generate, make_store_grammar
from models.paper.network import build_gpt2

GRAMMAR = make_store_grammar(np.random.default_rng(0))
NETWORK = build_gpt2("tiny", vocab_size=GRAMMAR.n_tokens, eos_id=EOS, rng=np.random.default_rng(0))


def test_all_rivals_make_the_same_number_of_tokens():
    decoders = make_decoders(NETWORK, GRAMMAR)
    assert {name: decode(3, 12, 0) for name, decode in decoders.items()} == dict.fromkeys(decoders, 36)


def test_generate_keeps_the_grammar(monkeypatch):
    made = []
    generate = NETWORK.generate

    def watch(*arguments, **options):
        made.append(generate(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(NETWORK, "generate", watch)
    make_generate(NETWORK, GRAMMAR)(5, 20, 1)
    for sequence in made[0].numpy():
        assert sequence[0] == DOOR
        assert GRAMMAR.check_tokens(sequence)[1:].all()
