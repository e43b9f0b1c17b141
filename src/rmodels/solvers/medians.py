"""Medians of columns by groups of rows, which need all rows at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.data import Rows
from rmodels.solvers.moments import as_array

__all__ = ["find_medians"]

Matrix = NDArray[np.float64]

_NUMBERS = 1 << 21  # of a block of columns


def find_medians(rows: Rows, n_groups: int) -> Matrix:
    """Return the median of each column in each group, of which labels are the places.

    A weight stands for as many equal rows: half of the weight is at most the median, and half at
    least; where a range of values is so, its middle is returned. A group without weight has zeros.

    Parameters
    ----------
    rows : Rows
        Of labels; a CSR matrix is copied to one by columns.
    n_groups : int

    Returns
    -------
    ndarray of shape (n_groups, n_features)

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.data import Rows
    >>> from rmodels.solvers.medians import find_medians
    >>> X, groups = np.array([[1.0], [7.0], [2.0], [3.0]]), np.array([[0], [1], [0], [1]])
    >>> find_medians(Rows(X, groups), 2)
    array([[1.5],
           [5. ]])
    """
    n, d = rows.X.shape
    groups = as_array(rows.Y[:, 0])
    w = np.ones(n) if rows.weights is None else as_array(rows.weights).astype(np.float64)
    members = [np.flatnonzero((groups == group) & (w > 0)) for group in range(n_groups)]
    X: Any = rows.X.tocsc() if sparse.issparse(rows.X) else rows.X
    found, step = np.zeros((n_groups, d)), max(1, _NUMBERS // n)
    for first in range(0, d, step):
        block = slice(first, first + step)
        A = as_array(X[:, block]).astype(np.float64)
        for group, here in enumerate(members):
            if len(here):
                found[group, block] = _find_middle(A[here], w[here])
    return found


def _find_middle(A: Matrix, w: Matrix) -> Matrix:
    """Return the weighted medians of columns."""
    if (w == w[0]).all():
        return np.asarray(np.median(A, axis=0))
    order = A.argsort(axis=0, kind="stable")
    reached = w[order].cumsum(axis=0)
    half = 0.5 * reached[-1]
    low, high = (reached < half).sum(axis=0), (reached <= half).sum(axis=0)
    columns = np.arange(A.shape[1])
    values = (A[order[np.minimum(place, len(A) - 1), columns], columns] for place in (low, high))
    return 0.5 * np.sum(list(values), axis=0)
