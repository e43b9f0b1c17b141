"""Neighbours in graphs of ONNX: distances to all points, and sums in the order of the pairs.

So the neighbours, votes and means are bitwise those of `rmodels.neighbors._weights`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.base.search import Indexed, Present
from rmodels.data.arrays import adopt, on_host
from rmodels.exceptions import NotCoveredError
from rmodels.neighbors._answers import Asked

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["GraphNeighbours", "means", "refuse_graphs", "votes"]


def refuse_graphs(model: Any) -> None:
    """Raise an error about a transformer to graphs of neighbours."""
    raise NotCoveredError(
        f"{type(model).__name__} makes sparse matrices, which ONNX does not have: export the "
        "estimator that takes them"
    )


@dataclass(frozen=True, eq=False)
class GraphNeighbours:
    """The neighbours of rows, by (distance, index).

    Attributes
    ----------
    distances : Value of shape (n_queries, k), float64
    places : Value of shape (n_queries, k), int64
        Among the points that `numbers` names.
    near : Value of shape (n_queries, k), bool, or None
        Which are within the radius; None if all count.
    numbers : ndarray of shape (n_present,)
        Of the points that are searched, among all.
    """

    distances: "Value"
    places: "Value"
    near: "Value | None"
    numbers: NDArray[np.int64]

    @classmethod
    def of(cls, model: Any, X: "Value", asked: Asked) -> "GraphNeighbours":
        """Return the neighbours of rows that a fitted estimator finds."""
        search, numbers = model._search, None
        if isinstance(search, Present):
            fields = search.fields()
            search, numbers = fields["search"], fields["numbers"]
        if getattr(search, "not_written", None):
            raise NotCoveredError(f"a graph has all points: {search.not_written}")
        if not isinstance(search, Indexed):
            raise NotCoveredError(
                f"metric={model.metric!r} of {'sparse' if sparse.issparse(search.X) else 'these'} "
                "points is computed by SciPy, in ways that ONNX has no operators for. Fit to an "
                "array, with the metric euclidean, manhattan, chebyshev, minkowski or cosine"
            )
        fields = search.fields()
        points = fields["X"].toarray() if sparse.issparse(fields["X"]) else fields["X"]
        if fields["metric"] == "minkowski":
            X.graph.warnings.append(
                f"ONNX has no exact root, as metric='minkowski' takes with p={fields['p']:g}: "
                "distances may differ in the last digits, and neighbours whose distances differ "
                "by no more may come in another order"
            )
        away = X.nearness(points, fields["metric"], fields["p"])
        distances, places = away.least(asked.k or len(points))
        near = None if asked.k else distances <= np.float64(asked.radius)
        found = np.arange(len(points)) if numbers is None else numbers
        return cls(distances, places, near, found)

    def weigh(self, model: Any) -> "Value":
        """Return the weights of neighbours, 0 beyond the radius: (n_queries, k)."""
        if callable(model.weights):
            raise NotCoveredError(
                f"weights={model.weights!r} is a function of Python, which ONNX cannot call: "
                "fit with 'uniform' or 'distance'"
            )
        graph, given = self.distances.graph, model._sample_weight
        weights = graph.where(self.distances.is_nan(), np.nan, np.float64(1.0))
        if model.weights == "distance":
            weights = 1.0 / self.distances
            infinite = graph.where(weights.is_infinite(), 1.0, 0.0)
            touching = infinite.max(1, keep=True) > 0.0
            weights = graph.where(touching, infinite, weights)
        if given is not None:
            weights = weights * graph.constant(given[self.numbers]).take(self.places)
        return weights if self.near is None else graph.where(self.near, weights, 0.0)

    def take(self, values: Any) -> "Value":
        """Return what is known of points, one for each neighbour: (n_queries, k, ...)."""
        known = on_host(adopt(values))[self.numbers]
        return self.distances.graph.constant(known).take(self.places)


def votes(codes: "Value", weights: "Value", n_classes: int) -> "Value":
    """Return the summed weight of each class: (n_queries, n_classes)."""
    graph, classes = weights.graph, np.arange(n_classes)

    def step(total: "Value", code: "Value", weight: "Value") -> "Value":
        mine = code.expand(1).equals(classes)
        return total + total.graph.where(mine, weight.expand(1), 0.0)

    start = graph.full(weights, n_classes, np.float64(0.0))
    found: Value = graph.scan(step, start, codes.transpose(1, 0), weights.transpose(1, 0))
    return found


def means(near: "Value", weights: "Value", n_targets: int) -> "Value":
    """Return Σ w y / Σ w, NaN where Σ w is 0: (n_queries, n_targets)."""
    graph = weights.graph

    def step(sums: "Value", total: "Value", y: "Value", weight: "Value") -> "tuple[Value, Value]":
        w = weight.expand(1)
        return sums + w * y, total + w

    start = tuple(graph.full(weights, width, np.float64(0.0)) for width in (n_targets, 1))
    targets = near.astype(np.float64).transpose(1, 0, 2)
    sums, total = graph.scan(step, start, targets, weights.transpose(1, 0))
    found: Value = sums / total
    return found
