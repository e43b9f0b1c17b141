"""How many kernels a call starts, and how often it waits for the device.

Counted in the interpreter, by the operations of PyTorch on the tensors that stand for the GPU's:
there, each starts at least one kernel, unless it only makes a view or memory.
"""

from collections import Counter

import numpy as np
import pytest

from rmodels import KMeans, LinearRegression
from rmodels.ops import device
from rmodels.ops.descent import descent
from rmodels.ops.nearest import index, nearest

if not device.is_interpreted():
    pytest.skip("for Triton's interpreter", allow_module_level=True)

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from triton.runtime.interpreter import GridExecutor

pytestmark = pytest.mark.gpu

NO_KERNEL = {
    *("alias", "detach", "empty", "expand", "is_pinned", "new_empty", "permute", "reshape"),
    *(
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "t",
        "transpose",
        "unsqueeze",
        "view",
        "_unsafe_view",
    ),
}
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "repeat_interleave"}
rng = np.random.default_rng(0)


class Counts(TorchDispatchMode):
    """Counts "launches", "waits" for an answer, and "uploads" of arrays."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.counts = Counter()
        run, copy = GridExecutor.__call__, torch.Tensor.cpu

        def launch(kernel, *args, **options):
            self.counts["launches"] += 1
            with _disable_current_modes():
                return run(kernel, *args, **options)

        self.largest = 0  # values that were copied at once

        def copied(tensor):
            self.counts["waits"] += 1
            self.largest = max(self.largest, tensor.numel())
            return copy(tensor)

        monkeypatch.setattr(GridExecutor, "__call__", launch)
        monkeypatch.setattr(torch.Tensor, "cpu", copied)

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        if name == "lift_fresh":
            self.counts["uploads"] += 1
        elif name in WAITS:
            self.counts["waits"] += 1
        elif name not in NO_KERNEL:
            self.counts["launches"] += 1
        return operation(*args, **(kwargs or {}))


def follow(call, monkeypatch):
    call()  # what is kept for later calls is there
    with monkeypatch.context() as patched:
        seen = Counts(patched)
        with seen:
            call()
    return seen


def counts_of(call, monkeypatch):
    return dict(follow(call, monkeypatch).counts)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rate", ["auto", 0.01])
def test_gradient_descent_waits_twice(dtype, rate, monkeypatch):
    for rows, steps in ((300, 10), (3000, 1000)):
        X = torch.tensor(rng.normal(size=(rows, 40)), dtype=dtype)
        model = LinearRegression(iterations=steps, learning_rate=rate, solver="moments")
        found = counts_of(lambda: model.fit(X, X[:, 0]), monkeypatch)  # noqa: B023
        assert found.pop("waits") == 2  # is y finite; the moments
        assert found.pop("uploads") == 1  # the coefficients
        assert found.pop("launches") == (14 if dtype == torch.float64 else 17)
        assert not found


def test_weights_cost_five_waits_more(monkeypatch):
    X, w = torch.tensor(rng.normal(size=(300, 40))), torch.tensor(rng.random(300))
    model = LinearRegression(iterations=10)
    found = counts_of(lambda: model.fit(X, X[:, 0], w), monkeypatch)
    assert found["waits"] == 7
    assert found["launches"] == 31


def test_no_step_of_the_stream_waits(monkeypatch):
    X, Y = torch.tensor(rng.normal(size=(50, 3))), torch.tensor(rng.normal(size=(50, 1)))
    few, many = (
        counts_of(lambda: descent(X, Y, np.zeros((4, 1)), 0.1, steps), monkeypatch)  # noqa: B023
        for steps in (5, 25)
    )
    assert "waits" not in few
    assert "waits" not in many
    assert many["launches"] - few["launches"] == 20 * 8


def test_a_block_of_queries_waits_twice(monkeypatch):
    built, Q = index(torch.tensor(rng.normal(size=(300, 8)))), torch.tensor(rng.normal(size=(9, 8)))
    found = counts_of(lambda: nearest(built, Q, 3), monkeypatch)
    assert found["waits"] == 2  # how many candidates; which queries are left to the fallback
    assert found["launches"] <= 70


@pytest.mark.parametrize("weighted", [False, True])
def test_an_iteration_of_k_means_waits_once(weighted, monkeypatch):
    X = torch.tensor(rng.random((1000, 3)))
    w = torch.tensor(rng.random(1000)) if weighted else None
    few, many = (
        counts_of(
            lambda: KMeans(5, init=X[:5], max_iter=steps, tol=0).fit(X, sample_weight=w),  # noqa: B023
            monkeypatch,
        )
        for steps in (2, 7)
    )
    assert {name: many[name] - few[name] for name in many} == {
        "waits": 5,  # for the sums
        "uploads": 5,  # of the centres
        "launches": 15,  # the sums begin at 0; labels; sums
    }


def test_k_means_copies_no_rows(monkeypatch):
    """Beside those that become centres: at most the squares of a block of rows, or bins."""
    X = torch.tensor(rng.random((6000, 3)))
    model = KMeans(3, random_state=0, max_iter=3)
    seen = follow(lambda: model.fit(X), monkeypatch)
    assert isinstance(model.labels_, torch.Tensor)
    assert seen.largest < len(X)
    seen = follow(lambda: (model.predict(X), model.transform(X), model.score(X)), monkeypatch)
    assert seen.largest < len(X)
