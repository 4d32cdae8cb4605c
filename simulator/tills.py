"""Rules of the tills that react to the day: opening by queue length, self-checkouts, patience."""

from __future__ import annotations

from dataclasses import dataclass

from layouts import ConfigError
from simulator.checkout import ServiceNoise
from simulator.settings import check_count, check_number, to_enum


@dataclass(frozen=True, kw_only=True)
class TillOpeningConfig:
    """When staffed tills open and close. Self-checkouts are always open.

    The first `min_open` staffed tills, in the store's order, are open from the beginning. A till that closes
    serves those who queue at it; nobody in a queue moves over to one that opens. The defaults are
    assumptions.

    Parameters
    ----------
    min_open
        Staffed tills that never close (all, if there are fewer).
    open_above
        Another till is called for when there are more people than this at each open or called one on
        average, those being served included.
    close_below
        A till closes when there are fewer than this at each open one on average; below `open_above`.
    delay_s
        From the call to the opening [s].
    """

    min_open: int = 1
    open_above: float = 3.0
    close_below: float = 1.0
    delay_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_count(self, "min_open", low=1)
        for name in ("open_above", "close_below", "delay_s"):
            check_number(self, name)
        if self.close_below >= self.open_above:
            raise ConfigError(
                f"close_below: must be below open_above ({self.open_above:g}), got {self.close_below:g}"
            )


@dataclass(frozen=True, kw_only=True)
class SelfServiceConfig:
    """How self-checkouts differ from staffed tills; the defaults are assumptions.

    Parameters
    ----------
    base_service_s, item_service_s
        Expected service at a self-checkout [s], as in :class:`CheckoutConfig`.
    max_items
        Larger baskets go to staffed tills, if there are any; None: any basket.
    """

    base_service_s: float = 35.0
    item_service_s: float = 5.0
    max_items: int | None = 15

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_number(self, "base_service_s")
        check_number(self, "item_service_s")
        check_count(self, "max_items", is_optional=True)


@dataclass(frozen=True, kw_only=True)
class PatienceConfig:
    """Who does not join a queue (balks), and who leaves it (reneges): without buying anything.

    Each shopper's limits are their own: the mean times a factor of mean 1 that is drawn for them. The
    defaults are assumptions.

    Parameters
    ----------
    queue_limit, queue_limit_cv
        Mean of the number of people at the chosen till, the one being served included, from which on a
        shopper does not join, and its coefficient of variation (lognormal); None: everybody joins. With a
        spread of 0 there are never more than this in a queue.
    wait_s, wait_noise, wait_cv
        Mean time that a shopper waits before they give up [s], from joining the queue, the law of its factor
        and its coefficient of variation (lognormal only); None: nobody gives up. Nobody leaves while being
        served.
    """

    queue_limit: float | None = 8.0
    queue_limit_cv: float = 0.5
    wait_s: float | None = 900.0
    wait_noise: ServiceNoise = ServiceNoise.LOGNORMAL
    wait_cv: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        to_enum(self, "wait_noise", ServiceNoise)
        check_number(self, "queue_limit", is_optional=True)
        check_number(self, "wait_s", is_optional=True)
        check_number(self, "queue_limit_cv")
        check_number(self, "wait_cv")
