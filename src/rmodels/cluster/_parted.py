"""The components of DBSCAN, of rows in parts: of files, or on a cluster.

A part is compared with each part, by an index of the two. How many neighbours a row has adds up
over the parts; core rows that are connected by the rows of two parts are edges of one forest; the
least label of the core rows near a row is the least of those of the parts.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from rmodels.base import metrics
from rmodels.base.blockwise import row_blocks
from rmodels.base.metrics import Metric
from rmodels.data import Prepared, Rows, Source
from rmodels.ops import kernel_sums
from rmodels.ops import nearest as ops
from rmodels.ops.connect import connect

__all__ = ["connect_parts", "find_measure"]

Mask = NDArray[np.bool_]
Labels = NDArray[np.int64]

_MOST = 2.0**40  # weight up to which rounding whole sums gives them


@dataclass(frozen=True)
class Measure:
    """When rows are neighbours.

    Attributes
    ----------
    radius : float
    metric : str
        Of `rmodels.ops.kernel_sums.METRICS`.
    p : float
    n_jobs : int or None
    """

    radius: float
    metric: str
    p: float
    n_jobs: int | None

    def index(self, X: NDArray, n_threads: int) -> ops.Index:
        """Return an index of points."""
        return ops.index(np.ascontiguousarray(X), self.metric, self.p, n_threads=n_threads)


def find_measure(
    source: Source, radius: float, metric: Metric, parameters: dict[str, Any], n_jobs: int | None
) -> Measure | None:
    """Return when rows in parts are neighbours; None if only rows in memory can be compared so.

    That is by other metrics, and with weights that are not whole numbers, whose sums are rounded.
    """
    indexed = metrics.INDEXED.get(metric) if isinstance(metric, str) else None
    p = float(parameters.get("p", 2.0))
    if indexed not in kernel_sums.METRICS or parameters.get("w") is not None or p < 1:
        return None
    if source.has_weights and not source.fold(_are_whole, np.logical_and):
        return None
    if source.weight >= _MOST:
        return None
    return Measure(radius, indexed, p, n_jobs)


def _are_whole(rows: Rows) -> bool:
    return bool((np.rint(rows.weights) == rows.weights).all())


def connect_parts(source: Source, measure: Measure, min_samples: int) -> tuple[Mask, Labels]:
    """Return what `rmodels.ops.connect.connect` returns, of the rows of a numbered source.

    Memory: about 60 bytes a row, and what two parts and their index take.
    """
    weights = _meet(Near(source, partial(_weigh, measure), np.add, _as_list))
    core: Mask = np.concatenate(weights) >= min_samples
    forest = _meet(Near(source, partial(_join, measure, core), operator.add, _as_it_is))
    labels = np.full(len(core), -1, np.int64)
    groups = forest.components(len(core))[core]
    _, first, number = np.unique(groups, return_index=True, return_inverse=True)
    labels[core] = np.argsort(np.argsort(first))[number]  # by their least core rows
    least = partial(_label, measure, labels, min_samples)
    near = np.concatenate(_meet(Near(source, least, np.minimum, _as_list)))
    border = ~core & (near < len(core))
    labels[border] = near[border]
    return core, labels


@dataclass(eq=False)
class Near(Prepared):
    """What the rows of all parts say of those of one.

    Attributes
    ----------
    source : Source or None
        All parts; None in a task on a cluster.
    compute : callable
        Of the rows of a part, and of those asked about.
    combine : callable
        Of two results of that.
    finished : callable
        Of the combined result; makes of it what adds up over the rows asked about.
    """

    source: Source | None
    compute: Callable[[Rows, Rows], Any]
    combine: Callable[[Any, Any], Any]
    finished: Callable[[Any], Any]

    def prepare(self, rows: Rows) -> Any:
        """Return what all rows say."""
        assert self.source is not None
        return self.source.fold(lambda part: self.compute(part, rows), self.combine, large=True)

    def prepare_later(self, rows: Any) -> Any:
        """Return the same of rows that are delayed by Dask, delayed."""
        assert self.source is not None
        return self.source.fold_later(self.compute, self.combine, rows)

    def example(self) -> Any:
        """Return nothing: answers are folded, and not stacked."""

    def finish(self, rows: Rows, prepared: Any) -> Any:
        """Return what adds up."""
        return self.finished(prepared)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"source": None}  # whose parts are where they are


def _meet(near: Near) -> Any:
    """Return what adds up over all rows asked about: each part meets each part."""
    assert near.source is not None
    if near.source.remote:
        return near.source.fold_answers(near, _take)
    return near.source.fold(near, large=True)


def _take(rows: Rows, answer: Any) -> Any:
    return answer


def _as_list(found: NDArray) -> list[NDArray]:
    return [found]


def _as_it_is(found: Any) -> Any:
    return found


def _weigh(measure: Measure, rows: Rows, queries: Rows) -> NDArray[np.float64]:
    """Return the weight of the rows of a part near each query."""
    weights = None if rows.weights is None else np.asarray(rows.weights, np.float64)
    if not len(queries.X) or (weights is not None and not weights.any()):
        return np.zeros(len(queries.X))
    threads = rows.threads(measure.n_jobs) or 1
    X, Q = np.ascontiguousarray(rows.X), np.ascontiguousarray(queries.X)
    points = kernel_sums.points(
        X,
        np.nextafter(measure.radius, np.inf),  # within it, as by ≤ of the radius
        weights,
        measure.metric,
        measure.p,
        n_threads=threads,
    )
    if not points.scale:
        return np.rint(np.exp(kernel_sums.log_sums(points, Q, "tophat", n_threads=threads)))
    # there distances are scaled, which in an index overflow and vanish
    found = np.empty(len(Q))
    index = measure.index(X, threads)
    for block in row_blocks(len(Q), 3 * len(X)):
        offsets, _, indices = ops.within(index, Q[block], measure.radius, n_threads=threads)
        near = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        own = None if weights is None else weights[indices]
        found[block] = np.bincount(near, own, len(offsets) - 1)
    return found


@dataclass
class Forest:
    """Edges between rows, by their numbers: (n_edges, 2). Those of two forests add up."""

    edges: Labels

    def __add__(self, other: "Forest") -> "Forest":
        edges = np.concatenate([self.edges, other.edges])
        if not len(edges):
            return self
        rows, ends = np.unique(edges, return_inverse=True)
        groups = _components(ends.reshape(edges.shape), len(rows))
        _, first = np.unique(groups, return_index=True)
        return Forest(_star(rows, rows[first[groups]]))

    def components(self, n_rows: int) -> Labels:
        """Return a number of its own for each component, of each row."""
        return _components(self.edges, n_rows)


def _components(edges: Labels, n_rows: int) -> Labels:
    places = tuple(edges.T.astype(np.int32 if n_rows < 2**31 else np.int64))  # as SciPy's graphs
    graph = sparse.coo_array((np.ones(len(edges), np.int8), places), shape=(n_rows, n_rows))
    found: Labels = connected_components(graph, directed=False)[1].astype(np.int64)
    return found


def _star(rows: Labels, centres: Labels) -> Labels:
    """Return the edges from rows to the row that stands for each, but those to itself."""
    others = rows != centres
    return np.stack([rows[others], centres[others]], axis=1)


def _join(measure: Measure, core: Mask, rows: Rows, queries: Rows) -> Forest:
    """Return edges that connect what the core rows of two parts connect."""
    parts = [rows] if rows.first == queries.first else [rows, queries]
    chosen = [np.flatnonzero(core[part.first : part.first + len(part.X)]) for part in parts]
    numbers = np.concatenate(
        [part.first + places for part, places in zip(parts, chosen, strict=True)]
    )
    if rows.first > queries.first or not len(numbers):  # the other way round it is the same
        return Forest(np.empty((0, 2), np.int64))
    X = np.concatenate([part.X[places] for part, places in zip(parts, chosen, strict=True)])
    threads = rows.threads(measure.n_jobs) or 1
    _, labels = connect(measure.index(X, threads), measure.radius, 1, n_threads=threads)
    _, first = np.unique(labels, return_index=True)
    return Forest(_star(numbers, numbers[first[labels]]))


def _label(measure: Measure, labels: Labels, min_samples: int, rows: Rows, queries: Rows) -> Labels:
    """Return the least label of the core rows of a part near each query that is not core itself.

    The number of all rows where there is none.
    """
    found = np.full(len(queries.X), len(labels))
    core = np.flatnonzero(labels[rows.first : rows.first + len(rows.X)] >= 0)
    others = np.flatnonzero(labels[queries.first : queries.first + len(queries.X)] < 0)
    if not len(core) or not len(others):
        return found
    threads = rows.threads(measure.n_jobs) or 1
    index = measure.index(rows.X[core], threads)
    Q = np.ascontiguousarray(queries.X[others])
    # a row that is not core has less than that many neighbours, unless some weigh nothing
    most = len(core) if rows.weights is not None else min(min_samples, len(core))
    for block in row_blocks(len(Q), 3 * most):
        offsets, _, indices = ops.within(index, Q[block], measure.radius, n_threads=threads)
        some = np.flatnonzero(np.diff(offsets))
        if len(some):
            near = labels[rows.first + core[indices]]
            found[others[block][some]] = np.minimum.reduceat(near, offsets[some])
    return found
