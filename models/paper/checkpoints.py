"""The state of a training in one safetensors file, its JSON part in the file's own header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from layouts import ModelError
from models.paper.network import untie

WEIGHTS, BEST, MOMENTS = "weights.", "best.", "moments."


def write_checkpoint(
    path: Path,
    network: nn.Module,
    best: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
) -> None:
    """Write weights, best weights, the optimizer's moments and `state` (JSON) whole or not at all."""
    tensors = {WEIGHTS + name: values for name, values in untie(network).state_dict().items()}
    tensors |= {BEST + name: values for name, values in best.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{MOMENTS}{index}.{name}": values for name, values in moments.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    detached = {name: values.detach().cpu().contiguous() for name, values in tensors.items()}
    aside.write_bytes(save(detached, metadata={"state": json.dumps(state)}))
    aside.replace(path)


def read_checkpoint(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Fill network and optimizer; return the state and the best weights.

    Raises
    ------
    ModelError
        If the file is damaged or of another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
        untie(network).load_state_dict(_take(tensors, WEIGHTS))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, values in _take(tensors, MOMENTS).items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = values
        optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    except (SafetensorError, OSError, RuntimeError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ModelError(
            f"{path}: no checkpoint of this network ({reason}); train without resuming, or in another folder"
        ) from error
    return state, _take(tensors, BEST)


def _take(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}
