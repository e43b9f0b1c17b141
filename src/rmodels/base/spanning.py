"""Spanning trees of graphs: points of which some distances are known."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

__all__ = ["span_graph"]

Distances = NDArray[np.float64]
Indices = NDArray[np.int64]


def span_graph(graph: Any, k: int, alpha: float) -> tuple[Indices, Distances, Distances]:
    """Return the minimum spanning tree of points of which some distances are known.

    Parameters
    ----------
    graph : CSR matrix of shape (n, n)
        These distances, symmetric; the columns of each row ascend, and none stands twice.
    k : int
        The core distance of a point is the k-th least of its entries.
    alpha : float
        Distances between points are divided by it.

    Returns
    -------
    ends, weights, core
        As of `rmodels.ops.span.span`.

    Raises
    ------
    ValueError
        If a point has fewer than k neighbours, or the graph is not connected: scikit-learn's
        errors.
    """
    n, counts = graph.shape[0], np.diff(graph.indptr)
    if counts.min() < k:
        raise ValueError(
            f"There exists points with fewer than {k} neighbors. Ensure your distance matrix has "
            f"non-zero values for at least `min_sample`={k} neighbors for each points (i.e. K-nn "
            "graph), or specify a `max_distance` in `metric_params` to use when distances are "
            "missing."
        )
    rows = np.repeat(np.arange(n), counts)
    distances = graph.data.astype(np.float64)
    pairs = itertools.pairwise(graph.indptr)
    core = np.array([np.partition(distances[a:b], k - 1)[k - 1] for a, b in pairs])
    upper = rows < graph.indices  # in the order of the rows and columns
    low, high, distances = rows[upper], graph.indices[upper].astype(np.int64), distances[upper]
    weights = np.maximum(distances / alpha, np.maximum(core[low], core[high]))
    order = np.lexsort((distances, weights))
    low, high, weights = low[order], high[order], weights[order]
    ranks = np.arange(1, len(order) + 1)  # no two of which are the same
    places = low.astype(np.int32), high.astype(np.int32)  # SciPy's graphs have no larger ones
    tree = csgraph.minimum_spanning_tree(sparse.csr_array((ranks, places), shape=(n, n)))
    if tree.nnz < n - 1:
        raise ValueError(
            f"Sparse mutual reachability matrix has {n - tree.nnz} connected components. HDBSCAN "
            "cannot be performed on a disconnected graph. Ensure that the sparse distance matrix "
            "has only one connected component."
        )
    chosen = np.sort(tree.data.astype(np.int64)) - 1
    return np.stack([low[chosen], high[chosen]], axis=1), weights[chosen], core
