"""Train a language model on journeys of token ids: GPT-2 or LSTM, from scratch or from an earlier one.

Batches hold journeys of like length, so that little is padding; the loss counts what follows the prompt. One
file, written aside and then renamed, holds all that is needed to go on after an interruption.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from layouts import ConfigError, ModelError
from models.paper.checkpoints import read_checkpoint, write_checkpoint
from models.paper.network import read_tokens, untie

logger = logging.getLogger(__name__)

IGNORED = -100  # target of padding and prompt
RATED_WIDTH = 128  # of the network that the learning rate is for
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class LanguageTrainingConfig:
    """How long and how hard to train.

    `learning_rate` is for a network 128 wide; it falls in inverse proportion to the width (3e-4 for GPT-2
    small by default), after a straight rise over `warmup_share` of the training along a cosine to
    `final_rate_share` of it.
    `batch_tokens` is the size of a batch, padding included. `patience` is the number of epochs without a
    better validation loss after which training ends. `precision` "auto" computes in bfloat16 where the device
    gains by it (weights, their moments and sums stay float32). `n_prompt` tokens at the start of each journey
    are given, never sampled, so they are not learned.
    """

    n_epochs: int = 10
    batch_tokens: int = 4096
    learning_rate: float = 2e-3
    warmup_share: float = 0.05
    final_rate_share: float = 0.05
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    patience: int = 3
    precision: str = "auto"
    n_prompt: int = 1

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision {self.precision!r}: unknown; known are {', '.join(PRECISIONS)}")
        for name in ("n_epochs", "batch_tokens", "patience", "n_prompt"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(eq=False)
class _Progress:
    """Where a training stands: what a checkpoint keeps besides tensors."""

    seed: int
    history: list[dict[str, float]] = field(default_factory=list)
    best_loss: float = math.inf
    n_worse: int = 0


def train_language_model(
    network: nn.Module,
    sequences: Sequence[NDArray[np.integer[Any]]],
    validation: Sequence[NDArray[np.integer[Any]]],
    *,
    rng: np.random.Generator,
    config: LanguageTrainingConfig = LanguageTrainingConfig(),
    checkpoint_dir: Path | None = None,
    resume: bool = False,
) -> list[dict[str, float]]:
    """Train `network` in place; the weights of the epoch with the best validation loss are kept.

    Parameters
    ----------
    network
        GPT-2 or LSTM of `models.paper.network`; it is trained on CUDA where present, and returned to where
        it was.
    sequences, validation
        Journeys of token ids, prompt and end token included. What exceeds the network's longest journey is
        cut off and told in the log.
    rng
        Draws the order of the journeys and the dropout.
    checkpoint_dir
        Folder in which the state is kept after every epoch; None: nowhere.
    resume
        Go on from the checkpoint if there is one; the result is that of an uninterrupted training.

    Returns
    -------
    history
        Of each epoch: `training` and `validation` loss [nats per token] and `tokens_per_s` (targets trained
        on, a second).

    Raises
    ------
    ConfigError
        If there is nothing to train or to validate on.
    ModelError
        If the checkpoint cannot be read or is of another network or other settings.
    """
    training, held_back = _cut(network, sequences, config), _cut(network, validation, config)
    if not training or not held_back:
        raise ConfigError("training needs at least one journey to learn from and one to validate on")
    home = next(network.parameters()).device
    device = torch.device("cuda") if torch.cuda.is_available() else home
    network.to(device)
    session = _Session(network, config, _Progress(seed=int(rng.integers(2**31))))
    checkpoint = None if checkpoint_dir is None else Path(checkpoint_dir) / "checkpoint.safetensors"
    if checkpoint is not None and resume and checkpoint.exists():
        session.load(checkpoint)
    n_batches = config.n_epochs * math.ceil(sum(map(len, training)) / config.batch_tokens)
    logger.info("training on %d journeys, about %d batches, on %s", len(training), n_batches, device)
    while len(session.progress.history) < config.n_epochs and session.progress.n_worse < config.patience:
        session.train_epoch(training, held_back)
        if checkpoint is not None:
            session.save(checkpoint)
    untie(network).load_state_dict(session.best)
    network.to(home)
    network.eval()
    return session.progress.history


class _Session:
    """A network with its optimizer, its best weights and its progress."""

    def __init__(self, network: nn.Module, config: LanguageTrainingConfig, progress: _Progress) -> None:
        self.network, self.config, self.progress = network, config, progress
        self.device = next(network.parameters()).device
        self.best = _copy_weights(network)
        matrices = [p for p in network.parameters() if p.dim() >= 2]
        vectors = [p for p in network.parameters() if p.dim() < 2]
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(
            groups, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98), fused=True
        )

    def train_epoch(self, training: list[NDArray[np.int64]], held_back: list[NDArray[np.int64]]) -> None:
        """Read all journeys once, then validate and keep the weights if they are the best so far."""
        config, progress, epoch = self.config, self.progress, len(self.progress.history)
        rng = np.random.default_rng([progress.seed, epoch])  # an epoch's luck is its own: see `resume`
        batches = make_batches([len(s) for s in training], config.batch_tokens, rng=rng)
        n_all, n_done, total, n_targets = sum(map(len, training)), 0, 0.0, 0
        started = time.perf_counter()
        bar = tqdm(total=n_all, desc=f"epoch {epoch + 1}/{config.n_epochs}", unit="token", disable=None)
        self.network.train()
        with bar, torch.random.fork_rng(devices=_cuda_of(self.device)):
            torch.manual_seed(int(rng.integers(2**31)))
            for rows in batches:
                self._set_rate((epoch + n_done / n_all) / config.n_epochs)
                tokens, targets = pad_batch([training[row] for row in rows], n_prompt=config.n_prompt)
                n = int((targets != IGNORED).sum())
                loss = self._step(tokens, targets)
                total, n_targets = total + loss * n, n_targets + n
                n_read = sum(len(training[row]) for row in rows)
                n_done += n_read
                bar.update(n_read)
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        rate = n_targets / (time.perf_counter() - started)
        validation = compute_validation_loss(self.network, held_back, config)
        progress.history.append(
            {"training": total / max(n_targets, 1), "validation": validation, "tokens_per_s": rate}
        )
        progress.n_worse += 1
        if validation < progress.best_loss:
            progress.best_loss, progress.n_worse, self.best = validation, 0, _copy_weights(self.network)
        logger.info(
            "epoch %d: training %.4f, validation %.4f nats a token, %.0f tokens/s",
            epoch + 1,
            total / max(n_targets, 1),
            validation,
            rate,
        )

    def _step(self, tokens: Tensor, targets: Tensor) -> float:
        loss = compute_loss(self.network, tokens.to(self.device), targets.to(self.device), self.config)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.optimizer.step()
        return loss.item()

    def _set_rate(self, done: float) -> None:
        """Warm up in a straight line, then follow a cosine; `done` is the share of the whole training."""
        config = self.config
        if done < config.warmup_share:
            share = max(done / config.warmup_share, 0.01)
        else:
            cosine = 0.5 + 0.5 * math.cos(
                math.pi * (done - config.warmup_share) / (1.0 - config.warmup_share)
            )
            share = config.final_rate_share + (1.0 - config.final_rate_share) * cosine
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * share * RATED_WIDTH / self.network.config.n_embd

    def save(self, path: Path) -> None:
        """Keep everything that the next epoch depends on."""
        state = {"config": asdict(self.config), "progress": vars(self.progress)}
        write_checkpoint(path, self.network, self.best, self.optimizer, state)

    def load(self, path: Path) -> None:
        """Go on from what `save` kept."""
        state, self.best = read_checkpoint(path, self.network, self.optimizer)
        changed = [name for name, value in asdict(self.config).items() if state["config"].get(name) != value]
        if changed:
            raise ModelError(
                f"{path}: was trained with {changed[0]} = {state['config'].get(changed[0])}, not "
                f"{getattr(self.config, changed[0])}; train without resuming, or with the same settings"
            )
        self.progress = _Progress(**state["progress"])


def compute_loss(
    network: nn.Module, tokens: Tensor, targets: Tensor, config: LanguageTrainingConfig
) -> Tensor:
    """Mean negative log-likelihood of the targets that are not `IGNORED` [nats per token].

    `tokens` and `targets` are (n, n_steps). Only states with a target meet the output matrix.
    """
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=uses_bfloat16(tokens.device, config)):
        hidden = read_tokens(network, tokens)
        at = (targets != IGNORED).flatten().nonzero()[:, 0]
        logits = network.lm_head(hidden.flatten(0, 1)[at])
    return nn.functional.cross_entropy(logits.float(), targets.flatten()[at])


@torch.no_grad()
def compute_validation_loss(
    network: nn.Module, sequences: Sequence[NDArray[np.int64]], config: LanguageTrainingConfig
) -> float:
    """Mean negative log-likelihood of all that follows the prompts [nats per token], without dropout."""
    network.eval()
    device = next(network.parameters()).device
    total, n_targets = 0.0, 0
    order = np.argsort([len(s) for s in sequences], kind="stable")
    for rows in _fill([len(s) for s in sequences], order, config.batch_tokens):
        tokens, targets = pad_batch([sequences[row] for row in rows], n_prompt=config.n_prompt)
        n = int((targets != IGNORED).sum())
        if n:
            total += float(compute_loss(network, tokens.to(device), targets.to(device), config)) * n
            n_targets += n
    return total / max(n_targets, 1)


def make_batches(
    lengths: Sequence[int], batch_tokens: int, *, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Rows of each batch: journeys of like length together, at most `batch_tokens` with their padding.

    Every row comes once, batches in random order. Lengths are blurred by up to 5 %, so that batches differ
    from epoch to epoch.
    """
    order = np.argsort(np.asarray(lengths) * rng.uniform(0.95, 1.05, len(lengths)))
    batches = _fill(lengths, order, batch_tokens)
    return [batches[index] for index in rng.permutation(len(batches))]


def _fill(lengths: Sequence[int], order: NDArray[np.int64], batch_tokens: int) -> list[NDArray[np.int64]]:
    batches: list[NDArray[np.int64]] = []
    start, longest = 0, 0
    for end, row in enumerate(order):
        longest = max(longest, lengths[row])
        if end > start and longest * (end + 1 - start) > batch_tokens:
            batches.append(order[start:end])
            start, longest = end, lengths[row]
    return [*batches, order[start:]]


def pad_batch(sequences: Sequence[NDArray[np.int64]], *, n_prompt: int) -> tuple[Tensor, Tensor]:
    """Tokens read and tokens to be foretold, both (n, longest - 1); padding reads 0 and foretells nothing."""
    width = max(max(map(len, sequences)) - 1, 1)
    tokens = np.zeros((len(sequences), width), dtype=np.int64)
    targets = np.full((len(sequences), width), IGNORED, dtype=np.int64)
    for row, sequence in enumerate(sequences):
        tokens[row, : len(sequence) - 1] = sequence[:-1]
        targets[row, n_prompt - 1 : len(sequence) - 1] = sequence[n_prompt:]
    return torch.from_numpy(tokens), torch.from_numpy(targets)


def _cut(
    network: nn.Module, sequences: Sequence[NDArray[np.integer[Any]]], config: LanguageTrainingConfig
) -> list[NDArray[np.int64]]:
    """Journeys with something after the prompt, none longer than the network can read."""
    longest = getattr(network.config, "n_positions", None)
    n_long = 0 if longest is None else sum(len(sequence) > longest + 1 for sequence in sequences)
    if n_long:
        logger.warning("%d of %d journeys cut off after %d tokens", n_long, len(sequences), longest)
    limit = None if longest is None else longest + 1
    return [np.asarray(s, dtype=np.int64)[:limit] for s in sequences if len(s) > config.n_prompt]


def uses_bfloat16(device: torch.device, config: LanguageTrainingConfig) -> bool:
    """Whether training on a device computes in bfloat16: as asked, or with "auto" where it pays."""
    if config.precision != "auto":
        return config.precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and _multiplies_bfloat16_fast()


def _multiplies_bfloat16_fast() -> bool:
    """With AMX, or on AMD's AVX512-BF16; Intel's takes four times as long as AMD's, so float32 wins there."""
    try:
        processor = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return False
    return "amx_bf16" in processor or ("avx512_bf16" in processor and "AuthenticAMD" in processor)


def _cuda_of(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _copy_weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: values.detach().clone() for name, values in untie(network).state_dict().items()}
