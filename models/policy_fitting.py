"""Fit any of the policies to what was observed in a store."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from analysis import Journeys
from layouts import ConfigError, Store
from models.baselines import BASELINES
from models.encoding import EncodedJourneys
from models.gpt2_pointer import GPT2Pointer, PointerConfig
from models.habits import fit_habits
from models.layout_policy import LayoutPolicy
from models.layout_view import view_layout
from models.network_finetuning import FinetuningConfig, extend_attributes, finetune_network
from models.paper.network import LANGUAGE_PRESETS
from models.policies import check_policy
from models.policy import Policy
from models.policy_training import PolicyTrainingConfig, TrainingStore, train_policy
from models.vocabulary import AttributeCoder

logger = logging.getLogger(__name__)
History = list[dict[str, float]]  # of each epoch `training` and `validation` loss


PRETRAINED = Path(__file__).parent / "bundled" / "multistore" / "policy"


@dataclass(frozen=True, kw_only=True)
class TrainingPreset:
    """Size of the network and length of its training."""

    network: dict[str, int]
    policy: PolicyTrainingConfig


# `small` starts from the bundled multi-store network, which reads layouts already; the others from nothing.
PRESETS: dict[str, TrainingPreset | FinetuningConfig] = {
    "tiny": TrainingPreset(
        network={"n_embd": 32, "n_layer": 1, "n_head": 2, "n_relation": 16},
        policy=PolicyTrainingConfig(n_steps=200),
    ),
    "small": FinetuningConfig(),
    "base": TrainingPreset(
        network={"n_embd": 128, "n_layer": 4, "n_head": 2, "n_relation": 64},
        policy=PolicyTrainingConfig(n_steps=3000, learning_rate=1.5e-3),
    ),
}


@dataclass(frozen=True, eq=False)
class Observed:
    """What a policy may learn from.

    Attributes
    ----------
    store
        The layout in which it was observed.
    positions
        Cleaned, `session_id, t_s, x, y`.
    journeys, encoded
        Stops and purchases, as tables and as arrays.
    planned_share
        Chance that each category in a basket was planned, shape (n, n_categories).
    attributes
        Coder of the customer attributes.
    """

    store: Store
    positions: pd.DataFrame
    journeys: Journeys
    encoded: EncodedJourneys
    planned_share: NDArray[np.float64]
    attributes: AttributeCoder


def check_preset(policy: str, preset: str) -> None:
    """Make sure that there is such a policy, and that it comes in this size.

    `layout` has `PRESETS`, `paper` has `LANGUAGE_PRESETS`; the baselines have one size and take any of them.

    Raises
    ------
    ConfigError
        If not.
    """
    check_policy(policy)
    known = list(LANGUAGE_PRESETS) if policy == "paper" else list(PRESETS)
    if preset not in known and policy not in BASELINES:
        raise ConfigError(f"preset {preset!r}: unknown to policy {policy!r}; known are {', '.join(known)}")


def fit_policy(
    name: str,
    observed: Observed,
    *,
    preset: str,
    rng: np.random.Generator,
    checkpoints: Path | None = None,
) -> tuple[Policy, History]:
    """Fit the policy of this name.

    Parameters
    ----------
    name
        One of `POLICIES`.
    observed
        What to learn from.
    preset
        See `check_preset`.
    rng
        Draws the initial weights, the order of the journeys and what is dropped from them.
    checkpoints
        Folder in which the training of `paper` is kept after every epoch and from which it goes on.

    Returns
    -------
    policy
        Fitted.
    history
        Losses by epoch; empty where there are none.
    """
    check_preset(name, preset)
    if checkpoints is not None and name != "paper":
        raise ConfigError(f"checkpoints are kept by policy 'paper' alone, not by {name!r}; leave them out")
    if name == "layout":
        return _fit_layout_policy(observed, preset, rng)
    if name == "paper":
        from models.paper.fitting import fit_paper_policy

        return fit_paper_policy(
            observed.positions,
            observed.journeys,
            observed.store,
            preset=preset,
            rng=rng,
            checkpoint_dir=checkpoints,
            resume=True,
        )
    return BASELINES[name]().fit(observed.encoded, observed.store, rng), []


def _fit_layout_policy(
    observed: Observed, preset: str, rng: np.random.Generator
) -> tuple[LayoutPolicy, History]:
    chosen, attributes = PRESETS[preset], observed.attributes
    seen = observed.encoded.attributes
    if isinstance(chosen, FinetuningConfig):
        start = LayoutPolicy.from_pretrained(PRETRAINED)
        network, attributes = extend_attributes(start.network, start.attributes, seen)
    else:
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.integers(2**31)))
            network = GPT2Pointer(PointerConfig(n_levels=attributes.n_levels, **chosen.network))
    training = TrainingStore(
        view_layout(observed.store), observed.encoded, observed.planned_share, attributes.encode(seen)
    )
    if isinstance(chosen, FinetuningConfig):
        history = finetune_network(network, training, rng=rng, config=chosen)
    else:
        history = train_policy(network, [training], rng=rng, config=chosen.policy, on_epoch=_log_epoch)
    return LayoutPolicy(network, attributes, fit_habits(network, training, rng=rng)), history


def _log_epoch(epoch: int, training: float, validation: float) -> None:
    logger.info(
        "epoch %d: training loss %.3f, validation loss %.3f nats a decision", epoch + 1, training, validation
    )
