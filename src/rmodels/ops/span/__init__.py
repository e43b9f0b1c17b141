"""The least tree that spans points, by their mutual reachability distances."""

import numpy as np
from numpy.typing import NDArray

from rmodels import ops
from rmodels.ops.nearest import Index
from rmodels.ops.span.growth import grow

__all__ = ["grow", "span"]

Ends = NDArray[np.int64]
Weights = NDArray[np.float64]


def span(
    index: Index, k: int, alpha: float = 1.0, *, n_threads: int | None = None
) -> tuple[Ends, Weights, Weights]:
    """Find the minimum spanning tree of points by their mutual reachability distances.

    The core distance c(x) of a point is the distance of its k-th nearest point, itself counted as
    the first; an edge between two points weighs

        w(x, z) = max(c(x), c(z), d(x, z) / alpha).

    Core distances make many edges weigh the same. Which is the less of two is decided by
    (w, d, i, j), with the rows i < j of its ends, so that there is one least tree: that of Kruskal.
    Where no two distances tie, it does not depend on the order of the rows.

    Parameters
    ----------
    index : Index
        Of n points. Its engine does the work.
    k : int
        From 1 to n. Core distances are 0 for 1.
    alpha : float
        Above 0.
    n_threads : int, optional
        Threads to use; the default is `rmodels.config.thread_count()`.

    Returns
    -------
    ends : ndarray of shape (n - 1, 2), int64
        The rows of each edge, the lesser first. Edges are in the order of (w, d, i, j).
    weights : ndarray of shape (n - 1,), float64
        d is that of `index`, divided by alpha in float64. The same bits for any engine, number of
        threads and order of work.
    core : ndarray of shape (n,), float64

    Raises
    ------
    RuntimeError
        If the engine of the index has no such operation.

    Notes
    -----
    Native: each component of points takes its least edge to a point of another, and joins it, until
    one is left. The largest need not: those that are left are always at most half as many. Most
    edges come from the nearest neighbours that the core distances need; else groups of points that
    are all in the same component, too far, or of too large core distances, are not looked at, nor
    is a point whose edges are known to weigh more. Worst case: n² log n distances.

    Memory: at most 240 bytes a point beyond the index, and 64 MiB of neighbours, or those of one
    point: no list but of the first 10 neighbours is kept.

    Source: R. J. G. B. Campello, D. Moulavi, J. Sander, "Density-based clustering based on
    hierarchical density estimates", 2013; the search: W. B. March, P. Ram, A. G. Gray, "Fast
    Euclidean minimum spanning tree", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.nearest import index
    >>> from rmodels.ops.span import span
    >>> ends, weights, core = span(index(np.array([[0.0], [1.0], [3.0], [7.0]])), 2)
    >>> ends.tolist(), weights.tolist(), core.tolist()
    ([[0, 1], [1, 2], [2, 3]], [1.0, 2.0, 4.0], [1.0, 1.0, 2.0, 4.0])
    """
    engine = ops.implementation("span", ops.choose("span", index.engine, index.X))
    found: tuple[Ends, Weights, Weights] = engine.span(index, k, alpha, n_threads)
    return found
