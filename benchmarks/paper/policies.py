"""Every policy on the days of market-a that training never saw: divergences beside their noise floors.

Two tables. *In the simulator*: each policy lives in the same simulator, with the same needs and conversion
model, and goes through `storesim validate`. *As written*: what the language models write by themselves, fix by
fix beside the held-out journeys written in the same way, from the door and the attributes alone and from the
first seven points (the paper's prompt); the LSTM is sampled without a grammar, as in the paper. A third table
tells who walks through shelves.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from analysis import Journeys, Observations, build_journeys, clean_tracks, load_observations
from benchmarks.common import CACHE, add_data_option, find_market, print_table, write_result
from benchmarks.paper.crossings import place_stops, tabulate_crossings
from benchmarks.paper.written import Counts, compare_written, count_written
from layouts import Store, load_store
from models import POLICIES, ShopperModel, encode_journeys, fit_model, load_model, view_layout
from models.decoding import sample_sequences
from models.paper.legality import build_grammar
from models.paper.network import LSTMConfig, LSTMLanguageModel, load_language_model, save_language_model
from models.paper.policy import PaperPolicy
from models.paper.reading import decode_journeys, interpret_words
from models.paper.text import write_journeys
from models.paper.training import LanguageTrainingConfig, train_language_model
from models.paper.words import take_points
from models.policies import load_policy
from models.policy_fitting import Observed, fit_policy
from scenarios.validation import validate
from simulator import Luck, draw_population, plan_itineraries

FIGURES = ("cell_seconds", "zone_visits", "zone_transitions", "zone_purchases", "category_purchases")
N_POINTS = 7  # the paper's prompt
FIX_S = 5.0


@dataclass(frozen=True, eq=False)
class Days:
    """Observations of one store with what is made of them."""

    observations: Observations
    positions: pd.DataFrame
    journeys: Journeys


@dataclass(frozen=True, eq=False)
class Setting:
    """What all policies share."""

    store: Store
    training: Days
    held_out: Days
    base: ShopperModel  # the layout policy's model: its needs and conversion serve all of them
    cache: Path
    options: argparse.Namespace


def main() -> None:
    setting = prepare(parse_options())
    names = list(POLICIES) if not setting.options.quick else ["layout", "paper", "markov-1"]
    simulated, stops = {}, {}
    for name in names:
        model = setting.base if name == "layout" else replace(setting.base, policy=fit(name, setting))
        simulated[name] = run_in_simulator(model, setting)
        stops[name] = place_stops(draw_stops(model, setting), view_layout(setting.store))
        print_simulated(simulated)
    paper = fit("paper", setting)
    assert isinstance(paper, PaperPolicy)
    written, raw = run_as_written(paper, setting)
    print_written(written)
    crossings = measure_crossings(raw, stops, setting)
    print_crossings(crossings)
    content = {"simulated": simulated, "written": written, "crossings": crossings}
    settings = {key: getattr(setting.options, key) for key in ("seed", "replications", "quick")}
    write_result("paper-policies", {"settings": settings, **content}, out=setting.options.out)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_option(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replications", type=int, default=2, help="simulated days a policy")
    parser.add_argument("--quick", action="store_true", help="small networks and three policies: a trial")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE")
    return parser.parse_args()


def prepare(options: argparse.Namespace) -> Setting:
    """Read market-a, and train (or find) the model whose needs and conversion all policies share."""
    torch.set_num_threads(1)
    market = find_market(options.data, "market-a")
    store = load_store(market / "store")
    training, held_out = (read_days(market / name, store) for name in ("observations", "held-out-days"))
    cache = CACHE / ("paper-quick" if options.quick else "paper")
    folder = cache / "layout-model"
    if not folder.exists():
        preset = "tiny" if options.quick else "small"
        rng = np.random.default_rng(options.seed)
        fit_model(store, training.observations, preset=preset, rng=rng).save_pretrained(folder)
    return Setting(store, training, held_out, load_model(folder), cache, options)


def read_days(folder: Path, store: Store) -> Days:
    observations = load_observations(folder, store)
    positions = clean_tracks(observations.tracks, store)
    return Days(observations, positions, build_journeys(observations, store, positions=positions))


def fit(name: str, setting: Setting) -> Any:
    """Fit a policy, or find it fitted before."""
    folder = setting.cache / name
    if not folder.exists():
        encoded = encode_journeys(setting.training.journeys, setting.store)
        rng = np.random.default_rng(setting.options.seed)
        share = np.ones((encoded.n, len(setting.store.categories)))
        days, attributes = setting.training, setting.base.policy.attributes  # type: ignore[attr-defined]
        observed = Observed(setting.store, days.positions, days.journeys, encoded, share, attributes)
        started = time.perf_counter()
        preset = "tiny" if setting.options.quick else "small"
        policy, _ = fit_policy(
            name,
            observed,
            preset=preset,
            rng=rng,
            checkpoints=setting.cache / f"{name}-training" if name == "paper" else None,
        )
        print(f"{name}: fitted in {time.perf_counter() - started:.0f} s", flush=True)
        policy.save_pretrained(folder)  # type: ignore[attr-defined]
    return load_policy(folder)


# ---- in the simulator


def run_in_simulator(model: ShopperModel, setting: Setting) -> dict[str, Any]:
    """Live and validate: divergences of all sessions, and within the groups of each attribute."""
    result = validate(
        setting.store,
        model=model,
        observations=setting.held_out.observations,
        n_replications=setting.options.replications,
        seed=setting.options.seed + 1,
    ).result
    of_all = {row["figure"]: row for row in result["divergences"] if not row["attribute"]}
    groups = [row for row in result["divergences"] if row["attribute"]]
    return {"divergences": of_all, "groups": groups, "floor_checks": result["floor_checks"]}


def draw_stops(model: ShopperModel, setting: Setting) -> np.ndarray[Any, Any]:
    """Zones of the stops of simulated journeys in order, padded with -1."""
    n, luck = 1000, Luck(setting.options.seed + 2)
    _, baskets = draw_population(model, setting.store, n, luck)
    plans = plan_itineraries(model, setting.store, baskets, n, luck)
    order = np.arange(plans.n_stops) - plans.stop_offsets[plans.stop_shopper]
    zone = np.full((n, int(order.max(initial=0)) + 1), -1)
    zone[plans.stop_shopper, order] = plans.stop_zone
    return zone


def print_simulated(simulated: dict[str, Any]) -> None:
    rows = [
        [name, *(format_ratio(result["divergences"][figure]) for figure in FIGURES)]
        for name, result in simulated.items()
    ]
    print_table("In the simulator: divergence / its noise floor = ratio", ["policy", *FIGURES], rows)


def format_ratio(row: dict[str, Any]) -> str:
    return f"{row['value']:.4f}/{row['floor']:.4f} = {row['ratio']:.2f}"


# ---- as written


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
    raw = {
        name: decode_journeys(of_one, meanings, store, encoding, is_raw=True)[0]
        for name, of_one in {**journeys, "observed held-out days": sequences}.items()
    }
    return written, raw


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


# ---- through shelves


def measure_crossings(
    raw: dict[str, pd.DataFrame], stops: dict[str, pd.DataFrame], setting: Setting
) -> dict[str, list[dict[str, Any]]]:
    """Raw output: cells at fixes of the language models, straight lines from stop to stop of the others."""
    tables = {
        "fixes": tabulate_crossings(raw, setting.store),
        "stops": tabulate_crossings(stops, setting.store),
    }
    return {name: table.to_dict("records") for name, table in tables.items()}


def print_crossings(crossings: dict[str, list[dict[str, Any]]]) -> None:
    head = ["raw output", "off the floor", "touches a shelf", "through a shelf"]
    for name, rows in crossings.items():
        cells = [
            [
                row["source"],
                *(f"{row[key]:.2%}" for key in ("off_floor_share", "straight_share", "crossing_share")),
            ]
            for row in rows
        ]
        print_table(f"Straight lines between {name}", head, cells)


if __name__ == "__main__":
    main()
