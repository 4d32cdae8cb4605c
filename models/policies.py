"""The policies there are, by their name for `storesim train --policy` and in a model's folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from layouts import ConfigError, ModelError
from models.policy import Policy
from models.storage import CONFIG_FILE, read_config

POLICIES = {  # name -> where its class is; imported when asked for, as some bring heavy libraries
    "layout": "models.layout_policy:LayoutPolicy",
    "paper": "models.paper.policy:PaperPolicy",
    "markov-1": "models.baselines:MarkovPolicy",
    "markov-2": "models.baselines:MarkovPolicy",
    "svm": "models.baselines:SVMPolicy",
    "lstm": "models.baselines:LSTMPolicy",
    "gravity": "models.baselines:GravityPolicy",
    "shortest-tour": "models.baselines:TourPolicy",
    "nearest": "models.baselines:NearestPolicy",
}


def check_policy(name: str) -> None:
    """Make sure that there is such a policy.

    Raises
    ------
    ConfigError
        If there is not.
    """
    if name not in POLICIES:
        raise ConfigError(f"policy {name!r}: unknown; known are {', '.join(POLICIES)}")


def find_policy_class(name: str) -> type:
    """Import the class of one of `POLICIES`."""
    check_policy(name)
    module, _, attribute = POLICIES[name].partition(":")
    found: type = getattr(import_module(module), attribute)
    return found


def load_policy(folder: Path) -> Policy:
    """Read the policy in `folder`, of the kind that its `config.json` names.

    Raises
    ------
    ModelError
        If the kind is unknown.
    """
    kind = read_config(folder).get("kind")
    if kind not in POLICIES:
        raise ModelError(
            f"{folder / CONFIG_FILE}: kind {kind!r} is none of {', '.join(POLICIES)}; train the model again"
        )
    policy: Policy = find_policy_class(kind).from_pretrained(folder)  # type: ignore[attr-defined]
    return policy
