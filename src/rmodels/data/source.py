"""Rows of samples with targets and weights, wherever they are, and the one way to read them.

An estimator computes something of rows by `fold`: a function of rows in memory, and how two of its
results combine. An array is one part; files are read in batches, and the partitions of a cluster
are combined as a tree. So whatever is a fold works on all of them.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmodels.config import thread_count
from rmodels.data.arrays import as_dtype, namespace, on_host

__all__ = ["WEIGHTLESS", "Rows", "Source", "Without"]

WEIGHTLESS = "sample_weight is 0 for every sample: at least one must be positive"

T = TypeVar("T")


@dataclass(eq=False)
class Rows:
    """Rows in memory.

    Attributes
    ----------
    X : ndarray, CSR matrix or tensor of shape (n_samples, n_features)
    Y : ndarray or tensor of shape (n_samples, n_targets)
    weights : ndarray or tensor of shape (n_samples,) or None
    assert_finite : callable
        Raises an error if X holds a NaN or an infinity, and says where.
    first : int
        Number of the first row, if these are a part of a source whose rows are `numbered`.
    """

    X: Any
    Y: NDArray
    weights: NDArray | None
    assert_finite: Callable[[], None]
    first: int = 0
    in_memory = True

    @property
    def n_features(self) -> int:
        """Columns of X."""
        columns: int = self.X.shape[1]
        return columns

    @property
    def n_targets(self) -> int:
        """Columns of Y."""
        return self.Y.shape[1]

    @property
    def dtype(self) -> np.dtype:
        """That of X: float32, which stands for shorter ones on the GPU, too, or float64."""
        return np.dtype(np.float32 if self.X.dtype.itemsize < 8 else np.float64)

    @property
    def count(self) -> float:
        """How many rows have a weight that is not 0."""
        return float(self.totals[0])

    @property
    def weight(self) -> float:
        """Σ w."""
        return float(self.totals[1])

    @cached_property
    def totals(self) -> NDArray[np.float64]:
        """How many rows have a weight that is not 0, and Σ w."""
        if self.weights is None:
            return np.full(2, float(self.X.shape[0]))
        if isinstance(self.weights, np.ndarray):
            return np.array([np.count_nonzero(self.weights), self.weights.sum(dtype=np.float64)])
        wide: Any = as_dtype(self.weights, np.dtype(np.float64))
        both = namespace(wide).stack([(wide != 0).sum(dtype=wide.dtype), wide.sum()])
        totals: NDArray[np.float64] = on_host(both)
        return totals

    def on_host(self) -> "Rows":
        """Return the rows with tensors copied to the processor."""
        parts = on_host(self.X), on_host(self.Y), on_host(self.weights)
        return Rows(*parts, self.assert_finite)

    def threads(self, n_jobs: int | None) -> int | None:
        """Return most threads of a computation."""
        return thread_count(n_jobs)

    def taken(self, rows: NDArray | slice) -> "Rows":
        """Return some of the rows, by their places here."""
        weights = None if self.weights is None else self.weights[rows]
        return Rows(self.X[rows], self.Y[rows], weights, self.assert_finite)

    def numbered(self) -> int:
        """Return how many rows there are; see `Source.numbered`."""
        return self.X.shape[0]

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
    ) -> T:
        """Return what `compute` gives for all rows; see `Source.fold`."""
        return compute(self)


class Source(Protocol):
    """Rows anywhere: `Rows` in memory, or in parts that are read when they are needed.

    Attributes
    ----------
    in_memory : bool
        Whether this is `Rows`.
    """

    in_memory: bool

    @property
    def n_features(self) -> int:
        """Columns of X."""

    @property
    def n_targets(self) -> int:
        """Columns of Y."""

    @property
    def dtype(self) -> np.dtype:
        """That of X: float32 or float64."""

    @property
    def count(self) -> float:
        """How many rows have a weight that is not 0."""

    @property
    def weight(self) -> float:
        """Σ w."""

    def threads(self, n_jobs: int | None) -> int | None:
        """Return most threads of a computation, by an estimator's `n_jobs`; None: all."""

    def numbered(self) -> int:
        """Have the parts that a fold meets know the number of their first row; count the rows."""

    def fold(
        self,
        compute: Callable[[Rows], T],
        combine: Callable[[T, T], T] = operator.add,
        *,
        resumable: bool = False,
    ) -> T:
        """Return what `compute` gives for all rows: of each part, combined in pairs.

        Parameters
        ----------
        compute : callable
            Of `Rows`. It must not keep their arrays.
        combine : callable
            Of two results, associative but for rounding.
        resumable : bool
            Whether the results are moments, which a checkpoint may hold.
        """


class Without:
    """The rows of a numbered source but for some; see `Source`."""

    in_memory = False

    def __init__(self, source: Source, left_out: range) -> None:
        self._source = source
        self._left_out = left_out
        self.n_features = source.n_features
        self.n_targets = source.n_targets
        self.dtype = source.dtype
        self.threads = source.threads

    @property
    def count(self) -> float:
        """How many rows have a weight that is not 0."""
        return float(self._totals[0])

    @property
    def weight(self) -> float:
        """Σ w."""
        return float(self._totals[1])

    @cached_property
    def _totals(self) -> NDArray[np.float64]:
        return self.fold(lambda rows: rows.totals)

    def numbered(self) -> int:
        """Return how many rows there are; their numbers are those of the source."""
        return self._source.numbered() - len(self._left_out)

    def fold(
        self,
        compute: Callable[[Rows], T],
        combine: Callable[[T, T], T] = operator.add,
        *,
        resumable: bool = False,
    ) -> T:
        """Return what `compute` gives for the rows; see `Source.fold`."""
        numbers = self._left_out  # not the source, which would travel with every task

        def of_part(rows: Rows) -> T | None:
            left_out = rows.within(numbers)
            if left_out.start == left_out.stop:
                return compute(rows)
            kept = np.delete(np.arange(rows.X.shape[0]), left_out)
            return compute(rows.taken(kept)) if len(kept) else None

        def both(first: T | None, second: T | None) -> T | None:
            return second if first is None else first if second is None else combine(first, second)

        found = self._source.fold(of_part, both)
        if found is None:
            raise ValueError("a fold holds all rows")
        return found
