"""Spanning trees of points whose distances come a row at a time, by Prim: O(n) memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.chunks import chunks

__all__ = ["grow"]

Weights = NDArray[np.float64]
Indices = NDArray[np.int64]
# Of a point: lower bounds of its distances from all, and the distances from some.
Measure = Callable[[int], tuple[Weights, Callable[[Indices], Weights]]]

_ROWS = 64  # of a first chunk
_SECONDS = 0.07  # what a chunk should last


def grow(measure: Measure, core: Weights, alpha: float) -> tuple[Indices, Weights]:
    """Grow the minimum spanning tree from the first point, by the least edge out of it.

    Parameters
    ----------
    measure : callable
        Of a point; returns lower bounds of its distances from all points, and a function that
        gives those from some.
    core : ndarray of shape (n,), float64
        The core distance of each point.
    alpha : float
        Distances are divided by it.

    Returns
    -------
    ends, weights
        As of `rmodels.ops.span.span`.

    Raises
    ------
    ValueError
        If a distance is NaN.
    """
    n = len(core)
    outside = np.arange(n)  # points that are not in the tree, and of each its least edge into it:
    weights, distances = np.full(n, np.inf), np.full(n, np.inf)
    sources = np.full(n, n)
    edges: list[Any] = []
    newest = 0
    for part in chunks(n - 1, _ROWS, "spanning tree", seconds=_SECONDS):
        for _ in range(part.start, part.stop):
            keep = outside != newest
            outside, weights, distances, sources = (
                each[keep] for each in (outside, weights, distances, sources)
            )
            bounds, exact = measure(newest)
            least = np.maximum(bounds[outside] / alpha, np.maximum(core[newest], core[outside]))
            near = np.flatnonzero(~(least > weights))  # those that are NaN, too
            d = exact(outside[near])
            w = np.maximum(d / alpha, np.maximum(core[newest], core[outside[near]]))
            if np.isnan(w).any():
                raise ValueError("distances between some points are NaN")
            less = _is_less((w, d, newest), (weights[near], distances[near], sources[near]))
            near, d, w = near[less], d[less], w[less]
            weights[near], distances[near], sources[near] = w, d, newest
            first = _least(weights, distances, outside, sources)
            newest = int(outside[first])
            edges.append((weights[first], distances[first], sources[first], newest))
    found = np.array(edges, dtype=np.float64).reshape(n - 1, 4)
    ends = np.sort(found[:, 2:].astype(np.int64), axis=1)
    order = np.lexsort((ends[:, 1], ends[:, 0], found[:, 1], found[:, 0]))
    return ends[order], found[order, 0]


def _is_less(a: tuple[Any, ...], b: tuple[Any, ...]) -> NDArray[np.bool_]:
    """Return whether edges are less: by their numbers, the first that differ."""
    less: NDArray[np.bool_] = np.zeros(np.shape(a[0]), dtype=bool)
    for x, y in zip(reversed(a), reversed(b), strict=True):
        less = (x < y) | ((x == y) & less)
    return less


def _least(weights: Weights, distances: Weights, outside: Indices, sources: Indices) -> int:
    """Return which edge is the least, by (weight, distance, lesser row, greater row)."""
    places = np.flatnonzero(weights == weights.min())
    if len(places) > 1:
        places = places[distances[places] == distances[places].min()]
    if len(places) > 1:
        low = np.minimum(outside[places], sources[places])
        high = np.maximum(outside[places], sources[places])
        places = places[np.lexsort((high, low))]
    return int(places[0])
