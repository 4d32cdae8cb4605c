"""The native engine: `engine.c`, built at first use by the machine's compiler and loaded by ctypes."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from layouts import ConfigError
from models.decoding.engines import SamplingTask
from models.paper.network import LSTMLanguageModel

logger = logging.getLogger(__name__)

SOURCE, HEADER = Path(__file__).with_name("engine.c"), Path(__file__).with_name("vectors.h")
PRECISIONS = {  # name -> flag of the processor that it needs; the first one at hand is taken
    "float16": "avx512_fp16",
    "bfloat16": "avx512_bf16",
    "float32": "",
}
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-shared", "-fPIC", "-Wno-psabi")
MOST_SLOTS = 16  # sequences at a time: their keys and values stay in the processor's cache


class NativeEngine:
    """GPT-2 in C; a sequence's tokens depend on its own prompt and luck alone, to the byte.

    Parameters
    ----------
    network
        A `GPT2LMHeadModel` as `models.paper.network.build_gpt2` makes it; its weights are copied.
    precision
        Of weights, keys and values: `float32`; `bfloat16`, summed as float32 (AVX512-BF16); `float16`, summed
        as float16 for at most 32 terms and then as float32 (AVX512-FP16): logits come out closer than with
        bfloat16; or `auto`: the fastest that the processor has.

    Raises
    ------
    ConfigError
        If the network is no GPT-2 of a fitting width, or no compiler is found, or it fails.
    """

    def __init__(self, network: nn.Module, *, precision: str = "auto") -> None:
        fault = _find_misfit(network)
        if fault:
            raise ConfigError(f"engine 'native' cannot run this network: {fault}; take 'torch'")
        if precision not in ("auto", *PRECISIONS):
            raise ConfigError(f"precision {precision!r}: unknown; known are auto, {', '.join(PRECISIONS)}")
        precision = find_precision() if precision == "auto" else precision
        config = network.config
        self.vocab_size, self.eos_id = config.vocab_size, config.eos_token_id
        self.n_positions: int | None = config.n_positions
        self.precision = precision
        self._network = network
        self._library = _load_library(precision)
        sizes = np.array(
            [config.vocab_size, config.n_positions, config.n_embd, config.n_layer, config.n_head],
            dtype=np.int32,
        )
        weights = _flatten_weights(network)
        self._engine = ctypes.c_void_p(self._library.engine_open(_at(sizes), _at(weights), weights.size))
        weakref.finalize(self, self._library.engine_close, self._engine)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets the network and builds its own."""
        return _open_engine, (self._network, self.precision)

    def compute_logits(self, tokens: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Logits after each token of one sequence, shape (len(tokens), vocab_size)."""
        read = np.ascontiguousarray(tokens, dtype=np.int32)
        logits = np.empty((len(read), self.vocab_size), dtype=np.float32)
        self._library.engine_logits(self._engine, len(read), _at(read), _at(logits))
        return logits

    def sample(self, task: SamplingTask) -> list[NDArray[np.int64]]:
        """Go on with each prompt until the end token or its limit, on as many threads as torch may use."""
        n_threads = max(min(torch.get_num_threads(), task.n // MOST_SLOTS), 1)
        if n_threads == 1:
            return self._sample(task)
        n_lots = 4 * n_threads  # small lots, so that a slow core does not hold up the rest
        edges = np.linspace(0, task.n, n_lots + 1).astype(int)
        lots = [task.take(slice(start, end)) for start, end in pairwise(edges)]
        with ThreadPoolExecutor(n_threads) as pool:
            return [sequence for lot in pool.map(self._sample, lots) for sequence in lot]

    def _sample(self, task: SamplingTask) -> list[NDArray[np.int64]]:
        if task.n == 0:
            return []
        grammar = task.grammar
        lengths = np.array([len(prompt) for prompt in task.prompts], dtype=np.int32)
        limits, states = task.limits.astype(np.int32), task.states.astype(np.int32)
        tokens = np.zeros((task.n, int(max(limits.max(), lengths.max()))), dtype=np.int32)
        for row, prompt in enumerate(task.prompts):
            tokens[row, : len(prompt)] = prompt
        uniforms = np.ascontiguousarray(task.uniforms)
        of_token = np.ascontiguousarray(grammar.state_of_token, dtype=np.int32)
        offsets = np.ascontiguousarray(grammar.allowed_offsets, dtype=np.int64)
        allowed = np.ascontiguousarray(grammar.allowed_tokens, dtype=np.int32)
        self._library.engine_sample(
            self._engine, task.n, min(task.n, MOST_SLOTS), tokens.shape[1], _at(tokens), _at(lengths),
            _at(states), _at(limits), uniforms.shape[1], _at(uniforms), _at(of_token), _at(offsets),
            _at(allowed), grammar.eos_id, ctypes.c_float(task.temperature),
        )  # fmt: skip
        return [row[:n].astype(np.int64) for row, n in zip(tokens, lengths, strict=True)]


def _open_engine(network: nn.Module, precision: str) -> NativeEngine:
    return NativeEngine(network, precision=precision if has_precision(precision) else "auto")


def is_native_available(network: nn.Module) -> bool:
    """Whether the native engine can run this network on this machine."""
    return not _find_misfit(network) and not _find_failure(find_precision())


def find_precision() -> str:
    """Name the fastest precision that the processor computes in."""
    return next(name for name in PRECISIONS if has_precision(name))


def has_precision(precision: str) -> bool:
    """Whether the processor computes in a precision of `PRECISIONS`."""
    return not PRECISIONS[precision] or PRECISIONS[precision] in _read_processor().split()


def _find_misfit(network: nn.Module) -> str:
    config = network.config
    if isinstance(network, LSTMLanguageModel) or config.model_type != "gpt2":
        return "it is no GPT-2"
    if config.activation_function not in ("gelu_pytorch_tanh", "gelu_new"):
        return f"its activation is {config.activation_function}, not gelu_pytorch_tanh"
    if config.n_embd % 64 or (config.n_embd // config.n_head) % 32:
        return "its width must be a multiple of 64, and that of its heads of 32"
    if config.layer_norm_epsilon != 1e-5 or (config.n_inner or 4 * config.n_embd) != 4 * config.n_embd:
        return "its layers differ from GPT-2's"
    return ""


def _flatten_weights(network: nn.Module) -> NDArray[np.float32]:
    """All weights one after the other, in the order of engine.c."""
    gpt2 = network.transformer
    modules = [gpt2.wte, gpt2.wpe]
    for block in gpt2.h:
        attention, mlp = block.attn, block.mlp
        modules += [block.ln_1, attention.c_attn, attention.c_proj, block.ln_2, mlp.c_fc, mlp.c_proj]
    parts = [
        weights.detach().float().cpu().numpy() for m in [*modules, gpt2.ln_f] for weights in m.parameters()
    ]
    return np.concatenate([part.ravel() for part in parts])


def _at(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


@cache
def _find_failure(precision: str) -> str:
    """Why the engine cannot be built here, told once in the log; empty if it can."""
    try:
        _load_library(precision)
    except ConfigError as error:
        logger.warning("sampling by torch, which is slower: %s", error)
        return str(error)
    return ""


@cache
def _load_library(precision: str) -> ctypes.CDLL:
    """Build the engine, unless it was before, and load it."""
    flags = [*FLAGS, f"-D{precision.upper()}"]
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))), None)
    if compiler is None:
        raise ConfigError("no C compiler (cc, gcc or clang) is installed")
    if not has_precision(precision):
        raise ConfigError(
            f"precision {precision!r} needs a processor with {PRECISIONS[precision]}; take 'float32'"
        )
    source = SOURCE.read_bytes() + HEADER.read_bytes()
    key = hashlib.sha256("\n".join([compiler, *flags, _read_processor()]).encode() + source).hexdigest()[:20]
    name = f"engine-{key}.so"
    for folder in (_find_cache(), Path(tempfile.gettempdir()) / f"storesim-{getattr(os, 'getuid', int)()}"):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (folder / name).exists():
                _build(compiler, flags, folder / name)
            return _declare(ctypes.CDLL(str(folder / name)))
        except OSError as error:
            reason = error
    raise ConfigError(
        f"the native engine can be kept nowhere ({reason}); set XDG_CACHE_HOME to a folder of yours"
    )


def _find_cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "storesim"


def _build(compiler: str, flags: list[str], path: Path) -> None:
    """Compile aside, then rename: several processes may do so at once."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        command = [compiler, *flags, "-o", str(made), str(SOURCE), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise ConfigError(f"{compiler} cannot build the native engine ({reason})")
        made.replace(path)


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer, whole = ctypes.c_void_p, ctypes.c_int
    library.engine_open.argtypes = [pointer, pointer, ctypes.c_int64]
    library.engine_open.restype = pointer
    library.engine_close.argtypes = [pointer]
    library.engine_close.restype = None
    library.engine_logits.argtypes = [pointer, whole, pointer, pointer]
    library.engine_logits.restype = None
    library.engine_sample.argtypes = [
        pointer, whole, whole, whole, pointer, pointer, pointer, pointer, whole, pointer, pointer, pointer,
        pointer, whole, ctypes.c_float,
    ]  # fmt: skip
    library.engine_sample.restype = None
    return library


@cache
def _read_processor() -> str:
    """Flags of the processor as the system tells them: `-march=native` means other things on other ones."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "")
