"""The nearest centre of each row by the compiled extension: rows go to it a chunk at a time."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import get_config, thread_count
from rmodels.ops.assign import SEED_ROWS, Assignment, Gains, Labels, Matrix, Seeding, Sums
from rmodels.ops.chunks import chunks

_SECONDS = 0.07  # what a chunk should last
_FIRST_WORK = 1e9  # multiply-adds of a first chunk
_CHUNK = 1 << 24  # numbers that are added in a chunk: about 50 ms
_ALONE = 1e5  # multiply-adds that take one thread less time than starting another
_MOST_EXPONENT = 400  # of the scale: beyond, squares may underflow before scores do
_MOVES = 1 + 2.0**-40  # more than the rounding of a distance between centres
_ROUNDS = 4  # of grouping centres
_MOST_CANDIDATES = 32  # bits of what says whose gain a row may be
_KEPT_COLUMNS = 64  # of rows that are kept in float32; of wider ones it pays to read only some
_SHARE = 8  # of the memory limit that they may take
_SOME = 1000  # of them, which tell where they are


@dataclass
class _Bounds:
    """What is known of rows: bounds on scaled distances, right for `centres`."""

    values: NDArray[np.float32]
    centres: Matrix
    order: NDArray[np.int32]
    starts: NDArray[np.int32]
    scale: float


def _threads(work: float, n_threads: int | None) -> int:
    return 1 if work < _ALONE else n_threads or thread_count()


def _find_scale(centres: Matrix) -> float:
    """Return the power of two that makes centres less their mean at most about 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        middle = np.add.reduce(centres, axis=0) / len(centres)
        reach = float(abs(centres - middle).max(initial=0.0))
    if not 0 < reach < np.inf:
        return 1.0
    return 2.0 ** min(max(-math.frexp(reach)[1], -_MOST_EXPONENT), _MOST_EXPONENT)


def _one_group(n_centres: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return np.arange(n_centres, dtype=np.int32), np.array([0, n_centres], dtype=np.int32)


def _group(centres: Matrix, groups: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return centres in the order of groups that lie together, and where these start."""
    n_centres = len(centres)
    if groups <= 1 or groups >= n_centres:
        return _one_group(n_centres)
    middles = centres[np.linspace(0, n_centres - 1, groups).astype(int)]
    for _ in range(_ROUNDS):
        labels = assign(centres, middles, None, None)
        counts = np.bincount(labels, minlength=len(middles))
        sums = np.zeros_like(middles)
        np.add.at(sums, labels, centres)
        middles = sums[counts > 0] / counts[counts > 0, np.newaxis]
    labels = assign(centres, middles, None, None)
    order = np.argsort(labels, kind="stable").astype(np.int32)
    counts = np.bincount(labels)
    ends = np.cumsum(counts[counts > 0])
    return order, np.concatenate([[0], ends]).astype(np.int32)


def assign(X: NDArray, centres: Matrix, known: Assignment | None, n_threads: int | None) -> Labels:
    """Keep the centres that float32 scores leave open, and compare their float64 squares."""
    extension: Any = native.load()
    centres = np.ascontiguousarray(centres)
    n, (n_centres, d) = len(X), centres.shape
    drift: Matrix | None = None
    if known is None:
        labels = np.empty(n, dtype=np.int32)
        (order, starts), scale, bounds = _one_group(n_centres), _find_scale(centres), None
    else:
        labels, before = known.labels, known.state
        if before is None or len(before.centres) != n_centres:
            order, starts = _group(centres, known.groups)
            values = np.empty((n, len(starts)), dtype=np.float32)
            known.state = _Bounds(values, centres, order, starts, _find_scale(centres))
        else:
            order, starts = before.order, before.starts
            with np.errstate(over="ignore", invalid="ignore"):
                moves = centres - before.centres
                drift = np.sqrt((moves * moves).sum(axis=1)) * (before.scale * _MOVES)
            if not np.isfinite(drift).all():
                drift = None
        known.state.centres = centres
        scale, bounds = known.state.scale, known.state.values
    work = float(n_centres * (d + 4))
    threads = _threads(n * work, n_threads)
    step = max(1024, int(_FIRST_WORK / work))
    for rows in chunks(n, step, "assignment", seconds=_SECONDS):
        part = None if bounds is None else bounds[rows]
        extension.assign(X[rows], centres, order, starts, scale, drift, labels[rows], part, threads)
    return labels


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


def own_squares(X: NDArray, centres: Matrix, labels: Labels, n_threads: int | None) -> Matrix:
    """Measure rows, eight at a time."""
    extension: Any = native.load()
    n, d = X.shape
    centres, found = np.ascontiguousarray(centres), np.empty(n)
    threads = _threads(2.0 * n * d, n_threads)
    for rows in chunks(n, max(2048, _CHUNK // max(1, d)), "squares"):
        extension.own_squares(X[rows], centres, labels[rows], found[rows], threads)
    return found


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
        quarters, scale = state.quarters(candidates).min(axis=0), _find_scale(candidates)
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


def _keep_panels(state: Seeding, threads: int) -> Any:
    """Return the rows in float32 if they are kept, laid out when they are first asked for."""
    n, d = state.X.shape
    if "panels" not in state.kept:
        kept = d <= _KEPT_COLUMNS and n * (4 * d + 8) <= get_config()["memory_limit"] // _SHARE
        panels: Any = None
        if kept:
            extension: Any = native.load()
            some = np.asarray(state.X[:: 1 + n // _SOME], dtype=np.float64)
            shift = np.add.reduce(some, axis=0) / len(some)
            panels = extension.SeedPanels(state.X, shift, _find_scale(some), threads)
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
