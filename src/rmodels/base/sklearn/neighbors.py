"""Private names of `sklearn.neighbors`."""

from typing import Any

from sklearn.neighbors._base import (
    KNeighborsMixin,
    NeighborsBase,
    RadiusNeighborsMixin,
    _check_precomputed,
)

__all__ = [
    "KNeighborsMixin",
    "NeighborsBase",
    "RadiusNeighborsMixin",
    "check_precomputed",
    "tree_of",
]

check_precomputed = _check_precomputed


def tree_of(neighbors: NeighborsBase) -> Any:
    """Return the tree of a fitted estimator of scikit-learn, or None if it has none."""
    return neighbors._tree
