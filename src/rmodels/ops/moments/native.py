"""Moments by the compiled extension."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.moments import Gram, Moments

_CALL = 1e9  # multiply-adds in a native call: 20 to 150 ms
_ALONE = 2e6  # multiply-adds that take one thread less time than starting another


def _threads(work: float, n_threads: int | None) -> int:
    return 1 if work < _ALONE else n_threads or thread_count()


def moments(X: NDArray, Y: NDArray, weights: NDArray | None, n_threads: int | None) -> Moments:
    """Add the rows to their sums, a chunk at a time."""
    n_samples, n_features = X.shape
    columns = n_features + Y.shape[1]
    row_work = 32 + (columns + 1) ** 2 / 2
    threads = _threads(n_samples * row_work, n_threads)
    extension: Any = native.load()
    sums = extension.Moments(columns)
    unit = sums.granularity
    step = max(1, int(_CALL / row_work) // unit) * unit
    for rows in chunks(n_samples, step, "moments"):
        sums.add(X, Y, weights, rows.start, rows.stop, threads)
    mean, scatter = np.empty(columns), np.empty((columns, columns))
    sums.finish(mean, scatter)
    return Moments(n_samples, n_features, sums.weight, mean, scatter, "native")


def gram(X: NDArray, weights: NDArray | None, centre: bool, n_threads: int | None) -> Gram:
    """Add the columns to the products, a chunk at a time."""
    n_samples, n_features = X.shape
    column_work = 32 + n_samples**2 / 2
    threads = _threads(n_features * column_work, n_threads)
    extension: Any = native.load()
    products = extension.RowProducts(n_samples, weights, centre)
    mean = np.zeros(n_features)
    for columns in chunks(n_features, max(64, int(_CALL / column_work)), "gram"):
        products.add(X[:, columns], mean[columns], threads)
    result = np.empty((n_samples, n_samples))
    products.finish(result)
    return Gram(mean, result, "native")
