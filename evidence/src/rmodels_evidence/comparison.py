"""One model of ours beside one of scikit-learn's: fitted, timed and compared."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Comparison", "Outcome", "Split", "compare"]

Split = tuple[NDArray, NDArray, NDArray, NDArray]  # X_train, X_test, y_train, y_test

_REPEATS = 5
_SECONDS = 1.0  # a contender that takes longer runs once


@dataclass(frozen=True)
class Comparison:
    """One model of ours beside one of scikit-learn's, on the same split.

    Attributes
    ----------
    model, data, peer : str
        What the table says.
    split : tuple of ndarray
        X_train, X_test, y_train, y_test.
    ours, theirs : callable
        Return a new estimator, or a pipeline.
    outputs : callable or None
        Takes a fitted estimator and X_test and returns what is compared; None where scikit-learn
        has no model with the same result, so that only the scores can be compared.
    tolerance : float
        Largest difference allowed, relative to the largest absolute value of theirs.
    """

    model: str
    data: str
    peer: str
    split: Split
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    outputs: Callable[[Any, NDArray], NDArray] | None
    tolerance: float


@dataclass(frozen=True)
class Outcome:
    """What a comparison gave: scores on the test split, difference, seconds to fit and predict."""

    comparison: Comparison
    our_score: float
    their_score: float
    difference: float | None
    our_time: float
    their_time: float

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference is None or self.difference <= self.comparison.tolerance


def _time(create: Callable[[], Any], split: Split) -> tuple[Any, float]:
    """Return a fitted model and the seconds to fit it and to predict the test split."""
    X_train, X_test, y_train, _ = split
    model = create()
    start = time.perf_counter()
    model.fit(X_train, y_train)
    _answer(model, X_test)
    return model, time.perf_counter() - start


def _answer(model: Any, X: NDArray) -> NDArray:
    answer = model.predict(X) if hasattr(model, "predict") else model.kneighbors(X)[1]
    return np.asarray(answer)


def _score(model: Any, split: Split) -> float:
    """Return R² or accuracy on the test split; for a plain search, that of the nearest's label."""
    _, X_test, y_train, y_test = split
    if hasattr(model, "score"):
        return float(model.score(X_test, y_test))
    nearest = model.kneighbors(X_test, n_neighbors=1, return_distance=False)[:, 0]
    return float((y_train[nearest] == y_test).mean())


def compare(comparison: Comparison) -> Outcome:
    """Fit both models in turn, several times if that is quick, and compare what they give.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    Outcome
        Times are medians.
    """
    ours: list[float] = []
    theirs: list[float] = []
    for repeat in range(_REPEATS):
        if repeat == 0 or min(ours) < _SECONDS:
            our_model, seconds = _time(comparison.ours, comparison.split)
            ours.append(seconds)
        if repeat == 0 or min(theirs) < _SECONDS:
            their_model, seconds = _time(comparison.theirs, comparison.split)
            theirs.append(seconds)
    difference = None
    if comparison.outputs is not None:
        X_test = comparison.split[1]
        found = comparison.outputs(our_model, X_test)
        expected = comparison.outputs(their_model, X_test)
        difference = float(np.abs(found - expected).max() / np.abs(expected).max())
        if math.isnan(difference):
            difference = math.inf
    return Outcome(
        comparison,
        _score(our_model, comparison.split),
        _score(their_model, comparison.split),
        difference,
        float(np.median(ours)),
        float(np.median(theirs)),
    )
