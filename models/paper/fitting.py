"""Train the paper's policy on a store's own journeys, or go on with it in another store."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from analysis import Journeys
from layouts import ObservationError, Store
from models.paper.network import build_gpt2
from models.paper.policy import PaperPolicy
from models.paper.text import fit_encoding, write_journeys
from models.paper.tilt import N_CANDIDATES, fit_tilt
from models.paper.tokenizer import build_tokenizer
from models.paper.tracks import trace_cells
from models.paper.training import LanguageTrainingConfig, train_language_model
from models.paper.words import TextEncoding

MAX_POSITIONS = 1024  # as GPT-2's
SPARE_POSITIONS = 64  # so that a journey may be a little longer than any that was observed
VALIDATION_SHARE = 0.08
TILT_SHOPPERS = 8000  # who write while the tilt is fitted, at most
TILT_AT_ONCE = 500
TILT_TIMES = 2  # that each observed journey is written anew for it, at most
FROM_SCRATCH = LanguageTrainingConfig(n_epochs=16)  # the paper: 10, with a rate that it does not tell
FINE_TUNING = LanguageTrainingConfig(n_epochs=3, learning_rate=5e-4)  # the paper goes on for 3 epochs


def fit_paper_policy(
    positions: pd.DataFrame,
    journeys: Journeys,
    store: Store,
    *,
    rng: np.random.Generator,
    preset: str = "small",
    encoding: TextEncoding | None = None,
    training: LanguageTrainingConfig | None = None,
    start: PaperPolicy | None = None,
    checkpoint_dir: Path | None = None,
    resume: bool = False,
) -> tuple[PaperPolicy, list[dict[str, float]]]:
    """Write a store's journeys as text and train GPT-2 on them.

    Parameters
    ----------
    positions, journeys
        What `clean_tracks` and `build_journeys` made of the observations.
    store
        The layout in which they were observed.
    rng
        Draws weights, order, dropout and which journeys validate.
    preset
        Name in `LANGUAGE_PRESETS`.
    encoding
        Form of the text; what it measures in the data is fitted here. Left out: a fix every 5 s.
    training
        Epochs, batches, rate; left out: `FROM_SCRATCH`, or `FINE_TUNING` to go on.
    start
        A policy to go on with (fine-tuning): its network, its words with new ones added, its encoding.
    checkpoint_dir, resume
        See `train_language_model`.

    Returns
    -------
    policy
        Trained.
    history
        Losses by epoch [nats per token].

    Raises
    ------
    ObservationError
        If fewer than two journeys have a receipt and both ends.
    """
    tracks = trace_cells(positions, store)
    form = start.encoding if start else fit_encoding(encoding or TextEncoding(), tracks, store)
    texts = write_journeys(positions, journeys, store, form, tracks=tracks)
    if texts.n < 2:
        raise ObservationError(
            f"observations: {texts.n} journeys with a receipt and both ends; a language model needs 2 or more"
        )
    tokenizer = build_tokenizer(texts.lines, store, form)
    if start is not None:
        tokenizer = start.tokenizer.extend(word for word in tokenizer.words if word)
    sequences = tokenizer.encode(texts.lines)
    if start is None:
        longest = min(max(map(len, sequences)) + SPARE_POSITIONS, MAX_POSITIONS)
        network = build_gpt2(
            preset, vocab_size=tokenizer.n_tokens, eos_id=tokenizer.eos_id, rng=rng, n_positions=longest
        )
    else:
        network = _grow(start.network, tokenizer.n_tokens)
    order = rng.permutation(len(sequences))
    n_validation = max(1, round(VALIDATION_SHARE * len(sequences)))
    schedule = training or (FINE_TUNING if start is not None else FROM_SCRATCH)
    history = train_language_model(
        network,
        [sequences[i] for i in order[n_validation:]],
        [sequences[i] for i in order[:n_validation]],
        rng=rng,
        config=replace(schedule, n_prompt=1 + len(form.attributes)),
        checkpoint_dir=checkpoint_dir,
        resume=resume,
    )
    policy = PaperPolicy(network, tokenizer, form)
    weights = _fit_tilt(policy, sequences, store, rng)
    return PaperPolicy(network, tokenizer, form, weights=weights), history


def _fit_tilt(
    policy: PaperPolicy, sequences: list[NDArray[np.int64]], store: Store, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Let shoppers like the observed ones write, and find what makes their journeys match on average."""
    n_prompt = 1 + len(policy.encoding.attributes)
    n_shoppers = min(TILT_SHOPPERS, TILT_TIMES * len(sequences))
    some = rng.permutation(np.arange(TILT_TIMES * len(sequences)) % len(sequences))[:n_shoppers]
    lots = []
    with tqdm(total=n_shoppers, desc="candidates", unit="shopper", disable=None) as bar:
        for start in range(0, n_shoppers, TILT_AT_ONCE):
            part = some[start : start + TILT_AT_ONCE]
            prompts = [sequences[i][:n_prompt] for i in part for _ in range(N_CANDIDATES)]
            written = policy.sample(prompts, rng.random((len(prompts), policy.n_tokens)), store)
            lots += [written[i : i + N_CANDIDATES] for i in range(0, len(written), N_CANDIDATES)]
            bar.update(len(part))
    return fit_tilt(sequences, lots, policy.tokenizer.words)


def _grow(network: nn.Module, n_tokens: int) -> nn.Module:
    """Copy of a network with room for more words; a new word starts as the mean of the known ones."""
    grown = deepcopy(network)
    known = grown.transformer.wte.weight.detach()
    if n_tokens > len(known):
        new = known.mean(dim=0, keepdim=True).expand(n_tokens - len(known), -1)
        embedding = nn.Embedding(n_tokens, known.shape[1])
        with torch.no_grad():
            embedding.weight.copy_(torch.cat([known, new]))
        grown.set_input_embeddings(embedding)
        grown.tie_weights()
        grown.config.vocab_size = n_tokens
    return grown
