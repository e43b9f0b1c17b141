"""Dendrograms by union-find and by breadth first: read this first."""

from collections import deque

import numpy as np

from rmodels.ops.hierarchy import Indices, Numbers


def _reach(ends: Indices) -> list[int]:
    """Return in which order the points of a tree are reached from point 0, by breadth first."""
    others: list[list[int]] = [[] for _ in range(len(ends) + 1)]
    for a, b in ends.tolist():
        others[a].append(b)
        others[b].append(a)
    order, queue = {0: 0}, deque([0])
    while queue:
        for point in others[queue.popleft()]:
            if point not in order:
                order[point] = len(order)
                queue.append(point)
    return [order[point] for point in range(len(others))]


def _find(above: list[int], i: int) -> int:
    while above[i] != i:
        above[i] = above[above[i]]
        i = above[i]
    return i


def link(ends: Indices, weights: Numbers) -> Numbers:
    """Merge the clusters at the ends of each edge, the least first."""
    n = len(ends) + 1
    above = list(range(2 * n - 1))  # of each cluster the one that it has become
    first, size = _reach(ends), [1] * n
    linkage = np.empty((n - 1, 4))
    for k, (a, b) in enumerate(ends.tolist()):
        left, right = sorted((_find(above, a), _find(above, b)), key=first.__getitem__)
        first.append(first[left])
        size.append(size[left] + size[right])
        above[left] = above[right] = n + k
        linkage[k] = left, right, weights[k], size[n + k]
    return linkage


def condense(linkage: Numbers, min_size: int) -> tuple[Indices, Indices, Numbers, Indices]:
    """Go down from the root by breadth first."""
    n = len(linkage) + 1
    children = linkage[:, :2].astype(int).tolist()
    size = [1] * n + linkage[:, 3].astype(int).tolist()
    lines: list[tuple[int, int, float, int]] = []
    clusters = n + 1
    queue = deque([(2 * n - 2, n)] if n > 1 else [])
    while queue:
        node, cluster = queue.popleft()
        distance = float(linkage[node - n, 2])
        density = 1 / distance if distance > 0 else np.inf
        splits = min(size[side] for side in children[node - n]) >= min_size
        for side in children[node - n]:
            if size[side] < min_size:
                below = deque([side])
                while below:
                    each = below.popleft()
                    if each < n:
                        lines.append((cluster, each, density, 1))
                    else:
                        below.extend(children[each - n])
            elif splits:
                lines.append((cluster, clusters, density, size[side]))
                queue.append((side, clusters))
                clusters += 1
            else:
                queue.append((side, cluster))
    parents, found, densities, sizes = zip(*lines, strict=True) if lines else ((),) * 4
    return (
        np.array(parents, dtype=np.int64),
        np.array(found, dtype=np.int64),
        np.array(densities, dtype=np.float64),
        np.array(sizes, dtype=np.int64),
    )


def cut(linkage: Numbers, distance: float, min_size: int) -> Indices:
    """Go down from the root: both sides of a merge below the distance are part of what it is."""
    n = len(linkage) + 1
    whole = list(range(2 * n - 1))
    for k in reversed(np.flatnonzero(linkage[:, 2] < distance)):
        for side in linkage[k, :2].astype(int):
            whole[side] = whole[n + k]
    size = [1] * n + linkage[:, 3].astype(int).tolist()
    numbers: dict[int, int] = {}
    for cluster in whole[:n]:
        if cluster not in numbers and size[cluster] >= min_size:
            numbers[cluster] = len(numbers)
    return np.array([numbers.get(cluster, -1) for cluster in whole[:n]], dtype=np.int64)
