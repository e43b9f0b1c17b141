"""Dask collections: rows in partitions on a cluster, which Dask schedules and moves.

A fold is one task for each partition and a tree of sums; what is gathered is the last sum. Answers
are lazy, partition by partition.
"""

import operator
import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from numbers import Integral
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.config import config_context, get_config, thread_count
from rmodels.data.checks import (
    Missing,
    Targets,
    check_columns,
    check_given,
    check_list_of_columns,
    check_target_given,
    constant_weight,
    warn_of_a_column,
)
from rmodels.data.formats import TableReader
from rmodels.data.labels import (
    Encoding,
    check_classes,
    check_kinds,
    find_labels,
    merge_labels,
)
from rmodels.data.parts import Part
from rmodels.data.preparation import Preparation, preparation_of
from rmodels.data.scan import Asked, Scan
from rmodels.data.source import WEIGHTLESS, Prepared, Rows, Source, random_state, shuffle
from rmodels.extras import require

__all__ = ["DaskSource", "is_dask"]

T = TypeVar("T")

_FAN_IN = 8  # results that one task combines


def is_dask(X: Any) -> bool:
    """Return whether X is a collection of Dask."""
    return type(X).__module__.partition(".")[0] == "dask"


def _is_frame(A: Any) -> bool:
    return hasattr(A, "npartitions") and hasattr(A, "to_dask_array")


def _width(A: Any) -> int:
    if A.ndim == 1:
        return 1
    return len(A.columns) if _is_frame(A) else int(A.shape[1])


def _dtype(X: Any) -> np.dtype:
    kinds = list(X.dtypes) if hasattr(X, "columns") else [X.dtype]
    return np.dtype(np.float32 if all(kind == np.float32 for kind in kinds) else np.float64)


def _columns(X: Any) -> list[Any]:
    """Return the names of the columns of X, which an array has not."""
    return list(X.columns) if _is_frame(X) and X.ndim == 2 else []


def _nameless(name: str, value: str) -> str:
    return (
        f"{name} is {value!r}, and X, a Dask array, has no names of columns: give an array or a "
        "collection"
    )


def _names(X: Any, y: Any) -> list[Any]:
    """Return the columns of X that y names; none if it holds targets.

    A number may be a name, too.
    """
    columns = _columns(X)
    if isinstance(y, str) and not columns:
        raise ValueError(_nameless("y", y))
    if isinstance(y, str) or (isinstance(y, Integral) and y in columns):
        return [y]
    texts = isinstance(y, (list, tuple)) and len(y) > 0 and all(isinstance(n, str) for n in y)
    if not texts or not columns:
        return []
    check_list_of_columns("X", y, columns)
    return list(y)


def _take_columns(X: Any, left: list[Any], y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return X without the columns that y and the weights name, and those columns."""
    weight = [sample_weight] if isinstance(sample_weight, str) else []
    if not (left or weight):
        return X, y, sample_weight
    names = [*left, *weight]
    if not _columns(X):
        raise ValueError(_nameless("sample_weight", sample_weight))
    for name in names:
        if name not in X.columns:
            raise ValueError(f"X has no column {name!r}; it has {', '.join(map(repr, X.columns))}")
        if names.count(name) > 1:
            raise ValueError(f"column {name!r} is asked for twice")
    if left:
        y = X[left] if isinstance(y, (list, tuple)) else X[left[0]]
    sample_weight = X[weight[0]] if weight else sample_weight
    return X[[name for name in X.columns if name not in names]], y, sample_weight


def _pack(*parts: Any) -> Any:
    """Return partitions of several frames as one, which Dask cannot cut otherwise."""
    pd = require("pandas", "dask")
    packed = pd.Series([None], dtype=object)
    packed.iloc[0] = parts
    return packed


def _unpack(packed: Any) -> tuple[Any, ...]:
    parts: tuple[Any, ...] = packed.iloc[0]
    return parts


def _cut_frames(frames: Sequence[Any]) -> list[Any]:
    """Return the partitions of frames, side by side, delayed.

    Dask joins the partitions of files by how many columns are read of each: of frames that are cut
    one by one, other rows could stand beside each other.
    """
    pd = require("pandas", "dask")
    delayed = require("dask", "dask").delayed
    together = require("dask.dataframe", "dask").map_partitions(
        _pack, *frames, meta=pd.Series([], dtype=object), align_dataframes=False
    )
    return [delayed(_unpack)(each) for each in together.simplify().to_delayed(optimize_graph=False)]


def _cut_array(A: Any) -> list[Any]:
    """Return the chunks of rows, with all columns, delayed."""
    whole = A.rechunk({1: -1}) if A.ndim == 2 else A
    return list(whole.to_delayed().ravel())


def _n_partitions(A: Any) -> int:
    return int(A.npartitions) if _is_frame(A) else len(A.chunks[0])


def _has_sizes(A: Any) -> bool:
    """Return whether Dask knows how many rows each partition has."""
    return not _is_frame(A) and not np.isnan(A.chunks[0]).any()


def _sizes(X: Any, blocks: list[Any]) -> list[int]:
    """Return the rows of each partition, which are counted if Dask does not know them."""
    if _has_sizes(X):
        return list(X.chunks[0])
    counting = require("dask", "dask").delayed(len)
    (found,) = require("dask", "dask").compute([counting(block) for block in blocks])
    return list(found)


def _cut(X: Any, others: dict[str, Any]) -> list[list[Any]]:
    """Return for each partition X and what belongs to its rows, delayed.

    Parameters
    ----------
    X : Dask collection
    others : dict
        By name, collections or arrays with a row for each of X, numbers, or None.
    """
    for name, A in others.items():
        if not is_dask(A):
            continue
        if _has_sizes(A) and _has_sizes(X):
            if sum(A.chunks[0]) != sum(X.chunks[0]):
                raise ValueError(f"{name} has {sum(A.chunks[0])} rows, and X {sum(X.chunks[0])}")
            others[name] = A.rechunk({0: X.chunks[0]})
        elif _n_partitions(A) != _n_partitions(X):
            raise ValueError(
                f"{name} has {_n_partitions(A)} partitions, and X {_n_partitions(X)}: take "
                "both from one frame, or repartition it before they are taken"
            )
    frames = [A for A in (X, *others.values()) if is_dask(A) and _is_frame(A)]
    packed = _cut_frames(frames) if frames else []
    places = iter(range(len(frames)))
    columns: list[list[Any]] = []
    for A in (X, *others.values()):
        if is_dask(A) and _is_frame(A):
            place = next(places)
            columns.append([each[place] for each in packed])
        elif is_dask(A):
            columns.append(_cut_array(A))
        else:
            columns.append([A])
    n = len(columns[0])
    for i, (name, A) in enumerate(others.items(), 1):
        if is_dask(A):
            continue
        if A is None or constant_weight(A):
            columns[i] = [A] * n
            continue
        array = A if hasattr(A, "shape") else np.asarray(A)
        sizes = _sizes(X, columns[0])
        if len(array) != sum(sizes):
            raise ValueError(f"{name} has {len(array)} rows, and X {sum(sizes)}")
        bounds = np.cumsum([0, *sizes]).tolist()
        take = array.iloc if hasattr(array, "iloc") else array
        columns[i] = [take[a:b] for a, b in pairwise(bounds)]
    return [list(each) for each in zip(*columns, strict=True)]


def _tree(found: list[Any], merge: Callable[[list[Any]], Any]) -> Any:
    """Return what delayed results lead to when some at a time are merged, delayed."""
    merging = _task(merge)
    while True:
        found = [merging(found[i : i + _FAN_IN]) for i in range(0, len(found), _FAN_IN)]
        if len(found) == 1:
            return found[0]


def _task(work: Callable[..., T]) -> Callable[..., Any]:
    """Return a function that does some work in a task, delayed, with the settings of now.

    The work is sent once, however many tasks do it.
    """
    delayed = require("dask", "dask").delayed
    work = InOnePiece(work)
    shared = delayed(partial(_in_task, get_config() | {"progress": False}, work), traverse=False)
    return partial(delayed(_call, pure=False), shared)


class InOnePiece:
    """Work that is sent in one piece.

    Dask sends the arrays of an object one after the other, and they may begin at any byte then.
    """

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work = work

    def __call__(self, *arguments: Any) -> Any:
        """Do the work."""
        return self._work(*arguments)

    def __reduce__(self) -> Any:
        return _unpack_work, (require("cloudpickle", "dask").dumps(self._work),)


def _unpack_work(packed: bytes) -> InOnePiece:
    return InOnePiece(pickle.loads(packed))


def _call(work: Callable[..., T], *arguments: Any) -> T:
    return work(*arguments)


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


def _prepare(X: Any, prepared: Preparation, place: str) -> NDArray:
    """Return a partition as the fit prepared it: text as 0 and 1, means for what is missing."""
    d = prepared.n_features
    if not hasattr(X, "columns"):
        filled = np.array(X, np.float64)
    elif not len(X):
        filled = np.empty((0, d))
    else:
        texts = prepared.categories if prepared.is_given(list(X.columns)) else {}
        asked = Asked(
            list(X.columns),
            categories=texts,
            missing="mean" if texts and prepared.missing == "mean" else "error",
            unknown=prepared.unknown,
        )
        rows = Scan(TableReader(X, place), None)
        filled = np.concatenate([Z.copy() for _, Z in rows.arrays(asked, "predict")])
    if prepared.means is not None:
        prepared.fill(filled)
    return filled


def _rows(
    part: Part, prepared: Preparation | None, parts: Sequence[Any], number: int, first: int
) -> Rows:
    """Return the checked rows of a partition."""
    X, y, weights = parts
    if sparse.issparse(X):
        raise TypeError(
            f"Sparse data was passed for X, partition {number}, but dense data is required. Use "
            "'.toarray()' to convert to a dense numpy array."
        )
    place = f"partition {number}"
    if prepared is not None:
        X = _prepare(X, prepared, place)
    return part.rows(X, y, weights, place, first)


def _fold_part(
    compute: Callable[..., T],
    part: Part,
    prepared: Preparation | None,
    parts: Any,
    number: int,
    first: int,
    *beside: Any,
) -> tuple[T, NDArray[np.float64]] | None:
    rows = _rows(part, prepared, parts, number, first)
    return (compute(rows, *beside), rows.totals) if len(rows.X) else None


def _combine(combine: Callable[[T, T], T], found: Sequence[Any]) -> Any:
    total = None
    for each in found:
        if each is not None:
            total = each if total is None else (combine(total[0], each[0]), total[1] + each[1])
    return total


def _find_labels(part: Part, y: Any, number: int) -> tuple[list[NDArray], int] | None:
    """Return the labels of a partition, and how many rows it has."""
    Y = part.rows(np.empty((len(y), 0)), y, None, f"partition {number}").Y
    check_kinds(*Y.T)
    return (find_labels(Y), len(Y)) if len(Y) else None


def _answer(answer: Any, empty: Any, rows: Rows, *prepared: Any) -> Any:
    """Return the answer to the rows of a partition, `empty` if there are none."""
    if not len(rows.X):
        return empty
    return answer.finish(rows, *prepared) if prepared else answer(rows)


def _compute_answers(
    answer: Any, compute: Callable[[Rows, Any], T], rows: Rows, *prepared: Any
) -> tuple[T, NDArray[np.float64]] | None:
    if not len(rows.X):
        return None
    rows.assert_finite()
    return compute(rows, _answer(answer, None, rows, *prepared)), rows.totals


class DaskSource(Source):
    """Rows in partitions; see `rmodels.data.source.Source`.

    Parameters
    ----------
    X : Dask array or data frame
    estimator : object
        Its columns are recorded with `reset`, else compared.
    y : Dask collection, array, str, list of str or None
    sample_weight : Dask collection, array, str, number or None
    targets : {"none", "numbers", "labels"}
    reset, part, encoded : bool
    missing : {"later", "refuse", "allow"}
        As of `Need`.
    classes : list of ndarray or None
    """

    remote = True

    def __init__(
        self,
        X: Any,
        estimator: Any,
        y: Any,
        sample_weight: Any,
        *,
        targets: Targets,
        reset: bool,
        part: bool,
        encoded: bool,
        classes: Sequence[NDArray] | None,
        missing: Missing,
    ) -> None:
        left: list[Any] = []
        if targets == "none":
            y = None
        elif not (left := _names(X, y)):
            check_target_given(estimator, y)
        if X.ndim != 2:
            raise ValueError(
                f"Expected 2D array, got {X.ndim}D array instead: give X two dimensions, of a "
                "frame one or more columns as X[['name']]"
            )
        X, y, sample_weight = _take_columns(X, left, y, sample_weight)
        if y is not None and not hasattr(y, "ndim"):
            y = np.asarray(y)
        self.one_target = y is None or y.ndim == 1
        self.n_targets = 0 if y is None else _width(y)
        prepared = None if reset else preparation_of(estimator)
        if prepared is not None and prepared.is_given(_columns(X)):
            check_given(estimator, prepared, X._meta)
            columns, self.dtype = prepared.names, np.dtype(np.float64)
        else:
            header = X._meta if _is_frame(X) else np.empty((0, _width(X)))
            check_columns(estimator, header, reset=reset)
            columns, self.dtype = _columns(X) or list(range(_width(X))), _dtype(X)
        self.n_features = len(columns)
        self._name, self._allow_weightless = type(estimator).__name__, part
        self._known_sizes = None if _is_frame(X) else X.chunks[0]
        encodings = None
        if targets == "labels" and encoded:
            self.one_target = self.n_targets == 1
            if not left and self.n_targets == 1 and y.ndim == 2:
                warn_of_a_column(np.empty((0, 1)))
            encodings = self._encode(y, classes)
        self.target_dtype = np.dtype(np.intp if self.classes else np.float64)
        if targets == "numbers":
            self.target_dtype = _dtype(y if y.ndim == 2 or not _is_frame(y) else y.to_frame())
        self.has_weights = sample_weight is not None
        self._part = Part(
            self._name,
            columns,
            self.dtype,
            targets,
            encodings,
            self.classes,
            self.one_target,
            missing,
            self.target_dtype,
        )
        self._prepared = prepared
        self._parts = _cut(X, {"y": y, "sample_weight": sample_weight})
        self._firsts = [0] * len(self._parts)
        self._totals: NDArray[np.float64] | None = None

    def _encode(self, y: Any, classes: Sequence[NDArray] | None) -> list[Encoding]:
        """Find the classes, unless they are known, and how labels become places among them."""
        part = Part(self._name, [], self.dtype, "labels")
        blocks = [y]
        if is_dask(y):
            blocks = [each[0] for each in _cut_frames([y])] if _is_frame(y) else _cut_array(y)
        task = _task(partial(_find_labels, part))
        tasks = [task(block, number) for number, block in enumerate(blocks)]
        (found,) = require("dask", "dask").compute(_tree(tasks, partial(_combine, merge_labels)))
        if found is None:
            raise ValueError(self._no_rows())
        labels, n_rows = found
        known = labels if classes is None else classes
        self.classes = list(known)
        for each in labels:
            check_classes(each, n_rows)
        return [Encoding.of(e, e, c) for e, c in zip(labels, known, strict=True)]

    def _no_rows(self) -> str:
        return (
            f"Found array with 0 sample(s) (shape=(0, {self.n_features})) while a minimum of 1 is "
            f"required by {self._name}."
        )

    @property
    def totals(self) -> NDArray[np.float64]:
        """How many rows have a weight that is not 0, and Σ w."""
        if self._totals is None:
            self.fold(lambda rows: 0)
            assert self._totals is not None
        return self._totals

    def threads(self, n_jobs: int | None) -> int | None:
        """Return most threads of a task; None: the worker's share."""
        return n_jobs

    def number_rows(self) -> int:
        """Return how many rows there are; see `rmodels.data.source.Source.number_rows`."""
        task = _task(partial(_fold_part, _count, self._part, self._prepared))
        found = [task(parts, number, 0) for number, parts in enumerate(self._parts)]
        (counted,) = require("dask", "dask").compute(found)
        counts = [0 if each is None else each[0] for each in counted]
        if not sum(counts):
            raise ValueError(self._no_rows())
        self._firsts = np.cumsum([0, *counts])[:-1].tolist()
        return sum(counts)

    def _plan_fold(self, compute: Callable[..., T], combine: Any, *beside: Any) -> Any:
        """Return the sum over the partitions and their totals, delayed."""
        task = _task(partial(_fold_part, compute, self._part, self._prepared))
        numbered = enumerate(zip(self._parts, self._firsts, strict=True))
        found = [task(parts, number, first, *beside) for number, (parts, first) in numbered]
        return _tree(found, partial(_combine, combine))

    def _sum(self, delayed: Any) -> Any:
        """Return what a delayed sum is, checked."""
        (total,) = require("dask", "dask").compute(delayed)
        if total is None:
            raise ValueError(self._no_rows())
        if not total[1][1] and not self._allow_weightless:
            raise ValueError(WEIGHTLESS)
        self._totals = total[1]
        return total[0]

    def fold(
        self,
        compute: Callable[[Rows], T],
        combine: Callable[[T, T], T] = operator.add,
        *,
        resumable: bool = False,
        large: bool = False,
    ) -> T:
        """Return what `compute` gives for all rows; see `rmodels.data.source.Source.fold`."""
        found: T = self._sum(self._plan_fold(compute, combine))
        return found

    def fold_later(self, compute: Callable[..., T], combine: Any, beside: Any) -> Any:
        """Return a fold whose `compute` also gets something that is delayed; delayed itself."""
        delayed = require("dask", "dask").delayed
        return delayed(operator.itemgetter(0))(self._plan_fold(compute, combine, beside))

    def _later(self) -> list[Any]:
        """Return the checked rows of each partition, delayed."""
        task = _task(partial(_rows, self._part, self._prepared))
        numbered = enumerate(zip(self._parts, self._firsts, strict=True))
        return [task(parts, number, first) for number, (parts, first) in numbered]

    def map(self, answer: Callable[[Rows], Any]) -> Any:
        """Return what `answer` gives for all rows, lazily; see `rmodels.data.source.Source.map`."""
        arrays = require("dask.array", "dask")
        # what is made up could be refused or warned of: of no rows nothing is
        none = Rows(np.zeros((0, self.n_features), self.dtype))
        prepared = isinstance(answer, Prepared)
        empty = answer.finish(none, answer.example()) if prepared else answer(none)  # type: ignore[attr-defined]
        several = isinstance(empty, (tuple, list))
        task = _task(partial(_answer, answer, empty))
        found = [
            task(rows, answer.prepare_later(rows)) if prepared else task(rows)  # type: ignore[attr-defined]
            for rows in self._later()
        ]
        sizes = self._known_sizes or [np.nan] * len(found)

        def stack(pieces: list[Any], like: Any) -> Any:
            shapes = [(size, *like.shape[1:]) for size in sizes]
            return arrays.concatenate(
                [
                    arrays.from_delayed(piece, shape, meta=like)
                    for piece, shape in zip(pieces, shapes, strict=True)
                ]
            )

        if several:
            return type(empty)(
                stack([each[i] for each in found], like) for i, like in enumerate(empty)
            )
        return stack(found, empty)

    def fold_answers(self, answer: Callable[[Rows], Any], compute: Callable[[Rows, Any], T]) -> T:
        """Return the sum over rows and answers; see `rmodels.data.source.Source.fold_answers`."""
        task = _task(partial(_compute_answers, answer, compute))
        found = [
            task(rows, answer.prepare_later(rows)) if isinstance(answer, Prepared) else task(rows)
            for rows in self._later()
        ]
        result: T = self._sum(_tree(found, partial(_combine, operator.add)))
        return result

    def batches(
        self, seed: int | np.random.RandomState | None = None, *, whole: bool = False
    ) -> Iterator[Rows]:
        """Yield the rows of each partition; see `rmodels.data.source.Source.batches`."""
        random = None if seed is None else random_state(seed)
        later = self._later()
        order = range(len(later)) if random is None else random.permutation(len(later))
        for place in order:
            (rows,) = require("dask", "dask").compute(later[place])
            if len(rows.X):
                yield rows if random is None else shuffle(rows, random)


def _count(rows: Rows) -> int:
    return len(rows.X)
