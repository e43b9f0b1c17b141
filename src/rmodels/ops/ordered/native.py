"""Stochastic gradient descent by the compiled extension."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.ordered import (
    LOSSES,
    PENALTIES,
    RATES,
    Epoch,
    EpochMap,
    NotFiniteError,
    Place,
    Problem,
    Rule,
    Score,
)

_FIRST = 1e6  # values that are met in the first native call
_MOST = 2e7  # in one that ends with an epoch
_SECONDS = 0.05
_PART = 4096  # least rows that are composed by one thread
_PRODUCTS = 4e8  # entries of maps times rows, of a call that composes
_ALONE = 20_000  # values that take one thread less time than starting another


class Walk:
    """Problems on their way."""

    engine = "native"

    def __init__(self, rule: Rule, problems: list[Problem], start: Place) -> None:
        extension: Any = native.load()
        self._rule, self._t, self._dtype = rule, start.t, start.coefficients.dtype
        self._shape = start.coefficients.shape
        given = extension.Rule()
        for name in ("edge", "alpha", "share", "eta0", "power_t", "intercept_decay", "tol"):
            setattr(given, name, float(getattr(rule, name)))
        for name in ("fit_intercept", "one_class", "shuffle", "scored"):
            setattr(given, name, bool(getattr(rule, name)))
        given.loss, given.rate = LOSSES.index(rule.loss), RATES.index(rule.rate)
        given.penalty = PENALTIES.index(rule.penalty)
        given.average = float(rule.average)
        given.max_iter, given.n_iter_no_change = int(rule.max_iter), int(rule.n_iter_no_change)
        if rule.rate == "optimal":
            given.origin = 1.0 / (rule.first_eta * rule.alpha)
        kind = "WalksOfFloats" if self._dtype == np.float32 else "WalksOfDoubles"
        self._walks: Any = getattr(extension, kind)(given)
        W, A = (np.ascontiguousarray(M) for M in (start.coefficients, start.average))
        for i, problem in enumerate(problems):
            weights = problem.positive_weight, problem.negative_weight
            target = float(problem.label), problem.negative, *weights, problem.seed
            intercepts = float(start.intercepts[i]), float(start.average_intercepts[i])
            self._walks.add(*target, W[i], A[i], *intercepts, start.t)

    def step(self, X: Any, y: NDArray, weights: NDArray | None, n_threads: int | None) -> None:
        """Make a step for each row, in their order."""
        self._walks.step(*_samples(X, y, weights, None), self._threads(X, n_threads))

    def end_epoch(self) -> bool:
        """Judge the epoch of each problem."""
        self._walks.end_epoch()
        self._refuse_overflow()
        return self._goes_on()

    def _goes_on(self) -> bool:
        return any(not self._walks.ended(i) for i in range(self._shape[0]))

    def _threads(self, X: Any, n_threads: int | None) -> int:
        few = X.shape[0] * X.shape[1] < _ALONE
        return 1 if self._shape[0] == 1 or few else n_threads or thread_count()

    def _refuse_overflow(self) -> None:
        for i in range(self._shape[0]):
            if self._walks.overflowed(i):
                raise NotFiniteError(self._walks.epochs(i))

    def run(
        self,
        X: Any,
        y: NDArray,
        weights: NDArray | None,
        held_out: NDArray[np.bool_] | None,
        score: Score | None,
        tell: Callable[[int, Epoch], None] | None,
        n_threads: int | None,
    ) -> None:
        """Walk all problems, some rows of each at a time."""
        samples = _samples(X, y, weights, held_out)
        threads, n = self._threads(X, n_threads), X.shape[0]
        step = max(1, int(_FIRST / (self._shape[0] * X.shape[1])))
        if score is None and tell is None:
            for part in chunks(self._rule.max_iter * n, step, "rows", seconds=_SECONDS):
                goes_on = self._walks.run(*samples, part.stop - part.start, threads)
                self._refuse_overflow()
                if not goes_on:
                    return
            return
        self._walks.pause()
        step = max(1, int(_MOST / (self._shape[0] * X.shape[1])))
        for _ in chunks(self._rule.max_iter, 1, "epochs"):
            while self._walks.run(*samples, step, threads):
                pass
            self._refuse_overflow()
            for i in range(self._shape[0]):
                if self._walks.waits(i):
                    self._answer(i, score, tell)
            if not self._goes_on():
                return

    def _answer(
        self, i: int, score: Score | None, tell: Callable[[int, Epoch], None] | None
    ) -> None:
        """Tell of the epoch of a problem that waits, and have it go on."""
        w, _ = self._read(i)
        number, intercept = self._walks.epochs(i) + 1, self._walks.intercept(i)
        if tell is not None:
            norm, loss, objective, seen, steps = self._walks.summary(i)
            nonzeros = int(np.count_nonzero(w))
            tell(
                i,
                Epoch(number, norm, nonzeros, intercept, int(steps), loss / seen, objective / seen),
            )
        self._walks.judge(i, 0.0 if score is None else score(i, w, intercept))

    def _read(self, i: int) -> tuple[NDArray, NDArray]:
        """Return the coefficients of a problem as they are held, and their mean."""
        w, average = (np.zeros(self._shape[1], self._dtype) for _ in range(2))
        self._walks.read(i, w, average)
        return w, average

    def place(self) -> Place:
        """Return where the problems are."""
        numbers = range(self._shape[0])
        self._walks.multiply()
        found = [self._read(i) for i in numbers]
        return Place(
            np.array([w for w, _ in found]),
            np.array([self._walks.intercept(i) for i in numbers]),
            np.array([average for _, average in found]),
            np.array([self._walks.average_intercept(i) for i in numbers]),
            self._t,
            np.array([self._walks.epochs(i) for i in numbers], dtype=np.int64),
            np.array([self._walks.last_objective(i) for i in numbers]),
        )


def _samples(X: Any, y: NDArray, weights: NDArray | None, held_out: NDArray | None) -> tuple:
    """Return rows as the extension takes them: values, and where those of a CSR matrix are."""
    y = np.ascontiguousarray(y)
    weights = None if weights is None else np.ascontiguousarray(weights)
    held_out = None if held_out is None else np.ascontiguousarray(held_out).view(np.uint8)
    indices = starts = None
    shape = X.shape
    if sparse.issparse(X):
        indices = np.ascontiguousarray(X.indices, np.int32)
        starts = np.ascontiguousarray(X.indptr, np.int64)
        X = np.ascontiguousarray(X.data)
    elif X.strides[1] != X.itemsize and X.shape[1] > 1:
        X = np.ascontiguousarray(X)
    return X, indices, starts, *shape, y, weights, held_out


def compose(
    rule: Rule, X: NDArray, y: NDArray, weights: NDArray | None, n_threads: int | None
) -> EpochMap:
    """Compose the steps of parts of the rows, and what these do."""
    extension: Any = native.load()
    threads = n_threads or thread_count()
    n, d = X.shape
    m = d + 2
    alpha = rule.alpha if rule.penalty else 0.0
    decay = rule.intercept_decay if rule.fit_intercept else 0.0
    X, _, _, _, _, y, weights, _ = _samples(X, y, weights, None)
    size = max(_PART, 16 * m)
    together = size * max(threads, int(_PRODUCTS / m**2 / size))
    found = None
    for rows in chunks(n, together, "rows"):
        count = rows.stop - rows.start
        shape = -(-count // size), m, -(-m // 16) * 16
        maps, forms = np.zeros(shape), np.zeros(shape)
        maps[:, range(m), range(m)] = 1.0
        w = None if weights is None else weights[rows]
        extension.compose_steps(
            X[rows], y[rows], w, rule.eta0, alpha, decay, size, maps, forms, threads
        )
        for k in range(len(maps)):
            form = (forms[k, :, :m] + forms[k, :, :m].T) / 2
            if alpha:  # what of Σ ‖w‖² is of the first w
                powers = (1 - rule.eta0 * alpha) ** (2 * np.arange(min(size, count - k * size)))
                form[range(d), range(d)] += 0.5 * alpha * powers.sum()
            part = EpochMap(maps[k, :, :m].copy(), form, min(size, count - k * size), "native")
            found = part if found is None else found + part
    assert found is not None
    return found
