"""Searches by the distances of blocks of queries to all points, which NumPy and SciPy compute."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.base import metrics
from rmodels.base.metrics import Metric
from rmodels.base.spanning import span_graph
from rmodels.config import get_config
from rmodels.ops import nearest as ops
from rmodels.ops.connect.lists import connect_lists
from rmodels.ops.span import grow

__all__ = ["Blockwise", "Precomputed", "SparseRows", "join_blocks", "row_blocks"]

Distances = NDArray[np.float64]
Indices = NDArray[np.int64]
Components = tuple[NDArray[np.bool_], Indices]
Tree = tuple[Indices, Distances, Distances]

_EPS = float(np.finfo(np.float64).eps)
_WHOLE = 32  # bytes a pair that it takes to measure all


class Blockwise:
    """Searches by the distances of blocks of queries to all points.

    A subclass whose blocks hold bounds, not distances, overrides `_bounds`, `_exact`, `_score` and
    `_least`.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    metric, parameters
        As `metrics.choose_metric` returns them.
    """

    algorithm = "brute"
    engine = "scipy"
    remote = False
    _itself = True  # a point is its own neighbour, whatever the rounding of its distance

    def __init__(self, X: Any, metric: Metric, parameters: dict[str, Any]) -> None:
        self.X = _short(X) if sparse.issparse(X) else metrics.truths(X, metric)
        self._points = self.X
        self._metric, self._parameters = metric, parameters
        self._distances = metrics.distances(metric, parameters)

    def fields(self) -> dict[str, Any]:
        """Return what the class takes."""
        return {"X": self.X, "metric": self._metric, "parameters": self._parameters}

    def _prepare(self, Q: Any) -> Any:
        """Return queries in the form of the points."""
        if sparse.issparse(self.X):
            return _short(sparse.csr_matrix(Q))
        return metrics.truths(Q, self._metric)

    def _bounds(self, Q: Any) -> tuple[Distances, Distances]:
        """Return lower and upper bounds of scores, which grow with the distance.

        Each is of shape (queries, points).
        """
        mixed = sparse.issparse(Q) and not sparse.issparse(self.X)
        found = self._distances(Q.toarray() if mixed else Q, self.X)
        return found, found

    def _exact(self, Q: Any, rows: NDArray, columns: NDArray, low: Distances) -> Distances:
        """Return the distances of some pairs of a block."""
        return low[rows, columns]

    def _score(self, radius: float) -> float:
        """Return an upper bound of the score at a distance."""
        return radius

    def _find(
        self, Q: Any, limit: Callable[[Distances], Any], radius: float | None
    ) -> Iterator[tuple[Indices, Distances, Indices]]:
        """Yield the neighbours of a block of queries: pairs whose lower bound is within a limit.

        Parameters
        ----------
        Q : ndarray or CSR matrix
        limit : callable
            Gets the upper bounds.
        radius : float or None
            Largest distance.
        """
        Q = self._prepare(Q)
        for rows in row_blocks(Q.shape[0], 6 * self.X.shape[0]):
            low, high = self._bounds(Q[rows])
            queries, points = np.nonzero(~(low > limit(high)))
            exact = self._exact(Q[rows], queries, points, low)
            if radius is not None:
                within = exact <= radius
                queries, points, exact = queries[within], points[within], exact[within]
            yield _sort(queries, exact.astype(np.float64, copy=False), points, len(low))

    def nearest(self, Q: Any, k: int, n_threads: int) -> tuple[Distances, Indices]:
        """Return the k nearest points of each query."""
        if Q is None:
            return ops.nearest_without_itself(*self.nearest(self.X, k + 1, n_threads))

        def kth(high: Distances) -> Distances:
            return np.partition(high, k - 1, axis=1)[:, k - 1 : k]

        found = [_first(block, k) for block in self._find(Q, kth, None)]
        return np.concatenate([d for d, _ in found]), np.concatenate([i for _, i in found])

    def within(self, Q: Any, radius: float, n_threads: int) -> tuple[Indices, Distances, Indices]:
        """Return all points within a radius of each query."""
        if Q is None:
            return ops.all_without_itself(*self.within(self.X, radius, n_threads))
        return join_blocks(self._find(Q, lambda high: self._score(radius), radius))

    def _lists(self, rows: Indices, radius: float) -> Iterator[tuple[Indices, Indices]]:
        """Yield the neighbours of some of the points: offsets and indices of a few at a time."""
        for offsets, _, indices in self._find(self.X[rows], lambda _: self._score(radius), radius):
            yield offsets, indices

    def connect(
        self, radius: float, min_weight: float, weights: NDArray | None, n_threads: int
    ) -> Components:
        """Return which points are core, and the components that they are in."""

        def lists(rows: Indices) -> Iterator[tuple[Indices, Indices]]:
            return self._lists(rows, radius)

        return connect_lists(self.X.shape[0], lists, min_weight, weights, itself=self._itself)

    def _least(self, score: Distances) -> Distances:
        """Return lower bounds of distances of scores."""
        return score

    def _core(self, k: int) -> Distances:
        """Return the distance of each point's k-th nearest, itself counted at distance 0."""
        n = self.X.shape[0]
        core = np.zeros(n)
        for rows in row_blocks(n if k > 1 else 0, 6 * n):
            distances, indices = self.nearest(self.X[rows], k, 1)
            itself = np.arange(n)[rows, np.newaxis] == indices
            before = itself[:, -1] | ~itself.any(
                axis=1
            )  # the k-th listed is itself, or comes later
            core[rows] = np.where(before, distances[:, -2], distances[:, -1])
        return core

    def measure(self, row: int) -> tuple[Distances, Callable[[Indices], Distances]]:
        """Return lower bounds of a point's distances from all, and what gives those from some."""
        Q = self._prepare(self.X[row : row + 1])
        low, _ = self._bounds(Q)

        def exact(others: Indices) -> Distances:
            return self._exact(Q, np.zeros(len(others), dtype=np.int64), others, low)

        return self._least(low[0]), exact

    def _measure_all(self) -> Distances | None:
        """Return the distances of all points from all, if they fit in the memory limit."""
        n = self.X.shape[0]
        if _WHOLE * n * n > get_config()["memory_limit"]:
            return None
        whole = np.array(self._distances(self.X, self.X), dtype=np.float64)
        np.fill_diagonal(whole, 0.0)
        return whole

    def span(self, k: int, alpha: float, n_threads: int) -> Tree:
        """Return the minimum spanning tree and the core distances."""
        whole = self._measure_all()
        if whole is None:
            core = self._core(k)
            return *grow(self.measure, core, alpha), core
        core = np.empty(len(whole))
        for rows in row_blocks(len(whole), len(whole)):
            core[rows] = np.partition(whole[rows], k - 1, axis=1)[:, k - 1]
        ends, weights = grow(lambda row: (whole[row], whole[row].__getitem__), core, alpha)
        return ends, weights, core


class SparseRows(Blockwise):
    """Searches by Euclidean and cosine distances of rows of CSR matrices.

    A product of matrices bounds the distances: the score is ‖x‖² − 2 q·x + ‖q‖², whose rounding is
    at most (2 f + 4) 2⁻⁵² (‖x‖² + ‖q‖²) for rows of at most f entries. For the pairs that it
    leaves, the distance is √Σ (x − q)², summed in the order of the features; cosine: ½ Σ (x̂ − q̂)²
    with the rows divided by their norms, 1 from a row of zeros.

    Parameters
    ----------
    X : CSR matrix of shape (n_samples, n_features)
    cosine : bool
    """

    def __init__(self, X: Any, cosine: bool) -> None:
        self._cosine = cosine
        self.X = X
        self._points = self._prepare(X)
        self._squares = _squares(self._points)

    def fields(self) -> dict[str, Any]:
        """Return what the class takes."""
        return {"X": self.X, "cosine": self._cosine}

    def _prepare(self, Q: Any) -> Any:
        Q = sparse.csr_array(Q, dtype=np.float64, copy=True)
        Q.sum_duplicates()
        if self._cosine:
            Q = _divide(Q, abs(Q).max(axis=1).toarray().ravel())
            Q = _divide(Q, np.sqrt(_squares(Q)))
        return Q

    def _bounds(self, Q: Any) -> tuple[Distances, Distances]:
        squares = _squares(Q)[:, np.newaxis]
        size = squares + self._squares
        score = size - 2.0 * (Q @ self._points.T).toarray()
        entries = max(np.diff(A.indptr).max(initial=0) for A in (Q, self._points))
        error = (2.0 * entries + 4.0) * _EPS * size
        if self._cosine:
            zero = (squares == 0) | (self._squares == 0)
            score[zero], error[zero] = 2.0, 0.0
        return score - error, score + error

    def _exact(self, Q: Any, rows: NDArray, columns: NDArray, low: Distances) -> Distances:
        squares = np.empty(len(rows))
        for pairs in row_blocks(len(rows), 8 * (1 + self._points.nnz // self.X.shape[0])):
            squares[pairs] = _squares(Q[rows[pairs]] - self._points[columns[pairs]])
        if not self._cosine:
            return np.sqrt(squares)
        zero = (_squares(Q)[rows] == 0) | (self._squares[columns] == 0)
        return np.where(zero, 1.0, 0.5 * squares)

    def _score(self, radius: float) -> float:
        return 2.0 * radius if self._cosine else radius * radius * (1 + 4 * _EPS)

    def _measure_all(self) -> None:
        return None  # which would be bounds

    def _least(self, score: Distances) -> Distances:
        positive = np.maximum(score, 0.0)
        return (0.5 * positive if self._cosine else np.sqrt(positive)) * (1 - 4 * _EPS)


class Precomputed(Blockwise):
    """Searches distances that the user computed.

    Of a sparse matrix, only the entries are neighbours.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_samples)
    """

    _itself = False  # unless its distance says so

    def __init__(self, X: Any) -> None:
        self.X = self._points = X

    def fields(self) -> dict[str, Any]:
        """Return what the class takes."""
        return {"X": self.X}

    def _prepare(self, Q: Any) -> Any:
        return Q

    def _bounds(self, Q: Any) -> tuple[Distances, Distances]:
        # float32 is compared with a radius as it is; sums and squares of integers would wrap around
        found = Q if Q.dtype == np.float32 else Q.astype(np.float64, copy=False)
        return found, found

    def nearest(self, Q: Any, k: int, n_threads: int) -> tuple[Distances, Indices]:
        """Return the k nearest points of each query."""
        if not sparse.issparse(Q):
            return super().nearest(Q, k, n_threads)
        fewest = int(np.diff(Q.indptr).min())
        if fewest < k:
            raise ValueError(
                f"{k} neighbors per samples are required, but some samples have only {fewest} "
                "neighbors in precomputed graph matrix. Decrease number of neighbors used or "
                "recompute the graph with more neighbors."
            )
        return _first(_edges(Q), k)

    def within(self, Q: Any, radius: float, n_threads: int) -> tuple[Indices, Distances, Indices]:
        """Return all points within a radius of each query."""
        if not sparse.issparse(Q):
            return super().within(Q, radius, n_threads)
        offsets, distances, indices = _edges(Q)
        rows = np.repeat(np.arange(Q.shape[0]), np.diff(offsets))
        near = distances <= radius
        return _sort(rows[near], distances[near], indices[near], Q.shape[0])

    def _lists(self, rows: Indices, radius: float) -> Iterator[tuple[Indices, Indices]]:
        if not sparse.issparse(self.X):
            yield from super()._lists(rows, radius)
            return
        offsets, _, indices = self.within(self.X[rows], radius, 1)
        yield offsets, indices

    def _measure_all(self) -> Any:
        return self.X

    def span(self, k: int, alpha: float, n_threads: int) -> Tree:
        """Return the minimum spanning tree and the core distances."""
        if sparse.issparse(self.X):
            return span_graph(self.X, k, alpha)
        return super().span(k, alpha, n_threads)


def row_blocks(n_rows: int, columns: int) -> Iterator[slice]:
    """Yield slices of rows whose float64 block of so many columns keeps the memory limit."""
    step = max(1, get_config()["memory_limit"] // (8 * max(1, columns)))
    for first in range(0, n_rows, step):
        yield slice(first, min(first + step, n_rows))


def _sort(
    rows: NDArray, distances: Distances, columns: NDArray, n_rows: int
) -> tuple[Indices, Distances, Indices]:
    """Return offsets, distances and indices of pairs in the order of (row, distance, column)."""
    order = np.lexsort((columns, distances, rows))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))])
    return offsets, distances[order], columns[order].astype(np.int64, copy=False)


def _edges(graph: Any) -> tuple[Indices, Distances, Indices]:
    """Return the entries of a CSR matrix as sorted neighbours."""
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    return _sort(rows, graph.data.astype(np.float64), graph.indices, graph.shape[0])


def _first(neighbours: tuple[Indices, Distances, Indices], k: int) -> tuple[Distances, Indices]:
    """Return the first k neighbours of each query: (queries, k)."""
    offsets, distances, indices = neighbours
    places = offsets[:-1, np.newaxis] + np.arange(k)
    return distances[places], indices[places]


def join_blocks(
    found: Iterable[tuple[Indices, Distances, Indices]],
) -> tuple[Indices, Distances, Indices]:
    """Return the neighbours of blocks of queries, one after the other."""
    blocks = list(found)
    counts = np.concatenate([[0], *(np.diff(offsets) for offsets, _, _ in blocks)])
    return (
        np.cumsum(counts),
        np.concatenate([np.empty(0), *(distances for _, distances, _ in blocks)]),
        np.concatenate([np.empty(0, np.int64), *(indices for _, _, indices in blocks)]),
    )


def _short(A: Any) -> Any:
    """Return a CSR matrix with 32-bit indices, which some distances need, if they are enough."""
    if A.indices.dtype == np.int32 or max(*A.shape, A.nnz) > np.iinfo(np.int32).max:
        return A
    indices, indptr = A.indices.astype(np.int32), A.indptr.astype(np.int32)
    return sparse.csr_matrix((A.data, indices, indptr), shape=A.shape)


def _squares(A: Any) -> Distances:
    """Return Σ a² of each row of a CSR matrix, in the order of the features."""
    squared = A.copy()
    squared.data *= squared.data
    sums: Distances = squared @ np.ones(A.shape[1])
    return sums


def _divide(A: Any, divisors: Distances) -> Any:
    """Return a CSR matrix with each row divided by a number, unless that is 0."""
    A.data /= np.repeat(np.where(divisors > 0, divisors, 1.0), np.diff(A.indptr))
    return A
