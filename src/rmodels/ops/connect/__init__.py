"""Components of points that have enough neighbours: the clusters of DBSCAN."""

import math

import numpy as np
from numpy.typing import NDArray

from rmodels import ops
from rmodels.ops.nearest import Index

__all__ = ["connect", "is_exact"]

Mask = NDArray[np.bool_]
Labels = NDArray[np.int64]
Weights = NDArray[np.float64]

_LARGEST = 2.0**53  # up to which all integers are float64
_SHRINK = 2.0**-64  # of weights whose sums could overflow


def connect(
    index: Index,
    radius: float,
    min_weight: float,
    weights: Weights | None = None,
    *,
    n_threads: int | None = None,
) -> tuple[Mask, Labels]:
    """Find the points with enough neighbours within a radius, and which of them are connected.

    Parameters
    ----------
    index : Index
        Of n points. Its engine does the work.
    radius : float
        At least 0. Points are neighbours if their distance, that of `index`, is at most this; each
        is its own neighbour.
    min_weight : float
        A point is core if the weights of its neighbours add up to at least this.
    weights : ndarray of shape (n,), float64, finite, or None
        May be negative. None stands for ones.
    n_threads : int, optional
        Threads to use; the default is `rmodels.config.thread_count()`.

    Returns
    -------
    core : ndarray of shape (n,), bool
        The sum of weights that is compared is the exact one, rounded once.
    labels : ndarray of shape (n,), int64
        Core points that are neighbours have one label; the components are numbered by their least
        core points. Another point has the least label of the core points near it, -1 if none is.
        The same bits for any engine, number of threads and order of work.

    Raises
    ------
    RuntimeError
        If the engine of the index has no such operation.

    Notes
    -----
    Native: at most 60 bytes a point beyond the index. No lists of neighbours are kept but the first
    8 of each. Without negative weights, a point is core as soon as neighbours enough are found.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.connect import connect
    >>> from rmodels.ops.nearest import index
    >>> points = index(np.array([[0.0], [1.0], [2.0], [3.5], [9.0]]))
    >>> connect(points, 1.5, min_weight=3)
    (array([False,  True,  True, False, False]), array([ 0,  0,  0,  0, -1]))
    """
    if weights is not None:
        with np.errstate(over="ignore"):
            if not math.isfinite(np.abs(weights).sum()):
                weights, min_weight = weights * _SHRINK, min_weight * _SHRINK
    engine = ops.implementation("connect", ops.choose("connect", index.engine, index.X))
    found: tuple[Mask, Labels] = engine.connect(index, radius, min_weight, weights, n_threads)
    return found


def is_exact(weights: Weights | None) -> bool:
    """Return whether all sums of weights are exact in float64, in any order."""
    if weights is None:
        return True
    whole = bool((np.rint(weights) == weights).all())
    return whole and float(np.abs(weights).sum()) < _LARGEST
