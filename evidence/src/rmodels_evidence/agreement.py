"""How far an answer is from the right one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rmodels_evidence.problem import Agreement

__all__ = ["coefficient_agreement", "exact_distances", "neighbor_agreements", "true_distances"]

Distances = NDArray[np.float64]
Indices = NDArray[np.int64]

_COEFFICIENTS = "largest difference of a coefficient, relative to the largest coefficient"
_NEIGHBORS = "largest excess or error of a distance, relative to the query's k-th distance"
_BLOCK_VALUES = 1 << 16  # float64 differences at a time: they stay in a core's own cache


def coefficient_agreement(answer: NDArray, truth: NDArray, tolerance: float) -> Agreement:
    """Compare coefficients.

    Parameters
    ----------
    answer, truth : ndarray of shape (n,)
    tolerance : float
        On the largest difference, relative to the largest absolute value of the truth.
    """
    if np.shape(answer) != np.shape(truth):
        return Agreement(np.inf, tolerance, _COEFFICIENTS)
    error = np.abs(np.asarray(answer, dtype=np.float64) - truth).max() / np.abs(truth).max()
    return Agreement(float(error), tolerance, _COEFFICIENTS)


def exact_distances(X: NDArray, Q: NDArray, indices: Indices) -> Distances:
    """Return the Euclidean distances of queries to given points, by the definition in float64.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    Q : ndarray of shape (n_queries, n_features)
    indices : ndarray of shape (n_queries, k)
    """
    result = np.empty(indices.shape)
    step = max(1, _BLOCK_VALUES // (indices.shape[1] * X.shape[1]))
    for first in range(0, len(Q), step):
        rows = slice(first, first + step)
        gaps = X[indices[rows]].astype(np.float64) - Q[rows, np.newaxis]
        result[rows] = np.sqrt((gaps * gaps).sum(axis=2))
    return result


def true_distances(X: NDArray, Q: NDArray, k: int, itself: Indices | None = None) -> Distances:
    """Return the k smallest Euclidean distances of each query, by the definition in float64.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    Q : ndarray of shape (n_queries, n_features)
    k : int
    itself : ndarray of shape (n_queries,), optional
        A point that is not its neighbour.
    """
    result = np.empty((len(Q), k))
    step = max(1, _BLOCK_VALUES // X.shape[1])
    squares = np.empty(len(X))
    for i, query in enumerate(Q.astype(np.float64)):
        for first in range(0, len(X), step):
            gaps = X[first : first + step] - query
            squares[first : first + step] = (gaps * gaps).sum(axis=1)
        if itself is not None:
            squares[itself[i]] = np.inf
        result[i] = np.sqrt(np.sort(np.partition(squares, k - 1)[:k]))
    return result


def _is_well_formed(
    distances: NDArray, indices: NDArray, shape: tuple[int, int], n_samples: int, left_out: bool
) -> bool:
    """Whether an answer has the shape, and names distinct points, none of them the query itself."""
    if np.shape(distances) != shape or np.shape(indices) != shape:
        return False
    if not np.isfinite(distances).all() or indices.min() < 0 or indices.max() >= n_samples:
        return False
    ordered = np.sort(indices, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        return False
    return not left_out or not (indices == np.arange(len(indices))[:, np.newaxis]).any()


def neighbor_agreements(
    X: NDArray,
    Q: NDArray | None,
    k: int,
    answers: Sequence[tuple[NDArray, NDArray]],
    n_queries: Sequence[int],
    tolerances: Sequence[float],
    sample: int = 64,
) -> list[Agreement]:
    """Compare the answers to a search for the k nearest, fairly where distances are equal.

    The distances of the points that an answer names are computed again by the definition. They are
    compared with the truth for a sample of the queries, with the least of all answers for
    every query, and with the distances that the answer gives. So which of two points at the same
    distance is named does not matter.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    Q : ndarray of shape (n_queries, n_features) or None
        None if the neighbours of each point were asked for, itself left out.
    k : int
    answers : sequence of tuple of ndarray
        Distances and indices, both of shape (number of queries answered, k).
    n_queries : sequence of int
        How many of the queries, from the first on, each of the answers must have.
    tolerances : sequence of float
        On the largest difference, relative to the k-th distance of the query.
    sample : int
        Queries, spread evenly, for which the truth is computed.

    Returns
    -------
    list of Agreement
    """
    left_out = Q is None
    queries = X if Q is None else Q
    best = np.full((len(queries), k), np.inf)
    recomputed: list[Distances | None] = []
    for (distances, indices), count in zip(answers, n_queries, strict=True):
        if not _is_well_formed(distances, indices, (count, k), len(X), left_out):
            recomputed.append(None)
            continue
        exact = exact_distances(X, queries[:count], indices)
        recomputed.append(exact)
        best[:count] = np.minimum(best[:count], np.sort(exact, axis=1))
    sampled = np.unique(np.linspace(0, min(n_queries) - 1, sample).astype(np.int64))
    best[sampled] = true_distances(X, queries[sampled], k, sampled if left_out else None)
    kth = best[:, -1:]
    scale = np.where((kth > 0) & np.isfinite(kth), kth, 1.0)
    results = []
    for (distances, _), again, count, tolerance in zip(
        answers, recomputed, n_queries, tolerances, strict=True
    ):
        if again is None:
            results.append(Agreement(np.inf, tolerance, _NEIGHBORS))
            continue
        excess = (np.sort(again, axis=1) - best[:count]) / scale[:count]
        given = np.abs(distances - again) / scale[:count]
        results.append(Agreement(float(max(excess.max(), given.max())), tolerance, _NEIGHBORS))
    return results
