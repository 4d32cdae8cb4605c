"""What a language model gets wrong over whole journeys, put right by choosing among several of them.

Trained word by word, a model can be right at every word and still drift when it reads its own: a little too
seldom towards the meat, and after a hundred words too few people get there. Here each shopper writes a few
journeys and keeps one, in proportion to the weights of its words. These make places and purchases come out
as often as in the training journeys: the least change of the model that does so (a maximum entropy tilt, the
simplest of the residual energy models of Deng et al., ICLR 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array

BLOCK_LEVELS = 4  # places are blocks of cells that share so many characters: 2 m of a 64 x 64 frame
RIDGE = 1e-3  # on weights of standardised counts
RARE = 0.05  # words whose counts vary less than this between journeys are held back more
N_CANDIDATES = 8
Tokens = NDArray[np.int64]


def group_words(words: Sequence[str]) -> NDArray[np.int64]:
    """Group of each word of a vocabulary: its block, its purchase; -1 for words that count for nothing."""
    groups: dict[str, int] = {}
    of_word = np.full(len(words), -1, dtype=np.int64)
    for index, word in enumerate(words):
        is_code = bool(word) and not word.startswith("<")
        name = word[:BLOCK_LEVELS] if is_code else word if _is_purchase(word) else ""
        if name:
            of_word[index] = groups.setdefault(name, len(groups))
    return of_word


def _is_purchase(word: str) -> bool:
    return word.startswith("<buy:")


def find_places(sequences: Sequence[NDArray[np.integer[Any]]], words: Sequence[str]) -> list[Tokens]:
    """Journey, token, and for purchases the place (the code before it; else -1), of every token.

    Three arrays of the length of all journeys together.
    """
    row = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences])
    token = np.concatenate([*sequences, np.zeros(0, dtype=np.int64)]).astype(np.int64)
    is_code = np.array([bool(word) and not word.startswith("<") for word in words])
    is_purchase = np.array([_is_purchase(word) for word in words])
    last = np.maximum.accumulate(np.where(is_code[token], np.arange(len(token)), -1))
    has_place = is_purchase[token] & (last >= 0) & (row[last] == row)
    return [row, token, np.where(has_place, token[last], -1)]


def count_groups(
    sequences: Sequence[NDArray[np.integer[Any]]], words: Sequence[str], group: NDArray[np.int64]
) -> csr_array:
    """How often each journey has words of each group, then how often it buys in each; (n, 2 n_groups)."""
    row, token, place = find_places(sequences, words)
    n_groups = int(group.max(initial=-1)) + 1
    bought_in = np.where(place >= 0, group[place] + n_groups, -1)
    rows, columns = np.concatenate([row, row]), np.concatenate([group[token], bought_in])
    kept = columns >= 0
    shape = len(sequences), 2 * n_groups
    return csr_array((np.ones(int(kept.sum())), (rows[kept], columns[kept])), shape=shape)


def fit_tilt(
    observed: Sequence[NDArray[np.integer[Any]]],
    written: Sequence[Sequence[NDArray[np.integer[Any]]]],
    words: Sequence[str],
) -> NDArray[np.float64]:
    """Find the weight of each word by which chosen journeys match observed ones on average.

    Parameters
    ----------
    observed
        Journeys of token ids.
    written
        Of each of many shoppers the candidates among which it chooses, all of the same number.
    words
        Of each token id.

    Returns
    -------
    weights
        Log weight of each token, and of each place for a purchase there, shape (2, n_words): a journey is
        chosen in proportion to the exponential of their sum.
    """
    group = group_words(words)
    n, n_each = len(written), len(written[0])
    told = count_groups([sequence for of_one in written for sequence in of_one], words, group)
    seen = np.asarray(count_groups(observed, words, group).mean(axis=0)).ravel()
    mean = np.asarray(told.mean(axis=0)).ravel()
    spread = np.sqrt(np.maximum(np.asarray(told.power(2).mean(axis=0)).ravel() - mean**2, 0.0))
    scale = 1.0 / np.maximum(spread, RARE)
    told, seen = csr_array(told * scale), seen * scale

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        score = (told @ weights).reshape(n, n_each)
        top = score.max(axis=1, keepdims=True)
        chance = np.exp(score - top)
        total = chance.sum(axis=1, keepdims=True)
        value = float((top + np.log(total)).mean() - seen @ weights + RIDGE * weights @ weights)
        slope = told.T @ (chance / total).ravel() / n - seen + 2.0 * RIDGE * weights
        return value, slope

    found = minimize(loss, np.zeros(len(seen)), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    by_group = (found.x * scale).reshape(2, -1)
    return np.where(group >= 0, by_group[:, group], 0.0)


def choose_candidates(
    sequences: Sequence[NDArray[np.int64]],
    words: Sequence[str],
    weights: NDArray[np.float64],
    uniforms: NDArray[np.float64],
) -> list[NDArray[np.int64]]:
    """Choose one of every shopper's candidates by the weights of their words.

    Parameters
    ----------
    sequences
        Candidates of the first shopper, then of the second, and so on.
    words
        Of each token id.
    weights
        See `fit_tilt`.
    uniforms
        Luck of each candidate, shape (n, n_candidates).
    """
    n, n_each = uniforms.shape
    row, token, place = find_places(sequences, words)
    of_token = weights[0, token] + np.where(place >= 0, weights[1, place], 0.0)
    score = np.bincount(row, of_token, minlength=n * n_each).reshape(n, n_each)
    chosen = np.argmax(score - np.log(-np.log(uniforms)), axis=1)
    return [sequences[row * n_each + at] for row, at in enumerate(chosen)]
