"""What predictors are judged on: generated worlds, and stores of which it was published what happened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from analysis import Observations, load_observations
from benchmarks.common import find_edits
from benchmarks.fidelity.edits import Edit
from layouts import ConfigError, Store, load_store

PUBLISHED = "published"  # kind of the edits of a market, and its family


class Case(Protocol):
    """A layout with observations, edits, and the truth about them; see `worlds.World`."""

    @property
    def name(self) -> str:
        """Tells cases apart."""
        ...

    @property
    def family(self) -> str:
        """`S`, `X`, or `PUBLISHED`."""
        ...

    @property
    def store(self) -> Store:
        """The layout that is observed."""
        ...

    @property
    def can_be_repeated(self) -> bool:
        """Whether edited layouts can be observed, and the truth be measured again."""
        ...

    @property
    def edits(self) -> Sequence[Edit]:
        """Changes of the layout."""
        ...

    @property
    def observations(self) -> Observations:
        """What was seen of the layout."""
        ...

    def observe_variant(self, edit: Edit, *, same_visitors: bool = True) -> Observations:
        """What would be seen of an edited layout."""
        ...

    def true_lift(self, edit: Edit, *, seed: int = ...) -> tuple[float, float]:
        """Relative change of profit per shopper that an edit causes, and its standard error."""
        ...


@dataclass(frozen=True, eq=False)
class Market:
    """A store of the developers' data with published outcomes.

    Attributes
    ----------
    name, store
        Name of the folder, and its layout A.
    folder
        Holds ``observations`` and ``counterfactuals``.
    """

    name: str
    store: Store
    folder: Path
    family: str = PUBLISHED
    can_be_repeated: bool = False

    @classmethod
    def open(cls, folder: Path) -> Market:
        """Read the store of a market."""
        return cls(folder.name, load_store(folder / "store"), folder)

    @cached_property
    def edits(self) -> tuple[Edit, ...]:
        """The published changes."""
        return tuple(
            Edit(name, PUBLISHED, load_store(path)) for name, path in find_edits(self.folder).items()
        )

    @cached_property
    def observations(self) -> Observations:
        """The days to learn from."""
        return load_observations(self.folder / "observations", self.store)

    def observe_variant(self, edit: Edit, *, same_visitors: bool = True) -> Observations:
        """Refuse: nobody observed it.

        Raises
        ------
        ConfigError
            Always.
        """
        raise ConfigError(f"{self.name}: layout {edit.name!r} was not observed")

    def true_lift(self, edit: Edit, *, seed: int = 0) -> tuple[float, float]:
        """Read what happened; there is one outcome, whatever the seed."""
        path = self.folder / "counterfactuals" / edit.name / "truth.json"
        lift = json.loads(path.read_text(encoding="utf-8"))["lift"]["profit_per_shopper"]
        return float(lift["relative"]), float(lift["relative_se"])
