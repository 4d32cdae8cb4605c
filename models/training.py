"""From a store and its observations to a model folder: `storesim train`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import Journeys, Observations, build_journeys, clean_tracks
from layouts import ObservationError, Store, writing_folder
from models.conversion import ConversionModel
from models.encoding import EncodedJourneys, compute_leg_speeds, encode_journeys
from models.layout_view import view_layout
from models.needs import BasketBank
from models.policy_fitting import Observed, check_preset, fit_policy
from models.shopper_model import Pace, ShopperModel
from models.storage import MODEL_PARTS
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
    conversion = ConversionModel(store.categories, tuple(store.sku_index), attributes).fit(
        encoded, store, rng=rng
    )
    planned_share = conversion.compute_planned_share(encoded, store, rng=rng)
    observed = Observed(store, positions, journeys, encoded, planned_share, attributes)
    fitted, history = fit_policy(policy, observed, preset=preset, rng=rng, checkpoints=checkpoints)
    return ShopperModel(
        name=f"{store.name}-{preset}" if policy == "layout" else f"{store.name}-{policy}",
        needs=BasketBank.fit(encoded, store, planned_share, empty_share=_empty_share(journeys)),
        policy=fitted,
        conversion=conversion,
        pace=_fit_pace(encoded, planned_share, store),
        hourly_share=_hourly_share(journeys.sessions["entry_ts"]),
        shoppers_per_day=_shoppers_per_day(journeys.sessions["entry_ts"]),
        knowledge=_describe_knowledge(store, journeys, encoded, planned_share, preset, history, policy),
    )


def _empty_share(journeys: Journeys) -> float:
    """Share of visits without a purchase: those without a receipt, less the receipts without a visit."""
    without = int((~journeys.sessions["has_receipt"]).sum())
    unlinked = journeys.report["n_receipts_without_session"]
    return min(max(without - unlinked, 0) / max(len(journeys.sessions), 1), 0.9)


def _fit_pace(journeys: EncodedJourneys, planned_share: NDArray[np.float64], store: Store) -> Pace:
    """Speed on the shortest walk, and stops at which one line was taken that was most likely unplanned."""
    speed = compute_leg_speeds(journeys, view_layout(store))
    log_speed = np.log(np.clip(speed, 0.2, 2.0)) if len(speed) else np.zeros(1)
    share = planned_share[journeys.pick_row, store.sku_category[journeys.pick_sku]]
    n_lines = np.zeros(journeys.zone.shape)
    np.add.at(n_lines, (journeys.pick_row, journeys.pick_stop), 1)
    alone = n_lines[journeys.pick_row, journeys.pick_stop] == 1
    dwell = journeys.dwell_s[journeys.pick_row, journeys.pick_stop][alone & (share < 0.5)]
    if len(dwell) < 20:
        dwell = journeys.dwell_s[journeys.pick_row, journeys.pick_stop]
    log_dwell = np.log(np.maximum(dwell, 2.0))
    return Pace(
        speed_log_mean=float(np.median(log_speed)),
        speed_log_sd=float(np.subtract(*np.percentile(log_speed, [75, 25])) / 1.349),
        impulse_dwell_log_mean=float(np.mean(log_dwell)),
        impulse_dwell_log_sd=float(np.std(log_dwell)),
    )


def _hourly_share(entry: pd.Series) -> tuple[float, ...]:
    share = np.bincount(entry.dt.hour, minlength=24) / max(len(entry), 1)
    return tuple(float(value) for value in share)


def _shoppers_per_day(entry: pd.Series) -> float:
    return float(len(entry) / max(entry.dt.date.nunique(), 1))


def _describe_knowledge(
    store: Store,
    journeys: Journeys,
    encoded: EncodedJourneys,
    planned_share: NDArray[np.float64],
    preset: str,
    history: list[dict[str, float]],
    policy: str = "layout",
) -> dict[str, Any]:
    """What the model can speak for: where each category stood, and how much was seen."""
    where: dict[str, set[str]] = {name: set() for name in store.categories}
    for placement in store.placements:
        category = store.categories[store.sku_category[store.sku_index[placement.sku_id]]]
        where[category].add(str(store.zones[store.zone_index[placement.zone_id]].zone_type))
    share = planned_share[encoded.pick_row, store.sku_category[encoded.pick_sku]]
    return {
        "kind": "trained",
        "policy": policy,
        "preset": preset,
        "store": store.name,
        "store_hash": store.content_hash,
        "n_sessions": len(journeys.sessions),
        "n_journeys": encoded.n,
        "planned_line_share": round(float(share.mean()), 4),
        "zone_types_of_category": {name: sorted(types) for name, types in where.items()},
        "history": [{k: round(epoch[k], 4) for k in ("training", "validation")} for epoch in history],
        "observed": journeys.report,
    }


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
