"""Folds of cross-validation, as the places of their rows."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Splits", "list_splits"]

Splits = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


def list_splits(found: Iterable[tuple[Any, Any]], n_samples: int) -> Splits:
    """Return the places of the rows that each fold trains with, and of those that it scores.

    Parameters
    ----------
    found : iterable of (train, test)
        What a splitter yields: rows by places, masks or slices.
    n_samples : int

    Raises
    ------
    ValueError
        If there are no folds, or one has no rows to train with or to score.
    """
    every = np.arange(n_samples)
    splits = [(_take(every, train), _take(every, test)) for train, test in found]
    if not splits:
        raise ValueError("cv yields no folds: give it at least one pair of (train, test)")
    for number, (train, test) in enumerate(splits):
        if not len(train) or not len(test):
            lack = "score" if len(train) else "train with"
            raise ValueError(f"cv yields a fold, number {number} from 0, without rows to {lack}")
    return splits


def _take(every: NDArray[np.intp], named: Any) -> NDArray[np.intp]:
    taken: NDArray[np.intp] = every[list(named) if isinstance(named, tuple) else named]
    return taken
