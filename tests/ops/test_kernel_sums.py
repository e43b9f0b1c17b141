"""The contract of sums of kernels, on every engine."""

import math
from functools import cache

import numpy as np
import pytest
from test_nearest import DISTRIBUTIONS

from rmodels import native
from rmodels.ops.kernel_sums import KERNELS, METRICS, add_up, log_sums, points
from rmodels.ops.nearest.reference import blocks

ISAS = [f"native-{name}" for name in native.instruction_sets()]
on_each_engine = pytest.mark.parametrize("engine", ["reference", *ISAS], indirect=True)
compiled = pytest.mark.parametrize("engine", ISAS, indirect=True)
U = 2.0**-53
WIDE = np.longdouble


def kernel_of(kernel, distances, h):
    """K and, of those that decay, v of K = exp(−v), beyond float64."""
    t = distances.astype(WIDE) / WIDE(h)
    if kernel in ("gaussian", "exponential"):
        v = t * t / 2 if kernel == "gaussian" else t
        return np.exp(-v), v
    gap = (WIDE(h) - distances) / WIDE(h)
    # sin(π/2 · gap) is cos(π/2 · t), without the loss of digits near its end
    found = {
        "tophat": 1 + 0 * t,
        "epanechnikov": gap * (1 + t),
        "linear": gap,
        "cosine": np.sin(np.arctan(WIDE(1)) * 2 * gap),
    }[kernel]
    return np.where(distances < h, found, 0), 0 * t


def define(X, Q, h, kernel, weights=None, metric="euclidean", p=3.0):
    """log Σ w K, and how far from it the contract lets float64 be."""
    known = points(X, h, None, metric, p, engine="reference")
    (scaled, scale), w = (known.bandwidth, known.scale), np.ones(len(X), WIDE)
    if weights is not None:
        w = weights.astype(WIDE)
    ((_, distances),) = blocks(known.index, np.ldexp(Q.astype(np.float64), scale))
    values, v = kernel_of(kernel, distances, scaled)
    least = np.where(w > 0, v, np.inf).min(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        terms = w * (np.exp(least - v) if kernel in ("gaussian", "exponential") else values)
        sums = terms.sum(axis=1)
        logs = (np.log(sums) - least[:, 0]).astype(np.float64)
        slack = (terms * (16 + 8 * v)).sum(axis=1) / sums * U + 128 * U + 4 * U * (1 + np.abs(logs))
    logs[~np.isfinite(least[:, 0].astype(np.float64))] = -np.inf
    return logs, np.where(np.isfinite(logs), slack, 0).astype(np.float64)


def assert_within(found, logs, slack):
    assert found.dtype == np.float64
    reached = np.isfinite(logs)
    np.testing.assert_array_equal(found[~reached], logs[~reached])
    assert (np.abs(found[reached] - logs[reached]) <= slack[reached]).all()


@cache
def problem(name):
    """Points, queries, and a bandwidth that some of their distances are below."""
    rng = np.random.default_rng(1)
    X = DISTRIBUTIONS[name]
    Q = np.concatenate([X[:20], X[rng.integers(0, len(X), 20)] / 2 + X[:20] / 2])
    with np.errstate(over="ignore", under="ignore"):
        gaps = np.abs(X[:20, None] - X[None, 20:40]).max(axis=-1)
    gaps = gaps[(gaps > 0) & np.isfinite(gaps)]
    return X, np.ascontiguousarray(Q), float(np.median(gaps)) if len(gaps) else 1.0


@on_each_engine
def test_by_hand(engine):
    known = points(np.array([[0.0], [1.0], [4.0]]), 2.0, engine=engine)
    queries = np.array([[1.0], [4.0], [9.0]])
    sums = {
        "gaussian": [math.exp(-1 / 8) + 1 + math.exp(-9 / 8), 1 + math.exp(-9 / 8) + math.exp(-2)],
        "exponential": [math.exp(-0.5) + 1 + math.exp(-1.5), 1 + math.exp(-1.5) + math.exp(-2)],
        "tophat": [2, 1, 0],
        "epanechnikov": [1.75, 1, 0],
        "linear": [1.5, 1, 0],
        "cosine": [1 + math.sqrt(0.5), 1, 0],
    }
    for kernel, expected in sums.items():
        found = np.exp(log_sums(known, queries, kernel))[: len(expected)]
        np.testing.assert_allclose(found, expected, rtol=1e-15, atol=0)


@on_each_engine
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_hard_points(engine, kernel, name):
    X, Q, h = problem(name)
    weights = np.random.default_rng(2).integers(0, 4, len(X)) * 0.3
    for given in (None, weights):
        found = log_sums(points(X, h, given, engine=engine), Q, kernel)
        assert_within(found, *define(X, Q, h, kernel, given))


@on_each_engine
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("p", [3.0, 2.5])
def test_metrics(engine, kernel, metric, p):
    X, Q, _ = problem("normal")
    for h in (0.3, 2.0):
        found = log_sums(points(X, h, None, metric, p, engine=engine), Q, kernel)
        logs, slack = define(X, Q, h, kernel, None, metric, p)
        if metric == "minkowski" and p != 3.0:  # C's powers are not NumPy's, bit for bit
            slack = slack + 1e-13 * (1 + np.abs(logs)) + 1e-11 * (kernel in KERNELS[1:])
        assert_within(found, logs, slack)


@on_each_engine
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 129, 1000])
@pytest.mark.parametrize("d", [1, 9, 40])
def test_shapes(engine, n, d):
    rng = np.random.default_rng(n + d)
    X, Q = rng.standard_normal((n, d)), rng.standard_normal((65, d))
    for dtype in (np.float32, np.float64):
        A, B = X.astype(dtype), Q.astype(dtype)
        known = points(A, 1.5, engine=engine)
        for kernel in ("gaussian", "epanechnikov"):
            assert_within(log_sums(known, B, kernel), *define(A, B, 1.5, kernel))
        assert log_sums(known, B[:0], "gaussian").shape == (0,)


@on_each_engine
@pytest.mark.parametrize("away", [1e3, 1e6, 1e150])
def test_far_away(engine, away):
    """The sum is that of the nearest point, though its kernel is 0 in float64."""
    X = np.array([[0.0], [-1.0], [1.0]])
    found = log_sums(points(X, 1.0, engine=engine), np.array([[away]]), "gaussian")
    np.testing.assert_allclose(found, [-((away - 1) ** 2) / 2], rtol=16 * U, atol=0)
    found = log_sums(points(X, 1.0, engine=engine), np.array([[away]]), "exponential")
    nearest = -(away - 1) + (math.log(1 + math.exp(-1) + math.exp(-2)) if away < 1e15 else 0)
    np.testing.assert_allclose(found, [nearest], rtol=16 * U, atol=0)


@compiled
def test_an_empty_middle(engine):
    """Sums are right where boxes around the query are full of points that are far away."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.standard_normal((2000, 3)) - 300, rng.standard_normal((2000, 3)) + 300])
    Q = np.zeros((1, 3))
    for kernel in ("gaussian", "exponential"):
        assert_within(
            log_sums(points(X, 1.0, engine=engine), Q, kernel), *define(X, Q, 1.0, kernel)
        )


@on_each_engine
@pytest.mark.parametrize(("step", "offset"), [(0.1, 0.0), (0.25, 0.0), (1.0, 1e8)])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_what_ends_at_the_bandwidth(engine, step, offset, metric):
    """Distances of a grid tie with it, but for rounding: those below it, and no others, count."""
    line = np.arange(20) * step + offset
    X = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    found = np.exp(log_sums(points(X, 2 * step, None, metric, engine=engine), X, "tophat"))
    reference = points(X, 2 * step, None, metric, engine="reference").index
    ((_, distances),) = blocks(reference, X)
    np.testing.assert_array_equal(np.rint(found), (distances < 2 * step).sum(axis=1))


@compiled
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
@pytest.mark.parametrize(("atol", "rtol"), [(0.0, 1e-6), (0.0, 0.3), (1e-3, 0.0), (2.0, 0.05)])
def test_tolerances_hold(engine, kernel, metric, atol, rtol):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 2)) * rng.choice([0.01, 1.0, 10.0], (3000, 1))
    Q = np.concatenate([X[:100], rng.uniform(-20, 20, (100, 2))])
    weights = rng.integers(1, 5, 3000).astype(float)
    for h in (0.05, 1.0, 10.0):
        known = points(X, h, weights, metric, engine=engine)
        found = log_sums(known, Q, kernel, atol=atol, rtol=rtol)
        logs, slack = define(X, Q, h, kernel, weights, metric)
        sums = np.exp(logs)
        wrong = np.abs(np.exp(found) - sums)
        assert (wrong <= atol + (rtol + slack + 4 * U) * sums).all()
        if rtol and kernel in ("gaussian", "exponential"):  # far away, where sums are 0 in float64
            far = Q[:5] + 1e4
            found = log_sums(known, far, kernel, rtol=rtol)
            logs, slack = define(X, far, h, kernel, weights, metric)
            assert (np.abs(found - logs) <= slack - np.log1p(-rtol)).all()


@compiled
def test_a_tolerance_is_made_use_of(engine):
    X = np.random.default_rng(0).standard_normal((3000, 2))
    known = points(X, 2.0, engine=engine)
    assert (log_sums(known, X, "gaussian") != log_sums(known, X, "gaussian", rtol=0.1)).any()


@compiled
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_same_bits_whatever_the_threads_and_batches(engine, kernel):
    rng = np.random.default_rng(0)
    X, Q = rng.standard_normal((5000, 4)), rng.standard_normal((700, 4)) * 2
    weights = rng.random(5000)
    for atol, rtol in ((0.0, 0.0), (1e-3, 1e-3)):
        known = points(X, 0.8, weights, engine=engine)
        expected = log_sums(known, Q, kernel, atol=atol, rtol=rtol, n_threads=1)
        for threads in (2, 3):
            known = points(X, 0.8, weights, engine=engine, n_threads=threads)
            found = log_sums(known, Q, kernel, atol=atol, rtol=rtol, n_threads=threads)
            np.testing.assert_array_equal(found, expected)
        order = rng.permutation(len(Q))
        parts = [log_sums(known, Q[i], kernel, atol=atol, rtol=rtol) for i in np.split(order, 7)]
        np.testing.assert_array_equal(np.concatenate(parts), expected[order])


@compiled
def test_more_points_than_a_task_takes(engine):
    X = np.random.default_rng(0).standard_normal((300_000, 1))
    Q = np.array([[0.0], [3.0], [40.0]])
    known = points(X, 0.5, engine=engine)
    expected = log_sums(known, Q, "gaussian", n_threads=1)
    np.testing.assert_array_equal(log_sums(known, Q, "gaussian", n_threads=3), expected)
    assert_within(expected, *define(X, Q, 0.5, "gaussian"))


@on_each_engine
def test_weights(engine):
    X, Q, _ = problem("normal")
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 4, len(X)).astype(float)
    expected, slack = define(np.repeat(X, whole.astype(int), axis=0), Q, 1.0, "gaussian")
    assert_within(
        log_sums(points(X, 1.0, whole, engine=engine), Q, "gaussian"), expected, 2 * slack
    )
    for scale in (1e300, 1e-300):  # as far as sums of float64 do not reach
        found = log_sums(points(X, 1.0, whole * scale, engine=engine), Q, "gaussian")
        wanted = expected + math.log(scale)
        assert_within(found, wanted, 2 * slack + 4 * U * (700 + np.abs(wanted)))
    alone = np.where(np.arange(len(X)) == 7, 1e-320, 0.0)
    found = log_sums(points(X, 1.0, alone, engine=engine), X[7:8], "tophat")
    np.testing.assert_allclose(found, [math.log(1e-320)], rtol=16 * U, atol=0)


@on_each_engine
@pytest.mark.parametrize("exponent", [-700, -40, 40, 700])
def test_any_unit(engine, exponent):
    """A power of two times all coordinates and the bandwidth changes nothing."""
    X, Q, _ = problem("normal")
    for kernel in KERNELS:
        expected = log_sums(points(X, 1.25, engine=engine), Q, kernel)
        known = points(np.ldexp(X, exponent), math.ldexp(1.25, exponent), engine=engine)
        found = log_sums(known, np.ldexp(Q, exponent), kernel)
        np.testing.assert_array_equal(found, expected)


def test_distances_that_are_given():
    distances = np.array([[0.0, 1.0], [5.0, 3.0]])
    for kernel in KERNELS:
        values, _ = kernel_of(kernel, distances, 2.0)
        expected = (values @ np.array([1.0, 2.0])).astype(np.float64)
        found = np.exp(add_up(distances, np.array([1.0, 2.0]), kernel, 2.0))
        np.testing.assert_allclose(found, expected, rtol=1e-15, atol=0)
