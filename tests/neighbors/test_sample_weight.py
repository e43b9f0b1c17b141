"""What k counts when points have weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import BaggingClassifier
from sklearn.neighbors import KNeighborsClassifier as Peer

from rmodels import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(3, 25),
    k=st.integers(1, 8),
    weights=st.sampled_from(["uniform", "distance"]),
)
def test_integer_weights_are_repeated_rows(seed, n, k, weights):
    rng = np.random.default_rng(seed)
    X, Q = rng.integers(0, 4, (n, 2)).astype(float), rng.integers(0, 4, (10, 2)).astype(float)
    repeats = rng.integers(0, 4, n)
    repeats[0] += k
    y = rng.integers(0, 3, n)
    rows = np.repeat(np.arange(n), repeats)
    for Estimator, method in (
        (KNeighborsClassifier, "predict_proba"),
        (KNeighborsRegressor, "predict"),
    ):
        model = Estimator(k, weights=weights)
        kept = np.flatnonzero(np.isin(y, y[rows])) if method == "predict_proba" else np.arange(n)
        weighted = model.fit(X[kept], y[kept], sample_weight=repeats[kept])
        found = getattr(weighted, method)(Q)
        repeated = getattr(model.fit(X[rows], y[rows]), method)(Q)
        assert_allclose(found, repeated, rtol=1e-12, atol=1e-15)


def test_by_hand():
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 1, 0]
    # of the weights 1, 2, 2, 5, the nearest 4 points of 0 are: one 0, two 1 and one half of [2.0]
    model = KNeighborsClassifier(4).fit(X, y, sample_weight=[1, 2, 2, 5])
    assert_array_equal(model.predict_proba([[0.0]]), [[0.25, 0.75]])
    # without itself: without the whole row of weight 5
    assert_array_equal(model.predict_proba(None)[3], [0.0, 1.0])
    means = KNeighborsRegressor(4).fit(X, [8.0, 4.0, 12.0, 0.0], sample_weight=[1, 2, 2, 5])
    assert_array_equal(means.predict([[0.0]]), [(8 + 2 * 4 + 12) / 4])
    # kneighbors counts rows
    assert_array_equal(model.kneighbors([[0.0]], return_distance=False), [[0, 1, 2, 3]])


def test_fractions_reach_k():
    rng = np.random.default_rng(0)
    X, y, w = rng.standard_normal((60, 2)), rng.integers(0, 2, 60), rng.uniform(0.05, 0.3, 60)
    found = KNeighborsClassifier(2).fit(X, y, sample_weight=w).predict_proba(X[:5])
    for row, query in zip(found, X[:5], strict=True):
        order = np.argsort(((X - query) ** 2).sum(axis=1), kind="stable")
        before = np.cumsum(w[order]) - w[order]
        parts = np.clip(2 - before, 0, w[order])
        assert_allclose(row[1], parts @ y[order] / 2, rtol=1e-12)


def test_weights_that_cannot_reach_k():
    with pytest.raises(ValueError, match="Expected n_neighbors <= the sum of sample_weight"):
        KNeighborsClassifier(3).fit([[0], [1], [2]], [0, 1, 1], sample_weight=[1, 1, 0.5]).predict(
            [[0]]
        )
    with pytest.raises(ValueError, match=r"is 0 for every sample|at least one non-zero"):
        KNeighborsClassifier(1).fit([[0], [1]], [0, 1], sample_weight=[0, 0])


def test_bagging_counts_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    X, Q, y = rng.standard_normal((80, 3)), rng.standard_normal((30, 3)), rng.integers(0, 3, 80)
    ours, theirs = (
        BaggingClassifier(knn(3), n_estimators=5, random_state=0).fit(X, y).predict_proba(Q)
        for knn in (KNeighborsClassifier, Peer)
    )
    assert_allclose(ours, theirs, rtol=1e-12)


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
