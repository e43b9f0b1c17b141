"""The nearest centre of each row, sums of the rows of each centre, and the seeds of k-means."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import ops
from rmodels.ops import device
from rmodels.ops.assign.sums import LIMBS, Sums, split_rows

__all__ = [
    "LIMBS",
    "SEED_ROWS",
    "Assignment",
    "Gains",
    "Seeding",
    "Sums",
    "add_centre",
    "add_sums",
    "assign",
    "estimate_gains",
    "find_farthest",
    "find_gains",
    "find_range",
    "own_squares",
    "read_sums",
    "reassign",
    "split_rows",
    "take_steps",
]

Matrix = NDArray[np.float64]
Labels = NDArray[np.int32]
Places = NDArray[np.int64]

SEED_ROWS = 1024  # whose potential is summed at once


@dataclass
class Assignment:
    """What an engine knows of rows that it assigned to centres: of them, few are read again.

    Attributes
    ----------
    labels : ndarray or tensor of shape (n_samples,), int32
        Which centre each row has.
    state : object
        Of the engine.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import Assignment, assign
    >>> X, seen = np.array([[0.0], [4.0], [9.0]]), Assignment.of(3)
    >>> assign(X, np.array([[0.0], [9.0]]), seen)
    array([0, 0, 1], dtype=int32)
    >>> assign(X, np.array([[2.0], [7.0]]), seen)
    array([0, 0, 1], dtype=int32)
    """

    labels: Labels
    state: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, n_samples: int, beside: Any = None) -> "Assignment":
        """Return that nothing is known of some rows, where an array or tensor of them is.

        Examples
        --------
        >>> from rmodels.ops.assign import Assignment
        >>> Assignment.of(2)
        Assignment(labels=array([-1, -1], dtype=int32))
        """
        return cls(device.full(n_samples, -1, np.int32, beside))


def assign(
    X: NDArray,
    centres: Matrix,
    known: Assignment | None = None,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Labels:
    """Return which centre is nearest to each row: the c of the least Σ_j (x_j − m_cj)².

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Any strides that are multiples of the item size. Neither copied nor changed. Finite.
    centres : ndarray of shape (n_centres, n_features), float64
        At least one. Finite.
    known : Assignment, optional
        What earlier calls with the same rows and as many centres left, for this one to use and to
        bring up to date.
    engine : str, optional
        As in `rmodels.set_config`, which gives the default.
    n_threads : int, optional
        Threads to use; the default is `rmodels.config.thread_count()`.

    Returns
    -------
    ndarray of shape (n_samples,), int32
        Of equal squares the first. With `known`, its labels, which the next call changes.

    Notes
    -----
    Squares are those of float64: the difference, its square and the sum in the order of the columns
    are each rounded. The labels are the same on every engine and instruction set, for any number of
    threads, any batch, and whatever is known. What overflows is infinite.

    Native: n_samples · n_centres · n_features products in float32 with a bound on their error, and
    float64 where it leaves more than one centre. With `known`, rows whose bounds hold are not read.
    Memory beyond input and result: a few copies of the centres, a fixed amount per thread, and 12
    bytes a row of what is known.

    Source: S. Lloyd, "Least squares quantization in PCM", 1982; the bounds of G. Hamerly, "Making
    k-means even faster", 2010, and Y. Ding et al., "Yinyang k-means", 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import assign
    >>> assign(np.array([[0.0, 1.0], [5.0, 5.0]]), np.array([[6.0, 6.0], [0.0, 0.0]]))
    array([1, 0], dtype=int32)
    """
    name = ops.choose("assign", engine, X)
    found: Labels = ops.implementation("assign", name).assign(X, centres, known, n_threads)
    return found


def add_sums(
    sums: Sums,
    X: NDArray,
    labels: Labels,
    weights: NDArray | None = None,
    previous: Labels | None = None,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Sums:
    """Return sums with the rows of X added to those of their centres, bit for bit in any order.

    Parameters
    ----------
    sums : Sums
    X : ndarray of shape (n_samples, n_features), float32 or float64
        As in `assign`, within what the sums were made for.
    labels : ndarray of shape (n_samples,), int32
    weights : ndarray of shape (n_samples,), float32 or float64, optional
    previous : ndarray of shape (n_samples,), int32, optional
        The labels with which the rows are in the sums: they move. Below 0 are those that are not.
    engine, n_threads
        As in `assign`.

    Returns
    -------
    Sums

    Notes
    -----
    x − shift and its product with w are rounded once each, in float64. Memory beyond the result: as
    much per thread.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import Sums, add_sums
    >>> X, none = np.array([[1.0], [2.0]]), Sums.of(2, np.zeros(1), np.array([2.0]))
    >>> before, after = np.array([0, 0], dtype=np.int32), np.array([0, 1], dtype=np.int32)
    >>> add_sums(add_sums(none, X, before), X, after, previous=before).totals().ravel()
    array([1., 2.])
    """
    name = ops.choose("assign", engine, X)
    limbs = sums.limbs.copy()
    ops.implementation("assign", name).add_sums(
        replace(sums, limbs=limbs), X, labels, weights, previous, n_threads
    )
    return replace(sums, limbs=limbs)


def reassign(
    sums: Sums,
    X: NDArray,
    centres: Matrix,
    known: Assignment,
    weights: NDArray | None = None,
    squares: Matrix | None = None,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Sums:
    """Return sums in which rows have moved to the centres that are now nearest.

    The same as `assign` followed by `add_sums` with the labels before, in one read.

    Parameters
    ----------
    sums, X, weights, engine, n_threads
        As in `add_sums`.
    centres : ndarray of shape (n_centres, n_features), float64
        As in `assign`.
    known : Assignment
        What earlier calls left. Its labels are those with which rows are in the sums, and become
        those of the centres.
    squares : ndarray of shape (n_samples,), float64, optional
        Becomes what `own_squares` says of the shift of the sums: of rows that nothing is known of,
        in the same read.

    Returns
    -------
    Sums

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import Assignment, Sums, reassign
    >>> X, seen = np.array([[0.0], [4.0], [9.0]]), Assignment.of(3)
    >>> sums = Sums.of(2, np.zeros(1), np.array([9.0]))
    >>> sums = reassign(sums, X, np.array([[0.0], [9.0]]), seen)
    >>> reassign(sums, X, np.array([[0.0], [4.0]]), seen).totals().ravel()
    array([ 0., 13.])
    """
    name = ops.choose("assign", engine, X)
    limbs = sums.limbs.copy()
    ops.implementation("assign", name).reassign(
        replace(sums, limbs=limbs), X, centres, known, weights, squares, n_threads
    )
    return replace(sums, limbs=limbs)


def read_sums(
    sums: Sums, *, engine: str | None = None, n_threads: int | None = None
) -> tuple[Matrix, Matrix]:
    """Return `sums.weights()` and `sums.totals()`, bit for bit.

    Parameters
    ----------
    sums : Sums
    engine, n_threads
        As in `assign`.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import Sums, add_sums, read_sums
    >>> sums = Sums.of(1, np.array([4.0]), np.array([6.0]))
    >>> read_sums(add_sums(sums, np.array([[0.0], [1.0]]), np.zeros(2, dtype=np.int32)))
    (array([2.]), array([[-7.]]))
    """
    name = ops.choose("assign", engine, sums.limbs)
    found: tuple[Matrix, Matrix] = ops.implementation("assign", name).read_sums(sums, n_threads)
    return found


def find_range(
    X: NDArray, *, engine: str | None = None, n_threads: int | None = None
) -> tuple[Matrix, Matrix]:
    """Return the least and the largest value of each column.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Any strides that are multiples of the item size.
    engine, n_threads
        As in `assign`.

    Returns
    -------
    low, high : ndarray of shape (n_features,), float64
        Of no rows infinite; all NaN if a value of X is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import find_range
    >>> find_range(np.array([[1.0, 5.0], [3.0, 2.0]]))
    (array([1., 2.]), array([3., 5.]))
    """
    name = ops.choose("assign", engine, X)
    found: tuple[Matrix, Matrix] = ops.implementation("assign", name).find_range(X, n_threads)
    return found


def own_squares(
    X: NDArray,
    centres: Matrix,
    labels: Labels,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Matrix:
    """Return Σ_j (x_j − m_j)² of each row and the centre that its label names.

    Parameters
    ----------
    X, centres, engine, n_threads
        As in `assign`.
    labels : ndarray of shape (n_samples,), int32

    Returns
    -------
    ndarray of shape (n_samples,), float64
        The squares that `assign` defines, with the same bits on every engine.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import own_squares
    >>> own_squares(np.array([[3.0, 4.0]]), np.zeros((1, 2)), np.zeros(1, dtype=np.int32))
    array([25.])
    """
    name = ops.choose("assign", engine, X)
    found: Matrix = ops.implementation("assign", name).own_squares(X, centres, labels, n_threads)
    return found


def find_farthest(
    X: NDArray,
    centres: Matrix,
    known: Assignment,
    count: int,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> tuple[Places, Matrix]:
    """Return the rows farthest from the centres their labels name, and what `own_squares` says.

    The farthest first, of equal ones the first. Native: rows nearer by bounds are not read.

    Parameters
    ----------
    X, centres, known, engine, n_threads
        As in `assign`, which left what is known.
    count : int

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import Assignment, find_farthest
    >>> X, seen = np.array([[0.0], [4.0], [9.0]]), Assignment(np.zeros(3, dtype=np.int32))
    >>> find_farthest(X, np.array([[3.0]]), seen, 2)
    (array([2, 0]), array([36.,  9.]))
    """
    name = ops.choose("assign", engine, X)
    there: Any = ops.implementation("assign", name)
    found: tuple[Places, Matrix] = there.find_farthest(X, centres, known, count, n_threads)
    return found


@dataclass
class Seeding:
    """The state of k-means++: of each row, which of the centres so far is nearest, and how near.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        As in `assign`.
    weights : ndarray of shape (n_samples,) or None
    centres : ndarray of shape (n_chosen, n_features), float64
    closest : ndarray of shape (n_samples,), float64
        The squares of the distances, as `assign` defines them.
    nearest : ndarray of shape (n_samples,), int32
    potentials : ndarray of shape (n_blocks,)
        Σ w closest of each `SEED_ROWS` rows: eight sums, of which row i has that of i mod 8, added
        in their order. The same on every engine.
    kept : dict
        What an engine keeps of X from one call to the next.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import Seeding, add_centre
    >>> state = add_centre(Seeding.of(np.array([[0.0], [3.0], [9.0]])), np.array([0.0]))
    >>> state.closest, state.potentials
    (array([ 0.,  9., 81.]), array([90.]))
    """

    X: NDArray
    weights: NDArray | None
    centres: Matrix
    closest: Matrix
    nearest: Labels
    potentials: Matrix
    kept: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, X: NDArray, weights: NDArray | None = None) -> "Seeding":
        """Return the state without a centre.

        Examples
        --------
        >>> import numpy as np
        >>> from rmodels.ops.assign import Seeding
        >>> len(Seeding.of(np.zeros((2000, 1))).potentials)
        2
        """
        n, d = X.shape
        return cls(
            X,
            weights,
            np.zeros((0, d)),
            device.full(n, np.inf, np.float64, X),
            device.full(n, 0, np.int32, X),
            np.zeros(-(-n // SEED_ROWS)),
        )

    def quarters(self, candidates: Matrix) -> Matrix:
        """Return a quarter of the squares between candidates and centres, rounded down.

        A row is not nearer to a candidate than to its own centre if its square is at most that.
        """
        gaps = candidates[:, np.newaxis] - self.centres
        return np.ascontiguousarray(np.einsum("cmd,cmd->cm", gaps, gaps) * (0.25 * (1 - 1e-6)))


@dataclass(frozen=True)
class Gains:
    """By how much each of some candidates would lower the potential.

    Attributes
    ----------
    values : ndarray of shape (n_candidates,)
        Each within `error` of what `find_gains` defines.
    error : float
    gainers : ndarray of shape (n_samples,), uint32, or None
        Bit c is set where candidate c may be nearer than the nearest centre; None: anywhere.
    """

    values: Matrix
    error: float
    gainers: NDArray[np.uint32] | None

    @classmethod
    def of(cls, blocks: Matrix) -> "Gains":
        """Return the gains that were found of each block: (n_blocks, n_candidates)."""
        return cls(_add_up(blocks), 0.0, None)


def _add_up(blocks: Matrix) -> Matrix:
    """Return sums of blocks in their order, whatever stands beside them."""
    found: Matrix = np.add.accumulate(blocks, axis=0)[-1]
    return found


def find_gains(
    state: Seeding,
    candidates: Matrix,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Matrix:
    """Return Σ w max(closest − |x − c|², 0) of each candidate c: what it takes off the potential.

    Parameters
    ----------
    state : Seeding
        With at least one centre.
    candidates : ndarray of shape (n_candidates, n_features), float64
    engine, n_threads
        As in `assign`.

    Returns
    -------
    ndarray of shape (n_candidates,)
        Sums of blocks as `Seeding` has them, added in their order: the same on every engine.

    Notes
    -----
    Native: rows that by the triangle inequality are not nearer to a candidate are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import Seeding, add_centre, find_gains
    >>> state = add_centre(Seeding.of(np.array([[0.0], [2.0]])), np.array([0.0]))
    >>> find_gains(state, np.array([[1.0], [2.0]]))
    array([3., 4.])
    """
    name = ops.choose("assign", engine, state.X)
    return _add_up(ops.implementation("assign", name).find_gains(state, candidates, n_threads))


def estimate_gains(
    state: Seeding,
    candidates: Matrix,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Gains:
    """Return what `find_gains` does, to within an error.

    Parameters
    ----------
    state, candidates, engine, n_threads
        As in `find_gains`.

    Notes
    -----
    Native: d products in float32 for each candidate and row. Rows of up to 64 columns are kept in
    float32, if that takes an eighth of the setting `memory_limit` at most; of others only those are
    read that by the triangle inequality may be nearer to a candidate. 4 bytes a row beside that.
    The reference has no error.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import Seeding, add_centre, estimate_gains
    >>> state = add_centre(Seeding.of(np.array([[0.0], [2.0]])), np.array([0.0]))
    >>> found = estimate_gains(state, np.array([[1.0], [2.0]]))
    >>> bool((abs(found.values - [3.0, 4.0]) <= found.error).all()), found.error < 1e-4
    (True, True)
    """
    name = ops.choose("assign", engine, state.X)
    found: Gains = ops.implementation("assign", name).estimate_gains(state, candidates, n_threads)
    return found


def add_centre(
    state: Seeding,
    centre: Matrix,
    gains: Gains | None = None,
    candidate: int = 0,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Seeding:
    """Return the state with one more centre; its arrays are changed in place.

    Parameters
    ----------
    state : Seeding
    centre : ndarray of shape (n_features,), float64
    gains : Gains, optional
        What was estimated of this state, if the centre is among the candidates: rows that do not
        gain are not read.
    candidate : int
        Which of them it is.
    engine, n_threads
        As in `assign`.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import Seeding, add_centre
    >>> state = Seeding.of(np.array([[0.0], [2.0]]), np.array([1.0, 3.0]))
    >>> add_centre(add_centre(state, np.array([0.0])), np.array([3.0])).potentials
    array([3.])
    """
    name = ops.choose("assign", engine, state.X)
    ops.implementation("assign", name).add_centre(state, centre, gains, candidate, n_threads)
    return replace(state, centres=np.concatenate([state.centres, centre[np.newaxis]]))


def take_steps(
    state: Seeding,
    numbers: Matrix,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> tuple[Seeding, Places]:
    """Return the state after those steps of k-means++ that an engine takes in one call.

    Parameters
    ----------
    state : Seeding
        With at least one centre. Its arrays are changed in place.
    numbers : ndarray of shape (n_steps, n_candidates)
        In [0, 1). Each step draws as many candidates as a row has numbers: the first rows of X up
        to which the potential is at least a number times all of it. Of these the first with the
        most gain, as `find_gains` defines it, becomes a centre.
    engine, n_threads
        As in `assign`.

    Returns
    -------
    state : Seeding
    places : ndarray of shape (n_taken,), int64
        The rows that became centres: of the first steps, maybe none.

    Notes
    -----
    Native: all, of rows that are kept in float32 as `estimate_gains` keeps them; threads are
    started once. 4 bytes a row more, and a bit for each row and candidate.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign import Seeding, add_centre, take_steps
    >>> state = add_centre(Seeding.of(np.array([[0.0], [2.0], [9.0]])), np.array([0.0]))
    >>> state, places = take_steps(state, np.array([[0.01, 0.5]]), engine="native")
    >>> places, state.closest
    (array([2]), array([0., 4., 0.]))
    """
    name = ops.choose("assign", engine, state.X)
    found: Places = ops.implementation("assign", name).take_steps(state, numbers, n_threads)
    rows = state.X[found].astype(np.float64)
    return replace(state, centres=np.concatenate([state.centres, rows])), found
