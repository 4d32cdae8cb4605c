"""From a store and its observations to a model folder: `storesim train`."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from analysis import Observations, build_journeys, clean_tracks
from layouts import ObservationError, Store, writing_folder
from models.conversion import ConversionModel
from models.conversion_fitting import estimate_planned_share, fit_conversion, publish_priors
from models.encoding import encode_journeys
from models.hypotheses import N_HYPOTHESES, Hypothesis, draw_hypotheses
from models.needs import BasketBank
from models.policy_fitting import Observed, check_preset, fit_policy
from models.shopper_model import ShopperModel
from models.standing import fit_standing
from models.storage import MODEL_PARTS
from models.store_profile import (
    count_hourly_share,
    count_shoppers_per_day,
    describe_knowledge,
    estimate_empty_share,
    fit_pace,
)
from models.vocabulary import AttributeCoder

logger = logging.getLogger(__name__)

MIN_JOURNEYS = 30  # fewer journeys with a receipt cannot tell planned from unplanned


def fit_model(
    store: Store,
    observations: Observations,
    *,
    policy: str = "layout",
    preset: str = "small",
    checkpoints: Path | None = None,
    min_journeys: int = MIN_JOURNEYS,
    n_hypotheses: int = N_HYPOTHESES,
    rng: np.random.Generator,
) -> ShopperModel:
    """Learn a store's shoppers from its tracks and receipts.

    Parameters
    ----------
    store
        The store as it stood while the observations were made.
    observations
        Tracks, receipts and customer attributes.
    policy
        Name in `POLICIES`: who decides on journeys.
    preset
        Size of its network, see `check_preset`.
    checkpoints
        Folder in which the paper policy's training is kept and from which it goes on.
    min_journeys
        Refuse to learn from fewer; lower it only to see how a model from next to nothing fails.
    n_hypotheses
        Further readings of the same data, from which an A/B run takes what the model does not know.
    rng
        Draws the initial weights, the order of the journeys and what is dropped from them.

    Raises
    ------
    ConfigError
        If there is no such policy, or it has no such preset.
    ObservationError
        If fewer than `min_journeys` journeys have a receipt and both ends.
    """
    check_preset(policy, preset)
    n_sessions = observations.tracks["session_id"].nunique()
    logger.info("reading journeys out of %d positions of %d visits", len(observations.tracks), n_sessions)
    positions = clean_tracks(observations.tracks, store)
    journeys = build_journeys(observations, store, positions=positions)
    encoded = encode_journeys(journeys, store)
    if encoded.n < min_journeys:
        raise ObservationError(
            f"observations: {encoded.n} journeys with a receipt, both ends and a stop; "
            f"at least {min_journeys} are needed"
        )
    logger.info("%d journeys with receipts, %d stops", encoded.n, int((encoded.zone >= 0).sum()))
    attributes = AttributeCoder.fit(encoded.attributes)
    conversion = ConversionModel(store.categories, tuple(store.sku_index), attributes)
    fit_conversion(conversion, encoded, store, rng=rng)
    planned_share = estimate_planned_share(conversion, encoded, store, rng=rng)
    empty = estimate_empty_share(journeys)
    needs = BasketBank.fit(encoded, store, planned_share, empty_share=empty)
    observed = Observed(store, positions, journeys, encoded, planned_share, attributes)
    fitted, history = fit_policy(policy, observed, preset=preset, rng=rng, checkpoints=checkpoints)
    hypotheses: tuple[Hypothesis, ...] = ()
    if not fitted.buys:
        hypotheses = draw_hypotheses(
            conversion,
            planned_share,
            encoded,
            store,
            priors=publish_priors(conversion),
            make_needs=lambda share: BasketBank.fit(encoded, store, share, empty_share=empty),
            rng=rng,
            n=n_hypotheses,
        )
    return ShopperModel(
        name=f"{store.name}-{preset}" if policy == "layout" else f"{store.name}-{policy}",
        needs=needs,
        policy=fitted,
        conversion=conversion,
        pace=fit_pace(encoded, planned_share, store),
        hourly_share=count_hourly_share(journeys.sessions["entry_ts"]),
        shoppers_per_day=count_shoppers_per_day(journeys.sessions["entry_ts"]),
        knowledge=describe_knowledge(store, journeys, encoded, planned_share, preset, history, policy),
        hypotheses=hypotheses,
        standing=fit_standing(store, journeys, positions),
    )


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


def train_model(
    store: Store,
    observations: Observations,
    out: Path,
    *,
    policy: str = "layout",
    preset: str = "small",
    checkpoints: Path | None = None,
    seed: int = 0,
) -> ShopperModel:
    """Fit a model and write its folder `out`, which must not be there yet or be a model folder.

    Raises
    ------
    ModelError
        If `out` is something else than a model folder; see also `fit_model`.
    """
    with writing_folder(out, parts=MODEL_PARTS) as folder:
        model = fit_model(
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
