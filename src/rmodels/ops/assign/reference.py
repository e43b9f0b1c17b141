"""The nearest centre of each row by its definition: read this first."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.assign import (
    SEED_ROWS,
    Assignment,
    Gains,
    Labels,
    Matrix,
    Places,
    Seeding,
    Sums,
)
from rmodels.ops.assign.farthest import order_farthest
from rmodels.ops.assign.sums import carry, split_rows

_NUMBERS = 1 << 18  # of a block


def _blocks(X: NDArray, width: int) -> Iterator[slice]:
    """Yield places of rows, a block at a time."""
    step = max(1, _NUMBERS // max(1, width))
    return (slice(first, first + step) for first in range(0, len(X), step))


@np.errstate(over="ignore", invalid="ignore")
def _measure(X: NDArray, centres: Matrix) -> Matrix:
    """Σ_j (x_j − m_cj)², a column after the other: (n_samples, n_centres)."""
    total = np.zeros((len(X), len(centres)))
    for x, m in zip(X.T.astype(np.float64), centres.T, strict=True):
        gaps = x[:, np.newaxis] - m
        total += gaps * gaps
    return total


def assign(X: NDArray, centres: Matrix, known: Assignment | None, n_threads: int | None) -> Labels:
    """Take the first of the least squares; what is known is not used."""
    labels = np.empty(len(X), dtype=np.int32) if known is None else known.labels
    for rows in _blocks(X, len(centres)):
        labels[rows] = _measure(X[rows], centres).argmin(axis=1)
    return labels


def add_sums(
    sums: Sums,
    X: NDArray,
    labels: Labels,
    weights: NDArray | None,
    previous: Labels | None,
    n_threads: int | None,
) -> None:
    """Round each row to the grid, and add it to its centre; take it from where it was."""
    before = np.full(len(X), -1, dtype=np.int32) if previous is None else previous
    w = np.ones(len(X)) if weights is None else weights.astype(np.float64)
    for rows in _blocks(X, 3 * (X.shape[1] + 1)):
        values = np.column_stack([(X[rows] - sums.shift) * w[rows, np.newaxis], w[rows]])
        limbs = split_rows(values * sums.factors)
        for places, sign in ((labels[rows], 1), (before[rows], -1)):
            there = places >= 0
            np.add.at(sums.limbs, places[there], sign * limbs[there])
    sums.limbs[:] = carry(sums.limbs)


def reassign(
    sums: Sums,
    X: NDArray,
    centres: Matrix,
    known: Assignment,
    weights: NDArray | None,
    squares: Matrix | None,
    n_threads: int | None,
) -> None:
    """Assign, and move the rows whose labels change."""
    if squares is not None:
        none = np.zeros(len(X), dtype=np.int32)
        squares[:] = own_squares(X, sums.shift[np.newaxis], none, n_threads)
    before = known.labels.copy()
    add_sums(sums, X, assign(X, centres, known, n_threads), weights, before, n_threads)


def read_sums(sums: Sums, n_threads: int | None) -> tuple[Matrix, Matrix]:
    """Σ w and Σ w (x − shift) of each centre."""
    return sums.weights(), sums.totals()


def find_range(X: NDArray, n_threads: int | None) -> tuple[Matrix, Matrix]:
    """Take the least and the largest values, if all are finite."""
    if not np.isfinite(X).all():
        return np.full(X.shape[1], np.nan), np.full(X.shape[1], np.nan)
    low, high = X.min(axis=0, initial=np.inf), X.max(axis=0, initial=-np.inf)
    return low.astype(np.float64), high.astype(np.float64)


@np.errstate(over="ignore", invalid="ignore")
def own_squares(X: NDArray, centres: Matrix, labels: Labels, n_threads: int | None) -> Matrix:
    """Σ_j (x_j − m_j)², a column after the other."""
    total = np.zeros(len(X))
    for x, m in zip(X.T.astype(np.float64), centres.T, strict=True):
        gaps = x - m[labels]
        total += gaps * gaps
    return total


def find_farthest(
    X: NDArray, centres: Matrix, known: Assignment, count: int, n_threads: int | None
) -> tuple[Places, Matrix]:
    """Measure all."""
    squares = own_squares(X, centres, known.labels, n_threads)
    places = order_farthest(squares, count)
    return places, squares[places]


def find_gains(state: Seeding, candidates: Matrix, n_threads: int | None) -> Matrix:
    """Σ w max(closest − |x − c|², 0) of each block and candidate."""
    closest, squares = state.closest[:, np.newaxis], _measure(state.X, candidates)
    with np.errstate(invalid="ignore"):  # what overflows
        gains = np.where(squares < closest, closest - squares, 0.0)
    return np.column_stack([_sum_blocks(each, state.weights) for each in gains.T])


def estimate_gains(state: Seeding, candidates: Matrix, n_threads: int | None) -> Gains:
    """Find them."""
    return Gains.of(find_gains(state, candidates, n_threads))


def add_centre(
    state: Seeding, centre: Matrix, gains: Gains | None, candidate: int, n_threads: int | None
) -> None:
    """Have rows that are nearer to the new centre belong to it."""
    squares = _measure(state.X, centre[np.newaxis])[:, 0]
    nearer = squares < state.closest
    state.closest[nearer] = squares[nearer]
    state.nearest[nearer] = len(state.centres)
    state.potentials[:] = _sum_blocks(state.closest, state.weights)


def take_steps(state: Seeding, numbers: Matrix, n_threads: int | None) -> Places:
    """Take none: steps are defined where candidates are drawn."""
    return np.empty(0, dtype=np.int64)


@np.errstate(over="ignore", invalid="ignore")
def _sum_blocks(values: Matrix, weights: NDArray | None) -> Matrix:
    """Σ w values of each block: eight sums, and then their sum, each in order."""
    n_blocks = -(-len(values) // SEED_ROWS)
    padded = np.zeros((n_blocks, SEED_ROWS))
    padded.ravel()[: len(values)] = values if weights is None else weights * values
    eighths = np.add.accumulate(padded.reshape(n_blocks, -1, 8), axis=1)[:, -1]
    found: Matrix = np.add.accumulate(eighths, axis=1)[:, -1]
    return found
