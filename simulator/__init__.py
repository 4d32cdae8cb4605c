"""What happens in a store: agents on the walk graph, in seconds of store time, until everybody has left.

A cohort's decisions come in as :class:`Itineraries` and its people as a :class:`Population`;
:class:`StoreModel` gives them a clock, paths, tills and queues, and :func:`build_tables` turns the finished
run into the same tables that an observed day has. Randomness is :class:`Luck`: it belongs to the shopper,
not to the run, so the same person meets the same luck in every layout.
"""

from simulator.arrivals import ArrivalProfile, draw_arrivals, draw_entrances
from simulator.itinerary import Itineraries, Population, check_itineraries, draw_scripted_itineraries
from simulator.luck import Luck, Purpose, stable_key, stable_keys

__all__ = [
    "ArrivalProfile",
    "Itineraries",
    "Luck",
    "Population",
    "Purpose",
    "check_itineraries",
    "draw_arrivals",
    "draw_entrances",
    "draw_scripted_itineraries",
    "stable_key",
    "stable_keys",
]
