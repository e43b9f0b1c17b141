"""Losses of linear predictors with their gradient and curvature, in one read of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rmodels import ops

__all__ = ["Loss", "Measures", "Sums", "evaluate", "evaluate_each", "measure"]

Matrix = NDArray[np.float64]
Loss = Literal["logistic", "multinomial", "tweedie", "tweedie_identity"]


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over rows, in float64; those of two parts of the rows add up.

    Attributes
    ----------
    loss : float
        Σᵢ wᵢ ℓᵢ.
    gradient : ndarray of shape (n_outputs, n_features + 1)
        Σᵢ wᵢ rᵢₖ zᵢ, the last column for the intercepts.
    magnitude : ndarray of shape (n_outputs, n_features + 1)
        Σᵢ wᵢ abs(rᵢₖ) abs(zᵢ): what the gradient's rounding is relative to.
    curvature : ndarray of shape (n_outputs · (n_features + 1),) * 2, or None
        Σᵢ wᵢ hᵢₖₗ zᵢ zᵢᵀ, an output after the other.
    engine : str
        What computed them.
    """

    loss: float
    gradient: Matrix
    magnitude: Matrix
    curvature: Matrix | None
    engine: str

    def __add__(self, other: "Sums") -> "Sums":
        """Return the sums over both parts."""
        curvature = None
        if self.curvature is not None and other.curvature is not None:
            curvature = self.curvature + other.curvature
        return Sums(
            self.loss + other.loss,
            self.gradient + other.gradient,
            self.magnitude + other.magnitude,
            curvature,
            self.engine,
        )


@dataclass(frozen=True, eq=False)
class Measures:
    """What losses say of margins, in float64.

    Attributes
    ----------
    loss : float
        Σᵢ wᵢ ℓᵢ.
    residuals : ndarray of shape (n_samples, n_outputs)
        wᵢ rᵢₖ, the derivatives of wᵢ ℓᵢ.
    curvatures : ndarray of shape (n_samples, n_outputs)
        wᵢ hᵢ; of "multinomial" the probabilities pᵢₖ, of which hᵢₖₗ = pᵢₖ ([k = l] − pᵢₗ).
    """

    loss: float
    residuals: Matrix
    curvatures: Matrix


def measure(
    margins: Matrix,
    y: Matrix,
    loss: Loss,
    *,
    power: float = 0.0,
    weights: Matrix | None = None,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Measures:
    """Return losses of margins m, and their derivatives by them.

    With μ the prediction, that is exp m but for "tweedie_identity", whose μ is m:

    - "logistic": ℓ = log(1 + exp m) − y m of one margin and y 0 or 1;
      r = p − y and h = p (1 − p) with p = 1 / (1 + exp −m);
    - "multinomial": ℓ = log Σₗ exp mₗ − m_y of a margin for each class and y the class's place;
      rₖ = pₖ − [k = y] with pₖ = exp mₖ / Σₗ exp mₗ;
    - "tweedie" and "tweedie_identity", of one margin: half of the unit deviance of the
      distribution with variance μ^power, but for a constant: μ − y log μ for power 1 (Poisson),
      log μ + y / μ for power 2 (Gamma), else μ^(2 − power) / (2 − power) − y μ^(1 − power) /
      (1 − power). h is the second derivative for "tweedie" with powers from 1 to 2; else what is
      expected of it if y has the mean μ, which is never negative.

    Parameters
    ----------
    margins : ndarray of shape (n_samples, n_outputs), float64
    y : ndarray of shape (n_samples,), float64
    loss : {"logistic", "multinomial", "tweedie", "tweedie_identity"}
    power : float
        Of "tweedie" and "tweedie_identity".
    weights : ndarray of shape (n_samples,), float64, optional
        w, at least 0.
    engine, n_threads
        As in `rmodels.ops.moments.moments`.

    Returns
    -------
    Measures

    Notes
    -----
    ℓ, r and h of "logistic" and r of "multinomial" keep their relative precision however small
    they are: each is that of exact arithmetic within 16 · 2⁻⁵³ of itself, of "multinomial" within
    (16 + n_outputs + 2 max abs m) 2⁻⁵³. Margins of "tweedie_identity" that are not above 0 give
    a loss of NaN, unless power is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.glm import measure
    >>> found = measure(np.array([[0.0], [np.log(3.0)]]), np.array([1.0, 0.0]), "logistic")
    >>> found.residuals.ravel().round(6), found.curvatures.ravel().round(6)
    (array([-0.5 ,  0.75]), array([0.25  , 0.1875]))
    """
    name = ops.choose("glm", engine, margins)
    found: Measures = ops.implementation("glm", name).measure(
        margins, y, loss, power, weights, n_threads
    )
    return found


def evaluate(
    X: NDArray,
    y: Matrix,
    coefficients: Matrix,
    loss: Loss,
    *,
    power: float = 0.0,
    centre: Matrix | None = None,
    weights: Matrix | None = None,
    curvature: bool = False,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Sums:
    """Return loss and gradient of linear predictors m = Z θᵀ, z = (x − centre, 1).

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Any strides that are multiples of the item size. Neither copied nor changed. n_samples and
        n_features may be 0.
    y : ndarray of shape (n_samples,), float64
    coefficients : ndarray of shape (n_outputs, n_features + 1), float64
        θ, of each output those of the columns, and last the intercept.
    loss, power, weights
        As in `measure`. A tensor X may have y, weights, coefficients and centre as tensors.
    centre : ndarray of shape (n_features,), float64, optional
        What is subtracted from the rows, 0 if not given: about the middle of the columns, an
        offset costs no digits.
    curvature : bool
        Whether the curvature is found, too.
    engine, n_threads
        As in `rmodels.ops.moments.moments`.

    Returns
    -------
    Sums
        ndarrays, also of a tensor X. Bitwise the same for any number of threads.

    Notes
    -----
    Each margin is that of exact arithmetic within (n_features + 2) 2⁻⁵³ Σⱼ abs(zⱼ θⱼ); to the
    gradient, the sums over rows add at most (64 + n_samples / 64) 2⁻⁵³ times `magnitude`.

    Native: 3 · n_outputs · n_features multiply-adds a row, and n_outputs (n_outputs + 1) / 2 ·
    n_features² / 2 for the curvature. Memory beyond input and result: 4 MB, or as much as 32
    results take; with the curvature of several outputs or of 192 columns or more 8 · n_outputs
    bytes for each of 32,768 rows, too. The reference takes a float64 copy of X.

    Source: P. McCullagh, J. A. Nelder, "Generalized Linear Models", 1989, section 2.5.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.glm import evaluate
    >>> X, y = np.array([[0.0], [2.0], [4.0]]), np.array([0.0, 1.0, 1.0])
    >>> found = evaluate(X, y, np.zeros((1, 2)), "logistic", curvature=True)
    >>> found.gradient, found.curvature
    (array([[-3. , -0.5]]), array([[5.  , 1.5 ],
           [1.5 , 0.75]]))
    """
    return evaluate_each(
        X,
        y,
        coefficients[np.newaxis],
        loss,
        power=power,
        centre=centre,
        weights=weights,
        curvature=[curvature],
        engine=engine,
        n_threads=n_threads,
    )[0]


def evaluate_each(
    X: NDArray,
    y: Matrix,
    coefficients: Matrix,
    loss: Loss,
    *,
    chosen: Sequence[NDArray[np.bool_] | None] | None = None,
    power: float = 0.0,
    centre: Matrix | None = None,
    weights: Matrix | None = None,
    curvature: Sequence[bool] | None = None,
    engine: str | None = None,
    n_threads: int | None = None,
) -> list[Sums]:
    """Return the same of several sets of coefficients, each over rows of its own, in one read.

    Parameters
    ----------
    X, y, loss, power, centre, weights, engine, n_threads
        As in `evaluate`.
    coefficients : ndarray of shape (n_sets, n_outputs, n_features + 1), float64
    chosen : sequence of ndarray of shape (n_samples,), bool, or None, optional
        Of each set the rows that count, as of a fold those that train; None, and without: all.
        Losses of the others may be infinite.
    curvature : sequence of bool, optional
        Of each set, whether its curvature is found, too.

    Returns
    -------
    list of Sums
        Of each set, ndarrays. Bitwise the same for any number of threads.

    Notes
    -----
    Errors are those of `evaluate`, and so is the work, for each set and row that counts for it; but
    a curvature of several outputs or of 192 columns or more looks at all rows. Memory beyond input
    and result: as there, with the results of all sets.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.glm import evaluate_each
    >>> X, y = np.array([[0.0], [2.0], [4.0]]), np.array([0.0, 1.0, 1.0])
    >>> train = [np.array([True, True, False]), np.array([False, True, True])]
    >>> found = evaluate_each(X, y, np.zeros((2, 1, 2)), "logistic", chosen=train)
    >>> [each.gradient.tolist() for each in found]
    [[[-1.0, 0.0]], [[-3.0, -1.0]]]
    """
    count = len(coefficients)
    name = ops.choose("glm", engine, X)
    found: list[Sums] = ops.implementation("glm", name).evaluate(
        X,
        y,
        coefficients,
        [None] * count if chosen is None else chosen,
        loss,
        power,
        centre,
        weights,
        [False] * count if curvature is None else curvature,
        n_threads,
    )
    return found
