"""Donors by sorting the distances of all pairs: read this first."""

import numpy as np
from numpy.typing import NDArray

from rmodels.config import get_config
from rmodels.ops.donors import Distances, Indices, choose_donors, nan_distances


def donors(X: NDArray, Q: NDArray, k: int, n_threads: int | None) -> tuple[Distances, Indices]:
    """Sort all rows that have the feature by (distance, index), and keep the first k."""
    missing, present = np.isnan(Q), ~np.isnan(X)
    distances, indices = [np.empty((0, k))], [np.empty((0, k), dtype=np.int64)]
    step = max(1, get_config()["memory_limit"] // (40 * len(X)))
    for first in range(0, len(Q), step):
        rows = slice(first, first + step)
        found = choose_donors(nan_distances(Q[rows], X), missing[rows], present, k)
        distances.append(found[0])
        indices.append(found[1])
    return np.concatenate(distances), np.concatenate(indices)
