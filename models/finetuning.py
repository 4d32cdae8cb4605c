"""A model made for one store, taken to another with few visits of it.

Everything that the old model knows is the prior, and what was observed moves it as far as its amount allows:
the policy's network takes small steps and stops when held-back visits get worse; hazards and the rest of the
conversion model are held near their old values; baskets are the observed ones in so far as there are enough,
else made from the velocities of the store's catalogue. So the result cannot collapse: with no visit at all
it would be the old model with the new store's catalogue.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln, softmax

from analysis import Journeys, Observations, build_journeys, clean_tracks, estimate_measurement
from layouts import ModelError, ObservationError, Store
from models.anchored_conversion import refit_conversion
from models.conversion_fitting import estimate_planned_share
from models.demand import calibrate_bank, estimate_demand
from models.encoding import EncodedJourneys, encode_journeys
from models.habits import fit_habits
from models.hypotheses import N_HYPOTHESES, draw_hypotheses
from models.layout_policy import LayoutPolicy
from models.layout_view import view_layout
from models.needs import BasketBank
from models.network_finetuning import FinetuningConfig, extend_attributes, finetune_network
from models.paper.fitting import fit_paper_policy
from models.paper.policy import PaperPolicy
from models.policy import Policy
from models.policy_training import TrainingStore
from models.shopper_model import Pace, ShopperModel
from models.standing import fit_standing
from models.store_profile import (
    count_hourly_share,
    count_shoppers_per_day,
    describe_knowledge,
    fit_door_pause,
    fit_pace,
)
from models.velocity_needs import (
    PLANNED_SHARE,
    UNITS_PER_LINE,
    BlendedNeeds,
    VelocityNeeds,
    compute_line_shares,
)

logger = logging.getLogger(__name__)

# What the prior counts for, in visits or receipt lines of the new store.
PROFILE_VISITS = 16  # who comes, and how much they want
PACE_VISITS = 20
HOUR_VISITS = 50
BANK_VISITS = 300  # of observed baskets against made ones
CATALOGUE_LINES = 10_000  # all velocities together count for, if receipts do not contradict them
CATALOGUE_LINES_SD = 1.5  # of the logarithm
VELOCITY_POWER_SD = 0.25  # of the power of the velocities that receipts follow, around 1
UNIT_LINES = 12
PLANNED_LINES = 20
MIN_JOURNEYS = 2  # one to learn from and one to hold back
N_PROFILES = 2000
EMPTY_VISITS = 20


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the chosen visits of the new store say."""

    store: Store
    journeys: Journeys
    encoded: EncodedJourneys


def finetune_model(
    prior: ShopperModel,
    store: Store,
    observations: Observations,
    *,
    n_sessions: int | None = None,
    n_hypotheses: int = N_HYPOTHESES,
    rng: np.random.Generator,
    config: FinetuningConfig | None = None,
) -> ShopperModel:
    """Take a model to another store.

    Parameters
    ----------
    prior
        Model of another store, or of many; its policy must be `layout` or `paper`.
    store
        The new store as it stood while the observations were made. Its categories and customers may differ.
    observations
        Tracks, receipts and customer attributes of visits to it.
    n_sessions
        Learn from so many visits, drawn at random; all if left out or if there are no more.
    n_hypotheses
        Further readings of the same data, see `models.hypotheses`.
    rng
        Draws the visits and the order in which they are read.
    config
        Of the network's training.

    Raises
    ------
    ModelError
        If the prior's policy is of another kind.
    ObservationError
        If fewer than `MIN_JOURNEYS` of the visits have a receipt, both ends and a stop.
    """
    if not isinstance(prior.policy, LayoutPolicy | PaperPolicy):
        raise ModelError(
            f"model {prior.name!r}: a policy of kind {type(prior.policy).__name__} cannot be fine-tuned; "
            "take a model whose policy is `layout` or `paper`"
        )
    chosen = take_sessions(observations, n_sessions, rng)
    positions = clean_tracks(chosen.tracks, store)
    journeys = build_journeys(chosen, store, positions=positions)
    encoded = encode_journeys(journeys, store)
    if encoded.n < MIN_JOURNEYS:
        raise ObservationError(
            f"observations: {encoded.n} of {len(journeys.sessions)} visits have a receipt, both ends and a "
            f"stop; at least {MIN_JOURNEYS} are needed, give more --sessions"
        )
    logger.info("%d visits, %d of them with a receipt", len(journeys.sessions), encoded.n)
    seen = _Seen(store, journeys, encoded)
    made = _fit_made_needs(prior, seen)
    conversion, priors = refit_conversion(prior.conversion, encoded, store, made, rng=rng)
    planned_share = estimate_planned_share(conversion, encoded, store, rng=rng)
    made = _fit_planned_share(made, seen, planned_share)
    policy: Policy
    if isinstance(prior.policy, PaperPolicy):
        policy, history = fit_paper_policy(positions, journeys, store, rng=rng, start=prior.policy)
    else:
        policy, history = _finetune_policy(
            prior.policy, seen, planned_share, rng, config or FinetuningConfig()
        )
    empty = float((made.n_wanted == 0).mean())
    bank = BasketBank.fit(encoded, store, planned_share, empty_share=empty)
    bank = calibrate_bank(bank, store, estimate_demand(store, chosen.receipts), rng=rng)

    def make_needs(share: NDArray[np.float64]) -> BlendedNeeds:
        observed = BasketBank.fit(encoded, store, share, empty_share=empty)
        return BlendedNeeds(
            bank=bank.replan(observed.line_shares),
            made=made,
            bank_share=encoded.n / (encoded.n + BANK_VISITS),
        )

    noise_m = estimate_measurement(chosen, positions, store).noise_sd_m
    pace = fit_door_pause(positions, store, fit_pace(encoded, planned_share, store))
    return ShopperModel(
        name=f"{prior.name}-{store.name}",
        needs=make_needs(planned_share),
        policy=policy,
        conversion=conversion,
        pace=_blend_pace(prior.pace, pace, encoded.n),
        hourly_share=_blend_hours(prior, journeys.sessions["entry_ts"]),
        shoppers_per_day=count_shoppers_per_day(observations.tracks.groupby("session_id")["t"].min()),
        knowledge=describe_knowledge(
            store,
            journeys,
            encoded,
            planned_share,
            "fine-tuned",
            history,
            prior.knowledge.get("policy", "layout"),
        )
        | {"kind": "fine-tuned", "prior": prior.name, "prior_knowledge": _shorten(prior.knowledge)},
        hypotheses=()
        if policy.buys
        else draw_hypotheses(
            conversion,
            planned_share,
            encoded,
            store,
            priors=priors,
            make_needs=make_needs,
            rng=rng,
            n=n_hypotheses,
        ),
        standing=fit_standing(store, journeys, positions, noise_m=noise_m, prior=prior.standing),
    )


def take_sessions(observations: Observations, n: int | None, rng: np.random.Generator) -> Observations:
    """Keep `n` visits drawn at random; all if `n` is None or there are no more.

    Of the same state of `rng`, more visits hold the fewer. Of the receipts that are linked to no visit a like
    part is kept: they tell how many visits without a receipt bought something all the same.
    """
    sessions = np.sort(observations.tracks["session_id"].unique())
    if n is None or n >= len(sessions):
        return observations
    kept = set(rng.permutation(sessions)[:n])
    receipts = observations.receipts
    loose = ~receipts["session_id"].isin(sessions)
    baskets = rng.permutation(np.sort(receipts.loc[loose, "basket_id"].unique()))
    of_nobody = set(baskets[: round(len(baskets) * n / len(sessions))])
    chosen = receipts["session_id"].isin(kept) | (loose & receipts["basket_id"].isin(of_nobody))

    def part(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["session_id"].isin(kept)].reset_index(drop=True)

    return replace(
        observations,
        tracks=part(observations.tracks),
        receipts=receipts[chosen].reset_index(drop=True),
        sessions=part(observations.sessions),
    )


# ---- needs


def _fit_made_needs(prior: ShopperModel, seen: _Seen) -> VelocityNeeds:
    """Baskets from the catalogue, their number and size from the visits and the prior's profiles."""
    store, encoded = seen.store, seen.encoded
    old = find_velocity_needs(prior)
    category = store.sku_category[encoded.pick_sku]
    n_lines = np.bincount(category, minlength=len(store.categories)).astype(float)
    n_units = np.bincount(category, encoded.pick_qty, minlength=len(store.categories))
    names = [str(name) for name in store.categories]
    usual = np.array([old.units_per_line.get(name, UNITS_PER_LINE) for name in names])
    units = (n_units + UNIT_LINES * usual) / (n_lines + UNIT_LINES)
    units_per_line = dict(zip(names, units.round(4).tolist(), strict=True))
    plain = replace(old, units_per_line=units_per_line, category_tilt={}, _banks={})
    by_velocity = compute_line_shares(plain, store)
    tilt = blend_category_shares(n_lines, by_velocity) / by_velocity
    profiles, n_wanted = _blend_profiles(old, seen)
    return replace(
        plain,
        attributes=profiles,
        n_wanted=n_wanted,
        category_tilt=dict(zip(names, tilt.round(4).tolist(), strict=True)),
        _banks={},
    )


def blend_category_shares(
    n_lines: NDArray[np.float64], by_velocity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of each category in all receipt lines, from the lines seen and from the catalogue.

    The shares lie around a power of those by velocity, Dirichlet-distributed; the mean is taken over powers
    and concentrations, weighted by how likely they are. What sells may be spread more evenly than the
    catalogue has it (less evenly is believed less), or not follow it at all, and a few receipts tell that
    before they tell every category.

    Parameters
    ----------
    n_lines
        Receipt lines of each category, shape (n_categories,).
    by_velocity
        Shares by the catalogue, of the same shape.
    """
    log_share = np.log(by_velocity)
    log_weights, shares = [], []
    for power in np.linspace(0.3, 1.3, 21):
        around = np.exp(power * log_share)
        around /= around.sum()
        for n_prior in np.geomspace(30.0, 30.0 * CATALOGUE_LINES, 25):
            alpha = n_prior * around
            fit = gammaln(n_prior) - gammaln(n_prior + n_lines.sum())
            fit += (gammaln(alpha + n_lines) - gammaln(alpha)).sum()
            fit -= 0.5 * ((power - 1.0) / VELOCITY_POWER_SD) ** 2
            fit -= 0.5 * (np.log(n_prior / CATALOGUE_LINES) / CATALOGUE_LINES_SD) ** 2
            log_weights.append(fit)
            shares.append((n_lines + alpha) / (n_lines.sum() + n_prior))
    return np.asarray(softmax(log_weights) @ np.array(shares))


def find_velocity_needs(model: ShopperModel) -> VelocityNeeds:
    """The part of a model's needs that goes with it to another store: who comes, for how many categories.

    Of a bank of baskets, what was in them stays behind; so do the categories of the old store.
    """
    needs = model.needs
    if isinstance(needs, BlendedNeeds):
        return needs.made
    if isinstance(needs, VelocityNeeds):
        return needs
    if not isinstance(needs, BasketBank):
        raise ModelError(f"model {model.name!r}: needs of kind {type(needs).__name__} cannot be fine-tuned")
    every = np.linspace(0, needs.n - 1, min(needs.n, N_PROFILES)).astype(np.int64)
    n_lines = np.bincount(needs.row, minlength=needs.n)[every]
    return VelocityNeeds(
        attributes={name: values[every] for name, values in needs.attributes.items()},
        n_wanted=np.ceil(n_lines / 1.2).astype(np.int64),
    )


def _blend_profiles(old: VelocityNeeds, seen: _Seen) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Observed visits, repeated to outnumber the prior's profiles as they should; some leave with nothing."""
    n_prior, n_seen = len(old.n_wanted), seen.encoded.n
    repeat = max(round(n_prior / PROFILE_VISITS), 1)
    seen_wanted = np.tile(seen.encoded.bought_categories(seen.store).sum(axis=1), repeat)
    n_empty = round(_estimate_empty_share(old, seen) * n_seen) * repeat
    names = sorted({*old.attributes, *seen.encoded.attributes})
    attributes = {}
    for name in names:
        unknown = np.full(max(n_prior, n_seen), "unknown", dtype=object)
        here = np.tile(seen.encoded.attributes.get(name, unknown[:n_seen]), repeat)
        before = old.attributes.get(name, unknown[:n_prior])
        attributes[name] = np.concatenate([here, before, np.resize(here, n_empty)])
    n_wanted = np.concatenate([seen_wanted, old.n_wanted, np.zeros(n_empty, dtype=np.int64)])
    return attributes, n_wanted


def _estimate_empty_share(old: VelocityNeeds, seen: _Seen) -> float:
    """Visits without a purchase for one with: those without a receipt, less the receipts without a visit."""
    without = int((~seen.journeys.sessions["has_receipt"]).sum())
    unlinked = seen.journeys.report["n_receipts_without_session"]
    n, usual = len(seen.journeys.sessions), float((old.n_wanted == 0).mean())
    share = (max(without - unlinked, 0) + EMPTY_VISITS * usual) / (n + EMPTY_VISITS)
    return min(share, 0.9) / (1.0 - min(share, 0.9))


def _fit_planned_share(made: VelocityNeeds, seen: _Seen, planned_share: NDArray[np.float64]) -> VelocityNeeds:
    """Share of receipt lines that were planned, of each category held near that of all."""
    store, encoded = seen.store, seen.encoded
    category = store.sku_category[encoded.pick_sku]
    n_lines = np.bincount(category, minlength=len(store.categories))
    planned = np.bincount(category, planned_share[encoded.pick_row, category], len(store.categories))
    overall = (planned.sum() + PLANNED_LINES * PLANNED_SHARE) / (n_lines.sum() + PLANNED_LINES)
    share = (planned + PLANNED_LINES * overall) / (n_lines + PLANNED_LINES)
    return made.with_planned_share(store, share)


# ---- the rest


def _finetune_policy(
    policy: LayoutPolicy,
    seen: _Seen,
    planned_share: NDArray[np.float64],
    rng: np.random.Generator,
    config: FinetuningConfig,
) -> tuple[LayoutPolicy, list[dict[str, float]]]:
    network, coder = extend_attributes(policy.network, policy.attributes, seen.encoded.attributes)
    training = TrainingStore(
        view_layout(seen.store), seen.encoded, planned_share, coder.encode(seen.encoded.attributes)
    )
    history = finetune_network(network, training, rng=rng, config=config)
    return LayoutPolicy(network, coder, fit_habits(network, training, rng=rng)), history


def _blend_pace(prior: Pace, here: Pace, n: int) -> Pace:
    """Mean of both, the prior counting for `PACE_VISITS`."""
    share = n / (n + PACE_VISITS)
    values = {
        name: share * value + (1.0 - share) * getattr(prior, name) for name, value in vars(here).items()
    }
    return Pace(**values)


def _blend_hours(prior: ShopperModel, entry: pd.Series) -> tuple[float, ...]:
    here, n = np.array(count_hourly_share(entry)), len(entry)
    share = (n * here + HOUR_VISITS * np.array(prior.hourly_share)) / (n + HOUR_VISITS)
    return tuple(float(value) for value in share / share.sum())


def _shorten(knowledge: dict[str, Any]) -> dict[str, Any]:
    """What the prior was trained on, without its tables."""
    return {k: v for k, v in knowledge.items() if isinstance(v, str | int | float)}
