"""Take a model to another store: `storesim finetune`.

After the model is fine-tuned, its shoppers rehearse, and their lists are calibrated: then a category sells
what the catalogue and the visits say, whatever few visits made of its hazard.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis import Observations
from layouts import Store, writing_folder
from models import MODEL_PARTS, FinetuningConfig, ShopperModel, finetune_model, take_sessions
from scenarios.lists import calibrate_lists
from scenarios.rehearsal import rehearse


def finetune(
    prior: ShopperModel,
    store: Store,
    observations: Observations,
    *,
    n_sessions: int | None = None,
    seed: int = 0,
    config: FinetuningConfig | None = None,
) -> ShopperModel:
    """Fine-tune a model to `store`, set habits and lists there; see `models.finetuning.finetune_model`.

    Parameters
    ----------
    prior
        Model of another store, or `bundled:multistore`.
    store, observations
        The new store and visits to it.
    n_sessions
        Learn from so many visits, drawn at random; all if left out.
    seed
        Of everything that is drawn.
    config
        Of the training.
    """
    rng = np.random.default_rng(seed)
    model = finetune_model(prior, store, observations, n_sessions=n_sessions, rng=rng, config=config)
    seen = take_sessions(observations, n_sessions, np.random.default_rng(seed))  # the same ones
    return calibrate_lists(rehearse(model, store, seen, seed=seed), store, seed=seed)


def write_finetuned(
    prior: ShopperModel,
    store: Store,
    observations: Observations,
    out: Path,
    *,
    n_sessions: int | None = None,
    seed: int = 0,
    config: FinetuningConfig | None = None,
) -> ShopperModel:
    """Fine-tune a model and write its folder `out`, which must not be there yet or be a model folder.

    Raises
    ------
    ModelError
        If `out` is something else than a model folder; see also `models.finetuning.finetune_model`.
    """
    with writing_folder(out, parts=MODEL_PARTS) as folder:
        model = finetune(prior, store, observations, n_sessions=n_sessions, seed=seed, config=config)
        model.save_pretrained(folder)
        write_finetuned_card(model, folder, seed=seed)
    return model


def write_finetuned_card(model: ShopperModel, folder: Path, *, seed: int) -> None:
    """Write the model card, `README.md`."""
    known = model.knowledge
    losses = [look["validation"] for look in known["history"]]
    if known["policy"] == "paper":
        loss = f"{losses[0]:.3f} after one epoch, {min(losses):.3f} at best [nats a token]"
    else:
        loss = f"{losses[0]:.3f} before, {min(losses):.3f} after [nats a decision]"
    folder.joinpath("README.md").write_text(
        f"""# {model.name}

Shoppers of the store `{known["store"]}` (content hash `{known["store_hash"][:16]}`): the model
`{known["prior"]}`, fine-tuned by `storesim finetune`, seed {seed}.

| what | value |
| --- | --- |
| data | {known["n_sessions"]} visits, {known["n_journeys"]} with a receipt and both ends |
| loss of the journey policy on held-back visits | {loss} |
| receipt lines held to be planned | {known["planned_line_share"]:.0%} |

`needs` holds receipts: treat the folder as you treat the data it was made from.
""",
        encoding="utf-8",
    )
