"""Sums of a kernel by the distances of all pairs: read this first."""

import numpy as np

from rmodels.ops.kernel_sums import Floats, Points, add_up
from rmodels.ops.nearest.reference import blocks


def log_sums(
    points: Points, Q: Floats, kernel: str, atol: float, rtol: float, n_threads: int | None
) -> Floats:
    """Add up all kernels, so that no tolerance is made use of."""
    found = np.empty(len(Q))
    for rows, distances in blocks(points.index, Q):
        found[rows] = add_up(distances, points.weights, kernel, points.bandwidth)
    return found
