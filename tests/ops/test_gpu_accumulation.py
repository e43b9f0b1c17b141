"""What tensor cores lose when they add products of float16, beside the constant in the bounds.

On a GPU it is that GPU's; in the interpreter it is NumPy's, which shows that the test can be met.
"""

import numpy as np
import pytest

from rmodels import ops
from rmodels.ops import device

if ops.unavailable("gpu") is not None:
    pytest.skip(f"the GPU engine cannot run: {ops.unavailable('gpu')}", allow_module_level=True)

import torch
import triton
import triton.language as tl

from rmodels.ops.nearest.gpu import accumulation_error

pytestmark = pytest.mark.gpu

SIZE = 16 if device.is_interpreted() else 128


@triton.jit
def scores_kernel(
    queries, points, scores, FEATURES: tl.constexpr, STEP: tl.constexpr, SIZE: tl.constexpr
):
    """Multiply (SIZE, FEATURES) by (SIZE, FEATURES)ᵀ as the first pass of the search does."""
    row, feature = tl.arange(0, SIZE), tl.arange(0, STEP)
    total = tl.zeros((SIZE, SIZE), dtype=tl.float32)
    for first in range(0, FEATURES, STEP):
        q = tl.load(queries + row[:, None] * FEATURES + first + feature[None, :])
        x = tl.load(points + row[None, :] * FEATURES + first + feature[:, None])
        total = tl.dot(q, x, total)
    tl.store(scores + row[:, None] * SIZE + row[None, :], total)


def hard(features, rng):
    """Yield factors whose products are hard to add."""
    shape = 2, SIZE, features
    yield "normal", rng.normal(size=shape)
    yield "positive", rng.random(shape) + 0.5
    yield "of all sizes", rng.normal(size=shape) * 2.0 ** rng.uniform(-12, 6, shape)
    large_first = rng.random(shape)
    large_first[:, :, 0] = 60
    yield "a large one, then small ones", large_first
    yield "small ones, then a large one", large_first[:, :, ::-1]
    cancelling = rng.normal(size=shape) * 30
    half = features // 2
    cancelling[0, :, half : 2 * half] = -cancelling[0, :, :half]
    cancelling[1, :, half : 2 * half] = cancelling[1, :, :half]
    yield "that cancel", cancelling
    # the largest of a block leaves just less than one last bit of each other
    tail = np.full(shape, 1 - 2.0**-11)
    tail[:, :, ::16] = 2.0**6
    tail[1, :, 1::2] = -tail[1, :, 1::2]
    yield "below the last bit", tail


@pytest.mark.parametrize(("features", "step"), [(16, 16), (64, 64), (128, 128), (1024, 64)])
def test_scores_err_less_than_the_constant(features, step, record_property):
    there = device.device()
    worst = 0.0
    for name, factors in hard(features, np.random.default_rng(features)):
        Q, X = np.asarray(factors, dtype=np.float16)
        scores = torch.empty((SIZE, SIZE), dtype=torch.float32, device=there)
        given = (torch.from_numpy(np.ascontiguousarray(part)).to(there) for part in (-2 * Q, X))
        options = {"num_warps": 8, "num_stages": 3, "enable_fp_fusion": True}
        scores_kernel[(1,)](*given, scores, FEATURES=features, STEP=step, SIZE=SIZE, **options)
        wide = (-2 * Q).astype(np.float64), X.astype(np.float64)
        exact = wide[0] @ wide[1].T
        sizes = np.linalg.norm(wide[0], axis=1)[:, np.newaxis] / 2 + np.linalg.norm(wide[1], axis=1)
        error = np.abs(scores.cpu().numpy() - exact) / sizes**2
        worst = max(worst, float(error.max()) / accumulation_error(features))
        assert (error <= accumulation_error(features)).all(), name
    record_property("share_of_the_constant", worst)
    print(f"{features} features: the largest error is {worst:.2%} of the bound")
