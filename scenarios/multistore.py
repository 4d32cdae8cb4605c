"""A model of many stores: shoppers of many towns walk many random stores, one network learns from them all.

Usage: python -m scenarios.multistore MODEL_DIR [N_STORES] [N_STEPS] [SEED]

It stands in where a store has no visits to learn from yet, and is what `storesim finetune` starts from. No
data of a retailer are in it.
"""

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from layouts import Store, build_store, draw_recipe, writing_folder
from models import (
    COMMON_LEVELS,
    HOURLY_SHARE,
    MODEL_PARTS,
    ConversionModel,
    EncodedJourneys,
    GPT2Pointer,
    LayoutPolicy,
    Pace,
    PointerConfig,
    PretrainingConfig,
    ReferenceBehaviour,
    ShopperModel,
    TownPolicy,
    TrainingStore,
    VelocityNeeds,
    build_reference_model,
    draw_behaviour,
    draw_town,
    pretrain_policy,
    view_layout,
)
from simulator import Itineraries, Luck, draw_population, plan_itineraries

N_TOWNS = 6  # that walk each store, so that the store does not tell the town
N_JOURNEYS = 64  # of each town
N_VALIDATION_STORES, N_VALIDATION_JOURNEYS = 16, 100
TOWN_SHARE = 0.9  # of the stores are walked by a town's own tastes, the others by the reference shopper
SIZE = {"n_embd": 96, "n_layer": 3, "n_head": 2, "n_relation": 48}

logger = logging.getLogger(__name__)


def build_multistore_model(
    *,
    n_stores: int = 400,
    n_steps: int = 5000,
    seed: int = 1,
    on_look: Callable[[GPT2Pointer, int, float, float], None] | None = None,
) -> ShopperModel:
    """Pre-train a layout policy and put a complete model around it: usable in any store.

    Parameters
    ----------
    n_stores
        Random stores to learn from.
    n_steps
        Of training, a batch of one store each.
    seed
        Of stores, towns, shoppers and training.
    on_look
        Called with the network as it is, the step, and the training and validation loss now and then.
    """
    torch.set_num_threads(1)
    for_stores, for_validation, for_training, for_needs = np.random.SeedSequence(seed).spawn(4)
    stores = [
        walked
        for child in tqdm(for_stores.spawn(n_stores), desc="stores", unit="store", disable=None)
        for walked in draw_walked_store(np.random.default_rng(child), N_TOWNS, N_JOURNEYS)
    ]
    validation = [
        walked
        for child in for_validation.spawn(N_VALIDATION_STORES)
        for walked in draw_walked_store(np.random.default_rng(child), 2, N_VALIDATION_JOURNEYS)
    ]
    rng = np.random.default_rng(for_training)
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**31)))
        network = GPT2Pointer(PointerConfig(n_levels=COMMON_LEVELS.n_levels, **SIZE))

    def tell(step: int, training: float, held: float) -> None:
        logger.info("step %d: training loss %.3f, loss in unseen stores %.3f", step, training, held)
        if on_look is not None:
            on_look(network, step, training, held)

    config = PretrainingConfig(n_steps=n_steps)
    history = pretrain_policy(network, stores, validation, rng=rng, config=config, on_check=tell)
    knowledge = {
        "kind": "multistore",
        "n_stores": n_stores,
        "n_journeys": n_stores * N_TOWNS * N_JOURNEYS,
        "n_steps": n_steps,
        "seed": seed,
        "history": [{k: round(v, 4) for k, v in look.items()} for look in history],
        "zone_types_of_category": {},
    }
    return complete_model(network, np.random.default_rng(for_needs), knowledge)


def complete_model(network: GPT2Pointer, rng: np.random.Generator, knowledge: dict[str, Any]) -> ShopperModel:
    """Put needs by velocity, published priors of unplanned purchases and pace around a network."""
    with torch.random.fork_rng():
        conversion = ConversionModel((), (), COMMON_LEVELS).eval()
    return ShopperModel(
        name="multistore",
        needs=VelocityNeeds.from_priors(rng),
        policy=LayoutPolicy(network, COMMON_LEVELS),
        conversion=conversion,
        pace=Pace(speed_log_mean=float(np.log(0.9))),
        hourly_share=tuple(share / sum(HOURLY_SHARE) for share in HOURLY_SHARE),
        shoppers_per_day=400.0,
        knowledge=knowledge,
    )


def draw_walked_store(rng: np.random.Generator, n_towns: int, n_journeys: int) -> list[TrainingStore]:
    """Draw a store, and several towns whose shoppers walk it."""
    store = build_store(draw_recipe(rng), rng)
    walked = [walk_store(store, rng, n_journeys=n_journeys) for _ in range(n_towns)]
    lean = replace(  # hundreds of stores are kept in memory: without what the policy does not read
        view_layout(store),
        store=replace(store),
        leg_notice=np.zeros((0, 0, 0), dtype=np.float32),
        place_sight=np.zeros((0, 0), dtype=np.float32),
    )
    return [replace(town, view=lean) for town in walked]


def walk_store(store: Store, rng: np.random.Generator, *, n_journeys: int) -> TrainingStore:
    """Let shoppers of a newly drawn town walk `store`; they buy what they came for and nothing else.

    Unplanned purchases are added by exposure when a policy is run, so they have no part in what it learns.
    The journeys are the true ones: no tracks are made of them.
    """
    town = build_reference_model(store, rng, behaviour=_draw_behaviour(rng), n_baskets=n_journeys)
    if rng.random() < TOWN_SHARE:
        town = replace(town, policy=TownPolicy(draw_town(rng)))
    town = replace(town, conversion=_NothingUnplanned())
    luck = Luck(int(rng.integers(2**31)))
    population, baskets = draw_population(town, store, n_journeys, luck)
    itineraries = plan_itineraries(town, store, baskets, n_journeys, luck)
    ages = np.array(COMMON_LEVELS.levels["age_band"][1:], dtype=object)
    attributes = {**population.attributes, "age_band": rng.choice(ages, n_journeys)}
    journeys = encode_itineraries(itineraries, attributes)
    planned = np.ones((journeys.n, len(store.categories)))
    return TrainingStore(view_layout(store), journeys, planned, COMMON_LEVELS.encode(attributes))


def _draw_behaviour(rng: np.random.Generator) -> ReferenceBehaviour:
    """Behaviour of a town, with longer lists and more looks around than the published figures say as well."""
    behaviour, longer = draw_behaviour(rng), rng.uniform(0.9, 1.6)
    quick, fill_in, major = behaviour.list_mean
    return replace(
        behaviour,
        list_mean=(quick * longer, fill_in * longer, major * longer),
        browse_utility=float(rng.uniform(-5.0, -3.0)),
    )


class _NothingUnplanned:
    """A conversion model that sells nothing."""

    habituation = 1.0
    spent = 0.0
    idle_stops_notice = True

    def compute_hazard(self, view: Any) -> NDArray[np.float64]:
        return np.zeros((view.n_zones, len(view.store.categories)))

    def compute_appetite(self, attributes: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
        return np.ones(len(next(iter(attributes.values()))))

    def compute_sku_share(self, view: Any) -> NDArray[np.float64]:
        return np.zeros((view.n_zones, len(view.store.skus)))

    def compute_units(self, view: Any) -> NDArray[np.float64]:
        return np.ones((len(view.store.categories), 1))


def encode_itineraries(itineraries: Itineraries, attributes: dict[str, NDArray[Any]]) -> EncodedJourneys:
    """Turn itineraries into the arrays that policies learn from; when a stop began is not told (0)."""
    nth = np.arange(itineraries.n_stops) - itineraries.stop_offsets[itineraries.stop_shopper]
    width = int(nth.max(initial=0)) + 1
    zone = np.full((itineraries.n_shoppers, width), -1, dtype=np.int64)
    dwell_s, start_s = np.zeros((2, *zone.shape), dtype=np.float32)
    zone[itineraries.stop_shopper, nth] = itineraries.stop_zone
    dwell_s[itineraries.stop_shopper, nth] = itineraries.stop_dwell_s
    return EncodedJourneys(
        attributes=attributes,
        zone=zone,
        dwell_s=dwell_s,
        start_s=start_s,
        pick_row=itineraries.pick_shopper.astype(np.int64),
        pick_stop=nth[itineraries.pick_stop],
        pick_sku=np.asarray(itineraries.pick_sku, dtype=np.int64),
        pick_qty=np.asarray(itineraries.pick_qty, dtype=np.int64),
    )


def write_card(model: ShopperModel, folder: Path) -> None:
    """Write the model card, `README.md`."""
    known = model.knowledge
    best = min(look["validation"] for look in known["history"])
    size = sum(p.numel() for p in model.policy.network.parameters())  # type: ignore[attr-defined]
    folder.joinpath("README.md").write_text(
        f"""# multistore

Shoppers for a store that nobody has observed yet, and the start of `storesim finetune`. Made by
`make multistore-model`; no data of a retailer are in it.

| what | value |
| --- | --- |
| data | {known["n_journeys"]} journeys in {known["n_stores"]} random stores, each walked by {N_TOWNS} towns |
| network | GPT-2 over zones and stops, {size / 1e6:.2f} M weights |
| recipe | {known["n_steps"]} steps, seed {known["seed"]} |
| loss in unseen random stores | {best:.3f} nats a decision (next zone and dwell) |

Parts: `needs` (baskets made from the velocities in the store's catalogue), `conversion` (published priors of
unplanned purchases, the same for every category), `policy`. Missions, basket sizes and effects of displays
are those of docs/model.md; the tastes of the towns are drawn wide and are no claim about people.
""",
        encoding="utf-8",
    )


def main(out: str, n_stores: str = "400", n_steps: str = "5000", seed: str = "1") -> None:
    """Write the model's folder."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with writing_folder(Path(out), parts=MODEL_PARTS) as folder:
        model = build_multistore_model(n_stores=int(n_stores), n_steps=int(n_steps), seed=int(seed))
        model.save_pretrained(folder)
        write_card(model, folder)
    print(f"Model written to {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
