"""Which clusters of a condensed tree are chosen, and what points are to them."""

import math

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.hierarchy import Condensed

__all__ = ["choose", "label"]

Clusters = NDArray[np.int64]
Numbers = NDArray[np.float64]


def choose(
    tree: Condensed,
    n: int,
    method: str,
    *,
    allow_single_cluster: bool,
    epsilon: float,
    max_size: int | None,
) -> Clusters:
    """Return the clusters that are chosen, ascending.

    Parameters
    ----------
    tree : Condensed
        Of n points.
    n : int
    method : {"eom", "leaf"}
        Those of the greatest stability, none within another, or those that do not split.
    allow_single_cluster : bool
        Whether that of all points may be chosen.
    epsilon : float
        A cluster that is born at a lesser distance is replaced by the one it came from, until that
        was born at a greater one.
    max_size : int or None
        Larger ones are not chosen by "eom".
    """
    parents, births, sizes, stability = _describe(tree, n)
    count = len(parents)
    children: list[list[int]] = [[] for _ in range(count)]
    for cluster in range(1, count):
        children[parents[cluster]].append(cluster)
    if method == "leaf":
        chosen = [each for each in range(1, count) if not children[each]]
    else:
        chosen = _choose_stable(
            parents, children, sizes, stability, int(not allow_single_cluster), max_size
        )
    if epsilon > 0 and chosen != [0]:
        chosen = sorted(
            {
                _climb(each, parents, births, epsilon, allow_single_cluster)
                if _distance(births[each]) < epsilon
                else each
                for each in chosen
            }
        )
    return n + np.array(chosen, dtype=np.int64)


def _describe(tree: Condensed, n: int) -> tuple[list[int], list[float], list[int], list[float]]:
    """Return parents, births, sizes and stabilities of the clusters, numbered from 0.

    The stability is Σ (density at which a point drops out − density of the birth), in the order of
    the lines; the size of the first is that of the two that it splits into.
    """
    clusters = tree.children >= n
    count = 1 + int(clusters.sum())
    parents, sizes = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    births = np.zeros(count)
    places = tree.children[clusters] - n
    parents[places] = tree.parents[clusters] - n
    sizes[places] = tree.sizes[clusters]
    births[places] = tree.densities[clusters]
    sizes[0] = sizes[1:][parents[1:] == 0].sum()
    of = tree.parents - n
    born = births[of]
    lasts = np.subtract(  # what drops out when its cluster is born lasts for nothing
        tree.densities, born, out=np.zeros(len(of)), where=tree.densities != born
    )
    stability = np.bincount(of, lasts * tree.sizes, minlength=count)
    return parents.tolist(), births.tolist(), sizes.tolist(), stability.tolist()


def _choose_stable(
    parents: list[int],
    children: list[list[int]],
    sizes: list[int],
    stability: list[float],
    first: int,
    max_size: int | None,
) -> list[int]:
    """Return the clusters, from a first on, that are at least as stable as those in them."""
    best = list(stability)
    keeps = [False] * len(parents)
    for cluster in reversed(range(first, len(parents))):
        below = sum(best[child] for child in children[cluster])
        large = max_size is not None and sizes[cluster] > max_size
        keeps[cluster] = not (below > best[cluster] or large)
        if not keeps[cluster]:
            best[cluster] = below
    chosen = []
    within = [False] * len(parents)  # of one that is chosen
    for cluster in range(first, len(parents)):
        above = parents[cluster]
        within[cluster] = cluster > 0 and (within[above] or keeps[above])
        if keeps[cluster] and not within[cluster]:
            chosen.append(cluster)
    return chosen


def _distance(density: float) -> float:
    return 1 / density if density > 0 else math.inf


def _climb(
    cluster: int, parents: list[int], births: list[float], epsilon: float, single: bool
) -> int:
    """Return the nearest cluster above that was born at a distance of more than epsilon."""
    while parents[cluster] > 0:
        cluster = parents[cluster]
        if _distance(births[cluster]) > epsilon:
            return cluster
    return 0 if single else cluster


def label(
    tree: Condensed, n: int, chosen: Clusters, *, epsilon: float
) -> tuple[NDArray[np.int64], Numbers]:
    """Return the label of each point, and how long it stays: 1 of those that stay to the end.

    Parameters
    ----------
    tree, n, epsilon
        As of `choose`.
    chosen : ndarray
        What that returned.
    """
    clusters = tree.children >= n
    parents = np.zeros(1 + int(clusters.sum()), dtype=np.int64)
    parents[tree.children[clusters] - n] = tree.parents[clusters] - n
    number = np.full(len(parents), -1)
    number[chosen - n] = np.arange(len(chosen))
    names = number.tolist()
    for cluster, above in enumerate(parents.tolist()):
        if cluster and names[cluster] < 0:
            names[cluster] = names[above]
    of, density = np.empty(n, dtype=np.int64), np.empty(n)
    points = tree.children[~clusters]
    of[points], density[points] = tree.parents[~clusters] - n, tree.densities[~clusters]
    labels = np.array(names, dtype=np.int64)[of]
    if len(chosen) and chosen[0] == n:
        # of the cluster of all points only those that do not drop out early
        least = 1 / epsilon if epsilon > 0 else tree.densities[tree.parents == n].max()
        labels[(labels == 0) & ~((density >= least) & (len(chosen) == 1))] = -1
    deaths = np.zeros(len(parents))
    np.maximum.at(deaths, tree.parents - n, tree.densities)
    strength = np.zeros(n)
    kept = np.flatnonzero(labels >= 0)
    end, stays = deaths[chosen[labels[kept]] - n], density[kept]
    whole = (end == 0) | np.isinf(stays)
    strength[kept] = np.where(whole, 1.0, np.minimum(stays, end) / np.where(whole, 1.0, end))
    return labels, strength
