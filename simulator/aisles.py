"""Aisles and places before shelves that take so many people and no more."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import shapely

from layouts import Store, ZoneType
from simulator.crowd import AisleConfig, PlaceConfig

if TYPE_CHECKING:
    from simulator.live_shopper import LiveShopper
    from simulator.live_store import LiveStore

OUTSIDE = -1  # of all aisles


class Aisles:
    """Who is in which aisle, and who waits to get into one.

    Parameters
    ----------
    config
        How many an aisle takes.
    store
        Where.
    live
        Where shoppers are woken.

    Attributes
    ----------
    aisle
        Aisle that each cell lies in, by the zone's index, or `OUTSIDE`.
    capacity
        People that each zone takes, if it is an aisle.
    used
        People, with the room of their carts, in each zone that is an aisle.
    """

    def __init__(self, config: AisleConfig, store: Store, live: LiveStore) -> None:
        self._live, zone, grid = live, store.grid.zone, store.grid
        is_aisle = np.array(
            [each.zone_type is ZoneType.AISLE for each in store.zones] + [False]
        )  # -1: no zone
        self.aisle: list[int] = np.where(is_aisle[zone], zone, OUTSIDE).tolist()
        area_m2 = np.bincount(zone[zone >= 0], minlength=store.n_zones) * grid.cell_m**2
        self.capacity: list[int] = np.maximum(np.floor(area_m2 * config.max_density + 1e-9), 1).tolist()
        self.used: list[float] = [0.0] * store.n_zones
        self._inside: list[dict[int, LiveShopper]] = [{} for _ in store.zones]
        self._waiting: list[deque[LiveShopper]] = [deque() for _ in store.zones]

    def enter(self, shopper: LiveShopper, cell: int, t_s: float) -> bool:
        """Let a shopper onto a cell, or have them wait to be woken; return whether they may go."""
        aisle = self.aisle[cell]
        if aisle == shopper.aisle:
            return True
        if aisle == OUTSIDE or (not self._waiting[aisle] and self._has_room(aisle, shopper)):
            self._move(shopper, aisle, t_s)
            return True
        self._waiting[aisle].append(shopper)
        shopper.awaited_aisle = aisle
        self._untie(aisle, t_s, active=shopper)
        return shopper.awaited_aisle is None

    def leave(self, shopper: LiveShopper, t_s: float) -> None:
        """Let a shopper out of their aisle, if they are in one."""
        self._move(shopper, OUTSIDE, t_s)

    def _has_room(self, aisle: int, shopper: LiveShopper) -> bool:
        return not self._inside[aisle] or self.used[aisle] + shopper.room <= self.capacity[aisle] + 1e-9

    def _move(self, shopper: LiveShopper, aisle: int, t_s: float) -> None:
        """Count a shopper in another aisle, and let in those who waited for the room that they leave."""
        old = shopper.aisle
        self._count(shopper, aisle)
        while old != OUTSIDE and self._waiting[old] and self._has_room(old, self._waiting[old][0]):
            following = self._waiting[old].popleft()
            following.awaited_aisle = None
            self._move(following, old, t_s)
            self._live.wake(following.unique_id, t_s)
        if old != OUTSIDE and self._waiting[old]:  # the room that is left is too little for the next in turn
            self._untie(old, t_s, active=shopper)

    def _count(self, shopper: LiveShopper, aisle: int) -> None:
        if shopper.aisle != OUTSIDE:
            del self._inside[shopper.aisle][shopper.unique_id]
            self.used[shopper.aisle] -= shopper.room
        shopper.aisle = aisle
        if aisle != OUTSIDE:
            self._inside[aisle][shopper.unique_id] = shopper
            self.used[aisle] += shopper.room

    def _untie(self, aisle: int, t_s: float, *, active: LiveShopper) -> None:
        """If all in a full aisle wait for others who do, let a circle of them change places.

        That can have come about only when somebody began to wait for the aisle or left it: `active`, who acts
        now and need not be woken.
        """
        pending, seen = [aisle], {aisle}
        while pending:
            for shopper in self._inside[pending.pop()].values():
                if shopper.awaited_aisle is None:
                    return  # they will move some time, and make room
                if shopper.awaited_aisle not in seen:
                    seen.add(shopper.awaited_aisle)
                    pending.append(shopper.awaited_aisle)
        chain: list[LiveShopper] = []
        aisles: list[int] = []
        while aisle not in aisles:
            aisles.append(aisle)
            chain.append(next(iter(self._inside[aisle].values())))
            following = chain[-1].awaited_aisle
            assert following is not None
            aisle = following
        for shopper in chain[aisles.index(aisle) :]:
            target = shopper.awaited_aisle
            assert target is not None
            self._waiting[target].remove(shopper)
            shopper.awaited_aisle = None
            self._count(shopper, target)
            if shopper is not active:
                self._live.wake(shopper.unique_id, t_s)


class Places:
    """The places before the shelves of each zone, and who waits for one.

    Parameters
    ----------
    config
        How much room a shopper takes.
    store
        Where.
    live
        Where shoppers are woken.

    Attributes
    ----------
    n_places
        How many shoppers each zone takes.
    n_free
        How many more it takes now.
    """

    def __init__(self, config: PlaceConfig, store: Store, live: LiveStore) -> None:
        self.config, self._live = config, live
        self.n_places = [
            max(int(compute_front_m(zone.polygon) / config.width_m + 1e-9), 1) for zone in store.zones
        ]
        self.n_free = list(self.n_places)
        self._waiting: list[deque[LiveShopper]] = [deque() for _ in store.zones]

    def take(self, shopper: LiveShopper, zone: int) -> bool:
        """Give a shopper a place, or have them wait to be woken; return whether they have one."""
        if self.n_free[zone] > 0:
            self.n_free[zone] -= 1
            return True
        self._waiting[zone].append(shopper)
        return False

    def is_waiting(self, shopper: LiveShopper, zone: int) -> bool:
        """Whether a shopper still waits for a place."""
        return shopper in self._waiting[zone]

    def give_up(self, shopper: LiveShopper, zone: int) -> None:
        """Let a shopper stop waiting."""
        self._waiting[zone].remove(shopper)

    def leave(self, zone: int, t_s: float) -> None:
        """Take a place back, for who has waited longest."""
        if self._waiting[zone]:
            self._live.wake(self._waiting[zone].popleft().unique_id, t_s)
        else:
            self.n_free[zone] += 1


def compute_front_m(polygon: shapely.Polygon) -> float:
    """Longer side of the rectangle around a zone [m]."""
    ring = np.asarray(polygon.minimum_rotated_rectangle.exterior.coords)
    return float(np.hypot(*np.diff(ring, axis=0).T).max())
