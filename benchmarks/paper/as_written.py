"""What language models write by themselves, fix by fix beside held-out journeys written in the same way.

GPT-2 from the door and the attributes alone, and from the first seven points (the paper's prompt); an LSTM of
the same size on the same journeys, without a grammar as in the paper, and with one; GPT-2 with time words.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import print_table
from benchmarks.paper.setting import Setting, format_ratio
from benchmarks.paper.written import Counts, compare_written, count_written
from models.decoding import sample_sequences
from models.paper.fitting import fit_paper_policy
from models.paper.legality import build_grammar
from models.paper.network import LSTMConfig, LSTMLanguageModel, load_language_model, save_language_model
from models.paper.policy import PaperPolicy
from models.paper.reading import decode_journeys, interpret_words
from models.paper.text import write_journeys
from models.paper.training import LanguageTrainingConfig, train_language_model
from models.paper.words import TextEncoding, take_points

N_POINTS = 7  # the paper's prompt
TIME_EPOCHS = 3  # with time words a journey is three times as long: as many tokens as 10 epochs of fixes


def run_as_written(paper: PaperPolicy, setting: Setting) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Let the language models write as many journeys as were held out; also their raw positions."""
    store, encoding, tokenizer = setting.store, paper.encoding, paper.tokenizer
    days = setting.held_out
    lines = write_journeys(days.positions, days.journeys, store, encoding).lines
    sequences = tokenizer.encode(lines)
    meanings = interpret_words(tokenizer.words, store, encoding)
    observed = count_written(sequences, meanings, store, encoding)
    n_given = 1 + len(encoding.attributes)
    door = [sequence[:n_given] for sequence in sequences]
    points = tokenizer.encode([take_points(line, N_POINTS) for line in lines])
    lstm = train_lstm(paper, setting)
    rng = np.random.default_rng(setting.options.seed + 3)
    luck = rng.random((len(door), paper.n_tokens))
    journeys = {
        "GPT-2, from the door": paper.write(door, luck, store),
        f"GPT-2, from {N_POINTS} points": paper.write(points, luck, store),
        "GPT-2, no grammar": sample_sequences(paper.network, door, luck, max_tokens=paper.n_tokens),
        "LSTM, no grammar": sample_sequences(lstm, door, luck, max_tokens=paper.n_tokens),
        "LSTM, grammar": sample_sequences(
            lstm, door, luck, build_grammar(store, tokenizer, encoding), max_tokens=paper.n_tokens
        ),
    }
    training = write_journeys(setting.training.positions, setting.training.journeys, store, encoding)
    some = rng.permutation(training.n)[: len(door)]
    journeys["observed training days"] = tokenizer.encode([training.lines[i] for i in some])
    written = {}
    for name, of_one in journeys.items():
        counts = count_written(of_one, meanings, store, encoding)
        written[name] = {
            **compare_written(observed, counts, np.random.default_rng(setting.options.seed + 4)),
            "groups": compare_groups(observed, counts, encoding.attributes, lines, setting),
        }
    written["GPT-2, time words"] = run_time_words(paper, setting)
    raw = {
        name: decode_journeys(of_one, meanings, store, encoding, is_raw=True)[0]
        for name, of_one in {**journeys, "observed held-out days": sequences}.items()
    }
    return written, raw


def run_time_words(paper: PaperPolicy, setting: Setting) -> dict[str, Any]:
    """The other form of the text, trained on as many tokens: codes of changed cells, waits as words."""
    folder, store, days = setting.cache / "paper-time", setting.store, setting.held_out
    if not folder.exists():
        policy, _ = fit_paper_policy(
            setting.training.positions,
            setting.training.journeys,
            store,
            rng=np.random.default_rng(setting.options.seed),
            preset="tiny" if setting.options.quick else "small",
            encoding=TextEncoding(kind="time"),
            training=LanguageTrainingConfig(n_epochs=TIME_EPOCHS),
            checkpoint_dir=setting.cache / "paper-time-training",
            resume=True,
        )
        policy.save_pretrained(folder)
    policy = PaperPolicy.from_pretrained(folder)
    sequences = policy.tokenizer.encode(
        write_journeys(days.positions, days.journeys, store, policy.encoding).lines
    )
    meanings = interpret_words(policy.tokenizer.words, store, policy.encoding)
    door = [sequence[: 1 + len(policy.encoding.attributes)] for sequence in sequences]
    luck = np.random.default_rng(setting.options.seed + 3).random((len(door), policy.n_tokens))
    counts = count_written(policy.write(door, luck, store), meanings, store, policy.encoding)
    observed = count_written(sequences, meanings, store, policy.encoding)
    return compare_written(observed, counts, np.random.default_rng(setting.options.seed + 4))


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
    """The paper's baseline: an LSTM of the same size on the same journeys."""
    folder = setting.cache / "cell-lstm"
    if not folder.exists():
        days = setting.training
        lines = write_journeys(days.positions, days.journeys, setting.store, paper.encoding).lines
        sequences = paper.tokenizer.encode(lines)
        rng = np.random.default_rng(setting.options.seed)
        order = rng.permutation(len(sequences))
        n_validation = len(sequences) // 12
        size = {"n_embd": 64, "n_layer": 1, "n_hidden": 64} if setting.options.quick else {}
        network = LSTMLanguageModel(
            LSTMConfig(vocab_size=paper.tokenizer.n_tokens, eos_token_id=paper.tokenizer.eos_id, **size),
            rng=rng,
        )
        train_language_model(
            network,
            [sequences[i] for i in order[n_validation:]],
            [sequences[i] for i in order[:n_validation]],
            rng=rng,
            config=LanguageTrainingConfig(n_prompt=1 + len(paper.encoding.attributes)),
            checkpoint_dir=setting.cache / "cell-lstm-training",
            resume=True,
        )
        save_language_model(network, folder)
    lstm = load_language_model(folder)
    assert isinstance(lstm, LSTMLanguageModel)
    return lstm


def print_written(written: dict[str, Any]) -> None:
    figures = ("cells", "zone_purchases", "category_purchases")
    rows = [[name, *(format_ratio(result[figure]) for figure in figures)] for name, result in written.items()]
    print_table("As written: divergence / its noise floor = ratio", ["journeys", *figures], rows)
    groups = written["GPT-2, from the door"]["groups"]
    rows = [
        [f"{row['attribute']} {row['level']}", row["n"], format_ratio(row), f"{row['others']:.4f}"]
        for row in groups
        if row["figure"] == "zone_purchases"
    ]
    print_table("Purchases by zone within each group asked for", ["group", "n", "same", "others"], rows)
