"""Sums of float64 as integers by the exponent of what they count: without rounding."""

import numpy as np
from numpy.typing import NDArray

from rmodels import ops

__all__ = ["BINS", "HALF", "LOWEST", "bin_values"]

LOWEST = -1126  # exponent of the least bit of a value that `frexp` gives with 53 bits
BINS = 2152
HALF = 27  # bits: a value is counted in two parts


def bin_values(
    values: NDArray[np.float64], *, engine: str | None = None, n_threads: int | None = None
) -> tuple[NDArray[np.int64], float]:
    """Return Σ v by exponents.

    Parameters
    ----------
    values : ndarray of shape (n,), float64
        Less than 2³⁶ of them.
    engine : str, optional
        As in `rmodels.set_config`, which gives the default.
    n_threads : int, optional
        Threads to use; the default is `rmodels.config.thread_count()`.

    Returns
    -------
    bins : ndarray of shape (2, 2152), int64
        A value f 2^e, f of 53 bits in [0.5, 1), is counted at e − 53 + 1126: its upper 27 bits in
        the first line, in units of 2^(e − 27), the lower 26 in the second, in units of 2^(e − 53).
    special : float
        The sum of what is not finite; 0.0 if all is.

    Notes
    -----
    Integers: the same in any order, on every engine. Native: 16 operations a value, a few bins for
    each thread.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.bins import bin_values
    >>> bins, special = bin_values(np.array([1.0, 3.0, 3.0]))
    >>> [line.nonzero()[0].tolist() for line in bins], int(bins.max()) / 2**26, special
    ([[1074, 1075], []], 3.0, 0.0)
    """
    name = ops.choose("bins", engine, values)
    found: tuple[NDArray[np.int64], float] = ops.implementation("bins", name).bin_values(
        values, n_threads
    )
    return found
