"""Least squares with coefficients that are at least 0, from a triangular factor or moments."""

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from rmodels.ops.moments import Moments

__all__ = ["solve_nonnegative", "take_root"]

Matrix = NDArray[np.float64]


def solve_nonnegative(R: Matrix, scale: Matrix, d: int) -> Matrix:
    """Return the coefficients of least squares that are at least 0: (n_features, n_targets).

    RᵀR is the scatter matrix of the columns over `scale`, d of them features. Lawson and Hanson,
    "Solving Least Squares Problems", 1974.
    """
    solved = np.column_stack([optimize.nnls(R[:, :d], right)[0] for right in R[:, d:].T])
    found: Matrix = solved / scale[:d, np.newaxis] * scale[d:]
    return found


def take_root(moments: Moments, fit_intercept: bool) -> tuple[Matrix, Matrix]:
    """Return R and a scale such that RᵀR is the scatter matrix of the columns over the scale."""
    S = moments.scatter if fit_intercept else moments.about_zero()
    norms = np.sqrt(S.diagonal())
    scale = np.where(norms > 0, norms, 1.0)
    values, V = np.linalg.eigh(S / scale / scale[:, np.newaxis])
    R: Matrix = np.sqrt(np.maximum(values, 0.0))[:, np.newaxis] * V.T
    return R, scale
