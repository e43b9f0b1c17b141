"""Dask collections: rows in partitions on a cluster, which Dask schedules and moves.

A fold is one task for each partition and a tree of sums; what is gathered is the last sum.
Predictions are lazy, partition by partition. Searches of points in partitions meet each block of
queries with each block of points, and merge the nearest on the way.
"""

import copy
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import assert_all_finite

from rmodels.arrays import on_host
from rmodels.config import config_context, get_config, thread_count
from rmodels.extras import require
from rmodels.ops import nearest
from rmodels.rows import WEIGHTLESS, Rows

__all__ = ["DaskRows", "Partitions", "applied", "is_dask", "merged"]

T = TypeVar("T")
Found = tuple[NDArray[np.float64], NDArray[np.int64]]

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


def _part(X: Any, y: Any, weights: Any, dtype: np.dtype, number: int) -> Rows:
    """Return the checked rows of a partition."""
    A = _array(X, dtype, number, "X")
    Y = _array(y, np.float64, number, "y").reshape(len(A), -1)
    w = None if weights is None else _array(weights, np.float64, number, "sample_weight").ravel()
    if w is not None and not (np.isfinite(w).all() and (w >= 0).all() and len(w) == len(A)):
        raise ValueError(
            f"partition {number}: weights must be finite, at least 0, one for each row"
        )

    def assert_finite() -> None:
        assert_all_finite(A, input_name=f"X, partition {number},")
        assert_all_finite(Y, input_name=f"y, partition {number},")

    return Rows(A, Y, w, assert_finite)


def _folded(
    compute: Callable[[Rows], T], dtype: np.dtype, X: Any, y: Any, weights: Any, number: int
) -> tuple[T, NDArray[np.float64]] | None:
    rows = _part(X, y, weights, dtype, number)
    return (compute(rows), rows.size) if len(rows.Y) else None


def _combined(combine: Callable[[T, T], T], found: Sequence[Any]) -> Any:
    total = None
    for each in found:
        if each is not None:
            total = each if total is None else (combine(total[0], each[0]), total[1] + each[1])
    return total


class DaskRows:
    """Rows to fit to, in partitions; see `rmodels.rows.Source`."""

    in_memory = False

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any, reset: bool) -> None:
        targets = None
        if _is_frame(X):
            named = isinstance(y, str) or (
                isinstance(y, list) and all(isinstance(name, str) for name in y)
            )
            targets = y if named else None
            left = [] if not named else [y] if isinstance(y, str) else list(y)
            weight = [sample_weight] if isinstance(sample_weight, str) else []
            y = X[y] if named else y
            sample_weight = X[sample_weight] if weight else sample_weight
            X = X[[name for name in X.columns if name not in {*left, *weight}]]
        record(estimator, X, reset)
        self.dtype = _dtype(X)
        self.one_target = isinstance(targets, str) or (targets is None and y.ndim == 1)
        self.n_features = int(X.shape[1]) if not _is_frame(X) else len(X.columns)
        self.n_targets = 1 if self.one_target else _width(y)
        self._X = _blocks(X)
        self._y = _aligned(y, X, "y")
        self._weights: list[Any] = [None] * len(self._X)
        if sample_weight is not None:
            self._weights = _aligned(sample_weight, X, "sample_weight")
        self._size: NDArray[np.float64] | None = None

    @property
    def size(self) -> NDArray[np.float64]:
        """How many rows whose weight is not 0, and Σ w."""
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
        """Return what `compute` gives for all rows; see `rmodels.rows.Source.fold`."""
        dask = require("dask", "dask")
        task = _task(partial(_folded, compute, self.dtype))
        found = [
            task(X, y, w, number)
            for number, (X, y, w) in enumerate(zip(self._X, self._y, self._weights, strict=True))
        ]
        merge = dask.delayed(partial(_combined, combine), pure=False)
        while True:
            found = [merge(found[i : i + _FAN_IN]) for i in range(0, len(found), _FAN_IN)]
            if len(found) == 1:
                break
        (total,) = dask.compute(found[0])
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
    """Return the k nearest of two searches, those of the first before equals of the second."""
    distances = np.concatenate([first[0], second[0]], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    indices = np.concatenate([first[1], second[1]], axis=1)
    return np.take_along_axis(distances, order, 1), np.take_along_axis(indices, order, 1)


def _checked_block(block: Any, dtype: np.dtype, number: int) -> NDArray:
    A = np.ascontiguousarray(_array(block, dtype, number, "X"))
    assert_all_finite(A, input_name=f"X, partition {number},")
    return A


def _index(dtype: np.dtype, metric: str, p: float, algorithm: str, block: Any, number: int) -> Any:
    points = _checked_block(block, dtype, number)
    return nearest.index(points, metric, p, algorithm=algorithm) if len(points) else None


def _nearest(dtype: np.dtype, k: int, index: Any, first: int, Q: Any, number: int) -> Found:
    queries = _checked_block(Q, dtype, number)
    if index is None or not len(queries):
        return np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64)
    found = nearest.nearest(index, queries, min(k, len(index.X)))
    return found[0], found[1] + first


def _all_merged(k: int, found: Sequence[Found]) -> Found:
    total = found[0]
    for each in found[1:]:
        total = merged(total, each, k)
    return total


class _Known:
    """A search whose result is known."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def nearest(self, Q: Any, k: int, n_threads: int) -> Found:
        """Return what was found."""
        return self._found


class Partitions:
    """Searches points in the partitions of a Dask collection.

    Parameters
    ----------
    X : Dask array or data frame
    metric, p, algorithm
        As of `rmodels.ops.nearest.index`.
    """

    engine = "dask"

    def __init__(self, X: Any, metric: str, p: float, algorithm: str) -> None:
        dask = require("dask", "dask")
        blocks, dtype = _blocks(X), _dtype(X)
        count = _task(lambda block, number: len(_checked_block(block, dtype, number)))
        (counts,) = dask.compute([count(block, number) for number, block in enumerate(blocks)])
        self.algorithm = "tree" if algorithm == "tree" else "brute"
        self.count = sum(counts)
        self._firsts = np.concatenate([[0], np.cumsum(counts)])[:-1].astype(int).tolist()
        build = _task(partial(_index, dtype, metric, p, algorithm))
        self._indices = [build(block, number) for number, block in enumerate(blocks)]

    @property
    def X(self) -> Any:
        """The points: an error, as they are on the cluster."""
        raise ValueError("the points of a Dask collection are not in memory: give queries")

    def delayed(self, Q: Any, dtype: np.dtype, number: int, k: int) -> Any:
        """Return the k nearest points of a block of queries, delayed: a tree over the points."""
        dask = require("dask", "dask")
        task = _task(partial(_nearest, dtype, k))
        found = [
            task(index, first, Q, number)
            for index, first in zip(self._indices, self._firsts, strict=True)
        ]
        merge = dask.delayed(partial(_all_merged, k), pure=False)
        while len(found) > 1:
            found = [merge(found[i : i + _FAN_IN]) for i in range(0, len(found), _FAN_IN)]
        return found[0]

    def nearest(self, Q: Any, k: int, n_threads: int) -> Found:
        """Return the k nearest points of each query."""
        dask = require("dask", "dask")
        queries = self.X if Q is None else Q.toarray() if hasattr(Q, "toarray") else on_host(Q)
        (found,) = dask.compute(self.delayed(queries, queries.dtype, 0, k))
        result: Found = found
        return result

    def within(self, Q: Any, radius: float, n_threads: int) -> Any:
        """Not for points on a cluster."""
        raise ValueError("neighbours within a radius need points in memory")


def _called(
    name: str, given: tuple, named: dict, model: Any, found: Any, block: Any, number: int
) -> Any:
    """Return what a method of a model gives for a block of queries."""
    from rmodels.validation import Checked

    if found is not None:
        model = copy.copy(model)
        model._search = _Known(found)
    X = _checked_block(block, np.dtype("f4" if _is_single(block) else "f8"), number)
    return getattr(model, name)(Checked(X), *given, **named)


def _is_single(block: Any) -> bool:
    kinds = list(block.dtypes) if hasattr(block, "dtypes") else [block.dtype]
    return all(kind == np.float32 for kind in kinds)


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
    points = search if isinstance(search, Partitions) else None
    blocks, dtype = _blocks(X), _dtype(X)
    k = 0
    example: Any = None
    kept = model
    if points is not None:
        asked = given[0] if given else named.get("n_neighbors")
        k = asked if name == "kneighbors" and asked is not None else model.n_neighbors
        if k > points.count:
            raise ValueError(
                f"Expected n_neighbors <= n_samples_fit, but n_neighbors = {k}, "
                f"n_samples_fit = {points.count}"
            )
        kept = copy.copy(model)
        del kept._search
        example = np.zeros((1, k)), np.zeros((1, k), np.int64)
    query = np.zeros((1, model.n_features_in_), dtype)
    sample = _called(name, given, named, model, example, query, 0)
    task, one = _task(partial(_called, name, given, named)), dask.delayed(kept, traverse=False)
    results = [
        task(
            one,
            None if points is None else points.delayed(block, dtype, number, k),
            block,
            number,
        )
        for number, block in enumerate(blocks)
    ]
    sizes = [np.nan] * len(blocks) if _is_frame(X) else X.chunks[0]

    def array(pieces: list[Any], like: NDArray) -> Any:
        shapes = [(size, *like.shape[1:]) for size in sizes]
        parts = zip(pieces, shapes, strict=True)
        return arrays.concatenate(
            [arrays.from_delayed(each, shape, like.dtype) for each, shape in parts]
        )

    if isinstance(sample, (tuple, list)):
        return type(sample)(
            array([each[i] for each in results], like) for i, like in enumerate(sample)
        )
    return array(results, sample)
