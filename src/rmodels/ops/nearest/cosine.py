"""Rows of norm 1, so that cosine distances are Euclidean ones: one arithmetic for all engines."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["normalise"]


def normalise(A: NDArray) -> NDArray[np.float64]:
    """Return the rows in float64, divided by their norms; rows of zeros stay zeros.

    Parameters
    ----------
    A : ndarray of shape (n_samples, n_features), float32 or float64

    Returns
    -------
    ndarray of shape (n_samples, n_features), float64, C-contiguous
        The rows are divided by their largest magnitude first, so that no square overflows.
    """
    A = A.astype(np.float64)
    scale = np.abs(A).max(axis=1, initial=0.0, keepdims=True)
    A /= np.where(scale > 0, scale, 1.0)
    squares = np.zeros(len(A))
    for column in A.T:
        squares += column * column
    A /= np.where(squares > 0, np.sqrt(squares), 1.0)[:, np.newaxis]
    return A
