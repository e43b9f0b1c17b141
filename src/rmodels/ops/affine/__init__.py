"""Sums of the columns of each row, weighed by coefficients: what linear models predict by."""

from typing import Any

from numpy.typing import NDArray

from rmodels import ops

__all__ = ["affine"]


def affine(
    X: NDArray,
    coefficients: NDArray,
    intercepts: NDArray,
    *,
    engine: str | None = None,
    n_threads: int | None = None,
) -> NDArray:
    """Return Σ_j w_tj x_j + b_t of each row x and target t, in one read of X.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Any strides that are multiples of the item size. Neither copied nor changed. n_samples and
        n_features may be 0.
    coefficients : ndarray of shape (n_targets, n_features)
        w. A tensor X may have them, and the intercepts, as tensors.
    intercepts : ndarray of shape (n_targets,)
        b.
    engine : str, optional
        As in `rmodels.set_config`, which gives the default.
    n_threads : int, optional
        Threads to use; the default is `rmodels.config.thread_count()`.

    Returns
    -------
    ndarray of shape (n_samples, n_targets)
        In float32 if all three are, else in float64. A tensor where X is one.

    Raises
    ------
    ValueError
        If there are not as many coefficients of a target as columns of X.

    Notes
    -----
    Products and sums are of float64, each rounded on its own: sum l of eight takes the columns
    l, l + 8, …, in this order; they are joined as ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)), and
    last comes b. A result in float32 is rounded once. So results have the same bits on the
    reference and on the native engine with every instruction set, for any number of threads, any
    strides and any batch of rows; the GPU multiplies matrices in the dtype of the result.

    Accuracy on the processor: within (⌈n_features / 8⌉ + 4) 2⁻⁵³ (Σ_j abs(w_tj x_j) + abs(b_t)),
    before a result is rounded to float32.

    A row with a value that is not finite has no finite result, also where its coefficient is 0:
    who finds all results finite need not check X.

    Memory beyond input and result: native the coefficients in float64, those of a target filled up
    to a multiple of eight, twice if they are not given so, and the results in float64 where they
    are given in float32; per thread 256 KB, or 128 bytes · n_features where that is more. The
    reference a few MB, or 8 bytes · n_features where that is more.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.affine import affine
    >>> affine(np.array([[1.0, 5.0], [2.0, 2.0]]), np.array([[3.0, 1.0]]), np.array([0.5]))
    array([[8.5],
           [8.5]])
    """
    if coefficients.shape[1] != X.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} columns, and there are coefficients of {coefficients.shape[1]}"
        )
    name = ops.choose("affine", engine, X)
    found: Any = ops.implementation("affine", name).affine(X, coefficients, intercepts, n_threads)
    return found
