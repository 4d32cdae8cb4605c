"""Who comes together, and what they carry their goods in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from layouts import ConfigError
from simulator.itinerary import Population
from simulator.luck import FloatArray, IntArray, Luck, Purpose
from simulator.settings import check_count, check_number, to_enum

if TYPE_CHECKING:
    from simulator.live_shopper import LiveShopper
    from simulator.live_store import LiveStore


@dataclass(frozen=True, kw_only=True)
class GroupConfig:
    """How many people come together: they walk together, fill one basket, are one shopper with a size.

    Parameters
    ----------
    size_share
        Weight of groups of 1, 2, 3, ... people; need not sum to 1. The default is an assumption.
    speed_loss
        Share of the walking speed that each further person costs; the default is 0.04 of 1.22 m/s, as in a
        street of low density: Moussaid et al. (2010), PLoS ONE 5(4), e10047, figure 2.
    """

    size_share: tuple[float, ...] = (0.65, 0.25, 0.07, 0.03)
    speed_loss: float = 0.033

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        try:
            shares = tuple(float(share) for share in self.size_share)
        except (TypeError, ValueError):
            shares = ()
        if not shares or not np.all(np.isfinite(shares)) or min(shares) < 0 or sum(shares) <= 0:
            raise ConfigError(
                "size_share: must be weights of at least 0, of 1, 2, 3, ... people, one of them above 0; got "
                f"{self.size_share!r}"
            )
        object.__setattr__(self, "size_share", shares)
        check_number(self, "speed_loss", high=1.0)
        if self.speed_loss * (len(shares) - 1) >= 1:
            raise ConfigError(
                f"speed_loss: leaves groups of {len(shares)} no speed; must be below "
                f"{1 / (len(shares) - 1):g}, got {self.speed_loss:g}"
            )


def draw_group_sizes(config: GroupConfig, n: int, luck: Luck) -> IntArray:
    """Draw how many people each of n shoppers is, keyed by the shopper's index; shape (n,)."""
    cdf = np.cumsum(config.size_share)
    u = luck.uniform(Purpose.GROUP, np.arange(n)) * cdf[-1]
    return 1 + np.searchsorted(cdf, u, side="right")


def compute_group_speeds(config: GroupConfig, speed_mps: FloatArray, size: IntArray) -> FloatArray:
    """Slow walking speeds [m/s] down by the size of the groups, shapes (n,)."""
    return np.asarray(speed_mps * (1.0 - config.speed_loss * (size - 1)))


class Carrier(StrEnum):
    """What goods are carried in."""

    NONE = "none"
    BASKET = "basket"
    CART = "cart"


class NoCart(StrEnum):
    """What a shopper does who wants a cart and finds none."""

    WAIT = "wait"  # at the entrance, first come, first served
    GO_WITHOUT = "go_without"  # with a basket


@dataclass(frozen=True, kw_only=True)
class CarrierConfig:
    """Baskets and carts. The defaults are assumptions.

    Parameters
    ----------
    basket_from, cart_from
        Units that a shopper is going to take, from which on they want a basket, and a cart. Shoppers with an
        attribute ``carrier`` of none, basket or cart want that.
    n_carts
        How many carts there are; None: enough.
    without
        What a shopper does who wants a cart when all are in use.
    cart_speed
        Walking speed with a cart as a share of that without.
    cart_room
        Room that a cart takes where it is crowded, in people.
    """

    basket_from: int = 3
    cart_from: int = 12
    n_carts: int | None = None
    without: NoCart = NoCart.GO_WITHOUT
    cart_speed: float = 0.9
    cart_room: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        to_enum(self, "without", NoCart)
        for name in ("basket_from", "cart_from"):
            check_count(self, name)
        check_count(self, "n_carts", is_optional=True)
        check_number(self, "cart_speed", low=0.01, high=1.0)
        check_number(self, "cart_room")
        if self.n_carts == 0 and self.without is NoCart.WAIT:
            raise ConfigError("n_carts: must be at least 1 where shoppers wait for a cart, got 0")


def choose_carriers(config: CarrierConfig, population: Population, n_items: IntArray) -> list[Carrier]:
    """Which carrier each shopper wants: by their attribute, else by the units that they are going to take."""
    kinds = tuple(Carrier)
    by_units = (n_items >= config.basket_from).astype(np.int64)
    wanted = [kinds[kind] for kind in np.where(n_items >= config.cart_from, 2, by_units)]
    told = population.attributes.get("carrier")
    if told is None:
        return wanted
    return [Carrier(name) if name in kinds else kind for name, kind in zip(told, wanted, strict=True)]


class Carts:
    """The carts of a store while a simulation runs.

    Parameters
    ----------
    config
        How many, and who wants one.
    live
        Where shoppers are woken.

    Attributes
    ----------
    n_free
        Carts at the entrance; infinite if there are always enough.
    """

    def __init__(self, config: CarrierConfig, live: LiveStore) -> None:
        self.config, self._live = config, live
        self.n_free = np.inf if config.n_carts is None else config.n_carts
        self._waiting: deque[LiveShopper] = deque()

    def take(self, shopper: LiveShopper, wanted: Carrier) -> bool:
        """Let a shopper take the carrier that they want, if it is there; return whether they wait for it."""
        shopper.carrier = wanted
        if wanted is not Carrier.CART:
            return False
        if self.n_free > 0:
            self.n_free -= 1
        elif self.config.without is NoCart.WAIT:
            self._waiting.append(shopper)
            return True
        else:
            shopper.carrier = Carrier.BASKET
        return False

    def give_back(self, shopper: LiveShopper, t_s: float) -> None:
        """Take back the cart of a shopper who leaves, and hand it to who has waited longest."""
        if shopper.carrier is not Carrier.CART:
            return
        if self._waiting:
            following = self._waiting.popleft()
            following.carrier = Carrier.CART
            self._live.wake(following.unique_id, t_s)
        else:
            self.n_free += 1
