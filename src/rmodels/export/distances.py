"""Distances of rows in a graph: differences, and sums in the order of the columns.

So they are bitwise those of `rmodels.ops.nearest` and `rmodels.ops.mahalanobis`, and whatever is
nearest, ties included, is the same.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["measure", "nearness"]

Matrix = NDArray[np.float64]


def measure(X: "Value", centres: Matrix, precisions: Matrix | None = None) -> "Value":
    """Return Σ_j r_cj (x_j − m_cj)² of each row and centre: (n_samples, n_centres).

    Parameters
    ----------
    X : Value
    centres, precisions : ndarray of shape (n_centres, n_features)
        m and r, which is 1 if it is None.
    """
    graph, X = X.graph, X.astype(np.float64)
    parts = [centres] if precisions is None else [centres, precisions]

    def step(total: "Value", x: "Value", m: "Value", *r: "Value") -> "Value":
        gaps = x.expand(1) - m
        squares = gaps * gaps
        return total + (squares * r[0] if r else squares)

    columns = [graph.constant(A.T) for A in parts]
    return _fold(step, X, len(centres), columns)


def nearness(X: "Value", points: NDArray, metric: str, p: float) -> "Value":
    """Return the distance of each row to each point, as `rmodels.ops.nearest.index` defines it.

    Parameters
    ----------
    X : Value
    points : ndarray of shape (n_points, n_features)
    metric, p
        Of the index.
    """
    graph, X, points = X.graph, X.astype(np.float64), points.astype(np.float64)
    if metric == "minkowski" and p == np.inf:
        metric = "chebyshev"
    if metric == "cosine":
        return _cosine(X, points)

    def step(total: "Value", x: "Value", y: "Value") -> "Value":
        gaps = x.expand(1) - y
        if metric == "chebyshev":
            return total.maximum(gaps.abs())
        if metric == "manhattan":
            return total + gaps.abs()
        if metric == "minkowski":
            return total + _power(gaps.abs(), p)
        return total + gaps * gaps

    total = _fold(step, X, len(points), [graph.constant(points.T)])
    if metric == "euclidean":
        return total.sqrt()
    return total ** (1 / p) if metric == "minkowski" else total


def _fold(step: Any, X: "Value", width: int, columns: "list[Value]") -> "Value":
    """Return what steps over the columns make of zeros: (n_samples, width)."""
    start = X.graph.full(X, width, np.float64(0.0))
    found: Any = X.graph.scan(step, start, X.transpose(1, 0), *columns)
    return found


def _power(gaps: "Value", p: float) -> "Value":
    """Return gaps to the power p; for an integer p up to 16 by repeated products."""
    if not (p <= 16 and p == int(p)):
        return gaps**p
    found = gaps
    for _ in range(int(p) - 1):
        found = found * gaps
    return found


def _cosine(X: "Value", points: Matrix) -> "Value":
    """Return ½ Σ (x̂ − ŷ)² of rows and points of norm 1, and 1 where one is of zeros."""
    from rmodels.ops.nearest.cosine import normalise

    graph = X.graph
    scale = X.abs().max(1, keep=True)
    scaled = X / graph.where(scale > 0.0, scale, 1.0)
    squares = _fold(lambda total, x: total + (x * x).expand(1), scaled, 1, [])
    unit = scaled / graph.where(squares > 0.0, squares.sqrt(), 1.0)
    total = measure(unit, normalise(points)) * 0.5
    absent = graph.constant(np.all(points == 0.0, axis=1, keepdims=True).T)
    (away,) = graph.add("Or", [scale.equals(0.0), absent], bool)
    return graph.where(away, 1.0, total)
