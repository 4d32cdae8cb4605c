"""Baselines as policies: what the GPT-2 policies have to beat, through the same pipeline.

Those that remember places (Markov chains, gravity model, support vector machine, LSTM) reproduce a store as
it stood and say themselves what is bought. The walkers (shortest tour, nearest need) know no place: they are
given a list, like the layout policy, and walk it by distance alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from models.baselines.gravity import GravityPolicy
from models.baselines.lstm import LSTMPolicy
from models.baselines.markov import MarkovPolicy
from models.baselines.svm import SVMPolicy
from models.baselines.walkers import NearestPolicy, TourPolicy

BASELINES: dict[str, Callable[[], Any]] = {  # name -> an unfitted policy of that kind
    "markov-1": partial(MarkovPolicy, order=1),
    "markov-2": partial(MarkovPolicy, order=2),
    "svm": SVMPolicy,
    "lstm": LSTMPolicy,
    "gravity": GravityPolicy,
    "shortest-tour": TourPolicy,
    "nearest": NearestPolicy,
}

__all__ = [
    "BASELINES",
    "GravityPolicy",
    "LSTMPolicy",
    "MarkovPolicy",
    "NearestPolicy",
    "SVMPolicy",
    "TourPolicy",
]
