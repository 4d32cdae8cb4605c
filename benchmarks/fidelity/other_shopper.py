"""The shopper of family X: decides on the way, zone by zone, and is of another structure than the product.

No list of stops is planned and no hazard is added up. A shopper heads for the nearest thing wanted among
those whose place is known, drifts along the perimeter, turns into aisles and out again, and at every step
some goods catch the eye. What catches it may stop the shopper (by how prone they are, by display, neighbours,
mood and what is left of time and appetite), and what is held in the hand is bought if the best SKU there
beats what the shopper thinks it is worth. Needs can be forgotten until the goods remind of them, be missed
when time runs out, or be served by another SKU of the category.

Luck is keyed by shopper and thing decided about: the goods of an offer, the place of a zone, a category. The
same shopper in two layouts meets the same luck.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analysis import Observations, observe
from benchmarks.fidelity.other_diary import Diary
from benchmarks.fidelity.other_floor import Floor, view_floor
from benchmarks.fidelity.other_people import TownLuck
from benchmarks.fidelity.other_town import Town, draw_parameters
from benchmarks.fidelity.other_walk import Cohort
from layouts import ConfigError, Store
from simulator import (
    ArrivalProfile,
    Itineraries,
    Luck,
    Population,
    StoreModel,
    build_tables,
    draw_arrivals,
    draw_entrances,
)

FloatArray = npt.NDArray[np.floating]

LOT = 4000  # shoppers who walk together; results do not depend on it
PILOT_SHOPPERS, PILOT_ROUNDS = 700, 7
LEAST_STOP_ODDS, MOST_STOP_ODDS = -8.0, 3.0
ATTRIBUTES = ("session_id", "mission", "age_band", "gender", "carrier")


@dataclass(frozen=True, eq=False)
class Trips:
    """What a cohort did in one layout.

    Attributes
    ----------
    population, itineraries
        In the form of the simulator, so that a `StoreModel` can live the day.
    profit, minutes
        Per shopper [currency, min], shape (n,); minutes without waiting and paying.
    """

    population: Population
    itineraries: Itineraries
    profit: FloatArray
    minutes: FloatArray


def draw_town(store: Store, rng: np.random.Generator) -> Town:
    """Draw the people of a store, and let a few of them try it until the unplanned share is as drawn.

    Parameters
    ----------
    store
        Today's store.
    rng
        Decides everything.

    Returns
    -------
    town
        Its unplanned share is missed where even the highest odds to stop give less.
    """
    town = draw_parameters(store, rng)
    seed, low, high = int(rng.integers(2**62)), LEAST_STOP_ODDS, MOST_STOP_ODDS
    floor = view_floor(store, town)
    for _ in range(PILOT_ROUNDS):
        town = replace(town, stop_odds=(low + high) / 2)
        planned = _shop(town, floor, PILOT_SHOPPERS, seed).itineraries.pick_planned
        is_more = 1 - planned.mean() > town.unplanned_share
        low, high = (low, town.stop_odds) if is_more else (town.stop_odds, high)
    return town


def shop(town: Town, store: Store, n_shoppers: int, seed: int) -> Trips:
    """Let the first `n_shoppers` of a town visit a store; the same seed is the same people on the same days.

    Raises
    ------
    ConfigError
        If the store carries other goods than the town knows.
    """
    if (store.categories, tuple(sku.sku_id for sku in store.skus)) != (town.categories, town.skus):
        raise ConfigError(f"store {store.name!r}: carries other SKUs than the town knows; keep its catalogue")
    return _shop(town, view_floor(store, town), n_shoppers, seed)


def observe_town(town: Town, store: Store, n_shoppers: int, seed: int) -> Observations:
    """Let a town live its days in a store, and measure them as a tracking system and tills would."""
    trips = shop(town, store, n_shoppers, seed)
    living = StoreModel(store, trips.population, trips.itineraries, luck=Luck(seed))
    living.run()
    tables = build_tables(living)
    measurement = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
    return observe(tables.tracks, tables.receipts, tables.sessions[list(ATTRIBUTES)], store, measurement)


def true_lift(town: Town, control: Store, variant: Store, n_shoppers: int, seed: int) -> tuple[float, float]:
    """Relative change of profit per shopper and its standard error, from differences of the same people."""
    profit = shop(town, control, n_shoppers, seed).profit
    return compare_profit(profit, shop(town, variant, n_shoppers, seed).profit)


def compare_profit(control: FloatArray, variant: FloatArray) -> tuple[float, float]:
    """Mean difference of paired profits, relative to the control's mean, and its standard error."""
    difference = (variant - control) / control.mean()
    return float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))


def _shop(town: Town, floor: Floor, n_shoppers: int, seed: int) -> Trips:
    luck, diary, store = Luck(seed), Diary(), floor.store
    entrance = draw_entrances(store, n_shoppers, luck)
    lots = []
    for start in range(0, n_shoppers, LOT):
        shoppers = np.arange(start, min(start + LOT, n_shoppers))
        lot = Cohort(town, floor, TownLuck(luck, town.key), shoppers, entrance[shoppers], diary)
        lot.walk()
        lots.append(lot)
    itineraries = diary.to_itineraries(store, np.concatenate([lot.n_missed for lot in lots]))
    margin = np.array([sku.margin for sku in store.skus])
    earned = margin[itineraries.pick_sku] * itineraries.pick_qty
    names = lots[0].people.attributes
    return Trips(
        population=Population(
            n_shoppers,
            draw_arrivals(ArrivalProfile(shoppers_per_day=town.shoppers_per_day), n_shoppers, store, luck),
            np.concatenate([lot.people.speed_mps for lot in lots]),
            {name: np.concatenate([lot.people.attributes[name] for lot in lots]) for name in names},
        ),
        itineraries=itineraries,
        profit=np.bincount(itineraries.pick_shopper, earned, n_shoppers).astype(float),
        minutes=np.concatenate([lot.elapsed_s for lot in lots]) / 60,
    )
