"""Weights of neighbours, and their votes."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Weights", "needs_distances", "neighbor_weights", "votes"]

Weights = str | Callable[[NDArray], NDArray] | None


def needs_distances(weights: Weights) -> bool:
    """Return whether weights depend on the distances."""
    return weights not in (None, "uniform")


def neighbor_weights(distances: NDArray | None, weights: Weights) -> NDArray | None:
    """Return the weight of each neighbour, None if all count alike.

    With weights="distance" it is 1 / distance; where a neighbour is at distance 0, those at
    distance 0 have weight 1 and the others 0.

    Parameters
    ----------
    distances : ndarray of shape (n_queries, k) or None
    weights : {"uniform", "distance"}, callable or None

    Returns
    -------
    ndarray of shape (n_queries, k) or None
    """
    if not needs_distances(weights) or distances is None:
        return None
    if callable(weights):
        return weights(distances)
    with np.errstate(divide="ignore", over="ignore"):
        inverse = 1.0 / distances
    infinite = np.isinf(inverse)
    touching = infinite.any(axis=1)
    inverse[touching] = infinite[touching]
    return inverse


def votes(codes: NDArray[np.intp], weights: NDArray | None, n_classes: int) -> NDArray[np.float64]:
    """Return the summed weight of each class among each query's neighbours.

    Parameters
    ----------
    codes : ndarray of shape (n_queries, k)
        Positions of the neighbours' labels among the classes.
    weights : ndarray of shape (n_queries, k) or None
        1 each if None.
    n_classes : int

    Returns
    -------
    ndarray of shape (n_queries, n_classes)
    """
    m = len(codes)
    cells = codes + n_classes * np.arange(m)[:, np.newaxis]
    flat = None if weights is None else np.ravel(weights)
    counted = np.bincount(cells.ravel(), weights=flat, minlength=m * n_classes)
    return counted.astype(np.float64, copy=False).reshape(m, n_classes)
