"""Steps of scikit-learn that change the shape of a distribution: quantiles, powers and bins.

Each is computed in float64 and rounded to the dtype of the rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.exceptions import NotCoveredError
from rmodels.export.graph import Value

__all__ = ["cut", "raise_power", "rank"]

Vector = NDArray[np.float64]


def cut(step: Any, X: Value) -> Value:
    """Return the bin of each value, or a column for each bin."""
    graph, made = X.graph, []
    X = X.astype(step.dtype or X.dtype)
    for j, edges in enumerate(step.bin_edges_):
        place = _count(X.columns([j]).astype(np.float64), edges[1:-1])
        if step.encode != "ordinal":
            place = place.equals(np.arange(float(step.n_bins_[j])))
        made.append(place.astype(X.dtype))
    return graph.concatenate(made, 1)


def rank(step: Any, X: Value) -> Value:
    """Return the share of the rows of the fit that are less, of equal ones half."""
    if step.output_distribution != "uniform":
        raise NotCoveredError(
            "ONNX has no quantiles of the normal distribution: fit QuantileTransformer with "
            "output_distribution='uniform'"
        )
    made, levels = [], step.references_
    for j, q in enumerate(step.quantiles_.T):
        x = X.columns([j]).astype(np.float64)
        down = _interpolate(-x, -q[::-1], -levels[::-1])
        share = (_interpolate(x, q, levels) - down) * 0.5
        share = x.graph.where(x.equals(q[-1]), 1.0, share)
        made.append(x.graph.where(x.equals(q[0]), 0.0, share).astype(X.dtype))
    return X.graph.concatenate(made, 1)


def raise_power(step: Any, X: Value) -> Value:
    """Return values raised to a power less 1, by the power: of Box and Cox, or Yeo and Johnson."""
    made = []
    for j, power in enumerate(step.lambdas_.tolist()):
        x = X.columns([j]).astype(np.float64)
        if step.method == "box-cox":
            found = _bend(x.log(), power)
        else:
            zero = np.float64(0.0)
            above = _bend(_log1p(x.maximum(zero)), power)
            below = -_bend(_log1p((-x).maximum(zero)), 2.0 - power)
            found = x.graph.where(x >= 0.0, above, below)
        made.append(x.graph.where(x.is_nan(), x, found).astype(X.dtype))
    return X.graph.concatenate(made, 1)


def _count(x: Value, limits: Vector) -> Value:
    """Return how many limits are no more than each number."""
    return (x >= limits.reshape(1, -1)).astype(np.float64).sum(1, keep=True)


def _interpolate(x: Value, points: Vector, heights: Vector) -> Value:
    """Return `np.interp(x, points, heights)`, of which the last of equal points counts."""
    runs = np.diff(points, append=np.inf)
    rises = np.diff(heights, append=heights[-1])
    slopes = np.divide(rises, runs, out=np.zeros(len(runs)), where=runs > 0)
    graph = x.graph
    places = _count(x, points[1:]).astype(np.int64)
    found = [graph.constant(each).take(places) for each in (slopes, points, heights)]
    inside = found[0] * (x - found[1]) + found[2]
    return graph.where(x < points[0], heights[0], inside)


def _bend(logarithm: Value, power: float) -> Value:
    """Return (eˡᵖ − 1) / p of logarithms l, which is l for p = 0."""
    return logarithm if power == 0.0 else _expm1(logarithm * power) / power


def _log1p(x: Value) -> Value:
    """Return log(1 + x) of numbers that are not negative, by Kahan's method."""
    whole = x + 1.0
    rounded = whole - 1.0
    near = rounded.equals(0.0)
    return x.graph.where(near, x, whole.log() * (x / x.graph.where(near, 1.0, rounded)))


def _expm1(x: Value) -> Value:
    """Return eˣ − 1, of small x by Kahan's method."""
    graph, whole = x.graph, x.exp()
    logarithm = whole.log()
    flat = logarithm.equals(0.0)
    small = (whole - 1.0) * (x / graph.where(flat, 1.0, logarithm))
    return graph.where(x.abs() <= 1.0, graph.where(flat, x, small), whole - 1.0)
