"""Metrics, sparse points and precomputed distances that are searched by blocks of distances."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.metrics import DistanceMetric

from rmodels import (
    DBSCAN,
    HDBSCAN,
    KNeighborsClassifier,
    KNeighborsRegressor,
    KNeighborsTransformer,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    RadiusNeighborsTransformer,
    kneighbors_graph,
    radius_neighbors_graph,
    scan,
)
from rmodels.config import config_context

RNG = np.random.default_rng(0)
X, Q = RNG.standard_normal((150, 4)), RNG.standard_normal((40, 4))
METRICS = {
    "braycurtis": {},
    "canberra": {},
    "correlation": {},
    "sqeuclidean": {},
    "seuclidean": {"V": RNG.uniform(0.5, 2, 4)},
    "mahalanobis": {"VI": np.diag(RNG.uniform(0.5, 2, 4))},
    "minkowski": {"p": 3, "w": RNG.uniform(0.5, 2, 4)},
}


def _in_order(distances, k):
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("memory_limit", [1 << 20, 1 << 30])
def test_scipy_metrics_in_blocks(metric, memory_limit):
    parameters = METRICS[metric]
    points = np.vstack([X] * 20)  # ties, and several blocks of queries with the smaller limit
    of_scipy = cdist(Q, points, metric, **parameters)
    if metric == "braycurtis":  # scikit-learn divides by Σ |x| + |y|, SciPy by Σ |x + y|
        of_scipy = DistanceMetric.get_metric("braycurtis").pairwise(Q, points)
    expected = _in_order(of_scipy, 45)
    p = {"p": None} if "p" in parameters else {}
    model = NearestNeighbors(metric=metric, metric_params=parameters, **p).fit(points)
    assert (model.engine_, model.algorithm_) == ("scipy", "brute")
    with config_context(memory_limit=memory_limit):
        distances, indices = model.kneighbors(Q, 45)
        near = model.radius_neighbors(Q, expected[0][:, -1], sort_results=True)
    assert_array_equal(distances, expected[0])
    assert_array_equal(indices, expected[1])
    for row in range(len(Q)):
        assert_array_equal(near[1][row][:45], expected[1][row])


def test_an_engine_asked_for_by_name_does_not_have_them():
    for engine in ("native", "gpu"):
        with (
            config_context(engine=engine),
            pytest.raises(
                RuntimeError, match=f"engine='{engine}' cannot run: .* metric='canberra'"
            ),
        ):
            NearestNeighbors(metric="canberra").fit(X)


def test_callables_and_distance_metrics():
    def largest(x, y):
        return np.abs(x - y).max()

    expected = NearestNeighbors(metric="chebyshev").fit(X).kneighbors(Q)
    for metric in (largest, DistanceMetric.get_metric("chebyshev")):
        found = NearestNeighbors(metric=metric).fit(X).kneighbors(Q)
        assert_array_equal(found[0], expected[0])
        assert_array_equal(found[1], expected[1])


def apart(x, y):
    """The Manhattan distance, as one would write it for floats."""
    return np.abs(x - y).sum()


KINDS = {  # the same numbers
    "uint8": lambda points: points.astype(np.uint8),
    "int8": lambda points: (points - 128).astype(np.int8),
    "uint64": lambda points: points.astype(np.uint64),
    "float32": lambda points: points.astype(np.float32),
    "sparse uint8": lambda points: sparse.csr_array(points.astype(np.uint8)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ["auto", "brute"])
def test_callables_get_float64(kind, algorithm):
    points = np.array([[10.0], [250.0], [30.0], [90.0], [120.0], [60.0]])
    queries = KINDS[kind](points[:1])
    points, y = KINDS[kind](points), np.array([0, 1, 0, 2, 1, 1])
    expected = [[0, 2, 5, 3, 4, 1]], [[0.0, 20.0, 50.0, 80.0, 110.0, 240.0]]

    def metric(x, z):
        if sparse.issparse(x):
            assert x.dtype == z.dtype == np.float64
            return abs(x - z).sum()
        assert x.dtype == z.dtype == np.float64
        return apart(x, z)

    given = {"metric": metric, "algorithm": algorithm}
    model = NearestNeighbors(n_neighbors=6, radius=85, **given).fit(points)
    distances, indices = model.kneighbors(queries)
    assert_array_equal(indices, expected[0])
    assert_array_equal(distances, expected[1])
    assert_array_equal(model.kneighbors(n_neighbors=1)[1][:, 0], [2, 4, 0, 4, 3, 2])
    assert model.radius_neighbors(queries, sort_results=True)[1][0].tolist() == [0, 2, 5, 3]
    assert model.kneighbors_graph(queries, 2).indices.tolist() == [0, 2]
    assert sorted(model.radius_neighbors_graph(queries).indices.tolist()) == [0, 2, 3, 5]
    assert KNeighborsClassifier(3, **given).fit(points, y).predict(queries) == [0]
    assert KNeighborsRegressor(4, **given).fit(points, y).predict(queries) == [0.75]
    assert RadiusNeighborsClassifier(55, **given).fit(points, y).predict(queries) == [0]
    assert RadiusNeighborsRegressor(85, **given).fit(points, y).predict(queries) == [0.75]
    for transformer in (
        KNeighborsTransformer(n_neighbors=1, **given),
        RadiusNeighborsTransformer(radius=20, **given),
    ):
        graph = transformer.fit(points).transform(queries)
        assert_array_equal(graph.toarray(), [[0, 0, 20, 0, 0, 0]])
    assert kneighbors_graph(points, 1, metric=metric).indices.tolist() == [2, 4, 0, 4, 3, 2]
    near = radius_neighbors_graph(points, 25, metric=metric).toarray()
    assert sorted(zip(*np.nonzero(near), strict=True)) == [(0, 2), (2, 0)]


def test_callables_get_booleans_as_numbers():
    points = np.array([[True, False], [True, True], [False, True]])
    found = NearestNeighbors(metric=apart).fit(points).kneighbors([[True, True]], 3)
    assert_array_equal(found[0], [[0.0, 1.0, 1.0]])
    assert_array_equal(found[1], [[1, 0, 2]])


def test_equal_rows_with_missing_values_have_distance_0():
    points = X + 1e6
    points[RNG.random(points.shape) < 0.2] = np.nan
    points = points[~np.isnan(points).all(axis=1)]
    distances, _ = NearestNeighbors(metric="nan_euclidean").fit(points).kneighbors(points, 1)
    assert_array_equal(distances, np.zeros((len(points), 1)))


def test_missing_values_by_hand():
    model = NearestNeighbors(n_neighbors=3, metric="nan_euclidean")
    model.fit([[0.0, 0.0], [np.nan, 1.0], [3.0, 4.0]])
    distances, indices = model.kneighbors([[0.0, np.nan], [np.nan, 0.0]])
    assert_allclose(distances, [[0, np.sqrt(2) * 3, np.nan], [0, np.sqrt(2), np.sqrt(2) * 4]])
    assert_array_equal(indices, [[0, 2, 1], [0, 1, 2]])


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
@pytest.mark.parametrize("share", [0.02, 0.5])
@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_sparse_points_find_what_arrays_find(metric, share, engine):
    points = sparse.random(300, 60, share, format="csr", random_state=1)
    queries = sparse.random(50, 60, share, format="csr", random_state=2)
    queries = sparse.vstack([queries, points[:20]]).tocsr()  # and the points themselves
    with config_context(engine=engine):
        dense = NearestNeighbors(metric=metric, radius=0.9).fit(points.toarray())
        model = NearestNeighbors(metric=metric, radius=0.9).fit(points)
        for ours in (queries, queries.tocoo(), queries.toarray()):
            for found, expected in zip(
                model.kneighbors(ours, 12), dense.kneighbors(queries.toarray(), 12), strict=True
            ):
                if metric == "manhattan":  # SciPy sums in another order
                    assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
                elif metric == "euclidean":
                    assert_array_equal(found, expected)
        near = zip(
            *model.radius_neighbors(queries),
            *dense.radius_neighbors(queries.toarray()),
            strict=True,
        )
        for distances, indices, expected, theirs in near:
            assert_array_equal(indices, theirs)
            assert_allclose(distances, expected, rtol=1e-12, atol=1e-15)
    if metric != "manhattan":
        distances, indices = model.kneighbors(points, 1)
        full = np.diff(points.indptr) > 0
        assert_array_equal(distances[full], 0.0)


def test_sparse_rows_keep_their_digits_at_an_offset():
    points = sparse.csr_array(RNG.standard_normal((200, 30)) + 1e6)
    points.data[:20] = 0.0
    queries = points[:50]
    with config_context(engine="reference"):
        model = NearestNeighbors(n_neighbors=8).fit(points)
        assert model.engine_ == "scipy"
        dense = NearestNeighbors(n_neighbors=8).fit(points.toarray())
        expected = dense.kneighbors(queries.toarray())
        found = model.kneighbors(queries)
    assert_array_equal(found[1], expected[1])
    assert_array_equal(found[0], expected[0])
    assert_array_equal(found[0][:, 0], 0.0)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_precomputed_distances_dense_and_sparse(weights):
    from rmodels import KNeighborsClassifier, kneighbors_graph

    y = RNG.integers(0, 3, len(X))
    direct = KNeighborsClassifier(4, weights=weights).fit(X, y)
    dense = KNeighborsClassifier(4, weights=weights, metric="precomputed").fit(cdist(X, X), y)
    assert_array_equal(dense.predict(cdist(Q, X)), direct.predict(Q))
    assert_array_equal(dense.predict(None), direct.predict(None))
    graph = kneighbors_graph(X, 6, mode="distance", include_self=True)
    sparse_model = KNeighborsClassifier(4, weights=weights, metric="precomputed").fit(graph, y)
    queries = direct.kneighbors_graph(Q, 6, mode="distance")
    assert_array_equal(sparse_model.predict(queries), direct.predict(Q))
    with pytest.raises(ValueError, match="expecting 150 features"):
        dense.predict(cdist(Q, Q))


@pytest.mark.parametrize("metric", ["minkowski", "p"])
def test_the_power_of_the_maximum(metric, engine):
    X = RNG.standard_normal((60, 3))
    with config_context(engine=engine):
        model = NearestNeighbors(metric=metric, p=None, metric_params={"p": np.inf}).fit(X)
        expected = NearestNeighbors(metric="chebyshev").fit(X)
        for found, right in zip(model.kneighbors(), expected.kneighbors(), strict=True):
            np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("p", [0, -1, np.nan])
@pytest.mark.parametrize(
    ("estimator", "metric"),
    [
        (partial(NearestNeighbors, p=None), "minkowski"),
        (partial(NearestNeighbors, p=None), "p"),
        (DBSCAN, "minkowski"),
        (partial(HDBSCAN, copy=True), "minkowski"),
        (partial(HDBSCAN, copy=True), "p"),
    ],
)
def test_powers_that_are_no_distances(estimator, metric, p):
    X = RNG.standard_normal((60, 3))
    with pytest.raises(ValueError, match=f"p of metric='{metric}' must be above 0"):
        estimator(metric=metric, metric_params={"p": p}).fit(X)


def test_missing_values_of_a_scan_are_those_of_an_array():
    X = np.array([[0.0, 1.0], [np.nan, 2.0], [4.0, np.nan], [5.0, 5.0]])
    model = KNeighborsRegressor(2, metric="nan_euclidean").fit(X, np.arange(4.0))
    whole = model.score(X, np.arange(4.0))
    assert model.score(scan(X), np.arange(4.0)) == whole
    infinite = np.where(X == 4.0, np.inf, X)
    for rows, message in (
        (infinite, "infinity"),
        (scan(infinite), "row 3, column 0: inf is not finite"),
    ):
        with pytest.raises(ValueError, match=message):
            model.predict(rows)


@pytest.mark.filterwarnings("ignore:Precomputed sparse input was not sorted")
@pytest.mark.parametrize("dtype", ["u1", "i1", "i8", "?", "f2", "f4", ">f4"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_precomputed_distances_of_any_type_are_float64(dtype, kind):
    """Functions of them would wrap small integers around: 20² is 144 in uint8."""
    if kind is not np.asarray and dtype in ("f2", ">f4"):
        pytest.skip("SciPy has no such sparse matrix")
    places = RNG.permutation(100)[:22, np.newaxis]
    D = (abs(places - places.T) + np.eye(22)).astype(dtype)
    y = RNG.integers(0, 2, 22)
    right = D.astype(float)
    model = NearestNeighbors(n_neighbors=3, radius=25.0, metric="precomputed").fit(kind(D))
    expected = clone(model).fit(right)
    for queries in (None, kind(D)):
        asked = None if queries is None else right
        for found, wanted in zip(
            (*model.kneighbors(queries), model.kneighbors_graph(queries, mode="distance").data),
            (
                *expected.kneighbors(asked),
                expected.kneighbors_graph(asked, mode="distance").data,
            ),
            strict=True,
        ):
            assert found.dtype == wanted.dtype
            assert_array_equal(found, wanted)
        for parts, others in zip(
            model.radius_neighbors(queries), expected.radius_neighbors(asked), strict=True
        ):
            for found, wanted in zip(parts, others, strict=True):
                assert found.dtype == wanted.dtype
                assert_array_equal(found, wanted)
    squares = KNeighborsClassifier(5, weights=lambda d: d * d, metric="precomputed")
    assert_array_equal(
        squares.fit(kind(D), y).predict_proba(kind(D)),
        squares.fit(right, y).predict_proba(right),
    )
    transformed = KNeighborsTransformer(n_neighbors=3, metric="precomputed")
    assert transformed.fit_transform(kind(D)).dtype == np.float64


def test_a_radius_is_compared_with_precomputed_float32_as_it_is():
    """As scikit-learn does: the next float32 above 0.1 stands for it."""
    D = np.array([[0.0, 0.1], [0.1, 0.0]], np.float32)
    model = NearestNeighbors(radius=0.1, metric="precomputed").fit(D)
    assert [each.tolist() for each in model.radius_neighbors()[1]] == [[1], [0]]
