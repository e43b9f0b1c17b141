"""Searches of rows in parts, and answers to queries from the neighbours that are found.

What is found is a tuple of arrays: for the k nearest, distances and indices of shape (queries, k);
within a radius, offsets of the queries (queries + 1,), distances and indices of shape (pairs,).
Of points that are not in memory, the neighbours' targets follow, (..., n_targets), and their
weights, if they have some.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.base import metrics
from rmodels.base.metrics import Metric
from rmodels.data import Prepared, Rows, Source
from rmodels.data.arrays import on_host
from rmodels.ops import choose
from rmodels.ops import nearest as ops

__all__ = ["Answer", "Asked", "PartedSearch"]

Found = tuple[Any, ...]


@dataclass(eq=False)  # frozen ones take three times as long to make
class Asked:
    """What a search looks for: the k nearest, or if k is 0 all within a radius.

    Attributes
    ----------
    k : int
    radius : float or ndarray of shape (n_queries,)
    """

    k: int
    radius: Any = 0.0

    @property
    def places(self) -> int:
        """How many arrays say where the neighbours are: distances, indices and maybe offsets."""
        return 2 if self.k else 3

    def find(self, index: ops.Index | None, queries: NDArray, n_threads: int) -> Found:
        """Return the neighbours among the points of an index; none if that is None."""
        if index is None or not len(queries):
            if self.k:
                return np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64)
            return np.zeros(len(queries) + 1, int), np.empty(0), np.empty(0, np.int64)
        if self.k:
            return ops.nearest(index, queries, min(self.k, len(index.X)), n_threads=n_threads)
        return ops.within(index, queries, self.radius, n_threads=n_threads)

    def merge(self, first: Found, second: Found) -> Found:
        """Return the neighbours among the points of two parts, the first before the second."""
        return _merge_nearest(first, second, self.k) if self.k else _merge_within(first, second)

    def example(self, others: Sequence[NDArray]) -> Found:
        """Return what is found for no queries, with what else is known of the neighbours."""
        shape = (0, self.k) if self.k else (0,)
        more = tuple(np.empty((*shape, *each.shape[1:]), each.dtype) for each in others)
        found = np.empty(shape), np.empty(shape, np.int64), *more
        return found if self.k else (np.zeros(1, np.int64), *found)


def _merge_nearest(first: Found, second: Found, k: int) -> Found:
    """Return the k nearest of two searches, those of the first before equals of the second."""
    both = [np.concatenate(pair, axis=1) for pair in zip(first, second, strict=True)]
    order = np.argsort(both[0], axis=1, kind="stable")[:, :k]
    rows = np.arange(len(order))[:, np.newaxis]
    return tuple(each[rows, order] for each in both)


def _merge_within(first: Found, second: Found) -> Found:
    """Return the neighbours within a radius of two searches, by (distance, index)."""
    parts = (first, second)
    rows = np.concatenate([np.repeat(np.arange(len(o) - 1), np.diff(o)) for o, *_ in parts])
    distances, indices, *others = (
        np.concatenate(pair) for pair in list(zip(first, second, strict=True))[1:]
    )
    order = np.lexsort((indices, distances, rows))
    counts = np.bincount(rows, minlength=len(first[0]) - 1)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return offsets, distances[order], indices[order], *(each[order] for each in others)


def _search_part(
    rows: Rows,
    queries: Any,
    asked: Asked,
    metric: str,
    p: float,
    algorithm: str,
    n_jobs: int | None,
) -> Found:
    """Return the neighbours of queries in a part of the points, and what is known of them."""
    Q: NDArray = queries.X if isinstance(queries, Rows) else queries
    n_threads = rows.threads(n_jobs) or 1
    X, Y, weights, numbers = rows.X, rows.Y, rows.weights, np.arange(len(rows.X))
    if weights is not None and not weights.all():  # a row of weight 0 is as if it were not there
        numbers = np.flatnonzero(weights)
        X, Y, weights = X[numbers], None if Y is None else Y[numbers], weights[numbers]
    index = None
    if len(X):
        X = np.ascontiguousarray(X)
        index = ops.index(X, metric, p, algorithm=algorithm, n_threads=n_threads)
    *places, indices = asked.find(index, np.ascontiguousarray(Q), n_threads)
    found: list[Any] = [*places, numbers[indices] + rows.first]
    found += [each[indices] for each in (Y, weights) if each is not None]
    return tuple(found)


class PartedSearch:
    """Searches points that are read anew for each search, a part at a time.

    Each part has an index of its own, and its neighbours are merged with those of other parts by
    (distance, index): what is found is what one index of all points would find. Neither points nor
    targets are kept.

    Parameters
    ----------
    source : Source
        Its rows are numbered.
    metric, parameters
        As `metrics.choose_metric` returns them.
    algorithm : {"auto", "brute", "tree"}
    n_jobs : int or None
    """

    not_written = (
        "the points are read anew for each search, and the model does not have them. Fit it to an "
        "array or a frame, whose points it keeps"
    )

    def __init__(
        self,
        source: Source,
        metric: Metric,
        parameters: dict[str, Any],
        algorithm: str,
        n_jobs: int | None,
    ) -> None:
        name, p = metrics.find_indexed(metric, parameters)
        self._source = source
        options: dict[str, Any] = {"metric": name, "p": p, "algorithm": algorithm, "n_jobs": n_jobs}
        self._options = options
        self.algorithm = "tree" if algorithm == "tree" else "brute"
        self.engine = choose("nearest")
        self.remote = source.remote

    @property
    def count(self) -> int:
        """How many points have a positive weight."""
        return int(self._source.count)

    def find(self, queries: Any, asked: Asked) -> Found:
        """Return the neighbours of queries."""
        if queries is None:
            raise ValueError("the points are not in memory: give queries")
        Q = queries.toarray() if sparse.issparse(queries) else on_host(queries)
        search = partial(_search_part, queries=Q, asked=asked, **self._options)
        return self._source.fold(search, asked.merge, large=True)

    def find_later(self, rows: Any, asked: Asked) -> Any:
        """Return the neighbours of rows that Dask delays, delayed."""
        search = partial(_search_part, asked=asked, **self._options)
        return self._source.fold_later(search, asked.merge, rows)


@dataclass(eq=False)
class Answer(Prepared):
    """What a neighbours estimator answers to queries: something of their neighbours.

    Attributes
    ----------
    model : estimator
    asked : Asked
    method : str
        Of the model: takes what was found, and the queries as `Rows` or None.
    options : dict
        What else the method takes.
    """

    model: Any
    asked: Asked
    method: str
    options: dict[str, Any] = field(default_factory=dict)

    def prepare(self, rows: Rows | None) -> Found:
        """Return the neighbours of queries; None asks for those of the points."""
        found: Found = self.model._find(None if rows is None else rows.X, self.asked)
        return found

    def prepare_later(self, rows: Any) -> Any:
        """Return the neighbours of queries that Dask delays, delayed.

        None where the points are not on a cluster: then they are found in the task that answers.
        """
        search = self.model._search
        return search.find_later(rows, self.asked) if search.remote else None

    def example(self) -> Found:
        """Return what is found for no queries."""
        return self.asked.example(self.model._others)

    def finish(self, rows: Rows | None, prepared: Found | None) -> Any:
        """Return the answer to queries whose neighbours are found."""
        found = self.prepare(rows) if prepared is None else prepared
        return getattr(self.model, self.method)(found, rows, **self.options)

    def __getstate__(self) -> dict[str, Any]:
        # the points on a cluster do not travel with what is done with their neighbours
        state = dict(vars(self))
        search = vars(self.model).get("_search")  # not there where it was left before
        if search is not None and search.remote:
            state["model"] = copy.copy(self.model)
            del state["model"]._search
        return state
