"""Dask collections: rows in partitions on a cluster, which Dask schedules and moves.

A fold is one task for each partition and a tree of sums; what is gathered is the last sum.
Predictions are lazy, partition by partition. Searches of points in partitions meet each block of
queries with each block of points, and merge the nearest on the way.
"""

import copy
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import count
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import assert_all_finite

from rmodels.config import config_context, get_config, thread_count
from rmodels.data.arrays import on_host
from rmodels.data.source import WEIGHTLESS, Rows
from rmodels.extras import require
from rmodels.ops import nearest

__all__ = [
    "DaskRows",
    "Partitions",
    "answered",
    "applied",
    "is_dask",
    "joined",
    "merged",
    "points",
    "tallied",
]

T = TypeVar("T")
Found = tuple[NDArray, ...]

_FAN_IN = 8  # results that one task combines


def is_dask(X: Any) -> bool:
    """Return whether X is a collection of Dask."""
    return type(X).__module__.partition(".")[0] == "dask"


def _is_frame(A: Any) -> bool:
    return hasattr(A, "npartitions") and hasattr(A, "to_dask_array")


def _blocks(A: Any) -> list[Any]:
    """Return the partitions, with all columns, as delayed objects."""
    if _is_frame(A):
        return list(A.to_delayed())
    whole = A.rechunk({1: -1}) if A.ndim == 2 else A
    return list(whole.to_delayed().ravel())


def _aligned(A: Any, X: Any, name: str) -> list[Any]:
    """Return the partitions of a vector or matrix that has a row for each row of X."""
    if not is_dask(A):
        if _is_frame(X) or np.isnan(X.chunks[0]).any():
            raise ValueError(f"{name} must be a Dask collection: the partitions' sizes are unknown")
        if len(A) != X.shape[0]:
            raise ValueError(f"{name} has {len(A)} rows, and X {X.shape[0]}")
        bounds = np.cumsum(X.chunks[0])[:-1]
        return list(np.split(np.asarray(A), bounds))
    if not _is_frame(A) and not _is_frame(X) and A.chunks[0] != X.chunks[0]:
        A = A.rechunk({0: X.chunks[0]})
    found = _blocks(A)
    if len(found) != len(_blocks(X)):
        raise ValueError(f"{name} has {len(found)} partitions, and X {len(_blocks(X))}")
    return found


def _named(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any, bool]:
    """Return X, y and weights, columns of a frame for their names, and whether y is one target."""
    one_target = isinstance(y, str) or (y is not None and not _are_names(y) and y.ndim == 1)
    if _is_frame(X):
        left = [y] if isinstance(y, str) else list(y) if _are_names(y) else []
        weight = [sample_weight] if isinstance(sample_weight, str) else []
        y = X[y] if left else y
        sample_weight = X[sample_weight] if weight else sample_weight
        X = X[[name for name in X.columns if name not in {*left, *weight}]]
    return X, y, sample_weight, one_target


def _are_names(y: Any) -> bool:
    return isinstance(y, list) and all(isinstance(name, str) for name in y)


def _tree(found: list[Any], merge: Callable[[list[Any]], Any]) -> Any:
    """Return what delayed results lead to when some at a time are merged, delayed."""
    merging = require("dask", "dask").delayed(merge, pure=False)
    while True:
        found = [merging(found[i : i + _FAN_IN]) for i in range(0, len(found), _FAN_IN)]
        if len(found) == 1:
            return found[0]


def _task(work: Callable[..., T]) -> Any:
    """Return a delayed function that does some work in a task, with the settings of now."""
    dask = require("dask", "dask")
    return dask.delayed(partial(_in_task, get_config() | {"progress": False}, work), pure=False)


def _in_task(settings: dict[str, Any], work: Callable[..., T], *arguments: Any) -> T:
    """Do some work with the client's settings and this task's share of the processors."""
    shared = dict(settings)
    with config_context(n_threads=None):
        allowed = thread_count()
    shared["n_threads"] = min(settings["n_threads"] or allowed, max(1, allowed // _beside()))
    with config_context(**shared):
        return work(*arguments)


def _beside() -> int:
    """Return how many tasks this process works on at the same time."""
    distributed = require("distributed", "dask")
    try:
        return int(distributed.get_worker().state.nthreads)
    except ValueError:  # one of Dask's schedulers without workers
        return 1


def _array(block: Any, dtype: Any, number: int, name: str) -> NDArray:
    found = np.asarray(block, dtype=dtype)
    if found.ndim > 2:
        raise ValueError(f"partition {number} of {name} has {found.ndim} dimensions")
    return found


def _part(X: Any, y: Any, weights: Any, dtype: np.dtype, number: int, first: int) -> Rows:
    """Return the checked rows of a partition."""
    A = _array(X, dtype, number, "X")
    Y = _array(y, np.float64, number, "y").reshape(len(A), -1)
    w = _weights(weights, len(A), number)

    def assert_finite() -> None:
        assert_all_finite(A, input_name=f"X, partition {number},")
        assert_all_finite(Y, input_name=f"y, partition {number},")

    return Rows(A, Y, w, assert_finite, first)


def _weights(weights: Any, n_rows: int, number: int) -> NDArray | None:
    """Return the checked weights of a partition."""
    if weights is None:
        return None
    w = _array(weights, np.float64, number, "sample_weight").ravel()
    if not (np.isfinite(w).all() and (w >= 0).all() and len(w) == n_rows):
        raise ValueError(
            f"partition {number}: weights must be finite, at least 0, one for each row"
        )
    return w


def _folded(
    compute: Callable[[Rows], T],
    dtype: np.dtype,
    X: Any,
    y: Any,
    weights: Any,
    number: int,
    first: int,
) -> tuple[T, NDArray[np.float64]] | None:
    rows = _part(X, y, weights, dtype, number, first)
    return (compute(rows), rows.totals) if len(rows.Y) else None


def _combined(combine: Callable[[T, T], T], found: Sequence[Any]) -> Any:
    total = None
    for each in found:
        if each is not None:
            total = each if total is None else (combine(total[0], each[0]), total[1] + each[1])
    return total


class DaskRows:
    """Rows to fit to, in partitions; see `rmodels.data.source.Source`."""

    in_memory = False

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any, reset: bool) -> None:
        X, y, sample_weight, self.one_target = _named(X, y, sample_weight)
        record(estimator, X, reset)
        self.dtype = _dtype(X)
        self.n_features = int(X.shape[1]) if not _is_frame(X) else len(X.columns)
        self.n_targets = 1 if self.one_target else _width(y)
        self._X = _blocks(X)
        self._y = _aligned(y, X, "y")
        self._weights: list[Any] = [None] * len(self._X)
        if sample_weight is not None:
            self._weights = _aligned(sample_weight, X, "sample_weight")
        self._firsts = [0] * len(self._X)
        self._size: NDArray[np.float64] | None = None

    def numbered(self) -> int:
        """Return how many rows there are; see `rmodels.data.source.Source.numbered`."""
        (counts,) = require("dask", "dask").compute([_task(len)(X) for X in self._X])
        self._firsts = np.cumsum([0, *counts])[:-1].tolist()
        return int(sum(counts))

    @property
    def count(self) -> float:
        """How many rows have a weight that is not 0."""
        return float(self._totals[0])

    @property
    def weight(self) -> float:
        """Σ w."""
        return float(self._totals[1])

    @property
    def _totals(self) -> NDArray[np.float64]:
        if self._size is None:
            self.fold(lambda rows: 0)
            assert self._size is not None
        return self._size

    def threads(self, n_jobs: int | None) -> int | None:
        """Return most threads of a task; None: the worker's share."""
        return n_jobs

    def fold(
        self,
        compute: Callable[[Rows], T],
        combine: Callable[[T, T], T] = operator.add,
        *,
        resumable: bool = False,
    ) -> T:
        """Return what `compute` gives for all rows; see `rmodels.data.source.Source.fold`."""
        dask = require("dask", "dask")
        task = _task(partial(_folded, compute, self.dtype))
        parts = zip(self._X, self._y, self._weights, count(), self._firsts, strict=False)
        found = [task(*each) for each in parts]
        (total,) = dask.compute(_tree(found, partial(_combined, combine)))
        if total is None:
            raise ValueError("X has no rows")
        if not total[1][1]:
            raise ValueError(WEIGHTLESS)
        self._size = total[1]
        result: T = total[0]
        return result


def record(estimator: Any, X: Any, reset: bool) -> None:
    """Set an estimator's number and names of columns, or compare them."""
    frame = _is_frame(X)
    names = list(X.columns) if frame else None
    width = len(names) if names is not None else _width(X)
    if reset:
        estimator.n_features_in_ = width
        vars(estimator).pop("feature_names_in_", None)
        if names is not None and all(isinstance(name, str) for name in names):
            estimator.feature_names_in_ = np.array(names, dtype=object)
        return
    fitted = vars(estimator).get("feature_names_in_")
    if names is not None and fitted is not None and list(fitted) != names:
        raise ValueError(
            "The feature names should match those that were passed during fit: "
            f"{', '.join(fitted)}; got {', '.join(map(str, names))}"
        )
    if width != estimator.n_features_in_:
        raise ValueError(
            f"X has {width} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )


def _width(A: Any) -> int:
    return int(A.shape[1]) if not _is_frame(A) else len(A.columns)


def _dtype(X: Any) -> np.dtype:
    kinds = list(X.dtypes) if _is_frame(X) else [X.dtype]
    return np.dtype(np.float32 if all(kind == np.float32 for kind in kinds) else np.float64)


def merged(first: Found, second: Found, k: int) -> Found:
    """Return the k nearest of two searches, those of the first before equals of the second.

    Each is distances, indices and what else is known of the neighbours: (queries, neighbours, ...).
    """
    both = [np.concatenate(pair, axis=1) for pair in zip(first, second, strict=True)]
    order = np.argsort(both[0], axis=1, kind="stable")[:, :k]
    rows = np.arange(len(order))[:, np.newaxis]
    return tuple(each[rows, order] for each in both)


def joined(parts: Sequence[Found]) -> Found:
    """Return the neighbours within a radius of all parts, in the order of (distance, index).

    Each is offsets of the queries, distances, indices and what else is known of the neighbours:
    (pairs, ...).
    """
    rows = np.concatenate([np.repeat(np.arange(len(o) - 1), np.diff(o)) for o, *_ in parts])
    distances, indices, *others = (
        np.concatenate(each) for each in list(zip(*parts, strict=True))[1:]
    )
    order = np.lexsort((indices, distances, rows))
    counts = np.bincount(rows, minlength=len(parts[0][0]) - 1)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return offsets, distances[order], indices[order], *(each[order] for each in others)


def _checked_block(block: Any, dtype: np.dtype, number: int) -> NDArray:
    A = np.ascontiguousarray(_array(block, dtype, number, "X"))
    assert_all_finite(A, input_name=f"X, partition {number},")
    return A


def points(estimator: Any, X: Any, y: Any) -> tuple[Any, Any]:
    """Return points and targets, columns of a frame for their names; record the columns of X."""
    X, y, _, _ = _named(X, y, None)
    record(estimator, X, reset=True)
    return X, y if y is None or hasattr(y, "dtype") or is_dask(y) else np.asarray(y)


class _Asked(NamedTuple):
    """What a search looks for: the k nearest, or if k is 0 all within a radius."""

    k: int
    radius: float

    def of(self, index: Any, queries: NDArray) -> Found:
        """Return the neighbours among the points of an index; none if that is None."""
        if index is None or not len(queries):
            if self.k:
                return np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64)
            return np.zeros(len(queries) + 1, int), np.empty(0), np.empty(0, np.int64)
        if self.k:
            return nearest.nearest(index, queries, min(self.k, len(index.X)))
        return nearest.within(index, queries, self.radius)

    def merged(self, found: Sequence[Found]) -> Found:
        """Return the neighbours among the points of several indices."""
        if not self.k:
            return joined(found)
        return reduce(lambda first, second: merged(first, second, self.k), found)

    def example(self) -> Found:
        """Return what may be found for one query."""
        distances, indices = np.zeros((1, self.k or 1)), np.zeros((1, self.k or 1), np.int64)
        return (distances, indices) if self.k else (np.array([0, 1]), distances[0], indices[0])


def _index(dtype: np.dtype, metric: str, p: float, algorithm: str, block: Any, number: int) -> Any:
    points = _checked_block(block, dtype, number)
    return nearest.index(points, metric, p, algorithm=algorithm) if len(points) else None


def _searched(
    dtype: np.dtype,
    asked: _Asked,
    classes: Sequence[NDArray] | None,
    index: Any,
    first: int,
    y: Any,
    Q: Any,
    number: int,
) -> Found:
    """Return the neighbours of a block of queries in a block of points, and their targets."""
    *places, indices = asked.of(index, _checked_block(Q, dtype, number))
    found = *places, indices + first
    if y is None:
        return found
    Y = np.asarray(y)
    Y = (Y[:, np.newaxis] if Y.ndim == 1 else Y)[indices]
    if classes is not None:
        codes = [np.searchsorted(each, Y[..., j]) for j, each in enumerate(classes)]
        Y = np.stack(codes, axis=-1)
    return *found, Y


def _counted(dtype: np.dtype, block: Any, y: Any, number: int) -> int:
    """Return how many points a partition has, checked with their targets."""
    n = len(_checked_block(block, dtype, number))
    if y is not None:
        Y = np.asarray(y)
        if len(Y) != n:
            raise ValueError(f"partition {number}: y has {len(Y)} rows, and X {n}")
        if Y.dtype.kind == "f":
            assert_all_finite(Y, input_name=f"y, partition {number},")
    return n


def _labels(y: Any) -> list[dict[Any, int]]:
    """Return how often each label of a partition's outputs is there."""
    Y = np.asarray(y)
    columns = Y.T if Y.ndim == 2 else [Y]
    found = (np.unique(column, return_counts=True) for column in columns)
    return [dict(zip(labels.tolist(), counts.tolist(), strict=True)) for labels, counts in found]


def _labels_added(found: Sequence[list[dict[Any, int]]]) -> list[dict[Any, int]]:
    return [dict(sum(map(Counter, each), Counter())) for each in zip(*found, strict=True)]


def _like(y: Any) -> NDArray:
    """Return an array of no rows like y."""
    if not _is_frame(y):
        return np.empty((0, *y.shape[1:]), y.dtype)
    kinds = [y.dtype] if y.ndim == 1 else list(y.dtypes)
    dtype = np.result_type(*(k if isinstance(k, np.dtype) else np.dtype(object) for k in kinds))
    return np.empty((0,) if y.ndim == 1 else (0, len(kinds)), dtype)


class _Known:
    """A search whose result is known."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def nearest(self, Q: Any, k: int, n_threads: int) -> Found:
        """Return what was found."""
        return self._found

    def within(self, Q: Any, radius: float, n_threads: int) -> Found:
        """Return what was found."""
        return self._found


class Partitions:
    """Searches points in the partitions of a Dask collection.

    Neither points nor targets are gathered: a neighbour's targets are found with it.

    Parameters
    ----------
    X : Dask array or data frame
    y : Dask collection, array or None
        Targets.
    metric, p, algorithm
        As of `rmodels.ops.nearest.index`.
    """

    engine = "dask"

    def __init__(self, X: Any, y: Any, metric: str, p: float, algorithm: str) -> None:
        dask = require("dask", "dask")
        blocks, dtype = _blocks(X), _dtype(X)
        self._targets = [None] * len(blocks) if y is None else _aligned(y, X, "y")
        self._classes: list[NDArray] | None = None
        self.like = None if y is None else _like(y)
        numbered = list(enumerate(zip(blocks, self._targets, strict=True)))
        task = _task(partial(_counted, dtype))
        (counts,) = dask.compute([task(block, y, number) for number, (block, y) in numbered])
        self.algorithm = "tree" if algorithm == "tree" else "brute"
        self.count = sum(counts)
        self._firsts = np.cumsum([0, *counts])[:-1].tolist()
        build = _task(partial(_index, dtype, metric, p, algorithm))
        self._indices = [build(block, number) for number, (block, _) in numbered]

    def encode(self) -> tuple[list[NDArray], list[NDArray]]:
        """Have the targets be positions among the classes; return those, and their counts."""
        (found,) = require("dask", "dask").compute(
            _tree([_task(_labels)(y) for y in self._targets], _labels_added)
        )
        dtype = None if self.like is None else self.like.dtype
        self._classes = [np.array(sorted(each), dtype=dtype) for each in found]
        counts = [np.array([each[label] for label in sorted(each)]) for each in found]
        return self._classes, counts

    @property
    def X(self) -> Any:
        """The points: an error, as they are on the cluster."""
        raise ValueError("the points of a Dask collection are not in memory: give queries")

    def delayed(self, Q: Any, dtype: np.dtype, number: int, asked: _Asked) -> Any:
        """Return the neighbours of a block of queries, delayed: a tree over the points."""
        task = _task(partial(_searched, dtype, asked, self._classes))
        blocks = zip(self._indices, self._firsts, self._targets, strict=True)
        found = [task(index, first, y, Q, number) for index, first, y in blocks]
        return _tree(found, asked.merged)

    def nearest(self, Q: Any, k: int, n_threads: int) -> tuple[NDArray, NDArray]:
        """Return the k nearest points of each query."""
        distances, indices, *_ = self._of_one_block(Q, _Asked(k, 0.0))
        return distances, indices

    def within(self, Q: Any, radius: float, n_threads: int) -> tuple[NDArray, NDArray, NDArray]:
        """Return all points within a radius of each query."""
        offsets, distances, indices, *_ = self._of_one_block(Q, _Asked(0, radius))
        return offsets, distances, indices

    def _of_one_block(self, Q: Any, asked: _Asked) -> Found:
        queries = self.X if Q is None else Q.toarray() if hasattr(Q, "toarray") else on_host(Q)
        dask = require("dask", "dask")
        (found,) = dask.compute(self.delayed(queries, queries.dtype, 0, asked))
        result: Found = found
        return result


def _called(
    name: str, given: tuple, named: dict, model: Any, found: Any, block: Any, number: int
) -> Any:
    """Return what a method of a model gives for a block of queries."""
    from rmodels.data.checks import Checked

    if found is not None:
        model = copy.copy(model)
        places = 3 if found[0].ndim == 1 else 2  # distances and indices, after offsets or not
        if len(found) > places and name not in ("kneighbors", "radius_neighbors"):
            *rest, indices, targets = found
            Y = targets.reshape(indices.size, targets.shape[-1])
            model._y = Y[:, 0] if model._y.ndim == 1 else Y
            found = *rest, np.arange(indices.size).reshape(indices.shape)
        model._search = _Known(found[:places])
    X = _checked_block(block, np.dtype("f4" if _is_single(block) else "f8"), number)
    return getattr(model, name)(Checked(X), *given, **named)


def _of_block(empty: Any, call: Callable[..., Any], model: Any, found: Any, *block: Any) -> Any:
    """Return what a call gives for a block of queries, `empty` if there are none."""
    return call(model, found, *block) if len(block[0]) else empty


def _is_single(block: Any) -> bool:
    kinds = list(block.dtypes) if hasattr(block, "dtypes") else [block.dtype]
    return all(kind == np.float32 for kind in kinds)


def _asked(model: Any, name: str, given: tuple, named: dict) -> _Asked:
    """Return what a method of a neighbours estimator searches for."""
    parameter = given[0] if given and name in ("kneighbors", "radius_neighbors") else None
    if name != "radius_neighbors" and hasattr(model, "kneighbors"):
        k = model._check_n_neighbors(named.get("n_neighbors", parameter))
        if k > model.n_samples_fit_:
            raise ValueError(
                f"Expected n_neighbors <= n_samples_fit, but n_neighbors = {k}, "
                f"n_samples_fit = {model.n_samples_fit_}"
            )
        return _Asked(k, 0.0)
    return _Asked(0, model._check_radius(named.get("radius", parameter), several=False))


def applied(model: Any, name: str, X: Any, *given: Any, **named: Any) -> Any:
    """Return what a method of a model gives for a Dask collection: Dask arrays, lazily.

    Parameters
    ----------
    model : estimator
    name : str
        Of the method, which takes queries.
    X : Dask array or data frame
    *given, **named
        What follows X.
    """
    dask, arrays = require("dask", "dask"), require("dask.array", "dask")
    record(model, X, reset=False)
    search = vars(model).get("_search")
    blocks, dtype = _blocks(X), _dtype(X)
    found: list[Any] = [None] * len(blocks)
    example, kept = None, model
    if search is not None:
        asked = _asked(model, name, given, named)
        example = asked.example()
        if isinstance(search, Partitions):
            found = [search.delayed(Q, dtype, number, asked) for number, Q in enumerate(blocks)]
            kept = copy.copy(model)
            del kept._search
            if name not in ("kneighbors", "radius_neighbors"):
                width = model._y.shape[1] if model._y.ndim == 2 else 1
                example = *example, np.zeros((*example[-1].shape, width), model._y.dtype)
    query = np.zeros((1, model.n_features_in_), dtype)
    sample = _called(name, given, named, model, example, query, 0)
    several = isinstance(sample, (tuple, list))
    empty = type(sample)(each[:0] for each in sample) if several else sample[:0]
    task = _task(partial(_of_block, empty, partial(_called, name, given, named)))
    one = dask.delayed(kept, traverse=False)
    results = [
        task(one, each, block, number)
        for number, (each, block) in enumerate(zip(found, blocks, strict=True))
    ]
    sizes = [np.nan] * len(blocks) if _is_frame(X) else X.chunks[0]

    def array(pieces: list[Any], like: NDArray) -> Any:
        shapes = [(size, *like.shape[1:]) for size in sizes]
        parts = zip(pieces, shapes, strict=True)
        return arrays.concatenate(
            [arrays.from_delayed(each, shape, like.dtype) for each, shape in parts]
        )

    if several:
        return type(sample)(
            array([each[i] for each in results], like) for i, like in enumerate(sample)
        )
    return array(results, sample)


def answered(model: Any, name: str, X: NDArray, *given: Any, **named: Any) -> Any:
    """Return what a method of a model of points in partitions gives for an array: arrays."""
    queries = require("dask.array", "dask").from_array(X, chunks=X.shape)
    lazy = applied(model, name, queries, *given, **named)
    return require("dask", "dask").compute(lazy)[0]


def tallied(tally: Callable[..., Any], model: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    """Return the sum of what `tally` gives for the targets and predictions of each partition.

    Parameters
    ----------
    tally : callable
        Of targets, predictions and weights or None.
    model : estimator
    X, y, sample_weight
        As in `fit`.
    """
    X, y, sample_weight, _ = _named(X, y, sample_weight)
    predicted = _blocks(model.predict(X))
    weights = [None] * len(predicted)
    if sample_weight is not None:
        weights = _aligned(sample_weight, X, "sample_weight")
    task = _task(partial(_tallied, tally))
    parts = zip(_aligned(y, X, "y"), predicted, weights, strict=True)
    found = [task(*each, number) for number, each in enumerate(parts)]
    (total,) = require("dask", "dask").compute(_tree(found, partial(_combined, operator.add)))
    if total is None:
        raise ValueError("X has no rows")
    if not total[1]:
        raise ValueError(WEIGHTLESS)
    return total[0]


def _tallied(tally: Callable[..., T], y: Any, predicted: Any, weights: Any, number: int) -> Any:
    Y = np.asarray(y)
    if len(Y) != len(predicted):
        raise ValueError(f"partition {number}: y has {len(Y)} rows, and X {len(predicted)}")
    if Y.dtype.kind == "f":
        assert_all_finite(Y, input_name=f"y, partition {number},")
    w = _weights(weights, len(Y), number)
    weight = float(len(Y) if w is None else w.sum())
    return (tally(Y, predicted, w), weight) if len(Y) else None
