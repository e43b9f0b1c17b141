"""Minima of quadratic functions with a penalty on the coefficients' magnitudes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmodels import ops

__all__ = ["Minima", "minimise"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Minima:
    """Minima along paths of penalties, in float64.

    Attributes
    ----------
    coefficients : ndarray of shape (n_problems, n_penalties, n_features, n_targets)
    steps : ndarray of shape (n_problems, n_penalties), int64
        Passes of coordinate descent and steps of Newton's method that were made; 0 where the last
        minimum was one already.
    violations : ndarray of shape (n_problems, n_penalties)
        How far the optimality conditions are from being met: the largest over the columns, over
        √Q_jj · size.
    engine : str
        What computed them.
    """

    coefficients: Matrix
    steps: NDArray[np.int64]
    violations: Matrix
    engine: str


def minimise(
    Q: Matrix,
    q: Matrix,
    sizes: Matrix,
    l1: Matrix,
    l2: Matrix,
    *,
    start: Matrix | None = None,
    positive: bool = False,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Minima:
    """Minimise ½ tr BᵀQB − tr qᵀB + λ₁ Σⱼ ‖bⱼ‖ + ½ λ₂ Σⱼ ‖bⱼ‖², bⱼ the rows of B.

    Several problems at once, each for several penalties, one after the other: each minimum is where
    the next search begins.

    Parameters
    ----------
    Q : ndarray of shape (n_problems or 1, n_features, n_features), float64
        One for each problem, or one for all. Symmetric, with no eigenvalue below 0 but for
        rounding: the scatter matrix of columns. A column whose Q_jj is 0 gets no coefficient.
    q : ndarray of shape (n_problems, n_features, n_targets), float64
        Products of the columns with the targets. With one target, ‖bⱼ‖ is a magnitude.
    sizes : ndarray of shape (n_problems,), float64
        Norm of the targets, which violations are relative to.
    l1, l2 : ndarray of shape (n_problems, n_penalties), float64
        λ₁ and λ₂, at least 0; λ₁ above 0 unless `positive`.
    start : ndarray of shape (n_problems, n_features, n_targets), float64, optional
        Where the first search begins; zeros if not given.
    positive : bool
        Whether B must be at least 0; with one target only.
    engine, n_threads
        As in `rmodels.ops.moments.moments`. The problems are shared among the threads.

    Returns
    -------
    Minima
        Bitwise the same for any number of threads.

    Notes
    -----
    At a minimum g = q − QB − λ₂B is λ₁ bⱼ / ‖bⱼ‖ where bⱼ ≠ 0, and ‖gⱼ‖ ≤ λ₁ elsewhere (gⱼ ≤ λ₁ if
    positive). The search ends when that is so but for rounding: within about (8 + √k) 2⁻⁵³ √Q_jj
    (size + Σ √Q_jj ‖bⱼ‖), k the number of active columns. Where columns are dependent the minimum
    is not unique, and one of them is returned. `violations` tells what was reached.

    Native, one target: the active set's equations by their Cholesky factor, which follows as
    columns come and go; coordinate descent where more than a few columns come at once. A penalty
    costs about k · (k + n_features) multiply-adds for each column that comes or goes. Memory beyond
    input and result: for each problem, at most two matrices as large as the active part of Q.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.coordinate import minimise
    >>> Q, q = np.array([[[2.0, 0.0], [0.0, 4.0]]]), np.array([[[3.0], [1.0]]])
    >>> l1 = np.array([[3.0, 1.0, 0.5]])
    >>> found = minimise(Q, q, np.ones(1), l1, np.zeros((1, 3)))
    >>> found.coefficients[0, :, :, 0]
    array([[0.   , 0.   ],
           [1.   , 0.   ],
           [1.25 , 0.125]])
    """
    name = ops.choose("coordinate", engine)
    return ops.implementation("coordinate", name).minimise(
        Q, q, sizes, l1, l2, start, positive, n_threads
    )
