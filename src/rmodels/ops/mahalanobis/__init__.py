"""Squared Mahalanobis distances of rows to a few centres, each with a covariance of its own."""

import numpy as np
from numpy.typing import NDArray

from rmodels import ops

__all__ = ["classify", "diagonal", "full"]

Matrix = NDArray[np.float64]


def diagonal(
    X: NDArray,
    centres: Matrix,
    precisions: Matrix,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Matrix:
    """Return Σ_j r_cj (x_j − m_cj)² of each row x and centre m_c, in one read of X.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Any strides that are multiples of the item size. Neither copied nor changed. n_samples and
        n_features may be 0.
    centres, precisions : ndarray of shape (n_centres, n_features), float64
        m and r. A tensor X may have them as tensors.
    engine : str, optional
        As in `rmodels.set_config`, which gives the default.
    n_threads : int, optional
        Threads to use; the default is `rmodels.config.thread_count()`.

    Returns
    -------
    ndarray of shape (n_samples, n_centres)
        In float64, whatever the dtype of X. A tensor where X is one.

    Notes
    -----
    The difference, its square, the product with r_cj and the sum, taken in the order of the
    columns, are each rounded on their own: bitwise the same on the reference and on the native
    engine with every instruction set, for any number of threads and any batch of rows. On a GPU
    the order of the sum is its own. So for r ≥ 0 each result is that of exact arithmetic within
    (n_features + 3) 2⁻⁵³ of itself, for any offset of the columns.

    What is not finite in a row, or overflows, makes the row's results NaN or infinite, but where a
    precision is 0 and the value infinite: then NaN.

    Memory beyond input and result: a fixed amount per thread, and 8 bytes · 64 · n_features.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.mahalanobis import diagonal
    >>> X, centres = np.array([[1.0, 5.0], [2.0, 2.0]]), np.array([[0.0, 2.0], [2.0, 2.0]])
    >>> diagonal(X, centres, np.array([[1.0, 1.0], [4.0, 2.0]]))
    array([[10., 22.],
           [ 4.,  0.]])
    """
    name = ops.choose("mahalanobis", engine, X)
    found: Matrix = ops.implementation("mahalanobis", name).diagonal(
        X, centres, precisions, n_threads
    )
    return found


def classify(
    X: NDArray,
    centres: Matrix,
    precisions: Matrix,
    constants: Matrix,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> tuple[NDArray[np.int64], bool]:
    """Return the centre c with the largest k_c − ½ Σ_j r_cj (x_j − m_cj)² for each row x.

    Parameters
    ----------
    X, centres, precisions, engine, n_threads
        As in `diagonal`; at least one centre.
    constants : ndarray of shape (n_centres,), float64
        k; −∞ for a centre that nothing is given.

    Returns
    -------
    places : ndarray of shape (n_samples,), int64
        Of equal ones the first. A tensor where X is one.
    finite : bool
        Whether all the sums are finite. Places mean nothing for rows with one that is not.

    Notes
    -----
    The sum is that of `diagonal`, its product with −½ and the sum with k_c are each rounded on
    their own: the same places on the reference and on the native engine with every instruction
    set, for any number of threads and any batch of rows.

    Memory beyond input and result: native a fixed amount per thread, and 8 bytes · 64 · n_features;
    else two results of `diagonal` too.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.mahalanobis import classify
    >>> X, centres = np.array([[1.0, 5.0], [2.0, 2.0]]), np.array([[0.0, 2.0], [2.0, 2.0]])
    >>> classify(X, centres, np.array([[1.0, 1.0], [4.0, 2.0]]), np.array([0.0, 0.0]))
    (array([0, 1]), True)
    """
    name = ops.choose("mahalanobis", engine, X)
    places, finite = ops.implementation("mahalanobis", name).classify(
        X, centres, precisions, constants, n_threads
    )
    return places, finite


def full(
    X: NDArray,
    centres: Matrix,
    factors: Matrix,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> Matrix:
    """Return ‖(x − m_c) A_c‖² of each row x and centre m_c, in one read of X.

    Parameters
    ----------
    X, centres, engine, n_threads
        As in `diagonal`.
    factors : ndarray of shape (n_centres, n_features, n_features), float64
        A, upper triangular: what is below the diagonal must be 0. With A Aᵀ the inverse of a
        covariance, the results are squared Mahalanobis distances.

    Returns
    -------
    ndarray of shape (n_samples, n_centres)
        In float64, whatever the dtype of X. A tensor where X is one.

    Notes
    -----
    Accuracy: each component of (x − m_c) A_c is that of exact arithmetic within (n_features + 2)
    2⁻⁵³ Σ_j abs(x_j − m_cj) abs(A_cjk), for any offset of the columns. Native: bitwise the same for
    any number of threads and any batch of rows.

    Native: n_samples · n_centres · n_features² / 2 multiply-adds. Memory beyond input and result: a
    fixed amount per thread, and 8 bytes · 128 · n_features; the reference takes a float64 copy of
    X for each centre in turn, and its product.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.mahalanobis import full
    >>> full(np.array([[1.0, 5.0]]), np.array([[0.0, 2.0]]), np.array([[[1.0, 2.0], [0.0, 1.0]]]))
    array([[26.]])
    """
    name = ops.choose("mahalanobis", engine, X)
    found: Matrix = ops.implementation("mahalanobis", name).full(X, centres, factors, n_threads)
    return found
