"""Moments, gradient descent and losses of linear predictors on a GPU."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import rmodels
from rmodels.config import config_context
from rmodels.ops import device
from rmodels.ops.descent import descent
from rmodels.ops.glm import evaluate
from rmodels.ops.moments import moments
from rmodels_evidence import gpu
from rmodels_evidence.problem import Options

__all__ = ["DESCENT", "MORE_SHAPES", "READ", "SHAPES", "linear_on_gpu"]

DESCENT = (200_000, 40)  # rows and features of the goal of gradient descent
READ = (10_000_000, 40)  # of the goals of one read
# In a quick run, and what a full one adds.
SHAPES = [(200_000, 40), (1_000_000, 40), (1_000_000, 128)]
MORE_SHAPES = [(1_000_000, 512), (10_000_000, 128), (10_000_000, 512)]
_STEPS = 20  # of streamed gradient descent
_CHECKED = 1 << 17  # rows whose sums are compared with the reference's


def linear_on_gpu(options: Options) -> Iterator[gpu.GPUProblem]:
    """Yield the problems over rows and features."""
    shapes, descents, read = SHAPES + MORE_SHAPES, DESCENT, READ
    if options.quick:
        shapes = SHAPES
    if options.rehearsal:
        shapes, descents, read = [(60, 4)], (60, 4), (60, 4)
    yield gpu.GPUProblem("gpu-descent", partial(_descents, *descents), has_goal=True)
    yield gpu.GPUProblem("gpu-glm-read", partial(_losses, *read), has_goal=True)
    for n, d in shapes:
        yield gpu.GPUProblem(f"gpu-moments-{n}-{d}", partial(_moments, n, d))
        yield gpu.GPUProblem(f"gpu-stream-{n}-{d}", partial(_streams, n, d))


def _draw(n: int, d: int) -> list[tuple[Any, Any]]:
    """Return what takes turns: rows and a target each, in float32 on the device."""
    import torch

    where = device.device()
    turns = gpu.TURNS if n * d < 1 << 31 else 1
    return [
        (torch.randn(n, d, device=where) + 3.0, torch.randn(n, 1, device=where))
        for _ in range(turns)
    ]


def _moments(n: int, d: int, limits: gpu.Limits) -> Iterator[gpu.Line]:
    name, data = f"moments {n} x {d} float32", _draw(n, d)
    X, Y = data[0]
    head = X[:_CHECKED], Y[:_CHECKED]
    truth = moments(*map(gpu.to_numpy, head), engine="reference")
    error = np.abs(gpu.to_numpy(moments(*head).scatter) - truth.scatter).max()
    if not error <= 1e-10 * truth.scatter.diagonal().max():
        raise AssertionError(f"{name}: the error is {error}")
    seconds = gpu.on_device([partial(moments, *a) for a in data], 10)
    theirs = gpu.on_device([partial(_gram_product, a[0]) for a in data], 5)
    floor = max(X.nbytes / limits.bandwidth, n * d * (d + 1.0) / limits.double)
    goal = None
    if (n, d) == (10_000_000, 512):
        goal = gpu.GPUGoal("1.5 Gram products", 1.5 * theirs)
    yield gpu.Line(name, "rmodels gpu, data there", seconds, floor / seconds, goal)
    yield gpu.Line(name, "torch: one Gram product in float64", theirs)
    if n * d <= 1 << 27:
        host = gpu.to_numpy(X), gpu.to_numpy(Y)
        with config_context(engine="gpu"):
            copied = gpu.on_host(partial(moments, *host), 5)
        yield gpu.Line(name, "rmodels gpu, with copy", copied)
        with config_context(engine="auto"):
            here = gpu.on_host(partial(moments, *host), 3)
        yield gpu.Line(name, "rmodels cpu", here)


def _streams(n: int, d: int, limits: gpu.Limits) -> Iterator[gpu.Line]:
    """Measure steps that read every row, and compare those over some rows with the reference."""
    data = _draw(n, d)
    X, Y = (part[:_CHECKED] for part in data[0])
    truth = _stream(gpu.to_numpy(X), gpu.to_numpy(Y), "reference").coefficients
    error = np.abs(gpu.to_numpy(_stream(X, Y).coefficients) - truth).max()
    if not error <= 1e-10 * np.abs(truth).max():
        raise AssertionError(f"the error is {error}")
    seconds = gpu.on_device([partial(_stream, *each) for each in data], 5)
    floor = (_STEPS + 1) * data[0][0].nbytes / limits.bandwidth
    name = f"{_STEPS} streamed steps, {n} x {d}"
    yield gpu.Line(name, "rmodels gpu, data there", seconds, floor / seconds)


def _descents(n: int, d: int, limits: gpu.Limits) -> Iterator[gpu.Line]:
    """Measure 1000 steps of gradient descent, by the estimator."""
    data = _draw(n, d)
    host = [gpu.to_numpy(part) for part in data[0]]
    truth, found = _descend(*host).coef_, gpu.to_numpy(_descend(*data[0]).coef_)
    if not np.abs(found - truth).max() <= 1e-6 * np.abs(truth).max():
        raise AssertionError("the coefficients are not those of the processor")
    name = f"1000 steps, {n} x {d}"
    there = gpu.on_device([partial(_descend, *each) for each in data], 20)
    yield gpu.Line(name, "rmodels gpu, data there", there, None, gpu.GPUGoal("0.3 ms", 3e-4))
    with config_context(engine="auto"):
        here = gpu.on_host(partial(_descend, *host), 5)
    yield gpu.Line(name, "rmodels cpu", here)


def _losses(n: int, d: int, limits: gpu.Limits) -> Iterator[gpu.Line]:
    """Measure one read of logistic loss and gradient, and one with the curvature."""
    import torch

    X = _draw(n, d)[0][0]
    y = (torch.rand(n, device=X.device) < 0.5).double()
    theta = torch.linspace(-0.1, 0.1, d + 1, device=X.device, dtype=torch.float64)[None]
    there = X[:_CHECKED], y[:_CHECKED], theta
    x, t, at = map(gpu.to_numpy, there)
    truth = evaluate(x, t, at, "logistic", engine="reference")
    x, t, at = there
    found = evaluate(x, t, at, "logistic")
    # twice what the contract allows for so many rows
    if not (np.abs(found.gradient - truth.gradient) <= 1e-12 * truth.magnitude).all():
        raise AssertionError("the gradient is not that of the reference")
    name = f"logistic loss and gradient, {n} x {d} float32"
    seconds = gpu.on_device([partial(evaluate, X, y, theta, "logistic")], 5)
    floor = X.nbytes / limits.bandwidth
    goal = gpu.goal_of_read(X.nbytes, limits)
    yield gpu.Line(name, "rmodels gpu, data there", seconds, floor / seconds, goal)
    curved = gpu.on_device([partial(evaluate, X, y, theta, "logistic", curvature=True)], 5)
    floor = max(floor, n * d * (d + 1.0) / limits.double)
    yield gpu.Line(f"{name}, curvature", "rmodels gpu, data there", curved, floor / curved)


def _descend(X: Any, Y: Any) -> "rmodels.LinearRegression":
    return rmodels.LinearRegression(iterations=1000, solver="moments").fit(X, Y[:, 0])


def _stream(X: Any, Y: Any, engine: str | None = None) -> Any:
    """Return what gradient descent that reads every row in every iteration leads to."""
    start, rate = np.zeros((X.shape[1] + 1, Y.shape[1])), 0.05 / X.shape[1]
    return descent(X, Y, start, rate, _STEPS, engine=engine)


def _gram_product(X: Any) -> Any:
    """Return XᵀX by the vendor's float64 product, a block of rows at a time."""
    import torch

    total = torch.zeros(X.shape[1], X.shape[1], dtype=torch.float64, device=X.device)
    for block in X.split(1 << 20):
        wide = block.double()
        total += wide.T @ wide
    return total
