"""Penalties on magnitudes of coefficients: what is minimised, from what sums, and the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmodels.ops import coordinate as operation
from rmodels.ops.moments import Moments
from rmodels.solvers.conditioning import find_constant

__all__ = ["NOT_FINITE", "Form", "PathFit", "Penalties", "Sums", "find_largest", "follow", "join"]

Matrix = NDArray[np.float64]

NOT_FINITE = (
    "Coordinate descent iterations resulted in non-finite parameter values: X or y holds values so "
    "large that their squares overflow. Scale the columns"
)


class Penalties(NamedTuple):
    """l1 and l2, of a path: (n_penalties,) each."""

    l1: Matrix
    l2: Matrix

    def one(self, k: int) -> "Penalties":
        """Return one of them."""
        return Penalties(self.l1[k : k + 1], self.l2[k : k + 1])

    @classmethod
    def of(cls, alphas: Any, l1_ratio: float) -> "Penalties":
        """Return those of α (l1_ratio ‖·‖₁ + ½ (1 − l1_ratio) ‖·‖²)."""
        alphas = np.asarray(alphas, dtype=np.float64)
        return cls(alphas * l1_ratio, alphas * (1.0 - l1_ratio))


@dataclass(frozen=True)
class Form:
    """What kind of minimum is looked for.

    Attributes
    ----------
    fit_intercept : bool
    together : bool
        Whether the penalty is on the norm of a column's coefficients of all targets; else each
        target is a problem of its own.
    positive : bool
        Whether the coefficients must be at least 0; not with `together`.
    """

    fit_intercept: bool = True
    together: bool = False
    positive: bool = False

    def norms(self, B: Matrix) -> Matrix:
        """Return ‖bⱼ‖ of rows of coefficients (…, n_targets), one for each group of targets."""
        if self.together:
            return np.sqrt((B * B).sum(axis=-1, keepdims=True))
        return np.abs(B)

    def pulls(self, g: Matrix) -> Matrix:
        """Return what must not be above l1 of a slope: its norm, or if positive its value."""
        return g if self.positive else self.norms(g)

    def sizes(self, squares: Matrix) -> Matrix:
        """Return the norm of the targets of each group, from their squares (…, n_targets)."""
        total = squares.sum(axis=-1, keepdims=True) if self.together else squares
        return np.sqrt(total)


@dataclass(frozen=True, eq=False)
class PathFit:
    """Minima along a path.

    Attributes
    ----------
    coefficients : ndarray of shape (n_penalties, n_features + 1, n_targets)
        The last row is the intercept, 0 if there is none.
    gaps : ndarray of shape (n_penalties, n_groups)
        Duality gaps. Targets are a group each, or one all together.
    steps : ndarray of shape (n_penalties, n_groups), int64
        Passes of coordinate descent and steps of Newton's method.
    violation : float
        Largest violation of the conditions of optimality, over ‖xⱼ‖ ‖y‖.
    engine : {"reference", "native", "gpu", "scipy"}
        What computed the moments.
    mean : ndarray of shape (n_features,)
        Of the columns; zeros if there is no intercept.
    squares : float
        Of all targets, centred if there is an intercept, with weights whose mean is 1.
    warnings : tuple of Warning
        What the user should be told, by whoever knows the user's line.
    """

    coefficients: Matrix
    gaps: Matrix
    steps: NDArray[np.int64]
    violation: float
    engine: str
    mean: Matrix
    squares: float
    warnings: tuple[Warning, ...] = ()


@dataclass(frozen=True, eq=False)
class Sums:
    """What the minimum depends on: products of centred columns, over Σ w.

    Attributes
    ----------
    Q : ndarray of shape (n_features, n_features)
        Zeros where a column is constant.
    q : ndarray of shape (n_features, n_targets)
    squares : ndarray of shape (n_targets,)
        Of the targets.
    offset : ndarray of shape (n_features + n_targets,)
        Means; zeros if there is no intercept.
    n_samples : int
    loss : float
        About how many units of the last place rounding may have cost, relative to the norms.
    """

    Q: Matrix
    q: Matrix
    squares: Matrix
    offset: Matrix
    n_samples: int
    loss: float

    @classmethod
    def of(cls, moments: Moments, fit_intercept: bool) -> "Sums":
        """Return those of moments; raise ValueError if they overflowed."""
        d, weight = moments.n_features, moments.weight
        with np.errstate(over="ignore", invalid="ignore"):
            S = (moments.scatter if fit_intercept else moments.about_zero()) / weight
        squares = S.diagonal()
        if not moments.is_finite or not np.isfinite(squares).all():
            raise ValueError(NOT_FINITE)
        constant = squares <= 0
        offset = np.zeros(len(S))
        loss = np.sqrt(max(1, moments.n_samples))
        if fit_intercept:
            constant |= find_constant(S, moments.mean, 1.0)
            offset = moments.mean
            if moments.centred_late:
                varies = ~constant[:d]
                loss *= 1 + (offset[:d][varies] ** 2 / squares[:d][varies]).max(initial=0.0)
        S[constant] = 0.0
        S[:, constant] = 0.0
        n = moments.n_samples
        return cls(S[:d, :d], S[:d, d:], S.diagonal()[d:], offset, n, float(loss))

    @property
    def norms(self) -> Matrix:
        """Norms of the columns: (n_features, 1)."""
        return np.sqrt(self.Q.diagonal())[:, np.newaxis]


def find_largest(q: Matrix, form: Form) -> float:
    """Return the smallest l1 whose minimum is zero, from the products with the targets."""
    return max(0.0, float(form.pulls(q).max(initial=0.0)))


def follow(
    Q: Matrix,
    q: Matrix,
    squares: Matrix,
    l1: Matrix,
    l2: Matrix,
    form: Form,
    start: Matrix | None = None,
    n_threads: int | None = None,
) -> operation.Minima:
    """Return minima of several paths.

    Parameters
    ----------
    Q : ndarray of shape (n_paths or 1, n_features, n_features)
    q : ndarray of shape (n_paths, n_features, n_targets)
    squares : ndarray of shape (n_paths, n_targets)
    l1, l2 : ndarray of shape (n_paths, n_penalties)
    form : Form
    start : ndarray like q, optional
    n_threads : int, optional

    Returns
    -------
    Minima
        Coefficients (n_paths, n_penalties, n_features, n_targets); steps and violations
        (n_paths, n_penalties, n_groups).
    """
    paths, d, targets = q.shape
    groups = 1 if form.together else targets
    plain = (l1 == 0).all(axis=0) & (not form.positive)
    if plain.any():
        return _follow_plain(Q, q, squares, l1, l2, form, plain, n_threads)

    def part(A: Matrix) -> Matrix:  # a problem for each group
        if form.together:
            return A
        return np.ascontiguousarray(A.transpose(0, 2, 1)).reshape(-1, d, 1)

    many = groups > 1 and len(Q) > 1
    found = operation.minimise(
        np.repeat(Q, groups, axis=0) if many else Q,
        part(q),
        form.sizes(squares).ravel(),
        np.repeat(l1, groups, axis=0),
        np.repeat(l2, groups, axis=0),
        start=None if start is None else part(start),
        positive=form.positive,
        n_threads=n_threads,
    )
    shape = paths, groups, l1.shape[1]
    B = found.coefficients.reshape(*shape, d, -1)
    B = B[:, 0] if form.together else B[..., 0].transpose(0, 2, 3, 1)
    return operation.Minima(
        np.ascontiguousarray(B),
        found.steps.reshape(shape).transpose(0, 2, 1).copy(),
        found.violations.reshape(shape).transpose(0, 2, 1).copy(),
        found.engine,
    )


def _follow_plain(
    Q: Matrix,
    q: Matrix,
    squares: Matrix,
    l1: Matrix,
    l2: Matrix,
    form: Form,
    plain: NDArray[np.bool_],
    n_threads: int | None,
) -> operation.Minima:
    """Return minima of paths of which some penalties, the `plain` ones, are without l1."""
    groups = 1 if form.together else q.shape[2]
    B = np.empty((len(q), l1.shape[1], *q.shape[1:]))
    steps = np.ones((len(q), l1.shape[1], groups), dtype=np.int64)
    violations = np.zeros(steps.shape)
    engine = "reference"
    if not plain.all():
        rest = ~plain
        found = follow(Q, q, squares, l1[:, rest], l2[:, rest], form, n_threads=n_threads)
        B[:, rest], steps[:, rest] = found.coefficients, found.steps
        violations[:, rest], engine = found.violations, found.engine
    for i in range(len(q)):
        for k in np.flatnonzero(plain):
            own = Q[i % len(Q)] + l2[i, k] * np.eye(q.shape[1])
            root = np.sqrt(own.diagonal())
            root = np.where(root > 0, root, 1.0)
            values, V = np.linalg.eigh(own / root / root[:, np.newaxis])
            kept = values > len(values) * 2.0**-52 * values[-1:]
            shares = V[:, kept].T @ (q[i] / root[:, np.newaxis]) / values[kept, np.newaxis]
            B[i, k] = V[:, kept] @ shares / root[:, np.newaxis]
    return operation.Minima(B, steps, violations, engine)


def join(parts: Sequence[PathFit]) -> PathFit:
    """Return several paths as one."""

    def stack(name: str) -> Any:
        return np.concatenate([getattr(each, name) for each in parts])

    return PathFit(
        stack("coefficients"),
        stack("gaps"),
        stack("steps"),
        max(each.violation for each in parts),
        parts[-1].engine,
        parts[-1].mean,
        parts[-1].squares,
        tuple(warning for each in parts for warning in each.warnings),
    )
