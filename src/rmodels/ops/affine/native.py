"""Linear predictions by the compiled extension."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks

_CALL = 4e8  # products in a native call: 20 to 100 ms
_ALONE = 2e5  # products that take one thread less time than starting another


def affine(
    X: NDArray, coefficients: NDArray, intercepts: NDArray, n_threads: int | None
) -> NDArray:
    """Predict the rows, a chunk at a time."""
    extension: Any = native.load()
    targets, d = coefficients.shape
    w = np.ascontiguousarray(coefficients, dtype=np.float64)
    b = np.ascontiguousarray(intercepts, dtype=np.float64)
    found = np.empty((len(X), targets))
    row_work = (d + 8.0) * targets + 8.0
    threads = 1 if len(X) * row_work < _ALONE else n_threads or thread_count()
    for rows in chunks(len(X), max(256, int(_CALL / row_work)), "predict"):
        extension.affine(X[rows], w, b, found[rows], threads)
    with np.errstate(over="ignore"):
        return found.astype(np.result_type(X, coefficients, intercepts), copy=False)
