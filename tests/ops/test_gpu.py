"""What only the GPU engine has: tensors, blocks, and reasons why it cannot run."""

import subprocess
import sys

import numpy as np
import pytest

from rmodels import ops
from rmodels.config import config_context
from rmodels.data import arrays
from rmodels.ops import device

pytestmark = pytest.mark.gpu

HERE = ops.unavailable("gpu")


def test_not_imported_unless_used():
    program = (
        "import sys, numpy as np, rmodels\n"
        "rmodels.LinearRegression().fit(np.eye(3), np.arange(3.0))\n"
        "assert not {'torch', 'triton'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.skipif(HERE is None, reason="the GPU engine can run here")
def test_says_why_it_cannot_run():
    with pytest.raises(RuntimeError, match="engine='gpu' cannot run"):
        ops.choose("moments", "gpu")


@pytest.mark.parametrize("module", ["torch", "triton"])
def test_names_the_package_that_is_missing(module, monkeypatch):
    find = device.importlib.util.find_spec
    monkeypatch.setattr(
        device.importlib.util, "find_spec", lambda name: None if name == module else find("json")
    )
    reason = device.unavailable.__wrapped__()
    assert reason == f"the package {module} is not installed: pip install 'rmodels[gpu]'"


def test_numpy_arrays_are_neither_adopted_nor_on_the_gpu():
    X = np.ones((2, 3))
    assert arrays.adopt(X) is X
    assert arrays.as_kind_of(X, X) is X
    assert not arrays.on_gpu(X)
    assert arrays.adopt([[1.0]]) == [[1.0]]


@pytest.mark.skipif(device.is_interpreted(), reason="to the interpreter, tensors are on the GPU")
def test_tensors_on_the_processor_become_arrays_and_results_tensors():
    torch = pytest.importorskip("torch", reason="the extra gpu is not installed: PyTorch")
    X = torch.ones((2, 3), requires_grad=True)
    adopt = arrays.adopt(X)
    assert isinstance(adopt, np.ndarray)
    assert adopt.ctypes.data == X.data_ptr()
    result = arrays.as_kind_of(adopt, X)
    assert isinstance(result, torch.Tensor)
    assert result.data_ptr() == X.data_ptr()


pytestmark_gpu = pytest.mark.skipif(HERE is not None, reason=f"the GPU engine cannot run: {HERE}")


def tensors(*values):
    import torch

    return [torch.from_numpy(value).to(device.device()) for value in values]


@pytestmark_gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_tensors_in_tensors_out(dtype):
    import torch

    from rmodels.ops.moments import moments
    from rmodels.ops.nearest import index, nearest, within

    rng = np.random.default_rng(0)
    X, Y, Q = (
        tensor.to(getattr(torch, dtype))
        for tensor in tensors(
            rng.normal(size=(70, 19)), rng.normal(size=(70, 1)), rng.normal(size=(9, 19))
        )
    )
    wide = [tensor.double().cpu().numpy() for tensor in (X, Y, Q)]
    found, truth = moments(X, Y), moments(*wide[:2], engine="reference")
    assert found.engine == "gpu"
    assert found.mean.device == X.device
    np.testing.assert_allclose(found.scatter.cpu(), truth.scatter, rtol=1e-12, atol=1e-12)
    built, reference = index(X), index(wide[0], engine="reference")
    for ours, theirs in ((Q, wide[2]), (None, None)):
        pairs = zip(nearest(built, ours, 4), nearest(reference, theirs, 4), strict=True)
        for a, b in (
            *pairs,
            *zip(within(built, ours, 5.0), within(reference, theirs, 5.0), strict=True),
        ):
            assert a.device == X.device
            np.testing.assert_array_equal(a.cpu(), b)


@pytestmark_gpu
def test_other_engines_refuse_tensors_on_the_gpu():
    from rmodels.ops.moments import moments

    X, Y = tensors(np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(RuntimeError, match="engine='reference' cannot run: the data is on the GPU"):
        moments(X, Y, engine="reference")


@pytestmark_gpu
def test_moments_and_gradient_in_blocks(monkeypatch):
    from rmodels.ops.descent import gpu as descent
    from rmodels.ops.moments import gpu as moments
    from rmodels.ops.moments import reference

    rng = np.random.default_rng(1)
    X, Y, w = rng.normal(size=(100, 5)) + 9, rng.normal(size=(100, 2)), rng.random(100)
    monkeypatch.setattr(moments, "BLOCK_BYTES", 8 * 8 * 33)
    monkeypatch.setattr(descent, "BLOCK_BYTES", 8 * 7 * 33)
    found, truth = moments.moments(X, Y, w, None), reference.moments(X, Y, w, None)
    np.testing.assert_allclose(found.scatter, truth.scatter, rtol=1e-12, atol=1e-12)
    start = rng.normal(size=(6, 2))
    blocks = descent.gradient(X, Y, start, w, None, None)
    monkeypatch.setattr(descent, "BLOCK_BYTES", 1 << 28)
    whole = descent.gradient(X, Y, start, w, None, None)
    np.testing.assert_allclose(blocks.gradient, whole.gradient, rtol=1e-13)


@pytestmark_gpu
@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_clusters_in_blocks(there, weighted, monkeypatch):
    """Of rows here or there, the results are the same, and where the rows are."""
    from rmodels.ops import assign as operation
    from rmodels.ops.assign import gpu

    monkeypatch.setattr(gpu, "BLOCK_BYTES", 1 << 14)
    rng = np.random.default_rng(11)
    X, centres = rng.normal(size=(2500, 5)).astype(np.float32), rng.normal(size=(7, 5))
    w = rng.random(2500) if weighted else None
    given = [X, w]
    if there:
        given = [None if each is None else tensors(each)[0] for each in given]

    def found_by(engine, X, w):
        seen = operation.Assignment.of(len(X), X)
        sums = operation.Sums.of(7, np.full(5, 0.1), np.full(5, 9.0))
        squares = device.full(len(X), 0.0, np.float64, X)
        sums = operation.reassign(sums, X, centres, seen, w, squares, engine=engine)
        before = seen.labels + 0
        sums = operation.reassign(sums, X, centres[::-1] * 0.7, seen, w, engine=engine)
        state = operation.Seeding.of(X, w)
        for centre in centres[:3]:
            state = operation.add_centre(state, centre, engine=engine)
        rows = before, seen.labels, squares, state.closest, state.nearest
        rest = (
            operation.assign(X, centres, engine=engine),
            operation.own_squares(X, centres, before, engine=engine),
        )
        few = (
            sums.limbs,
            operation.add_sums(sums, X, seen.labels, w, before, engine=engine).limbs,
            *operation.find_range(X, engine=engine),
            operation.find_gains(state, centres, engine=engine),
            state.potentials,
        )
        return (*rows, *rest), few

    rows, few = found_by("gpu", *given)
    expected, expected_few = found_by("reference", X, w)
    for ours, theirs in zip(rows, expected, strict=True):
        assert type(ours) is type(given[0])
        np.testing.assert_array_equal(arrays.on_host(ours), theirs)
    for ours, theirs in zip(few, expected_few, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytestmark_gpu
@pytest.mark.parametrize("strides", [(1, 1 << 30), (1 << 30, 1)])
def test_offsets_beyond_32_bits(strides):
    """Of three rows or three columns, 2³⁰ values apart; what is between them is never written."""
    import torch

    from rmodels.ops.descent import gradient
    from rmodels.ops.moments import moments

    far = torch.empty((2 << 30) + 70, dtype=torch.float16, device=device.device())
    shape = (70, 3) if strides[0] == 1 else (3, 70)
    rng = np.random.default_rng(2)
    near = tensors(rng.normal(size=shape).astype(np.float16))[0]
    there = far.as_strided(shape, strides)
    there.copy_(near)
    w, start = there[:, 0].abs(), rng.normal(size=(shape[1] + 1, shape[1]))
    found, expected = (
        gradient(there, there, start, w),
        gradient(near, near, start, near[:, 0].abs()),
    )
    assert torch.equal(found.gradient, expected.gradient)
    assert torch.equal(found.losses, expected.losses)
    found, expected = moments(there, there, w), moments(near, near, near[:, 0].abs())
    assert torch.equal(found.scatter, expected.scatter)
    pairs = zip(of_clusters(there), of_clusters(near), strict=True)
    assert all(np.array_equal(found, expected) for found, expected in pairs)


def of_clusters(X):
    """Yield what each kernel of k-means says of rows."""
    from rmodels.ops import assign as operation

    centres = np.random.default_rng(3).normal(size=(3, X.shape[1]))
    seen, squares = operation.Assignment.of(len(X), X), device.full(len(X), 0.0, np.float64, X)
    sums = operation.Sums.of(3, centres[0], np.full(X.shape[1], 9.0))
    yield operation.reassign(sums, X, centres, seen, None, squares).limbs
    yield from (seen.labels.cpu(), squares.cpu(), *operation.find_range(X))
    state = operation.add_centre(operation.Seeding.of(X), centres[0])
    yield from (state.closest.cpu(), operation.find_gains(state, centres))


@pytestmark_gpu
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("iterations", [0, 1, 2, 7, 64, 1000])
def test_steps_from_moments(iterations, fit_intercept):
    from rmodels.ops.descent import reference
    from rmodels.ops.descent.gpu import steps_from_moments
    from rmodels.ops.moments import moments

    rng = np.random.default_rng(2)
    X, Y = rng.normal(size=(50, 4)) + 0.5, rng.normal(size=(50, 2))
    found = steps_from_moments(moments(*tensors(X, Y)), 0.1, iterations, fit_intercept)
    truth = reference.descent(X, Y, np.zeros((5, 2)), 0.1, iterations, None, fit_intercept, None)
    np.testing.assert_allclose(found.coefficients.cpu(), truth.coefficients, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.losses.cpu(), truth.losses, rtol=1e-13)


@pytestmark_gpu
def test_index_in_parts_and_queries_in_blocks(monkeypatch):
    from rmodels.ops.nearest import gpu, index, nearest, within

    rng = np.random.default_rng(3)
    part = 2 * gpu.GROUP * gpu.TILE
    X, Q = rng.integers(-2, 3, (2 * part + 7, 3)) * 0.1, rng.integers(-2, 3, (40, 3)) * 0.1
    monkeypatch.setattr(gpu, "build", lambda built: part)
    monkeypatch.setattr(gpu, "count_queries", lambda *_: 16)
    built, truth = index(X, engine="gpu"), index(X, engine="reference")
    for k in (1, 9, len(X)):
        for a, b in zip(nearest(built, Q, k), nearest(truth, Q, k), strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(within(built, Q, 0.15), within(truth, Q, 0.15), strict=True):
        np.testing.assert_array_equal(a, b)


@pytestmark_gpu
def test_fallback_serves_the_queries_for_which_too_many_groups_survive(monkeypatch):
    from rmodels.ops.nearest import gpu, index, nearest

    rng = np.random.default_rng(4)
    n = 128 * gpu.GROUP
    X = np.where(rng.random((n, 1)) < 0.7, 0.3, rng.normal(size=(n, 3)) * 3)
    Q = np.concatenate([np.full((5, 3), 0.3), rng.normal(size=(20, 3)) * 3])
    served = []
    search = gpu.search_exhaustively
    monkeypatch.setattr(
        gpu, "search_exhaustively", lambda *given: served.append(len(given[2])) or search(*given)
    )
    built, truth = index(X, engine="gpu"), index(X, engine="reference")
    monkeypatch.setattr(gpu, "count_candidates", lambda k: 2 * k)
    for a, b in zip(nearest(built, Q, 5), nearest(truth, Q, 5), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(served) == 1
    assert 5 <= served[0] < len(Q)


@pytestmark_gpu
def test_scores_err_less_than_the_bound():
    """On a device: what its tensor cores lose. The bounds must hold the true group minima."""
    from rmodels.ops.nearest import gpu, index
    from rmodels.ops.nearest.packing import Metric

    rng = np.random.default_rng(5)
    metric = Metric.of("euclidean", 2.0)
    for d in (3, 40) if device.is_interpreted() else (3, 64, 128, 1000):
        n = 3 * gpu.GROUP * gpu.TILE if device.is_interpreted() else 1 << 15
        X, Q = rng.exponential(size=(n, d)) ** 3, rng.exponential(size=(16, d)) ** 3
        points = index(X, engine="gpu").state
        there = tensors(Q)[0]
        low, high = gpu._bounds(points, metric, there, there)
        true = np.stack([np.sqrt(((X - q) ** 2).sum(axis=1)) for q in Q]) * 2.0**points.exponent
        least = true.reshape(len(Q), -1, gpu.GROUP).min(axis=2)
        low, high = (
            part[: len(Q), : least.shape[1]].double().cpu().numpy() for part in (low, high)
        )
        assert (low <= least).all()
        assert (least <= high).all()
        assert np.median(high - low) < 0.1 * np.median(least)  # bounds that say something


@pytestmark_gpu
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine", "minkowski"])
def test_hard_values(metric):
    from test_nearest import DISTRIBUTIONS

    from rmodels.ops.nearest import index, nearest, within

    rows = 40 if device.is_interpreted() else 300
    for name, X in DISTRIBUTIONS.items():
        X = np.ascontiguousarray(X[-rows:])
        with np.errstate(over="ignore"):
            Q = np.concatenate(
                [X[:3], X[3:6] / 2 + X[9:12] / 2, np.clip(X[:2] * 1e9, -1e308, 1e308)]
            )
        with np.errstate(over="ignore", invalid="ignore"):
            truth = index(X, metric, 3.0, engine="reference")
            built = index(X, metric, 3.0, engine="gpu")
            pairs = list(zip(nearest(built, Q, 7), nearest(truth, Q, 7), strict=True))
            radius = float(pairs[0][1][0, 4])
            pairs += zip(within(built, Q, radius), within(truth, Q, radius), strict=True)
        for a, b in pairs:
            np.testing.assert_array_equal(a, b, err_msg=name)


@pytestmark_gpu
@pytest.mark.parametrize("p", [0.5, 1.5, 9, 17])
def test_powers_without_bounds(p):
    from rmodels.ops.nearest import index, nearest, within

    rng = np.random.default_rng(6)
    X, Q = rng.normal(size=(150, 3)), rng.normal(size=(5, 3))
    built, truth = (
        index(X, "minkowski", p, engine="gpu"),
        index(X, "minkowski", p, engine="reference"),
    )
    for (d, i), (e, j) in (
        (nearest(built, Q, 7), nearest(truth, Q, 7)),
        (within(built, Q, 1.0)[1:], within(truth, Q, 1.0)[1:]),
    ):
        np.testing.assert_allclose(d, e, rtol=1e-13)
        np.testing.assert_array_equal(i, j)


@pytestmark_gpu
def test_blocks_keep_the_memory_limit():
    from rmodels.ops.nearest import index, nearest

    X = np.random.default_rng(7).normal(size=(300, 2))
    with config_context(memory_limit=1 << 20):
        found = nearest(index(X, engine="gpu"), X, 2)
    for a, b in zip(found, nearest(index(X, engine="reference"), X, 2), strict=True):
        np.testing.assert_array_equal(a, b)


@pytestmark_gpu
@pytest.mark.parametrize("n", [1030, 2500])
def test_a_thousand_neighbours(n):
    from rmodels.ops.nearest import index, nearest

    rng = np.random.default_rng(8)
    X, Q = rng.normal(size=(n, 3)), rng.normal(size=(3, 3))
    pairs = nearest(index(X, engine="gpu"), Q, 1024), nearest(index(X, engine="reference"), Q, 1024)
    for a, b in zip(*pairs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytestmark_gpu
def test_moments_of_tensors_add_and_tell_what_is_not_finite():
    from rmodels.ops.moments import gram, moments

    rng = np.random.default_rng(9)
    X, Y = rng.normal(size=(50, 3)) + 4, rng.normal(size=(50, 2))
    there, rest = tensors(X, Y), tensors(X[:20], Y[:20])
    total, truth = moments(*there) + moments(*rest), moments(X, Y) + moments(X[:20], Y[:20])
    assert total.mean.device == there[0].device
    np.testing.assert_allclose(total.scatter.cpu(), truth.scatter, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(total.about_zero().cpu(), truth.about_zero(), rtol=1e-13)
    assert total.is_finite
    there[0][7, 1] = float("inf")
    with np.errstate(invalid="ignore"):  # the interpreter is NumPy
        assert not (total + moments(*there)).is_finite
    found, products = gram(tensors(X)[0]), gram(X)
    assert found.products.device == there[0].device
    np.testing.assert_allclose(found.products.cpu(), products.products, atol=1e-13)


@pytest.mark.skipif(
    HERE is not None or device.is_interpreted(), reason=f"needs a GPU: {HERE or 'interpreted'}"
)
def test_copies_wait_for_what_had_the_memory_before():
    import torch

    rows, step = np.ones((1 << 18, 4)), 1 << 16
    for _ in range(3):
        before = torch.zeros((2, step, 4), dtype=torch.float64, device="cuda")
        torch.cuda._sleep(1 << 27)
        total = before.sum()
        del before  # the copies' buffers may get its memory
        parts = [block.sum() for _, (block,) in device.stage([rows], step, "", device.device())]
        assert total == 0
        assert sum(parts) == rows.size


@pytest.mark.skipif(
    HERE is not None or device.is_interpreted(), reason=f"needs a GPU: {HERE or 'interpreted'}"
)
def test_on_a_stream_of_its_own():
    import torch

    from rmodels.ops.moments import moments
    from rmodels.ops.nearest import index, nearest

    rng = np.random.default_rng(10)
    X, Y, Q = rng.normal(size=(20000, 16)), rng.normal(size=(20000, 1)), rng.normal(size=(300, 16))
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream), config_context(engine="gpu"):
        found, pairs = moments(X, Y), nearest(index(X), Q, 5)
    np.testing.assert_allclose(found.scatter, moments(X, Y).scatter, rtol=1e-12, atol=1e-9)
    for a, b in zip(pairs, nearest(index(X, engine="reference"), Q, 5), strict=True):
        np.testing.assert_array_equal(a, b)
