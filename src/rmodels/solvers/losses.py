"""Losses of linear predictors, summed over the rows of a source, wherever they are."""

from collections.abc import Generator, Sequence
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

__all__ = [
    "Evaluation",
    "Family",
    "Objective",
    "Penalties",
    "evaluate_together",
    "read_sample",
    "respond",
]

Mask = NDArray[np.bool_] | None  # of rows that count; None: all

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
    chosen: NDArray[np.bool_] | None = None

    def __call__(self, rows: Rows) -> Sums:
        """Return the sums over some rows."""
        if self.chosen is not None or sparse.issparse(rows.X):
            return evaluate_together([self], rows)[0]
        # the most frequent kind, of small data above all, without the lists of several
        y, weights = respond(self.family, rows, self.class_weights)
        found = glm.evaluate(
            rows.X if self.columns is None else rows.X[:, self.columns],
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


def evaluate_together(evaluations: Sequence[Evaluation], rows: Rows) -> list[Sums]:
    """Return what each of several evaluations gives, in one read of the rows.

    Their coefficients, columns, and the rows that count may differ, and all else is the same.
    """
    first = evaluations[0]
    y, weights = respond(first.family, rows, first.class_weights)
    of_columns: dict[int, list[int]] = {}
    for place, each in enumerate(evaluations):
        of_columns.setdefault(id(each.columns), []).append(place)
    found: list[Any] = [None] * len(evaluations)
    for places in of_columns.values():
        some = [evaluations[place] for place in places]
        X, columns = rows.X, some[0].columns
        if columns is not None:
            X = X[:, columns]
        masks = _masks_of(some, rows)
        add = _evaluate_sparse if sparse.issparse(X) else _evaluate_dense
        for place, sums in zip(places, add(some, masks, X, y, weights), strict=True):
            found[place] = sums
    if not all(np.isfinite(sums.gradient).all() for sums in found):
        rows.assert_finite()
    return found


def _masks_of(evaluations: Sequence[Evaluation], rows: Rows) -> list[Mask]:
    """Return which of the rows count for each; of equal choices the same array."""
    here = slice(rows.first, rows.first + rows.X.shape[0])
    whole = {id(each.chosen): each.chosen for each in evaluations}
    parts = {name: None if mask is None else mask[here] for name, mask in whole.items()}
    return [parts[id(each.chosen)] for each in evaluations]


def _evaluate_dense(
    evaluations: Sequence[Evaluation],
    masks: list[Mask],
    X: Any,
    y: Matrix,
    weights: Matrix | None,
) -> list[Sums]:
    first = evaluations[0]
    return glm.evaluate_each(
        X,
        y,
        np.stack([each.theta for each in evaluations]),
        first.family.loss,
        chosen=masks,
        power=first.family.power,
        centre=first.centre,
        weights=weights,
        curvature=[each.curvature for each in evaluations],
        n_threads=first.n_threads,
    )


def _evaluate_sparse(
    evaluations: Sequence[Evaluation],
    masks: list[Mask],
    X: Any,
    y: Matrix,
    weights: Matrix | None,
) -> list[Sums]:
    first = evaluations[0]
    thetas = np.stack([each.theta for each in evaluations])
    count, outputs, width = thetas.shape
    flat = thetas.reshape(count * outputs, width)
    margins = np.asarray(X @ flat[:, :-1].T + flat[:, -1], dtype=np.float64)
    residuals = np.zeros_like(margins)
    losses: list[float] = []
    curvatures: list[Matrix | None] = []
    for s, (each, mask) in enumerate(zip(evaluations, masks, strict=True)):
        rows = slice(None) if mask is None else mask
        own = slice(s * outputs, (s + 1) * outputs)
        found = glm.measure(
            margins[rows, own],
            y[rows],
            first.family.loss,
            power=first.family.power,
            weights=None if weights is None else weights[rows],
            n_threads=first.n_threads,
        )
        losses.append(found.loss)
        residuals[rows, own] = found.residuals
        if each.curvature:
            h = np.zeros((len(y), outputs))
            h[rows] = found.curvatures
            loss, n_threads = first.family.loss, first.n_threads
            curvatures.append(_curve_sparse(X, h, loss, weights, n_threads))
        else:
            curvatures.append(None)
    sizes = abs(residuals)
    entries = sparse.csr_array((abs(X.data), X.indices, X.indptr), shape=X.shape)
    gradients = np.column_stack([(X.T @ residuals).T, residuals.sum(axis=0)])
    magnitudes = np.column_stack([(entries.T @ sizes).T, sizes.sum(axis=0)])
    return [
        Sums(loss, gradient, magnitude, H, "scipy")
        for loss, gradient, magnitude, H in zip(
            losses,
            gradients.reshape(thetas.shape),
            magnitudes.reshape(thetas.shape),
            curvatures,
            strict=True,
        )
    ]


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
    chosen : ndarray of shape (n_samples,), bool, or None
        The only rows that count, by their numbers.
    weight_of_chosen : float
        Σ w of them.
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
    chosen: NDArray[np.bool_] | None = None
    weight_of_chosen: float = 0.0
    reads: int = 0
    engine: str = field(default="", init=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs, and columns with the intercept."""
        return self.family.n_outputs, len(self.penalties.l2)

    @property
    def weight(self) -> float:
        """Σ w of the rows that count."""
        return self.source.weight if self.chosen is None else self.weight_of_chosen

    def evaluate(
        self, theta: Matrix, *, curvature: bool = False
    ) -> Generator[Evaluation, Sums, Sums]:
        """Find the sums at some coefficients (n_outputs, n_features + 1), in one read."""
        self.reads += 1
        centre = self.centre
        if centre is not None and self.columns is not None:
            centre = centre[self.columns]
        found = yield Evaluation(
            self.family,
            theta,
            centre,
            self.class_weights,
            self.columns,
            curvature,
            self.n_threads,
            self.chosen,
        )
        self.engine = found.engine
        if self.fit_intercept:
            return found
        return _leave_out_intercepts(found, theta.shape[0])

    def restrict(self, columns: NDArray[np.intp]) -> "Objective":
        """Return the objective of some columns alone."""
        return replace(self, columns=columns, penalties=self.penalties.take(columns), reads=0)

    def of(self, sample: Rows, share: float) -> "Objective":
        """Return the objective of some rows that stand for all, a share of them."""
        penalties = Penalties(self.penalties.l2 * share, self.penalties.l1 * share)
        return replace(self, source=sample, penalties=penalties, chosen=None, reads=0)

    def multiply(self, theta: Matrix, vectors: Matrix) -> Generator["_Product", Matrix, Matrix]:
        """Find the curvature at some coefficients times a vector of their shape, in one read."""
        self.reads += 1
        centre = np.zeros(theta.shape[1] - 1) if self.centre is None else self.centre
        total = yield _Product(
            self.family,
            theta,
            vectors,
            centre,
            self.class_weights,
            self.n_threads,
            self.chosen,
        )
        if not self.fit_intercept:
            total[:, -1] = 0.0
        return total


def _leave_out_intercepts(sums: Sums, n_outputs: int) -> Sums:
    """Return sums without what intercepts change: they stay where they are."""
    gradient, magnitude, H = sums.gradient.copy(), sums.magnitude.copy(), sums.curvature
    gradient[:, -1] = magnitude[:, -1] = 0.0
    if H is not None:
        width = gradient.shape[1]
        last = np.arange(n_outputs) * width + width - 1
        H = H.copy()
        H[last] = H[:, last] = 0.0
        H[last, last] = 1.0
    return Sums(sums.loss, gradient, magnitude, H, sums.engine)


@dataclass(frozen=True, eq=False)
class _Product:
    """The curvature times a vector, of rows in memory."""

    family: Family
    theta: Matrix
    vectors: Matrix
    centre: Matrix
    class_weights: Matrix | None
    n_threads: int | None
    chosen: NDArray[np.bool_] | None = None

    def __call__(self, rows: Rows) -> Matrix:
        step = max(
            _ROWS_AT_A_TIME, int(get_config()["memory_limit"] // 64) // (16 * len(self.theta))
        )
        total = np.zeros_like(self.theta)
        for block in rows.blocks(step):
            if self.chosen is not None:
                here = slice(block.first, block.first + block.X.shape[0])
                block = block.take(np.flatnonzero(self.chosen[here]))
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
