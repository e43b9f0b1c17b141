"""Errors of penalised least squares on rows left out, for every fold and penalty.

The moments of all folds come from one read, those of training rows are the sums of the others: they
give every minimum and its error, but where that is so small that rounding would show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.data import Rows, Source
from rmodels.ops.moments import Moments, group_moments
from rmodels.solvers import coordinate
from rmodels.solvers.moments import as_array, compute_moments
from rmodels.solvers.penalized import Form, Penalties, Sums, find_largest, follow
from rmodels.solvers.plan import plan_path
from rmodels.solvers.smooth import fit_any
from rmodels.solvers.spectrum import sum_others, sum_ranges

__all__ = ["Folds", "average_squares", "find_largest_of", "read_folds"]

Matrix = NDArray[np.float64]
Split = tuple[NDArray[np.intp], NDArray[np.intp]]

_MOST_LOST = 1e-9  # of an error, by rounding: above, it comes from the rows
_UNIT = 2.0**-50
_MATRICES = 1 << 23  # values of the scatter matrices of folds that are solved together
_BLOCK = 1 << 20  # predictions at a time

NO_WEIGHT = (
    "sample_weight is 0 for every sample of a fold, or for all others: at least one must be "
    "positive"
)


@dataclass(frozen=True, eq=False)
class Folds:
    """Which rows each fold leaves out, and the moments if they serve.

    Attributes
    ----------
    source : Source
    ranges : list of range or None
        Numbers of the rows that are left out, where those are consecutive.
    splits : list of (train, test) or None
        Places of the rows that train and of those that are left out, of rows in memory.
    left_out : list of Moments or None
        Of each fold's rows that are left out; None if columns are looked at instead.
    whole : Moments or None
        Of all rows; None where the folds are no partition of them, too.
    """

    source: Source
    ranges: list[range] | None
    splits: list[Split] | None
    left_out: list[Moments] | None
    whole: Moments | None

    def __len__(self) -> int:
        return len(self.ranges if self.splits is None else self.splits)  # type: ignore[arg-type]

    def training(self, i: int, n_threads: int | None) -> Moments:
        """Return the moments of the rows that train."""
        assert self.left_out is not None
        if self.whole is not None:
            return sum_others(self.left_out, i, self.whole)
        assert isinstance(self.source, Rows)
        assert self.splits is not None
        return compute_moments(self.source.take(self.splits[i][0]), n_threads)

    def rows(self, i: int) -> tuple[Rows, Rows]:
        """Return the rows that train and those that are left out, of rows in memory."""
        rows = self.source
        assert isinstance(rows, Rows)
        if self.splits is not None:
            train, test = self.splits[i]
            return rows.take(train), rows.take(test)
        assert self.ranges is not None
        kept = np.delete(np.arange(rows.X.shape[0]), rows.within(self.ranges[i]))
        return rows.take(kept), rows.take(rows.within(self.ranges[i]))

    def squares_left_out(self, i: int, coefficients: Matrix) -> Matrix:
        """Return Σ w ‖y − prediction‖² of a fold: (n_penalties, n_targets), by the rows.

        `coefficients` is (n_penalties, n_features + 1, n_targets).
        """
        if self.splits is not None:
            return _add_squares(coefficients, self.rows(i)[1])
        assert self.ranges is not None
        numbers = self.ranges[i]
        return self.source.fold(partial(_add_squares_within, coefficients, numbers))


def _add_squares_within(coefficients: Matrix, numbers: range, rows: Rows) -> Matrix:
    return _add_squares(coefficients, rows.take(rows.within(numbers)))


def _add_squares(coefficients: Matrix, rows: Rows) -> Matrix:
    """Return Σ w ‖y − prediction‖² of rows: (n_penalties, n_targets)."""
    count, d, t = len(coefficients), coefficients.shape[1] - 1, coefficients.shape[2]
    slopes = np.ascontiguousarray(coefficients[:, :d].transpose(1, 0, 2)).reshape(d, -1)
    total = np.zeros((count, t))
    for block in rows.blocks(max(1, _BLOCK // (count * t + d))):
        X = block.X if sparse.issparse(block.X) else as_array(block.X).astype(np.float64)
        fitted = (X @ slopes).reshape(-1, count, t) + coefficients[:, d]
        errors = as_array(block.Y)[:, np.newaxis] - fitted
        if block.weights is None:
            total += (errors**2).sum(axis=0)
        else:
            total += np.tensordot(as_array(block.weights).astype(np.float64), errors**2, 1)
    return total


def read_folds(
    source: Source,
    ranges: list[range] | None,
    splits: list[Split] | None,
    n_penalties: int,
    n_threads: int | None,
) -> Folds:
    """Return the folds, with moments if those are what a path needs.

    Parameters
    ----------
    source : Source
    ranges, splits
        As in `Folds`; one of them.
    n_penalties : int
        How many a path has.
    n_threads : int, optional
    """
    if plan_path(source, n_penalties).solver == "columns":
        return Folds(source, ranges, splits, None, None)
    if ranges is not None:
        left_out = sum_ranges(source, ranges, n_threads)
        return Folds(source, ranges, splits, left_out, reduce(add, left_out))
    assert isinstance(source, Rows)
    assert splits is not None
    n = source.X.shape[0]
    tests = np.concatenate([test for _, test in splits])
    partition = len(tests) == n and len(np.unique(tests)) == n
    partition &= all(len(train) + len(test) == n for train, test in splits)
    if not partition:
        left_out = [compute_moments(source.take(test), n_threads) for _, test in splits]
        return Folds(source, ranges, splits, left_out, None)
    left_out = _read_partition(source, [test for _, test in splits], n_threads)
    return Folds(source, ranges, splits, left_out, reduce(add, left_out))


def _read_partition(
    rows: Rows, tests: Sequence[NDArray[np.intp]], n_threads: int | None
) -> list[Moments]:
    """Return the moments of parts of the rows; of an array from one read."""
    size = 8 * len(tests) * rows.n_features**2
    if not isinstance(rows.X, np.ndarray) or size > _BLOCK * 64:
        return [compute_moments(rows.take(test), n_threads, added=True) for test in tests]
    groups = np.empty(rows.X.shape[0], dtype=np.int64)
    for i, test in enumerate(tests):
        groups[test] = i
    found = group_moments(
        rows.X, rows.Y, groups, len(tests), rows.weights, scatter="full", n_threads=n_threads
    )
    if not found.is_finite:
        rows.assert_finite()
    return [found.group(i) for i in range(len(tests))]


def find_largest_of(
    folds: Folds, form: Form, n_threads: int | None
) -> tuple[float, Moments | None]:
    """Return the smallest l1 whose minimum over all rows is zero, and their moments if known."""
    if folds.left_out is None:
        assert isinstance(folds.source, Rows)
        _, _, q = coordinate.read_start(folds.source, form.fit_intercept, n_threads)
        return find_largest(q, form), None
    whole = folds.whole
    if whole is None:
        whole = compute_moments(folds.source, n_threads)
    return find_largest(Sums.of(whole, form.fit_intercept).q, form), whole


def average_squares(
    folds: Folds, paths: Sequence[Penalties], form: Form, n_threads: int | None
) -> tuple[Matrix, float]:
    """Return the weighted mean squared errors on the rows left out, averaged over the targets.

    Parameters
    ----------
    folds : Folds
    paths : sequence of Penalties
        All of as many penalties.
    form : Form
    n_threads : int, optional

    Returns
    -------
    errors : ndarray of shape (n_paths, n_folds, n_penalties)
    violation : float
        Largest of the conditions of optimality, as in `PathFit`.

    Raises
    ------
    ValueError
        If the rows of a fold weigh nothing.
    """
    found, worst = np.empty((len(paths), len(folds), len(paths[0].l1))), 0.0
    if folds.left_out is None:
        for i in range(len(folds)):
            train, test = folds.rows(i)
            for k, penalties in enumerate(paths):
                fit = fit_any(train, penalties, form, n_threads)
                worst = max(worst, fit.violation)
                found[k, i] = _average(_add_squares(fit.coefficients, test), test.weight)
        return found, worst
    at_once = max(1, _MATRICES // max(1, folds.source.n_features) ** 2)
    for first in range(0, len(folds), at_once):
        part = range(first, min(first + at_once, len(folds)))
        training = [folds.training(i, n_threads) for i in part]
        if not all(each.weight for each in training):
            raise ValueError(NO_WEIGHT)
        sums = [Sums.of(each, form.fit_intercept) for each in training]
        for k, penalties in enumerate(paths):
            minima = follow(
                np.stack([each.Q for each in sums]),
                np.stack([each.q for each in sums]),
                np.stack([each.squares for each in sums]),
                np.tile(penalties.l1, (len(sums), 1)),
                np.tile(penalties.l2, (len(sums), 1)),
                form,
                n_threads=n_threads,
            )
            for place, i in enumerate(part):
                B = minima.coefficients[place]
                violation = float(minima.violations[place].max(initial=0.0))
                if violation > coordinate.BOUND and isinstance(folds.source, Rows):
                    rows, own = folds.rows(i)[0], training[place]
                    fit = fit_any(rows, penalties, form, n_threads, moments=own)
                    B, violation = fit.coefficients[:, :-1], fit.violation
                worst = max(worst, violation)
                found[k, i] = _measure(folds, i, training[place], B, form)
    return found, worst


def _average(squares: Matrix, weight: float) -> Matrix:
    """Return the mean over the targets of squares over their weight."""
    if not weight:
        raise ValueError(NO_WEIGHT)
    average: Matrix = squares.mean(axis=1) / weight
    return average


def _measure(folds: Folds, i: int, training: Moments, B: Matrix, form: Form) -> Matrix:
    """Return the mean squared errors of a fold: (n_penalties,).

    With S the scatter matrix of the rows left out and c = [B, −1], it is tr cᵀSc / Σ w, and the
    square of how far their mean is from its prediction.
    """
    assert folds.left_out is not None
    test, d = folds.left_out[i], B.shape[1]
    if not test.weight:
        raise ValueError(NO_WEIGHT)
    S = test.scatter if form.fit_intercept else test.about_zero()
    S = S / test.weight
    products = S[:d, :d] @ B
    cross = (B * (products - 2 * S[:d, d:])).sum(axis=1)
    squares = cross + S.diagonal()[d:]
    if form.fit_intercept:
        apart = (test.mean - training.mean) + (test.rest - training.rest)
        squares = squares + (apart[d:] - apart[:d] @ B) ** 2
    norms = np.sqrt(S.diagonal())
    spread = (norms[:d, np.newaxis] * np.abs(B)).sum(axis=1) + norms[d:]
    if (_UNIT * spread**2 <= _MOST_LOST * squares).all() or not spread.any():
        average: Matrix = np.maximum(squares, 0.0).mean(axis=1)
        return average
    coefficients = np.concatenate([B, np.zeros((len(B), 1, B.shape[2]))], axis=1)
    if form.fit_intercept:
        coefficients[:, d] = training.mean[d:] - training.mean[:d] @ B
    return _average(folds.squares_left_out(i, coefficients), test.weight)
