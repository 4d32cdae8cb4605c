"""Counter-based randomness: luck is a function of who decides what, not of when it is asked for."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]
UIntArray = npt.NDArray[np.uint64]
IntArray = npt.NDArray[np.integer]

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd; Steele, Lea and Flood (2014), section 4


class Purpose(IntEnum):
    """What a draw decides. The numbers are part of every result: add new ones, never renumber."""

    ARRIVAL = 1
    ENTRANCE = 2
    SPEED = 4
    MISSION = 5
    LIST = 6
    NEXT_ZONE = 7
    DWELL = 8
    STANDING_CELL = 9
    FIND = 10
    PURCHASE = 11
    SKU = 12
    QUANTITY = 13
    SERVICE = 14
    SCRIPT = 16
    BOUGHT = 17
    QUEUE_LIMIT = 18
    PATIENCE = 19
    GROUP = 20
    SUBSTITUTE = 21
    DOOR = 22


class _Draws(ABC):
    """Draws that follow from keys, and from whose luck it is."""

    @abstractmethod
    def _start(self) -> UIntArray:
        """Bits into which keys are folded, of a shape that broadcasts with theirs."""

    def bits(self, purpose: Purpose, *keys: npt.ArrayLike) -> UIntArray:
        """Draw 64 random bits per element of the broadcast keys.

        Parameters
        ----------
        purpose
            What the draw decides; different purposes are independent.
        keys
            Integers or integer arrays that broadcast against each other: shopper, decision, candidate, ...
            Negative integers count modulo 2^64. :func:`stable_key` makes a key of a text.

        Returns
        -------
        bits
            uint64, of the broadcast shape of the keys (shape () without array keys).
        """
        return _fold(self._start(), (int(purpose), *keys), first=2)

    def uniform(self, purpose: Purpose, *keys: npt.ArrayLike) -> FloatArray:
        """Draw uniform numbers in the open interval (0, 1); see :meth:`bits` for the keys."""
        # 52 bits and half a step: neither 0 nor 1 can come out, not even by rounding
        return ((self.bits(purpose, *keys) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def exponential(self, purpose: Purpose, *keys: npt.ArrayLike) -> FloatArray:
        """Draw exponential numbers of mean 1, by inversion of :meth:`uniform`."""
        return np.asarray(-np.log(self.uniform(purpose, *keys)))

    def gumbel(self, purpose: Purpose, *keys: npt.ArrayLike) -> FloatArray:
        """Draw standard Gumbel numbers: argmax(log p + gumbel) over candidates draws from p."""
        return np.asarray(-np.log(-np.log(self.uniform(purpose, *keys))))

    def normal(self, purpose: Purpose, *keys: npt.ArrayLike) -> FloatArray:
        """Draw standard normal numbers, by inversion of :meth:`uniform`."""
        return np.asarray(ndtri(self.uniform(purpose, *keys)))


@dataclass(frozen=True)
class Luck(_Draws):
    """The luck of one replication: the same draw for the same keys, in any order, batch or process.

    Parameters
    ----------
    seed
        Seed of the run, any integer (taken modulo 2^64).
    replication
        Index of the replication within the run.

    Notes
    -----
    A draw is keyed by (seed, replication, purpose, keys ...). The keys are folded in one after another with
    the finaliser of splitmix64; a key's position matters, so ``uniform(p, 1, 2)`` and ``uniform(p, 2, 1)``
    are independent. Every element is computed by itself, in integers, hence bit-identical in any batch.

    References
    ----------
    Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, OOPSLA, pp. 453-472.
    """

    seed: int
    replication: int = 0

    def _start(self) -> UIntArray:
        seed = _mix(np.asarray(int(self.seed) & _MASK, dtype=np.uint64))
        return _fold(seed, (self.replication,), first=1)


@dataclass(frozen=True, eq=False)
class LuckByRow(_Draws):
    """The luck of a batch whose rows belong to several replications: each row draws as in its own one.

    Attributes
    ----------
    start
        What each row's luck starts from, of a shape that broadcasts with the keys.
    """

    start: UIntArray

    @classmethod
    def join(cls, lucks: Sequence[Luck], n_rows: Sequence[int]) -> LuckByRow:
        """Give the first rows the first luck, and so on; shape (sum of n_rows,)."""
        return cls(np.repeat(np.array([luck._start() for luck in lucks], dtype=np.uint64), n_rows))

    def __getitem__(self, at: Any) -> LuckByRow:
        """Luck of some of the rows, or of all of them in another shape: `luck[:, None]`."""
        return LuckByRow(self.start[at])

    def _start(self) -> UIntArray:
        return self.start


def to_seed(given: int | str | np.random.Generator | np.random.SeedSequence | None) -> int | None:
    """Turn what Mesa takes as `seed` or `rng` into an integer, the same for the same state; None stays."""
    if given is None or isinstance(given, (int, np.integer)):
        return None if given is None else int(given)
    if isinstance(given, str):
        return int(given)
    return int(np.random.default_rng(given).integers(2**63))


def stable_key(text: str) -> np.uint64:
    """Turn a text, say a SKU or category, into a key that is the same in every process and layout."""
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def stable_keys(texts: tuple[str, ...] | list[str]) -> UIntArray:
    """Turn texts into keys by :func:`stable_key`, shape (n_texts,)."""
    return np.array([stable_key(text) for text in texts], dtype=np.uint64)


def _as_uint64(key: npt.ArrayLike) -> UIntArray:
    """Read a key modulo 2^64; only integers and booleans are keys."""
    if isinstance(key, int):
        return np.asarray(key & _MASK, dtype=np.uint64)
    array = np.asarray(key)
    if array.dtype.kind not in "iub":
        raise TypeError(f"a key of luck must be an integer, got dtype {array.dtype}")
    return array.astype(np.uint64)


def _fold(state: UIntArray, keys: Iterable[npt.ArrayLike], *, first: int) -> UIntArray:
    """Fold keys into bits one after another; the first of them is key number `first`."""
    for position, key in enumerate(keys, start=first):
        offset = np.uint64(_GAMMA * position & _MASK)
        with np.errstate(over="ignore"):
            state = _mix(state ^ _mix(_as_uint64(key) + offset))
    return state


def _mix(bits: UIntArray) -> UIntArray:
    """Finalise 64 bits as splitmix64 does: a bijection in which every bit depends on every bit."""
    with np.errstate(over="ignore"):
        bits = bits ^ (bits >> np.uint64(30))  # an array of our own, changed in place from here on
        bits *= np.uint64(0xBF58476D1CE4E5B9)
        bits ^= bits >> np.uint64(27)
        bits *= np.uint64(0x94D049BB133111EB)
        bits ^= bits >> np.uint64(31)
    return bits
