"""Squared Mahalanobis distances by the compiled extension."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.mahalanobis import Matrix

_CALL = 1e9  # multiply-adds in a native call: 20 to 100 ms
_ALONE = 2e6  # multiply-adds that take one thread less time than starting another


def diagonal(X: NDArray, centres: Matrix, precisions: Matrix, n_threads: int | None) -> Matrix:
    """Measure the rows, a chunk at a time."""
    return _measure("diagonal_distances", 3.0 * centres.size, X, centres, precisions, n_threads)


def full(X: NDArray, centres: Matrix, factors: Matrix, n_threads: int | None) -> Matrix:
    """Measure the rows, a chunk at a time."""
    return _measure("full_distances", 0.5 * factors.size, X, centres, factors, n_threads)


def _measure(
    name: str, row_work: float, X: NDArray, centres: Matrix, others: NDArray, n_threads: int | None
) -> Matrix:
    n, n_centres = len(X), len(centres)
    measure: Any = getattr(native.load(), name)
    centres, others = np.ascontiguousarray(centres), np.ascontiguousarray(others)
    found = np.empty((n, n_centres))
    row_work += 32 + X.shape[1]
    threads = 1 if n * row_work < _ALONE else n_threads or thread_count()
    for rows in chunks(n, max(256, int(_CALL / row_work)), "distances"):
        measure(X[rows], centres, others, found[rows], threads)
    return found
