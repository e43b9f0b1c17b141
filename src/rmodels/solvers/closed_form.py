"""All iterations of gradient descent at once, from the eigenvalues of the loss's curvature.

With Z = [X 1], H = Zᵀ W Z / Σw and c = Zᵀ W y / Σw, gradient descent from zero on half the mean
squared error is w ← w − α (H w − c). With H = V Λ Vᵀ, t steps lead to

    w_t = V φ_t(Λ) Vᵀ c,    φ_t(λ) = (1 − (1 − αλ)^t) / λ,    φ_t(0) = α t.

With fewer rows than columns, K = √W Z Zᵀ √W / Σw = U Λ Uᵀ has the same eigenvalues other than 0,
and w_t = Zᵀ √W U φ_t(Λ) Uᵀ √W y / Σw.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.moments import Gram, Moments

__all__ = ["ClosedForm", "descend_gram", "descend_moments"]

Matrix = NDArray[np.float64]

_LOSSES_AT_A_TIME = 1024


def _power(eigenvalues: Matrix, learning_rate: float, iterations: Matrix) -> Matrix:
    """Return (1 − αλ)^t: (iterations, eigenvalues), keeping the digits of small αλ."""
    step = learning_rate * eigenvalues
    t = iterations[:, np.newaxis]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        # log|1 − x|, by log1p on the side where 1 − x is near 1
        logarithm = np.where(step < 1, np.log1p(-np.minimum(step, 1)), np.log(np.abs(step - 1)))
        power = np.exp(np.where(t == 0, 0.0, t * logarithm))
    return np.where((step > 1) & (t % 2 == 1), -power, power)


def _gain(eigenvalues: Matrix, learning_rate: float, iterations: Matrix) -> Matrix:
    """Return φ_t(λ): (iterations, eigenvalues), keeping the digits of small αλ."""
    step = learning_rate * eigenvalues
    t = iterations[:, np.newaxis]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        gain = -np.expm1(t * np.log1p(-np.minimum(step, 0.5))) / eigenvalues
        if not (step < 0.5).all():
            large = (1 - _power(eigenvalues, learning_rate, iterations)) / eigenvalues
            gain = np.where(step < 0.5, gain, large)
        return np.where(eigenvalues == 0, learning_rate * t, gain)


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """What is known of every iteration without running one.

    Attributes
    ----------
    eigenvalues : ndarray of shape (m,)
        λ, ascending, at least 0.
    squares : ndarray of shape (m, n_targets)
        (Vᵀc)².
    first_losses : ndarray of shape (n_targets,)
        The loss at the start, ½ Σ w y² / Σw.
    learning_rate : float
        α.
    iterations : int
    """

    eigenvalues: Matrix
    squares: Matrix
    first_losses: Matrix
    learning_rate: float
    iterations: int

    @cached_property
    def losses(self) -> Matrix:
        """The loss after each iteration: (iterations, n_targets).

        L_t = L_0 − ½ Σ (Vᵀc)² φ_t (2 − λ φ_t), within 2⁻⁵³ · L_0 of exact arithmetic times a small
        constant.
        """
        losses = np.empty((self.iterations, len(self.first_losses)))
        for first in range(0, self.iterations, _LOSSES_AT_A_TIME):
            last = min(first + _LOSSES_AT_A_TIME, self.iterations)
            t = np.arange(first + 1.0, last + 1.0)
            arguments = self.eigenvalues, self.learning_rate, t
            with np.errstate(over="ignore", invalid="ignore"):
                fall = _gain(*arguments) * (1 + _power(*arguments))
                losses[first:last] = self.first_losses - 0.5 * (fall @ self.squares)
        return np.maximum(losses, 0.0)


def _eigenvectors(symmetric: Matrix) -> tuple[Matrix, Matrix]:
    """Return λ, ascending, those within rounding of 0 set to 0, and V."""
    eigenvalues, V = np.linalg.eigh(symmetric)
    noise = len(eigenvalues) * np.finfo(np.float64).eps * eigenvalues[-1:]
    return np.where(eigenvalues > noise, eigenvalues, 0.0), V


def _rate(learning_rate: float | str, eigenvalues: Matrix) -> float:
    """Return α; "auto" is one over the largest eigenvalue."""
    if learning_rate != "auto":
        return float(learning_rate)
    largest = eigenvalues[-1] if len(eigenvalues) else 0.0
    return 1.0 / float(largest) if largest else 1.0


def descend_moments(
    moments: Moments, fit_intercept: bool, learning_rate: float | str, iterations: int
) -> tuple[Matrix, ClosedForm]:
    """Return w_t, with the intercept as the last row: (n_features + 1, n_targets)."""
    d = moments.n_features
    mean, weight = moments.mean, moments.weight
    second = moments.about_zero() / weight
    rows = d + 1 if fit_intercept else d
    H = np.empty((rows, rows))
    H[:d, :d] = second[:d, :d]
    c = np.empty((rows, len(mean) - d))
    c[:d] = second[:d, d:]
    if fit_intercept:
        H[d, :d] = H[:d, d] = mean[:d]
        H[d, d] = 1.0
        c[d] = mean[d:]
    eigenvalues, V = _eigenvectors(H)
    projected = V.T @ c
    rate = _rate(learning_rate, eigenvalues)
    closed_form = ClosedForm(
        eigenvalues, projected**2, 0.5 * second.diagonal()[d:], rate, iterations
    )
    coefficients = np.zeros((d + 1, c.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        gain = _gain(eigenvalues, rate, np.array([float(iterations)]))[0]
        coefficients[:rows] = V @ (gain[:, np.newaxis] * projected)
    return coefficients, closed_form


def descend_gram(
    gram: Gram,
    X: NDArray,
    Y: NDArray,
    weights: NDArray | None,
    fit_intercept: bool,
    learning_rate: float | str,
    iterations: int,
) -> tuple[Matrix, ClosedForm]:
    """Return w_t as above, from the products of the rows, centred if there is an intercept."""
    root = np.ones(X.shape[0]) if weights is None else np.sqrt(weights, dtype=np.float64)
    weight = root @ root
    K = gram.products / weight
    if fit_intercept:
        # √wᵢ √wⱼ (xᵢ·xⱼ + 1) from the centred products: what the mean μ takes away
        mean = gram.mean
        lost = X @ mean - 0.5 * (mean @ mean) + 0.5
        K += np.outer(root, root) * (lost + lost[:, np.newaxis]) / weight
    eigenvalues, U = _eigenvectors(K)
    target = root[:, np.newaxis] * Y
    projected = U.T @ target / np.sqrt(weight)
    rate = _rate(learning_rate, eigenvalues)
    closed_form = ClosedForm(
        eigenvalues,
        eigenvalues[:, np.newaxis] * projected**2,
        0.5 * (target**2).sum(axis=0) / weight,
        rate,
        iterations,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        gain = _gain(eigenvalues, rate, np.array([float(iterations)]))[0]
        dual = root[:, np.newaxis] * (U @ (gain[:, np.newaxis] * projected)) / np.sqrt(weight)
        coefficients = np.zeros((X.shape[1] + 1, dual.shape[1]))
        coefficients[:-1] = X.T @ dual
        if fit_intercept:
            coefficients[-1] = dual.sum(axis=0)
    return coefficients, closed_form
