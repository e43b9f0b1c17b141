"""Least squares of sparse rows whose moments do not keep the memory limit: LSQR, by SciPy.

Paige and Saunders, "LSQR: An algorithm for sparse linear equations and sparse least squares", 1982.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import linalg
from sklearn.exceptions import ConvergenceWarning

from rmodels.config import get_config
from rmodels.data import Rows
from rmodels.exceptions import NotCoveredError
from rmodels.solvers.centred import Centred
from rmodels.solvers.result import LinearFit

__all__ = ["solve"]


def solve(rows: Rows, fit_intercept: bool, penalties: NDArray | None = None) -> LinearFit:
    """Minimise Σ w (y − x·coef − intercept)² with products of a CSR matrix and vectors only.

    Columns are scaled to unit norm if there are at least as many rows and no penalties; else the
    solution is that of minimum norm. Each target may have a penalty α Σ coef².

    Raises
    ------
    NotCoveredError
        If an engine other than the reference was asked for by name.
    """
    rows.assert_finite()
    X, Y, weights = rows.X, rows.Y, rows.weights
    n, d = X.shape
    engine = get_config()["engine"]
    if engine not in ("auto", "reference"):
        raise NotCoveredError(
            f"engine={engine!r} cannot run: the moments of {n} x {d} sparse samples do not keep "
            "memory_limit. Raise it, or choose engine='auto', which solves by SciPy's LSQR"
        )
    w = np.ones(n) if weights is None else weights.astype(np.float64)
    root = np.sqrt(w)
    offset = np.zeros(d + Y.shape[1])
    if fit_intercept:
        offset = np.concatenate([w @ X, w @ Y]) / w.sum()
    mean = offset[:d]
    scale = np.ones(d)
    if n >= d and penalties is None:
        squares = w @ X.multiply(X) - w.sum() * mean**2
        scale = np.where(squares > 0, np.sqrt(np.maximum(squares, 0.0)), 1.0)
    D = Centred(X, mean, root)
    centred = linalg.LinearOperator(
        X.shape,
        dtype=np.float64,
        matvec=lambda b: D.along_rows(b / scale),
        rmatvec=lambda r: D.along_columns(r) / scale,
    )
    columns, converged = [], True
    damps = np.sqrt(np.zeros(Y.shape[1]) if penalties is None else penalties)
    most = 10 * min(n, d)
    for y, damp in zip((root[:, np.newaxis] * (Y - offset[d:])).T, damps, strict=True):
        found = linalg.lsqr(centred, y, damp, atol=1e-15, btol=1e-15, conlim=0, iter_lim=most)
        columns.append(found[0] / scale)
        converged &= found[1] != 7
    coefficients = np.column_stack(columns)
    intercept = offset[d:] - offset[:d] @ coefficients
    stopped = ConvergenceWarning(
        "LSQR stopped before it converged: X is ill-conditioned. Scale or remove columns, or raise "
        "memory_limit so that the moments of X fit."
    )
    return LinearFit(
        np.vstack([coefficients, intercept]),
        "lsqr",
        "scipy",
        warnings=() if converged else (stopped,),
    )
