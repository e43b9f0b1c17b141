"""Clusters that are split in two, one after the other: a tree, which rows go down.

Node 0 has all rows; split s gives the nodes 2 s + 1 and 2 s + 2.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmodels.data import Rows, Source
from rmodels.data.arrays import beside, join, namespace, on_host
from rmodels.ops import device
from rmodels.ops.assign import assign, own_squares
from rmodels.solvers.exact_sum import ExactSum
from rmodels.solvers.lloyd import Ends, assign_rows, measure_rows
from rmodels.solvers.seeds import as_dense, dense_blocks

__all__ = ["Bisection", "Nodes", "assign_leaves", "measure_leaves", "order_leaves"]

T = TypeVar("T")
Matrix = NDArray[np.float64]
Nodes = NDArray[np.int32]


def _descend(
    X: NDArray, splits: Sequence[int] | Nodes, pairs: Matrix, n_threads: int | None
) -> Nodes:
    """Return the node of each row: of both centres of a split, the nearer one's."""
    nodes: Nodes = device.full(len(X), 0, np.int32, X)
    for s, split in enumerate(splits):
        here = _find(nodes, split)
        if len(here):
            whole = len(here) == len(X)
            side = assign(X if whole else X[here], pairs[s], n_threads=n_threads)
            nodes[here] = 2 * s + 1 + side
    return nodes


def _find(nodes: Nodes, node: int) -> Any:
    """Return the places of the rows in a node."""
    return namespace(nodes).where(nodes == node)[0]


def _name(nodes: Nodes, numbers: Nodes) -> Nodes:
    """Return the numbers of nodes."""
    found: Nodes = beside(numbers, nodes)[nodes]
    return found


def order_leaves(splits: Sequence[int] | Nodes) -> Nodes:
    """Return the number of each node among those that were not split, from left to right; else −1.

    Examples
    --------
    >>> from rmodels.solvers.bisection import order_leaves
    >>> order_leaves([0, 1])
    array([-1, -1,  2,  0,  1], dtype=int32)
    """
    numbers = np.full(2 * len(splits) + 1, -1, dtype=np.int32)
    place = {node: s for s, node in enumerate(splits)}
    waiting, count = [0], 0
    while waiting:
        node = waiting.pop()
        if node in place:
            waiting += [2 * place[node] + 2, 2 * place[node] + 1]
        else:
            numbers[node] = count
            count += 1
    return numbers


def assign_leaves(
    rows: Rows, splits: Sequence[int] | Nodes, pairs: Matrix, n_threads: int | None
) -> NDArray[np.int32]:
    """Return the number of the leaf of each of some rows in memory."""
    numbers = order_leaves(splits)
    found: Nodes = join(
        [
            _name(_descend(as_dense(block.X), splits, pairs, n_threads), numbers)
            for block in dense_blocks(rows)
        ]
    )
    return found


def measure_leaves(
    rows: Rows, splits: Sequence[int] | Nodes, pairs: Matrix, centres: Matrix, n_threads: int | None
) -> Ends:
    """Return the leaves of rows in memory, and Σ w ‖x − m‖² to their centres."""
    numbers = order_leaves(splits)
    return measure_rows(
        rows, centres, n_threads, lambda X: _name(_descend(X, splits, pairs, n_threads), numbers)
    )


@dataclass(frozen=True)
class _Halves:
    """How many rows both halves of a node have, and of a weight above 0, and Σ w ‖x − m‖²."""

    counts: NDArray[np.int64]
    present: NDArray[np.int64]
    squares: tuple[ExactSum, ExactSum]

    def __add__(self, other: "_Halves") -> "_Halves":
        first, second = (a + b for a, b in zip(self.squares, other.squares, strict=True))
        counts, present = self.counts + other.counts, self.present + other.present
        return _Halves(counts, present, (first, second))


def _halve(rows: Rows, pair: Matrix, n_threads: int | None) -> _Halves:
    found = None
    for block in dense_blocks(rows):
        X = as_dense(block.X)
        labels = assign(X, pair, n_threads=n_threads)
        squares = own_squares(X, pair, labels, n_threads=n_threads)
        if block.weights is not None:
            squares = block.weights * squares
        first, second = (ExactSum.of(squares[labels == side]) for side in (0, 1))
        counts = present = _count_sides(labels)
        if block.weights is not None:
            present = _count_sides(labels[block.weights > 0])
        part = _Halves(counts, present, (first, second))
        found = part if found is None else found + part
    assert found is not None
    return found


def _count_sides(labels: Nodes) -> NDArray[np.int64]:
    found: NDArray[np.int64] = on_host(namespace(labels).bincount(labels, minlength=2))
    return found


class _Node(Source):
    """The rows of a source that are in a node: those of each part are found when it is read."""

    def __init__(
        self, source: Source, pairs: Matrix, sides: Sequence[int], n_threads: int | None
    ) -> None:
        self._source, self._within = source, partial(_compute_within, pairs, sides, n_threads)
        self.n_features, self.n_targets, self.one_target = source.n_features, 0, True
        self.dtype, self.has_weights = source.dtype, source.has_weights
        self.remote = source.remote

    @property
    def totals(self) -> Any:
        return self.fold(_count)

    def number_rows(self) -> int:
        return int(self.fold(_number))

    def fold(
        self,
        compute: Callable[[Rows], T],
        combine: Callable[[T, T], T] = operator.add,
        *,
        resumable: bool = False,
        large: bool = False,
    ) -> T:
        found = self._source.fold(
            partial(self._within, compute), partial(_combine, combine), large=large
        )
        assert found is not None  # a node has rows
        return found


def _count(rows: Rows) -> Any:
    return rows.totals


def _number(rows: Rows) -> int:
    return int(rows.X.shape[0])


def _compute_within(
    pairs: Matrix,
    sides: Sequence[int],
    n_threads: int | None,
    compute: Callable[[Rows], T],
    rows: Rows,
) -> T | None:
    """Return what `compute` gives for the rows on some sides of pairs, or None if none is."""
    for pair, side in zip(pairs, sides, strict=True):
        if not rows.X.shape[0]:
            return None
        rows = rows.take(_find(assign_rows(rows, pair, n_threads), side))
    return compute(rows) if rows.X.shape[0] else None


def _combine(combine: Callable[[T, T], T], first: T | None, second: T | None) -> T | None:
    if first is None or second is None:
        return second if first is None else first
    return combine(first, second)


class Bisection:
    """A tree that grows by splits.

    Parameters
    ----------
    source : Source
    sample : Rows
        Of its rows, from which centres are drawn; the same if it is in memory.
    by_count : bool
        Whether the node with the most rows is split next, or else that with the most Σ w ‖x − m‖².
    n_threads : int or None
    least : int, default=0
        Rows of a weight above 0 that a split needs: a node with fewer counts as one without any.

    Attributes
    ----------
    splits : list of int
        The nodes that were split, in this order.
    pairs : ndarray of shape (n_splits, 2, n_features)
        The centres of their halves.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.data import Rows
    >>> from rmodels.solvers.bisection import Bisection
    >>> rows = Rows(np.array([[0.0], [1.0], [9.0]]))
    >>> tree = Bisection(rows, rows, by_count=True, n_threads=None)
    >>> tree.split(tree.choose(), np.array([[0.5], [9.0]]))
    >>> tree.choose(), tree.sample_of(1).X.ravel()
    (1, array([0., 1.]))
    """

    def __init__(
        self,
        source: Source,
        sample: Rows,
        *,
        by_count: bool,
        n_threads: int | None,
        least: int = 0,
    ) -> None:
        self._source, self._sample, self._by_count = source, sample, by_count
        self._threads, self._least = n_threads, least
        self._counts: dict[int, int] = {}  # of the rows of nodes but the first
        self._nodes: Nodes = device.full(sample.X.shape[0], 0, np.int32, sample.X)
        self._sizes: dict[int, float] = {0: 0.0}  # of the leaves, by which they are chosen
        self.splits: list[int] = []
        self.pairs: Matrix = np.empty((0, 2, source.n_features))

    def choose(self) -> int:
        """Return the leaf to split: the largest, of equal ones the first from the left."""
        numbers = order_leaves(self.splits)
        return max(self._sizes, key=lambda node: (self._sizes[node], -numbers[node]))

    def sample_of(self, node: int) -> Rows:
        """Return the rows of a node that are in the sample."""
        if node == 0:
            return self._sample
        return self._sample.take(_find(self._nodes, node))

    def is_whole(self, node: int) -> bool:
        """Return whether all rows of a node that is not the first are in the sample."""
        return len(_find(self._nodes, node)) == self._counts.get(node)

    def rows_of(self, node: int) -> Source:
        """Return all rows of a node."""
        if self._source.in_memory:
            return self.sample_of(node)
        if node == 0:
            return self._source
        above: list[int] = []
        sides: list[int] = []
        while node:
            above.insert(0, (node - 1) // 2)
            sides.insert(0, (node - 1) % 2)
            node = self.splits[above[0]]
        return _Node(self._source, self.pairs[above], sides, self._threads)

    def split(self, node: int, pair: Matrix) -> None:
        """Split a leaf by the centres of its halves."""
        sample = self.sample_of(node)
        rows = sample if self._source.in_memory else self.rows_of(node)
        halves = rows.fold(partial(_halve, pair=pair, n_threads=self._threads))
        here, first = _find(self._nodes, node), 2 * len(self.splits) + 1
        if len(here):
            self._nodes[here] = first + assign_rows(sample, pair, self._threads)
        del self._sizes[node]
        for side in (0, 1):
            size = halves.counts[side] if self._by_count else halves.squares[side].value
            enough = halves.present[side] >= self._least
            self._sizes[first + side] = float(size) if enough else 0.0
            self._counts[first + side] = int(halves.counts[side])
        self.splits.append(node)
        self.pairs = np.concatenate([self.pairs, pair[np.newaxis]])
