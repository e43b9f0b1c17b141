"""Dendrograms by the compiled extension."""

import numpy as np

from rmodels import native
from rmodels.ops.hierarchy import Indices, Numbers


def link(ends: Indices, weights: Numbers) -> Numbers:
    """Merge the clusters at the ends of each edge, the least first."""
    extension = native.load()
    assert extension is not None
    linkage = np.empty((len(ends), 4))
    extension.link(ends, weights, linkage)
    return linkage


def condense(linkage: Numbers, min_size: int) -> tuple[Indices, Indices, Numbers, Indices]:
    """Go down from the root by breadth first."""
    extension = native.load()
    assert extension is not None
    most = 2 * len(linkage) + 2
    parents, children, sizes = np.empty((3, most), dtype=np.int64)
    densities = np.empty(most)
    count = extension.condense(linkage, min_size, parents, children, densities, sizes)
    return parents[:count], children[:count], densities[:count], sizes[:count]


def cut(linkage: Numbers, distance: float, min_size: int) -> Indices:
    """Merge what merges below the distance, by rank."""
    extension = native.load()
    assert extension is not None
    labels = np.empty(len(linkage) + 1, dtype=np.int64)
    extension.cut(linkage, distance, min_size, labels)
    return labels
