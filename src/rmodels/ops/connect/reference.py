"""Components of core points by breadth first: read this first."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.connect import Labels, Mask, Weights
from rmodels.ops.nearest import Index
from rmodels.ops.nearest.reference import blocks


def _neighbours(index: Index, radius: float, rows: NDArray) -> Iterator[tuple[NDArray, Mask]]:
    """Yield some of the rows, and which points are neighbours of each: (rows, n)."""
    for part, distances in blocks(index, index.X[rows]):
        near = distances <= radius
        near[np.arange(len(near)), rows[part]] = True
        yield rows[part], near


def connect(
    index: Index, radius: float, min_weight: float, weights: Weights | None, n_threads: int | None
) -> tuple[Mask, Labels]:
    """Spread each label from the least core point without one, through neighbours that are core."""
    n = len(index.X)
    w = np.ones(n) if weights is None else weights
    core = np.zeros(n, dtype=bool)
    for rows, near in _neighbours(index, radius, np.arange(n)):
        core[rows] = [math.fsum(w[each]) >= min_weight for each in near]
    labels = np.full(n, -1, dtype=np.int64)
    number = 0
    for start in np.flatnonzero(core):
        if labels[start] >= 0:
            continue
        labels[start] = number
        reached = np.array([start])
        while len(reached):
            around = np.zeros(n, dtype=bool)
            for _, near in _neighbours(index, radius, reached):
                around |= near.any(axis=0)
            reached = np.flatnonzero(around & (labels < 0))
            labels[reached] = number
            reached = reached[core[reached]]
        number += 1
    return core, labels
