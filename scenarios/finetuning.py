"""Take a model to another store: `storesim finetune`.

After the model is fine-tuned, its shoppers rehearse, and then walk the store to see what they buy unplanned;
so much less of each category is put on the lists. Then a category sells what the catalogue and the visits
say, whatever few visits made of its hazard.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from analysis import Observations
from layouts import Store, writing_folder
from models import (
    MODEL_PARTS,
    BlendedNeeds,
    FinetuningConfig,
    ShopperModel,
    VelocityNeeds,
    expect_wanted,
    finetune_model,
    take_sessions,
)
from scenarios.rehearsal import rehearse
from simulator import Luck, draw_population, plan_itineraries

N_SHOPPERS = 3000  # who walk the store to see what they buy
N_ROUNDS = 3
MIN_PLANNED_SHARE = 0.1


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


def calibrate_lists(model: ShopperModel, store: Store, *, seed: int = 0) -> ShopperModel:
    """Plan so much of each category that planned and unplanned together sell what is expected of it.

    What is expected is what the lists that are made from the catalogue hold, were all of them planned. Only
    those lists change; observed baskets keep the shares that were estimated for them. Each hypothesis gets
    lists of its own: under each something else is bought unplanned.
    """
    if not isinstance(model.needs, BlendedNeeds | VelocityNeeds):
        return model
    readings = []
    for number, reading in enumerate(tqdm(model.hypotheses, desc="lists", unit="hypothesis", disable=None)):
        assert isinstance(reading.needs, BlendedNeeds)
        made = _calibrate(reading.needs.made, model.for_replication(number), store, seed)
        readings.append(replace(reading, needs=replace(reading.needs, made=made)))
    needs, alone = model.needs, replace(model, hypotheses=())
    if isinstance(needs, VelocityNeeds):
        return replace(alone, needs=_calibrate(needs, alone, store, seed))
    needs = replace(needs, made=_calibrate(needs.made, alone, store, seed))
    return replace(model, needs=needs, hypotheses=tuple(readings))


def _calibrate(made: VelocityNeeds, model: ShopperModel, store: Store, seed: int) -> VelocityNeeds:
    """Lists made from the catalogue, calibrated to what a model without hypotheses buys unplanned."""
    expected = expect_wanted(made, store)
    for _ in range(N_ROUNDS):
        planned, unplanned = _count_buyers(replace(model, needs=made), store, seed)
        share = made.planned_share_of(store) * (expected - unplanned) / np.maximum(planned, 1e-6)
        made = made.with_planned_share(store, np.clip(share, MIN_PLANNED_SHARE, 1.0))
    return made


def _count_buyers(
    model: ShopperModel, store: Store, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of the shoppers who buy each category, planned and unplanned, shapes (n_categories,)."""
    luck = Luck(seed)
    _, baskets = draw_population(model, store, N_SHOPPERS, luck)
    plans = plan_itineraries(model, store, baskets, N_SHOPPERS, luck)
    category = store.sku_category[plans.pick_sku]
    buyers = np.zeros((2, N_SHOPPERS, len(store.categories)), dtype=bool)
    buyers[plans.pick_planned.astype(int), plans.pick_shopper, category] = True
    unplanned, planned = buyers.mean(axis=1)
    return planned, unplanned


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
