"""How well the rows determine coefficients: rank, singular values, condition number."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from rmodels.data import Source
from rmodels.ops.moments import Gram, Moments
from rmodels.solvers.moments import find_spread

__all__ = [
    "TINY",
    "TOO_ILL",
    "Conditioning",
    "condition_gram",
    "condition_moments",
    "divide",
    "factorize",
    "find_constant",
    "from_products",
    "from_scatter",
    "select_columns",
    "take",
]

Matrix = NDArray[np.float64]

TOO_ILL = 1e10  # κ²: above, refinement may not converge
TINY = 1e-280  # a sum of squares that may have lost digits to underflow
_EPS = float(np.finfo(np.float64).eps)


class Conditioning:
    """Rank and singular values of the centred X, and its condition number.

    Computed when asked for, from a matrix as large as the scatter matrix, which is kept until then
    or until the object is pickled.

    Parameters
    ----------
    singular, number, rank, decided : callable
        Return what the properties give; `decided` by default True.
    """

    def __init__(
        self,
        singular: Callable[[], Matrix],
        number: Callable[[], float],
        rank: Callable[[], int],
        decided: Callable[[], bool] = lambda: True,
    ) -> None:
        self._singular = singular
        self._number = number
        self._rank = rank
        self._decided = decided

    @cached_property
    def decided(self) -> bool:
        """Whether the matrix could tell; if not, the other properties mean nothing."""
        return self._decided()

    @cached_property
    def singular(self) -> Matrix:
        """Singular values of the centred X, descending."""
        return self._singular()

    @cached_property
    def number(self) -> float:
        """Largest over smallest singular value of the centred columns scaled to unit norm.

        With fewer rows than columns: of the centred rows, as they are.
        """
        return self._number()

    @cached_property
    def rank(self) -> int:
        """Directions of the centred X that can be told from rounding."""
        return self._rank()

    def fields(self) -> dict[str, object]:
        """Return what is known, computed now."""
        known = {
            name: self.decided and getattr(self, name) for name in ("singular", "number", "rank")
        }
        return known | {"decided": self.decided}

    __getstate__ = fields

    @classmethod
    def from_fields(
        cls, singular: Matrix, number: float, rank: int, decided: bool
    ) -> "Conditioning":
        """Return one that knows these."""
        return cls(lambda: singular, lambda: number, lambda: rank, lambda: decided)


def from_scatter(
    scatter: Matrix, rank: int, decided: Callable[[], bool] = lambda: True
) -> Conditioning:
    """Return the conditioning of columns from their scatter matrix."""
    return Conditioning(
        lambda: _find_singular(scatter),
        lambda: _divide_scaled(scatter) if rank == len(scatter) else np.inf,
        lambda: rank,
        decided,
    )


def from_products(
    products: Matrix, rank: int, decided: Callable[[], bool] = lambda: True
) -> Conditioning:
    """Return the conditioning of rows from their products, whose rank is known."""
    return Conditioning(
        lambda: np.where(np.arange(len(products)) < rank, _find_singular(products), 0.0),
        lambda: divide(_find_singular(products)[:rank]),
        lambda: rank,
        decided,
    )


def condition_gram(
    gram: Gram, n_features: int, weights: NDArray | None, fit_intercept: bool
) -> Conditioning:
    """Return the conditioning of the rows."""
    active = len(gram.products) if weights is None else np.count_nonzero(weights)
    rank = min(int(active) - bool(fit_intercept), n_features)

    def decide() -> bool:
        if rank < 1:
            return True
        eigenvalues = np.linalg.eigvalsh(gram.products)
        return bool(eigenvalues[-rank] > eigenvalues[-1] / TOO_ILL)

    return from_products(gram.products, rank, decide)


def condition_moments(
    moments: Moments, source: Source | None, fit_intercept: bool
) -> Conditioning | None:
    """Return the conditioning of the columns; None if they vary too little for moments to tell."""
    d = moments.n_features
    S, used = select_columns(moments, source, fit_intercept)
    if used is None:
        return None
    return from_scatter(
        S[:d, :d],
        len(used),
        lambda: not len(used) or bool(factorize(take(S, used))[2] * TOO_ILL >= 1),
    )


def select_columns(
    moments: Moments, source: Source | None, fit_intercept: bool
) -> tuple[Matrix, NDArray[np.intp] | None]:
    """Return the scatter matrix, and which columns vary; None for those if it cannot tell.

    Without the rows, columns that vary no more than their mean's rounding count as constant.
    """
    d = moments.n_features
    S = moments.scatter if fit_intercept else moments.about_zero()
    squares = S.diagonal()[:d]
    varies = ~find_constant(S, moments.mean, moments.weight)[:d] if fit_intercept else squares > 0
    if (squares[squares < TINY] > 0).any():
        return S, None
    if source is not None and (~varies).any() and find_spread(source, ~varies).any():
        return S, None  # varies so little that its squares underflow or its mean rounds
    return S, np.flatnonzero(varies)


def factorize(scatter: Matrix, penalty: float = 0.0) -> tuple[Matrix, Matrix, float]:
    """Return the columns' norms, the Cholesky factor of their correlations and about 1 / κ².

    The factor is the lower triangle of what is returned.
    """
    scale = np.sqrt(scatter.diagonal() + penalty)
    correlation = scatter / scale
    correlation /= scale[:, np.newaxis]
    correlation[np.diag_indices(len(scale))] = 1.0
    largest = lapack.dlange("1", correlation.T)  # LAPACK stores by columns: no copies
    factor, failed = lapack.dpotrf(correlation.T, lower=1, clean=0, overwrite_a=1)
    if failed:
        return scale, factor, 0.0
    reciprocal, _ = lapack.dpocon(factor, largest, uplo="L")
    return scale, factor, reciprocal


def take(scatter: Matrix, used: NDArray[np.intp]) -> Matrix:
    """Return the part of a matrix that belongs to some columns, a view if they are the first."""
    if len(used) and used[-1] == len(used) - 1:
        return scatter[: len(used), : len(used)]
    return scatter[np.ix_(used, used)]


def _find_singular(symmetric: Matrix) -> Matrix:
    """Return the singular values of D, descending, from DᵀD or DDᵀ."""
    values: Matrix = np.sqrt(np.maximum(np.linalg.eigvalsh(symmetric)[::-1], 0.0))
    return values


def divide(values: Matrix) -> float:
    """Return the first over the last, infinity if that is 0."""
    if not len(values):
        return 1.0
    return float(values[0] / values[-1]) if values[-1] > 0 else np.inf


def _divide_scaled(scatter: Matrix) -> float:
    """Return the condition number of columns scaled to unit norm, from their scatter matrix."""
    norms = np.sqrt(scatter.diagonal())
    if not norms.all():
        return np.inf
    return divide(_find_singular(scatter / norms / norms[:, np.newaxis]))


def find_constant(scatter: Matrix, mean: Matrix, weight: float) -> NDArray[np.bool_]:
    """Return which columns vary no more than the rounding of their mean."""
    return np.sqrt(scatter.diagonal()) <= 4 * _EPS * np.sqrt(weight) * np.abs(mean)
