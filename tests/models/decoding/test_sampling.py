import numpy as np
import pytest
import torch
from scipy import stats

from layouts import ConfigError
from models.decoding import make_engine, open_grammar, sample_sequences
from models.decoding.native import is_native_available
from tests.models.decoding.conftest import DOOR, EOS, VOCAB, make_network

NETWORK = make_network()
NAMES = [*(["native"] if is_native_available(NETWORK) else []), "torch", "transformers"]
each_engine = pytest.mark.parametrize("name", NAMES)
PROMPTS = [np.array([DOOR]), np.array([DOOR, 0, 1, 7]), np.array([DOOR, 1])]


def sample(name, network=NETWORK, grammar=None, *, n=64, max_tokens=40, prompts=PROMPTS, **options):
    uniforms = np.random.default_rng(5).random((n, max_tokens))
    given = [prompts[row % len(prompts)] for row in range(n)]
    return sample_sequences(network, given, uniforms, grammar, max_tokens=max_tokens, engine=name, **options)


@pytest.mark.parametrize("name", ["torch", "transformers"])
def test_logits_equal_those_of_one_forward_pass(name):
    tokens = np.random.default_rng(0).integers(0, VOCAB, 64)
    with torch.no_grad():
        expected = NETWORK(torch.from_numpy(tokens)[None]).logits[0].numpy()
    assert np.abs(make_engine(NETWORK, name).compute_logits(tokens) - expected).max() < 1e-4


@each_engine
def test_the_grammar_is_kept_and_the_prompts_stay(name, room):
    sequences = sample(name, grammar=room)
    for row, sequence in enumerate(sequences):
        prompt = PROMPTS[row % 3]
        assert np.array_equal(sequence[: len(prompt)], prompt)
        assert room.check_tokens(sequence)[len(prompt) :].all()
    assert sum(sequence[-1] == EOS for sequence in sequences) > 3


@each_engine
def test_a_sequence_stops_at_the_end_token_or_its_limit(name, room):
    for sequence, prompt in zip(sample(name, grammar=room), PROMPTS * 22, strict=False):
        assert EOS not in sequence[:-1]
        assert sequence[-1] == EOS or len(sequence) == len(prompt) + 40
    reach = sample(name, grammar=room, max_tokens=500, n=12)
    assert max(map(len, reach)) == NETWORK.config.n_positions + 1


@each_engine
def test_engines_take_the_same_luck_the_same_way(name, room):
    expected = sample("transformers", grammar=room)
    n_same = sum(np.array_equal(a, b) for a, b in zip(sample(name, grammar=room), expected, strict=True))
    assert n_same >= (50 if name == "native" else 64)  # rounding may tip a draw now and then


@each_engine
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_follow_the_probabilities_of_the_network(name, temperature, room):
    """Chi-square of the first two tokens after a prompt against exact probabilities."""
    prompt, n = np.array([DOOR, 1, 7]), 4000
    uniforms = np.random.default_rng(6).random((n, 2))
    drawn = sample_sequences(
        NETWORK, [prompt] * n, uniforms, room, max_tokens=2, engine=name, temperature=temperature
    )
    expected = {}
    for first, chance in zip(*probabilities(prompt, room, temperature), strict=True):
        for second, then in zip(*probabilities(np.append(prompt, first), room, temperature), strict=True):
            expected[first, second] = chance * then * n
    seen = dict.fromkeys(expected, 0)
    for sequence in drawn:
        seen[tuple(sequence[3:])] += 1
    common = [pair for pair in expected if expected[pair] >= 5]
    rare = n - sum(expected[pair] for pair in common)
    observed = [seen[pair] for pair in common]
    wanted = [expected[pair] for pair in common]
    if rare > 1e-6:
        observed, wanted = [*observed, n - sum(observed)], [*wanted, rare]
    assert len(common) > 30
    assert stats.chisquare(observed, wanted).pvalue > 1e-3


def probabilities(prompt, grammar, temperature):
    allowed = grammar.get_allowed(grammar.trace_states(prompt)[-1])
    with torch.no_grad():
        logits = NETWORK(torch.from_numpy(prompt)[None]).logits[0, -1, torch.from_numpy(allowed)]
    return allowed, (logits.double() / temperature).softmax(0).numpy()


@each_engine
def test_without_a_grammar_every_token_may_come(name):
    sequences = sample(name, n=200)
    assert len(np.unique(np.concatenate(sequences))) > 80


def test_the_histograms_of_native_and_generate_agree(room):
    """Chi-square of all tokens' counts in whole journeys, against `generate` of transformers."""
    from transformers import LogitsProcessor, LogitsProcessorList

    allowed = torch.zeros(room.n_states, VOCAB, dtype=torch.bool)
    for state in range(room.n_states):
        allowed[state, torch.from_numpy(room.get_allowed(state))] = True

    class KeepGrammar(LogitsProcessor):
        def __call__(self, input_ids, scores):
            states = [room.trace_states(row.numpy())[-1] for row in input_ids]
            return scores.masked_fill(~allowed[states], -torch.inf)

    n, n_new = 600, 6
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = NETWORK.generate(
            torch.full((n, 1), DOOR),
            attention_mask=torch.ones(n, 1),
            do_sample=True,
            top_k=0,
            max_new_tokens=n_new,
            pad_token_id=EOS,
            logits_processor=LogitsProcessorList([KeepGrammar()]),
        ).numpy()
    uniforms = np.random.default_rng(7).random((n, n_new))
    ours = sample_sequences(NETWORK, [np.array([DOOR])] * n, uniforms, room, max_tokens=n_new)
    last = np.array([[*row, *[EOS] * (n_new + 1 - len(row))] for row in ours])
    for step in (1, 3, 6):  # one token per journey: independent draws
        counts = np.array([np.bincount(part[:, step], minlength=VOCAB) for part in (theirs, last)])
        enough = counts.sum(axis=0) >= 10
        table = np.column_stack([counts[:, enough], counts[:, ~enough].sum(axis=1)])
        table = table[:, table.sum(axis=0) > 0]
        assert stats.chi2_contingency(table).pvalue > 1e-3


def test_the_lstm_is_sampled_by_torch(lstm, room):
    assert make_engine(lstm).kind == "torch"
    for sequence in sample("auto", lstm, room):
        assert room.check_tokens(sequence)[4:].all()
    tokens = np.arange(20)
    with torch.no_grad():
        expected = lstm(torch.from_numpy(tokens)[None]).logits[0].numpy()
    assert np.abs(make_engine(lstm).compute_logits(tokens) - expected).max() < 1e-4
    with pytest.raises(ConfigError, match="cannot run an LSTM"):
        make_engine(lstm, "transformers")


@each_engine
def test_no_prompts_give_no_sequences(name):
    assert sample_sequences(NETWORK, [], np.zeros((0, 5)), max_tokens=5, engine=name) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"engine": "gpu"}, "known are auto, native, torch, transformers"),
        ({"max_tokens": 0}, "max_tokens must be at least 1"),
        ({"temperature": 0.0}, "temperature above 0"),
        ({"uniforms": np.zeros((1, 3))}, r"uniforms must be \(1, 4\)"),
        ({"uniforms": np.full((1, 4), 1.5)}, "from 0 to 1"),
        ({"prompts": [np.array([], dtype=int)]}, "prompt 0 has 0 tokens"),
        ({"prompts": [np.array([VOCAB])]}, "prompt 0: tokens must be from 0 to 89"),
        ({"prompts": [np.zeros(65, dtype=int)]}, "must have from 1 to 64"),
        ({"grammar": open_grammar(7, 0)}, "speaks of 7 tokens, the network of 90"),
    ],
)
def test_what_cannot_be_sampled_is_refused(change, reason):
    task = {"prompts": [np.array([3])], "uniforms": np.zeros((1, 4)), "max_tokens": 4, "engine": "torch"}
    with pytest.raises(ConfigError, match=reason):
        sample_sequences(NETWORK, **(task | change))
