"""Small models and journeys whose truth is known, for the tests of models, simulator and scenarios."""

from typing import Any

import numpy as np
import torch

from layouts import Store
from models import (
    BasketBank,
    ConversionModel,
    EncodedJourneys,
    GPT2Pointer,
    LayoutPolicy,
    LayoutView,
    Pace,
    PointerConfig,
    ShopperModel,
    build_reference_model,
)
from models.candidates import ZONE_RELATIONS
from models.vocabulary import AttributeCoder
from simulator import Itineraries, Luck, draw_population, plan_itineraries

CODER = AttributeCoder({"mission": ("unknown", "major", "quick"), "gender": ("unknown", "female", "male")})


def make_network(
    *,
    seed: int = 0,
    n_layer: int = 1,
    n_levels: int = CODER.n_levels,
    n_embd: int = 16,
    n_relation: int = 8,
) -> GPT2Pointer:
    """An untrained network, spread out enough that its answers differ; in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = PointerConfig(
            n_levels=n_levels, n_embd=n_embd, n_layer=n_layer, n_head=2, n_relation=n_relation
        )
        network = GPT2Pointer(config)
        with torch.no_grad():
            for name, weights in network.named_parameters():
                if weights.ndim == 2 and "gpt2.w" not in name:
                    weights.normal_(0.0, 0.4)
    return network.eval()


def make_willing_network(*, seed: int = 0) -> GPT2Pointer:
    """An untrained network that goes where something stands that is wanted, and leaves when it has all."""
    network = make_network(seed=seed)
    with torch.no_grad():
        network.relation_in.weight[0] = 0.0
        network.relation_in.weight[0, ZONE_RELATIONS.index("is_wanted")] = 6.0
        network.relation_context.weight[0] = network.relation_zone.weight[0] = 0.0
        network.relation_out.weight[0, 0] = 2.0
        network.leave_out.bias.fill_(4.0)
    return network


def make_conversion(store: Store, *, seed: int = 0, hazard_bias: float = -3.0) -> ConversionModel:
    """A conversion model that was not fitted: random appeal, the same hazard for every category."""
    model = ConversionModel(store.categories, tuple(store.sku_index), CODER)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.hazard_bias.fill_(hazard_bias)
        model.log_habituation.fill_(0.0)
        model.appeal.normal_(0.0, 0.3, generator=generator)
        model.hazard_attributes.normal_(0.0, 0.3, generator=generator)
        model.units[:, 0], model.units[:, 1] = 0.7, 0.3
    return model.eval()


def make_model(store: Store, *, seed: int = 0) -> ShopperModel:
    """A model of the kind that is trained and saved, with an untrained network and half-planned baskets."""
    lists = build_reference_model(store, np.random.default_rng(seed), n_baskets=200).needs
    assert isinstance(lists, BasketBank)
    needs = BasketBank(
        attributes={name: lists.attributes[name] for name in ("mission", "gender")},
        row=lists.row,
        sku_id=lists.sku_id,
        qty=lists.qty,
        planned_share=np.where(np.arange(len(lists.row)) % 3 == 0, 0.5, 1.0),
    )
    return ShopperModel(
        name="small",
        needs=needs,
        policy=LayoutPolicy(make_willing_network(seed=seed), CODER),
        conversion=make_conversion(store, seed=seed),
        pace=Pace(),
        hourly_share=(0.0,) * 9 + (0.2,) * 5 + (0.0,) * 10,
        shoppers_per_day=300.0,
        knowledge={"kind": "untrained"},
    )


def plan(model: ShopperModel, store: Store, n: int, *, seed: int = 0, replication: int = 0) -> Itineraries:
    """The itineraries of `n` shoppers."""
    luck = Luck(seed, replication)
    _, baskets = draw_population(model, store, n, luck)
    return plan_itineraries(model, store, baskets, n, luck)


def make_journeys(
    zone: list[list[int]],
    picks: list[tuple[int, int, int, int]],
    *,
    dwell_s: list[list[float]] | None = None,
    attributes: dict[str, Any] | None = None,
) -> EncodedJourneys:
    """Journeys of stops by shopper (padded with -1) and picks (row, stop, sku, qty)."""
    stops = np.array(zone, dtype=np.int64)
    dwell = np.where(stops >= 0, 10.0, 0.0) if dwell_s is None else np.array(dwell_s, dtype=float)
    row, stop, sku, qty = np.array(picks, dtype=np.int64).reshape(-1, 4).T
    return EncodedJourneys(
        attributes=attributes or {"mission": np.full(len(stops), "quick", dtype=object)},
        zone=stops,
        dwell_s=dwell.astype(np.float32),
        start_s=(np.cumsum(dwell + 20.0, axis=1) - dwell).astype(np.float32),
        pick_row=row,
        pick_stop=stop,
        pick_sku=sku,
        pick_qty=qty,
    )


def encode_itineraries(plans: Itineraries, attributes: dict[str, Any]) -> EncodedJourneys:
    """Perfectly observed journeys; those without a stop keep a row of padding."""
    first = plans.stop_offsets
    nth = np.arange(plans.n_stops) - first[plans.stop_shopper]
    zone = np.full((plans.n_shoppers, int(nth.max()) + 1), -1, dtype=np.int64)
    dwell = np.zeros(zone.shape, dtype=np.float32)
    zone[plans.stop_shopper, nth], dwell[plans.stop_shopper, nth] = plans.stop_zone, plans.stop_dwell_s
    return EncodedJourneys(
        attributes=attributes,
        zone=zone,
        dwell_s=dwell,
        start_s=np.zeros_like(dwell),
        pick_row=plans.pick_shopper,
        pick_stop=nth[plans.pick_stop],
        pick_sku=plans.pick_sku,
        pick_qty=plans.pick_qty,
    )


def compute_walk_m(zone: np.ndarray, view: LayoutView) -> np.ndarray:
    """Length of the shortest walk from the door through the stops to the nearest till [m], shape (n,)."""
    length = np.zeros(len(zone))
    place = np.full(len(zone), view.entrance)
    for stop in zone.T:
        rows = np.flatnonzero(stop >= 0)
        length[rows] += view.distance_m[place[rows], stop[rows]]
        place[rows] = stop[rows]
    return length + view.distance_m[place, view.nearest_checkout[place]]
