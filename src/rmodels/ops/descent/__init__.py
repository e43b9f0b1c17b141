"""Gradient descent on half the mean squared error: by all rows in each step, or by moments."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmodels import ops
from rmodels.ops.moments import Moments

__all__ = ["Descent", "Gradient", "descent", "gradient", "largest_eigenvalue", "steps_from_moments"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Descent:
    """What `iterations` steps of gradient descent lead to, in float64.

    Attributes
    ----------
    coefficients : ndarray of shape (n_features + 1, n_targets)
        The last row is the intercept, 0 if there is none.
    losses : ndarray of shape (iterations, n_targets)
        Half the weighted mean squared error after each iteration.
    engine : str
        What computed it.
    """

    coefficients: Matrix
    losses: Matrix
    engine: str


@dataclass(frozen=True, eq=False)
class Gradient:
    """Loss and gradient at given coefficients, in float64.

    Attributes
    ----------
    gradient : ndarray of shape (n_features + 1, n_targets)
        The last row is the intercept's.
    losses : ndarray of shape (n_targets,)
    engine : str
        What computed it.
    """

    gradient: Matrix
    losses: Matrix
    engine: str


def gradient(
    X: NDArray,
    Y: NDArray,
    coefficients: Matrix,
    weights: NDArray | None = None,
    *,
    shift: Matrix | None = None,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Gradient:
    """Compute the loss ½ Σ wᵢ rᵢ² / W and its gradient Σ wᵢ zᵢ rᵢ / W, in one read of X.

    Here zᵢ = [xᵢ − shift, 1], rᵢ = zᵢ·coefficients − yᵢ and W = Σ wᵢ. The intercept less
    yᵢ is a term of rᵢ, so that residuals keep their digits when y has a large offset.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Any strides. Neither copied nor changed.
    Y : ndarray of shape (n_samples, n_targets), float32 or float64
        Any strides that are multiples of the item size, as for X.
    coefficients : ndarray of shape (n_features + 1, n_targets), float64
        The last row is the intercept.
    weights : ndarray of shape (n_samples,), float32 or float64, optional
        At least 0, not all 0; 1 each if not given.
    shift : ndarray of shape (n_features,), float64, optional
        Subtracted from each row; zeros if not given. With the columns' means, residuals keep their
        digits when X has a large offset.
    engine, n_threads
        As in `rmodels.ops.moments.moments`.

    Returns
    -------
    Gradient
        Products and sums in float64, whatever the input's dtype: a sum of k terms is that of exact
        arithmetic within k · 2⁻⁵³ times the sum of their magnitudes. Bitwise the same for any
        number of threads. NaN or infinity in X, Y or the coefficients shows in the result.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.descent import gradient
    >>> found = gradient(np.array([[1.0], [3.0]]), np.array([[2.0], [4.0]]), np.zeros((2, 1)))
    >>> found.gradient.ravel(), found.losses
    (array([-7., -3.]), array([5.]))
    """
    name = ops.choose("descent", engine, X, Y, weights)
    return ops.implementation("descent", name).gradient(
        X, Y, coefficients, weights, shift, n_threads
    )


def descent(
    X: NDArray,
    Y: NDArray,
    start: Matrix,
    learning_rate: float,
    iterations: int,
    weights: NDArray | None = None,
    *,
    fit_intercept: bool = True,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Descent:
    """Take steps of full-batch gradient descent: w ← w − α · gradient(w).

    Parameters
    ----------
    X, Y, weights, engine, n_threads
        As in `gradient`; at least one row.
    start : ndarray of shape (n_features + 1, n_targets), float64
        Where to begin; the last row is the intercept.
    learning_rate : float
        α.
    iterations : int
        Number of steps, at least 0.
    fit_intercept : bool
        If False, the last row stays as it starts.

    Returns
    -------
    Descent
        In float64. Bitwise the same for any number of threads. If the steps diverge, the values
        become infinite or NaN, without a warning.

    Notes
    -----
    Each iteration reads X once: 2 · n_samples · n_features · n_targets multiply-adds. The loss
    after the last iteration costs one read more. Memory beyond input and result: at most 64 copies
    of the coefficients, and a fixed amount per thread. Interrupting leaves nothing behind.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.descent import descent
    >>> X, Y = np.array([[1.0], [3.0]]), np.array([[2.0], [4.0]])
    >>> found = descent(X, Y, start=np.zeros((2, 1)), learning_rate=0.125, iterations=2)
    >>> found.coefficients.ravel(), found.losses.ravel().round(3)
    (array([1.109375, 0.484375]), array([0.391, 0.05 ]))
    """
    name = ops.choose("descent", engine, X, Y, weights)
    return ops.implementation("descent", name).descent(
        X, Y, start, learning_rate, iterations, weights, fit_intercept, n_threads
    )


def steps_from_moments(
    moments: Moments,
    learning_rate: float,
    iterations: int,
    fit_intercept: bool,
    *,
    engine: str | None = None,
) -> Descent:
    """Return what `descent` from zeros returns, from the moments alone.

    Parameters
    ----------
    moments : Moments
        Of positive weight; arrays, or tensors on the GPU.
    learning_rate, iterations, fit_intercept, engine
        As in `descent`.

    Returns
    -------
    Descent
        In float64, where the moments are; on the GPU, nothing waits for it. If the steps diverge,
        the values become infinite or NaN, without a warning.

    Notes
    -----
    On the GPU, memory is that of all iterations' coefficients, three times.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.descent import steps_from_moments
    >>> from rmodels.ops.moments import moments
    >>> known = moments(np.array([[1.0], [3.0]]), np.array([[2.0], [4.0]]))
    >>> found = steps_from_moments(known, learning_rate=0.125, iterations=2, fit_intercept=True)
    >>> found.coefficients.ravel(), found.losses.ravel().round(3)
    (array([1.109375, 0.484375]), array([0.391, 0.05 ]))
    """
    name = ops.choose("descent", engine, moments.mean)
    return ops.implementation("descent", name).steps_from_moments(
        moments, learning_rate, iterations, fit_intercept
    )


def largest_eigenvalue(
    moments: Moments, fit_intercept: bool, *, engine: str | None = None
) -> float:
    """Return λ_max of the second moments of [X 1], or of X: below 2 / λ_max, steps converge.

    Parameters
    ----------
    moments, fit_intercept, engine
        As in `steps_from_moments`.

    Returns
    -------
    float
        0 if there are no columns, infinity if the second moments overflow.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.descent import largest_eigenvalue
    >>> from rmodels.ops.moments import moments
    >>> known = moments(np.array([[1.0], [3.0]]), np.array([[2.0], [4.0]]))
    >>> round(largest_eigenvalue(known, fit_intercept=False), 6)
    5.0
    """
    name = ops.choose("descent", engine, moments.mean)
    found: float = ops.implementation("descent", name).largest_eigenvalue(moments, fit_intercept)
    return found
