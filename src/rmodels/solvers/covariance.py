"""Covariance matrices that are shrunk towards a multiple of the identity."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from rmodels.data import Rows, Source
from rmodels.solvers.moments import as_array

__all__ = ["ledoit_wolf", "scales_of", "shrink", "sum_fourth_powers"]

Matrix = NDArray[np.float64]

_NUMBERS = 1 << 18  # of a block


def shrink(S: Matrix, share: float) -> Matrix:
    """Return (1 − share) S + share · (tr S / d) I.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.solvers.covariance import shrink
    >>> shrink(np.diag([1.0, 3.0]), 0.5)
    array([[1.5, 0. ],
           [0. , 2.5]])
    """
    found: Matrix = (1 - share) * S + share * np.trace(S) / len(S) * np.eye(len(S))
    return found


def ledoit_wolf(S: Matrix, fourth: float, weight: float) -> Matrix:
    """Return a covariance, scaled to a unit diagonal, shrunk by what is estimated to be best.

    O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    2004, of columns that are scaled to variance 1; scaled back.

    Parameters
    ----------
    S : ndarray of shape (n_features, n_features)
    fourth : float
        Σ w ‖z‖⁴ of the centred, scaled rows z; see `sum_fourth_powers`.
    weight : float
        Σ w.
    """
    scale = scales_of(S)
    R = S / scale / scale[:, np.newaxis]
    d = len(R)
    mean = np.trace(R) / d
    squares = (R**2).sum()
    most = (squares - 2 * mean * np.trace(R) + d * mean**2) / d
    noise = min((fourth / weight - squares) / (d * weight), most)
    found: Matrix = shrink(R, 0.0 if noise == 0 else noise / most)
    return scale[:, np.newaxis] * found * scale


def scales_of(S: Matrix) -> Matrix:
    """Return standard deviations, 1 for columns that do not vary."""
    variances = S.diagonal()
    return np.sqrt(np.where(variances > 0, variances, 1.0))


def sum_fourth_powers(source: Source, means: Matrix, scales: Matrix) -> Matrix:
    """Return Σ w ‖(x − μ_g) / s_g‖⁴ over the rows of each class g, of which labels are the places.

    Parameters
    ----------
    source : Source
        Of labels; of one class, whatever they are.
    means, scales : ndarray of shape (n_classes, n_features)
    """
    return source.fold(partial(_sum_fourth_powers, means=means, scales=scales))


def _sum_fourth_powers(rows: Rows, means: Matrix, scales: Matrix) -> Matrix:
    total = np.zeros(len(means))
    for part in rows.blocks(max(64, _NUMBERS // max(1, rows.n_features))):
        X, groups = as_array(part.X), as_array(part.Y[:, 0])
        groups = groups if len(means) > 1 else np.zeros(len(X), dtype=np.intp)
        norms = (((X - means[groups]) / scales[groups]) ** 2).sum(axis=1)
        w = 1.0 if part.weights is None else as_array(part.weights)
        total += np.bincount(groups, w * norms**2, len(means))
    return total
