"""k-means on a GPU."""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from rmodels import KMeans
from rmodels.config import config_context
from rmodels.ops import device
from rmodels_evidence import gpu
from rmodels_evidence.problem import Options

__all__ = ["CASES", "MORE_CASES", "clusters_on_gpu"]

_ITERATIONS = 20
_CHECKED = 1 << 17  # rows whose clusters are compared with the processor's
_ON_PROCESSOR = 1 << 33  # products of an iteration that the processor is timed with, at most
# Rows, columns and clusters: in a quick run, and what a full one adds.
CASES = [(200_000, 40, 100), (1_000_000, 128, 1000)]
MORE_CASES = [(10_000_000, 40, 100), (1_000_000, 784, 100), (100_000, 2, 5000)]


def clusters_on_gpu(options: Options) -> Iterator[gpu.GPUProblem]:
    """Yield fits over rows, columns and clusters."""
    cases = CASES if options.quick else CASES + MORE_CASES
    if options.rehearsal:
        cases = [(70, 4, 3)]
    for case in cases:
        name = "gpu-k-means-" + "-".join(map(str, case))
        yield gpu.GPUProblem(name, partial(_fits, *case))


def _fit(X: Any, k: int) -> KMeans:
    """Go through so many iterations from the first rows."""
    return KMeans(k, init=X[:k], max_iter=_ITERATIONS, tol=0).fit(X)


def _fits(n: int, d: int, k: int, limits: gpu.Limits) -> Iterator[gpu.Line]:
    import torch

    name = f"{_ITERATIONS} iterations of k-means, {n} x {d}, {k} clusters"
    X = torch.randn(n, d, device=device.device())
    some = X[:_CHECKED]
    found, truth = _fit(some, k), _fit(gpu.to_numpy(some), k)
    for ours, theirs in (
        (found.labels_, truth.labels_),
        (found.cluster_centers_, truth.cluster_centers_),
    ):
        if not np.array_equal(gpu.to_numpy(ours), theirs):
            raise AssertionError(f"{name}: the clusters are not those of the processor")
    seconds = gpu.on_device([partial(_fit, X, k)], 5)
    yield gpu.Line(name, "rmodels gpu, data there", seconds)
    for label, peer in _peers(k).items():
        yield gpu.Line(name, label, gpu.on_device([partial(peer, X)], 5))
    if n * d * k <= _ON_PROCESSOR:
        with config_context(engine="auto"):
            here = gpu.on_host(partial(_fit, gpu.to_numpy(X), k), 1)
        yield gpu.Line(name, "rmodels cpu", here)


def _peers(k: int) -> dict[str, Callable[[Any], Any]]:
    """Return the peers that are installed, with as many iterations."""
    peers: dict[str, Callable[[Any], Any]] = {"torch product + argmin": partial(_by_products, k)}
    if importlib.util.find_spec("flash_kmeans") is not None:
        from flash_kmeans import batch_kmeans_Euclid

        def flash(X: Any) -> Any:
            start = X[None, :k].contiguous()
            return batch_kmeans_Euclid(
                X[None], n_clusters=k, max_iters=_ITERATIONS, tol=0.0, init_centroids=start
            )

        peers["flash-kmeans"] = flash
    return peers


def _by_products(k: int, X: Any) -> Any:
    """Follow Lloyd's algorithm in float32, by a product of matrices for each block of rows."""
    import torch

    centres, block = X[:k], max(1, (1 << 28) // k)
    for _ in range(_ITERATIONS):
        squares = (centres * centres).sum(dim=1)
        labels = torch.cat(
            [torch.addmm(squares, x, centres.T, alpha=-2).argmin(dim=1) for x in X.split(block)]
        )
        counts = torch.bincount(labels, minlength=k)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, labels, X)
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return centres
