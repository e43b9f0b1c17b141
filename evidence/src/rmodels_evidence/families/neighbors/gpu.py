"""Nearest neighbours on a GPU."""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from rmodels.config import config_context
from rmodels.ops import device
from rmodels.ops.nearest import index, nearest, within
from rmodels_evidence import gpu
from rmodels_evidence.problem import Options

__all__ = ["CASES", "MORE_CASES", "neighbors_on_gpu"]

_CHECKED = 16  # queries that are compared with the processor
_ON_PROCESSOR = 1 << 30  # pairs of queries and points that the processor is timed with, at most
_GOAL = (1_000_000, 10_000, 128, 10)
_RATE = (100_000, 16_384, 128, 10)  # of the goal that counts operations
# Points, queries, features and k: in a quick run, and what a full one adds.
CASES = [*((n, 512, 128, 10) for n in (10_000, 100_000, 1_000_000)), _RATE, _GOAL]
MORE_CASES = [
    *((1_000_000, 10_000, 128, k) for k in (1, 100, 1024)),
    *((1_000_000, 10_000, d, 10) for d in (16, 48, 768)),
]


def neighbors_on_gpu(options: Options) -> Iterator[gpu.GPUProblem]:
    """Yield searches over points, queries, features and k."""
    cases = CASES if options.quick else CASES + MORE_CASES
    if options.rehearsal:
        cases = [(70, 20, 4, 3)]
    for case in cases:
        name = "gpu-knn-" + "-".join(map(str, case))
        yield gpu.GPUProblem(name, partial(_searches, *case), has_goal=case in (_GOAL, _RATE))


def _searches(n: int, m: int, d: int, k: int, limits: gpu.Limits) -> Iterator[gpu.Line]:
    """Measure k nearest neighbours, those within a radius, and the index; then others."""
    import torch

    where = device.device()
    name = f"{m} queries, {n} x {d}, k = {k}"
    X = torch.randn(n, d, device=where)
    queries = [torch.randn(m, d, device=where) for _ in range(gpu.TURNS)]
    built = index(X)
    found = nearest(built, queries[0], k)
    _check(X, queries[0], k, found, name)
    seconds = gpu.on_device([partial(nearest, built, q, k) for q in queries], 9)
    operations = 2.0 * n * m * d
    goal = None
    if (n, m, d, k) == _GOAL:
        goal = gpu.GPUGoal("8 ms", 8e-3)
    if (n, m, d, k) == _RATE:
        goal = gpu.GPUGoal("150 TFLOP/s", operations / 150e12)
    share = operations / limits.half / seconds
    yield gpu.Line(name, "rmodels gpu, indexed", seconds, share, goal)
    yield gpu.Line(name, "rmodels gpu, indexing", gpu.on_device([partial(index, X)], 3))
    radius = float(np.median(gpu.to_numpy(found[0][:, -1])))
    inside = gpu.on_device([partial(within, built, q, radius) for q in queries], 5)
    yield gpu.Line(f"{name}: radius", "rmodels gpu, indexed", inside)
    for label, peer in _peers(X, k).items():
        theirs = gpu.on_device([partial(peer, q) for q in queries], 5)
        yield gpu.Line(name, label, theirs)
    if n * m <= _ON_PROCESSOR:
        yield from _from_the_host(name, gpu.to_numpy(X), gpu.to_numpy(queries[0]), k)


def _from_the_host(name: str, X: Any, Q: Any, k: int) -> list[gpu.Line]:
    """Return the times of both engines on data in main memory."""
    with config_context(engine="gpu"):
        copied = gpu.on_host(lambda: nearest(index(X), Q, k), 3)
    with config_context(engine="auto"):
        here = gpu.on_host(lambda: nearest(index(X), Q, k), 3)
    return [
        gpu.Line(name, "rmodels gpu, with indexing and copy", copied),
        gpu.Line(name, "rmodels cpu, with indexing", here),
    ]


def _check(X: Any, Q: Any, k: int, found: Any, name: str) -> None:
    """Compare some queries with the processor, index by index."""
    with config_context(engine="auto"):
        truth = nearest(index(gpu.to_numpy(X)), gpu.to_numpy(Q[:_CHECKED]), k)
    for ours, theirs in zip(found, truth, strict=True):
        if not np.array_equal(gpu.to_numpy(ours[:_CHECKED]), theirs):
            raise AssertionError(f"{name}: the neighbours are not those of the processor")


def _peers(X: Any, k: int) -> dict[str, Callable[[Any], Any]]:
    """Return the peers that are installed."""
    import torch

    block = 1024
    squares = (X * X).sum(dim=1)

    def distances(Q: Any) -> Any:
        return [torch.cdist(q, X).topk(k, largest=False) for q in Q.split(block)]

    def product(Q: Any) -> Any:
        return [
            torch.addmm(squares, q, X.T, alpha=-2).topk(k, largest=False) for q in Q.split(block)
        ]

    peers: dict[str, Callable[[Any], Any]] = {
        "torch cdist + topk": distances,
        "torch product + topk": product,
    }
    if importlib.util.find_spec("faiss") is not None:
        import faiss

        if hasattr(faiss, "StandardGpuResources"):
            flat = faiss.GpuIndexFlatL2(faiss.StandardGpuResources(), X.shape[1])
            flat.add(X.cpu().numpy())
            peers["FAISS, exact, with copy"] = lambda Q: flat.search(Q.cpu().numpy(), k)
    if importlib.util.find_spec("cuml") is not None:
        from cuml.neighbors import NearestNeighbors

        model = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(X)
        peers["cuML, brute"] = model.kneighbors
    return peers
