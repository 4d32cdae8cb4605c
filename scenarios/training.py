"""Learn a model of a store's shoppers and let them live there once: `storesim train`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis import Observations
from layouts import Store, writing_folder
from models import MIN_JOURNEYS, MODEL_PARTS, ShopperModel, fit_model
from scenarios.lists import calibrate_lists
from scenarios.rehearsal import rehearse


def train(
    store: Store,
    observations: Observations,
    *,
    policy: str = "layout",
    preset: str = "small",
    checkpoints: Path | None = None,
    min_journeys: int = MIN_JOURNEYS,
    rng: np.random.Generator,
) -> ShopperModel:
    """Learn a store's shoppers, then set their habits (`rehearse`) and lists (`calibrate_lists`)."""
    model = fit_model(
        store,
        observations,
        policy=policy,
        preset=preset,
        checkpoints=checkpoints,
        min_journeys=min_journeys,
        rng=rng,
    )
    seed = int(rng.integers(2**31))
    return calibrate_lists(rehearse(model, store, observations, seed=seed), store, seed=seed)


def write_trained(
    store: Store,
    observations: Observations,
    out: Path,
    *,
    policy: str = "layout",
    preset: str = "small",
    checkpoints: Path | None = None,
    seed: int = 0,
) -> ShopperModel:
    """Learn a model and write its folder `out`, which must not be there yet or be a model folder.

    Raises
    ------
    ModelError
        If `out` is something else than a model folder; see also `models.training.fit_model`.
    """
    with writing_folder(out, parts=MODEL_PARTS) as folder:
        model = train(
            store,
            observations,
            policy=policy,
            preset=preset,
            checkpoints=checkpoints,
            rng=np.random.default_rng(seed),
        )
        model.save_pretrained(folder)
        write_card(model, folder, seed=seed)
    return model


def write_card(model: ShopperModel, folder: Path, *, seed: int) -> None:
    """Write the model card, `README.md`: data, recipe, seed, scores."""
    known = model.knowledge
    recipe = f"policy `{known['policy']}`, preset `{known['preset']}`, seed {seed}"
    unit = "a token" if known["policy"] == "paper" else "a decision (next zone and dwell)"
    losses = [epoch["validation"] for epoch in known["history"]]
    loss = (
        f"{min(losses):.3f} nats {unit}, {len(losses)} epochs"
        if losses
        else "none: it is counted, not trained"
    )
    folder.joinpath("README.md").write_text(
        f"""# {model.name}

Shoppers of the store `{known["store"]}` (content hash `{known["store_hash"][:16]}`), learned by
`storesim train`.

| what | value |
| --- | --- |
| recipe | {recipe} |
| data | {known["n_sessions"]} visits, {known["n_journeys"]} with a receipt and both ends |
| validation loss of the journey policy | {loss} |
| receipt lines held to be planned | {known["planned_line_share"]:.0%} |

Parts: `needs` (the observed baskets, each line with its chance of having been planned), `conversion`
(hazards of unplanned purchases, planned needs), `policy` (who decides on journeys). `needs` holds
receipts: treat the folder as you treat the data it was made from.
""",
        encoding="utf-8",
    )
