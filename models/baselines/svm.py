"""A support vector machine that tells the next stop from the last seven."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import log_softmax

from models.baselines.places import DecisionTable, PlacePolicy, check_shape, list_decisions
from models.encoding import EncodedJourneys
from models.layout_view import LayoutView
from models.policy import ShopperStates

N_STOPS_BACK = 7
MAX_STEP = 24  # later decisions count as the 24th
CALIBRATION_SHARE = 0.15  # of the journeys, kept from the machine to calibrate it
FLOOR = 0.005  # least chance that a margin can stand for, before calibration
BIAS_SD = 2.0  # of the calibrated biases: held near zero where a place is rarely seen


class SVMPolicy(PlacePolicy):
    """One-against-rest linear support vector machines over the last seven stops.

    The features are indicators: which zone each of the last seven stops was in (or that there was none), how
    many stops there were, and the customer's attributes. A machine gives margins and no chances. With the
    squared hinge the margin m_j estimates 2 P(j) - 1, so the chances are taken as proportional to
    exp(b_j) max((1 + m_j) / 2, `FLOOR`)^s, the power s and the biases b_j being fitted on journeys that the
    machine has not seen. How the paper drew from its machine is unknown.

    Parameters
    ----------
    penalty
        C of scikit-learn's `LinearSVC`, squared hinge loss; smaller is smoother.

    References
    ----------
    Fan et al. (2008), LIBLINEAR, JMLR 9; T. Zhang (2004), Ann. Statist. 32, section 3: what the squared hinge
    estimates; Guo et al. (2017), ICML, section 4.2: calibration by scale and biases.
    """

    kind = "svm"
    n_remembered = N_STOPS_BACK
    reads_attributes = True

    def __init__(self, penalty: float = 0.005) -> None:
        self.penalty = penalty

    def _settings(self) -> dict[str, Any]:
        return {"penalty": self.penalty}

    def _fit_moves(self, journeys: EncodedJourneys, view: LayoutView, rng: np.random.Generator) -> None:
        moves = list_decisions(journeys, self.n_places, n_remembered=N_STOPS_BACK)
        codes = self.attributes_.encode(journeys.attributes)[moves.journey]
        features = self._index_features(moves.before, moves.step, codes)
        n_held = round(journeys.n * CALIBRATION_SHARE)
        is_held = np.isin(moves.journey, rng.permutation(journeys.n)[:n_held])
        self._fit_machine(moves.take(~is_held), features[~is_held], int(rng.integers(2**31)))
        is_held &= np.isin(moves.target, self.classes_)
        chosen = is_held if is_held.any() else np.isin(moves.target, self.classes_)
        weights = self._log_weights(features[chosen])
        target = np.searchsorted(self.classes_, moves.target[chosen])
        self.scale_, self.bias_ = calibrate(weights, target)

    def _fit_machine(self, moves: DecisionTable, features: NDArray[np.int64], seed: int) -> None:
        from sklearn.svm import LinearSVC

        machine = LinearSVC(C=self.penalty, random_state=seed, max_iter=2000, tol=1e-3)
        machine.fit(self._to_indicators(features), moves.target)
        self.classes_ = machine.classes_.astype(np.int64)
        weights, intercept = machine.coef_.T, machine.intercept_
        if len(self.classes_) == 2:  # one machine tells two apart
            weights, intercept = np.column_stack([-weights, weights]), np.append(-intercept, intercept)
        self.weights_ = np.ascontiguousarray(weights, dtype=np.float32)  # (n_features, n_classes)
        self.intercept_ = intercept.astype(np.float32)

    @property
    def _n_features(self) -> int:
        return N_STOPS_BACK * (self.n_places + 1) + MAX_STEP + 1 + self.attributes_.n_levels

    def _index_features(
        self, before: NDArray[np.int64], step: NDArray[np.int64], codes: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Which indicators are set, shape (n, 8 + n_attributes)."""
        width = self.n_places + 1  # the last one: no stop
        stops = np.where(before >= 0, before, self.n_places) + width * np.arange(N_STOPS_BACK)
        count = N_STOPS_BACK * width + np.minimum(step, MAX_STEP)
        return np.column_stack([stops, count, N_STOPS_BACK * width + MAX_STEP + 1 + codes])

    def _to_indicators(self, features: NDArray[np.int64]) -> csr_array:
        n, width = features.shape
        start = np.arange(n + 1, dtype=np.int32) * width  # scikit-learn takes no wider indices
        column = features.ravel().astype(np.int32)
        return csr_array((np.ones(features.size), column, start), shape=(n, self._n_features))

    def _log_weights(self, features: NDArray[np.int64]) -> NDArray[np.float64]:
        """Logarithm of what each machine's margin says of its place's chance, shape (n, n_classes)."""
        margins = np.tile(self.intercept_.astype(float), (len(features), 1))
        for column in features.T:
            margins += self.weights_[column]
        return np.log(np.maximum((1.0 + margins) / 2.0, FLOOR))

    def _score(
        self, states: ShopperStates, here: NDArray[np.int64], layout: LayoutView
    ) -> tuple[NDArray[np.float64], Any]:
        history = self._recall(states, here)
        step = np.full(len(here), states.n_stops)
        features = self._index_features(history.zone, step, np.asarray(states.attributes, dtype=np.int64))
        scores = np.full((len(here), self.n_places + 1), -np.inf)
        scores[:, self.classes_] = self.scale_ * self._log_weights(features) + self.bias_
        return scores, history

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "classes": self.classes_,
            "weights": self.weights_,
            "intercept": self.intercept_,
            "scale": np.array([self.scale_]),
            "bias": self.bias_,
        }

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        n_classes = len(arrays["classes"])
        check_shape(self.kind, "weights", arrays["weights"], (self._n_features, n_classes))
        check_shape(self.kind, "intercept", arrays["intercept"], (n_classes,))
        check_shape(self.kind, "bias", arrays["bias"], (n_classes,))
        self.classes_, self.weights_ = arrays["classes"], arrays["weights"]
        self.intercept_, self.bias_ = arrays["intercept"], arrays["bias"]
        self.scale_ = float(arrays["scale"][0])


def calibrate(
    log_weights: NDArray[np.floating[Any]], target: NDArray[np.integer[Any]]
) -> tuple[float, NDArray[np.float64]]:
    """Fit softmax(scale * log_weights + bias) to what was chosen, by greatest penalised likelihood.

    Parameters
    ----------
    log_weights
        Shape (n, n_classes).
    target
        Class of each row, shape (n,).

    Returns
    -------
    scale, bias
        A positive number and shape (n_classes,).
    """
    rows, n_classes = np.arange(len(target)), log_weights.shape[1]

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, bias = np.exp(x[0]), x[1:]
        log_chance = log_softmax(scale * log_weights + bias, axis=1)
        excess = np.exp(log_chance)
        excess[rows, target] -= 1.0
        value = -log_chance[rows, target].sum() + 0.5 * ((bias / BIAS_SD) ** 2).sum()
        by_scale = scale * (excess * log_weights).sum()
        return float(value), np.append(by_scale, excess.sum(axis=0) + bias / BIAS_SD**2)

    start = np.zeros(n_classes + 1)
    bounds = [(-3.0, 4.0)] + [(None, None)] * n_classes
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(np.exp(found[0])), found[1:]
