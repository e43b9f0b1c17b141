"""Systems of the products of sparse rows, solved by conjugate gradients."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import ops

__all__ = ["FEW", "MANY", "Descents", "NormalEquations"]

Matrix = NDArray[np.float64]

FEW = 6e4  # entries that one thread multiplies again and again in less time than sharing takes
MANY = 2e6  # the same where they are multiplied once, and threads have to be started


@dataclass(frozen=True, eq=False)
class Descents:
    """Solutions of a system for several right-hand sides, and what tells of the steps to them.

    Attributes
    ----------
    solutions : ndarray of shape (size, n_sides)
    converged : ndarray of shape (n_sides,), bool
        Whether the residual became as small as was asked for. If not, the solution means nothing.
    lengths : list of ndarray of shape (n_steps,)
        Of the steps along their directions, for each side.
    kept : list of ndarray of shape (n_steps,)
        The share of each direction that is part of the next.
    """

    solutions: Matrix
    converged: NDArray[np.bool_]
    lengths: list[Matrix]
    kept: list[Matrix]


class NormalEquations:
    """S⁻¹ (DᵀD + α) S⁻¹ x = r, or with DDᵀ in place of DᵀD; D are rows √w (x − μ).

    Parameters
    ----------
    X : csr_array of shape (n_samples, n_features), float32 or float64
        Not changed. Fewer than 2³¹ samples and features. Entries of a row in the same column count
        as their sum, which is taken in a copy.
    weights : ndarray of shape (n_samples,), float64, optional
        w, at least 0; 1 each if not given.
    centred : bool
        Whether μ are the weighted means of the columns; else zeros.
    dual : bool
        Whether the matrix is DDᵀ + α: then `size` is n_samples, else n_features.
    engine, n_threads
        As in `rmodels.ops.moments.moments`.

    Attributes
    ----------
    mean : ndarray of shape (n_features,), float64
        μ.
    squares : ndarray of shape (n_features,), float64
        Σ w (x − μ)² of each column, from Σ w x²: where the mean is far from zero, digits are lost.
        Not finite if a value of X is not, or if squares overflow.
    diagonal : ndarray of shape (size,), float64
        Of DᵀD or DDᵀ, in the same way.
    engine : str
        What computes.

    Raises
    ------
    ValueError
        If an entry of X stands in no column: with the native engine.

    Notes
    -----
    D is never formed. Memory: native, a copy of X in float64, and for each of up to four sides a
    few vectors, of the columns at most eight more where X has many entries.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from rmodels.ops.conjugate import NormalEquations
    >>> X = sparse.csr_array(np.array([[1.0, 0.0], [3.0, 2.0]]))
    >>> equations = NormalEquations(X, centred=False)  # XᵀX is ((10, 6), (6, 4))
    >>> right = np.array([[16.0], [10.0]])
    >>> found = equations.descend(np.ones(2), 0.0, right, np.full(1, 1e-12), 10)
    >>> found.solutions.round(9), found.converged
    (array([[1.],
           [1.]]), array([ True]))
    """

    mean: Matrix
    squares: Matrix
    diagonal: Matrix

    def __init__(
        self,
        X: Any,
        weights: Matrix | None = None,
        *,
        centred: bool,
        dual: bool = False,
        engine: str | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.engine = ops.choose("conjugate", engine)
        if not X.has_canonical_format:  # squares are those of the sums
            X = X.copy()
            X.sum_duplicates()
        implementation = ops.implementation("conjugate", self.engine)
        made = implementation.Equations(X, weights, centred, dual, n_threads)
        self.mean, self.squares, self.diagonal = made.mean, made.squares, made.diagonal
        self._equations = made

    def along_rows(self, B: Matrix) -> Matrix:
        """Return D B, of an array of shape (n_features, any), float64."""
        product: Matrix = self._equations.along_rows(B)
        return product

    def along_columns(self, R: Matrix) -> Matrix:
        """Return Dᵀ R, of an array of shape (n_samples, any), float64."""
        product: Matrix = self._equations.along_columns(R)
        return product

    def descend(
        self, scale: Matrix, penalty: float, right: Matrix, enough: Matrix, most: int
    ) -> Descents:
        """Solve by conjugate gradients from zero, for each right-hand side.

        Parameters
        ----------
        scale : ndarray of shape (size,), float64
            The diagonal of S, above 0; where it is infinite, solutions are 0.
        penalty : float
            α, at least 0.
        right : ndarray of shape (size, n_sides), float64
        enough : ndarray of shape (n_sides,), float64
            The norm of a residual at which the steps end.
        most : int
            The largest number of steps.

        Returns
        -------
        Descents
            Bitwise the same for any number of threads. A side does not converge if `most` steps do
            not lead there, the matrix is not positive definite along a direction, or numbers
            overflow.
        """
        found: Descents = self._equations.descend(scale, penalty, right, enough, most)
        return found
