"""What predictions of classes and of targets share: the weighted neighbours of queries."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from rmodels.config import thread_count
from rmodels.neighbors._base import KNeighborsMixin, NeighborsBase, RadiusNeighborsMixin
from rmodels.neighbors._weights import Neighbours, Weights
from rmodels.validation import point_weights

__all__ = ["KNeighborsPredictor", "Predictor", "RadiusNeighborsPredictor"]


class Predictor(NeighborsBase):
    """Predictions from weighted neighbours."""

    weights: Weights
    _sample_weight: NDArray[np.float64] | None

    def _set_point_weights(self, sample_weight: Any) -> None:
        self._sample_weight = (
            None if sample_weight is None else point_weights(sample_weight, self._fit_X)
        )

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
        distances, indices = self.kneighbors(X)
        m, k = indices.shape
        offsets = np.arange(0, m * k + 1, k)
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
            distances, indices = self._search.nearest(
                queries[pending], count, thread_count(self.n_jobs)
            )
            weights = sample_weight[indices]
            if itself:
                weights[indices == pending[:, np.newaxis]] = 0.0
            reached = np.cumsum(weights, axis=1)
            parts = np.clip(k - (reached - weights), 0.0, weights)
            done = (reached[:, -1] >= k) | (count == n)
            rows, columns = np.nonzero(parts * done[:, np.newaxis])
            found = (pending[rows], distances[rows, columns], indices[rows, columns])
            blocks.append((*found, parts[rows, columns]))
            pending = pending[~done]
            count = min(n, 2 * count)
        rows, distances, indices, parts = (
            np.concatenate(column) for column in zip(*blocks, strict=True)
        )
        order = np.argsort(rows, kind="stable")
        counts = np.bincount(rows, minlength=queries.shape[0])
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return offsets, distances[order], indices[order], parts[order]


class RadiusNeighborsPredictor(Predictor, RadiusNeighborsMixin):
    """Predictions by all within a radius."""

    def _neighbours(self, X: Any) -> Neighbours:
        offsets, distances, indices = self._within(X, None, by_distance=True)
        if self._sample_weight is None:
            return Neighbours.weighted(self.weights, offsets, distances, indices)
        counted = self._sample_weight[indices] > 0  # the others are as if they were not there
        offsets = np.concatenate([[0], np.cumsum(counted)])[offsets]
        distances, indices = distances[counted], indices[counted]
        found = Neighbours.weighted(self.weights, offsets, distances, indices)
        return found.times(self._sample_weight[indices])
