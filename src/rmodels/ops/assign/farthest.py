"""Which squares are the largest."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["order_farthest"]

_BLOCK = 1024  # squares of which the largest is taken first


def order_farthest(squares: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return where the largest are: the largest first, of equal ones the first.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.assign.farthest import order_farthest
    >>> order_farthest(np.array([1.0, 3.0, 2.0, 3.0]), 3)
    array([1, 3, 2])
    """
    count = min(count, len(squares))
    n_blocks = len(squares) // _BLOCK
    if 0 < count < n_blocks:
        largest = squares[: n_blocks * _BLOCK].reshape(n_blocks, _BLOCK).max(axis=1)
        among = np.flatnonzero(squares >= _find_largest(largest, count))
        return among[_order(squares[among], count)]
    return _order(squares, count)


def _find_largest(squares: NDArray[np.float64], count: int) -> float:
    """Return the largest value that `count` squares reach."""
    place = len(squares) - count
    return float(np.partition(squares, place)[place])


def _order(squares: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return what `order_farthest` does, by a partition of all squares."""
    if count == 0:
        return np.empty(0, dtype=np.int64)
    least = _find_largest(squares, count)
    above = np.flatnonzero(squares > least)
    ties = np.flatnonzero(squares == least)[: count - len(above)]
    return np.concatenate([above[np.argsort(-squares[above], kind="stable")], ties])
