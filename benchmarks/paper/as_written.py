"""What language models write by themselves, fix by fix beside held-out journeys written in the same way.

GPT-2 from the door and the attributes alone, and from the first seven points (the paper's prompt); an LSTM of
the same size on the same journeys, without a grammar as in the paper, and with one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.common import print_table, write_result
from benchmarks.paper.crossings import tabulate_crossings
from benchmarks.paper.setting import Setting, fit, format_ratio, parse_options, prepare, print_crossings
from benchmarks.paper.written import Counts, compare_written, count_written
from models.decoding import sample_sequences
from models.paper.legality import build_grammar
from models.paper.network import LSTMConfig, LSTMLanguageModel, load_language_model, save_language_model
from models.paper.policy import PaperPolicy
from models.paper.reading import decode_journeys, interpret_words
from models.paper.text import write_journeys
from models.paper.training import LanguageTrainingConfig, train_language_model
from models.paper.words import take_points

N_POINTS = 7  # the paper's prompt
WRITTEN = ("cells", "zone_purchases", "category_purchases")
LSTM_EPOCHS = 8
N_WRITINGS = 2  # each compared by itself


def main() -> None:
    options = parse_options(__doc__)
    setting = prepare(options)
    paper = fit("paper", setting)
    assert isinstance(paper, PaperPolicy)
    written, raw = run_as_written(paper, setting)
    print_written(written)
    crossings = tabulate_crossings(raw, setting.store).to_dict("records")
    print_crossings("fixes", crossings)
    settings = {key: getattr(options, key) for key in ("seed", "quick")}
    content = {"written": written, "crossings": crossings}
    write_result("paper-written", {"settings": settings, **content}, out=options.out)


def run_as_written(paper: PaperPolicy, setting: Setting) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Let the language models write as many journeys as were held out, several times; also raw positions."""
    store, encoding, tokenizer = setting.store, paper.encoding, paper.tokenizer
    days = setting.held_out
    lines = write_journeys(days.positions, days.journeys, store, encoding).lines
    sequences = tokenizer.encode(lines)
    meanings = interpret_words(tokenizer.words, store, encoding)
    observed = count_written(sequences, meanings, store, encoding)
    door = [sequence[: 1 + len(encoding.attributes)] for sequence in sequences]
    points = tokenizer.encode([take_points(line, N_POINTS) for line in lines])
    lstm, grammar = train_lstm(paper, setting), build_grammar(store, tokenizer, encoding)
    training = write_journeys(setting.training.positions, setting.training.journeys, store, encoding)
    others = tokenizer.encode(training.lines)
    n, n_tokens = len(door), paper.n_tokens
    writers: dict[str, Callable[[np.random.Generator], list[NDArray[np.int64]]]] = {
        "observed training days": lambda rng: [others[i] for i in rng.permutation(len(others))[:n]],
        "GPT-2, from the door": lambda rng: paper.write(door, draw_keys(n, rng), store),
        f"GPT-2, from {N_POINTS} points": lambda rng: paper.write(points, draw_keys(n, rng), store),
        "GPT-2, as it comes": lambda rng: paper.sample(door, rng.random((n, n_tokens)), store),
        "GPT-2, no grammar": lambda rng: sample_sequences(
            paper.network, door, rng.random((n, n_tokens)), max_tokens=n_tokens
        ),
        "LSTM, no grammar": lambda rng: sample_sequences(
            lstm, door, rng.random((n, n_tokens)), max_tokens=n_tokens
        ),
        "LSTM, grammar": lambda rng: sample_sequences(
            lstm, door, rng.random((n, n_tokens)), grammar, max_tokens=n_tokens
        ),
    }
    written, raw = {}, {"observed held-out days": sequences}
    for name, write in writers.items():
        rng = np.random.default_rng(setting.options.seed + 3)
        journeys = [write(rng) for _ in range(1 if setting.options.quick else N_WRITINGS)]
        counts = [count_written(of_one, meanings, store, encoding) for of_one in journeys]
        written[name] = {
            **compare_several(observed, counts, setting),
            "groups": compare_groups(observed, counts[0], encoding.attributes, lines, setting),
        }
        raw[name] = journeys[0]
    positions = {
        name: decode_journeys(of_one, meanings, store, encoding, is_raw=True)[0]
        for name, of_one in raw.items()
    }
    return written, positions


def draw_keys(n: int, rng: np.random.Generator) -> list[int]:
    """Seeds of `n` streams of luck."""
    return [int(key) for key in rng.integers(2**63, size=n)]


def compare_several(observed: Counts, written: list[Counts], setting: Setting) -> dict[str, dict[str, Any]]:
    """Each writing compared by itself, values and ratios averaged."""
    tables = [
        compare_written(observed, counts, np.random.default_rng(setting.options.seed + 4))
        for counts in written
    ]
    return {
        figure: row
        | {key: float(np.mean([table[figure][key] for table in tables])) for key in ("value", "ratio")}
        for figure, row in tables[0].items()
    }


def compare_groups(
    observed: Counts, written: Counts, attributes: tuple[str, ...], lines: tuple[str, ...], setting: Setting
) -> list[dict[str, Any]]:
    """Within each level of the attributes asked for: divergence from the same level, and from the others."""
    rows = []
    words = [line.split(" ", len(attributes))[: len(attributes)] for line in lines]
    for column, attribute in enumerate(attributes):
        level_of = np.array([given[column] for given in words])
        for level in sorted(set(level_of)):
            own, other = np.flatnonzero(level_of == level), np.flatnonzero(level_of != level)
            if len(own) < 50 or level.endswith(":unknown>"):
                continue
            rng = np.random.default_rng(setting.options.seed + 5)
            seen = {name: table[own] for name, table in observed.items()}
            same = compare_written(seen, {name: table[own] for name, table in written.items()}, rng)
            some = rng.permutation(other)[: len(own)]
            others = compare_written(seen, {name: table[some] for name, table in written.items()}, rng)
            rows += [
                {
                    "figure": name,
                    "attribute": attribute,
                    "level": level.split(":")[1].rstrip(">"),
                    **same[name],
                    "others": others[name]["value"],
                }
                for name in same
            ]
    return rows


def train_lstm(paper: PaperPolicy, setting: Setting) -> LSTMLanguageModel:
    """The paper's baseline, whose size it does not tell: an LSTM on the same journeys."""
    folder = setting.cache / "cell-lstm"
    if not folder.exists():
        days = setting.training
        lines = write_journeys(days.positions, days.journeys, setting.store, paper.encoding).lines
        sequences = paper.tokenizer.encode(lines)
        rng = np.random.default_rng(setting.options.seed)
        order = rng.permutation(len(sequences))
        n_validation = len(sequences) // 12
        n_hidden = 64 if setting.options.quick else 256
        network = LSTMLanguageModel(
            LSTMConfig(
                vocab_size=paper.tokenizer.n_tokens,
                eos_token_id=paper.tokenizer.eos_id,
                n_layer=1,
                n_hidden=n_hidden,
                dropout=0.0,
            ),
            rng=rng,
        )
        train_language_model(
            network,
            [sequences[i] for i in order[n_validation:]],
            [sequences[i] for i in order[:n_validation]],
            rng=rng,
            config=LanguageTrainingConfig(n_epochs=LSTM_EPOCHS, n_prompt=1 + len(paper.encoding.attributes)),
            checkpoint_dir=setting.cache / "cell-lstm-training",
            resume=True,
        )
        save_language_model(network, folder)
    lstm = load_language_model(folder)
    assert isinstance(lstm, LSTMLanguageModel)
    return lstm


def print_written(written: dict[str, Any]) -> None:
    figures = WRITTEN
    rows = [[name, *(format_ratio(result[figure]) for figure in figures)] for name, result in written.items()]
    print_table("As written: divergence / its noise floor = ratio", ["journeys", *figures], rows)
    groups = written["GPT-2, from the door"]["groups"]
    rows = [
        [f"{row['attribute']} {row['level']}", row["n"], format_ratio(row), f"{row['others']:.4f}"]
        for row in groups
        if row["figure"] == "zone_purchases"
    ]
    print_table("Purchases by zone within each group asked for", ["group", "n", "same", "others"], rows)


if __name__ == "__main__":
    main()
