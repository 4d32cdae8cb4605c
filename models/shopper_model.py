"""Everything learned about a store's shoppers, as one thing to save, load and simulate."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from layouts import ModelError
from models.conversion import ConversionModel
from models.hypotheses import Hypothesis, load_hypotheses, save_hypotheses
from models.layout_view import LayoutView
from models.needs import Needs
from models.policies import load_policy
from models.policy import Policy
from models.standing import StandingPlaces
from models.storage import CONFIG_FILE, read_config, reading_part, write_config
from models.velocity_needs import load_needs

FORMAT = 7  # of the model folder


class Conversion(Protocol):
    """How noticed shelves become unplanned purchases.

    What was noticed of a category, times `compute_hazard` and summed, raised to the power `habituation` and
    times the appetite, is the hazard of having bought of it. A notice after n unplanned purchases counts
    exp(-`spent` n).
    """

    @property
    def habituation(self) -> float:
        """1 if every look counts alike; below 1 the first ones count most."""
        ...

    @property
    def spent(self) -> float:
        """Appetite that an unplanned purchase uses up; 0 if there is no end to it."""
        ...

    @property
    def idle_stops_notice(self) -> bool:
        """Whether who stops for nothing notices what stands there; if not, a look made them stop."""
        ...

    def compute_hazard(self, view: LayoutView) -> NDArray[np.float64]:
        """Per notice, shape (n_zones, n_categories)."""
        ...

    def compute_appetite(self, attributes: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Factor of each shopper on the hazard, shape (n,)."""
        ...

    def compute_sku_share(self, view: LayoutView) -> NDArray[np.float64]:
        """P(SKU | category bought unplanned in this zone), shape (n_zones, n_skus)."""
        ...

    def compute_units(self, view: LayoutView) -> NDArray[np.float64]:
        """P(units | category bought unplanned), shape (n_categories, max units)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast shoppers are: speed on the shortest walk [m/s], stops for unplanned purchases [s]; log-normal.

    The speed is that of the walk between stops as the crow walks, so it holds the detours of real people as
    well. Before they walk they stand at the door for a while: its median [s], 0 if nobody does.
    """

    speed_log_mean: float = 0.0
    speed_log_sd: float = 0.2
    impulse_dwell_log_mean: float = 2.3
    impulse_dwell_log_sd: float = 0.6
    door_median_s: float = 0.0
    door_log_sd: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ShopperModel:
    """Who comes, when, for what; how they walk; what else they buy.

    Attributes
    ----------
    name
        For results and reports.
    needs, policy, conversion, pace
        The parts; needs and conversion are the best reading of the data.
    hourly_share
        Share of the shoppers who enter in each hour of the clock, 24 values.
    shoppers_per_day
        As observed.
    knowledge
        What it was trained on, for the card and for judging whether an edit is within what it can speak for.
    hypotheses
        Other readings of needs and conversion; none if nothing was left open.
    standing
        Where they stand at the zones of a store; anywhere in the zone if left out.
    """

    name: str
    needs: Needs
    policy: Policy
    conversion: Conversion
    pace: Pace
    hourly_share: tuple[float, ...]
    shoppers_per_day: float
    knowledge: dict[str, Any]
    hypotheses: tuple[Hypothesis, ...] = ()
    standing: StandingPlaces | None = None

    def for_replication(self, replication: int) -> ShopperModel:
        """The model under one of its hypotheses, taken in turn; itself if it has none."""
        if not self.hypotheses:
            return self
        chosen = self.hypotheses[replication % len(self.hypotheses)]
        return replace(self, needs=chosen.needs, conversion=chosen.conversion, hypotheses=())

    def save_pretrained(self, folder: Path) -> None:
        """Write the model: one folder for each part, and `config.json`.

        Raises
        ------
        ModelError
            If a part is not of a kind that was learned (the reference shopper is a program, not a file).
        """
        parts = {"needs": self.needs, "policy": self.policy, "conversion": self.conversion}
        for name, part in parts.items():
            if not hasattr(part, "save_pretrained"):
                raise ModelError(
                    f"model {self.name!r}, {name}: a {type(part).__name__} cannot be saved; train one"
                )
            part.save_pretrained(folder / name)
        if self.hypotheses:
            save_hypotheses(self.hypotheses, folder / "hypotheses")
        if self.standing is not None:
            self.standing.save_pretrained(folder / "standing")
        write_config(
            folder,
            {
                "format": FORMAT,
                "name": self.name,
                "pace": asdict(self.pace),
                "hourly_share": list(self.hourly_share),
                "shoppers_per_day": self.shoppers_per_day,
                "knowledge": self.knowledge,
                "n_hypotheses": len(self.hypotheses),
                "has_standing": self.standing is not None,
            },
        )

    @classmethod
    def from_pretrained(cls, folder: Path) -> ShopperModel:
        """Read what `save_pretrained` wrote; the same answers.

        Raises
        ------
        ModelError
            If a file is absent, damaged or of another format.
        """
        config = read_config(folder)
        _check_config(config, folder)
        with reading_part(folder / "needs"):
            needs = load_needs(folder / "needs")
        with reading_part(folder / "policy"):
            policy = load_policy(folder / "policy")
        with reading_part(folder / "conversion"):
            conversion = ConversionModel.from_pretrained(folder / "conversion")
        hypotheses: tuple[Hypothesis, ...] = ()
        if config["n_hypotheses"]:
            with reading_part(folder / "hypotheses"):
                hypotheses = load_hypotheses(folder / "hypotheses", needs)
        standing = None
        if config["has_standing"]:
            with reading_part(folder / "standing"):
                standing = StandingPlaces.from_pretrained(folder / "standing")
        return cls(
            name=config["name"],
            needs=needs,
            policy=policy,
            conversion=conversion,
            pace=Pace(**config["pace"]),
            hourly_share=tuple(config["hourly_share"]),
            shoppers_per_day=float(config["shoppers_per_day"]),
            knowledge=config["knowledge"],
            hypotheses=hypotheses,
            standing=standing,
        )


def _check_config(config: dict[str, Any], folder: Path) -> None:
    """Refuse a `config.json` of another program, of another format, or with impossible values."""
    if config.get("format") != FORMAT:
        found = f"model format {config['format']}" if "format" in config else "no model of ours"
        raise ModelError(
            f"{folder / CONFIG_FILE}: {found}; this version reads format {FORMAT}; train the model again"
        )
    pace, share, knowledge = config.get("pace"), config.get("hourly_share"), config.get("knowledge")
    places = knowledge.get("zone_types_of_category", {}) if isinstance(knowledge, dict) else None
    is_right = {
        "name": isinstance(config.get("name"), str),
        "pace": isinstance(pace, dict)
        and pace.keys() == vars(Pace()).keys()
        and all(map(_is_number, pace.values())),
        "hourly_share": isinstance(share, list)
        and len(share) == 24
        and all(_is_number(v) and v >= 0 for v in share),
        "shoppers_per_day": _is_number(config.get("shoppers_per_day")) and config["shoppers_per_day"] > 0,
        "n_hypotheses": isinstance(config.get("n_hypotheses"), int),
        "has_standing": isinstance(config.get("has_standing"), bool),
        "knowledge": isinstance(places, dict) and all(isinstance(v, list) for v in places.values()),
    }
    wrong = [name for name, right in is_right.items() if not right]
    if wrong:
        raise ModelError(
            f"{folder / CONFIG_FILE}: lacks or holds a wrong {', '.join(wrong)}; train the model again"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def load_model(folder: Path) -> ShopperModel:
    """Load a model folder; see `ShopperModel.from_pretrained`."""
    return ShopperModel.from_pretrained(Path(folder))
