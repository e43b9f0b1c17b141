"""Single linkage: dendrograms of spanning trees, condensed or cut into clusters."""

from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmodels import ops

__all__ = ["Condensed", "condense", "cut", "link"]

Indices = NDArray[np.int64]
Numbers = NDArray[np.float64]


class Condensed(NamedTuple):
    """A tree of clusters, from which points and lesser clusters drop out: a line for each.

    Attributes
    ----------
    parents : ndarray of shape (n_lines,), int64
        The cluster out of which something drops: n is that of all n points, the others follow.
    children : ndarray of shape (n_lines,), int64
        A point, below n, or one of the two clusters that the parent splits into.
    densities : ndarray of shape (n_lines,), float64
        1 / distance at which it does, infinite at 0.
    sizes : ndarray of shape (n_lines,), int64
        How many points drop out.
    """

    parents: Indices
    children: Indices
    densities: Numbers
    sizes: Indices


def link(ends: Indices, weights: Numbers, *, engine: str | None = None) -> Numbers:
    """Return the dendrogram of single linkage, in SciPy's form.

    Parameters
    ----------
    ends : ndarray of shape (n - 1, 2), int64, C-contiguous
        The edges of a tree of n points.
    weights : ndarray of shape (n - 1,), float64
        Of the edges, ascending.
    engine
        As in `rmodels.ops.moments.moments`.

    Returns
    -------
    linkage : ndarray of shape (n - 1, 4), float64
        For each edge the two clusters that it merges, its weight, and how many points they have.
        Clusters below n are points, and the k-th merge makes cluster n + k. The one that is nearer
        to point 0 along the tree comes first, as in scikit-learn.

    Notes
    -----
    Time and memory: O(n).

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.hierarchy import link
    >>> link(np.array([[1, 2], [0, 1]]), np.array([0.5, 2.0]))
    array([[1. , 2. , 0.5, 2. ],
           [0. , 3. , 2. , 3. ]])
    """
    linkage: Numbers = _engine(engine).link(ends, weights)
    return linkage


def condense(linkage: Numbers, min_size: int, *, engine: str | None = None) -> Condensed:
    """Return a dendrogram in which clusters of fewer points are points that drop out.

    From the root down: where both sides of a merge have min_size points, the cluster ends and both
    are new ones; where one has, that is the same cluster, and the points of the other drop out.

    Parameters
    ----------
    linkage : ndarray of shape (n - 1, 4), float64, C-contiguous
        As `link` returns it.
    min_size : int
        At least 2.
    engine
        As in `rmodels.ops.moments.moments`.

    Returns
    -------
    Condensed
        Lines and numbers of clusters are in the order of breadth first, as in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.hierarchy import condense, link
    >>> ends = np.array([[0, 1], [2, 3], [3, 4], [1, 2]])
    >>> tree = condense(link(ends, np.array([1.0, 1.0, 2.0, 4.0])), 2)
    >>> [each.tolist() for each in tree[:3]]
    [[5, 5, 6, 6, 7, 7, 7], [6, 7, 0, 1, 4, 2, 3], [0.25, 0.25, 1.0, 1.0, 0.5, 1.0, 1.0]]
    """
    return Condensed(*_engine(engine).condense(linkage, min_size))


def cut(linkage: Numbers, distance: float, min_size: int, *, engine: str | None = None) -> Indices:
    """Return the clusters of merges below a distance.

    Parameters
    ----------
    linkage : ndarray of shape (n - 1, 4), float64, C-contiguous
        As `link` returns it.
    distance : float
        Merges at less than this are made.
    min_size : int
        Clusters of fewer points are noise.
    engine
        As in `rmodels.ops.moments.moments`.

    Returns
    -------
    labels : ndarray of shape (n,), int64
        -1 of noise. Clusters are numbered by their first points.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.ops.hierarchy import cut, link
    >>> cut(link(np.array([[1, 2], [0, 1]]), np.array([0.5, 2.0])), 1.0, 2)
    array([-1,  0,  0])
    """
    labels: Indices = _engine(engine).cut(linkage, distance, min_size)
    return labels


def _engine(engine: str | None) -> ModuleType:
    return ops.implementation("hierarchy", ops.choose("hierarchy", engine))
