"""What predictions of classes and of targets share: the weighted neighbours of queries."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rmodels.base.search import Present
from rmodels.base.tasks import Predictor
from rmodels.data import Need, Rows, Source
from rmodels.data.arrays import beside, count_to, on_host
from rmodels.neighbors._answers import Answer, Asked, PartedSearch
from rmodels.neighbors._base import KNeighborsMixin, NeighborsBase, RadiusNeighborsMixin
from rmodels.neighbors._weights import Neighbours, Weights

__all__ = ["KNeighborsPredictor", "NeighborsPredictor", "RadiusNeighborsPredictor"]


def _scale(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights over a power of two, so that their scale neither rounds nor overflows a sum.

    Weights that are all the same become 1.
    """
    largest = weights.max()
    if ((weights == largest) | (weights == 0)).all():
        return (weights > 0).astype(np.float64)
    found: NDArray[np.float64] = np.ldexp(weights, -np.frexp(largest)[1])
    return found


class NeighborsPredictor(Predictor, NeighborsBase):
    """Predictions from weighted neighbours."""

    _attributes: ClassVar = {"_y": np.ndarray, "_sample_weight": np.ndarray | None}

    weights: Weights
    _y: Any
    _sample_weight: NDArray[np.float64] | None

    def _is_consistent(self) -> bool:
        return super()._is_consistent() and len(self._y) == self.n_samples_fit_

    def _need(self) -> Need:
        """Return what points and queries have to be."""
        return NeighborsBase._need(self)

    def _fit_weighted(self, X: Any, y: Any, sample_weight: Any) -> Source:
        """Check X, y and the points' weights, and prepare the points; return them."""
        source = self._fit(X, y, sample_weight)
        self._sample_weight = None
        if isinstance(source, Rows):
            self._y = source.Y[:, 0] if source.one_target else source.Y
            if source.weights is not None:
                self._sample_weight = _scale(on_host(source.weights).astype(np.float64))
                self._leave_out_absent(source.X)
            return source
        shape = (0,) if source.one_target else (0, source.n_targets)
        self._y = np.empty(shape, source.target_dtype)
        if source.has_weights:
            self._sample_weight = np.empty(0)
        return source

    def _leave_out_absent(self, X: Any) -> None:
        """Have only points of positive weight searched."""
        assert self._sample_weight is not None
        if self._sample_weight.all():
            return
        numbers = np.flatnonzero(self._sample_weight)
        present = X[beside(numbers, X)]
        if self.metric == "precomputed":
            raise ValueError(
                "sample_weight is 0 for some points, and metric='precomputed' has their distances: "
                "leave their rows and columns out"
            )
        self._search = Present(X, numbers, self._new_search(present))

    @property
    def _others(self) -> list[NDArray]:
        """What is found with each neighbour of points that are not in memory, of no rows."""
        if not isinstance(self._search, PartedSearch):
            return []
        weights = [] if self._sample_weight is None else [self._sample_weight]
        return [self._y.reshape(0, self._width()), *weights]

    def _count_searched(self) -> int:
        """Return how many points of positive weight there are."""
        if self._sample_weight is None:
            return self.n_samples_fit_
        if isinstance(self._search, PartedSearch):
            return self._search.count
        return int(np.count_nonzero(self._sample_weight))

    def _width(self) -> int:
        return 1 if self._y.ndim == 1 else int(self._y.shape[1])

    def _ask(self, X: Any) -> Asked:
        """Return which neighbours decide about queries."""
        raise NotImplementedError

    def _prediction(self) -> Callable[[Rows], Any]:
        """Return what predicts rows of queries."""
        return Answer(self, self._ask(()), "_decide", {})

    def _decide(self, found: Any, queries: Any) -> Any:
        """Return the predictions of queries whose neighbours are found."""
        raise NotImplementedError

    def _weigh(self, found: Any) -> tuple[Neighbours, Any]:
        """Return neighbours with their weights, and their targets: (n_pairs, n_targets)."""
        if found[0].ndim == 2:
            distances, indices, *others = found
            m, k = indices.shape
            offsets = count_to(m * k + 1, indices, k) if k else count_to(1, indices)
            shape: tuple[int, int] | None = (m, k)
            distances, indices = distances.ravel(), indices.ravel()
            others = [each.reshape(m * k, *each.shape[2:]) for each in others]
        else:
            offsets, distances, indices, *others = found
            shape = None
        if others:
            near, *parts = others
        else:
            Y = self._y[:, None] if self._y.ndim == 1 else self._y
            near, parts = beside(Y, indices)[indices], []
            if self._sample_weight is not None:
                parts = [beside(self._sample_weight, distances)[indices]]
        neighbours = Neighbours.weigh(self.weights, offsets, distances, indices, shape)
        return neighbours.times(parts[0]) if parts else neighbours, near


class KNeighborsPredictor(NeighborsPredictor, KNeighborsMixin):
    """Predictions by the k nearest."""

    def _ask(self, X: Any) -> Asked:
        return self._ask_nearest(X)


class RadiusNeighborsPredictor(NeighborsPredictor, RadiusNeighborsMixin):
    """Predictions by all within a radius."""

    def _ask(self, X: Any) -> Asked:
        return self._ask_within(X)
