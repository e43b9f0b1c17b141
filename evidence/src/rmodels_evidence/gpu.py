"""The suite "gpu": the operations on a GPU, beside the processor, peers and the device's limits.

Inputs are random and take turns, and the second-level cache is overwritten before each run. Times
are medians, by the device's events, after warming up. An answer is checked before its time is
shown.
"""

import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import rmodels
from rmodels.config import config_context
from rmodels.ops import device
from rmodels.ops.descent import descent
from rmodels.ops.moments import moments
from rmodels.ops.nearest import index, nearest, within

__all__ = ["GPUSuite", "Limits", "Line", "run_suite", "unavailable"]

_TURNS = 3  # inputs that take turns
_CHECKED = 16  # queries that are compared with the reference
_FLUSH = 1 << 28  # bytes, more than any second-level cache holds
_ON_PROCESSOR = 1 << 30  # pairs of queries and points that the processor is timed with, at most
_STEPS = 20  # of streamed gradient descent
# Rows and features; points, queries, features and k: in a quick run, and what a full one adds.
_SHAPES = [(200_000, 40), (1_000_000, 40), (1_000_000, 128)]
_MORE_SHAPES = [(1_000_000, 512), (10_000_000, 128), (10_000_000, 512)]
_CASES = [
    *((n, 512, 128, 10) for n in (10_000, 100_000, 1_000_000)),
    (100_000, 16_384, 128, 10),
    (1_000_000, 10_000, 128, 10),
]
_MORE_CASES = [
    *((1_000_000, 10_000, 128, k) for k in (1, 100, 1024)),
    *((1_000_000, 10_000, d, 10) for d in (16, 48, 768)),
]


@dataclass(frozen=True)
class Line:
    """A measured time.

    Attributes
    ----------
    problem, contender : str
    seconds : float
        The median.
    share : float or None
        Of the device's measured limit that is reached; None if there is no limit to compare with.
    goal : str
        "" if there is none, else what was to be reached and whether it was.
    """

    problem: str
    contender: str
    seconds: float
    share: float | None = None
    goal: str = ""


@dataclass(frozen=True)
class Limits:
    """What the device can do, as measured: bytes copied and operations per second."""

    bandwidth: float
    half: float
    double: float


@dataclass(frozen=True)
class GPUSuite:
    """What was measured on which device.

    Attributes
    ----------
    device : str
    limits : Limits
    lines : list of Line
    """

    device: str
    limits: Limits
    lines: list[Line]


def _on_device(runs: Sequence[Callable[[], Any]], repeats: int) -> float:
    """Return the median seconds of calls that take turns, by events."""
    import torch

    for run in runs:
        run()
    torch.cuda.synchronize()
    cache = torch.empty(_FLUSH, dtype=torch.int8, device="cuda")
    times = []
    for turn in range(repeats):
        cache.zero_()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        runs[turn % len(runs)]()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return statistics.median(times)


def _on_host(run: Callable[[], Any], repeats: int) -> float:
    """Return the median seconds of a call that waits for its answer."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _limits() -> Limits:
    """Measure a copy of 4 GiB and products of large matrices."""
    import torch

    source = [torch.randn(1 << 29, device="cuda") for _ in range(2)]
    target = torch.empty_like(source[0])
    copy = _on_device([partial(target.copy_, s) for s in source], 10)
    bandwidth = 2 * source[0].nbytes / copy
    rates = []
    for dtype, side in ((torch.float16, 8192), (torch.float64, 4096)):
        pairs = [torch.randn(2, side, side, device="cuda").to(dtype) for _ in range(_TURNS)]
        rates.append(2.0 * side**3 / _on_device([partial(torch.matmul, *p) for p in pairs], 10))
    return Limits(bandwidth, *rates)


def _host(tensor: Any) -> Any:
    return tensor.cpu().numpy()


def _met(seconds: float, most: float) -> str:
    return f"at most {1e3 * most:g} ms: {'met' if seconds <= most else 'missed'}"


def _linear(limits: Limits, quick: bool) -> list[Line]:
    """Moments and gradient descent over rows and features."""
    import torch

    lines = []
    where = device.device()
    for n, d in _SHAPES if quick else _SHAPES + _MORE_SHAPES:
        name = f"moments {n} x {d} float32"
        turns = _TURNS if n * d < 1 << 31 else 1
        data = [
            (torch.randn(n, d, device=where) + 3.0, torch.randn(n, 1, device=where))
            for _ in range(turns)
        ]
        X, Y = data[0]
        head = X[: 1 << 17], Y[: 1 << 17]
        truth = moments(*(a.cpu().numpy() for a in head), engine="reference")
        error = np.abs(_host(moments(*head).scatter) - truth.scatter).max()
        if not error <= 1e-10 * truth.scatter.diagonal().max():
            raise AssertionError(f"{name}: the error is {error}")
        seconds = _on_device([partial(moments, *a) for a in data], 10)
        floor = max(X.nbytes / limits.bandwidth, n * d * (d + 1.0) / limits.double)
        lines.append(Line(name, "rmodels gpu, data there", seconds, floor / seconds))

        theirs = _on_device([partial(_gram_product, a[0]) for a in data], 5)
        lines.append(Line(name, "torch: one Gram product in float64", theirs))
        if (n, d) == (10_000_000, 512):
            goal = f"at most 1.5 Gram products: {'met' if seconds <= 1.5 * theirs else 'missed'}"
            lines[-2] = Line(name, "rmodels gpu, data there", seconds, floor / seconds, goal)
        if n * d <= 1 << 27:
            host = X.cpu().numpy(), Y.cpu().numpy()
            with config_context(engine="gpu"):
                lines.append(
                    Line(
                        name,
                        "rmodels gpu, with copy",
                        _on_host(partial(moments, *host), 5),
                    )
                )
            with config_context(engine="auto"):
                lines.append(Line(name, "rmodels cpu", _on_host(partial(moments, *host), 3)))
        seconds = _on_device([partial(_stream, *a) for a in data], 5)
        floor = (_STEPS + 1) * X.nbytes / limits.bandwidth
        problem = f"{_STEPS} streamed steps, {n} x {d}"
        lines.append(Line(problem, "rmodels gpu, data there", seconds, floor / seconds))
        if (n, d) == _SHAPES[0]:
            lines += _descents(data)
    return lines


def _descents(data: Sequence[tuple[Any, Any]]) -> list[Line]:
    """Return the times of 1000 steps of gradient descent, by the estimator."""
    (n, d), host = data[0][0].shape, [_host(part) for part in data[0]]
    truth, found = _descend(*host).coef_, _host(_descend(*data[0]).coef_)
    if not np.abs(found - truth).max() <= 1e-6 * np.abs(truth).max():
        raise AssertionError("the coefficients are not those of the processor")
    name = f"1000 steps, {n} x {d}"
    there = _on_device([partial(_descend, *each) for each in data], 20)
    with config_context(engine="auto"):
        here = _on_host(partial(_descend, *host), 5)
    return [
        Line(name, "rmodels gpu, data there", there, None, _met(there, 5e-4)),
        Line(name, "rmodels cpu", here),
    ]


def _descend(X: Any, Y: Any) -> "rmodels.LinearRegression":
    return rmodels.LinearRegression(iterations=1000, solver="moments").fit(X, Y[:, 0])


def _stream(X: Any, Y: Any) -> Any:
    """Return what gradient descent that reads every row in every iteration leads to."""
    start = np.zeros((X.shape[1] + 1, Y.shape[1]))
    return descent(X, Y, start, 0.01, _STEPS)


def _gram_product(X: Any) -> Any:
    """Return XᵀX by the vendor's float64 product, a block of rows at a time."""
    import torch

    total = torch.zeros(X.shape[1], X.shape[1], dtype=torch.float64, device=X.device)
    for block in X.split(1 << 20):
        wide = block.double()
        total += wide.T @ wide
    return total


def _neighbors(limits: Limits, quick: bool) -> list[Line]:
    """Neighbours over points, queries, features and k."""
    import torch

    lines: list[Line] = []
    where = device.device()
    for n, m, d, k in _CASES if quick else _CASES + _MORE_CASES:
        name = f"{m} queries, {n} x {d}, k = {k}"
        X = torch.randn(n, d, device=where)
        queries = [torch.randn(m, d, device=where) for _ in range(_TURNS)]
        built = index(X)
        found = nearest(built, queries[0], k)
        _check(X, queries[0], k, found, name)
        seconds = _on_device([partial(nearest, built, q, k) for q in queries], 9)
        operations = 2.0 * n * m * d
        peers = {
            label: _on_device([partial(peer, q) for q in queries], 5)
            for label, peer in _peers(X, k).items()
        }
        goal = ""
        if (n, m, d, k) == (1_000_000, 10_000, 128, 10):
            most = min(12e-3, 2.5 * operations / limits.half, peers[_BASELINE] / 5)
            goal = _met(seconds, most)
        if (n, m) == (100_000, 16_384):
            goal = f"150 TFLOP/s: {'met' if operations / seconds >= 150e12 else 'missed'}"
        share = operations / limits.half / seconds
        lines.append(Line(name, "rmodels gpu, indexed", seconds, share, goal))
        lines.append(Line(name, "rmodels gpu, indexing", _on_device([partial(index, X)], 3)))
        radius = float(np.median(_host(found[0][:, -1])))
        inside = _on_device([partial(within, built, q, radius) for q in queries], 5)
        lines.append(Line(f"{name}: radius", "rmodels gpu, indexed", inside))
        lines += [Line(name, label, time) for label, time in peers.items()]
        if n * m <= _ON_PROCESSOR:
            lines += _from_the_host(name, _host(X), _host(queries[0]), k)
    return lines


def _from_the_host(name: str, X: Any, Q: Any, k: int) -> list[Line]:
    """Return the times of both engines on data in main memory."""
    with config_context(engine="gpu"):
        copied = _on_host(lambda: nearest(index(X), Q, k), 3)
    with config_context(engine="auto"):
        here = _on_host(lambda: nearest(index(X), Q, k), 3)
    return [
        Line(name, "rmodels gpu, with indexing and copy", copied),
        Line(name, "rmodels cpu, with indexing", here),
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


def unavailable() -> str | None:
    """Return why there is no GPU to measure, or None if there is one."""
    if device.interpreted():
        return "Triton's interpreter (TRITON_INTERPRET=1) stands in for it, which is far too slow"
    return device.unavailable()


def run_suite(quick: bool = False) -> GPUSuite:
    """Measure everything.

    Parameters
    ----------
    quick : bool
        The smaller shapes only.

    Raises
    ------
    RuntimeError
        If there is no GPU; the message says why.
    AssertionError
        If an answer is wrong.
    """
    reason = unavailable()
    if reason:
        raise RuntimeError(f"the suite gpu cannot run: {reason}")
    import torch

    limits = _limits()
    lines = [*_linear(limits, quick), *_neighbors(limits, quick)]
    return GPUSuite(torch.cuda.get_device_name(), limits, lines)
