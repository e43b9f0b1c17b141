"""Where Triton's interpreter computes otherwise than what Triton compiles.

A Python float that is passed to a kernel is one of 64 bits in the interpreter, and of 32 compiled:
so those that are passed are numbers of 32 bits, and what kernels compute of them has the same bits
either way. Integers have 32 bits in both, and wrap without a word: `test_gpu.py` reads arrays whose
offsets do not fit.
"""

from pathlib import Path

import numpy as np
import pytest

from rmodels.ops import device
from rmodels.ops.descent import gradient
from rmodels.ops.moments import moments
from rmodels.ops.nearest import index, nearest

if not device.is_interpreted():
    pytest.skip("for Triton's interpreter", allow_module_level=True)

import torch
import triton.language as tl
from compile_kernels import groups
from triton.runtime import interpreter

from rmodels.ops.nearest import gpu
from rmodels.ops.nearest.packing import Metric

pytestmark = pytest.mark.gpu

KERNELS = Path(gpu.__file__).parents[1]
METRICS = [
    ("euclidean", 2.0),
    ("cosine", 2.0),
    ("manhattan", 1.0),
    ("chebyshev", 1.0),
    ("minkowski", 3.0),
    ("minkowski", 7.0),
]
SIZES = 2.0**-30, 1.0, 3.0e9, 2.0**300  # by which the scale of packed points and the ceiling differ


def data(size=1.0):
    rng = np.random.default_rng(0)
    return (torch.tensor(size * rng.normal(size=(n, 5))) for n in (70, 9))


@pytest.fixture(autouse=True)
def quiet():
    """The interpreter is NumPy, which warns where a GPU does not."""
    with np.errstate(all="ignore"):
        yield


class Floats:
    """The floats that each kernel gets: of 32 bits where they are to be narrow, as compiled."""

    def __init__(self):
        self.given, self.narrow = {}, False

    def take(self, kernel, argument):
        if not isinstance(argument, float):
            return argument
        self.given[kernel].append(argument)
        if not self.narrow:
            return argument
        handle = interpreter.TensorHandle(np.array([argument], np.float32), tl.float32)
        return tl.tensor(handle, tl.float32)


@pytest.fixture
def floats(monkeypatch):
    found, call = Floats(), interpreter.GridExecutor.__call__

    def launch(kernel, *arguments, **options):
        name = kernel.fn.__name__
        found.given.setdefault(name, [])
        return call(kernel, *(found.take(name, each) for each in arguments), **options)

    monkeypatch.setattr(interpreter.GridExecutor, "__call__", launch)
    return found


def test_floats_have_32_bits(floats):
    X, Q = data()
    gradient(X, X[:, :1], np.zeros((6, 1)))
    moments(X, X[:, :1])
    groups(X, X[:, 0].abs())
    for size in SIZES:
        X, Q = data(size)
        for metric, p in METRICS:
            nearest(index(X, metric, p), Q, 3)
    words = " ".join(path.read_text("utf-8") for path in KERNELS.glob("*/kernels.py")).split()
    assert floats.given.keys() == {word.partition("(")[0] for word in words if "_kernel(" in word}
    assert sum(map(len, floats.given.values())) > 0
    for kernel, passed in floats.given.items():
        assert passed == [float(np.float32(each)) for each in passed], kernel


@pytest.mark.parametrize(("metric", "p"), METRICS)
def test_of_32_bits_they_give_the_same_bits(metric, p, floats):
    found = []
    for width in (64, 32):
        floats.narrow = width == 32
        for size in SIZES:
            X, Q = data(size)
            points, kind = index(X, metric, p).state, Metric.of(metric, p)
            zeros = torch.zeros(len(Q), dtype=torch.int8)
            low, high = gpu._bounds(points, kind, Q, zeros)
            found.append((low, high, *gpu._survivors(points, kind, low, high, len(Q), 3, 9)[1:]))
    for wide, compiled in zip(found[: len(SIZES)], found[len(SIZES) :], strict=True):
        for a, b in zip(wide, compiled, strict=True):
            assert torch.equal(a, b)
