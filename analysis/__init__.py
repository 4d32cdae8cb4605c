"""What happened in a store, observed or simulated alike: journeys, KPIs, divergences, figures.

Raw tracks and receipts come in, are cleaned and become journeys: who stopped where, for how long, and took
what. The same functions read a simulated day. Nothing here learns and nothing here simulates.
"""

from analysis.cleaning import CleaningConfig, clean_tracks, compute_session_spans, move_to_walkable
from analysis.divergences import (
    Divergence,
    compute_divergence,
    count_by_category,
    count_by_zone,
    count_cell_visits,
    estimate_noise_floor,
    jensen_shannon_divergence,
    noise_floor,
)
from analysis.io import Observations, load_observations, save_observations, write_table
from analysis.journeys import JourneyConfig, Journeys, build_journeys
from analysis.kpis import compute_occupancy, compute_zone_entries, compute_zone_kpis, find_zones
from analysis.lift import Lift, compute_lift
from analysis.measurement import MeasurementConfig, observe
from analysis.plots import plot_floor, plot_heatmap, plot_heatmap_difference, plot_lift, plot_zone_kpis
from analysis.stops import StopConfig, Stops, detect_stops

__all__ = [
    "CleaningConfig",
    "Divergence",
    "JourneyConfig",
    "Journeys",
    "Lift",
    "MeasurementConfig",
    "Observations",
    "StopConfig",
    "Stops",
    "build_journeys",
    "clean_tracks",
    "compute_divergence",
    "compute_lift",
    "compute_occupancy",
    "compute_session_spans",
    "compute_zone_entries",
    "compute_zone_kpis",
    "count_by_category",
    "count_by_zone",
    "count_cell_visits",
    "detect_stops",
    "estimate_noise_floor",
    "find_zones",
    "jensen_shannon_divergence",
    "load_observations",
    "move_to_walkable",
    "noise_floor",
    "observe",
    "plot_floor",
    "plot_heatmap",
    "plot_heatmap_difference",
    "plot_lift",
    "plot_zone_kpis",
    "save_observations",
    "write_table",
]
