import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn import neighbors

import rmodels
from rmodels import LocalOutlierFactor
from rmodels.config import config_context
from rmodels.exceptions import NotCoveredError

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(150, 3)), 0.1 * RNG.normal(size=(150, 3)) + 4])
Q = np.concatenate([X[:5], RNG.uniform(-3, 6, (30, 3))])


def definition(X, Q, k, metric="euclidean"):
    """−LOF of points and of queries, a point after the other, neighbours by (distance, index)."""
    X, Q = X.astype(float), Q.astype(float)
    between, to = cdist(X, X, metric), cdist(Q, X, metric)
    order = np.argsort(between, axis=1, kind="stable")
    near = [[j for j in row if j != i][:k] for i, row in enumerate(order)]
    reach = [between[i, near[i][-1]] for i in range(len(X))]

    def density(distances, neighbours):
        return 1 / (np.mean([max(distances[j], reach[j]) for j in neighbours]) + 1e-10)

    densities = np.array([density(between[i], near[i]) for i in range(len(X))])
    factors = np.array([-densities[near[i]].mean() / densities[i] for i in range(len(X))])
    asked = np.argsort(to, axis=1, kind="stable")[:, :k]
    scores = [-densities[n].mean() / density(d, n) for d, n in zip(to, asked, strict=True)]
    return factors, np.array(scores)


def test_by_hand(on_engine):
    """Three corners of a square: √2 and 1 are all distances; the second by its neighbours' k."""
    model = LocalOutlierFactor(2, novelty=True).fit([[1.0, 1.0], [1.0, 2.0], [2.0, 1.0]])
    root = np.sqrt(2)
    first = 2 * root / (1 + root)
    second = (1 + root) * (1 / (4 * root) + 1 / (2 + 2 * root))
    factors = -model.negative_outlier_factor_
    np.testing.assert_allclose(factors, [first, second, second], rtol=1e-9)
    np.testing.assert_allclose(-model.score_samples([[2.0, 2.0]]), [first], rtol=1e-9)
    assert (model.engine_, model.offset_, model.n_neighbors_) == (on_engine, -1.5, 2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("algorithm", ["auto", "kd_tree", "brute"])
def test_factors_of_the_definition(algorithm, dtype):
    points, queries = X.astype(dtype), Q.astype(dtype)
    factors, scores = definition(points, queries, 7)
    model = LocalOutlierFactor(7, algorithm=algorithm, novelty=True).fit(points)
    rtol = 1e-12 if dtype is np.float64 else 2e-7
    assert model.negative_outlier_factor_.dtype == model.score_samples(queries).dtype == dtype
    np.testing.assert_allclose(model.negative_outlier_factor_, factors, rtol=rtol)
    np.testing.assert_allclose(model.score_samples(queries), scores, rtol=rtol)
    decided = model.decision_function(queries)
    np.testing.assert_allclose(decided, scores + 1.5, rtol=rtol, atol=rtol * np.abs(scores).max())
    np.testing.assert_array_equal(model.predict(queries), np.where(decided < 0, -1, 1))
    assert {-1, 1} == set(model.predict(queries))


def test_ties_and_duplicates():
    """On a grid every distance ties: neighbours of lower index come first."""
    line = np.arange(12.0)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    model = LocalOutlierFactor(5, novelty=True).fit(grid)
    factors, scores = definition(grid, grid[:9] + 0.5, 5)
    np.testing.assert_allclose(model.negative_outlier_factor_, factors, rtol=1e-12)
    np.testing.assert_allclose(model.score_samples(grid[:9] + 0.5), scores, rtol=1e-12)
    twice = np.repeat(X[:20], 9, axis=0)
    np.testing.assert_allclose(
        LocalOutlierFactor(4).fit(twice).negative_outlier_factor_, -np.ones(180), rtol=1e-12
    )
    with pytest.warns(UserWarning, match="Duplicate values"):
        LocalOutlierFactor(4).fit(np.concatenate([twice, [[9.0, 9.0, 9.0]]]))


@pytest.mark.parametrize("metric", ["manhattan", "canberra", "cosine"])
def test_metrics(metric):
    factors, scores = definition(X, Q, 9, "cityblock" if metric == "manhattan" else metric)
    model = LocalOutlierFactor(9, metric=metric, novelty=True).fit(X)
    np.testing.assert_allclose(model.negative_outlier_factor_, factors, rtol=1e-7)
    np.testing.assert_allclose(model.score_samples(Q), scores, rtol=1e-7)
    assert (model.engine_ == "scipy") == (metric == "canberra")


def test_precomputed_and_sparse():
    expected = LocalOutlierFactor(9, novelty=True).fit(X)
    model = LocalOutlierFactor(9, metric="precomputed", novelty=True).fit(cdist(X, X))
    np.testing.assert_allclose(model.score_samples(cdist(Q, X)), expected.score_samples(Q))
    A = np.where(np.abs(X) < 1, 0, X)
    ours, theirs = (
        LocalOutlierFactor(9, novelty=True).fit(kind(A)) for kind in (sparse.csr_array, np.array)
    )
    np.testing.assert_allclose(ours.negative_outlier_factor_, theirs.negative_outlier_factor_)


def test_contamination_is_scikit_learns():
    for contamination in (0.05, 0.5, "auto"):
        parameters = {"n_neighbors": 10, "contamination": contamination}
        theirs = neighbors.LocalOutlierFactor(**parameters)
        expected = theirs.fit_predict(X)
        model = LocalOutlierFactor(**parameters)
        np.testing.assert_array_equal(model.fit_predict(X), expected)
        assert model.offset_ == pytest.approx(theirs.offset_, rel=1e-12)


def test_few_points():
    with pytest.warns(UserWarning, match=r"n_neighbors will be set to \(n_samples - 1\)"):
        model = LocalOutlierFactor(400).fit(X)
    assert model.n_neighbors_ == 299
    with pytest.raises(ValueError, match="n_neighbors = 1, n_samples_fit = 1, n_samples = 1"):
        LocalOutlierFactor(1).fit(X[:1])
    with pytest.raises(ValueError, match="NaN"):
        LocalOutlierFactor().fit([[np.nan], [1.0]])


@pytest.mark.filterwarnings("ignore:Duplicate values")
@pytest.mark.parametrize("kind", ["precomputed", "hamming"])
@pytest.mark.parametrize("dtype", ["u1", "?", "f2", "f4", "f8"])
def test_factors_have_the_type_of_scikit_learns(kind, dtype):
    points = RNG.integers(0, 9, (40, 5))
    A = (abs(points[:, :1] - points[:, :1].T) if kind == "precomputed" else points).astype(dtype)
    found, theirs = (
        model(8, metric=kind, novelty=True).fit(A)
        for model in (LocalOutlierFactor, neighbors.LocalOutlierFactor)
    )
    assert found.negative_outlier_factor_.dtype == theirs.negative_outlier_factor_.dtype
    assert found.score_samples(A).dtype == theirs.score_samples(A).dtype
    exact = LocalOutlierFactor(8, metric=kind).fit(A.astype(float)).negative_outlier_factor_
    rtol = 2e-7 if dtype == "f4" else 0
    np.testing.assert_allclose(found.negative_outlier_factor_, exact, rtol=rtol)


def test_predict_of_no_queries_is_of_the_points(on_engine):
    model = LocalOutlierFactor(7, novelty=True, contamination=0.1).fit(X)
    expected = LocalOutlierFactor(7, contamination=0.1).fit_predict(X)
    assert set(expected) == {-1, 1}
    np.testing.assert_array_equal(model.predict(), expected)
    np.testing.assert_array_equal(model.predict(None), expected)
    for method in (model.decision_function, model.score_samples):
        with pytest.raises(ValueError, match=r"X is None: .* negative_outlier_factor_"):
            method(None)


def test_no_number_of_neighbours():
    with pytest.raises(ValueError, match="n_neighbors is None: give a number of neighbours"):
        LocalOutlierFactor(n_neighbors=None).fit(X)


def test_what_there_is():
    model = LocalOutlierFactor().fit(X)
    for method in ("predict", "decision_function", "score_samples"):
        assert not hasattr(model, method)
    assert not hasattr(LocalOutlierFactor(novelty=True), "fit_predict")


def test_rows_that_are_not_in_memory():
    names = list("abc")
    table = pd.DataFrame(X, columns=names)
    passes = []

    def read():
        passes.append(1)
        return (table[i : i + 70] for i in range(0, 300, 70))

    model = LocalOutlierFactor(9).fit(rmodels.scan(read))
    assert len(passes) == 2
    expected = LocalOutlierFactor(9).fit(X)
    np.testing.assert_array_equal(model.negative_outlier_factor_, expected.negative_outlier_factor_)
    big = pd.DataFrame(np.zeros((50_000, 3)), columns=names)
    with config_context(memory_limit=1 << 20), pytest.raises(NotCoveredError, match="memory_limit"):
        LocalOutlierFactor().fit(rmodels.scan(lambda: iter([big])))
