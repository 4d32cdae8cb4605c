"""What happened in a store, observed or simulated alike: journeys, KPIs, divergences, figures.

Raw tracks and receipts come in, are cleaned and become journeys: who stopped where, for how long, and took
what. The same functions read a simulated day. Nothing here learns and nothing here simulates.
"""

from analysis.cleaning import CleaningConfig, clean_tracks, compute_session_spans
from analysis.io import Observations, load_observations, save_observations, write_table
from analysis.journeys import JourneyConfig, Journeys, build_journeys
from analysis.stops import StopConfig

__all__ = [
    "CleaningConfig",
    "JourneyConfig",
    "Journeys",
    "Observations",
    "StopConfig",
    "build_journeys",
    "clean_tracks",
    "compute_session_spans",
    "load_observations",
    "save_observations",
    "write_table",
]
