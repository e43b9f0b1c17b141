"""Searches for neighbours, and the one place that decides which search serves an estimator.

`Indexed` hands the metrics of the operation `nearest` to its engines. All other metrics, sparse
points and precomputed distances are searched by blocks of queries whose distances NumPy and SciPy
compute: engine "scipy". Every search finds all neighbours, in the order of (distance, index).
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.base import metrics
from rmodels.base.blockwise import Blockwise, Precomputed, SparseRows, join_blocks, row_blocks
from rmodels.base.metrics import Metric
from rmodels.base.warnings import warn
from rmodels.config import get_config, thread_count
from rmodels.data.arrays import beside, on_gpu, on_host
from rmodels.exceptions import NotCoveredError
from rmodels.ops import choose
from rmodels.ops import nearest as ops
from rmodels.ops.connect import connect
from rmodels.ops.span import span

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

_SPARSEST = 0.1  # share of entries above which sparse points are searched as an array


Components = tuple[NDArray[np.bool_], Indices]
Tree = tuple[Indices, Distances, Distances]


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
    n_jobs: int | None,
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
    n_jobs : int or None
    """
    chosen = metrics.ALGORITHMS[algorithm]
    if type(X) is not np.ndarray and sparse.issparse(X) and metric != "precomputed":
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
    return search(X, effective, parameters, chosen, n_jobs)


def search(
    X: Any, metric: Metric, parameters: dict[str, Any], algorithm: str, n_jobs: int | None
) -> "Indexed | Blockwise":
    """Prepare points for searching.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        "precomputed": distances of shape (n_samples, n_samples).
    metric, parameters
        As `metrics.choose_metric` returns them.
    algorithm : {"auto", "brute", "tree"}
    n_jobs : int or None

    Raises
    ------
    NotCoveredError
        If the setting `engine` is "native" or "gpu", and that engine does not have the metric.
    """
    indexed = metrics.INDEXED.get(metric) if isinstance(metric, str) else None
    plain = type(X) is np.ndarray
    if indexed is not None and parameters.get("w") is None and (plain or _as_array(X)):
        if parameters and (unknown := parameters.keys() - {"p", "w"}):
            raise ValueError(f"metric={metric!r} takes no parameter {', '.join(sorted(unknown))}")
        p = float(parameters.get("p", 2.0))
        points = X.toarray() if not plain and sparse.issparse(X) else X
        return Indexed(X, ops.index(points, indexed, p, algorithm=algorithm), n_jobs)
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
    n_jobs : int, default=None
        An estimator's, for what is built before there are queries.
    """

    remote = False

    def __init__(self, X: Any, index: ops.Index, n_jobs: int | None = None) -> None:
        self.X = X
        self.index = index
        self._n_jobs = n_jobs
        self.engine = index.engine

    @property
    def algorithm(self) -> str:
        """What the search of many queries does, decided now if it was not before."""
        return ops.decide(self.index, n_threads=thread_count(self._n_jobs))

    def fields(self) -> dict[str, Any]:
        """Return what `from_fields` takes; tensors as arrays, which any engine searches."""
        X, index = self.X, self.index
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
            return ops.nearest(self.index, Q, k, n_threads=n_threads)
        found = [
            ops.nearest(self.index, Q[rows].toarray(), k, n_threads=n_threads)
            for rows in row_blocks(Q.shape[0], Q.shape[1])
        ]
        return np.concatenate([d for d, _ in found]), np.concatenate([i for _, i in found])

    def within(self, Q: Any, radius: float, n_threads: int) -> tuple[Indices, Distances, Indices]:
        """Return all points within a radius of each query."""
        Q = Q if self.engine == "gpu" else on_host(Q)
        if not sparse.issparse(Q):
            return ops.within(self.index, Q, radius, n_threads=n_threads)
        return join_blocks(
            ops.within(self.index, Q[rows].toarray(), radius, n_threads=n_threads)
            for rows in row_blocks(Q.shape[0], Q.shape[1])
        )

    def connect(
        self, radius: float, min_weight: float, weights: NDArray | None, n_threads: int
    ) -> Components:
        """Return which points are core, and the components that they are in."""
        return connect(self.index, radius, min_weight, weights, n_threads=n_threads)

    def span(self, k: int, alpha: float, n_threads: int) -> Tree:
        """Return the minimum spanning tree and the core distances."""
        return span(self.index, k, alpha, n_threads=n_threads)


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
        _, distances, indices = join_blocks([(*mine[:2], self._numbers[mine[2]]), others])
        numbers = np.concatenate([self._numbers, absent])
        counts = np.concatenate([np.diff(mine[0]), np.diff(others[0])])
        rows = np.repeat(numbers, counts)
        order = np.argsort(rows, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(counts[np.argsort(numbers)])])
        return offsets, distances[order], indices[order]
