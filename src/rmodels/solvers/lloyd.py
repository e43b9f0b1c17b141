"""Lloyd's algorithm: centres become the means of the rows nearest to them, until they stay.

Labels are exact, and sums in fixed point: a fit has the same bits for any number of threads, and
for rows in any batches.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels import ops
from rmodels.config import get_config
from rmodels.data import Rows, Source
from rmodels.data.arrays import as_dtype, join, namespace, on_host
from rmodels.ops import device
from rmodels.ops.assign import (
    Assignment,
    Sums,
    add_sums,
    assign,
    find_farthest,
    find_range,
    own_squares,
    read_sums,
    reassign,
)
from rmodels.ops.assign.farthest import order_farthest
from rmodels.ops.assign.sums import BITS, LIMBS
from rmodels.solvers.exact_sum import ExactSum
from rmodels.solvers.moments import as_array
from rmodels.solvers.seeds import as_dense, assert_no_overflow, assert_weights_hold, dense_blocks

__all__ = [
    "Clustering",
    "Ends",
    "Extent",
    "Lloyd",
    "Spread",
    "assign_rows",
    "find_engine",
    "find_extent",
    "find_spread",
    "measure_rows",
    "sum_own",
    "sum_squares_to",
]

Matrix = NDArray[np.float64]
Labels = NDArray[np.int32]

_SHARE = 4  # of the memory limit that may be taken by what is known of rows that are read again
_KNOWN = 16  # bytes of it a row
_NEAR = 16  # far ends of a column over the near one, up to which their middle is subtracted


@dataclass(frozen=True)
class Extent:
    """Where the columns are.

    Attributes
    ----------
    low, high : ndarray of shape (n_features,)
    n_samples : int
    heaviest, lightest : float
        The largest weight, and the least above 0: infinity if there is none.
    """

    low: Matrix
    high: Matrix
    n_samples: int
    heaviest: float
    lightest: float

    def __add__(self, other: "Extent") -> "Extent":
        return Extent(
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.n_samples + other.n_samples,
            max(self.heaviest, other.heaviest),
            min(self.lightest, other.lightest),
        )

    @property
    def middle(self) -> Matrix:
        """Between low and high; 0 where the distance to that would lack a value's digits."""
        near, far = (bound(abs(self.low), abs(self.high)) for bound in (np.minimum, np.maximum))
        one_sign = np.signbit(self.low) == np.signbit(self.high)
        return np.where(one_sign & (near >= far / _NEAR), 0.5 * self.low + 0.5 * self.high, 0.0)

    def check(self, *others: Matrix) -> None:
        """Raise if squares of distances between these rows and points overflow, or sums of weights.

        The latter do not hold weights that are too small, either.
        """
        low, high = self.low, self.high
        for points in others:
            low, high = np.minimum(low, points.min(axis=0)), np.maximum(high, points.max(axis=0))
        with np.errstate(over="ignore"):
            assert_no_overflow(float(np.square(high - low).sum()))
        assert_weights_hold(self.heaviest)

    @property
    def digits(self) -> float:
        """How many decimal digits sums have of rows with the lightest weights alone."""
        if not 0 < self.lightest <= self.heaviest:
            return np.inf
        return LIMBS * BITS * float(np.log10(2)) + float(np.log10(self.lightest / self.heaviest))

    def sums(self, n_centres: int, *, weighted: bool = True) -> Sums:
        """Return fixed-point sums of no rows."""
        reach = np.maximum(self.high - self.middle, self.middle - self.low)
        return Sums.of(n_centres, self.middle, reach, self.heaviest if weighted else 1.0)


def find_engine(source: Source) -> str:
    """Return the name of the engine that assigns the rows of a source."""
    return ops.choose("assign", None, source.X if isinstance(source, Rows) else None)


def find_extent(source: Source) -> Extent:
    """Return where the columns are; raise if a value is not finite, or too large to square."""
    source.keep_rows()  # this is the first of several reads
    extent = source.fold(partial(_extent, n_threads=source.threads(None)))
    extent.check()
    return extent


def _find_range(X: Any, n_threads: int | None) -> tuple[Matrix, Matrix]:
    """Return the minimum and the maximum of each column."""
    if sparse.issparse(X):
        low, high = (as_array(bound).ravel() for bound in (X.min(axis=0), X.max(axis=0)))
        return low.astype(np.float64), high.astype(np.float64)
    return find_range(X, n_threads=n_threads)


def _extent(rows: Rows, n_threads: int | None) -> Extent:
    X = rows.X
    low, high = _find_range(X, n_threads)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        rows.assert_finite()
    heaviest = lightest = 1.0
    if rows.weights is not None:
        heaviest, lightest = float(rows.weights.max()), np.inf
        if heaviest > 0:
            lightest = float(rows.weights[rows.weights > 0].min())
    return Extent(low, high, int(X.shape[0]), heaviest, lightest)


@dataclass(frozen=True)
class _Squares:
    """Σ x, unless it is Σ w x, and Σ ‖x − middle‖², without and with the weights."""

    sums: Sums | None
    squares: ExactSum
    weighted: ExactSum

    @classmethod
    def of(cls, sums: Sums | None, squares: Matrix, weights: NDArray | None) -> "_Squares":
        plain = ExactSum.of(squares)
        return cls(sums, plain, plain if weights is None else ExactSum.of(_times(weights, squares)))

    def __add__(self, other: "_Squares") -> "_Squares":
        sums = None
        if self.sums is not None and other.sums is not None:
            sums = self.sums + other.sums
        return _Squares(sums, self.squares + other.squares, self.weighted + other.weighted)

    def spread(self, sums: Sums, n_samples: int) -> "Spread":
        """Return what they say, with Σ x of all rows in the place of the first centre."""
        for squares in (self.squares, self.weighted):
            assert_no_overflow(squares.value)
        apart = sums.totals()[0] / n_samples
        scatter = self.squares.value - n_samples * float((apart**2).sum())
        numbers = n_samples * max(1, len(apart))
        return Spread(max(scatter, 0.0) / numbers, self.weighted.value)


def _times(weights: NDArray, squares: Matrix) -> Matrix:
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is looked for in the sum
        return weights * squares


def _square(rows: Rows, none: Sums, n_threads: int | None) -> _Squares:
    found = None
    for block in dense_blocks(rows):
        X = as_dense(block.X)
        one = device.full(len(X), 0, np.int32, X)
        squares = own_squares(X, none.shift[np.newaxis], one, n_threads=n_threads)
        part = _Squares.of(add_sums(none, X, one, n_threads=n_threads), squares, block.weights)
        found = part if found is None else found + part
    assert found is not None
    return found


@dataclass(frozen=True)
class Spread:
    """How rows lie about the middle of their columns.

    Attributes
    ----------
    variance : float
        The mean variance of the columns, without weights.
    total : float
        Σ w ‖x − middle‖².
    """

    variance: float
    total: float


def find_spread(source: Source, extent: Extent, n_threads: int | None) -> Spread:
    """Return how rows lie about the middle of their columns."""
    none = extent.sums(1, weighted=False)
    found = source.fold(partial(_square, none=none, n_threads=n_threads))
    assert found.sums is not None
    return found.spread(found.sums, extent.n_samples)


def assign_rows(rows: Rows, centres: Matrix, n_threads: int | None) -> Labels:
    """Return which centre is nearest to each of some rows in memory."""
    found: Labels = join(
        [assign(as_dense(part.X), centres, n_threads=n_threads) for part in dense_blocks(rows)]
    )
    return found


def sum_squares_to(rows: Rows, centres: Matrix) -> ExactSum:
    """Return Σ w ‖x − m‖² of rows in memory and the centres that are nearest to them."""
    return measure_rows(rows, centres, None).inertia


@dataclass(frozen=True)
class Ends:
    """What centres say of rows.

    Attributes
    ----------
    labels : list of ndarray or tensor of shape (n_part,), int32
        Of parts of the rows, one after the other.
    inertia : ExactSum
        Σ w ‖x − m‖².
    """

    labels: list[Labels]
    inertia: ExactSum

    def __add__(self, other: "Ends") -> "Ends":
        return Ends(self.labels + other.labels, self.inertia + other.inertia)


def measure_rows(
    rows: Rows,
    centres: Matrix,
    n_threads: int | None,
    label: Callable[[NDArray], Labels] | None = None,
) -> Ends:
    """Return the labels of rows in memory, by the nearest centre or as told, and Σ w ‖x − m‖²."""
    labels, total = [], ExactSum.of(np.zeros(0))
    for block in dense_blocks(rows):
        X = as_dense(block.X)
        labels.append(assign(X, centres, n_threads=n_threads) if label is None else label(X))
        total += sum_own(X, block.weights, centres, labels[-1], n_threads)
    return Ends(labels, total)


def sum_own(
    X: NDArray, weights: NDArray | None, centres: Matrix, labels: Labels, n_threads: int | None
) -> ExactSum:
    """Return Σ w ‖x − m‖² of rows and the centres that labels name."""
    squares = own_squares(X, centres, labels, n_threads=n_threads)
    return ExactSum.of(squares if weights is None else _times(weights, squares))


@dataclass(frozen=True)
class _Far:
    """Rows that are farthest from their centres: the farthest first, of equal ones the first."""

    squares: Matrix
    X: Matrix
    weights: Matrix
    labels: Labels

    def first(self, count: int) -> "_Far":
        order = order_farthest(self.squares, count)
        return _Far(self.squares[order], self.X[order], self.weights[order], self.labels[order])


def _join(first: _Far, second: _Far, count: int) -> _Far:
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return _Far(*map(np.concatenate, pairs)).first(count)


def _find_far(rows: Rows, centres: Matrix, count: int, n_threads: int | None) -> _Far:
    parts = []
    for block in dense_blocks(rows):
        known = Assignment(assign(as_dense(block.X), centres, n_threads=n_threads))
        parts.append(_find_far_of(block, centres, known, count, n_threads))
    return reduce(partial(_join, count=count), parts)


def _find_far_of(
    block: Rows, centres: Matrix, known: Assignment, count: int, n_threads: int | None
) -> _Far:
    """Return the rows of a block with labels that are farthest from their centres."""
    X = as_dense(block.X)
    places, squares = find_farthest(X, centres, known, count, n_threads=n_threads)
    w = None if block.weights is None else on_host(block.weights[places])
    return _Far(
        squares,
        on_host(X[places]).astype(np.float64),
        np.ones(len(places)) if w is None else w.astype(np.float64),
        on_host(known.labels[places]),
    )


def _sum_rows(rows: Rows, centres: Matrix, none: Sums, n_threads: int | None) -> Sums:
    sums = none
    for block in dense_blocks(rows):
        X = as_dense(block.X)
        labels = assign(X, centres, n_threads=n_threads)
        sums = add_sums(sums, X, labels, block.weights, n_threads=n_threads)
    return sums


def _later(first: Sums, second: Sums) -> Sums:
    return second


class _Kept:
    """Rows that are read again in the same parts, with what is known of them.

    Only those that move are added.
    """

    def __init__(
        self, source: Source, extent: Extent, n_clusters: int, n_threads: int | None
    ) -> None:
        self._source, self._extent, self._n_threads = source, extent, n_threads
        self._none = self._sums = extent.sums(n_clusters)
        self._known: dict[tuple[int, int], Assignment] = {}  # by the first row, and how many

    @staticmethod
    def has_room(source: Source, n_samples: int) -> bool:
        """Return whether what is known may be kept where the rows are read."""
        room = get_config()["memory_limit"] // _SHARE
        return isinstance(source, Rows) or (not source.remote and n_samples * _KNOWN <= room)

    def _blocks(self, rows: Rows) -> Iterator[tuple[Rows, NDArray, Assignment]]:
        for block in dense_blocks(rows):
            X = as_dense(block.X)
            place = block.first, len(X)
            if place not in self._known:
                self._known[place] = Assignment.of(len(X), X)
            yield block, X, self._known[place]

    def start(self, centres: Matrix) -> tuple[Sums, Spread]:
        """Take the first step, and measure how rows lie about their middle in the same read."""
        every = self._extent.sums(1, weighted=False)

        def move(rows: Rows) -> _Squares:
            found = None
            for block, X, known in self._blocks(rows):
                squares = device.full(len(X), 0.0, np.float64, X)
                weights, n_threads = block.weights, self._n_threads
                self._sums = reassign(
                    self._sums, X, centres, known, weights, squares, n_threads=n_threads
                )
                plain = None
                if weights is not None:
                    one = device.full(len(X), 0, np.int32, X)
                    plain = add_sums(every, X, one, n_threads=n_threads)
                part = _Squares.of(plain, squares, weights)
                found = part if found is None else found + part
            assert found is not None
            return found

        found = self._source.fold(move)
        plain = found.sums  # else sums of all centres are those of all rows
        if plain is None:
            plain = replace(self._sums, limbs=self._sums.limbs.sum(axis=0, keepdims=True))
        return self._sums, found.spread(plain, self._extent.n_samples)

    def step(self, centres: Matrix) -> Sums:
        seen = set()

        def move(rows: Rows) -> Sums:
            for block, X, known in self._blocks(rows):
                seen.add((block.first, len(X)))
                self._sums = reassign(
                    self._sums, X, centres, known, block.weights, n_threads=self._n_threads
                )
            return self._sums

        sums: Sums = self._source.fold(move, _later)
        if len(seen) == len(self._known):
            return sums
        self._known, self._sums = {}, self._none  # the parts are others than before: begin anew
        return self.step(centres)

    def find_far(self, centres: Matrix, count: int) -> _Far:
        """Return the rows that are farthest from their centres."""
        join = partial(_join, count=count)

        def find(rows: Rows) -> _Far:
            parts = []
            for block, X, known in self._blocks(rows):
                self._assign(X, centres, known)
                parts.append(_find_far_of(block, centres, known, count, self._n_threads))
            return reduce(join, parts)

        return self._source.fold(find, join)

    def _assign(self, X: NDArray, centres: Matrix, known: Assignment) -> Labels:
        return assign(X, centres, known, n_threads=self._n_threads)

    def finish(self, centres: Matrix) -> Ends:
        def measure(rows: Rows) -> Ends:
            labels, total = [], ExactSum.of(np.zeros(0))
            for block, X, known in self._blocks(rows):
                labels.append(self._assign(X, centres, known))
                total += sum_own(X, block.weights, centres, labels[-1], self._n_threads)
            return Ends(labels, total)

        return self._source.fold(measure)


@dataclass(frozen=True)
class Clustering:
    """What a run of Lloyd's algorithm ends with.

    Attributes
    ----------
    centres : ndarray of shape (n_clusters, n_features)
    labels : ndarray or tensor of shape (n_samples,), int32
        Of these centres.
    inertia : float
        Σ w ‖x − m‖² of rows and their centres, rounded once after the squares.
    n_iter : int
    history : ndarray of shape (n_iter,)
        Σ w ‖x − m‖² after each iteration, of its labels and the means that it ends with.
    """

    centres: Matrix
    labels: Labels
    inertia: float
    n_iter: int
    history: Matrix

    def is_same(self, other: "Clustering") -> bool:
        """Return whether the clusters are the same, but for their numbers."""
        unique = namespace(self.labels).unique
        wide = as_dtype(self.labels, np.dtype(np.int64))
        pairs = wide * (1 + int(other.labels.max())) + other.labels
        return len(unique(pairs)) == len(unique(self.labels))


class Lloyd:
    """Lloyd's algorithm on the rows of a source.

    Parameters
    ----------
    source : Source
    extent : Extent
    n_clusters : int
    max_iter : int
    tol : float
        The run ends when the squares of the moves of all centres add up to no more than this times
        the mean variance of the columns, without weights.
    n_threads : int or None
    tell : callable
        Is told of each iteration.
    relative : bool
        Whether `tol` is in units of that variance, or else of the squares themselves.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.data import Rows
    >>> from rmodels.solvers.lloyd import Lloyd, find_extent
    >>> rows = Rows(np.array([[0.0], [1.0], [9.0], [10.0]]))
    >>> found = Lloyd(rows, find_extent(rows), 2, 300, 1e-4, None).run(np.array([[0.0], [1.0]]))
    >>> found.centres.ravel(), found.labels, found.inertia, found.n_iter
    (array([0.5, 9.5]), array([0, 0, 1, 1], dtype=int32), 1.0, 3)
    >>> found.history
    array([48.66666667,  1.        ,  1.        ])
    """

    def __init__(
        self,
        source: Source,
        extent: Extent,
        n_clusters: int,
        max_iter: int,
        tol: float,
        n_threads: int | None,
        tell: Callable[[str], None] = lambda text: None,
        *,
        relative: bool = True,
    ) -> None:
        self._source, self._extent, self._n_threads = source, extent, n_threads
        self._n_clusters, self._none = n_clusters, extent.sums(n_clusters)
        self._max_iter, self._tol, self._relative, self._tell = max_iter, tol, relative, tell
        self._spread: Spread | None = None
        self.engine = find_engine(source)

    def run(self, centres: Matrix) -> Clustering:
        """Return where the algorithm leads from some centres."""
        self._extent.check(centres)
        kept = None
        if _Kept.has_room(self._source, self._extent.n_samples):
            kept = _Kept(self._source, self._extent, self._n_clusters, self._n_threads)
        before, history = None, []
        for iteration in range(1, self._max_iter + 1):
            sums, spread = self._step(centres, kept)
            tol = self._tol * spread.variance if self._relative else self._tol
            same = before is not None and np.array_equal(before, sums.limbs)
            before = sums.limbs
            old, (centres, explained) = centres, self._average(self._relocate(sums, centres, kept))
            objective = max(spread.total - explained, 0.0)
            history.append(objective)
            self._tell(f"Iteration {iteration - 1}, inertia {objective}.")
            moved = float(((centres - old) ** 2).sum())
            if same:
                self._tell(f"Converged at iteration {iteration - 1}: strict convergence.")
                break
            if moved <= tol:
                self._tell(
                    f"Converged at iteration {iteration - 1}: center shift {moved} within "
                    f"tolerance {tol}."
                )
                break
        centres = centres.astype(self._source.dtype).astype(np.float64)
        ends = self._finish(centres) if kept is None else kept.finish(centres)
        labels = join(ends.labels)
        return Clustering(centres, labels, ends.inertia.value, iteration, np.array(history))

    def _step(self, centres: Matrix, kept: _Kept | None) -> tuple[Sums, Spread]:
        """Return the sums of the rows that are nearest to each, and what is found out but once."""
        if kept is not None and self._spread is None:
            sums, self._spread = kept.start(centres)
            return sums, self._spread
        if self._spread is None:
            self._spread = find_spread(self._source, self._extent, self._n_threads)
        if kept is not None:
            return kept.step(centres), self._spread
        add = partial(_sum_rows, centres=centres, none=self._none, n_threads=self._n_threads)
        return self._source.fold(add), self._spread

    def _finish(self, centres: Matrix) -> Ends:
        return self._source.fold(partial(measure_rows, centres=centres, n_threads=self._n_threads))

    def _relocate(self, sums: Sums, centres: Matrix, kept: _Kept | None) -> Sums:
        """Return sums in which centres without weight have the rows that are farthest from theirs.

        The first such centre has the farthest row, of equal ones the first; and so on.
        """
        empty = np.flatnonzero(~sums.limbs[:, :, -1].any(axis=1))
        if not len(empty):
            return sums
        count = len(empty)
        far = (
            kept.find_far(centres, count)
            if kept is not None
            else self._source.fold(
                partial(_find_far, centres=centres, count=count, n_threads=self._n_threads),
                partial(_join, count=count),
            )
        ).first(count)
        if not far.squares[0] > 0:
            return sums
        moved = replace(sums, limbs=np.zeros_like(sums.limbs))
        for new, x, weight, old in zip(empty, far.X, far.weights, far.labels, strict=False):
            row = sums.of_row(x, weight)
            moved.limbs[old] -= row
            moved.limbs[new] = row
        return sums + moved

    def _average(self, sums: Sums) -> tuple[Matrix, float]:
        """Return the means, and Σ w ‖m − middle‖²; one without weight is where the heaviest is."""
        weights, offsets = read_sums(sums, n_threads=self._n_threads)
        present = weights > 0
        offsets /= np.where(present, weights, 1.0)[:, np.newaxis]  # in place: they are far from few
        offsets[~present] = offsets[np.argmax(weights)]
        explained = float((weights * np.square(offsets).sum(axis=1)).sum())
        offsets += sums.shift
        return offsets, explained
