"""Losses of linear predictors, summed over the rows of a source, wherever they are."""

from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.config import get_config
from rmodels.data import Rows, Source
from rmodels.data.arrays import on_host
from rmodels.ops import glm
from rmodels.ops.glm import Loss, Matrix, Sums
from rmodels.ops.moments import sparse_products

__all__ = ["Evaluation", "Family", "Objective", "Penalties", "read_sample", "respond"]

_ROWS_AT_A_TIME = 4096


@dataclass(frozen=True)
class Family:
    """What is lost by a linear predictor.

    Attributes
    ----------
    loss : {"logistic", "multinomial", "tweedie", "tweedie_identity"}
    power : float
    n_outputs : int
        Margins of a row.
    name : str
        scikit-learn's name of the loss, for errors.
    """

    loss: Loss
    power: float = 0.0
    n_outputs: int = 1
    name: str = ""

    @property
    def is_convex(self) -> bool:
        """Whether the curvature is that of the loss, and not one expected of it."""
        if self.loss == "tweedie_identity":
            return self.power == 0
        return self.loss != "tweedie" or 1 <= self.power <= 2

    def check(self, y: Matrix) -> None:
        """Raise scikit-learn's error if the loss of some targets is not defined."""
        if self.loss in ("logistic", "multinomial") or not len(y) or self.power <= 0:
            return
        least = y.min()
        if least < 0 or (least == 0 and self.power >= 2):
            raise ValueError(
                f"Some value(s) of y are out of the valid range of the loss {self.name!r}: they "
                f"must be {'at least' if self.power < 2 else 'above'} 0"
            )

    def start(self, y: Matrix, weights: Matrix | None) -> Matrix:
        """Return intercepts with which the mean of the predictions is that of the targets."""
        w = np.ones(len(y)) if weights is None else weights
        total = w.sum()
        if not total:
            return np.zeros(self.n_outputs)
        if self.loss == "multinomial":
            counts = np.bincount(y.astype(np.intp), w, minlength=self.n_outputs)
            logs = np.log(np.maximum(counts, 0.5 * total / len(y)))
            return logs - logs.mean()
        mean = float(w @ y / total)
        if self.loss == "logistic":
            mean = min(max(mean, 0.5 / len(y)), 1 - 0.5 / len(y))
            return np.array([np.log(mean / (1 - mean))])
        if self.loss == "tweedie_identity":
            return np.array([mean if self.power <= 0 or mean > 0 else 1.0])
        return np.array([np.log(mean) if mean > 0 else 0.0])


@dataclass(frozen=True, eq=False)
class Penalties:
    """½ Σ l2 θ² + Σ l1 abs(θ).

    Attributes
    ----------
    l2, l1 : ndarray of shape (n_features + 1,)
        Of each column, and last of the intercept; the same for each output.
    """

    l2: Matrix
    l1: Matrix

    def value(self, theta: Matrix) -> float:
        """Return the penalty of coefficients (n_outputs, n_features + 1)."""
        squares = 0.5 * float(np.vdot(self.l2 * theta, theta))
        return squares + float((self.l1 * abs(theta)).sum()) if self.has_magnitudes else squares

    @cached_property
    def has_magnitudes(self) -> bool:
        """Whether an l1 is not 0."""
        return bool(self.l1.any())

    def take(self, columns: NDArray[np.intp]) -> "Penalties":
        """Return the penalties of some columns and of the intercept."""
        kept = np.append(columns, len(self.l2) - 1)
        return Penalties(self.l2[kept], self.l1[kept])


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Sums over rows in memory; it travels to the rows of a cluster.

    Attributes are as in `Objective`, and the coefficients.
    """

    family: Family
    theta: Matrix
    centre: Matrix | None
    class_weights: Matrix | None
    columns: NDArray[np.intp] | None
    curvature: bool
    n_threads: int | None

    def __call__(self, rows: Rows) -> Sums:
        """Return the sums over some rows."""
        y, weights = respond(self.family, rows, self.class_weights)
        X = rows.X
        if self.columns is not None:
            X = X[:, self.columns]
        if sparse.issparse(X):
            found = self._of_sparse(X, y, weights)
        else:
            found = glm.evaluate(
                X,
                y,
                self.theta,
                self.family.loss,
                power=self.family.power,
                centre=self.centre,
                weights=weights,
                curvature=self.curvature,
                n_threads=self.n_threads,
            )
        if not np.isfinite(found.gradient).all():
            rows.assert_finite()
        return found

    def _of_sparse(self, X: Any, y: Matrix, weights: Matrix | None) -> Sums:
        theta = self.theta
        margins = X @ theta[:, :-1].T + theta[:, -1]
        found = glm.measure(
            np.asarray(margins, dtype=np.float64),
            y,
            self.family.loss,
            power=self.family.power,
            weights=weights,
            n_threads=self.n_threads,
        )
        r = found.residuals
        gradient, magnitude = np.empty_like(theta), np.empty_like(theta)
        gradient[:, :-1], gradient[:, -1] = (X.T @ r).T, r.sum(axis=0)
        size = abs(r)
        magnitude[:, :-1], magnitude[:, -1] = (abs(X).T @ size).T, size.sum(axis=0)
        H = None
        if self.curvature:
            H = _curve_sparse(X, found.curvatures, self.family.loss, weights, self.n_threads)
        return Sums(found.loss, gradient, magnitude, H, "scipy")


def respond(
    family: Family, rows: Rows, class_weights: Matrix | None
) -> tuple[Matrix, Matrix | None]:
    """Return the targets of rows as a loss takes them, and their weights times their class's."""
    given = on_host(rows.Y)[:, 0]
    y = np.ascontiguousarray(given, dtype=np.float64)
    family.check(y)
    weights = None if rows.weights is None else on_host(rows.weights).astype(np.float64)
    if class_weights is not None:
        of_rows = class_weights[given]
        weights = of_rows if weights is None else weights * of_rows
    return y, weights


def _multiply_sparse(X: Any, h: Matrix, n_threads: int | None) -> Matrix:
    """Return Σ h z zᵀ, z = (x, 1)."""
    d = X.shape[1]
    found = np.empty((d + 1, d + 1))
    found[:d, :d] = sparse_products(X, h, n_threads=n_threads)
    found[d, :d] = found[:d, d] = X.T @ h
    found[d, d] = h.sum()
    return found


def _curve_sparse(
    X: Any, curvatures: Matrix, loss: Loss, weights: Matrix | None, n_threads: int | None
) -> Matrix:
    if loss != "multinomial":
        return _multiply_sparse(X, np.ascontiguousarray(curvatures[:, 0]), n_threads)
    K, side = curvatures.shape[1], X.shape[1] + 1
    w = 1.0 if weights is None else weights
    H = np.zeros((K, side, K, side))
    for k in range(K):
        for c in range(k):
            block = _multiply_sparse(X, w * curvatures[:, k] * curvatures[:, c], n_threads)
            H[k, :, c] -= block
            H[c, :, k] -= block
            H[k, :, k] += block
            H[c, :, c] += block
    return H.reshape(K * side, -1)


@dataclass(eq=False)
class Objective:
    """Loss and penalty of the rows of a source, less a centre: what is minimised.

    Attributes
    ----------
    source : Source
    family : Family
    penalties : Penalties
    centre : ndarray of shape (n_features,) or None
    class_weights : ndarray of shape (n_classes,) or None
        Which the weights of the rows are multiplied by.
    n_threads : int or None
    columns : ndarray or None
        The only ones that may have coefficients.
    fit_intercept : bool
    reads : int
        How often all rows were read.
    engine : str
        What evaluated them.
    """

    source: Source
    family: Family
    penalties: Penalties
    centre: Matrix | None = None
    class_weights: Matrix | None = None
    n_threads: int | None = None
    columns: NDArray[np.intp] | None = None
    fit_intercept: bool = True
    reads: int = 0
    engine: str = field(default="", init=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs, and columns with the intercept."""
        return self.family.n_outputs, len(self.penalties.l2)

    def evaluate(self, theta: Matrix, *, curvature: bool = False) -> Sums:
        """Return the sums at some coefficients (n_outputs, n_features + 1), in one read."""
        self.reads += 1
        centre = self.centre
        if centre is not None and self.columns is not None:
            centre = centre[self.columns]
        found = self.source.fold(
            Evaluation(
                self.family,
                theta,
                centre,
                self.class_weights,
                self.columns,
                curvature,
                self.n_threads,
            )
        )
        self.engine = found.engine
        if not self.fit_intercept:
            _leave_out_intercepts(found, theta.shape[0])
        return found

    def restrict(self, columns: NDArray[np.intp]) -> "Objective":
        """Return the objective of some columns alone."""
        return replace(self, columns=columns, penalties=self.penalties.take(columns), reads=0)

    def of(self, sample: Rows, share: float) -> "Objective":
        """Return the objective of some rows that stand for all, a share of them."""
        penalties = Penalties(self.penalties.l2 * share, self.penalties.l1 * share)
        return replace(self, source=sample, penalties=penalties, reads=0)

    def multiply(self, theta: Matrix, vectors: Matrix) -> Matrix:
        """Return the curvature at some coefficients times a vector of their shape, in one read."""
        self.reads += 1
        centre = np.zeros(theta.shape[1] - 1) if self.centre is None else self.centre
        product = _Product(self.family, theta, vectors, centre, self.class_weights, self.n_threads)
        total: Matrix = self.source.fold(product)
        if not self.fit_intercept:
            total[:, -1] = 0.0
        return total


def _leave_out_intercepts(sums: Sums, n_outputs: int) -> None:
    """Take from sums what intercepts change, in place: they stay where they are."""
    sums.gradient[:, -1] = sums.magnitude[:, -1] = 0.0
    if sums.curvature is not None:
        width = sums.gradient.shape[1]
        last = np.arange(n_outputs) * width + width - 1
        sums.curvature[last] = sums.curvature[:, last] = 0.0
        sums.curvature[last, last] = 1.0


@dataclass(frozen=True, eq=False)
class _Product:
    """The curvature times a vector, of rows in memory."""

    family: Family
    theta: Matrix
    vectors: Matrix
    centre: Matrix
    class_weights: Matrix | None
    n_threads: int | None

    def __call__(self, rows: Rows) -> Matrix:
        step = max(
            _ROWS_AT_A_TIME, int(get_config()["memory_limit"] // 64) // (16 * len(self.theta))
        )
        total = np.zeros_like(self.theta)
        for block in rows.blocks(step):
            total += self._of_block(block)
        return total

    def _of_block(self, rows: Rows) -> Matrix:
        y, weights = respond(self.family, rows, self.class_weights)
        X = rows.X if sparse.issparse(rows.X) else on_host(rows.X)

        def multiply(T: Matrix) -> Matrix:
            return np.asarray(X @ T[:, :-1].T) + (T[:, -1] - T[:, :-1] @ self.centre)

        family = self.family
        found = glm.measure(
            multiply(self.theta),
            y,
            family.loss,
            power=family.power,
            weights=weights,
            n_threads=self.n_threads,
        )
        h, q = found.curvatures, multiply(self.vectors)
        if family.loss == "multinomial":
            q = h * (q - (h * q).sum(axis=1, keepdims=True))
            if weights is not None:
                q *= weights[:, np.newaxis]
        else:
            q = h * q
        sums = q.sum(axis=0)
        slopes = np.asarray(X.T @ q).T - np.outer(sums, self.centre)
        return np.column_stack([slopes, sums])


def read_sample(source: Source, count: int) -> Rows:
    """Return about so many rows, spread over an array or from the first part of another source."""
    if not isinstance(source, Rows):
        with closing(source.batches()) as batches:  # type: ignore[type-var]
            rows = next(iter(batches))
            rows = rows.take(slice(None))
            return replace(rows, X=rows.X.copy(), Y=rows.Y.copy())
    n = source.X.shape[0]
    if n <= count:
        return source
    places = np.arange(count) * n // count
    return source.take(places)
