"""Nearest rows that have a value which another row lacks: by the features that both have."""

import numpy as np
from numpy.typing import NDArray

from rmodels import ops

__all__ = ["choose_donors", "donors", "nan_distances"]

Distances = NDArray[np.float64]
Indices = NDArray[np.int64]


def donors(
    X: NDArray,
    Q: NDArray,
    k: int,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> tuple[Distances, Indices]:
    """Find, for each missing value of each query, the k nearest rows that have that feature.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64, C-contiguous
        NaN stands for what is missing; else finite.
    Q : ndarray of shape (n_queries, n_features), float32 or float64, C-contiguous
        Likewise.
    k : int
        From 1 to the number of rows of X.
    engine, n_threads
        As in `rmodels.ops.moments.moments`.

    Returns
    -------
    distances : ndarray of shape (n_missing, k), float64
        A row for each missing value of Q, in the order of ``numpy.argwhere(numpy.isnan(Q))``; in
        the order of (distance, index). NaN where fewer rows have the feature and share one with
        the query.
    indices : ndarray of shape (n_missing, k), int64
        Rows of X; −1 where there is none.

    Notes
    -----
    The distance of q and x is that of `nan_distances`, bit for bit, on every engine, for any number
    of threads and any batch of queries.

    Native: n_queries · n_samples · n_features multiply-adds, three to a feature. Memory beyond
    input and result: 16 bytes a value of X, and a fixed amount per thread; never a matrix of
    n_queries by n_samples.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.donors import donors
    >>> X = np.array([[0.0, 1.0], [2.0, np.nan], [3.0, 5.0], [np.nan, 7.0]])
    >>> donors(X, np.array([[2.0, np.nan]]), k=3)
    (array([[1.41421356, 2.82842712,        nan]]), array([[ 2,  0, -1]]))
    """
    name = ops.choose("donors", engine, X, Q)
    found: tuple[Distances, Indices] = ops.implementation("donors", name).donors(X, Q, k, n_threads)
    return found


def choose_donors(
    distances: Distances, missing: NDArray[np.bool_], present: NDArray[np.bool_], k: int
) -> tuple[Distances, Indices]:
    """Return what `donors` does, from distances of all pairs.

    Parameters
    ----------
    distances : ndarray of shape (n_queries, n_samples)
        NaN where one is undefined.
    missing : ndarray of shape (n_queries, n_features), bool
        What the queries lack.
    present : ndarray of shape (n_samples, n_features), bool
        What the rows have.
    k : int

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.donors import choose_donors
    >>> has = np.array([[True, True], [True, False], [True, True]])
    >>> choose_donors(np.array([[5.0, 1.0, 5.0]]), np.array([[False, True]]), has, k=2)
    (array([[5., 5.]]), array([[0, 2]]))
    """
    cells = np.argwhere(missing)
    found = np.full((len(cells), k), np.nan)
    indices = np.full((len(cells), k), -1)
    for cell, (row, column) in enumerate(cells):
        able = np.flatnonzero(present[:, column] & ~np.isnan(distances[row]))
        nearest = able[np.argsort(distances[row, able], kind="stable")[:k]]
        indices[cell, : len(nearest)] = nearest
        found[cell, : len(nearest)] = distances[row, nearest]
    return found, indices


def nan_distances(Q: NDArray, X: NDArray) -> Distances:
    """Return √(d / present · Σ (x − q)²), the sum over the features present in both rows.

    Parameters
    ----------
    Q : ndarray of shape (n_queries, d)
    X : ndarray of shape (n_samples, d)

    Returns
    -------
    ndarray of shape (n_queries, n_samples)
        In float64, every operation rounded on its own, the sum in the order of the features. NaN
        where no feature is present in both. Differences are taken of the values as they are, so
        that equal rows have distance 0.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.donors import nan_distances
    >>> nan_distances(np.array([[1.0, np.nan]]), np.array([[3.0, 4.0], [np.nan, 4.0]]))
    array([[2.82842712,        nan]])
    """
    squares = np.zeros((len(Q), len(X)))
    present = np.zeros((len(Q), len(X)))
    for q, x in zip(Q.T, X.T, strict=True):
        gap = q[:, np.newaxis].astype(np.float64) - x
        missing = np.isnan(gap)
        gap[missing] = 0.0
        squares += gap * gap
        present += ~missing
    with np.errstate(invalid="ignore"):
        found: Distances = np.sqrt(X.shape[1] / np.where(present, present, np.nan) * squares)
    return found
