"""Compile what the GPU engine launches for a GPU that need not be there; print what came of it.

    python compile_kernels.py CAPABILITY

The engine's own code runs on tensors in main memory, and every launch is compiled as it would be on
a GPU of that compute capability, and not run. So constants, types and alignments are those that are
used. What kernels should have written holds NaN and the largest integers: the search falls back.
"""

import contextlib
import dataclasses
import io
import json
import re
import sys

import numpy as np
import torch
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from rmodels.ops import device
from rmodels.ops.assign import (
    Assignment,
    Seeding,
    Sums,
    add_centre,
    add_sums,
    find_gains,
    own_squares,
    reassign,
)
from rmodels.ops.descent import gradient
from rmodels.ops.moments import moments
from rmodels.ops.nearest import gpu, index, nearest, within
from rmodels.ops.nearest.packing import Metric

HERE = torch.device("cpu")


class Absent:
    """A driver for a GPU that is not there."""

    def __init__(self, capability):
        self.target = GPUTarget("cuda", capability, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0

    def get_current_target(self):
        return self.target


def compile_instead(capability):
    """Have launches compile; return the list to which each kernel is added."""
    driver.set_active(Absent(capability))
    knobs.nvidia.dump_ptxas_log = knobs.compilation.always_compile = True
    device.holds = lambda array: isinstance(array, torch.Tensor)
    device.device = lambda *arrays: HERE
    device.unavailable = lambda: None
    device.capability = lambda where: divmod(capability, 10)
    torch.use_deterministic_algorithms(True)  # fills what is not initialised
    run, compiled, seen = JITFunction.run, [], set()

    def launch(kernel, *args, grid, warmup, **options):
        log = io.StringIO()
        with contextlib.redirect_stdout(log):
            found = run(kernel, *args, grid=grid, warmup=True, **options)
        if id(found) in seen:
            return
        seen.add(id(found))
        types = zip(kernel.arg_names, found.src.signature.values(), strict=True)
        words = re.findall(r"\b(?:wgmma|mma|tcgen05|fma|sqrt|div)\.[\w.:]+", found.asm["ptx"])
        compiled.append(
            {
                "kernel": kernel.fn.__name__,
                "constants": {k: v for k, v in options.items() if k in kernel.arg_names},
                "types": {name: kind for name, kind in types if kind.startswith("*")},
                "shared": found.metadata.shared,
                "spilled": max(map(int, re.findall(r"(\d+) bytes spill", log.getvalue()))),
                "registers": max(map(int, re.findall(r"Used (\d+) reg", log.getvalue()))),
                "instructions": sorted(set(words)),
                "kept": found,  # so that its id stays its own
            }
        )

    JITFunction.run = launch
    return compiled


def data(n, d, dtype=torch.float32):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(n + d)).to(dtype)


def linear():
    for d in (5, 40, 70):
        for dtype in (torch.float32, torch.float64):
            X, Y, w = data(5000, d, dtype), data(5000, 1, dtype), data(5000, 1, dtype)[:, 0].abs()
            moments(X, Y, w)
            gradient(X, Y, np.zeros((d + 1, 1)), w, shift=np.zeros(d))
    X, Y = data(5000, 40, torch.bfloat16), data(5000, 9)
    moments(X, Y)
    gradient(X, Y, np.zeros((41, 9)))
    gradient(X.T.contiguous().T, Y, np.zeros((41, 9)), Y[:, 0].abs())


def clusters():
    for d in (2, 40, 128, 784):
        for dtype in (torch.float32, torch.float64):
            X, w = data(2000, d, dtype), data(2000, 1, dtype)[:, 0].abs()
            groups(X, None)
            groups(X, w)
    groups(data(2000, 40, torch.bfloat16), None)
    groups(data(2000, 40, torch.float16), None)
    groups(data(2000, 40).T.contiguous().T, None)


def groups(X, weights, k=100):
    """Go through the kernels of k-means."""
    d = X.shape[1]
    centres = np.zeros((k, d))
    sums, known = Sums.of(k, np.zeros(d), np.ones(d)), Assignment.of(len(X), X)
    squares = device.full(len(X), 0.0, np.float64, X)
    reassign(sums, X, centres, known, weights, squares)
    labels = device.full(len(X), 0, np.int32, X)
    add_sums(sums, X, labels, weights)
    own_squares(X, centres, labels)
    state = add_centre(Seeding.of(X, weights), centres[0])
    for count in (1, 6, 40):
        find_gains(state, centres[:count])


def search(d, dtype=torch.float32, metric="euclidean", p=2.0):
    X, Q = data(2 * gpu.GROUP * gpu.TILE, d, dtype), data(200, d, dtype)
    built = index(X, metric, p)
    nearest(built, Q, 10)
    within(built, Q, 1.0)


def euclidean():
    for d in (3, 48, 64, 128, 200, 768):
        search(d)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        search(16, dtype)


def other_metrics():
    for metric, p in (("cosine", 2.0), ("manhattan", 1.0), ("chebyshev", 1.0), ("minkowski", 3.0)):
        search(16, metric=metric, p=p)
    for p in (8.0, 16.0):
        search(16, metric="minkowski", p=p)


def many_groups():
    """From 1 to 5000 neighbours of so many points that they would not fit here."""
    X, Q = data(gpu.GROUP * gpu.TILE, 16), data(200, 16)
    points, metric = index(X).state, Metric.of("euclidean", 2.0)
    low, high = gpu._bounds(points, metric, Q, points.zeros)
    for k in (1, 10, 100, 1024, 5000):
        gpu._survivors(dataclasses.replace(points, n=1 << 30), metric, low, high, 200, k, 1000)


if __name__ == "__main__":
    results = compile_instead(int(sys.argv[1]))
    for case in (linear, clusters, euclidean, other_metrics, many_groups):
        case()
    for each in results:
        del each["kept"]
    print(json.dumps(results))
