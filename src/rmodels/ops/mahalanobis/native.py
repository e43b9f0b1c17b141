"""Squared Mahalanobis distances by the compiled extension."""

from collections.abc import Iterator
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


def classify(
    X: NDArray, centres: Matrix, precisions: Matrix, constants: Matrix, n_threads: int | None
) -> tuple[NDArray[np.int64], bool]:
    """Classify the rows, a chunk at a time."""
    places, finite = np.empty(len(X), dtype=np.int64), True
    m, r, k = (np.ascontiguousarray(each) for each in (centres, precisions, constants))
    extension: Any = native.load()
    for rows, threads in _shares(X, 3.0 * m.size, n_threads):
        finite &= extension.classify(X[rows], m, r, k, places[rows], threads)
    return places, finite


def full(X: NDArray, centres: Matrix, factors: Matrix, n_threads: int | None) -> Matrix:
    """Measure the rows, a chunk at a time."""
    return _measure("full_distances", 0.5 * factors.size, X, centres, factors, n_threads)


def _measure(
    name: str, row_work: float, X: NDArray, centres: Matrix, others: NDArray, n_threads: int | None
) -> Matrix:
    measure: Any = getattr(native.load(), name)
    centres, others = np.ascontiguousarray(centres), np.ascontiguousarray(others)
    found = np.empty((len(X), len(centres)))
    for rows, threads in _shares(X, row_work, n_threads):
        measure(X[rows], centres, others, found[rows], threads)
    return found


def _shares(X: NDArray, row_work: float, n_threads: int | None) -> Iterator[tuple[slice, int]]:
    """Yield the rows of each call, and its threads; `row_work` is in multiply-adds."""
    row_work += 32 + X.shape[1]
    threads = 1 if len(X) * row_work < _ALONE else n_threads or thread_count()
    for rows in chunks(len(X), max(256, int(_CALL / row_work)), "distances"):
        yield rows, threads
