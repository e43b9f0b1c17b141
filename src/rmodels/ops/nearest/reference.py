"""Nearest neighbours by comparing every query with every point: read this first."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rmodels.config import get_config
from rmodels.ops.nearest import Distances, Index, Indices
from rmodels.ops.nearest.cosine import normalise


def _power(gap: Distances, p: float) -> Distances:
    """Return gap**p; for an integer p up to 16 by repeated products."""
    if not (p <= 16 and p == int(p)):
        return gap**p
    result = gap
    for _ in range(int(p) - 1):
        result = result * gap
    return result


def _root(total: Distances, p: float) -> Distances:
    """Return total**(1/p); for an integer p up to 16 the inverse of `_power`.

    That is the smallest float64 whose power is at least the total, found for totals scaled to
    [1, 2^p) by a power of two.
    """
    if p == 1:
        return total
    if p == 2:
        return np.sqrt(total)
    if not (p <= 16 and p == int(p)):
        return total ** (1 / p)
    inside = (total > 0) & (total < np.inf)
    scaled, exponent = np.frexp(np.where(inside, total, 1.0))
    above = (exponent - 1) % int(p) + 1
    scaled = np.ldexp(scaled, above)
    root = scaled ** (1 / p)
    while (high := _power(root, p) >= scaled).any():
        root = np.where(high, np.nextafter(root, 0.0), root)
    while (low := _power(root, p) < scaled).any():
        root = np.where(low, np.nextafter(root, 4.0), root)
    return np.where(inside, np.ldexp(root, (exponent - above) // int(p)), total)


def _distances(Q: Distances, X: Distances, metric: str, p: float) -> Distances:
    """Return the distances of each query to each point: (queries, points)."""
    total = np.zeros((len(Q), len(X)))
    if metric == "cosine":
        Q, X = normalise(Q), normalise(X)
    with np.errstate(over="ignore", under="ignore"):
        for q, x in zip(Q.T, X.T, strict=True):  # a feature at a time, so that sums have one order
            gap = np.abs(q[:, np.newaxis] - x)
            if metric == "chebyshev":
                np.maximum(total, gap, out=total)
            elif metric == "manhattan":
                total += gap
            elif metric == "minkowski":
                total += _power(gap, p)
            else:
                total += gap * gap
        if metric == "euclidean":
            return np.sqrt(total)
        if metric == "minkowski":
            return _root(total, p)
    if metric == "cosine":
        total *= 0.5
        total[~Q.any(axis=1)] = 1.0
        total[:, ~X.any(axis=1)] = 1.0
    return total


def blocks(index: Index, Q: NDArray) -> Iterator[tuple[slice, Distances]]:
    """Yield the distances of as many queries at a time as the memory limit allows."""
    X = index.X.astype(np.float64)
    step = max(1, get_config()["memory_limit"] // (32 * len(X)))
    for first in range(0, len(Q), step):
        rows = slice(first, min(first + step, len(Q)))
        yield rows, _distances(Q[rows].astype(np.float64), X, index.metric, index.p)


def index(X: NDArray, metric: str, p: float, algorithm: str, n_threads: int | None) -> Index:
    """Keep the points: there is nothing to build, and no tree."""
    return Index(X, metric, p, "brute", "reference")


def decide(index: Index, n_threads: int | None) -> str:
    """Return what the search does: there is no tree."""
    return "brute"


def nearest(index: Index, Q: NDArray, k: int, n_threads: int | None) -> tuple[Distances, Indices]:
    """Sort all points by (distance, index) and keep the first k."""
    distances = np.empty((len(Q), k))
    indices = np.empty((len(Q), k), dtype=np.int64)
    for rows, block in blocks(index, Q):
        order = np.argsort(block, axis=1, kind="stable")[:, :k]
        indices[rows] = order
        distances[rows] = np.take_along_axis(block, order, axis=1)
    return distances, indices


def within(
    index: Index, Q: NDArray, radius: float, n_threads: int | None
) -> tuple[Indices, Distances, Indices]:
    """Sort all points by (distance, index) and keep those up to the radius."""
    counts = np.zeros(len(Q) + 1, dtype=np.int64)
    distances: list[Distances] = []
    indices: list[Indices] = []
    for rows, block in blocks(index, Q):
        for row, line in enumerate(block, start=rows.start):
            near = np.flatnonzero(line <= radius)
            near = near[np.argsort(line[near], kind="stable")]
            counts[row + 1] = len(near)
            indices.append(near)
            distances.append(line[near])
    offsets = np.cumsum(counts)
    if not indices:
        return offsets, np.empty(0), np.empty(0, dtype=np.int64)
    return offsets, np.concatenate(distances), np.concatenate(indices)
