"""The first centres of k-means: drawn as k-means++ draws them, or uniformly."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.config import get_config
from rmodels.data import Rows, Source
from rmodels.data.arrays import on_host
from rmodels.ops.assign import (
    SEED_ROWS,
    Seeding,
    add_centre,
    estimate_gains,
    find_gains,
    find_range,
    take_steps,
)
from rmodels.solvers.moments import as_array
from rmodels.solvers.whole import copy_rows

__all__ = [
    "WeightedDraws",
    "as_dense",
    "assert_no_overflow",
    "assert_weights_hold",
    "dense_blocks",
    "draw_plus_plus",
    "draw_uniformly",
    "sample_rows",
    "take_rows",
]

Matrix = NDArray[np.float64]
Places = NDArray[np.int64]

_SHARE = 4  # of the memory limit that a sample, or a block of a sparse matrix, may take
_STATE = 32  # bytes that a row of the sample takes beside its values
_HEAVY = 1e120  # such weights times values whose squares float64 holds are in its range


def assert_no_overflow(squares: float) -> None:
    """Raise if the largest square of a distance, or the sum of all, is not finite."""
    if not np.isfinite(squares):
        raise ValueError(
            "squares of distances between rows and centres, or their sum, are more than float64 "
            "holds: scale the columns of X, or divide X by a large number"
        )


def assert_weights_hold(heaviest: float) -> None:
    """Raise if the largest weight is so large, or small, that sums leave float64's range."""
    if heaviest > 0 and not 1 / _HEAVY <= heaviest <= _HEAVY:
        raise ValueError(
            f"the largest sample_weight is {heaviest:.3g}, and weights of {1 / _HEAVY:.0e} to "
            f"{_HEAVY:.0e} can be summed up: multiply all by a number that makes it about 1"
        )


def as_dense(X: Any) -> Any:
    """Return rows as an array, or as the tensor that they are."""
    return X.toarray() if sparse.issparse(X) else X


def dense_blocks(rows: Rows) -> list[Rows]:
    """Return rows in memory in blocks that are dense, or may become so one by one."""
    if not sparse.issparse(rows.X):
        return [rows]
    room = get_config()["memory_limit"] // _SHARE
    step = max(1, room // (8 * max(1, rows.n_features) * SEED_ROWS)) * SEED_ROWS
    return list(rows.blocks(step))


def sample_rows(source: Source, random_state: np.random.RandomState) -> Rows:
    """Return all rows if they are in memory or fit in a quarter of the limit; else a sample.

    A sample is uniform, and in the order of the rows.
    """
    if isinstance(source, Rows):
        return source
    n = source.number_rows()
    room = get_config()["memory_limit"] // _SHARE
    size = max(1, int(room // (source.dtype.itemsize * source.n_features + _STATE)))
    numbers = None
    if size < n:
        draws = np.random.default_rng(random_state.randint(1 << 31))
        numbers = np.sort(draws.choice(n, size, replace=False, shuffle=False))
    return copy_rows(source, numbers)


def take_rows(X: Any, places: Places) -> Any:
    """Return rows of an array, tensor or sparse matrix; of an array, `take` needs half the time."""
    return X.take(places, axis=0) if isinstance(X, np.ndarray) else X[places]


def _shares(rows: Rows) -> Matrix:
    """Return the weights of rows as shares of their sum."""
    n = rows.X.shape[0]
    w = np.ones(n) if rows.weights is None else np.asarray(on_host(rows.weights), dtype=np.float64)
    heaviest = float(w.max())
    assert_weights_hold(heaviest)
    if heaviest == 0:
        raise ValueError("rows are drawn by their weights, and all of them are 0: give some weight")
    shares: Matrix = w / w.sum()
    return shares


class WeightedDraws:
    """Draws places of rows by their weights, with replacement, as `RandomState.choice` does.

    What that finds for each draw anew is found once.

    Parameters
    ----------
    rows : Rows

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.data import Rows
    >>> from rmodels.solvers.seeds import WeightedDraws
    >>> rows = Rows(np.zeros((4, 1)), weights=np.array([0.0, 1.0, 0.0, 1.0]))
    >>> WeightedDraws(rows).draw(5, np.random.RandomState(0))
    array([3, 3, 3, 3, 1])
    """

    def __init__(self, rows: Rows) -> None:
        self._limits = np.cumsum(_shares(rows))
        self._limits /= self._limits[-1]
        self._even = rows.weights is None

    def draw(self, size: int, random_state: np.random.RandomState) -> Places:
        """Return as many places."""
        values = random_state.random_sample(size)
        if self._even:
            return self._search_even(values)
        found = np.empty(size, dtype=np.int64)
        order = values.argsort()  # limits are read in their order
        found[order] = self._limits.searchsorted(values[order], side="right")
        return found

    def _search_even(self, values: Matrix) -> Places:
        """Return what `searchsorted` does of limits that are as far apart but for rounding."""
        n = len(self._limits)
        places = np.minimum((values * n).astype(np.int64), n - 1)
        while True:
            after = self._limits[places] <= values
            before = (self._limits[places - 1] > values) & (places > 0)
            if not (after | before).any():
                return places
            places += after
            places -= before


def draw_uniformly(rows: Rows, n_clusters: int, random_state: np.random.RandomState) -> Matrix:
    """Return different rows, drawn by their weights, as scikit-learn draws them."""
    n, shares = rows.X.shape[0], _shares(rows)
    weighted = np.count_nonzero(shares)
    if weighted < n_clusters:
        raise ValueError(
            f'init="random" draws {n_clusters} different rows, and {weighted} have a weight above '
            '0: ask for fewer clusters, or for init="k-means++"'
        )
    drawn = random_state.choice(n, size=n_clusters, replace=False, p=shares)
    return as_array(rows.X[drawn]).astype(np.float64)


def draw_plus_plus(
    rows: Rows,
    n_clusters: int,
    random_state: np.random.RandomState,
    n_local_trials: int | None,
    n_threads: int | None,
) -> tuple[Matrix, Places]:
    """Return rows drawn by greedy k-means++, and their places.

    The first by the weights; each next one is the best of a few, drawn by weight times squared
    distance to the nearest so far: that with the least sum of these. The numbers that
    `random_state` gives are used as scikit-learn uses them.

    Parameters
    ----------
    rows : Rows
    n_clusters : int
    random_state : RandomState
    n_local_trials : int or None
        How many; None for 2 + log(n_clusters).
    n_threads : int or None

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.data import Rows
    >>> from rmodels.solvers.seeds import draw_plus_plus
    >>> rows = Rows(np.array([[0.0], [0.0], [9.0], [9.0]]))
    >>> draw_plus_plus(rows, 2, np.random.RandomState(0), None, None)[0]
    array([[9.],
           [0.]])
    """
    trials = 2 + int(np.log(n_clusters)) if n_local_trials is None else n_local_trials
    n = rows.X.shape[0]
    parts = [Seeding.of(part.X, part.weights) for part in dense_blocks(rows)]
    places = _Places(parts)

    def values(places: NDArray) -> Matrix:
        return as_array(rows.X[places]).astype(np.float64)

    def gains_of(candidates: Matrix) -> Matrix:
        """Return what candidates take off the potential, exactly as it is defined."""
        found = [find_gains(_dense(part), candidates, n_threads=n_threads) for part in parts]
        gains: Matrix = np.add.accumulate(found, axis=0)[-1]
        return gains

    chosen = [int(random_state.choice(n, p=_shares(rows)))]
    first = values(np.array(chosen))[0]
    parts = [_as(part, add_centre(_dense(part), first, n_threads=n_threads)) for part in parts]
    _assert_no_overflow(parts)
    numbers = random_state.uniform(size=(n_clusters - 1, trials))
    if len(parts) == 1 and isinstance(rows.X, np.ndarray):
        parts[0], taken = take_steps(parts[0], numbers, n_threads=n_threads)
        chosen.extend(taken.tolist())
    for drawing in numbers[len(chosen) - 1 :]:
        drawn = places.search(parts, drawing)
        candidates = values(drawn)
        estimates = [
            estimate_gains(_dense(part), candidates, n_threads=n_threads) for part in parts
        ]
        least: Matrix = np.add.reduce([each.values for each in estimates])
        error = sum(each.error for each in estimates)
        best = np.flatnonzero(least + error >= (least - error).max())
        if len(best) > 1:
            best = best[[np.argmax(gains_of(candidates[best]))]]
        chosen.append(int(drawn[best[0]]))
        parts = [
            _as(
                part,
                add_centre(
                    _dense(part), candidates[best[0]], each, int(best[0]), n_threads=n_threads
                ),
            )
            for part, each in zip(parts, estimates, strict=True)
        ]
    rows_chosen = np.array(chosen, dtype=np.int64)
    return values(rows_chosen), rows_chosen


def _assert_no_overflow(parts: Sequence[Seeding]) -> None:
    """Raise if the potential overflows, or if a square of a distance between two rows may."""
    with np.errstate(over="ignore", invalid="ignore"):
        assert_no_overflow(sum(float(part.potentials.sum()) for part in parts))
        farthest = max(float(part.closest.max()) for part in parts)
        if np.isfinite(4 * farthest):
            return  # two rows are at most twice as far from each other as from the first centre
        ranges = [find_range(_dense(part).X) for part in parts]
        low = np.min([each[0] for each in ranges], axis=0)
        high = np.max([each[1] for each in ranges], axis=0)
        assert_no_overflow(float(np.square(high - low).sum()))


def _dense(part: Seeding) -> Seeding:
    """Return a state whose rows are dense."""
    return replace(part, X=as_dense(part.X)) if sparse.issparse(part.X) else part


def _as(part: Seeding, found: Seeding) -> Seeding:
    """Return what was found with the rows as they were."""
    return replace(found, X=part.X) if sparse.issparse(part.X) else found


class _Places:
    """Where the blocks of rows are whose potentials are summed."""

    def __init__(self, parts: Sequence[Seeding]) -> None:
        counts = [part.X.shape[0] for part in parts]
        blocks = [np.arange(0, count, SEED_ROWS) for count in counts]
        self._starts = np.cumsum([0, *counts])
        self._owners = np.repeat(np.arange(len(parts)), [len(each) for each in blocks])
        self._firsts = np.concatenate(blocks)

    def search(self, parts: Sequence[Seeding], shares: Matrix) -> Places:
        """Return the first rows up to which Σ w closest is at least some shares of all of it."""
        limits = np.cumsum(np.concatenate([part.potentials for part in parts]))
        wanted = shares * limits[-1]
        places = np.minimum(limits.searchsorted(wanted), len(limits) - 1)
        found = []
        for block, value in zip(places.tolist(), wanted.tolist(), strict=True):
            owner, first = int(self._owners[block]), int(self._firsts[block])
            part = parts[owner]
            closest = part.closest[first : first + SEED_ROWS]
            if part.weights is not None:
                closest = part.weights[first : first + SEED_ROWS] * closest
            closest = on_host(closest)
            before = limits[block - 1] if block else 0.0
            place = int(closest.cumsum().searchsorted(value - before))
            found.append(int(self._starts[owner]) + first + min(place, len(closest) - 1))
        return np.array(found, dtype=np.int64)
