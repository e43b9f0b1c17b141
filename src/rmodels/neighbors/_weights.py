"""Neighbours as an estimator counts them: their weights, votes and means."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels.data.arrays import beside, count_to, namespace, on_host

__all__ = ["Neighbours", "Weights", "means", "offsets_of", "pieces", "rows_of", "votes"]

Weights = str | Callable[[NDArray], NDArray] | None


def pieces(values: NDArray, offsets: NDArray) -> NDArray[np.object_]:
    """Return an array of arrays: values[offsets[i]:offsets[i + 1]]."""
    offsets = on_host(offsets)
    split = np.empty(len(offsets) - 1, dtype=object)
    for i in range(len(split)):
        split[i] = values[offsets[i] : offsets[i + 1]]
    return split


def offsets_of(counts: Any) -> Any:
    """Return where each query's pairs begin, from how many it has, and the number of all."""
    return namespace(counts).concatenate([count_to(1, counts), counts.cumsum(0)])


def rows_of(offsets: Any) -> Any:
    """Return the query of each pair: i from offsets[i] to offsets[i + 1] - 1."""
    rows, counts = count_to(len(offsets) - 1, offsets), offsets[1:] - offsets[:-1]
    return rows.repeat(counts) if isinstance(rows, np.ndarray) else rows.repeat_interleave(counts)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The neighbours of some queries, as ndarrays or as tensors on the GPU.

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
    def weigh(
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
        alike = cls(rows_of(offsets), indices, None, n_queries)
        if callable(weights):
            if not n_queries:  # of which a function need not know
                found = np.empty(0)
            elif shape is not None:
                found = np.ravel(weights(on_host(distances).reshape(shape)))
            else:
                given = weights(pieces(on_host(distances), offsets))
                found = np.concatenate([np.empty(0), *given])
            return alike.times(beside(found, distances))
        if weights != "distance":
            return alike
        with np.errstate(divide="ignore", over="ignore"):
            found = 1.0 / distances
        infinite = namespace(found).isinf(found)
        touching = alike.times(infinite).total() > 0
        return alike.times(namespace(found).where(touching[alike.rows], 1.0 * infinite, found))

    def times(self, factors: NDArray) -> "Neighbours":
        """Return the neighbours with their weights multiplied by one factor for each pair."""
        weights = factors if self.weights is None else self.weights * factors
        return Neighbours(self.rows, self.indices, weights, self.n_queries)

    def total(self) -> NDArray[np.float64]:
        """Return the summed weight of each query's neighbours."""
        return self.sums(self.weights)

    def sums(self, values: Any) -> Any:
        """Return the sum of one value for each pair, or of ones, over each query's neighbours.

        Each sum is taken in the order of the pairs, on the GPU as on the processor.
        """
        if isinstance(self.rows, np.ndarray):
            found = np.bincount(self.rows, values, self.n_queries)
            return found.astype(np.float64, copy=False)
        counts = self.rows.bincount(minlength=self.n_queries)
        if values is None:
            return counts.double()
        columns = values.double()[:, None]  # of vectors, the sums would be taken in another order
        return namespace(columns).segment_reduce(columns, "sum", lengths=counts, axis=0)[:, 0]


def votes(neighbours: Neighbours, codes: Any, n_classes: int) -> NDArray[np.float64]:
    """Return the summed weight of each class among each query's neighbours.

    Parameters
    ----------
    neighbours : Neighbours
    codes : ndarray of shape (n_pairs,)
        Places of the neighbours' labels among the classes.
    n_classes : int

    Returns
    -------
    ndarray of shape (n_queries, n_classes)
    """
    if not isinstance(codes, np.ndarray):
        weights = 1.0 if neighbours.weights is None else neighbours.weights
        columns = [neighbours.sums(weights * (codes == label)) for label in range(n_classes)]
        return namespace(codes).stack(columns, 1)
    cells = neighbours.rows * n_classes + codes
    shape = (neighbours.n_queries, n_classes)
    sums = np.bincount(cells, neighbours.weights, shape[0] * shape[1])
    return sums.astype(np.float64, copy=False).reshape(shape)


def means(neighbours: Neighbours, near: Any) -> NDArray[np.float64]:
    """Return Σ w y / Σ w over each query's neighbours, NaN where Σ w is 0.

    Parameters
    ----------
    neighbours : Neighbours
    near : ndarray of shape (n_pairs, n_targets)
        Targets of the neighbours.

    Returns
    -------
    ndarray of shape (n_queries, n_targets)
    """
    if neighbours.weights is not None:
        near = near * neighbours.weights[:, np.newaxis]
    sums = namespace(near).stack([neighbours.sums(y) for y in near.T], 1)
    total = neighbours.total()[:, np.newaxis]
    with np.errstate(invalid="ignore", divide="ignore"):
        return namespace(near).where(total != 0, sums / total, np.nan)
