"""What happens in a store: agents on the walk graph, in seconds of store time, until everybody has left.

A cohort's decisions come in as `Itineraries` and its people as a `Population`; `StoreModel` gives them a
clock, paths, tills and queues, and `build_tables` turns the finished run into the same tables that an
observed day has. Randomness is `Luck`: it belongs to the shopper, not to the run, so the same person meets
the same luck in every layout.
"""

from simulator.arrivals import (
    ArrivalProfile,
    draw_arrivals,
    draw_entrances,
    draw_speeds_mps,
    opening_hours_s,
)
from simulator.checkout import CheckoutConfig, ServiceNoise, TillChoice
from simulator.company import Carrier, CarrierConfig, GroupConfig, NoCart
from simulator.config import Engine, SimulationConfig
from simulator.crowd import AisleConfig, CrowdingConfig, PlaceConfig
from simulator.inference import Cohort, draw_population, plan_cohorts, plan_itineraries
from simulator.itinerary import Itineraries, Population, check_itineraries, draw_scripted_itineraries
from simulator.luck import Luck, Purpose, stable_key, stable_keys
from simulator.outcome import Loss, Outcome
from simulator.shopper import Activity, Shopper
from simulator.stock import Refill, StockConfig
from simulator.store_model import StoreModel
from simulator.tables import ReplicationTables, build_tables, compute_positions
from simulator.tills import PatienceConfig, SelfServiceConfig, TillOpeningConfig

__all__ = [
    "Activity",
    "AisleConfig",
    "ArrivalProfile",
    "Carrier",
    "CarrierConfig",
    "CheckoutConfig",
    "Cohort",
    "CrowdingConfig",
    "Engine",
    "GroupConfig",
    "Itineraries",
    "Loss",
    "Luck",
    "NoCart",
    "Outcome",
    "PatienceConfig",
    "PlaceConfig",
    "Population",
    "Purpose",
    "Refill",
    "ReplicationTables",
    "SelfServiceConfig",
    "ServiceNoise",
    "Shopper",
    "SimulationConfig",
    "StockConfig",
    "StoreModel",
    "TillChoice",
    "TillOpeningConfig",
    "build_tables",
    "check_itineraries",
    "compute_positions",
    "draw_arrivals",
    "draw_entrances",
    "draw_population",
    "draw_scripted_itineraries",
    "draw_speeds_mps",
    "opening_hours_s",
    "plan_cohorts",
    "plan_itineraries",
    "stable_key",
    "stable_keys",
]
