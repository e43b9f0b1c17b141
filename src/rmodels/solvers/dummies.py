"""Dummies of categories: columns of 0 and 1 of which each row has one that is 1.

They sum to one, so that beside an intercept, or beside those of other categories, the coefficients
are not unique; but this is what one-hot encoding means to do, and the predictions are unique.
"""

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.moments import Moments

__all__ = ["count_dummies"]

_CLOSE = 1e-9  # of sums of weights: rounding, and no value of a column of others than 0 and 1
_NULL = 1e-10  # of an eigenvalue of correlations


def count_dummies(moments: Moments, fit_intercept: bool) -> int:
    """Return how many directions are lost because dummies sum to one; 0 if it cannot be told.

    With vᵀ S v = 0 for the scatter matrix S, X v is constant. Of dummies alone, a basis of all such
    v in reduced form holds the sets that sum to one: their entries are 0 and 1, and no two have a 1
    in one place.
    """
    d = moments.n_features
    mean, weight = moments.mean[:d], moments.weight
    scatter = moments.scatter[:d, :d]
    binary = abs(scatter.diagonal() - weight * mean * (1 - mean)) <= _CLOSE * weight
    used = np.flatnonzero(binary & (mean > _CLOSE) & (mean < 1 - _CLOSE))
    if len(used) < 2:
        return 0
    norms = np.sqrt(scatter.diagonal()[used])
    values, V = np.linalg.eigh(scatter[np.ix_(used, used)] / norms / norms[:, np.newaxis])
    null = V[:, values < _NULL * len(used)].T / norms
    if not len(null):
        return 0
    basis = _reduce(null)
    whole = abs(basis - basis.round()).max() < 1e-6 and set(basis.round().ravel()) <= {0.0, 1.0}
    apart = basis.round().sum(axis=0).max() <= 1
    if not whole or not apart or abs(basis.round() @ mean[used] - 1).max() > 1e-6:
        return 0
    return len(basis) - (not fit_intercept)


def _reduce(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the reduced row echelon form of independent rows, by the largest pivots."""
    reduced = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for place in range(len(reduced)):
        left = abs(reduced[place:])
        row, column = np.unravel_index(left.argmax(), left.shape)
        reduced[[place, place + row]] = reduced[[place + row, place]]
        reduced[place] /= reduced[place, column]
        others = np.arange(len(reduced)) != place
        reduced[others] -= np.outer(reduced[others, column], reduced[place])
    return reduced
