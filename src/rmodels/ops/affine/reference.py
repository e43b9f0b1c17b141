"""Linear predictions by their definition: read this first."""

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.chunks import chunks

_NUMBERS = 1 << 17  # of a chunk and its eight sums


@np.errstate(over="ignore", invalid="ignore")
def affine(
    X: NDArray, coefficients: NDArray, intercepts: NDArray, n_threads: int | None
) -> NDArray:
    """Σ_j w_tj x_j + b_t in eight sums, a column after the other."""
    dtype = np.result_type(X, coefficients, intercepts)
    found = np.empty((len(X), len(coefficients)), dtype)
    step = max(1, _NUMBERS // (8 * len(coefficients) + X.shape[1] + 1))
    for rows in chunks(len(X), step, "predict"):
        x = X[rows].astype(np.float64)
        sums = np.zeros((8, len(x), len(coefficients)))
        for j, w in enumerate(coefficients.T.astype(np.float64)):
            sums[j % 8] += np.multiply.outer(x[:, j], w)
        while len(sums) > 1:
            sums = sums[0::2] + sums[1::2]
        found[rows] = sums[0] + intercepts
    return found
