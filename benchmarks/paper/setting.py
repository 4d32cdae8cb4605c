"""What the experiments on market-a share: its days, and policies fitted once and kept."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from analysis import Journeys, Observations, build_journeys, clean_tracks, load_observations
from benchmarks.common import CACHE, add_data_option, find_market, print_table
from layouts import Store, load_store
from models import ShopperModel, encode_journeys, load_model
from models.policies import load_policy
from models.policy_fitting import Observed, fit_policy
from scenarios.training import train


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


def parse_options(description: str | None, *, policies: Sequence[str] = ()) -> argparse.Namespace:
    """Read the command line; `policies` may be chosen from."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_option(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replications", type=int, default=2, help="simulated days a policy")
    parser.add_argument("--quick", action="store_true", help="small networks and three policies: a trial")
    if policies:
        parser.add_argument("--policies", nargs="+", choices=policies, default=None, metavar="NAME")
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
        train(store, training.observations, preset=preset, rng=rng).save_pretrained(folder)
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


def format_ratio(row: dict[str, Any]) -> str:
    return f"{row['value']:.4f}/{row['floor']:.4f} = {row['ratio']:.2f}"


def print_crossings(between: str, rows: list[dict[str, Any]]) -> None:
    keys = ("off_floor_share", "straight_share", "crossing_share")
    cells = [[row["source"], *(f"{row[key]:.2%}" for key in keys)] for row in rows]
    head = ["raw output", "off the floor", "touches a shelf", "through a shelf"]
    print_table(f"Straight lines between {between}", head, cells)
