"""From a store and its observations to a model of its shoppers."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from analysis import Observations, build_journeys, clean_tracks, estimate_measurement
from layouts import ObservationError, Store
from models.conversion import ConversionModel
from models.conversion_fitting import estimate_planned_share, fit_conversion, publish_priors
from models.demand import calibrate_model, estimate_demand
from models.encoding import encode_journeys
from models.hypotheses import N_HYPOTHESES, Hypothesis, draw_hypotheses
from models.needs import BasketBank
from models.policy_fitting import Observed, check_preset, fit_policy
from models.shopper_model import ShopperModel
from models.standing import fit_standing
from models.store_profile import (
    count_hourly_share,
    count_shoppers_per_day,
    describe_knowledge,
    estimate_empty_share,
    fit_door_pause,
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
    noise_m = estimate_measurement(observations, positions, store).noise_sd_m
    model = ShopperModel(
        name=f"{store.name}-{preset}" if policy == "layout" else f"{store.name}-{policy}",
        needs=needs,
        policy=fitted,
        conversion=conversion,
        pace=fit_door_pause(positions, store, fit_pace(encoded, planned_share, store)),
        hourly_share=count_hourly_share(journeys.sessions["entry_ts"]),
        shoppers_per_day=count_shoppers_per_day(journeys.sessions["entry_ts"]),
        knowledge=describe_knowledge(store, journeys, encoded, planned_share, preset, history, policy),
        hypotheses=hypotheses,
        standing=fit_standing(store, journeys, positions, noise_m=noise_m),
    )
    demand = estimate_demand(store, observations.receipts)
    logger.info(
        "sales spread around the catalogue's velocities by %.0f %% (categories) and %.0f %% (articles)",
        100 * demand.category_spread,
        100 * demand.sku_spread,
    )
    return calibrate_model(model, store, demand, rng=rng)
