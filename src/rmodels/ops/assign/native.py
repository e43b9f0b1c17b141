"""The nearest centre of each row by the compiled extension: rows go to it a chunk at a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import get_config, thread_count
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
from rmodels.ops.chunks import chunks

_SECONDS = 0.07  # what a chunk should last
_FIRST_WORK = 1e9  # multiply-adds of a first chunk
_CHUNK = 1 << 24  # numbers that are added in a chunk: about 50 ms
_READ = 1 << 27  # numbers that are read in a chunk
_FAR = 1 << 21  # numbers of rows that may be the farthest, at most: of more all are measured
_ALONE = 1e5  # multiply-adds that take one thread less time than starting another
_MOST_CANDIDATES = 32  # bits of what says whose gain a row may be
_KEPT_COLUMNS = 64  # of rows that are kept in float32; of wider ones it pays to read only some
_SHARE = 8  # of the memory limit that they may take
_SOME = 1000  # of them, which tell where they are


@dataclass
class _Known:
    """What is known of rows, by centres that move, and those that their labels are of."""

    assigner: Any
    centres: Matrix

    def tells_of(self, centres: Matrix) -> bool:
        """Return whether labels and bounds are those of some centres."""
        return np.array_equal(self.centres, centres)


def _threads(work: float, n_threads: int | None) -> int:
    return 1 if work < _ALONE else n_threads or thread_count()


def assign(X: NDArray, centres: Matrix, known: Assignment | None, n_threads: int | None) -> Labels:
    """Keep the centres that float32 scores leave open, and compare their float64 squares."""
    labels = np.empty(len(X), dtype=np.int32) if known is None else known.labels
    _follow(X, centres, known, labels, None, None, None, n_threads)
    return labels


def reassign(
    sums: Sums,
    X: NDArray,
    centres: Matrix,
    known: Assignment,
    weights: NDArray | None,
    squares: Matrix | None,
    n_threads: int | None,
) -> None:
    """Move a row between the limbs, and measure it, while it is at hand."""
    if squares is not None and known.state is not None:  # rows at rest are not read
        none = np.zeros(len(X), dtype=np.int32)
        squares[:] = own_squares(X, sums.shift[np.newaxis], none, n_threads)
        squares = None
    _follow(X, centres, known, known.labels, sums, weights, squares, n_threads)


def _follow(
    X: NDArray,
    centres: Matrix,
    known: Assignment | None,
    labels: Labels,
    sums: Sums | None,
    weights: NDArray | None,
    squares: Matrix | None,
    n_threads: int | None,
) -> None:
    n, (n_centres, d) = len(X), centres.shape
    centres = np.ascontiguousarray(centres)
    if known is not None and known.state is not None and known.state.tells_of(centres):
        return
    assigner = _find_assigner(n, centres, known)
    if known is not None:
        known.state = None  # of a call that does not end nothing is known
    assigner.move(centres, None if known is None else labels, n)
    shift = factors = limbs = None
    if sums is not None:
        shift, factors = np.ascontiguousarray(sums.shift), np.ascontiguousarray(sums.factors)
        limbs = sums.limbs
    work = float(n_centres * (d + 4))
    threads = _threads(n * work, n_threads)
    step = max(1024, int(_FIRST_WORK / work))
    for rows in chunks(n, step, "assignment", seconds=_SECONDS):
        w, about = (None if each is None else each[rows] for each in (weights, squares))
        assigner.assign(X[rows], rows.start, labels[rows], w, shift, factors, limbs, about, threads)
    if known is not None:
        known.state = _Known(assigner, centres.copy())


def _find_assigner(n: int, centres: Matrix, known: Assignment | None) -> Any:
    """Return what assigns: with what is known, that of the last call."""
    extension: Any = native.load()
    n_centres, d = centres.shape
    if known is not None and known.state is not None and len(known.state.centres) == n_centres:
        return known.state.assigner
    kept = 0 if known is None else n
    return extension.Assigner(kept, n_centres, d, extension.find_scale(centres))


def add_sums(
    sums: Sums,
    X: NDArray,
    labels: Labels,
    weights: NDArray | None,
    previous: Labels | None,
    n_threads: int | None,
) -> None:
    """Add the limbs of the rows, those of each thread on their own at first."""
    extension: Any = native.load()
    n, d = X.shape
    shift, factors = np.ascontiguousarray(sums.shift), np.ascontiguousarray(sums.factors)
    threads = _threads(4.0 * n * (d + 1), n_threads)
    for rows in chunks(n, max(2048, _CHUNK // (d + 1)), "sums"):
        w, before = (None if each is None else each[rows] for each in (weights, previous))
        extension.add_cluster_sums(
            X[rows], w, labels[rows], before, shift, factors, sums.limbs, threads
        )


def read_sums(sums: Sums, n_threads: int | None) -> tuple[Matrix, Matrix]:
    """Read each centre in one pass."""
    extension: Any = native.load()
    k, _, width = sums.limbs.shape
    weights, totals = np.empty(k), np.empty((k, width - 1))
    limbs, factors = np.ascontiguousarray(sums.limbs), np.ascontiguousarray(sums.factors)
    extension.read_cluster_sums(
        limbs, factors, weights, totals, _threads(4.0 * limbs.size, n_threads)
    )
    return weights, totals


def find_range(X: NDArray, n_threads: int | None) -> tuple[Matrix, Matrix]:
    """Read all columns at once."""
    extension: Any = native.load()
    n, d = X.shape
    low, high, finite = np.full(d, np.inf), np.full(d, -np.inf), True
    threads = _threads(float(n * d), n_threads)
    for rows in chunks(n, max(2048, _READ // max(1, d)), "range"):
        least, most = np.empty(d), np.empty(d)
        finite &= extension.find_range(X[rows], least, most, threads)
        low, high = np.minimum(low, least), np.maximum(high, most)
    return (low, high) if finite else (np.full(d, np.nan), np.full(d, np.nan))


def own_squares(X: NDArray, centres: Matrix, labels: Labels, n_threads: int | None) -> Matrix:
    """Measure rows, eight at a time."""
    extension: Any = native.load()
    n, d = X.shape
    centres, found = np.ascontiguousarray(centres), np.empty(n)
    threads = _threads(2.0 * n * d, n_threads)
    for rows in chunks(n, max(2048, _CHUNK // max(1, d)), "squares"):
        extension.own_squares(X[rows], centres, labels[rows], found[rows], threads)
    return found


def find_farthest(
    X: NDArray, centres: Matrix, known: Assignment, count: int, n_threads: int | None
) -> tuple[Places, Matrix]:
    """Measure the rows that by their bounds may be as far as some that are."""
    labels = known.labels
    bounds = _bound_own(len(X), centres, known, n_threads)
    if bounds is not None:
        some = order_farthest(bounds, count)
        squares = own_squares(X[some], centres, labels[some], n_threads)
        rows = np.flatnonzero(bounds >= squares.min(initial=np.inf))
        del bounds
        if rows.size * X.shape[1] <= _FAR:
            squares = own_squares(X[rows], centres, labels[rows], n_threads)
            order = order_farthest(squares, count)
            return rows[order], squares[order]
        del rows
    squares = own_squares(X, centres, labels, n_threads)
    order = order_farthest(squares, count)
    return order, squares[order]


def _bound_own(n: int, centres: Matrix, known: Assignment, n_threads: int | None) -> Matrix | None:
    """Return bounds on what `own_squares` says, if there are any."""
    if known.state is None or not known.state.tells_of(centres):
        return None
    bounds = np.empty(n)
    told = known.state.assigner.bound_own(known.labels, bounds, _threads(16.0 * n, n_threads))
    return bounds if told else None


def find_gains(state: Seeding, candidates: Matrix, n_threads: int | None) -> Matrix:
    """Measure the rows that may be nearer to a candidate."""
    extension: Any = native.load()
    n = len(state.X)
    candidates = np.ascontiguousarray(candidates)
    found = np.empty((len(state.potentials), len(candidates)))
    quarters = state.quarters(candidates)
    threads = _threads(float(n * candidates.size), n_threads)
    step = max(1, int(_FIRST_WORK / (3.0 * candidates.size * SEED_ROWS + 1))) * SEED_ROWS
    for rows in chunks(n, step, "seeds"):
        extension.gains(
            *_part(state, rows), candidates, quarters, found[_block_places(rows)], threads
        )
    return found


def estimate_gains(state: Seeding, candidates: Matrix, n_threads: int | None) -> Gains:
    """Score the rows that may be nearer to a candidate in float32, with a bound on the error."""
    extension: Any = native.load()
    n, d = state.X.shape
    if len(candidates) > _MOST_CANDIDATES:
        return Gains.of(find_gains(state, candidates, n_threads))
    candidates = np.ascontiguousarray(candidates)
    found = np.empty((len(state.potentials), len(candidates)))
    errors, gainers = np.empty(len(found)), np.empty(n, dtype=np.uint32)
    threads = _threads(float(n * candidates.size), n_threads)
    panels = _keep_panels(state, threads)
    if panels is None:
        quarters = state.quarters(candidates).min(axis=0)
        scale = extension.find_scale(candidates)
    step = max(1, int(_FIRST_WORK / (candidates.size * SEED_ROWS + 1))) * SEED_ROWS
    for rows in chunks(n, step, "seeds"):
        blocks = _block_places(rows)
        if panels is not None:
            panels.estimate(
                state.weights,
                state.closest,
                candidates,
                blocks.start,
                blocks.stop,
                found,
                errors,
                gainers,
                threads,
            )
            continue
        extension.estimate_gains(
            *_part(state, rows),
            candidates,
            quarters,
            scale,
            found[blocks],
            errors[blocks],
            gainers[rows],
            threads,
        )
    # sums of the definition are rounded: each of a block has an eighth of its rows
    rounding = (len(found) + SEED_ROWS / 4 + d) * 2.0**-52 * float(state.potentials.sum())
    return Gains(found.sum(axis=0), float(errors.sum()) * (1 + 2.0**-40) + rounding, gainers)


def take_steps(state: Seeding, numbers: Matrix, n_threads: int | None) -> Places:
    """Go through the steps of rows that are kept in float32 in one call, but for Ctrl-C."""
    n, d = state.X.shape
    trials = numbers.shape[1]
    work = float(n * d * trials)
    threads = _threads(work, n_threads)
    places = np.empty(len(numbers), dtype=np.int64)
    may = len(numbers) and trials <= _MOST_CANDIDATES
    panels = _keep_panels(state, threads) if may else None
    if panels is None:
        return places[:0]
    numbers = np.ascontiguousarray(numbers)
    chosen = len(state.centres)
    for steps in chunks(len(numbers), max(1, int(_FIRST_WORK / (work + 1))), "seeds"):
        count = panels.take_steps(
            *_part(state, slice(0, n)),
            numbers[steps],
            chosen + steps.start,
            state.potentials,
            places[steps],
            threads,
        )
        if count < steps.stop - steps.start:
            return places[: steps.start + count]
    return places


def _keep_panels(state: Seeding, threads: int) -> Any:
    """Return the rows in float32 if they are kept, laid out when they are first asked for."""
    n, d = state.X.shape
    if "panels" not in state.kept:
        kept = d <= _KEPT_COLUMNS and n * (4 * d + 8) <= get_config()["memory_limit"] // _SHARE
        panels: Any = None
        if kept:
            extension: Any = native.load()
            some = np.ascontiguousarray(state.X[:: 1 + n // _SOME], dtype=np.float64)
            shift = np.add.reduce(some / len(some), axis=0)
            panels = extension.SeedPanels(state.X, shift, extension.find_scale(some), threads)
        state.kept["panels"] = panels
    return state.kept["panels"]


def add_centre(
    state: Seeding, centre: Matrix, gains: Gains | None, candidate: int, n_threads: int | None
) -> None:
    """Measure the rows that may be nearer to the new centre."""
    extension: Any = native.load()
    n, d = state.X.shape
    centre = np.ascontiguousarray(centre)
    gainers = None if gains is None else gains.gainers
    threads = _threads(float(n * (d + 4)), n_threads)
    for rows in chunks(n, max(1, _CHUNK // (SEED_ROWS * (d + 4))) * SEED_ROWS, "seeds"):
        extension.seed(
            *_part(state, rows),
            centre,
            None if gainers is None else gainers[rows],
            0 if gainers is None else 1 << candidate,
            len(state.centres),
            state.potentials[_block_places(rows)],
            threads,
        )


def _part(state: Seeding, rows: slice) -> tuple:
    w = None if state.weights is None else state.weights[rows]
    return state.X[rows], w, state.closest[rows], state.nearest[rows]


def _block_places(rows: slice) -> slice:
    return slice(rows.start // SEED_ROWS, -(-rows.stop // SEED_ROWS))
