"""Moments by the compiled extension."""

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.moments import Gram, Moments

_SLAB = 4096  # rows that share a shift: chunks are whole slabs


def _extension() -> ModuleType:
    extension = native.load()
    if extension is None:
        raise ImportError(native.ABSENT)
    return extension


def moments(X: NDArray, Y: NDArray, weights: NDArray | None, n_threads: int | None) -> Moments:
    """Add slabs of rows to their sums, about 50 ms of work at a time."""
    n_samples, n_features = X.shape
    columns = n_features + Y.shape[1]
    work = n_samples * (columns + 1) ** 2  # 2 · 10¹⁰ a second
    threads = 1 if work < 2e6 else n_threads or thread_count()
    sums = _extension().Moments(columns)
    step = max(1, int(1e9 / (columns + 1) ** 2) // _SLAB) * _SLAB
    for rows in chunks(n_samples, step, "moments"):
        sums.add(X[rows], Y[rows], None if weights is None else weights[rows], threads)
    mean, scatter = np.empty(columns), np.empty((columns, columns))
    sums.finish(mean, scatter)
    return Moments(n_samples, n_features, sums.weight, mean, scatter, "native")


def gram(X: NDArray, weights: NDArray | None, centre: bool, n_threads: int | None) -> Gram:
    """Moments of Xᵀ without a mean, of X centred."""
    n_samples, n_features = X.shape
    mean = np.zeros(n_features)
    w = np.ones(n_samples) if weights is None else weights.astype(np.float64)
    weight = w.sum()
    with np.errstate(invalid="ignore", over="ignore"):
        if centre and weight:
            mean = w @ X / weight
            mean += w @ (X - mean) / weight
        D = np.sqrt(w)[:, np.newaxis] * (X - mean)
        sums = moments(D.T, np.empty((n_features, 0)), None, n_threads)
        return Gram(mean, sums.about_zero(), "native")
