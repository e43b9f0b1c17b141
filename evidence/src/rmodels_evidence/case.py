"""What a validation consists of: an answer of ours, the right one, and the error allowed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels_evidence.agreement import coefficient_agreement

__all__ = ["Case", "Errors", "differences", "relative_to", "share_differing"]

Errors = Callable[[Sequence[Any]], list[float]]


@dataclass(frozen=True, eq=False)
class Case:
    """One result of an estimator, held against the right one.

    Attributes
    ----------
    estimator : str
        The public name, and the precision of its results if that is not float64.
    data, task : str
        What it is fitted to, and what is asked.
    against : str
        What is taken for right.
    tolerance : float
        The largest error allowed.
    ours : callable
        Fits and returns the answer, on the engine of the setting.
    errors : callable
        Takes answers and returns how far each is from the right one.
    peers : mapping of str to callable
        Other programs that answer the same, for comparison; None stands for one not installed.
    by_scipy : bool
        Whether the answer is computed by SciPy and not by an engine.
    """

    estimator: str
    data: str
    task: str
    against: str
    tolerance: float
    ours: Callable[[], Any]
    errors: Errors
    peers: Mapping[str, Callable[[], Any] | None] = field(default_factory=dict)
    by_scipy: bool = False


def relative_to(truth: Callable[[], Any]) -> Errors:
    """Return a comparison of arrays: the largest difference relative to the largest value.

    Parameters
    ----------
    truth : callable
        Returns an array of shape (n,), or of shape (n, m) whose columns are compared on their own.
    """

    def errors(answers: Sequence[Any]) -> list[float]:
        expected = np.asarray(truth())
        return [_relative(np.asarray(answer), expected) for answer in answers]

    return errors


def _relative(answer: NDArray, expected: NDArray) -> float:
    if answer.shape != expected.shape:
        return np.inf
    columns = expected.reshape(len(expected), -1).T, answer.reshape(len(expected), -1).T
    each = [coefficient_agreement(a, e, 0.0).error for e, a in zip(*columns, strict=True)]
    return float(np.max(each))


def differences(truth: Callable[[], Any]) -> Errors:
    """Return a comparison of arrays by their largest absolute difference."""

    def errors(answers: Sequence[Any]) -> list[float]:
        expected = np.asarray(truth())
        return [
            float(np.abs(answer - expected).max()) if answer.shape == expected.shape else np.inf
            for answer in answers
        ]

    return errors


def share_differing(truth: Callable[[], Sequence[NDArray]]) -> Errors:
    """Return a comparison of tuples of arrays by the share of values that are not the same."""

    def errors(answers: Sequence[Any]) -> list[float]:
        expected = truth()
        return [
            float(np.mean([np.mean(a != e) for a, e in zip(answer, expected, strict=True)]))
            if all(a.shape == e.shape for a, e in zip(answer, expected, strict=True))
            else np.inf
            for answer in answers
        ]

    return errors
