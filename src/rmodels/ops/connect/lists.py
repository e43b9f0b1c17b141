"""Components of points whose neighbours are listed: by breadth first, a few lists at a time."""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["Indices", "Neighbours", "connect_lists"]

Indices = NDArray[np.int64]
Neighbours = Iterator[tuple[Indices, Indices]]


def connect_lists(
    n: int,
    lists: Callable[[Indices], Neighbours],
    min_weight: float,
    weights: NDArray | None,
    *,
    itself: bool,
) -> tuple[NDArray[np.bool_], Indices]:
    """Return which points are core, and the components that they are in.

    Parameters
    ----------
    n : int
        How many points there are.
    lists : callable
        Of points; yields the offsets and the indices of their neighbours, of a few at a time. A
        point that lists another need not be listed by it: labels spread along the lists.
    min_weight, weights
        As of `rmodels.ops.connect.connect`.
    itself : bool
        Whether a point is its own neighbour even if it is not in its list.

    Returns
    -------
    core, labels
        As of `rmodels.ops.connect.connect`.
    """
    core = np.zeros(n, dtype=bool)
    first = 0
    for offsets, indices in lists(np.arange(n)):
        for row, (start, end) in enumerate(itertools.pairwise(offsets), first):
            near = indices[start:end]
            if itself and not (near == row).any():
                near = np.append(near, row)
            total = len(near) if weights is None else math.fsum(weights[near])
            core[row] = total >= min_weight
        first += len(offsets) - 1
    labels = np.full(n, -1, dtype=np.int64)
    number = 0
    for start in np.flatnonzero(core):
        if labels[start] >= 0:
            continue
        labels[start] = number
        reached = np.array([start])
        while len(reached):
            around = np.zeros(n, dtype=bool)
            for _, indices in lists(reached):
                around[indices] = True
            reached = np.flatnonzero(around & (labels < 0))
            labels[reached] = number
            reached = reached[core[reached]]
        number += 1
    return core, labels
