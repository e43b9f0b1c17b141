"""Clusters that are split in two: scikit-learn's splits, and the same bits everywhere."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import cluster

import rmodels
from rmodels import BisectingKMeans, KMeans, native
from rmodels.config import config_context


def blobs(n=900, d=4, k=6, seed=0):
    rng = np.random.default_rng(seed)
    return 4 * rng.normal(size=(k, d))[rng.integers(0, k, n)] + rng.normal(size=(n, d))


def assert_same_bits(ours, expected):
    for name in ("cluster_centers_", "labels_", "inertia_"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(expected, name))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"init": "k-means++", "n_init": 3},
        {"n_clusters": 20, "bisecting_strategy": "largest_cluster"},
        {"n_clusters": 15, "max_iter": 2, "algorithm": "elkan"},
        {"tol": 0.5},
    ],
    ids=str,
)
def test_splits_are_those_of_scikit_learn(on_engine, given, weighted):
    X, seed = blobs(), int(weighted)
    w = np.random.default_rng(0).random(len(X)) if weighted else None
    theirs = cluster.BisectingKMeans(random_state=seed, **given).fit(X, sample_weight=w)
    ours = BisectingKMeans(random_state=seed, **given).fit(X, sample_weight=w)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, atol=1e-12)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-12)
    queries = blobs(seed=9)
    np.testing.assert_array_equal(ours.predict(queries), theirs.predict(queries))
    np.testing.assert_array_equal(ours.predict(X), ours.labels_)


def ends(rows, n_clusters, random_state):
    return rows[[0, -1]]


def test_rows_go_down_the_tree(on_engine):
    """6.5 is nearer to 2.5 than to 11 of all centres, but 1.5 | 11 was the first split."""
    model = BisectingKMeans(3, init=ends).fit([[0.0], [1.0], [2.0], [3.0], [11.0]])
    np.testing.assert_array_equal(model.cluster_centers_.ravel(), [0.5, 2.5, 11.0])
    np.testing.assert_array_equal(model.labels_, [0, 0, 1, 1, 2])
    np.testing.assert_array_equal(model.predict([[6.0], [6.5]]), [1, 2])
    np.testing.assert_array_equal(model.transform([[6.5]]).argmin(axis=1), [1])


def test_one_cluster_is_the_mean():
    X, w = [[0.0], [3.0]], [1.0, 2.0]
    model = BisectingKMeans(1).fit(X, sample_weight=w)
    np.testing.assert_array_equal(model.cluster_centers_, [[2.0]])
    np.testing.assert_array_equal(model.labels_, [0, 0])
    assert model.inertia_ == 6.0
    np.testing.assert_array_equal(model.predict([[9.0]]), [0])


@pytest.mark.parametrize("strategy", ["biggest_inertia", "largest_cluster"])
def test_the_same_bits_everywhere(monkeypatch, strategy):
    """For 1, 2 and 5 threads, every instruction set, batches of a scan, and sparse rows."""
    X = blobs(1000, 4, 9)
    X[X < 0] = 0
    given = {"n_clusters": 7, "random_state": 0, "bisecting_strategy": strategy, "max_iter": 8}
    with config_context(engine="reference"):
        expected = BisectingKMeans(**given).fit(X)
    for name in native.instruction_sets():
        monkeypatch.setenv("RMODELS_ISA", name)
        for n_threads in (1, 2, 5):
            with config_context(n_threads=n_threads):
                assert_same_bits(BisectingKMeans(**given).fit(X), expected)
    frame = pd.DataFrame(X, columns=list("abcd"))
    for step in (300, 77):
        rows = rmodels.scan(
            lambda step=step: (frame[i : i + step] for i in range(0, 1000, step)),
        )
        assert_same_bits(BisectingKMeans(**given).fit(rows), expected)
    assert_same_bits(BisectingKMeans(**given).fit(sparse.csr_array(X)), expected)


def test_the_same_bits_on_a_cluster():
    dask = pytest.importorskip("dask.array", reason="the extra dask is not installed: Dask")
    X = blobs(2000, 3)
    expected = BisectingKMeans(5, random_state=0).fit(X)
    rows = dask.from_array(X, chunks=(700, 3))
    model = BisectingKMeans(5, random_state=0).fit(rows)
    assert_same_bits(model, expected)
    np.testing.assert_array_equal(model.predict(rows).compute(), expected.labels_)


def test_a_sample_begins_what_does_not_fit():
    X = blobs(20_000, 8, 4)  # 1.3 MB
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    rows = rmodels.scan(lambda: (frame[i : i + 3000] for i in range(0, 20_000, 3000)))
    with config_context(memory_limit=1 << 20):
        model = BisectingKMeans(4, random_state=0, init="k-means++").fit(rows)
    np.testing.assert_array_equal(model.predict(frame), model.labels_)
    squares = ((X - model.cluster_centers_[model.labels_]) ** 2).sum()
    assert model.inertia_ == pytest.approx(squares, rel=1e-12)


def test_float32_far_from_zero(on_engine):
    X = (blobs() + 1e4).astype(np.float32)
    model = BisectingKMeans(6, random_state=0).fit(X)
    assert model.cluster_centers_.dtype == np.float32
    np.testing.assert_array_equal(model.predict(X), model.labels_)


def test_every_split_lowers_the_inertia():
    X = blobs()
    found = [BisectingKMeans(k, random_state=0).fit(X).inertia_ for k in range(1, 9)]
    assert (np.diff(found) < 0).all()
    assert found[0] == pytest.approx(KMeans(1).fit(X).inertia_, rel=1e-13)


@pytest.mark.parametrize(
    ("parameters", "rows", "weights", "message"),
    [
        ({"n_clusters": 9}, [[0.0], [1.0]], None, "n_samples=2 should be >= n_clusters=9"),
        ({"n_clusters": 2}, [[0.0], [np.nan]], None, "contains NaN"),
        ({"n_clusters": 2, "init": [[0.0], [1.0]]}, [[0.0], [1.0]], None, "'init' parameter"),
        ({"n_clusters": 3}, [[9.0], [0.0], [9.0]], None, "n_clusters=3 is more than there are"),
    ],
)
def test_errors(on_engine, parameters, rows, weights, message):
    with pytest.raises(ValueError, match=message):
        BisectingKMeans(random_state=0, **parameters).fit(rows, sample_weight=weights)


@pytest.mark.parametrize("kind", [np.float32, np.float64, sparse.csr_array, "scan"])
def test_a_single_cluster_of_any_rows(kind, engine):
    X = np.random.default_rng(3).integers(0, 9, (40, 3)).astype(np.float64)
    given = rmodels.scan(X) if kind == "scan" else kind(X)
    with rmodels.config_context(engine=engine):
        model = BisectingKMeans(1).fit(given)
    np.testing.assert_allclose(model.cluster_centers_, [X.mean(axis=0)], rtol=1e-6)
    assert not model.labels_.any()


@pytest.mark.parametrize("kind", ["array", "scan", "sparse"])
@pytest.mark.parametrize("strategy", ["biggest_inertia", "largest_cluster"])
def test_as_many_clusters_as_rows(on_engine, kind, strategy):
    """A run that `tol` ends leaves single rows off their centres; they are not split for that."""
    X = 0.1 * np.random.default_rng(1).standard_normal((130, 1))
    rows = rmodels.scan(X) if kind == "scan" else sparse.csr_array(X) if kind == "sparse" else X
    model = BisectingKMeans(130, random_state=0, bisecting_strategy=strategy).fit(rows)
    assert sorted(model.labels_) == list(range(130))


@pytest.mark.parametrize("strategy", ["biggest_inertia", "largest_cluster"])
def test_as_many_clusters_as_rows_of_a_weight(strategy):
    X, w = 0.1 * np.random.default_rng(2).standard_normal((60, 1)), np.arange(60) % 3.0
    model = BisectingKMeans(40, random_state=0, bisecting_strategy=strategy)
    labels = model.fit(X, sample_weight=w).labels_
    assert len(set(labels[w > 0])) == 40
    with pytest.raises(ValueError, match=r"n_clusters=41 is more than|draws 2 different rows"):
        model.set_params(n_clusters=41).fit(X, sample_weight=w)


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_few_rows_of_a_scan_are_no_sample(init):
    """A cluster of one row is whole; no limit of memory is to blame."""
    rows = rmodels.scan(np.array([[9.0], [0.0], [9.0]]))
    model = BisectingKMeans(3, random_state=0, init=init)
    if init == "random":
        with pytest.raises(
            ValueError, match="n_clusters=3 is more than there are rows that differ"
        ):
            model.fit(rows)
        return
    expected = BisectingKMeans(3, random_state=0, init=init).fit([[9.0], [0.0], [9.0]])
    assert_same_bits(model.fit(rows), expected)
