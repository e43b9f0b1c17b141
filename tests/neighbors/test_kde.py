"""Densities by kernels: right ones, and what is special."""

import math
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import gammaln
from sklearn import neighbors

import rmodels
from rmodels import KernelDensity
from rmodels.exceptions import NotCoveredError
from rmodels.ops.kernel_sums import KERNELS, add_up
from rmodels.solvers.kernels import log_integral

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 3))
Q = np.concatenate([X[:20], RNG.standard_normal((20, 3)) * 2])
W = RNG.integers(0, 4, 400).astype(float)
ROUNDING = 1e-13  # many times that of the sums: (d + 16) 2^-53, and 8 |log p| 2^-53


def theirs(**parameters):
    return neighbors.KernelDensity(**parameters)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bandwidth", [0.4, "scott", "silverman"])
def test_as_scikit_learn(on_engine, kernel, bandwidth):
    """Their own sums lose digits: 1e-16 of the whole weight is left in what should be less."""
    given = {"kernel": kernel, "bandwidth": bandwidth}
    for weights in (None, W + 1):
        ours = KernelDensity(**given).fit(X, sample_weight=weights)
        other = theirs(**given).fit(X, sample_weight=weights)
        assert ours.bandwidth_ == other.bandwidth_
        assert ours.engine_ == on_engine
        found, expected = np.exp(ours.score_samples(Q)), np.exp(other.score_samples(Q))
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("metric", "params"),
    [
        ("manhattan", None),
        ("infinity", None),
        ("minkowski", {"p": 3}),
        ("minkowski", {"p": 2.5}),
        ("minkowski", {"p": 2, "w": [1.0, 2.0, 0.5]}),
        ("seuclidean", {"V": [1.0, 2.0, 3.0]}),
        ("mahalanobis", {"V": np.diag([1.0, 2.0, 3.0])}),
        ("canberra", None),
        ("pyfunc", {"func": lambda x, z: float(np.abs(x - z).sum())}),
    ],
)
def test_metrics(metric, params):
    for weights in (None, W):
        given = {"metric": metric, "metric_params": params, "kernel": "exponential"}
        found = KernelDensity(**given).fit(X, sample_weight=weights).score_samples(Q)
        trees = weights if weights is None else weights[weights > 0]  # they take log 0
        points = X if weights is None else X[weights > 0]
        expected = theirs(**given).fit(points, sample_weight=trees).score_samples(Q)
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_sums_by_scipy_keep_to_the_memory_limit():
    points = RNG.standard_normal((3000, 2))
    model = KernelDensity(metric="canberra").fit(points)
    assert model.engine_ == "scipy"
    expected = model.score_samples(points[:50])
    with rmodels.config_context(memory_limit=2**20):
        np.testing.assert_array_equal(model.score_samples(points[:50]), expected)
    with (
        rmodels.config_context(engine="native"),
        pytest.raises(NotCoveredError, match="canberra"),
    ):
        KernelDensity(metric="canberra").fit(points)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 9, 20, 60, 300])
def test_densities_integrate_to_one(kernel, d):
    """The integral over shells: of the unit sphere's surface times r^(d − 1)."""
    surface = math.log(2) + 0.5 * d * math.log(math.pi) - gammaln(0.5 * d)
    end = 1.0 if kernel not in ("gaussian", "exponential") else np.inf
    # the largest integrand is near r, and taken out
    peak = (
        1.0 if end == 1.0 else math.sqrt(max(d - 1, 1)) if kernel == "gaussian" else max(d - 1, 1)
    )

    def log_kernel(r):
        if kernel in ("gaussian", "exponential"):
            return -r * r / 2 if kernel == "gaussian" else -r
        value = {
            "tophat": 1.0,
            "epanechnikov": 1 - r * r,
            "linear": 1 - r,
            "cosine": math.cos(math.pi * r / 2),
        }[kernel]
        return math.log(value) if value > 0 else -math.inf

    top = (d - 1) * math.log(peak) + (log_kernel(peak) if end == np.inf else 0)
    low, high = (
        (0.0, 1.0) if end == 1.0 else (max(0.0, peak - 60 * math.sqrt(d)), peak + 60 * d**0.5)
    )

    def integrand(r):
        return math.exp((d - 1) * math.log(r) + log_kernel(r) - top) if r > 0 else float(d == 1)

    total, _ = quad(integrand, low, high, limit=400, epsabs=0, epsrel=1e-11, points=[peak])
    assert math.log(total) + top + surface == pytest.approx(log_integral(kernel, d), abs=1e-9)


def test_the_cosine_of_even_dimensions():
    """A square that holds all of one kernel: its density adds up to 1, not to 0.36."""
    line = np.linspace(-1, 1, 401)[:-1] + 1 / 400
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    model = KernelDensity(kernel="cosine").fit(np.zeros((1, 2)))
    total = np.exp(model.score_samples(grid)).sum() * (2 / 400) ** 2
    assert total == pytest.approx(1.0, abs=1e-5)  # (2 / 400)² times the curvature


def test_tails(on_engine):
    """−1e6 and beyond, where scikit-learn adds up what rounding has left."""
    model = KernelDensity(bandwidth=0.5).fit(X)
    away = np.array([[100.0, 0.0, 0.0], [1e6, 0.0, 0.0], [1e100, 1e100, 0.0]])
    found = model.score_samples(away)
    assert np.isfinite(found).all()
    squares = ((away[:2, None] - X) ** 2).sum(axis=-1)
    least = squares.min(axis=1)
    logs = np.log(np.exp(-2 * (squares - least[:, None])).sum(axis=1)) - 2 * least
    scale = math.log(400) + 1.5 * math.log(2 * math.pi) + 3 * math.log(0.5)
    np.testing.assert_allclose(found[:2], logs - scale, rtol=1e-14)
    np.testing.assert_allclose(found[2], -4e200, rtol=1e-14)


@pytest.mark.parametrize("kernel", ["gaussian", "tophat"])
@pytest.mark.parametrize("weights", [None, W])
def test_draws_are_those_of_scikit_learn(kernel, weights):
    given = {"kernel": kernel, "bandwidth": 0.3}
    ours = KernelDensity(**given).fit(X, sample_weight=weights)
    other = theirs(**given).fit(X, sample_weight=weights)
    found, expected = (model.sample(50, random_state=3) for model in (ours, other))
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert ours.sample(random_state=np.random.RandomState(0)).shape == (1, 3)
    with pytest.raises(NotImplementedError, match="'linear' cannot be drawn"):
        KernelDensity(kernel="linear").fit(X).sample()


def test_weights_are_repeated_rows(on_engine):
    repeated = KernelDensity().fit(np.repeat(X, W.astype(int), axis=0)).score_samples(Q)
    weighed = KernelDensity().fit(X, sample_weight=W).score_samples(Q)
    np.testing.assert_allclose(weighed, repeated, rtol=ROUNDING)
    scaled = KernelDensity().fit(X, sample_weight=W * 1e-200).score_samples(Q)
    np.testing.assert_allclose(scaled, weighed, rtol=ROUNDING)


def test_tolerances(on_engine):
    exact = np.exp(KernelDensity(bandwidth=0.3).fit(X).score_samples(Q))
    for atol, rtol in ((1e-4, 0.0), (0.0, 0.01), (1e-3, 0.1)):
        model = KernelDensity(bandwidth=0.3, atol=atol, rtol=rtol).fit(X, sample_weight=None)
        wrong = np.abs(np.exp(model.score_samples(Q)) - exact)
        assert (wrong <= atol + (rtol + ROUNDING) * exact).all()


def test_scores_are_the_sum(on_engine):
    model = KernelDensity(bandwidth=0.4).fit(X)
    scores = model.score_samples(Q)
    assert model.score(Q) == math.fsum(scores)
    assert KernelDensity(kernel="tophat").fit(X).score([[99.0, 0.0, 0.0]]) == -math.inf
    scanned = rmodels.scan(lambda: iter([Q[:7], Q[7:]]))
    np.testing.assert_array_equal(model.score_samples(scanned), scores)
    assert model.score(scanned) == math.fsum(scores)


def test_rows_of_scans(on_engine):
    frame = pd.DataFrame(X, columns=list("abc")).assign(w=W + 1)
    rows = rmodels.scan(lambda: iter([frame[:150], frame[150:]]))
    model = KernelDensity(bandwidth="scott").fit(rows, sample_weight="w")
    expected = KernelDensity(bandwidth="scott").fit(X, sample_weight=W + 1)
    asked = pd.DataFrame(Q, columns=list("abc"))
    np.testing.assert_array_equal(model.score_samples(asked), expected.score_samples(Q))


def parts_of_points(kind):
    """Points of more than 1 MiB with weights, in parts: a scan or a Dask frame; and as arrays."""
    points = np.tile(X, (130, 1)) + np.random.default_rng(1).standard_normal((52_000, 3)) / 8
    weights = np.resize(W, 52_000)
    frame = pd.DataFrame(points, columns=list("abc")).assign(w=weights)
    if kind == "scan":
        step = 9_000
        pieces = [frame[i : i + step] for i in range(0, len(frame), step)]
        return rmodels.scan(lambda: iter(pieces)), points, weights
    frames = pytest.importorskip("dask.dataframe", reason="the extra dask is not installed: Dask")
    return frames.from_pandas(frame, npartitions=7), points, weights


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", ["scan", "dask"])
def test_sums_of_parts_add_up(kind, kernel):
    rows, points, weights = parts_of_points(kind)
    given = {"kernel": kernel, "bandwidth": 0.3}
    whole = KernelDensity(**given).fit(points, sample_weight=weights).score_samples(Q)
    asked = pd.DataFrame(Q, columns=list("abc"))
    with rmodels.config_context(memory_limit=2**20):
        model = KernelDensity(**given).fit(rows, sample_weight="w")
        found = model.score_samples(asked)
        if kernel == "gaussian":
            parts = rmodels.scan(lambda: iter([asked[:7], asked[7:]]))
            np.testing.assert_array_equal(model.score_samples(parts), found)
    finite = np.isfinite(whole)
    np.testing.assert_array_equal(np.isfinite(found), finite)
    # each has 16 + 128 of its kernels and sums, 8 log n of exponents, and 4 of the logarithm; the
    # sum over parts a rounding of each
    u, parts = 2.0**-53, 7
    limit = u * (2 * (144 + 8 * math.log(len(points))) + (8 + parts) * (1 + np.abs(whole[finite])))
    assert (np.abs(found[finite] - whole[finite]) <= limit).all()


def test_points_and_queries_on_a_cluster():
    """Answers are lazy, and what travels with them does not hold the points."""
    rows, points, _ = parts_of_points("dask")
    dask = pytest.importorskip("dask.array", reason="the extra dask is not installed: Dask")
    with rmodels.config_context(memory_limit=2**20):
        model = KernelDensity(rtol=1e-3, atol=1e-9).fit(rows[list("abc")].to_dask_array())
        queries = dask.from_array(Q, chunks=(11, 3))
        found = model.score_samples(queries).compute()
        assert model.score(queries) == math.fsum(found)
    exact = np.exp(KernelDensity().fit(points).score_samples(Q))
    assert (np.abs(np.exp(found) - exact) <= 1e-9 + (1e-3 + ROUNDING) * exact).all()


def test_what_needs_the_points(tmp_path):
    rows, _, _ = parts_of_points("scan")
    with rmodels.config_context(memory_limit=2**20):
        model = KernelDensity().fit(rows, sample_weight="w")
    for use in (model.sample, lambda: model.tree_, lambda: rmodels.to_onnx(model)):
        with pytest.raises(NotCoveredError, match="fit in memory_limit"):
            use()
    with pytest.raises(TypeError, match="cannot be written"):
        rmodels.save(model, tmp_path / "model")


def test_rows_on_dask(on_engine):
    dask = pytest.importorskip("dask.array", reason="the extra dask is not installed: Dask")
    model = KernelDensity().fit(dask.from_array(X, chunks=(150, 3)))
    rows = dask.from_array(Q, chunks=(11, 3))
    expected = KernelDensity().fit(X).score_samples(Q)
    np.testing.assert_array_equal(model.score_samples(rows).compute(), expected)
    assert model.score(rows) == math.fsum(expected)


def test_a_float32_query_is_taken_as_it_is(on_engine):
    model = KernelDensity().fit(X.astype(np.float32))
    found = model.score_samples(Q.astype(np.float32))
    wide = KernelDensity().fit(X.astype(np.float32).astype(float))
    np.testing.assert_array_equal(found, wide.score_samples(Q.astype(np.float32).astype(float)))


def test_what_is_asked_of_the_tree():
    model = KernelDensity(metric="manhattan", leaf_size=7).fit(X, sample_weight=W + 1)
    assert isinstance(model.tree_, neighbors.KDTree)
    assert isinstance(KernelDensity(algorithm="ball_tree").fit(X).tree_, neighbors.BallTree)
    np.testing.assert_array_equal(np.asarray(model.tree_.data), X)
    with pytest.raises(ValueError, match=r"invalid metric for .*KDTree.*: 'canberra'"):
        KernelDensity(algorithm="kd_tree", metric="canberra").fit(X)
    with pytest.raises(ValueError, match="V"):
        KernelDensity(metric="seuclidean", metric_params={"V": [1.0]}).fit(X)


def test_another_bandwidth_after_the_fit():
    model = KernelDensity(bandwidth=1.0).fit(X)
    model.score_samples(Q)
    model.bandwidth_ = 0.4
    expected = KernelDensity(bandwidth=0.4).fit(X).score_samples(Q)
    np.testing.assert_array_equal(model.score_samples(Q), expected)


def test_a_copy_says_the_same(on_engine):
    model = KernelDensity().fit(X, sample_weight=W)
    expected = model.score_samples(Q)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).score_samples(Q), expected)


def test_kernels_of_distances_far_away():
    found = add_up(np.array([[1e200, 2e200]]), None, "exponential", 1.0)
    np.testing.assert_array_equal(found, [-1e200])


def test_weights_whose_sum_overflows(on_engine):
    huge, small = 1e308 * np.ones(400), np.ones(400)
    found = KernelDensity().fit(X, sample_weight=huge).score_samples(Q)
    expected = KernelDensity().fit(X, sample_weight=small).score_samples(Q)
    np.testing.assert_allclose(found, expected, rtol=0, atol=700 * ROUNDING)  # log 1e308 is 709


def test_a_tolerance_above_all_sums(on_engine):
    far = RNG.standard_normal((30, 600))
    assert KernelDensity(atol=1e300).fit(far).score_samples(far[:2]).shape == (2,)


def test_the_power_of_the_maximum(on_engine):
    for name in ("minkowski", "p"):
        model = KernelDensity(metric=name, metric_params={"p": np.inf}).fit(X)
        expected = KernelDensity(metric="chebyshev").fit(X)
        np.testing.assert_array_equal(model.score_samples(Q), expected.score_samples(Q))
