"""The networks of the paper policy, over token ids alone: GPT-2 from scratch, and the LSTM beside it.

Both answer `network(input_ids).logits`, shape (n, n_steps, vocab_size), and are kept as `config.json` with
`model.safetensors`; for GPT-2 this is what transformers' `from_pretrained` reads.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from layouts import ConfigError, ModelError
from models.storage import WEIGHTS_FILE, load_weights, read_config, reading_part, write_config


@dataclass(frozen=True, kw_only=True)
class LanguagePreset:
    """Size of a GPT-2: layers, width, heads."""

    n_layer: int
    n_embd: int
    n_head: int


LANGUAGE_PRESETS: dict[str, LanguagePreset] = {
    "tiny": LanguagePreset(n_layer=2, n_embd=64, n_head=2),
    "small": LanguagePreset(n_layer=4, n_embd=128, n_head=4),
    "medium": LanguagePreset(n_layer=6, n_embd=256, n_head=8),
    "gpt2-small": LanguagePreset(n_layer=12, n_embd=768, n_head=12),  # the paper's: 85 M weights + embeddings
}


def build_gpt2(
    preset: str,
    *,
    vocab_size: int,
    eos_id: int,
    rng: np.random.Generator,
    n_positions: int = 512,
    dropout: float = 0.1,
) -> Any:
    """Make a GPT-2 language model with new weights.

    Parameters
    ----------
    preset
        Name in `LANGUAGE_PRESETS`.
    vocab_size, eos_id
        Number of token ids; the one that ends a journey.
    rng
        Draws the weights.
    n_positions
        Longest journey [tokens], the prompt included.
    dropout
        Of residuals and embeddings, while training. That of attention is left out: on a CPU it would take as
        long as all the rest.

    Returns
    -------
    network
        A `transformers.GPT2LMHeadModel` in evaluation mode, input and output embeddings tied.

    Raises
    ------
    ConfigError
        If there is no such preset.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    if preset not in LANGUAGE_PRESETS:
        raise ConfigError(f"preset {preset!r}: unknown; known are {', '.join(LANGUAGE_PRESETS)}")
    config = GPT2Config(
        vocab_size=vocab_size,
        n_positions=n_positions,
        activation_function="gelu_pytorch_tanh",  # the same function as gelu_new, in one kernel
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=0.0,
        bos_token_id=eos_id,
        eos_token_id=eos_id,
        **asdict(LANGUAGE_PRESETS[preset]),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        return GPT2LMHeadModel(config).eval()


@dataclass(frozen=True, kw_only=True)
class LSTMConfig:
    """Size of the LSTM; the default has about as many weights as the GPT-2 preset `small`."""

    vocab_size: int
    eos_token_id: int
    n_embd: int = 128
    n_layer: int = 3
    n_hidden: int = 192
    dropout: float = 0.1


@dataclass(frozen=True, eq=False)
class LanguageOutput:
    """Logits (n, n_steps, vocab_size), and the state from which the next tokens go on."""

    logits: Tensor
    state: tuple[Tensor, Tensor] | None


class LSTMLanguageModel(nn.Module):
    """An LSTM over tokens, the paper's baseline: sampled without a grammar, it can leave the floor."""

    def __init__(self, config: LSTMConfig, *, rng: np.random.Generator) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            self.embed = nn.Embedding(config.vocab_size, config.n_embd)
            self.lstm = nn.LSTM(
                config.n_embd, config.n_hidden, config.n_layer, dropout=config.dropout, batch_first=True
            )
            self.project = nn.Linear(config.n_hidden, config.n_embd)
            nn.init.normal_(self.embed.weight, std=config.n_embd**-0.5)
        self.eval()

    def read(
        self, input_ids: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """State after each token, shape (n, n_steps, n_embd), and the LSTM's memory after the last."""
        hidden, memory = self.lstm(self.embed(input_ids), state)
        return self.project(hidden), memory

    def lm_head(self, hidden: Tensor) -> Tensor:
        """Logits of the next token; the embedding serves as the output matrix, as in GPT-2."""
        return hidden @ self.embed.weight.T

    def forward(self, input_ids: Tensor, state: tuple[Tensor, Tensor] | None = None) -> LanguageOutput:
        """Logits after each token; `state` is that of an earlier call, to go on from there."""
        hidden, memory = self.read(input_ids, state)
        return LanguageOutput(self.lm_head(hidden), memory)


def read_tokens(network: nn.Module, input_ids: Tensor) -> Tensor:
    """Hidden states to which `network.lm_head` applies, shape (n, n_steps, width), of either network."""
    if isinstance(network, LSTMLanguageModel):
        return network.read(input_ids)[0]
    return network.transformer(input_ids, use_cache=False).last_hidden_state


def untie(network: nn.Module) -> nn.Module:
    """Every weight once, by the names of `network`: without GPT-2's head, which is its embedding."""
    if isinstance(network, LSTMLanguageModel):
        return network
    return nn.ModuleDict({"transformer": network.transformer})


def save_language_model(network: nn.Module, folder: Path) -> None:
    """Write `config.json` and `model.safetensors`; a GPT-2 so that `from_pretrained` reads it."""
    if isinstance(network, LSTMLanguageModel):
        config = {"model_type": "lstm", **asdict(network.config)}
    else:
        config = network.config.to_diff_dict() | {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}
    weights = {name: v.detach().cpu().contiguous() for name, v in untie(network).state_dict().items()}
    write_config(folder, config)
    (folder / WEIGHTS_FILE).write_bytes(save(weights, metadata={"format": "pt"}))


def load_language_model(folder: Path) -> nn.Module:
    """Read what `save_language_model` wrote, in evaluation mode.

    Raises
    ------
    ModelError
        If a file is absent, damaged or of another kind of model.
    """
    config = read_config(folder)
    kind = config.pop("model_type", None)
    if kind not in ("gpt2", "lstm"):
        raise ModelError(f"{folder}: model_type {kind!r} is no language model of journeys; known: gpt2, lstm")
    with reading_part(folder):
        if kind == "lstm":
            return load_weights(LSTMLanguageModel(LSTMConfig(**config), rng=np.random.default_rng(0)), folder)
        from transformers import GPT2Config, GPT2LMHeadModel

        network = GPT2LMHeadModel(GPT2Config.from_dict(config))
        load_weights(untie(network), folder)
        return network.eval()
