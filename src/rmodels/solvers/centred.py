"""Products of the centred rows of a CSR matrix, which is not centred itself: it would be full."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Centred"]

Matrix = NDArray[np.float64]


class Centred:
    """D, the rows √w (x − μ).

    Parameters
    ----------
    X : csr_array of shape (n_samples, n_features)
    mean : ndarray of shape (n_features,)
        μ; zeros if the rows are not centred.
    root : ndarray of shape (n_samples,), optional
        √w; 1 each if not given.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from rmodels.solvers.centred import Centred
    >>> D = Centred(sparse.csr_array([[1.0, 0.0], [3.0, 2.0]]), np.array([2.0, 1.0]))
    >>> D.along_rows(np.array([1.0, 1.0])), D.along_columns(np.array([1.0, 0.0]))
    (array([-2.,  2.]), array([-1., -1.]))
    """

    def __init__(self, X: Any, mean: Matrix, root: Matrix | None = None) -> None:
        self.X, self.mean, self._root, self._transposed = X, mean, root, X.T

    def along_rows(self, b: Matrix) -> Matrix:
        """Return D b of a vector, or of the columns of a matrix."""
        return self._weigh(self.X @ b - self.mean @ b)

    def along_columns(self, r: Matrix) -> Matrix:
        """Return Dᵀ r of a vector, or of the columns of a matrix."""
        weighed = self._weigh(r)
        found: Matrix = self._transposed @ weighed
        found -= np.multiply.outer(self.mean, weighed.sum(axis=0))
        return found

    def _weigh(self, rows: Matrix) -> Matrix:
        return rows if self._root is None else (self._root * rows.T).T
