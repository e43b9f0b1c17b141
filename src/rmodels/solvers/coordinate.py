"""Least squares with a penalty on the coefficients' magnitudes, along a path of penalties.

Minimised is ½ Σ w ‖y − Bᵀx − intercept‖² / Σ w + l1 Σⱼ ‖bⱼ‖ + ½ l2 Σⱼ ‖bⱼ‖², each target on its own
or all together. From the moments where those cost less; else from the columns that matter: a
working set, which grows until a read of all columns shows that no other column has to be in it.
What rounding the moments lost, the residuals of the rows give back.
"""

from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels import ops
from rmodels.data import Rows, Source
from rmodels.data.arrays import beside, namespace, on_host
from rmodels.ops.moments import Moments
from rmodels.solvers.moments import compute_gradient, compute_moments
from rmodels.solvers.penalized import (
    NOT_FINITE,
    Form,
    PathFit,
    Penalties,
    Sums,
    find_largest,
    follow,
)
from rmodels.solvers.plan import plan_path

__all__ = [
    "BOUND",
    "choose_gradient",
    "fit_columns",
    "fit_path",
    "read_largest",
    "read_start",
]

Matrix = NDArray[np.float64]

# Largest violation of the conditions of optimality of a minimum, over ‖xⱼ‖ ‖y‖.
BOUND = 1e-12

_UNIT = 2.0**-53
_ENOUGH = 0.1 * BOUND  # a violation that need not be less
_MOST_CORRECTIONS = 6
_FIRST_COLUMNS = 100
_BLOCK = 1 << 22  # values of some columns that are copied at a time


def fit_path(
    source: Source,
    penalties: Penalties,
    form: Form,
    *,
    start: Matrix | None = None,
    n_threads: int | None = None,
    moments: Moments | None = None,
) -> PathFit:
    """Return the minimum for each penalty, in their order.

    Parameters
    ----------
    source : Source
    penalties : Penalties
        l1 above 0, unless the coefficients must be positive.
    form : Form
    start : ndarray of shape (n_features, n_targets), optional
        Where to begin.
    n_threads : int, optional
        Most threads; None means all.
    moments : Moments, optional
        Of the source, if they are known.

    Raises
    ------
    ValueError
        If the squares overflow.
    """
    if moments is None:
        route = plan_path(source, len(penalties.l1))
        if route.solver == "columns":
            assert isinstance(source, Rows)
            found = fit_columns(source, penalties, form, start, n_threads)
            if found is not None:
                return found
        moments = compute_moments(source, n_threads)
    sums = Sums.of(moments, form.fit_intercept)
    fit = _Fit(source, form, sums, moments.engine, n_threads)
    state = fit.begin(penalties, start)
    lost = _UNIT * sums.loss * fit.spreads(state)
    missed = ((lost > 0.5 * BOUND) | (state.violations > _ENOUGH)).any(axis=1)
    for k in np.flatnonzero(missed).tolist():
        state.put(k, fit.correct(penalties.one(k), state.one(k)))
    return fit.finish(penalties, state)


def read_largest(
    source: Source, form: Form, n_threads: int | None, n_penalties: int = 100
) -> tuple[float, Moments | None]:
    """Return the smallest l1 whose minimum is zero, and the moments if a path needs them."""
    if plan_path(source, n_penalties).solver == "columns":
        assert isinstance(source, Rows)
        _, _, q = read_start(source, form.fit_intercept, n_threads)
        return find_largest(q, form), None
    moments = compute_moments(source, n_threads)
    return find_largest(Sums.of(moments, form.fit_intercept).q, form), moments


def fit_columns(
    rows: Rows,
    penalties: Penalties,
    form: Form,
    start: Matrix | None = None,
    n_threads: int | None = None,
) -> PathFit | None:
    """Return the same from a working set of columns; None if that grows to most of them.

    A read of all columns gives the slope of every coefficient at every minimum of the working set;
    columns whose slope is above l1 come into it, as many as it has already at most.
    """
    d = rows.n_features
    source = _Columns(rows)
    mean, centre, q = read_start(rows, form.fit_intercept, n_threads)
    most = d // 2 if rows.X.shape[0] >= d else d
    order = np.argsort(-form.norms(q).max(axis=1), kind="stable")
    used = np.sort(order[:_FIRST_COLUMNS])
    if start is not None:
        used = np.union1d(used, np.flatnonzero(form.norms(start).any(axis=1)))
    state, before = None, used
    while len(used) <= most:
        moments = source.compute_moments(used, n_threads)
        sums = Sums.of(moments, form.fit_intercept)
        fit = _Fit(rows, form, sums, moments.engine, n_threads, used, mean)
        if state is None:
            state = fit.begin(penalties, None if start is None else start[used])
            state.centre[:] = centre
        else:
            grown = np.zeros((len(penalties.l1), len(used), rows.n_targets))
            grown[:, np.searchsorted(used, before)] = state.B
            state = fit.step(penalties, replace(state, B=grown))
        state = fit.correct(penalties, state)
        excess = (fit.pulls_outside(state) - penalties.l1[:, np.newaxis]).max(axis=0)
        if not (excess > 0).any():
            return fit.finish(penalties, state)
        before = used
        worst = np.argsort(-excess, kind="stable")[: max(_FIRST_COLUMNS, len(used))]
        used = np.union1d(used, worst[excess[worst] > 0])
    return None


class _Columns:
    """Some columns of rows in memory."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._by_column = rows.X.tocsc() if sparse.issparse(rows.X) else None

    def compute_moments(self, used: NDArray[np.intp], n_threads: int | None) -> Moments:
        """Return the moments of some columns, which are copied a block of rows at a time."""
        rows = self._rows
        if self._by_column is not None:
            return compute_moments(replace(rows, X=self._by_column[:, used].tocsr()), n_threads)
        parts = [
            compute_moments(replace(block, X=block.X[:, used]), n_threads, added=True)
            for block in rows.blocks(max(1, _BLOCK // len(used)))
        ]
        return reduce(add, parts)


def read_start(
    rows: Rows, fit_intercept: bool, n_threads: int | None
) -> tuple[Matrix, Matrix, Matrix]:
    """Return the means of columns and targets, and the products of both, over Σ w."""
    d, t = rows.n_features, rows.n_targets
    Y = on_host(rows.Y).astype(np.float64)
    w = None if rows.weights is None else on_host(rows.weights).astype(np.float64)
    centre = np.average(Y, axis=0, weights=w) if fit_intercept else np.zeros(t)
    targets = np.hstack([centre - Y, np.ones((len(Y), 1))])  # whose slopes are minus the products
    given = replace(rows, Y=beside(targets, rows.X))
    engine = choose_gradient(rows)
    slopes = compute_gradient(given, np.zeros((d + 1, t + 1)), None, engine, n_threads)
    if not np.isfinite(slopes).all():
        rows.assert_finite()
        raise ValueError(NOT_FINITE)
    mean = -slopes[:d, t] if fit_intercept else np.zeros(d)
    # the rounding of the targets' mean, times an offset of the columns
    q = slopes[:d, :t] - mean[:, np.newaxis] * slopes[d, :t]
    return mean, centre, q


@dataclass(eq=False)
class _State:
    """What is known of the minima: of each penalty.

    Attributes
    ----------
    B : ndarray of shape (n_penalties, n_used, n_targets)
    centre : ndarray of shape (n_penalties, n_targets)
        Intercepts of centred columns.
    slopes : ndarray of shape (n_penalties, n_features, n_targets)
        Of all columns, over Σ w: their products with the residuals. 0 where they are not known.
    steps, violations : ndarray of shape (n_penalties, n_groups)
    """

    B: Matrix
    centre: Matrix
    slopes: Matrix
    steps: NDArray[np.int64]
    violations: Matrix

    def one(self, k: int) -> "_State":
        """Return that of one penalty."""
        return _State(*(getattr(self, each.name)[k : k + 1].copy() for each in fields(self)))

    def put(self, k: int, other: "_State") -> None:
        """Take over that of one penalty."""
        for each in fields(self):
            getattr(self, each.name)[k] = getattr(other, each.name)[0]


class _Fit:
    """The search for minima over some columns of a source."""

    def __init__(
        self,
        source: Source,
        form: Form,
        sums: Sums,
        engine: str,
        n_threads: int | None,
        used: NDArray[np.intp] | None = None,
        mean: Matrix | None = None,
    ) -> None:
        self.source, self.form, self.sums = source, form, sums
        self.engine, self.n_threads = engine, n_threads
        self.used = np.arange(source.n_features) if used is None else used
        self.mean = sums.offset[: source.n_features] if mean is None else mean
        self.sizes = form.sizes(sums.squares)

    def _relative(self, excess: Matrix) -> Matrix:
        """Return the largest of what is (n_penalties, n_used, n_groups), over ‖xⱼ‖ ‖y‖."""
        norms = self.sums.norms
        shares = np.where(norms > 0, excess / np.where(norms > 0, norms, 1.0), 0.0).max(axis=1)
        return self._over_sizes(shares)

    def _over_sizes(self, A: Matrix) -> Matrix:
        found: Matrix = np.where(self.sizes > 0, A / np.where(self.sizes > 0, self.sizes, 1.0), 0.0)
        return found

    def spreads(self, state: _State) -> Matrix:
        """Return Σ ‖xⱼ‖ ‖bⱼ‖ over ‖y‖: (n_penalties, n_groups)."""
        total = (self.sums.norms * self.form.norms(state.B)).sum(axis=1)
        return self._over_sizes(total)

    def begin(self, penalties: Penalties, start: Matrix | None) -> _State:
        """Return the minima of the sums."""
        sums = self.sums
        minima = follow(
            sums.Q[np.newaxis],
            sums.q[np.newaxis],
            sums.squares[np.newaxis],
            penalties.l1[np.newaxis],
            penalties.l2[np.newaxis],
            self.form,
            None if start is None else start[np.newaxis],
            self.n_threads,
        )
        B, steps, violations = (
            part[0].copy() for part in (minima.coefficients, minima.steps, minima.violations)
        )
        centre = np.tile(sums.offset[len(sums.Q) :], (len(B), 1))
        slopes = np.zeros((len(B), self.source.n_features, B.shape[2]))
        slopes[:, self.used] = sums.q - sums.Q @ B
        return _State(B, centre, slopes, steps, violations)

    def step(self, penalties: Penalties, state: _State) -> _State:
        """Return the minima of the sums, with slopes that are those of the state where it is.

        They are nearer to those of the rows by as many digits as the sums have.
        """
        Q = self.sums.Q[np.newaxis]
        l1, l2 = (part[:, np.newaxis] for part in penalties)
        q = state.slopes[:, self.used] + Q @ state.B
        squares = np.tile(self.sums.squares, (len(q), 1))
        found = follow(Q, q, squares, l1, l2, self.form, state.B, self.n_threads)
        return replace(state, B=found.coefficients[:, 0], steps=state.steps + found.steps[:, 0])

    def pulls_outside(self, state: _State) -> Matrix:
        """Return the largest pull of each column, 0 of those that are used."""
        found: Matrix = self.form.pulls(state.slopes).max(axis=2)
        found[:, self.used] = 0.0
        return found

    def correct(self, penalties: Penalties, state: _State) -> _State:
        """Return minima for the slopes that the rows give."""
        best, last = None, np.inf
        for _ in range(_MOST_CORRECTIONS):
            state = self._read(penalties, state)
            worst = float(state.violations.max(initial=0.0))
            if best is None or worst < last:
                best = state
            if worst <= _ENOUGH or not worst <= 0.5 * last:
                break
            last = worst
            state = self.step(penalties, state)
        assert best is not None
        return best

    def _read(self, penalties: Penalties, state: _State) -> _State:
        """Return the state with slopes and violations that the rows give."""
        source, form = self.source, self.form
        count, d, t = len(state.B), source.n_features, source.n_targets
        slopes, means = np.empty((count, d, t)), np.empty((count, t))
        at_once = 1
        if isinstance(source, Rows):
            at_once = max(1, _BLOCK // ((source.X.shape[0] + d) * t))
        shift = self.mean if form.fit_intercept else None
        engine = choose_gradient(source, self.engine)
        for first in range(0, count, at_once):
            part = slice(first, min(first + at_once, count))
            several = part.stop - part.start
            coefficients = np.zeros((d + 1, several, t))
            coefficients[self.used] = state.B[part].transpose(1, 0, 2)
            coefficients[d] = state.centre[part]
            given = source
            if several > 1:
                assert isinstance(source, Rows)
                given = replace(source, Y=namespace(source.Y).tile(source.Y, (1, several)))
            found = compute_gradient(
                given, coefficients.reshape(d + 1, -1), shift, engine, self.n_threads
            ).reshape(d + 1, several, t)
            slopes[part], means[part] = -found[:d].transpose(1, 0, 2), found[d]
        centre = state.centre - means if form.fit_intercept else state.centre
        state = replace(state, slopes=slopes, centre=centre)
        return replace(state, violations=self._violations(penalties, state))

    def _violations(self, penalties: Penalties, state: _State) -> Matrix:
        """Return how far the conditions of optimality are from being met."""
        l1, l2 = (part[:, np.newaxis, np.newaxis] for part in penalties)
        h = state.slopes[:, self.used] - l2 * state.B
        norms = self.form.norms(state.B)
        active = norms > 0
        ways = state.B / np.where(active, norms, 1.0)
        excess = np.where(
            active,
            self.form.norms(h - l1 * ways),
            np.maximum(self.form.pulls(h) - l1, 0.0),
        )
        return self._relative(excess)

    def finish(self, penalties: Penalties, state: _State) -> PathFit:
        """Return the result."""
        form, d = self.form, self.source.n_features
        coefficients = np.zeros((len(state.B), d + 1, self.source.n_targets))
        coefficients[:, self.used] = state.B
        if form.fit_intercept:
            coefficients[:, d] = state.centre - self.mean[self.used] @ state.B
        return PathFit(
            coefficients,
            self._gaps(penalties, state),
            state.steps,
            float(state.violations.max(initial=0.0)),
            self.engine,
            self.mean,
            float(self.sums.squares.sum()) * self.sums.n_samples,
        )

    def _gaps(self, penalties: Penalties, state: _State) -> Matrix:
        """Return the duality gaps, as sums of what cannot be negative.

        With h = g − l2 B and s the largest factor, at most 1, for which ‖s hⱼ‖ ≤ l1 for all j:
        ½ (1 − s)² (‖r‖² + l2 ‖B‖²) + Σⱼ (l1 ‖bⱼ‖ − s bⱼ·hⱼ), r the residuals.
        """
        form, B, g = self.form, state.B, state.slopes[:, self.used]
        l1, l2 = (part[:, np.newaxis] for part in penalties)
        h = g - l2[..., np.newaxis] * B

        def total(A: Matrix) -> Matrix:
            found = A.sum(axis=1)
            return found.sum(axis=1, keepdims=True) if form.together else found

        squares = self.sizes**2 - total(B * (2 * g + self.sums.Q @ B)) + l2 * total(B * B)
        top = form.pulls(h).max(axis=1, initial=0.0)
        top = np.maximum(top, self.pulls_outside(state).max(axis=1, initial=0.0)[:, np.newaxis])
        s = np.where(top > l1, l1 / np.where(top > l1, top, 1.0), 1.0)
        rest = l1 * form.norms(B).sum(axis=1) - s * total(B * h)
        found: Matrix = 0.5 * (1 - s) ** 2 * squares + np.maximum(rest, 0.0)
        return found


def choose_gradient(source: Source, engine: str | None = None) -> str:
    """Return the engine that reads slopes: of sparse rows, SciPy's products."""
    if isinstance(source, Rows) and sparse.issparse(source.X):
        return "scipy"
    if engine in (None, "scipy"):
        arrays = (source.X,) if isinstance(source, Rows) else ()
        return ops.choose("descent", None, *arrays)
    return engine
