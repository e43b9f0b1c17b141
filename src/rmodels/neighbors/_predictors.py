"""What predictions of classes and of targets share: the weighted neighbours of queries."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from rmodels.arrays import beside, counting, on_host
from rmodels.config import thread_count
from rmodels.neighbors._base import KNeighborsMixin, NeighborsBase, RadiusNeighborsMixin
from rmodels.neighbors._weights import Neighbours, Weights, offsets_of
from rmodels.partitions import is_dask
from rmodels.validation import point_weights

__all__ = ["KNeighborsPredictor", "Predictor", "RadiusNeighborsPredictor"]


class Predictor(NeighborsBase):
    """Predictions from weighted neighbours."""

    weights: Weights
    _sample_weight: NDArray[np.float64] | None

    def _fit_weighted(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Check X, y and the points' weights, and prepare the points; return y."""
        if sample_weight is not None and is_dask(X):
            raise ValueError("sample_weight needs points in memory or in a scan, not in partitions")
        target = self._fit(X, y)
        self._sample_weight = None
        if sample_weight is not None:
            self._sample_weight = _scaled(point_weights(sample_weight, self.n_samples_fit_))
        return target

    def _neighbours(self, X: Any) -> Neighbours:
        """Return the neighbours that decide about each query, and their weights."""
        raise NotImplementedError


def _scaled(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights over a power of two, so that their scale neither rounds nor overflows a sum.

    Weights that are all the same become 1.
    """
    largest = weights.max()
    if ((weights == largest) | (weights == 0)).all():
        return (weights > 0).astype(np.float64)
    found: NDArray[np.float64] = np.ldexp(weights, -np.frexp(largest)[1])
    return found


class KNeighborsPredictor(Predictor, KNeighborsMixin):
    """Predictions by the k nearest."""

    def _neighbours(self, X: Any) -> Neighbours:
        check_is_fitted(self)
        given = self._sample_weight
        if given is None or given.all():
            distances, indices = self._nearest(X, None)
        else:
            distances, indices = self._nearest_of(X, given > 0)
        m, k = indices.shape
        offsets = counting(m * k + 1, indices, k)
        distances, indices = distances.ravel(), indices.ravel()
        found = Neighbours.weighted(self.weights, offsets, distances, indices, (m, k))
        return found if given is None else found.times(beside(given, distances)[indices])

    def _nearest_of(self, X: Any, counted: NDArray[np.bool_]) -> tuple[Any, Any]:
        """Return distances and indices of the k nearest among some of the points: (n_queries, k).

        Parameters
        ----------
        X
            Queries; None for the points, each without itself.
        counted : ndarray of shape (n_samples_fit,)
            Which points there are.
        """
        k = self._check_n_neighbors(None)
        queries = self._queries(X)
        itself = queries is None
        number = int(counted.sum())
        if k > number - itself:
            raise ValueError(
                f"Expected n_neighbors {'<' if itself else '<='} the number of points whose weight "
                f"is not 0, but n_neighbors = {k}, and there are {number}"
            )
        if itself:
            queries = self._fit_X
        n, m = self.n_samples_fit_, queries.shape[0]
        found = np.empty((m, k)), np.empty((m, k), np.int64)
        pending = np.arange(m)
        searched = min(n, (k + itself) * n // number + 1)
        while len(pending):
            near = self._search.nearest(queries[pending], searched, thread_count(self.n_jobs))
            distances, indices = map(on_host, near)
            kept = counted[indices]
            if itself:
                kept &= indices != pending[:, np.newaxis]
            done = kept.sum(axis=1) >= k
            places = np.argsort(~kept[done], axis=1, kind="stable")[:, :k]
            for into, each in zip(found, (distances, indices), strict=True):
                into[pending[done]] = np.take_along_axis(each[done], places, axis=1)
            pending = pending[~done]
            searched = min(n, 2 * searched)
        return beside(found[0], queries), beside(found[1], queries)


class RadiusNeighborsPredictor(Predictor, RadiusNeighborsMixin):
    """Predictions by all within a radius."""

    def _neighbours(self, X: Any) -> Neighbours:
        offsets, distances, indices = self._within(X, None, by_distance=True)
        if self._sample_weight is None:
            return Neighbours.weighted(self.weights, offsets, distances, indices)
        parts = beside(self._sample_weight, distances)[indices]
        counted = parts > 0  # the others are as if they were not there
        offsets = offsets_of(counted)[offsets]
        distances, indices = distances[counted], indices[counted]
        found = Neighbours.weighted(self.weights, offsets, distances, indices)
        return found.times(parts[counted])
