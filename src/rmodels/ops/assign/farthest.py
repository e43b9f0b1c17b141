"""Which squares are the largest."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["order_farthest"]


def order_farthest(squares: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return where the largest are: the largest first, of equal ones the first.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign.farthest import order_farthest
    >>> order_farthest(np.array([1.0, 3.0, 2.0, 3.0]), 3)
    array([1, 3, 2])
    """
    if 0 < count < len(squares):
        least = np.partition(squares, len(squares) - count)[len(squares) - count]
        among = np.flatnonzero(squares >= least)
        return among[np.argsort(-squares[among], kind="stable")[:count]]
    return np.argsort(-squares, kind="stable")[:count]
