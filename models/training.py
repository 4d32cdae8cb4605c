"""From a store and its observations to a model folder: `storesim train`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from analysis import Journeys, Observations, build_journeys
from layouts import ConfigError, ObservationError, Store, writing_folder
from models.conversion import ConversionModel
from models.encoding import EncodedJourneys, compute_leg_speeds, encode_journeys
from models.gpt2_pointer import GPT2Pointer, PointerConfig
from models.layout_policy import LayoutPolicy
from models.layout_view import view_layout
from models.needs import BasketBank
from models.policy_training import PolicyTrainingConfig, TrainingStore, train_policy
from models.shopper_model import Pace, ShopperModel
from models.storage import MODEL_PARTS
from models.vocabulary import AttributeCoder

logger = logging.getLogger(__name__)

MIN_JOURNEYS = 30  # fewer journeys with a receipt cannot tell planned from unplanned


@dataclass(frozen=True, kw_only=True)
class TrainingPreset:
    """Size of the network and length of its training."""

    network: dict[str, int]
    policy: PolicyTrainingConfig


PRESETS: dict[str, TrainingPreset] = {
    "tiny": TrainingPreset(
        network={"n_embd": 32, "n_layer": 1, "n_head": 2, "n_relation": 16},
        policy=PolicyTrainingConfig(n_steps=200),
    ),
    "small": TrainingPreset(
        network={"n_embd": 96, "n_layer": 3, "n_head": 2, "n_relation": 48}, policy=PolicyTrainingConfig()
    ),
    "base": TrainingPreset(
        network={"n_embd": 128, "n_layer": 4, "n_head": 2, "n_relation": 64},
        policy=PolicyTrainingConfig(n_steps=3000, learning_rate=1.5e-3),
    ),
}


def find_preset(name: str) -> TrainingPreset:
    """Look up one of `PRESETS`.

    Raises
    ------
    ConfigError
        If there is no such preset.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r}: unknown; known are {', '.join(PRESETS)}")
    return PRESETS[name]


def fit_model(
    store: Store,
    observations: Observations,
    *,
    preset: str = "small",
    rng: np.random.Generator,
) -> ShopperModel:
    """Learn a store's shoppers from its tracks and receipts.

    Parameters
    ----------
    store
        The store as it stood while the observations were made.
    observations
        Tracks, receipts and customer attributes.
    preset
        Name in `PRESETS`.
    rng
        Draws the initial weights, the order of the journeys and what is dropped from them.

    Raises
    ------
    ConfigError
        If there is no such preset.
    ObservationError
        If fewer than `MIN_JOURNEYS` journeys have a receipt and both ends.
    """
    chosen = find_preset(preset)
    n_sessions = observations.tracks["session_id"].nunique()
    logger.info("reading journeys out of %d positions of %d visits", len(observations.tracks), n_sessions)
    journeys = build_journeys(observations, store)
    encoded = encode_journeys(journeys, store)
    if encoded.n < MIN_JOURNEYS:
        raise ObservationError(
            f"observations: {encoded.n} journeys with a receipt, both ends and a stop; "
            f"at least {MIN_JOURNEYS} are needed"
        )
    logger.info("%d journeys with receipts, %d stops", encoded.n, int((encoded.zone >= 0).sum()))
    attributes = AttributeCoder.fit(encoded.attributes)
    conversion = ConversionModel(store.categories, tuple(store.sku_index), attributes).fit(
        encoded, store, rng=rng
    )
    planned_share = conversion.compute_planned_share(encoded, store, rng=rng)
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**31)))
        network = GPT2Pointer(PointerConfig(n_levels=attributes.n_levels, **chosen.network))
    training = TrainingStore(
        view_layout(store), encoded, planned_share, attributes.encode(encoded.attributes)
    )
    history = train_policy(network, [training], rng=rng, config=chosen.policy, on_epoch=_log_epoch)
    return ShopperModel(
        name=f"{store.name}-{preset}",
        needs=BasketBank.fit(encoded, store, planned_share, empty_share=_empty_share(journeys)),
        policy=LayoutPolicy(network, attributes),
        conversion=conversion,
        pace=_fit_pace(encoded, planned_share, store),
        hourly_share=_hourly_share(journeys.sessions["entry_ts"]),
        shoppers_per_day=_shoppers_per_day(journeys.sessions["entry_ts"]),
        knowledge=_describe_knowledge(store, journeys, encoded, planned_share, preset, history),
    )


def _log_epoch(epoch: int, training: float, validation: float) -> None:
    logger.info(
        "epoch %d: training loss %.3f, validation loss %.3f nats a decision", epoch + 1, training, validation
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
) -> dict[str, Any]:
    """What the model can speak for: where each category stood, and how much was seen."""
    where: dict[str, set[str]] = {name: set() for name in store.categories}
    for placement in store.placements:
        category = store.categories[store.sku_category[store.sku_index[placement.sku_id]]]
        where[category].add(str(store.zones[store.zone_index[placement.zone_id]].zone_type))
    share = planned_share[encoded.pick_row, store.sku_category[encoded.pick_sku]]
    return {
        "kind": "trained",
        "preset": preset,
        "store": store.name,
        "store_hash": store.content_hash,
        "n_sessions": len(journeys.sessions),
        "n_journeys": encoded.n,
        "planned_line_share": round(float(share.mean()), 4),
        "zone_types_of_category": {name: sorted(types) for name, types in where.items()},
        "history": [{k: round(v, 4) for k, v in epoch.items()} for epoch in history],
        "observed": journeys.report,
    }


def write_card(model: ShopperModel, folder: Path, *, seed: int) -> None:
    """Write the model card, `README.md`: data, recipe, seed, scores."""
    known = model.knowledge
    best = min((epoch["validation"] for epoch in known["history"]), default=float("nan"))
    folder.joinpath("README.md").write_text(
        f"""# {model.name}

Shoppers of the store `{known["store"]}` (content hash `{known["store_hash"][:16]}`), learned by
`storesim train`.

| what | value |
| --- | --- |
| recipe | preset `{known["preset"]}`, seed {seed}, {len(known["history"])} epochs |
| data | {known["n_sessions"]} visits, {known["n_journeys"]} with a receipt and both ends |
| validation loss of the journey policy | {best:.3f} nats a decision (next zone and dwell) |
| receipt lines held to be planned | {known["planned_line_share"]:.0%} |

Parts: `needs` (the observed baskets, each line with its chance of having been planned), `conversion`
(hazards of unplanned purchases, planned needs), `policy` (GPT-2 over zones and stops). `needs` holds
receipts: treat the folder as you treat the data it was made from.
""",
        encoding="utf-8",
    )


def train_model(
    store: Store, observations: Observations, out: Path, *, preset: str = "small", seed: int = 0
) -> ShopperModel:
    """Fit a model and write its folder `out`, which must not be there yet or be a model folder.

    Raises
    ------
    ModelError
        If `out` is something else than a model folder; see also `fit_model`.
    """
    with writing_folder(out, parts=MODEL_PARTS) as folder:
        model = fit_model(store, observations, preset=preset, rng=np.random.default_rng(seed))
        model.save_pretrained(folder)
        write_card(model, folder, seed=seed)
    return model
