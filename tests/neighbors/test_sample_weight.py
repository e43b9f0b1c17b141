"""k counts rows of positive weight; votes carry weights; a row of weight 0 is absent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import AdaBoostClassifier, VotingClassifier

import rmodels
from rmodels import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)


def _of_rows(X, y, w, Q, k):
    """Return the weighted mean of the k nearest rows of positive weight, by the definition."""
    means = []
    for query in Q:
        present = np.flatnonzero(w)
        order = np.argsort(((X[present] - query) ** 2).sum(axis=1), kind="stable")[:k]
        chosen = present[order]
        means.append(w[chosen] @ y[chosen] / w[chosen].sum())
    return np.array(means)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(8, 25), k=st.integers(1, 5))
def test_the_definition(seed, n, k):
    rng = np.random.default_rng(seed)
    X, Q = rng.integers(0, 4, (n, 2)).astype(float), rng.integers(0, 4, (10, 2)).astype(float)
    y, w = rng.integers(0, 2, n), rng.choice([0.0, 0.25, 1.0, 3.0], n)
    w[:5], y[:2] = 2.0, (0, 1)
    expected = _of_rows(X, y, w, Q, k)
    found = KNeighborsRegressor(k).fit(X, y, w).predict(Q)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    model = KNeighborsClassifier(k).fit(X, y, w)
    assert_allclose(model.predict_proba(Q)[:, 1], expected, rtol=1e-12, atol=1e-15)
    scaled = KNeighborsClassifier(k).fit(X, y, w / 80).predict_proba(Q)[:, 1]
    assert_allclose(scaled, expected, rtol=1e-12, atol=1e-15)
    present = np.flatnonzero(w)
    without = KNeighborsClassifier(k).fit(X[present], y[present], w[present])
    assert_array_equal(model.predict(Q), without.predict(Q))
    distances, indices = model.kneighbors(Q)
    for one, other in zip(without.kneighbors(Q), (distances, indices), strict=True):
        assert_array_equal(present[one] if one.dtype.kind == "i" else one, other)


def test_by_hand():
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 1, 0]
    model = KNeighborsClassifier(2).fit(X, y, sample_weight=[1, 3, 2, 4])
    assert_array_equal(model.predict_proba([[0.0]]), [[0.25, 0.75]])  # 1 to 3
    assert_array_equal(model.predict_proba(None)[3], [0.0, 1.0])  # of the points, without itself
    model.fit(X, y, sample_weight=[1, 0, 2, 4])
    assert_allclose(model.predict_proba([[0.0]]), [[1 / 3, 2 / 3]])
    assert_array_equal(model.kneighbors([[0.0]], return_distance=False), [[0, 2]])
    # the absent point has neighbours, and is nobody's
    assert_array_equal(model.kneighbors(return_distance=False), [[2, 3], [0, 2], [3, 0], [2, 0]])
    means = KNeighborsRegressor(2).fit(X, [8.0, 4.0, 12.0, 0.0], sample_weight=[1, 0, 3, 5])
    assert_array_equal(means.predict([[0.0]]), [(8 + 3 * 12) / 4])


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_points_among_themselves_within_a_radius(algorithm):
    rng = np.random.default_rng(0)
    X, w = rng.integers(0, 5, (40, 2)).astype(float), rng.choice([0.0, 1.0], 40)
    model = RadiusNeighborsRegressor(1.5, algorithm=algorithm).fit(X, np.arange(40.0), w)
    found = model.radius_neighbors(return_distance=False)
    for i, indices in enumerate(found):
        near = np.flatnonzero((((X - X[i]) ** 2).sum(axis=1) <= 1.5**2) & (w > 0))
        assert_array_equal(indices, near[near != i])


def test_fewer_rows_of_positive_weight_than_neighbours():
    model = KNeighborsClassifier(3).fit([[0], [1], [2]], [0, 1, 1], sample_weight=[1, 1, 0])
    with pytest.raises(ValueError, match="n_neighbors = 3, n_samples_fit = 2"):
        model.predict([[0]])
    with pytest.raises(ValueError, match=r"is 0 for every sample|at least one non-zero"):
        KNeighborsClassifier(1).fit([[0], [1]], [0, 1], sample_weight=[0, 0])


@pytest.mark.parametrize(
    "meta",
    [
        CalibratedClassifierCV(KNeighborsClassifier(5), cv=3),
        VotingClassifier([("a", KNeighborsClassifier(3)), ("b", KNeighborsClassifier(5))]),
        AdaBoostClassifier(KNeighborsClassifier(5), n_estimators=3, random_state=0),
    ],
    ids=lambda meta: type(meta).__name__,
)
def test_normalised_weights_of_meta_estimators(meta):
    X, y = make_classification(80, 4, random_state=0)
    normalised = meta.fit(X, y, sample_weight=np.full(80, 1 / 80)).predict(X)
    assert np.mean(normalised == y) > 0.8
    assert_array_equal(normalised, meta.fit(X, y, sample_weight=np.full(80, 2.0**-3)).predict(X))


def test_a_saved_model_leaves_the_absent_out(tmp_path):
    pytest.importorskip("safetensors", reason="the extra files is not installed: safetensors")
    rng = np.random.default_rng(0)
    X, y, w = rng.standard_normal((30, 2)), rng.integers(0, 2, 30), rng.choice([0.0, 1.0], 30)
    model = KNeighborsClassifier(3).fit(X, y, w)
    rmodels.save(model, tmp_path / "model")
    again = rmodels.load(tmp_path / "model")
    assert_array_equal(again.kneighbors(X)[1], model.kneighbors(X)[1])
    assert set(again.kneighbors(X)[1].ravel()) <= set(np.flatnonzero(w))


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_integer_weights_are_repeated_rows_within_a_radius(weights):
    rng = np.random.default_rng(3)
    X = rng.integers(0, 9, (60, 2)).astype(float)
    Q = np.vstack([X, rng.uniform(-2, 10, (40, 2))])  # also at distance 0 of a weight of 0
    repeats, y = rng.integers(0, 4, 60), rng.integers(0, 3, 60)
    rows = np.repeat(np.arange(60), repeats)
    regression = RadiusNeighborsRegressor(1.5, weights=weights)
    classification = RadiusNeighborsClassifier(1.5, weights=weights, outlier_label="most_frequent")
    with pytest.warns(UserWarning, match="no neighbors within"):
        found = regression.fit(X, y, sample_weight=repeats).predict(Q)
    with pytest.warns(UserWarning, match="no neighbors within"):
        expected = regression.fit(X[rows], y[rows]).predict(Q)
    assert_allclose(found, expected, rtol=1e-12)
    found = classification.fit(X, y, sample_weight=repeats).predict_proba(Q)
    label = classification.outlier_label_
    expected = classification.fit(X[rows], y[rows]).predict_proba(Q)
    assert_allclose(found, expected, rtol=1e-12)
    assert label == classification.outlier_label_
    with pytest.raises(ValueError, match=r"is 0 for every sample|at least one non-zero"):
        regression.fit(X, y, sample_weight=np.zeros(60))
