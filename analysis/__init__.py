"""What happened in a store, observed or simulated alike: journeys, KPIs, divergences, figures.

Raw tracks and receipts come in, are cleaned and become journeys: who stopped where, for how long, and took
what. The same functions read a simulated day. Nothing here learns and nothing here simulates.
"""

from analysis.cleaning import CleaningConfig, clean_tracks, compute_session_spans, move_to_walkable
from analysis.dbscan import DbscanConfig, detect_clusters, sweep_clusters
from analysis.divergences import (
    Divergence,
    compute_divergence,
    count_by_category,
    count_by_zone,
    count_cell_visits,
    estimate_divergence_floor,
    jensen_shannon_divergence,
    noise_floor,
)
from analysis.floor_checks import FloorChecks, check_floor, find_crossings, find_off_floor
from analysis.io import Observations, load_observations, save_observations, write_table
from analysis.journeys import JourneyConfig, Journeys, build_journeys
from analysis.kpis import compute_occupancy, compute_zone_entries, compute_zone_kpis, find_zones
from analysis.lift import Lift, compute_lift
from analysis.measurement import MeasurementConfig, observe
from analysis.measurement_fit import estimate_measurement
from analysis.noise_floors import NoiseFloor
from analysis.plots import (
    plot_cluster_sweep,
    plot_floor,
    plot_heatmap,
    plot_heatmap_difference,
    plot_lift,
    plot_zone_kpis,
)
from analysis.session_sample import UNITS, SessionSample, sample_sessions
from analysis.stops import StopConfig, Stops, detect_stops
from analysis.validation import MIN_SESSIONS, Validation, compare_samples, summarise_calibration
from analysis.validation_plots import plot_calibration, plot_distributions, plot_heatmaps

__all__ = [
    "MIN_SESSIONS",
    "UNITS",
    "CleaningConfig",
    "DbscanConfig",
    "Divergence",
    "FloorChecks",
    "JourneyConfig",
    "Journeys",
    "Lift",
    "MeasurementConfig",
    "NoiseFloor",
    "Observations",
    "SessionSample",
    "StopConfig",
    "Stops",
    "Validation",
    "build_journeys",
    "check_floor",
    "clean_tracks",
    "compare_samples",
    "compute_divergence",
    "compute_lift",
    "compute_occupancy",
    "compute_session_spans",
    "compute_zone_entries",
    "compute_zone_kpis",
    "count_by_category",
    "count_by_zone",
    "count_cell_visits",
    "detect_clusters",
    "detect_stops",
    "estimate_divergence_floor",
    "estimate_measurement",
    "find_crossings",
    "find_off_floor",
    "find_zones",
    "jensen_shannon_divergence",
    "load_observations",
    "move_to_walkable",
    "noise_floor",
    "observe",
    "plot_calibration",
    "plot_cluster_sweep",
    "plot_distributions",
    "plot_floor",
    "plot_heatmap",
    "plot_heatmap_difference",
    "plot_heatmaps",
    "plot_lift",
    "plot_zone_kpis",
    "sample_sessions",
    "save_observations",
    "summarise_calibration",
    "sweep_clusters",
    "write_table",
]
