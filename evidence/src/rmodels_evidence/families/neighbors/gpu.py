"""Nearest neighbours on a GPU."""

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from rmodels.config import config_context
from rmodels.ops import device
from rmodels.ops.nearest import index, nearest, within
from rmodels_evidence import gpu

__all__ = ["CASES", "MORE_CASES", "neighbors_on_gpu"]

_CHECKED = 16  # queries that are compared with the reference
_ON_PROCESSOR = 1 << 30  # pairs of queries and points that the processor is timed with, at most
# Points, queries, features and k: in a quick run, and what a full one adds.
CASES = [
    *((n, 512, 128, 10) for n in (10_000, 100_000, 1_000_000)),
    (100_000, 16_384, 128, 10),
    (1_000_000, 10_000, 128, 10),
]
MORE_CASES = [
    *((1_000_000, 10_000, 128, k) for k in (1, 100, 1024)),
    *((1_000_000, 10_000, d, 10) for d in (16, 48, 768)),
]


def neighbors_on_gpu(limits: gpu.Limits, quick: bool) -> list[gpu.Line]:
    """Return the times of searches over points, queries, features and k."""
    import torch

    lines: list[gpu.Line] = []
    where = device.device()
    for n, m, d, k in CASES if quick else CASES + MORE_CASES:
        name = f"{m} queries, {n} x {d}, k = {k}"
        X = torch.randn(n, d, device=where)
        queries = [torch.randn(m, d, device=where) for _ in range(gpu.TURNS)]
        built = index(X)
        found = nearest(built, queries[0], k)
        _check(X, queries[0], k, found, name)
        seconds = gpu.on_device([partial(nearest, built, q, k) for q in queries], 9)
        operations = 2.0 * n * m * d
        peers = {
            label: gpu.on_device([partial(peer, q) for q in queries], 5)
            for label, peer in _peers(X, k).items()
        }
        goal = ""
        if (n, m, d, k) == (1_000_000, 10_000, 128, 10):
            most = min(12e-3, 2.5 * operations / limits.half, peers[_BASELINE] / 5)
            goal = gpu.compare_with_goal(seconds, most)
        if (n, m) == (100_000, 16_384):
            goal = f"150 TFLOP/s: {'met' if operations / seconds >= 150e12 else 'missed'}"
        share = operations / limits.half / seconds
        lines.append(gpu.Line(name, "rmodels gpu, indexed", seconds, share, goal))
        lines.append(gpu.Line(name, "rmodels gpu, indexing", gpu.on_device([partial(index, X)], 3)))
        radius = float(np.median(gpu.to_numpy(found[0][:, -1])))
        inside = gpu.on_device([partial(within, built, q, radius) for q in queries], 5)
        lines.append(gpu.Line(f"{name}: radius", "rmodels gpu, indexed", inside))
        lines += [gpu.Line(name, label, time) for label, time in peers.items()]
        if n * m <= _ON_PROCESSOR:
            lines += _from_the_host(name, gpu.to_numpy(X), gpu.to_numpy(queries[0]), k)
    return lines


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
    """Compare some queries with the reference, index by index."""
    points, some = X.cpu().numpy(), Q[:_CHECKED].cpu().numpy()
    truth = nearest(index(points, engine="reference"), some, k)
    for ours, theirs in zip(found, truth, strict=True):
        if not np.array_equal(ours[:_CHECKED].cpu().numpy(), theirs):
            raise AssertionError(f"{name}: the neighbours are not those of the reference")


_BASELINE = "torch cdist + topk"


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
        _BASELINE: distances,
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
