"""The largest eigenvalues of a scatter matrix that is never formed: a block Krylov method.

Every product S Q = Dᵀ (D Q) is a read of the rows. With an orthonormal basis V of the products so
far, the eigenvectors of Vᵀ S V give the best approximations in their span, and how far each is
from an eigenvector: the norm of S v − θ v. When the basis is full, it starts again from the best
of it (K. Wu, H. Simon, "Thick-restart Lanczos method for large symmetric eigenvalue problems",
2000). Of a sparse X with fewer rows than columns, D Dᵀ takes the place of S.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.data import Rows, Source
from rmodels.data.arrays import beside
from rmodels.solvers.blas import blas_threads
from rmodels.solvers.centred import Centred
from rmodels.solvers.moments import as_array

__all__ = ["find_largest", "iterate"]

Matrix = NDArray[np.float64]

_RESIDUAL = 1e-10  # norm of S v − θ v, over the largest θ
_WIDTH = 2  # columns of a block where reading the rows is cheap
_MOST_READS = 2000
_CHECK = 8  # products between two looks at the residuals
_DOUBTS = 8  # products with fresh directions once all have converged: a copy may have been missed


def find_largest(source: Source, k: int, mean: Matrix) -> tuple[Matrix, Matrix, float]:
    """Return the k largest eigenvalues of S, descending, their vectors and the largest residual.

    Parameters
    ----------
    source : Source
    k : int
    mean : ndarray of shape (n_features,)
        What is subtracted from the rows: D is X − mean.

    Returns
    -------
    values : ndarray of shape (k,)
    vectors : ndarray of shape (k, n_features)
    residual : float
        The largest norm of S v − θ v, over the largest θ: at most 1e-10, unless the reads that are
        allowed did not lead there.
    """
    if isinstance(source, Rows) and sparse.issparse(source.X):
        X = source.X.astype(np.float64, copy=False)
        D = Centred(X, mean)
        if X.shape[0] < X.shape[1]:
            values, U, residual = iterate(
                lambda Q: D.along_rows(D.along_columns(Q)), X.shape[0], k, _WIDTH
            )
            vectors = D.along_columns(U)
            return values, (vectors / np.linalg.norm(vectors, axis=0)).T, residual
        values, V, residual = iterate(
            lambda Q: D.along_columns(D.along_rows(Q)), X.shape[1], k, _WIDTH
        )
        return values, V.T, residual

    def multiply(block: Matrix) -> Matrix:
        return source.fold(partial(_multiply, mean=mean, block=block))

    width = _WIDTH if source.in_memory else k + _WIDTH
    values, V, residual = iterate(multiply, source.n_features, k, width)
    return values, V.T, residual


def iterate(
    multiply: Callable[[Matrix], Matrix], side: int, k: int, width: int
) -> tuple[Matrix, Matrix, float]:
    """Return the k largest eigenvalues of a matrix, their vectors and the largest residual.

    Parameters
    ----------
    multiply : callable
        Returns the product of the matrix, symmetric and of no negative eigenvalue, and a block.
    side : int
        Of the matrix.
    k, width : int
        How many are asked for, and columns of a block.

    Returns
    -------
    values : ndarray of shape (k,)
        Descending.
    vectors : ndarray of shape (side, k)
    residual : float
        As in `find_largest`.
    """
    most = min(side, max(128, 4 * k + 8 * width))
    V, products, T = np.empty((side, most)), np.empty((side, most)), np.zeros((most, most))
    last = min(width, most)
    V[:, :last] = np.linalg.qr(np.random.default_rng(0).standard_normal((side, last)))[0]
    first, doubts = 0, _DOUBTS
    random = np.random.default_rng(1)
    with blas_threads(most, 1):  # what is decomposed here is small
        for read in range(_MOST_READS):
            products[:, first:last] = multiply(V[:, first:last])
            part = V[:, :last].T @ products[:, first:last]
            T[:last, first:last] = part
            T[first:last, :last] = part.T
            following, rest = _orthogonalize(products[:, first:last], V[:, :last])
            full = last + following.shape[1] > most or not following.shape[1]
            if full or read % _CHECK == 0 or doubts < _DOUBTS:
                values, W = np.linalg.eigh(0.5 * (T[:last, :last] + T[:last, :last].T))
                values, W = values[::-1], W[:, ::-1]
                apart = np.linalg.norm(rest @ W[first:last, :k], axis=0)
                if last == side:
                    break
                if last >= k and (apart <= _RESIDUAL * max(values[0], 0.0)).all():
                    if not doubts:
                        break
                    if doubts == _DOUBTS:
                        fresh = random.standard_normal(following.shape)
                        following = _orthogonalize(fresh, V[:, :last])[0]
                    doubts -= 1
            if full:  # keep the best, whose products have their rest in what follows
                kept = min(k + (most - k) // 3, last)
                V[:, :kept] = V[:, :last] @ W[:, :kept]
                products[:, :kept] = products[:, :last] @ W[:, :kept]
                T[:kept, :kept] = np.diag(values[:kept])
                last = kept
            first, last = last, last + following.shape[1]
            V[:, first:last] = following
        else:
            values, W = (A[..., ::-1] for A in np.linalg.eigh(T[:first, :first]))
    vectors = V[:, : len(W)] @ W[:, :k]
    rest = multiply(vectors) - vectors * values[:k]
    largest = max(values[0], np.finfo(np.float64).tiny)
    return np.maximum(values[:k], 0.0), vectors, float(np.linalg.norm(rest, axis=0).max() / largest)


def _orthogonalize(block: Matrix, basis: Matrix) -> tuple[Matrix, Matrix]:
    """Return Q, R: a block less its part in the span of a basis is Q R, Q orthonormal to it."""
    Q, R = np.linalg.qr(block - basis @ (basis.T @ block))
    least = np.finfo(np.float64).eps * np.linalg.norm(block, axis=0).max()
    lost = abs(R.diagonal()) <= max(least, np.finfo(np.float64).tiny)
    if lost.any():  # all of it is in the span: any direction beside it
        Q[:, lost] = np.random.default_rng(basis.shape[1]).standard_normal((len(Q), lost.sum()))
        R[lost] = 0.0
    for _ in range(2):  # each removes what the rounding of the one before has left
        Q, again = np.linalg.qr(Q - basis @ (basis.T @ Q))
        R = again @ R
    return Q[:, : basis.shape[0] - basis.shape[1]], R


def _multiply(rows: Rows, block: Matrix, mean: Matrix) -> Matrix:
    """Return Dᵀ (D Q) for the rows of a part."""
    total = np.zeros(block.shape)
    for part in rows.blocks(max(64, (1 << 18) // max(1, rows.n_features))):
        D: Any = part.X - beside(mean, part.X)
        total += as_array(D.T @ (D @ beside(block, D)))
    return total
