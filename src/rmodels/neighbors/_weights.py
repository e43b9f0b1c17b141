"""Neighbours as an estimator counts them: their weights, votes and means."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Neighbours", "Weights", "means", "pieces", "votes"]

Weights = str | Callable[[NDArray], NDArray] | None


def pieces(values: NDArray, offsets: NDArray) -> NDArray[np.object_]:
    """Return an array of arrays: values[offsets[i]:offsets[i + 1]]."""
    split = np.empty(len(offsets) - 1, dtype=object)
    for i in range(len(split)):
        split[i] = values[offsets[i] : offsets[i + 1]]
    return split


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The neighbours of some queries.

    Attributes
    ----------
    rows : ndarray of shape (n_pairs,)
        The query of each pair, ascending.
    indices : ndarray of shape (n_pairs,)
        The neighbour of each pair.
    weights : ndarray of shape (n_pairs,) or None
        None if all count alike.
    n_queries : int
    """

    rows: NDArray[np.intp]
    indices: NDArray[np.intp]
    weights: NDArray | None
    n_queries: int

    @classmethod
    def weighted(
        cls,
        weights: Weights,
        offsets: NDArray,
        distances: NDArray,
        indices: NDArray,
        shape: tuple[int, ...] | None = None,
    ) -> "Neighbours":
        """Weigh neighbours by their distances.

        Parameters
        ----------
        weights : {"uniform", "distance"}, callable or None
            With "distance", 1 / distance; of a query with neighbours at distance 0, those have
            weight 1 and the others 0. A callable gets an array of distances of `shape`, or an array
            of arrays where there is none.
        offsets : ndarray of shape (n_queries + 1,)
        distances, indices : ndarray of shape (n_pairs,)
            Query i has those from offsets[i] to offsets[i + 1] - 1.
        shape : tuple of int, optional
        """
        n_queries = len(offsets) - 1
        rows = np.repeat(np.arange(n_queries), np.diff(offsets))
        found: NDArray | None = None
        if callable(weights):
            if shape is None:
                found = np.concatenate([np.empty(0), *weights(pieces(distances, offsets))])
            else:
                found = np.ravel(weights(distances.reshape(shape)))
        elif weights == "distance":
            with np.errstate(divide="ignore", over="ignore"):
                found = 1.0 / distances
            infinite = np.isinf(found)
            touching = np.bincount(rows, infinite, minlength=n_queries) > 0
            found = np.where(touching[rows], infinite, found)
        return cls(rows, indices, found, n_queries)

    def times(self, factors: NDArray) -> "Neighbours":
        """Return the neighbours with their weights multiplied by one factor for each pair."""
        weights = factors if self.weights is None else self.weights * factors
        return Neighbours(self.rows, self.indices, weights, self.n_queries)

    def total(self) -> NDArray[np.float64]:
        """Return the summed weight of each query's neighbours."""
        return np.bincount(self.rows, self.weights, self.n_queries).astype(np.float64, copy=False)


def votes(neighbours: Neighbours, codes: NDArray[np.intp], n_classes: int) -> NDArray[np.float64]:
    """Return the summed weight of each class among each query's neighbours.

    Parameters
    ----------
    neighbours : Neighbours
    codes : ndarray of shape (n_samples,)
        Positions of the labels among the classes.
    n_classes : int

    Returns
    -------
    ndarray of shape (n_queries, n_classes)
    """
    cells = neighbours.rows * n_classes + codes[neighbours.indices]
    shape = (neighbours.n_queries, n_classes)
    sums = np.bincount(cells, neighbours.weights, shape[0] * shape[1])
    return sums.astype(np.float64, copy=False).reshape(shape)


def means(neighbours: Neighbours, targets: NDArray) -> NDArray[np.float64]:
    """Return Σ w y / Σ w over each query's neighbours, NaN where Σ w is 0.

    Parameters
    ----------
    neighbours : Neighbours
    targets : ndarray of shape (n_samples, n_targets)

    Returns
    -------
    ndarray of shape (n_queries, n_targets)
    """
    near = targets[neighbours.indices]
    if neighbours.weights is not None:
        near = near * neighbours.weights[:, np.newaxis]
    sums = [np.bincount(neighbours.rows, y, neighbours.n_queries) for y in near.T]
    total = neighbours.total()[:, np.newaxis]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total != 0, np.stack(sums, axis=1) / total, np.nan)
