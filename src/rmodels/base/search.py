"""Searches for neighbours, and the one place that decides which search serves an estimator.

`Indexed` hands the metrics of the operation `nearest` to its engines. All other metrics, sparse
points and precomputed distances are searched by blocks of queries whose distances NumPy and SciPy
compute: engine "scipy". Every search finds all neighbours, in the order of (distance, index).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.base import metrics
from rmodels.base.metrics import Metric
from rmodels.base.warnings import warn
from rmodels.config import get_config
from rmodels.data.arrays import beside, on_gpu, on_host
from rmodels.exceptions import NotCoveredError
from rmodels.ops import choose
from rmodels.ops import nearest as ops
from rmodels.ops.connect import connect
from rmodels.ops.connect.lists import connect_lists

__all__ = [
    "Blockwise",
    "Indexed",
    "Precomputed",
    "Present",
    "Search",
    "SparseRows",
    "new_search",
    "search",
]

Distances = NDArray[np.float64]
Indices = NDArray[np.int64]

_EPS = float(np.finfo(np.float64).eps)
_SPARSEST = 0.1  # share of entries above which sparse points are searched as an array


Components = tuple[NDArray[np.bool_], Indices]


class Search(Protocol):
    """Points, ready to be searched.

    Attributes
    ----------
    X : ndarray or CSR matrix
        The points; with precomputed distances, those between them.
    algorithm : {"brute", "tree"}
        What the search of many queries does.
    engine : {"reference", "native", "gpu", "scipy"}
    remote : bool
        Whether the points are on a cluster.
    """

    engine: str
    remote: bool

    @property
    def algorithm(self) -> str:
        """What the search of many queries does."""

    @property
    def X(self) -> Any:
        """The points."""

    def nearest(self, Q: Any, k: int, n_threads: int) -> tuple[Distances, Indices]:
        """Return what `rmodels.ops.nearest.nearest` returns; Q may be a CSR matrix, or None."""

    def within(self, Q: Any, radius: float, n_threads: int) -> tuple[Indices, Distances, Indices]:
        """Return what `rmodels.ops.nearest.within` returns; Q may be a CSR matrix, or None."""


def new_search(
    X: Any,
    metric: Metric,
    algorithm: str,
    effective: Metric,
    parameters: dict[str, Any],
    n_threads: int,
) -> "Indexed | Blockwise":
    """Prepare points for searching as an estimator's parameters say, with scikit-learn's warnings.

    Parameters
    ----------
    X : ndarray or CSR matrix
        As of `search`.
    metric, algorithm
        As of an estimator.
    effective, parameters
        As `metrics.choose_metric` returns them.
    n_threads : int
    """
    chosen = metrics.ALGORITHMS[algorithm]
    if sparse.issparse(X) and metric != "precomputed":
        metrics.check_sparse(effective, algorithm)
    elif effective == "minkowski" and parameters["p"] < 1:
        if chosen == "tree":
            raise ValueError(
                f'algorithm="{algorithm}" does not support 0 < p < 1 for the Minkowski '
                'metric. To resolve this problem either set p >= 1 or algorithm="brute".'
            )
        chosen = "brute"
        warn(
            "Mind that for 0 < p < 1, Minkowski metrics are not distance metrics. Continuing "
            "the execution with `algorithm='brute'`.",
        )
    return search(X, effective, parameters, chosen, n_threads)


def search(
    X: Any, metric: Metric, parameters: dict[str, Any], algorithm: str, n_threads: int
) -> "Indexed | Blockwise":
    """Prepare points for searching.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        "precomputed": distances of shape (n_samples, n_samples).
    metric, parameters
        As `metrics.choose_metric` returns them.
    algorithm : {"auto", "brute", "tree"}
    n_threads : int

    Raises
    ------
    NotCoveredError
        If the setting `engine` is "native" or "gpu", and that engine does not have the metric.
    """
    indexed = metrics.INDEXED.get(metric) if isinstance(metric, str) else None
    if indexed is not None and parameters.get("w") is None and _as_array(X):
        unknown = parameters.keys() - {"p", "w"}
        if unknown:
            raise ValueError(f"metric={metric!r} takes no parameter {', '.join(sorted(unknown))}")
        p = float(parameters.get("p", 2.0))
        points = X.toarray() if sparse.issparse(X) else X
        index = ops.index(points, indexed, p, algorithm=algorithm, n_threads=n_threads)
        return Indexed(X, index, n_threads)
    engine = get_config()["engine"]
    if on_gpu(X):
        engine = "gpu"
    if engine not in ("auto", "reference"):
        raise NotCoveredError(
            f"engine={engine!r} cannot run: it searches points that fit in memory_limit as an "
            f"array, by the metrics {', '.join(metrics.INDEXED)} without weights, and not "
            f"{X.shape[0]} x {X.shape[1]} points by metric={metric!r}; SciPy computes these "
            "distances with engine='auto' for data on the processor"
        )
    if metric == "precomputed":
        return Precomputed(X)
    if sparse.issparse(X) and metric in ("cosine", "euclidean", "l2"):
        return SparseRows(X, cosine=metric == "cosine")
    return Blockwise(X, metric, parameters)


def _as_array(X: Any) -> bool:
    """Return whether points are searched as an array: always, or if they are sparse but pay."""
    if not sparse.issparse(X):
        return True
    config = get_config()
    size = X.shape[0] * X.shape[1]
    if config["engine"] == "reference" or 8 * size > config["memory_limit"]:
        return False
    return config["engine"] != "auto" or _SPARSEST * size <= X.nnz


class Indexed:
    """Searches by the operation `nearest`.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    index : rmodels.ops.nearest.Index
        Of X as an array. Unless it is on the GPU, queries from there are copied to the processor.
    n_threads : int, default=None
        For what is built before there are queries.
    """

    remote = False

    def __init__(self, X: Any, index: ops.Index, n_threads: int | None = None) -> None:
        self.X = X
        self._index = index
        self._n_threads = n_threads
        self.engine = index.engine

    @property
    def algorithm(self) -> str:
        """What the search of many queries does, decided now if it was not before."""
        return ops.decide(self._index, n_threads=self._n_threads)

    def fields(self) -> dict[str, Any]:
        """Return what `from_fields` takes; tensors as arrays, which any engine searches."""
        X, index = self.X, self._index
        found = {"metric": index.metric, "p": index.p, "algorithm": index.algorithm}
        if sparse.issparse(X) or isinstance(X, np.ndarray):
            return {"X": X, **found, "engine": index.engine}
        X = on_host(X)
        return {"X": X.astype(np.result_type(X, np.float32)), **found, "engine": "auto"}

    @classmethod
    def from_fields(cls, X: Any, metric: str, p: float, algorithm: str, engine: str) -> "Indexed":
        """Return a search like the one with these fields; its engine builds the rest when needed.

        Raises
        ------
        ValueError
            If no search has them.
        """
        points = X.toarray() if sparse.issparse(X) else X
        sound = (
            points.ndim == 2
            and len(points)
            and points.dtype in (np.float32, np.float64)
            and points.flags.c_contiguous
            and np.isfinite(points).all()
            and metric in ops.METRICS
            and p > 0
            and algorithm in ("auto", "brute", "tree")
            and isinstance(engine, str)
        )
        if not sound:
            raise ValueError("the points to search, or how to search them, are not valid")
        engine = choose("nearest", "auto") if engine == "auto" else engine
        return cls(X, ops.Index(points, metric, p, algorithm, engine))

    def nearest(self, Q: Any, k: int, n_threads: int) -> tuple[Distances, Indices]:
        """Return the k nearest points of each query."""
        Q = Q if self.engine == "gpu" else on_host(Q)
        if not sparse.issparse(Q):
            return ops.nearest(self._index, Q, k, n_threads=n_threads)
        found = [
            ops.nearest(self._index, Q[rows].toarray(), k, n_threads=n_threads)
            for rows in _blocks(Q.shape[0], Q.shape[1])
        ]
        return np.concatenate([d for d, _ in found]), np.concatenate([i for _, i in found])

    def within(self, Q: Any, radius: float, n_threads: int) -> tuple[Indices, Distances, Indices]:
        """Return all points within a radius of each query."""
        Q = Q if self.engine == "gpu" else on_host(Q)
        if not sparse.issparse(Q):
            return ops.within(self._index, Q, radius, n_threads=n_threads)
        return _join(
            ops.within(self._index, Q[rows].toarray(), radius, n_threads=n_threads)
            for rows in _blocks(Q.shape[0], Q.shape[1])
        )

    def connect(
        self, radius: float, min_weight: float, weights: NDArray | None, n_threads: int
    ) -> Components:
        """Return which points are core, and the components that they are in."""
        return connect(self._index, radius, min_weight, weights, n_threads=n_threads)


class Present:
    """Searches some of the points: those whose weight is not 0.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        All points; their rows are the numbers of what is found.
    numbers : ndarray of shape (n_present,)
        Rows of the points to search, ascending.
    search : Search
        Of those.
    """

    remote = False

    def __init__(self, X: Any, numbers: Indices, search: Search) -> None:
        self.X = X
        self._numbers, self._search = numbers, search
        self.engine = search.engine

    @property
    def algorithm(self) -> str:
        """What the search of many queries does."""
        return self._search.algorithm

    def fields(self) -> dict[str, Any]:
        """Return what the class takes."""
        return {"X": self.X, "numbers": self._numbers, "search": self._search}

    def _absent(self) -> Indices:
        return np.delete(np.arange(self.X.shape[0]), self._numbers)

    def nearest(self, Q: Any, k: int, n_threads: int) -> tuple[Distances, Indices]:
        """Return the k nearest points of each query."""
        if Q is not None:
            distances, indices = self._search.nearest(Q, k, n_threads)
            return distances, beside(self._numbers, indices)[indices]
        absent = self._absent()
        mine = tuple(map(on_host, self._search.nearest(None, k, n_threads)))
        others = tuple(map(on_host, self.nearest(self.X[absent], k, n_threads)))
        order = np.argsort(np.concatenate([self._numbers, absent]))
        distances = np.concatenate([mine[0], others[0]])[order]
        return distances, np.concatenate([self._numbers[mine[1]], others[1]])[order]

    def within(self, Q: Any, radius: float, n_threads: int) -> tuple[Indices, Distances, Indices]:
        """Return all points within a radius of each query."""
        if Q is not None:
            offsets, distances, indices = self._search.within(Q, radius, n_threads)
            return offsets, distances, beside(self._numbers, indices)[indices]
        absent = self._absent()
        mine = tuple(map(on_host, self._search.within(None, radius, n_threads)))
        others = tuple(map(on_host, self.within(self.X[absent], radius, n_threads)))
        _, distances, indices = _join([(*mine[:2], self._numbers[mine[2]]), others])
        numbers = np.concatenate([self._numbers, absent])
        counts = np.concatenate([np.diff(mine[0]), np.diff(others[0])])
        rows = np.repeat(numbers, counts)
        order = np.argsort(rows, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(counts[np.argsort(numbers)])])
        return offsets, distances[order], indices[order]


class Blockwise:
    """Searches by the distances of blocks of queries to all points.

    A subclass whose blocks hold bounds, not distances, overrides `_bounds`, `_exact` and `_score`.

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
        for rows in _blocks(Q.shape[0], 6 * self.X.shape[0]):
            low, high = self._bounds(Q[rows])
            queries, points = np.nonzero(~(low > limit(high)))
            exact = self._exact(Q[rows], queries, points, low)
            if radius is not None:
                within = exact <= radius
                queries, points, exact = queries[within], points[within], exact[within]
            yield _sort(queries, exact, points, len(low))

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
        return _join(self._find(Q, lambda high: self._score(radius), radius))

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
        for pairs in _blocks(len(rows), 8 * (1 + self._points.nnz // self.X.shape[0])):
            squares[pairs] = _squares(Q[rows[pairs]] - self._points[columns[pairs]])
        if not self._cosine:
            return np.sqrt(squares)
        zero = (_squares(Q)[rows] == 0) | (self._squares[columns] == 0)
        return np.where(zero, 1.0, 0.5 * squares)

    def _score(self, radius: float) -> float:
        return 2.0 * radius if self._cosine else radius * radius * (1 + 4 * _EPS)


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
        return Q, Q

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


def _blocks(n_rows: int, columns: int) -> Iterator[slice]:
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


def _join(
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
