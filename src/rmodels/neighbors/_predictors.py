"""What predictions of classes and of targets share: the weighted neighbours of queries."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from rmodels.config import thread_count
from rmodels.data.arrays import beside, counting, on_host
from rmodels.data.checks import point_weights
from rmodels.data.dask import is_dask
from rmodels.neighbors._base import KNeighborsMixin, NeighborsBase, RadiusNeighborsMixin
from rmodels.neighbors._weights import Neighbours, Weights, offsets_of

__all__ = ["KNeighborsPredictor", "Predictor", "RadiusNeighborsPredictor"]


class Predictor(NeighborsBase):
    """Predictions from weighted neighbours."""

    _attributes: ClassVar = {"_y": np.ndarray, "_sample_weight": np.ndarray | None}

    weights: Weights
    _sample_weight: NDArray[np.float64] | None
    _y: Any

    def _is_consistent(self) -> bool:
        return super()._is_consistent() and len(self._y) == self.n_samples_fit_

    def _fit_weighted(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Check X, y and the points' weights, and prepare the points; return y."""
        if sample_weight is not None and is_dask(X):
            raise ValueError("sample_weight needs points in memory or in a scan, not in partitions")
        target = self._fit(X, y)
        self._sample_weight = (
            None if sample_weight is None else point_weights(sample_weight, self.n_samples_fit_)
        )
        return target

    def _neighbours(self, X: Any) -> Neighbours:
        """Return the neighbours that decide about each query, and their weights."""
        raise NotImplementedError


class KNeighborsPredictor(Predictor, KNeighborsMixin):
    """Predictions by the k nearest."""

    def _neighbours(self, X: Any) -> Neighbours:
        check_is_fitted(self)
        if self._sample_weight is not None:
            offsets, distances, indices, parts = self._nearest_by_weight(X, self._sample_weight)
            # a callable gets rows of k distances, as many as there are where weights are 1
            return Neighbours.weighted(self.weights, offsets, distances, indices).times(parts)
        distances, indices = self._nearest(X, None)
        m, k = indices.shape
        offsets = counting(m * k + 1, indices, k)
        return Neighbours.weighted(
            self.weights, offsets, distances.ravel(), indices.ravel(), (m, k)
        )

    def _nearest_by_weight(
        self, X: Any, sample_weight: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
        """Return the nearest points whose weights sum to k.

        Returns
        -------
        offsets : ndarray of shape (n_queries + 1,)
        distances, indices, parts : ndarray of shape (offsets[-1],)
            Query i has those from offsets[i] to offsets[i + 1] - 1; parts are what counts of the
            points' weights.
        """
        k = self._check_n_neighbors(None)
        queries = self._queries(X)
        itself = queries is None
        least = sample_weight.sum() - (sample_weight.max() if itself else 0.0)
        if least < k * (1 - 1e-12):
            raise ValueError(
                f"Expected n_neighbors <= the sum of sample_weight, but n_neighbors = {k} and the "
                f"weights of the points that a query may have sum to {least}"
            )
        if itself:
            queries = self._fit_X
        n = self.n_samples_fit_
        pending = np.arange(queries.shape[0])
        blocks = []
        count = min(n, k + itself)
        while len(pending):
            found = self._search.nearest(queries[pending], count, thread_count(self.n_jobs))
            distances, indices = map(on_host, found)
            weights = sample_weight[indices]
            if itself:
                weights[indices == pending[:, np.newaxis]] = 0.0
            reached = np.cumsum(weights, axis=1)
            parts = np.clip(k - (reached - weights), 0.0, weights)
            done = (reached[:, -1] >= k) | (count == n)
            rows, columns = np.nonzero(parts * done[:, np.newaxis])
            pairs = (pending[rows], distances[rows, columns], indices[rows, columns])
            blocks.append((*pairs, parts[rows, columns]))
            pending = pending[~done]
            count = min(n, 2 * count)
        rows, distances, indices, parts = (
            np.concatenate(column) for column in zip(*blocks, strict=True)
        )
        order = np.argsort(rows, kind="stable")
        counts = np.bincount(rows, minlength=queries.shape[0])
        offsets = np.concatenate([[0], np.cumsum(counts)])
        ordered = offsets, distances[order], indices[order], parts[order]
        return tuple(beside(part, queries) for part in ordered)


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
