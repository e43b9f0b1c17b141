"""Moments and gradient descent on a GPU."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import rmodels
from rmodels.config import config_context
from rmodels.ops import device
from rmodels.ops.descent import descent
from rmodels.ops.moments import moments
from rmodels_evidence import gpu

__all__ = ["MORE_SHAPES", "SHAPES", "STEPS", "linear_on_gpu"]

STEPS = 20  # of streamed gradient descent
# Rows and features: in a quick run, and what a full one adds.
SHAPES = [(200_000, 40), (1_000_000, 40), (1_000_000, 128)]
MORE_SHAPES = [(1_000_000, 512), (10_000_000, 128), (10_000_000, 512)]


def linear_on_gpu(limits: gpu.Limits, quick: bool) -> list[gpu.Line]:
    """Return the times of moments and gradient descent over rows and features."""
    import torch

    lines = []
    where = device.device()
    for n, d in SHAPES if quick else SHAPES + MORE_SHAPES:
        name = f"moments {n} x {d} float32"
        turns = gpu.TURNS if n * d < 1 << 31 else 1
        data = [
            (torch.randn(n, d, device=where) + 3.0, torch.randn(n, 1, device=where))
            for _ in range(turns)
        ]
        X, Y = data[0]
        head = X[: 1 << 17], Y[: 1 << 17]
        truth = moments(*(a.cpu().numpy() for a in head), engine="reference")
        error = np.abs(gpu.to_numpy(moments(*head).scatter) - truth.scatter).max()
        if not error <= 1e-10 * truth.scatter.diagonal().max():
            raise AssertionError(f"{name}: the error is {error}")
        seconds = gpu.on_device([partial(moments, *a) for a in data], 10)
        floor = max(X.nbytes / limits.bandwidth, n * d * (d + 1.0) / limits.double)
        lines.append(gpu.Line(name, "rmodels gpu, data there", seconds, floor / seconds))

        theirs = gpu.on_device([partial(_gram_product, a[0]) for a in data], 5)
        lines.append(gpu.Line(name, "torch: one Gram product in float64", theirs))
        if (n, d) == (10_000_000, 512):
            goal = f"at most 1.5 Gram products: {'met' if seconds <= 1.5 * theirs else 'missed'}"
            lines[-2] = gpu.Line(name, "rmodels gpu, data there", seconds, floor / seconds, goal)
        if n * d <= 1 << 27:
            host = X.cpu().numpy(), Y.cpu().numpy()
            with config_context(engine="gpu"):
                lines.append(
                    gpu.Line(
                        name,
                        "rmodels gpu, with copy",
                        gpu.on_host(partial(moments, *host), 5),
                    )
                )
            with config_context(engine="auto"):
                lines.append(gpu.Line(name, "rmodels cpu", gpu.on_host(partial(moments, *host), 3)))
        seconds = gpu.on_device([partial(_stream, *a) for a in data], 5)
        floor = (STEPS + 1) * X.nbytes / limits.bandwidth
        problem = f"{STEPS} streamed steps, {n} x {d}"
        lines.append(gpu.Line(problem, "rmodels gpu, data there", seconds, floor / seconds))
        if (n, d) == SHAPES[0]:
            lines += _descents(data)
    return lines


def _descents(data: Sequence[tuple[Any, Any]]) -> list[gpu.Line]:
    """Return the times of 1000 steps of gradient descent, by the estimator."""
    (n, d), host = data[0][0].shape, [gpu.to_numpy(part) for part in data[0]]
    truth, found = _descend(*host).coef_, gpu.to_numpy(_descend(*data[0]).coef_)
    if not np.abs(found - truth).max() <= 1e-6 * np.abs(truth).max():
        raise AssertionError("the coefficients are not those of the processor")
    name = f"1000 steps, {n} x {d}"
    there = gpu.on_device([partial(_descend, *each) for each in data], 20)
    with config_context(engine="auto"):
        here = gpu.on_host(partial(_descend, *host), 5)
    return [
        gpu.Line(name, "rmodels gpu, data there", there, None, gpu.compare_with_goal(there, 5e-4)),
        gpu.Line(name, "rmodels cpu", here),
    ]


def _descend(X: Any, Y: Any) -> "rmodels.LinearRegression":
    return rmodels.LinearRegression(iterations=1000, solver="moments").fit(X, Y[:, 0])


def _stream(X: Any, Y: Any) -> Any:
    """Return what gradient descent that reads every row in every iteration leads to."""
    start = np.zeros((X.shape[1] + 1, Y.shape[1]))
    return descent(X, Y, start, 0.01, STEPS)


def _gram_product(X: Any) -> Any:
    """Return XᵀX by the vendor's float64 product, a block of rows at a time."""
    import torch

    total = torch.zeros(X.shape[1], X.shape[1], dtype=torch.float64, device=X.device)
    for block in X.split(1 << 20):
        wide = block.double()
        total += wide.T @ wide
    return total
