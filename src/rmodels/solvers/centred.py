"""Products of centred rows that are not centred themselves: a CSR matrix would be full."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

__all__ = ["Centred"]

Matrix = NDArray[np.float64]

_NUMBERS = 1 << 17  # that are copied at a time: they stay in the cache


class Centred:
    """D, the rows √w (x − μ).

    Parameters
    ----------
    X : csr_array or ndarray of shape (n_samples, n_features)
        An array of float32 is made float64, a few columns at a time.
    mean : ndarray of shape (n_features,)
        μ; zeros if the rows are not centred.
    root : ndarray of shape (n_samples,), optional
        √w; 1 each if not given.
    far : bool
        Whether the means of an array are so large that products about zero would lose digits: then
        they are subtracted before.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from rmodels.solvers.centred import Centred
    >>> D = Centred(sparse.csr_array([[1.0, 0.0], [3.0, 2.0]]), np.array([2.0, 1.0]))
    >>> D.along_rows(np.array([1.0, 1.0])), D.along_columns(np.array([1.0, 0.0]))
    (array([-2.,  2.]), array([-1., -1.]))
    """

    def __init__(self, X: Any, mean: Matrix, root: Matrix | None = None, far: bool = False) -> None:
        self.X, self.mean, self._root, self._transposed = X, mean, root, X.T
        n, d = X.shape
        step = max(1, _NUMBERS // max(1, n))
        is_array = isinstance(X, np.ndarray)
        self._far = is_array and far
        in_parts = self._far or (is_array and X.dtype == np.float32)
        self._parts = [slice(at, at + step) for at in range(0, d, step)] if in_parts else None

    def along_rows(self, b: Matrix) -> Matrix:
        """Return D b of a vector, or of the columns of a matrix."""
        if self._parts is None:
            return self._weigh(_multiply(self.X, b) - self.mean @ b)
        found = np.zeros((self.X.shape[0], *b.shape[1:]))
        for part in self._parts:
            found += _multiply(self._convert(part), b[part])
        return self._weigh(found if self._far else found - self.mean @ b)

    def along_columns(self, r: Matrix) -> Matrix:
        """Return Dᵀ r of a vector, or of the columns of a matrix."""
        weighed = self._weigh(r)
        found: Matrix
        if self._parts is None:
            found = _multiply(self._transposed, weighed)
        else:
            found = np.empty((self.X.shape[1], *r.shape[1:]))
            for part in self._parts:
                found[part] = _multiply(self._convert(part).T, weighed)
        if not self._far:
            found -= np.multiply.outer(self.mean, weighed.sum(axis=0))
        return found

    def _convert(self, part: slice) -> Matrix:
        """Return some columns of an array in float64, less their means if those are large."""
        columns: Matrix = self.X[:, part].astype(np.float64)
        if self._far:
            columns -= self.mean[part]
        return columns

    def _weigh(self, rows: Matrix) -> Matrix:
        return rows if self._root is None else (self._root * rows.T).T


def _multiply(A: Any, b: Matrix) -> Matrix:
    """Return A b, by SciPy's BLAS where it can: the threads of NumPy's would wait for its threads.

    Those of LAPACK, which is SciPy's, go on spinning for a while after their work.
    """
    found: Matrix
    columns = b.size // max(1, len(b))
    plain = isinstance(A, np.ndarray) and A.dtype == np.float64 and A.size > 0
    if columns != 1 or not plain or not (A.flags.c_contiguous or A.flags.f_contiguous):
        found = A @ b
    elif A.flags.f_contiguous:
        found = blas.dgemv(1.0, A, b.ravel()).reshape(-1, *b.shape[1:])
    else:
        found = blas.dgemv(1.0, A.T, b.ravel(), trans=1).reshape(-1, *b.shape[1:])
    return found
