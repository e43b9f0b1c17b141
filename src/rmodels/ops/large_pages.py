"""Memory of large results."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["empty"]

_PAGE = 2 << 20  # bytes of a large page
_LEAST = 4 << 20  # from which NumPy asks the system for large pages


def empty(rows: int, columns: int) -> NDArray[np.float64]:
    """Return a matrix that is not initialised, all of whose pages may be large.

    NumPy asks for large pages, but arrays begin and end in the midst of one: there the system gives
    small ones, whose first write costs as much as filling them.

    Parameters
    ----------
    rows, columns : int

    Examples
    --------
    >>> from rmodels.ops.large_pages import empty
    >>> empty(2, 3).shape
    (2, 3)
    """
    size = rows * columns
    if 8 * size < _LEAST:
        return np.empty((rows, columns))
    memory = np.empty(size + 2 * _PAGE // 8)
    first = -memory.ctypes.data % _PAGE // 8
    return memory[first : first + size].reshape(rows, columns)
