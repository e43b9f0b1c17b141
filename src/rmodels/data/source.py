"""Rows of samples with targets and weights, wherever they are, and the one way to read them.

An estimator computes something of rows by `fold`: a function of rows in memory, and how two of its
results combine. It answers rows by `map`: a function of rows in memory, whose results stand one
after the other. An array is one part; files are read in batches; the partitions of a cluster are
combined as a tree. So whatever is a fold or a map works on all of them.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.config import thread_count
from rmodels.data.arrays import aligned, as_dtype, as_kind_of, namespace, on_host

__all__ = [
    "WEIGHTLESS",
    "Changed",
    "Prepared",
    "Rows",
    "Source",
    "Without",
    "concatenate",
    "random_state",
    "refuse_nothing",
    "shuffle",
]

WEIGHTLESS = "sample_weight is 0 for every sample: at least one must be positive"

T = TypeVar("T")
Totals = NDArray[np.float64]


class Source(ABC):
    """Rows anywhere: `Rows` in memory, or in parts that are read when they are needed.

    Attributes
    ----------
    in_memory : bool
        Whether this is `Rows`.
    n_features : int
        Columns of X.
    n_targets : int
        Columns of y; 0 without targets.
    one_target : bool
        Whether y has one dimension.
    dtype : numpy.dtype
        That of X: float32, which stands for shorter ones on the GPU, too, or float64.
    classes : list of ndarray or None
        The sorted labels of each target, of which Y holds the places; None if targets are numbers.
    target_dtype : numpy.dtype
        That of Y.
    has_weights : bool
    remote : bool
        Whether the rows are on a cluster: then `fold_later` joins what is there with other rows.
    """

    in_memory = False
    remote = False
    target_dtype: np.dtype
    has_weights: bool
    n_features: int
    n_targets: int
    one_target: bool
    dtype: np.dtype
    classes: list[Any] | None = None

    @property
    def count(self) -> float:
        """How many rows have a weight that is not 0."""
        return float(self.totals[0])

    @property
    def weight(self) -> float:
        """Σ w."""
        return float(self.totals[1])

    @property
    @abstractmethod
    def totals(self) -> Totals:
        """How many rows have a weight that is not 0, and Σ w."""

    def threads(self, n_jobs: int | None) -> int | None:
        """Return most threads of a computation, by an estimator's `n_jobs`; None: all."""
        return thread_count(n_jobs)

    def on_host(self) -> "Source":
        """Return the rows with tensors in memory copied to the processor."""
        return self

    @abstractmethod
    def number_rows(self) -> int:
        """Have the parts that a fold meets know the number of their first row; count the rows."""

    def keep_rows(self) -> None:  # noqa: B027 - most have nothing to keep
        """Say that all rows will be read several times: of files, those are kept that have room.

        An eighth of the memory limit is theirs. The others are read each time.
        """

    @abstractmethod
    def fold(
        self,
        compute: Callable[["Rows"], T],
        combine: Callable[[T, T], T] = operator.add,
        *,
        resumable: bool = False,
        large: bool = False,
    ) -> T:
        """Return what `compute` gives for all rows: of each part, combined in pairs.

        Parameters
        ----------
        compute : callable
            Of `Rows`. It must not keep their arrays.
        combine : callable
            Of two results, associative but for rounding.
        resumable : bool
            Whether a checkpoint may hold the results: numbers, arrays, moments, lists of them.
        large : bool
            Whether parts are to be as large as the memory limit allows; else they are as small as
            reading them is fast.
        """

    def fold_later(
        self, compute: Callable[..., T], combine: Callable[[T, T], T], beside: Any
    ) -> Any:
        """Return a fold whose `compute` gets something else too, which is delayed; delayed itself.

        Only of rows that are `remote`.
        """
        raise NotImplementedError(f"{type(self).__name__} is not on a cluster")

    def map(self, answer: Callable[["Rows"], Any]) -> Any:
        """Return what `answer` gives for all rows, in their order.

        Parameters
        ----------
        answer : callable
            Of `Rows`; returns an array with a row for each, a sparse matrix, or a list or tuple of
            them. It must not keep their arrays. See `Prepared` for one that needs more than a row.

        Returns
        -------
        ndarray, sparse matrix, tensor, Dask array or a list or tuple of them
            Of an array in its kind, at once; of a scan computed batch by batch; of a Dask
            collection lazy.
        """
        raise NotImplementedError(f"{type(self).__name__} is only folded")

    def fold_answers(
        self, answer: Callable[["Rows"], Any], compute: Callable[["Rows", Any], T]
    ) -> T:
        """Return the sum of what `compute` gives for the rows of each part and their answers.

        Parameters
        ----------
        answer : callable
            As in `map`.
        compute : callable
            Of `Rows` and what `answer` gave for them.
        """
        raise NotImplementedError(f"{type(self).__name__} is only folded")

    def batches(
        self, seed: int | np.random.RandomState | None = None, *, whole: bool = False
    ) -> Iterator["Rows"]:
        """Yield all rows once, a part at a time, in memory.

        Parameters
        ----------
        seed : int or RandomState, default=None
            The order: None is that of the rows. With a seed, of an array all rows are shuffled; of
            a scan the rows of each batch; of a Dask collection the partitions and their rows.
        whole : bool, default=False
            Whether each row must be there, as answers stand beside it: then a row of a scan that
            would be left out as it lacks a value is an error.
        """
        raise NotImplementedError(f"{type(self).__name__} is only folded")


def refuse_nothing() -> None:
    """Do nothing: the values of X were checked."""


@dataclass(eq=False)
class Rows(Source):
    """Rows in memory.

    Attributes
    ----------
    X : ndarray, CSR matrix or tensor of shape (n_samples, n_features)
    Y : ndarray or tensor of shape (n_samples, n_targets) or None
        Numbers, or places among `classes`.
    weights : ndarray or tensor of shape (n_samples,) or None
    assert_finite : callable
        Raises an error if X or Y holds a NaN or an infinity, and says where.
    first : int
        Number of the first row, if these are a part of a source whose rows are numbered.
    one_target : bool
    classes : list of ndarray or None
    given : object
        What the user gave as X; results are of its kind.
    """

    X: Any
    Y: Any = None
    weights: Any = None
    assert_finite: Callable[[], None] = refuse_nothing
    first: int = 0
    one_target: bool = True
    classes: list[Any] | None = None
    given: Any = field(default=None, repr=False)
    in_memory = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        pieces = {name: aligned(state[name]) for name in ("X", "Y", "weights")}
        self.__dict__.update(state | pieces)  # which may have come over a network

    @property
    def n_features(self) -> int:  # type: ignore[override]
        """Columns of X."""
        columns: int = self.X.shape[1]
        return columns

    @property
    def n_targets(self) -> int:  # type: ignore[override]
        """Columns of Y."""
        return 0 if self.Y is None else int(self.Y.shape[1])

    @property
    def dtype(self) -> np.dtype:  # type: ignore[override]
        """That of X: float32, which stands for shorter ones on the GPU, too, or float64."""
        kind = self.X.dtype
        short = kind == np.float32 if isinstance(kind, np.dtype) else kind.itemsize < 8
        return np.dtype(np.float32 if short else np.float64)

    @property
    def target_dtype(self) -> np.dtype:  # type: ignore[override]
        """That of Y."""
        return np.dtype(on_host(self.Y[:0]).dtype)

    @property
    def has_weights(self) -> bool:  # type: ignore[override]
        """Whether the rows have weights."""
        return self.weights is not None

    @cached_property
    def totals(self) -> Totals:
        """How many rows have a weight that is not 0, and Σ w."""
        if self.weights is None:
            return np.full(2, float(self.X.shape[0]))
        if isinstance(self.weights, np.ndarray):
            return np.array([np.count_nonzero(self.weights), self.weights.sum(dtype=np.float64)])
        wide: Any = as_dtype(self.weights, np.dtype(np.float64))
        both = namespace(wide).stack([(wide != 0).sum(dtype=wide.dtype), wide.sum()])
        found: Totals = on_host(both)
        return found

    def on_host(self) -> "Rows":
        """Return the rows with tensors copied to the processor."""
        X, Y, weights = on_host(self.X), on_host(self.Y), on_host(self.weights)
        if X is self.X and Y is self.Y and weights is self.weights:
            return self
        return replace(self, X=X, Y=Y, weights=weights)

    def take(self, rows: NDArray | slice) -> "Rows":
        """Return some of the rows, by their places here."""
        Y, weights = (None if A is None else A[rows] for A in (self.Y, self.weights))
        return replace(self, X=self.X[rows], Y=Y, weights=weights)

    def blocks(self, step: int) -> Iterator["Rows"]:
        """Yield the rows, some at a time, in their order."""
        n = self.X.shape[0]
        if n <= step:
            yield self
            return
        for first in range(0, n, step):
            yield replace(self.take(slice(first, first + step)), first=self.first + first)

    def number_rows(self) -> int:
        """Return how many rows there are."""
        return int(self.X.shape[0])

    def within(self, numbers: range) -> slice:
        """Return the places here of the rows with some numbers."""
        n = self.X.shape[0]
        first, last = (min(max(0, each - self.first), n) for each in (numbers.start, numbers.stop))
        return slice(first, last)

    def fold(
        self,
        compute: Callable[["Rows"], T],
        combine: Callable[[T, T], T] = operator.add,
        *,
        resumable: bool = False,
        large: bool = False,
    ) -> T:
        """Return what `compute` gives for all rows; see `Source.fold`."""
        return compute(self)

    def map(self, answer: Callable[["Rows"], Any]) -> Any:
        """Return what `answer` gives for all rows, in the kind of X; see `Source.map`."""
        found = answer(self)
        return found if self.given is None else as_kind_of(found, self.given)

    def fold_answers(
        self, answer: Callable[["Rows"], Any], compute: Callable[["Rows", Any], T]
    ) -> T:
        """Return what `compute` gives for all rows and answers; see `Source.fold_answers`."""
        return compute(self.on_host(), on_host(answer(self)))

    def batches(
        self, seed: int | np.random.RandomState | None = None, *, whole: bool = False
    ) -> Iterator["Rows"]:
        """Yield all rows at once, shuffled if there is a seed; see `Source.batches`."""
        yield self if seed is None else shuffle(self, seed)


class Prepared(ABC):
    """An answer for `Source.map` of which a part is found where other rows are: on a cluster."""

    @abstractmethod
    def prepare(self, rows: Rows) -> Any:
        """Return what `finish` needs for some rows, found now."""

    @abstractmethod
    def prepare_later(self, rows: Any) -> Any:
        """Return the same for rows that are delayed by Dask, delayed."""

    @abstractmethod
    def example(self) -> Any:
        """Return what is prepared for no rows."""

    @abstractmethod
    def finish(self, rows: Rows, prepared: Any) -> Any:
        """Return the answer."""

    def __call__(self, rows: Rows) -> Any:
        """Return the answer to rows in memory."""
        return self.finish(rows, self.prepare(rows))


def shuffle(rows: Rows, seed: int | np.random.RandomState) -> Rows:
    """Return rows in an order that a seed gives."""
    return rows.take(random_state(seed).permutation(rows.X.shape[0]))


def random_state(seed: int | np.random.RandomState) -> np.random.RandomState:
    """Return what draws, from its seed."""
    return seed if isinstance(seed, np.random.RandomState) else np.random.RandomState(seed)


class Without(Source):
    """The rows of a numbered source but for some, for folds."""

    def __init__(self, source: Source, left_out: range) -> None:
        self._source = source
        self._left_out = left_out
        self.n_features = source.n_features
        self.n_targets = source.n_targets
        self.one_target = source.one_target
        self.dtype = source.dtype
        self.classes = source.classes
        self.target_dtype, self.has_weights = source.target_dtype, source.has_weights

    def threads(self, n_jobs: int | None) -> int | None:
        """Return most threads of a computation."""
        return self._source.threads(n_jobs)

    @cached_property
    def totals(self) -> Totals:
        """How many rows have a weight that is not 0, and Σ w."""
        return self.fold(lambda rows: rows.totals)

    def number_rows(self) -> int:
        """Return how many rows there are; their numbers are those of the source."""
        return self._source.number_rows() - len(self._left_out)

    def fold(
        self,
        compute: Callable[[Rows], T],
        combine: Callable[[T, T], T] = operator.add,
        *,
        resumable: bool = False,
        large: bool = False,
    ) -> T:
        """Return what `compute` gives for the rows; see `Source.fold`."""
        numbers = self._left_out  # not the source, which would travel with every task

        def of_part(rows: Rows) -> T | None:
            left_out = rows.within(numbers)
            if left_out.start == left_out.stop:
                return compute(rows)
            kept = np.delete(np.arange(rows.X.shape[0]), left_out)
            return compute(rows.take(kept)) if len(kept) else None

        def both(first: T | None, second: T | None) -> T | None:
            return second if first is None else first if second is None else combine(first, second)

        found = self._source.fold(of_part, both, large=large)
        if found is None:
            raise ValueError("a fold holds all rows")
        return found


class Changed(Source):
    """The rows of a source, with other targets or weights in memory.

    Parameters
    ----------
    source : Source
    change : callable
        Of `Rows`; returns them changed.
    n_targets : int
    has_weights : bool
    """

    def __init__(
        self, source: Source, change: Callable[[Rows], Rows], n_targets: int, has_weights: bool
    ) -> None:
        self._source = source
        self._change = change
        self._totals: Totals | None = None
        self.n_features, self.dtype = source.n_features, source.dtype
        self.n_targets, self.one_target, self.has_weights = n_targets, False, has_weights
        self.target_dtype = source.dtype

    def threads(self, n_jobs: int | None) -> int | None:
        """Return most threads of a computation."""
        return self._source.threads(n_jobs)

    @property
    def totals(self) -> Totals:
        """How many rows have a weight that is not 0, and Σ w."""
        if self._totals is None:  # no cached_property, whose lock all instances share
            self._totals = self.fold(lambda rows: rows.totals)
        return self._totals

    def number_rows(self) -> int:
        """Return how many rows there are; see `Source.number_rows`."""
        return self._source.number_rows()

    def fold(
        self,
        compute: Callable[[Rows], T],
        combine: Callable[[T, T], T] = operator.add,
        *,
        resumable: bool = False,
        large: bool = False,
    ) -> T:
        """Return what `compute` gives for the rows; see `Source.fold`."""
        change = self._change  # not the source, which would travel with every task
        return self._source.fold(lambda rows: compute(change(rows)), combine, large=large)


@dataclass(frozen=True, eq=False)
class Chosen:
    """What takes some of the rows of a source, whose rows are numbered.

    Attributes
    ----------
    mask : ndarray of shape (n_samples,), bool
    """

    mask: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: NDArray, n_samples: int) -> "Chosen":
        """Return what takes rows that a splitter names, by their places or by a mask."""
        mask = np.zeros(n_samples, dtype=bool)
        mask[rows] = True
        return cls(mask)

    def __call__(self, rows: Rows) -> Rows:
        """Return those that are here."""
        places = np.flatnonzero(self.mask[rows.first : rows.first + rows.X.shape[0]])
        return rows.take(places)


def concatenate(parts: list[Any]) -> Any:
    """Return answers to parts of the rows as one: arrays, sparse matrices, or several of them."""
    first = parts[0]
    if isinstance(first, (list, tuple)):
        return type(first)(concatenate(list(each)) for each in zip(*parts, strict=True))
    if sparse.issparse(first):
        return sparse.vstack(parts, format=first.format)
    return np.concatenate(parts)
