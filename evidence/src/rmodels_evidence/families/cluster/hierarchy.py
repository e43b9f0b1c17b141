"""Clusters of any density."""

import importlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import cluster

from rmodels import HDBSCAN
from rmodels_evidence.case import Case, share_differing
from rmodels_evidence.problem import (
    FAST_HDBSCAN,
    PLAIN_HDBSCAN,
    Agreement,
    Answers,
    Contender,
    Goal,
    Options,
    Problem,
    Work,
)

__all__ = ["hierarchy_cases", "hierarchy_problems"]

Found = tuple[NDArray, NDArray, NDArray]  # heights of merges, labels and strengths

_ENOUGH = 5
_SIZE = 8


@cache
def _points(name: str) -> NDArray:
    """Return the points of a case."""
    rng = np.random.default_rng(0)
    X: NDArray = rng.standard_normal((400, 3)) * rng.choice([0.3, 1.0], (400, 1))
    X += 4 * rng.integers(0, 4, (400, 1))
    line = np.arange(20.0)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return {
        "grid of 0.1": grid * 0.1,
        "whole numbers from 1e8": grid + 1e8,
        "duplicates": np.repeat(X[:60], 7, axis=0),
        "float64, mean 1e6": X + 1e6,
        "float32, mean 1e4": (X + 1e4).astype(np.float32),
        "60 features": rng.standard_normal((300, 60)),
    }.get(name, X)


_CASES = (
    "plain",
    "grid of 0.1",
    "whole numbers from 1e8",
    "duplicates",
    "float64, mean 1e6",
    "float32, mean 1e4",
    "60 features",
)


class _Node:
    """What a merge makes, or a point: its members, and at what distance they merge."""

    def __init__(self, members: list[int], height: float = 0.0, *sides: "_Node") -> None:
        self.members, self.height, self.sides = members, height, sides


def _define(name: str) -> Found:
    """Return what all pairs of points say: Kruskal, and the clusters from their definition."""
    X = _points(name).astype(np.float64)
    n = len(X)
    squares = np.zeros((n, n))
    for x in X.T:
        squares += (x[:, np.newaxis] - x) ** 2
    distances = np.sqrt(squares)
    core = np.sort(distances, axis=1)[:, _ENOUGH - 1]
    low, high = np.triu_indices(n, 1)
    d = distances[low, high]
    weights = np.maximum(d, np.maximum(core[low], core[high]))
    nodes = [_Node([i]) for i in range(n)]
    heights = []
    for edge in np.lexsort((high, low, d, weights)):
        a, b = nodes[low[edge]], nodes[high[edge]]
        if a is not b:
            both = _Node(a.members + b.members, float(weights[edge]), a, b)
            heights.append(both.height)
            for i in both.members:
                nodes[i] = both
    labels, strengths = np.full(n, -1), np.zeros(n)
    for members, stays in _choose(nodes[0]):
        labels[members] = members.min()
        most = stays.max()
        strengths[members] = np.where(np.isinf(stays), 1.0, stays / most)
    return np.array(heights), _by_first(labels), strengths


def _choose(root: _Node) -> list[tuple[NDArray, NDArray]]:
    """Return the chosen clusters: their points, and until which density each stays."""

    def grow(node: _Node, birth: float) -> tuple[float, list[tuple[NDArray, NDArray]]]:
        """Return the greatest stability of a cluster or of those in it, and which these are."""
        points: list[int] = []
        stays: list[float] = []
        stability = 0.0
        while True:
            density = 1 / node.height if node.height > 0 else np.inf
            large = [side for side in node.sides if len(side.members) >= _SIZE]
            dropped = [i for side in node.sides if side not in large for i in side.members]
            points += dropped
            stays += [density] * len(dropped)
            lasts = density - birth if density > birth else 0.0
            stability += lasts * len(dropped) if dropped else 0.0
            if len(large) != 1:
                break
            (node,) = large
        within = [grow(side, density) for side in large]
        stability += sum(lasts * len(side.members) for side in large)
        below = sum(each for each, _ in within)
        if below > stability or birth == 0:  # that of all points is not chosen
            return below, [found for _, each in within for found in each]
        for side in large:  # they stay as long as this cluster does, at least
            points += side.members
            stays += [density] * len(side.members)
        return stability, [(np.array(points), np.array(stays))]

    return grow(root, 0.0)[1]


def _by_first(labels: NDArray) -> NDArray:
    """Return labels numbered in the order of the first rows of the clusters."""
    names, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(first[names >= 0])
    numbers = np.full(len(names), -1)
    numbers[np.flatnonzero(names >= 0)[order]] = np.arange(len(order))
    return numbers[codes]


def _cluster(estimator: Any, name: str) -> Found:
    model = estimator(min_cluster_size=_SIZE, min_samples=_ENOUGH, copy=True).fit(_points(name))
    heights = model._single_linkage_tree_["value"]
    return heights, _by_first(np.asarray(model.labels_)), np.asarray(model.probabilities_)


def hierarchy_cases() -> Iterator[Case]:
    """Yield what is checked of each estimator."""
    for name in _CASES:
        yield Case(
            "HDBSCAN",
            name,
            "heights, labels, strengths",
            "the definition in float64",
            0.0,
            partial(_cluster, HDBSCAN, name),
            share_differing(partial(_define, name)),
            {"scikit-learn": partial(_cluster, cluster.HDBSCAN, name)},
        )


def _blobs(n: int, d: int) -> NDArray:
    rng = np.random.default_rng(0)
    middles = rng.uniform(-10, 10, (30, d))
    spread = rng.choice([0.3, 1.0, 2.0], 30)
    which = rng.integers(0, 30, n)
    return middles[which] + spread[which, np.newaxis] * rng.standard_normal((n, d))


def _clustering(estimator: Any, X: NDArray, **given: Any) -> Callable[[], NDArray]:
    model = estimator(min_cluster_size=15, **given)
    return lambda: np.asarray(model.fit(X).labels_)


def _clustering_of_hdbscan(X: NDArray) -> Callable[[], NDArray]:
    """Return the exact clustering of the package hdbscan, which does not count a point itself."""
    estimator = importlib.import_module("hdbscan").HDBSCAN
    given = {"min_samples": 9, "approx_min_span_tree": False, "core_dist_n_jobs": -1}
    return _clustering(estimator, X, **given)


def _clustering_of_fast(X: NDArray) -> Callable[[], NDArray]:
    return _clustering(importlib.import_module("fast_hdbscan").HDBSCAN, X, min_samples=9)


def _check_clusters(X: NDArray, answers: Answers) -> dict[Contender, Agreement]:
    """Compare which rows are together with ours, but for edges that weigh the same."""
    truth = next(each for contender, each in answers.items() if contender.ours)
    return {
        contender: Agreement(_share_apart(answer, truth), 0.01, "share of rows of other clusters")
        for contender, answer in answers.items()
    }


def _share_apart(labels: NDArray, truth: NDArray) -> float:
    """Return the share of rows outside the pairs of clusters that have the most in common."""
    pairs, counts = np.unique(np.stack([labels, truth]), axis=1, return_counts=True)
    same = 0
    ours: set[int] = set()
    theirs: set[int] = set()
    for place in np.argsort(-counts, kind="stable"):
        a, b = pairs[:, place].tolist()
        if a not in theirs and b not in ours and (a < 0) == (b < 0):
            same += int(counts[place])
            theirs.add(a)
            ours.add(b)
    return 1 - same / len(truth)


def _problem(
    name: str,
    title: str,
    data: Callable[[], Any],
    contenders: tuple[Contender, ...],
    goals: tuple[Goal, ...],
    work: Work,
    seconds: float,
) -> Problem:
    ours = partial(_clustering, HDBSCAN, min_samples=10, copy=True)
    return Problem(
        name,
        title,
        "cluster",
        data,
        (Contender("rmodels", ours, True), *contenders),
        _check_clusters,
        goals,
        work,
        seconds,
    )


def hierarchy_problems(options: Options) -> Iterator[Problem]:
    """Yield what is measured."""
    theirs = partial(_clustering, cluster.HDBSCAN, min_samples=10, copy=True, n_jobs=-1)
    packages = (
        Contender(PLAIN_HDBSCAN, _clustering_of_hdbscan, peer=PLAIN_HDBSCAN),
        Contender(
            FAST_HDBSCAN, _clustering_of_fast, peer=FAST_HDBSCAN, note="compiled by numba before"
        ),
    )
    n = options.rows(10_000)
    yield _problem(
        "hdbscan",
        f"HDBSCAN {n:,} × 10, 30 clusters",
        partial(_blobs, n, 10),
        (Contender("scikit-learn", theirs), *packages),
        (Goal(("scikit-learn",), 12),),
        Work(n * 10 * 8, n * n * 10, "float32"),
        30,
    )
    yield _problem(
        "hdbscan-wide",
        f"HDBSCAN {n:,} × 100, 30 clusters",
        partial(_blobs, n, 100),
        (Contender("scikit-learn", partial(theirs, algorithm="brute")),),
        (Goal(("scikit-learn",), 1),),
        Work(n * 100 * 8, n * n * 100, "float32"),
        30,
    )
    n = options.rows(50_000)
    yield _problem(
        "hdbscan-many",
        f"HDBSCAN {n:,} × 10, 30 clusters",
        partial(_blobs, n, 10),
        packages,
        (Goal((PLAIN_HDBSCAN,), 5), Goal((FAST_HDBSCAN,), 1)),
        Work(n * 10 * 8, n * n * 10, "float32"),
        120,
    )
