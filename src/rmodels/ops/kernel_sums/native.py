"""Sums of a kernel by the compiled extension: queries go to it a chunk at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.kernel_sums import Floats, Points
from rmodels.ops.nearest.native import build

_SECONDS = 0.07  # what a chunk should last
_FIRST_WORK = 2e8  # multiply-adds and as much for each kernel: of the first chunk
_KERNEL = 16  # multiply-adds that take as long as a kernel


def log_sums(
    points: Points, Q: NDArray, kernel: str, atol: float, rtol: float, n_threads: int | None
) -> Floats:
    """Find the nearest point of each query, then walk the tree."""
    threads = n_threads or thread_count()
    index = build(points.index, threads)
    if points.state is None:  # or a copy has lost it
        extension: Any = native.load()
        points.state = extension.KernelSums(index, points.weights, threads)
    state: Any = points.state
    n, d = points.index.X.shape
    found = np.empty(len(Q))
    step = max(1, int(_FIRST_WORK / (n * (d + _KERNEL))))
    for rows in chunks(len(Q), step, "densities", seconds=_SECONDS):
        queries = Q[rows].astype(np.float64, copy=False)
        distances = np.empty((len(queries), 1))
        near = np.empty((len(queries), 1), dtype=np.int64)
        index.nearest(queries, distances, near, threads)
        state.sum(queries, near[:, 0], kernel, points.bandwidth, atol, rtol, found[rows], threads)
    return found
