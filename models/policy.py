"""The seam between shoppers and whatever decides for them.

A policy sees a batch of shoppers at once and answers where each goes next and how long it stays there. It
knows no agent, no clock and no random generator: the uniforms that it turns into choices are handed in, so
the same person meets the same luck in every layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models.layout_view import LayoutView

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]

LEAVE = -1  # in place of a zone: go to the tills and out


@dataclass(frozen=True, kw_only=True)
class ShopperStates:
    """What each shopper of a batch knows when it decides; row i is one shopper.

    Attributes
    ----------
    attributes
        Codes of the customer attributes, shape (n, n_attributes); the order is the policy's own.
    place
        Where it stands: index into the places of the walk graph, shape (n,).
    n_wanted_here
        Items of its list that stand in each zone and are not yet taken, shape (n, n_zones).
    n_wanted
        Items of its list still to be found somewhere in this store, shape (n,).
    n_visits
        Stops made in each zone so far, shape (n, n_zones).
    last_dwell_s
        Length of the stop just made [s], shape (n,); 0 at the door.
    n_stops
        Stops made so far, the same for all of them: a batch decides in step.
    memory
        What the policy returned with its last decisions for these rows; None at the door.
    """

    attributes: IntArray
    place: IntArray
    n_wanted_here: IntArray
    n_wanted: IntArray
    n_visits: IntArray
    last_dwell_s: FloatArray
    n_stops: int
    memory: Any = None


class DrawsByZone(Protocol):
    """Uniforms that are drawn when they are looked up, as most never are."""

    def __getitem__(self, at: tuple[IntArray, IntArray]) -> FloatArray:
        """Uniforms of these rows and zones, two arrays that broadcast."""
        ...


@dataclass(frozen=True, kw_only=True)
class DecisionDraws:
    """The luck of one decision: uniforms in (0, 1).

    `next_zone` has shape (n, n_zones + 1), one per thing that can be chosen, the last being to leave. `dwell`
    has one per row and zone in which the stop may be made, to be looked up as `dwell[rows, zones]`. `lines`,
    shape (n, n_categories), is there for policies that buy.
    """

    next_zone: FloatArray
    dwell: FloatArray | DrawsByZone
    lines: FloatArray | None = None


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """Where each shopper goes next, for how long, and perhaps how and what for.

    Attributes
    ----------
    zone
        Zone index or `LEAVE`, shape (n,).
    dwell_s
        How long it stays there [s], shape (n,).
    lines
        Receipt lines of each category taken there, shape (n, n_categories): from policies that buy alone.
    way
        Cells passed on the way, the last one being where it stands, shape (n, n_way), padded with -1 at the
        end; without them it takes the shortest walk to some cell of the zone.
    memory
        Handed back with the next states of these rows.
    """

    zone: IntArray
    dwell_s: FloatArray
    lines: IntArray | None = None
    way: IntArray | None = None
    memory: Any = None


@runtime_checkable
class Memory(Protocol):
    """What a policy remembers of a batch between two decisions."""

    def take(self, rows: IntArray) -> Memory:
        """Return the memory of these rows alone."""
        ...


@dataclass(frozen=True, kw_only=True)
class Party:
    """Shoppers of one layout who decide in step; see the arguments of `Policy.decide`."""

    states: ShopperStates
    layout: LayoutView
    draws: DecisionDraws


class Policy(Protocol):
    """Anything that can be simulated: GPT-2, a baseline, rules, a script.

    Attributes
    ----------
    buys
        Whether its decisions say what is bought (`Decisions.lines`), as in the paper, where purchases stand
        in the journey; its shoppers then carry no list, and no shelf tempts them. False for policies that
        are given a list, for shoppers who may buy what they notice.
    """

    buys: ClassVar[bool]

    def encode_attributes(self, attributes: dict[str, NDArray[Any]]) -> IntArray:
        """Turn customer attributes (name -> one value per shopper) into codes, shape (n, n_attributes)."""
        ...

    def decide(self, states: ShopperStates, layout: LayoutView, draws: DecisionDraws) -> Decisions:
        """Choose the next zone and the dwell of every shopper in the batch."""
        ...


@runtime_checkable
class SharedPolicy(Protocol):
    """A policy that lets shoppers of several layouts decide in one pass.

    What a shopper decides must not depend, to the last bit, on a party's other rows or on other parties: rows
    of several replications stand in one party. Other policies are asked for each replication by itself.
    """

    def decide_together(self, parties: Sequence[Party]) -> list[Decisions]:
        """Choose as `Policy.decide` does, for every party; all have made as many stops."""
        ...


def choose_by_gumbel(logits: FloatArray, u: FloatArray) -> IntArray:
    """Draw one column per row from softmax(`logits`) with one uniform per entry (Gumbel's trick).

    An option keeps its own luck when others come, go or change, so two layouts that offer the same give the
    same choice. Rows must hold at least one finite logit; shape of both (n, k), result (n,).
    """
    return np.argmax(logits - np.log(-np.log(u)), axis=1)
