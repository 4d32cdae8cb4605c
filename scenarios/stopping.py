"""When enough replications have been run: looks at what is there, at fixed numbers of replications.

Looks come at numbers that do not depend on workers or interruptions, and each uses all replications below its
number, so the same run always stops at the same place. What is judged is the luck of the replications, not
what the model does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import stats

from layouts import ConfigError

FIRST_LOOK = 10  # replications; with fewer the variance is hardly known

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Verdict:
    """What a look says.

    Attributes
    ----------
    is_enough
        Whether the run may stop.
    reason
        Why, or what is still in question.
    findings
        Further entries for `result.json`, plain values.
    """

    is_enough: bool
    reason: str
    findings: dict[str, Any]


class StoppingRule(Protocol):
    """When to stop; see `UntilNarrow` and `UntilBest`."""

    @property
    def figure(self) -> str:
        """Which profit of a replication it looks at, by its name in `ReplicationTables.totals`."""
        ...

    @property
    def asked(self) -> dict[str, float]:
        """The rule's name and its parameter, for `result.json`."""
        ...

    def list_looks(self, n_most: int) -> list[int]:
        """Numbers of replications at which to look, the last one `n_most`."""
        ...

    def judge(self, profit: FloatArray, names: list[str], n_most: int) -> Verdict:
        """Look at the profit per shopper, shape (n_replications, n_layouts), the control's first."""
        ...


def list_growing_looks(n_most: int, growth: float) -> list[int]:
    """Give numbers from `FIRST_LOOK` on, each `growth` times the one before, and `n_most` at last."""
    looks, n = [], float(FIRST_LOOK)
    while n < n_most:
        looks.append(round(n))
        n = max(n * growth, n + 1)
    return [*looks, n_most]


@dataclass(frozen=True)
class UntilNarrow:
    """Stop when the 95 % interval of every variant's lift in profit is narrow.

    A stopping time that looks at the variance: the intervals' coverage tends to 95 % as they get narrower
    (Chow and Robbins 1965); in 1,500 made-up runs of some 35 replications it was 92.9 %.

    Parameters
    ----------
    width
        Full width of the interval [percent of the control's profit per shopper].

    References
    ----------
    Chow and Robbins (1965), On the asymptotic theory of fixed-width sequential confidence intervals for the
    mean, Annals of Mathematical Statistics 36, pp. 457-462.
    """

    width: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.width) and self.width > 0):
            raise ConfigError(f"--until-width must be above 0 percent, got {self.width:g}")

    @property
    def figure(self) -> str:
        """Profit as it was drawn: it is what the interval that is told is of."""
        return "profit_per_shopper"

    @property
    def asked(self) -> dict[str, float]:
        """The rule's name and its parameter."""
        return {"until_width": self.width}

    def list_looks(self, n_most: int) -> list[int]:
        """Look often: a look costs nothing, a replication does."""
        return list_growing_looks(n_most, 1.2)

    def judge(self, profit: FloatArray, names: list[str], n_most: int) -> Verdict:
        """Compare the widest interval with what was asked for."""
        widths = compute_widths(profit)
        widest = int(widths.argmax())
        is_enough = bool(widths[widest] <= self.width)
        name, span = names[1 + widest], f"{widths[widest]:.3g} %"
        reason = f"the widest interval, that of {name}, spans {span} of the control's profit"
        known = [width if np.isfinite(width) else None for width in widths.tolist()]  # JSON knows no infinity
        return Verdict(is_enough, reason, {"widths": dict(zip(names[1:], known, strict=True))})


def compute_widths(profit: FloatArray) -> FloatArray:
    """Full width of each variant's 95 % interval (paired t) in percent of the control's mean profit.

    Parameters
    ----------
    profit
        Per shopper, shape (n_replications, n_layouts), the control's first; at least two replications.

    Returns
    -------
    widths
        Shape (n_layouts - 1,); 0 where no pair differs, infinite where the control earns nothing.
    """
    n, base = len(profit), abs(profit[:, 0].mean())
    difference = profit[:, 1:] - profit[:, :1]
    width = 2 * stats.t.ppf(0.975, n - 1) * difference.std(axis=0, ddof=1) / np.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        percent = 100 * width / base
    return np.where((difference == 0).all(axis=0), 0.0, np.nan_to_num(percent, nan=np.inf, posinf=np.inf))


@dataclass(frozen=True)
class UntilBest:
    """Stop when one layout is known to earn most, the control included.

    At each look a layout drops out if another one that is still in beats it by a one-sided paired t-test.
    Tests share `alpha` evenly among looks (alpha spending) and rivals (Bonferroni): whichever layout is truly
    best, the chance that it is ever dropped is at most `alpha`, however correlated the layouts are by shared
    luck. Nearly equal layouts are not told apart before the most replications are run. Exact for
    differences of normal distribution; means over many shoppers are close to it.

    Parameters
    ----------
    alpha
        Error: chance of naming a layout that is not the best.

    References
    ----------
    Lan and DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70, pp. 659-663.
    Kim and Nelson (2006), Selecting the best system, Handbooks in Operations Research 13, ch. 17, on
    screening with common random numbers.
    """

    alpha: float

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 0.5:
            raise ConfigError(f"--until-best must be an error above 0 and at most 0.5, got {self.alpha:g}")

    @property
    def figure(self) -> str:
        """Profit with unplanned purchases at their expectation: it earns the same with less luck."""
        return "expected_profit_per_shopper"

    @property
    def asked(self) -> dict[str, float]:
        """The rule's name and its parameter."""
        return {"until_best": self.alpha}

    def list_looks(self, n_most: int) -> list[int]:
        """Look seldom: every look costs some of the error."""
        return list_growing_looks(n_most, 1.5)

    def judge(self, profit: FloatArray, names: list[str], n_most: int) -> Verdict:
        """Drop layouts look by look; enough when one is left, or those left never differed."""
        contends = self.find_contenders(profit, n_most)
        left = [name for name, is_in in zip(names, contends, strict=True) if is_in]
        is_enough = bool((profit[:, contends] == profit[:, contends][:, :1]).all())
        if is_enough:
            verb = "earns" if len(left) == 1 else "earn"
            reason = f"{' and '.join(left)} {verb} most, with an error of at most {self.alpha:g}"
        else:
            reason = f"which earns most is still open between {', '.join(left)}"
        return Verdict(is_enough, reason, {"best": left[0] if is_enough else None, "contenders": left})

    def find_contenders(self, profit: FloatArray, n_most: int) -> BoolArray:
        """Layouts that no look so far has dropped, shape (n_layouts,)."""
        looks, n_layouts = self.list_looks(n_most), profit.shape[1]
        level = self.alpha / (len(looks) * max(n_layouts - 1, 1))
        contends = np.ones(n_layouts, dtype=bool)
        for n in (n for n in looks if 2 <= n <= len(profit)):
            seen = profit[:n]
            ahead = seen[:, None, :] - seen[:, :, None]  # (n, layout, rival): how far the rival is ahead
            mean, error = ahead.mean(axis=0), ahead.std(axis=0, ddof=1) / np.sqrt(n)
            is_beaten = mean > stats.t.ppf(1 - level, n - 1) * error
            contends = contends & ~(is_beaten & contends).any(axis=1)
        return contends


def choose_rule(until_width: float | None, until_best: float | None) -> StoppingRule | None:
    """Rule of these options; None without any.

    Raises
    ------
    ConfigError
        If both are given, or one is out of range.
    """
    if until_width is not None and until_best is not None:
        raise ConfigError("--until-width and --until-best: give one of them")
    if until_width is not None:
        return UntilNarrow(until_width)
    return None if until_best is None else UntilBest(until_best)
