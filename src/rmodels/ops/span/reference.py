"""Minimum spanning trees by Prim, with the distances of a point at a time: read this first."""

from collections.abc import Callable

import numpy as np

from rmodels.ops.nearest import Index
from rmodels.ops.nearest.reference import blocks, nearest
from rmodels.ops.span import Ends, Weights
from rmodels.ops.span.growth import Indices, grow


def span(
    index: Index, k: int, alpha: float, n_threads: int | None
) -> tuple[Ends, Weights, Weights]:
    """Take core distances from the neighbours, and grow the tree from the first row."""
    n = len(index.X)
    core = np.zeros(n)
    if k > 1:
        for row in range(n):
            core[row] = nearest(index, index.X[row : row + 1], k, n_threads)[0][0, -1]

    def measure(row: int) -> tuple[Weights, Callable[[Indices], Weights]]:
        ((_, distances),) = blocks(index, index.X[row : row + 1])
        return distances[0], distances[0].__getitem__

    ends, weights = grow(measure, core, alpha)
    return ends, weights, core
