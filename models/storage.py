"""Models on disk: a folder with `config.json` and `model.safetensors`; nothing pickled is ever read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save
from torch import nn

from layouts import ModelError

Module = TypeVar("Module", bound=nn.Module)

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
MODEL_PARTS = (  # of a model folder
    CONFIG_FILE,
    "README.md",
    "needs",
    "policy",
    "conversion",
    "hypotheses",
    "standing",
)


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write `config.json`, the same bytes for the same content."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json`.

    Raises
    ------
    ModelError
        If it is absent or is not JSON.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: not found; give a model folder written by `storesim train`") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error}); train the model again") from None
    if not isinstance(config, dict):
        raise ModelError(f"{path}: holds no JSON object; train the model again")
    return config


@contextmanager
def reading_part(folder: Path) -> Iterator[None]:
    """Tell a damaged or foreign part of a model from a fault of the program; torch's own luck stays as it is.

    Raises
    ------
    ModelError
        If the block raises any of what wrong names, kinds, sizes or values in the files can provoke.
    """
    try:
        with torch.random.fork_rng(devices=[]):  # networks are made with random weights, then filled
            yield
    except ModelError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ModelError(
            f"{folder}: is not what `storesim train` writes ({reason}); train the model again"
        ) from error


def save_weights(model: nn.Module, folder: Path, config: dict[str, Any]) -> None:
    """Write the architecture and the weights of a torch module."""
    write_config(folder, config)
    _write_tensors(folder, {name: values.detach().numpy() for name, values in model.state_dict().items()})


def load_weights(model: Module, folder: Path) -> Module:
    """Fill a module of the right architecture with the weights in `folder`."""
    weights = {name: torch.from_numpy(values.copy()) for name, values in _read_tensors(folder).items()}
    broken = [name for name, values in weights.items() if not torch.isfinite(values).all()]
    if broken:
        raise ModelError(
            f"{folder / WEIGHTS_FILE}: {broken[0]} holds values that are not finite; train the model again"
        )
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ModelError(
            f"{folder / WEIGHTS_FILE}: does not fit {CONFIG_FILE} ({reason}); train the model again"
        ) from None
    return model


def save_arrays(
    folder: Path,
    arrays: dict[str, NDArray[Any]],
    texts: dict[str, NDArray[Any]],
    *,
    config: dict[str, Any] | None = None,
) -> None:
    """Write numeric columns and text columns (as codes, their levels in `config.json` beside `config`)."""
    levels: dict[str, list[str]] = {}
    coded = dict(arrays)
    for name, values in texts.items():
        distinct, codes = np.unique(np.asarray(values, dtype=str), return_inverse=True)
        levels[name] = [str(level) for level in distinct]
        coded[f"text.{name}"] = codes.astype(np.int32)
    write_config(folder, {**(config or {}), "texts": levels})
    _write_tensors(folder, coded)


def load_arrays(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Read what `save_arrays` wrote: numeric columns, text columns."""
    levels = read_config(folder).get("texts", {})
    stored = _read_tensors(folder)
    texts = {k: np.array(v, dtype=object)[stored.pop(f"text.{k}")] for k, v in levels.items()}
    return stored, texts


def _write_tensors(folder: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write by way of bytes: a file by safetensors itself can be read by its owner alone."""
    (folder / WEIGHTS_FILE).write_bytes(save({k: np.ascontiguousarray(v) for k, v in arrays.items()}))


def _read_tensors(folder: Path) -> dict[str, NDArray[Any]]:
    path = folder / WEIGHTS_FILE
    try:
        return load_file(path)
    except FileNotFoundError:
        raise ModelError(f"{path}: not found; give a model folder written by `storesim train`") from None
    except Exception as error:  # safetensors raises its own kind for every malformed file
        raise ModelError(f"{path}: not a safetensors file ({error}); train the model again") from None
