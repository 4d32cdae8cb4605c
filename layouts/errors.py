"""The errors that storesim raises on purpose; all are `StoresimError`, and each is also a `ValueError`."""

from collections.abc import Sequence

MAX_FAULTS_SHOWN = 20


class StoresimError(Exception):
    """Root of every error that bad input causes; its text says what, where and what would be right."""

    @classmethod
    def from_faults(cls, faults: Sequence[str]) -> "StoresimError":
        """Make one error of many faults, one line each; past the first 20 they are only counted."""
        shown = list(faults[:MAX_FAULTS_SHOWN])
        if len(faults) > MAX_FAULTS_SHOWN:
            shown.append(f"... and {len(faults) - MAX_FAULTS_SHOWN} more faults")
        return cls("\n".join(shown))


class LayoutError(StoresimError, ValueError):
    """The geometry of a store is wrong: floor, fixtures, zones, doors or checkouts."""


class CatalogueError(StoresimError, ValueError):
    """A row of the catalogue is wrong."""


class PlanogramError(StoresimError, ValueError):
    """What stands where is impossible: unknown names, over capacity, warm shelf for cold goods."""


class ObservationError(StoresimError, ValueError):
    """Tracks, receipts or sessions cannot be read or do not belong to the store."""


class ConfigError(StoresimError, ValueError):
    """A setting is unknown or out of range."""


class ModelError(StoresimError, ValueError):
    """A saved model is incomplete or does not fit what it is asked to do."""
