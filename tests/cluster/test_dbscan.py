import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn import cluster
from sklearn.datasets import make_blobs

import rmodels
from rmodels import DBSCAN, dbscan
from rmodels.config import config_context
from rmodels.exceptions import NotCoveredError

X, _ = make_blobs(300, 3, centers=5, cluster_std=0.8, random_state=0)


def assert_same(model, expected):
    np.testing.assert_array_equal(model.labels_, expected.labels_)
    np.testing.assert_array_equal(model.core_sample_indices_, expected.core_sample_indices_)
    assert model.labels_.dtype == model.core_sample_indices_.dtype == np.int64


def test_clusters_are_scikit_learns(on_engine):
    for parameters in ({}, {"min_samples": 9, "p": 1, "metric": "minkowski"}, {"min_samples": 1}):
        for eps in (1.0, 1.4):
            expected = cluster.DBSCAN(eps, **parameters).fit(X)
            model = DBSCAN(eps, **parameters).fit(X)
            assert_same(model, expected)
            np.testing.assert_array_equal(model.components_, expected.components_)
            assert model.engine_ == on_engine
            assert len(set(model.labels_)) > 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("algorithm", ["auto", "ball_tree", "kd_tree", "brute"])
def test_ties_are_those_of_the_definition(algorithm, dtype):
    """Neighbours at eps and a rounding from it; scikit-learn's brute force finds 49 core points."""
    line = (np.arange(20) * 0.1).astype(dtype)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    distances = np.sqrt(((grid[:, np.newaxis].astype(float) - grid) ** 2).sum(axis=2))
    core, labels = dbscan(grid, 0.1, algorithm=algorithm)
    np.testing.assert_array_equal(core, np.flatnonzero((distances <= 0.1).sum(axis=1) >= 5))
    if dtype is np.float64:
        assert (len(core), labels.max() + 1, (labels < 0).sum()) == (25, 9, 315)


METRICS = {
    "canberra": {},
    "sqeuclidean": {},
    "seuclidean": {"V": np.array([1.0, 2.0, 3.0])},
    "minkowski": {"p": 3, "w": np.array([1.0, 2.0, 0.5])},
}


@pytest.mark.parametrize("metric", METRICS)
def test_metrics_of_scipy(metric):
    parameters = {"metric": metric, "metric_params": METRICS[metric]}
    eps = 0.15 if metric == "canberra" else 0.7
    weights = np.random.default_rng(0).integers(-1, 3, len(X))
    model = DBSCAN(eps, **parameters).fit(X, sample_weight=weights)
    assert_same(model, cluster.DBSCAN(eps, **parameters).fit(X, sample_weight=weights))
    assert model.engine_ == "scipy"
    assert model.labels_.max() > 1
    with config_context(memory_limit=1 << 20):  # several blocks
        assert_same(DBSCAN(eps, **parameters).fit(X, sample_weight=weights), model)
    with config_context(engine="native"), pytest.raises(NotCoveredError, match=metric):
        DBSCAN(eps, **parameters).fit(X)


def test_a_function_and_a_metric_that_is_none():
    model = DBSCAN(0.7, metric=lambda a, b: np.abs(a - b).max()).fit(X[:80])
    assert_same(model, DBSCAN(0.7, metric="chebyshev").fit(X[:80]))
    with pytest.raises(ValueError, match="above 0"):
        DBSCAN(metric="minkowski", p=0).fit(X)
    with pytest.raises(ValueError, match="metric"):
        DBSCAN(metric="taxi").fit(X)
    with pytest.warns(UserWarning, match="not distance metrics"):
        DBSCAN(metric="minkowski", p=0.5).fit(X)


@pytest.mark.filterwarnings("ignore:Precomputed sparse input was not sorted")  # theirs, once
def test_precomputed_distances():
    """Neighbours are those of a row; scikit-learn's labels, of distances that differ both ways."""
    distances = cdist(X, X)
    assert_same(DBSCAN(0.7, metric="precomputed").fit(distances), DBSCAN(0.7).fit(X))
    both_ways = np.random.default_rng(0).random((120, 120))
    for eps in (0.02, 0.05):
        for given in (both_ways, sparse.csr_array(np.where(both_ways < 0.04, both_ways, 0))):
            expected = cluster.DBSCAN(eps, min_samples=4, metric="precomputed").fit(given)
            model = DBSCAN(eps, min_samples=4, metric="precomputed").fit(given)
            assert_same(model, expected)
            assert 0 < len(model.core_sample_indices_) < 120
    with pytest.raises(ValueError, match="Negative"):
        DBSCAN(metric="precomputed").fit(-distances)
    with pytest.raises(ValueError, match="in memory"):
        DBSCAN(metric="precomputed").fit(rmodels.scan(lambda: iter([pd.DataFrame(distances)])))


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("density", [0.02, 0.5])
def test_sparse_rows(density, kind):
    """Few entries are compared as they are, more as an array; rows of zeros are neighbours."""
    A = sparse.random_array((200, 30), density=density, random_state=0).toarray()
    model, expected = DBSCAN(0.9, min_samples=4).fit(kind(A)), DBSCAN(0.9, min_samples=4).fit(A)
    assert_same(model, expected)
    assert model.engine_ == ("scipy" if density < 0.1 else expected.engine_)
    assert sparse.issparse(model.components_)
    np.testing.assert_array_equal(model.components_.toarray(), expected.components_)


def test_weights():
    """One of min_samples is core by itself, a negative one keeps its neighbour from being core."""
    line = [[0.0], [1.0], [5.0], [6.0], [9.0]]
    core, labels = dbscan(line, 1.0, min_samples=3, sample_weight=[2.0, 1.0, 4.0, -2.0, 3.0])
    assert (core.tolist(), labels.tolist()) == ([0, 1, 4], [0, 0, -1, -1, 1])
    core, _ = dbscan(line, 1.0, min_samples=1, sample_weight=[0.1, 0.9, 0.5, 0.4, 1.0])
    assert core.tolist() == [0, 1, 4]
    for bad, message in (([1.0], "shape"), ([np.nan] * 5, "NaN"), (["a"] * 5, "convert")):
        with pytest.raises(ValueError, match=message):
            DBSCAN().fit(line, sample_weight=bad)
    table = pd.DataFrame({"a": [0.0, 1.0, 5.0], "w": [1.0, -1.0, 2.0]})
    with pytest.raises(ValueError, match="at least 0"):
        DBSCAN().fit(rmodels.scan(lambda: iter([table])), sample_weight="w")


def in_parts(table, kind, step):
    """Return rows in parts of some length."""
    if kind == "scan":
        return rmodels.scan(lambda: (table[i : i + step] for i in range(0, len(table), step)))
    frames = pytest.importorskip("dask.dataframe", reason="the extra dask is not installed: Dask")
    return frames.from_pandas(table, chunksize=step, sort=False)


def test_rows_that_fit():
    rows = in_parts(pd.DataFrame(X, columns=list("abc")), "scan", 50)
    assert_same(DBSCAN(0.7).fit(rows), DBSCAN(0.7).fit(X))


@pytest.mark.parametrize("kind", ["scan", "dask"])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_rows_that_do_not_fit(on_engine, kind, metric, monkeypatch):
    """Parts of the grid on which every distance ties, of whole numbers, and of float32."""
    monkeypatch.setattr("rmodels.cluster._dbscan.fits", lambda *_: False)
    steps = np.stack(np.meshgrid(np.arange(14), np.arange(14)), axis=-1).reshape(-1, 2)
    rng = np.random.default_rng(0)
    few = rng.permutation(np.unique(rng.integers(0, 17, (150, 2)), axis=0))
    cases = (
        (steps * 0.1, 0.1),
        (few + 1e8, 1.0),
        (X[:, :2].astype(np.float32), 0.3),
        (X[:, :2] * 1e-150, 0.3e-150),
        (X[:, :2] * 1e-161, 0.3e-161),  # whose squares are few digits
    )
    for points, eps in cases:
        table = pd.DataFrame(points, columns=list("ab")).assign(w=rng.integers(0, 3, len(points)))
        for weight in (None, "w"):
            weights = None if weight is None else table["w"]
            given = {"eps": eps, "min_samples": 4, "metric": metric}
            expected = DBSCAN(**given).fit(points, sample_weight=weights)
            assert 0 < len(expected.core_sample_indices_) < len(points)
            model = DBSCAN(**given).fit([[0.0, 0.0]])  # whose one row is not kept
            rows = table if weight else table[["a", "b"]]
            model.fit(in_parts(rows, kind, 60), sample_weight=weight)
            np.testing.assert_array_equal(model.labels_, expected.labels_)
            np.testing.assert_array_equal(model.core_sample_indices_, expected.core_sample_indices_)
            assert not hasattr(model, "components_")
            assert model.engine_ == on_engine


@pytest.mark.parametrize("kind", ["scan", "dask"])
def test_more_rows_than_the_memory_limit(kind, tmp_path):
    """The core rows of the few dense places fit."""
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 100, (50_000, 3))
    points[::7] = np.floor(points[::7] / 20) * 20 + rng.standard_normal((7143, 3)) / 10
    expected = DBSCAN(0.2).fit(points)
    assert 1000 < len(expected.core_sample_indices_) < 20_000
    rows = in_parts(pd.DataFrame(points, columns=list("abc")), kind, 20_000)
    with config_context(memory_limit=1 << 20):
        model = DBSCAN(0.2).fit(rows)
    assert_same(model, expected)
    np.testing.assert_array_equal(model.components_, expected.components_)
    del model.components_  # as where they do not fit
    rmodels.save(model, tmp_path / "model")
    np.testing.assert_array_equal(rmodels.load(tmp_path / "model").labels_, expected.labels_)


def test_what_parts_do_not_say():
    big = pd.DataFrame(np.zeros((50_000, 3)), columns=list("abc")).assign(w=0.5)
    told = r"by this metric or with such weights .*memory_limit"
    with config_context(memory_limit=1 << 20):
        for parameters, weight in (({"metric": "canberra"}, None), ({}, "w")):
            columns = list("abc") + [weight] * (weight is not None)
            rows = in_parts(big[columns], "scan", 20_000)
            with pytest.raises(NotCoveredError, match=told):
                DBSCAN(**parameters).fit(rows, sample_weight=weight)


def test_refuses_before_work_starts():
    for bad, message in (([[np.nan]], "NaN"), ([[np.inf]], "infinity"), ([1.0], "2D array")):
        with pytest.raises(ValueError, match=message):
            DBSCAN().fit(bad)
    for parameters in ({"eps": 0.0}, {"min_samples": 0}, {"algorithm": "tree"}):
        with pytest.raises(ValueError, match="parameter of DBSCAN"):
            DBSCAN(**parameters).fit(X)
    with config_context(engine="gpu"), pytest.raises(RuntimeError, match="gpu"):
        DBSCAN().fit(X)
