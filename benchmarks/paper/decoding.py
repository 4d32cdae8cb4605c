"""Tokens a second of the decoder against transformers' `generate()`: same weights, prompts and grammar.

Both sample journeys of one length in a made-up store of 40 x 40 cells, where eight neighbours, staying and
five purchases may follow. One thread each; CPU time, so that other load on the machine counts little; the two
take turns, and medians are told, so that the ratio is of one run. `--quick` is for a look.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from benchmarks.common import print_table, write_result
from models.decoding import LoopEngine, NativeEngine, is_native_available, sample_sequences
from models.decoding.loop import BATCH
from models.paper.grammar import Grammar
from models.paper.network import build_gpt2

N_TOKENS, SIDE = 2000, 40  # vocabulary; cells along each side of the store
EOS, DOOR = SIDE**2, SIDE**2 + 1
SIZES = {"S": "small", "M": "medium"}
GENERATE, TORCH = "generate", "torch"


def main() -> None:
    options = parse_options()
    torch.set_num_threads(1)
    grammar = make_store_grammar(np.random.default_rng(0))
    rows = []
    for size in options.sizes:
        network = build_gpt2(
            SIZES[size], vocab_size=N_TOKENS, eos_id=EOS, rng=np.random.default_rng(1), dropout=0.0
        )
        decoders = make_decoders(network, grammar)
        errors = measure_logit_errors(network)
        for n in options.batches:
            rates = time_decoders(decoders, n, options)
            rows.append(summarise(size, n, rates, errors))
            print_row(rows[-1])
    print_all(rows)
    settings = {"tokens": options.tokens, "repeats": options.repeats, "seconds": options.seconds}
    write_result("paper-decoding", {"settings": settings, "rows": rows}, out=options.out)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="short journeys, batches 1 and 64, size S")
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 64, 1024])
    parser.add_argument("--tokens", type=int, default=300, help="new tokens per journey (default 300)")
    parser.add_argument("--repeats", type=int, default=5, help="of every measurement (default 5)")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="a decoder that took longer is not repeated (default 60)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="result (default benchmarks/results/paper-decoding.json)"
    )
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.batches, options.tokens, options.repeats = ["S"], [1, 64], 60, 3
    return options


def make_store_grammar(rng: np.random.Generator) -> Grammar:
    """A store without walls: from each cell to itself and its neighbours, with five purchases in reach."""
    allowed = []
    for row, column in np.ndindex(SIDE, SIDE):
        near = {
            r * SIDE + c
            for r in range(max(row - 1, 0), min(row + 2, SIDE))
            for c in range(max(column - 1, 0), min(column + 2, SIDE))
        }
        allowed.append(sorted(near | set(rng.integers(DOOR + 1, N_TOKENS, 5).tolist())))
    allowed.append([SIDE // 2])  # at the door
    return Grammar(
        state_of_token=np.array([*range(SIDE**2), -1, SIDE**2, *[-1] * (N_TOKENS - DOOR - 1)]),
        allowed_offsets=np.cumsum([0, *map(len, allowed)]),
        allowed_tokens=np.concatenate(allowed),
        start_state=SIDE**2,
        eos_id=EOS,
    )


Decoder = Callable[[int, int, int], int]  # batch, tokens, seed -> tokens made


def make_decoders(network: Any, grammar: Grammar) -> dict[str, Decoder]:
    """The rivals by name; each returns how many tokens it made."""
    engines: dict[str, Any] = {TORCH: LoopEngine(network, "torch")}
    if is_native_available(network):
        fastest = NativeEngine(network)
        engines[f"native {fastest.precision}"] = fastest
        if fastest.precision != "float32":
            engines["native float32"] = NativeEngine(network, precision="float32")

    def ours(engine: Any) -> Decoder:
        def decode(n: int, n_new: int, seed: int) -> int:
            uniforms = np.random.default_rng(seed).random((n, n_new))
            prompts = [np.array([DOOR])] * n
            made = sample_sequences(network, prompts, uniforms, grammar, max_tokens=n_new, engine=engine)
            return sum(len(sequence) - 1 for sequence in made)

        return decode

    return {
        GENERATE: make_generate(network, grammar),
        **{name: ours(engine) for name, engine in engines.items()},
    }


def make_generate(network: Any, grammar: Grammar) -> Decoder:
    """`generate()` as its documentation has it, with the grammar as a mask over the vocabulary."""
    from transformers import LogitsProcessor, LogitsProcessorList

    class KeepGrammar(LogitsProcessor):
        """One row of the mask per state; states are followed, not traced anew at each step."""

        def __init__(self, rules: Grammar) -> None:
            self.closed = torch.ones(rules.n_states, rules.n_tokens, dtype=torch.bool)
            for state in range(rules.n_states):
                self.closed[state, torch.from_numpy(rules.get_allowed(state))] = False
            self.state_of_token = torch.from_numpy(rules.state_of_token)
            self.states: torch.Tensor  # of each row, from its first word on

        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            entered = self.state_of_token[input_ids[:, -1]]
            first = input_ids.shape[1] == 1
            self.states = entered if first else torch.where(entered >= 0, entered, self.states)
            return scores.masked_fill(self.closed[self.states], -torch.inf)

    processors = LogitsProcessorList([KeepGrammar(grammar)])

    def decode(n: int, n_new: int, seed: int) -> int:
        prompts = torch.full((n, 1), DOOR)
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            made = network.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                do_sample=True,
                top_k=0,
                max_new_tokens=n_new,
                min_new_tokens=n_new,
                pad_token_id=EOS,
                logits_processor=processors,
            )
        return made[:, 1:].numel()

    return decode


def measure_logit_errors(network: Any) -> dict[str, float]:
    """Largest difference of any logit of 300 tokens from transformers' forward pass in float32."""
    from models.decoding.native import PRECISIONS, has_precision

    tokens = np.random.default_rng(2).integers(0, N_TOKENS, 300)
    with torch.no_grad():
        expected = network(torch.from_numpy(tokens)[None]).logits[0].numpy()
    engines: dict[str, Any] = {TORCH: LoopEngine(network, "torch")}
    if is_native_available(network):
        engines |= {
            f"native {name}": NativeEngine(network, precision=name)
            for name in PRECISIONS
            if has_precision(name)
        }
    return {
        name: float(np.abs(engine.compute_logits(tokens) - expected).max())
        for name, engine in engines.items()
    }


def time_decoders(
    decoders: dict[str, Decoder], n: int, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Tokens a second of CPU time, of each decoder and repeat; they take turns."""
    if n > BATCH:  # the loop over torch goes on by batches of that many
        decoders = {name: decode for name, decode in decoders.items() if name != TORCH}
    rates: dict[str, list[float]] = {name: [] for name in decoders}
    spent = dict.fromkeys(decoders, 0.0)
    for decode in decoders.values():
        decode(min(n, 2), 8, 0)  # first calls load and build
    for repeat in range(options.repeats):
        for name, decode in decoders.items():
            if spent[name] > options.seconds:
                continue
            start = time.process_time()
            n_made = decode(n, options.tokens, repeat)
            seconds = time.process_time() - start
            spent[name] += seconds
            rates[name].append(n_made / seconds)
    return rates


def summarise(size: str, n: int, rates: dict[str, list[float]], errors: dict[str, float]) -> dict[str, Any]:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "size": size,
        "batch": n,
        "tokens_per_s": {name: round(value, 1) for name, value in medians.items()},
        "tokens_per_s_range": {
            name: [round(min(values), 1), round(max(values), 1)] for name, values in rates.items()
        },
        "n_repeats": {name: len(values) for name, values in rates.items()},
        "times_generate": {name: round(value / medians[GENERATE], 2) for name, value in medians.items()},
        "logit_error": errors,
    }


def print_row(row: dict[str, Any]) -> None:
    rates = ", ".join(f"{name} {rate:,.0f}" for name, rate in row["tokens_per_s"].items())
    print(f"{row['size']}, batch {row['batch']}: {rates}", flush=True)


def print_all(rows: list[dict[str, Any]]) -> None:
    names = list(rows[0]["tokens_per_s"])
    print_table(
        "Tokens a second, one thread (times generate under the same mask)",
        ["size, batch", *names],
        [
            [
                f"{row['size']}, {row['batch']}",
                *(
                    f"{row['tokens_per_s'][name]:,.0f} ({row['times_generate'][name]:.1f}x)"
                    if name in row["tokens_per_s"]
                    else "-"
                    for name in names
                ),
            ]
            for row in rows
        ],
    )


if __name__ == "__main__":
    main()
