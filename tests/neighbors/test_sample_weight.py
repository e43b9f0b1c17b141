"""Points that have weights: what k counts, and what their votes count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    VotingClassifier,
)
from sklearn.tree import DecisionTreeClassifier

from rmodels import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)


def by_definition(X, y, w, Q, k, weights):
    """Votes of three classes and means over the k nearest of the rows whose weight is not 0."""
    shares, means = [], []
    rows = np.flatnonzero(w)
    for query in Q:
        distances = np.sqrt(((X[rows] - query) ** 2).sum(axis=1))
        near = np.argsort(distances, kind="stable")[:k]
        v = np.ones(k)
        if weights == "distance":
            touching = distances[near] == 0
            v = touching * 1.0 if touching.any() else 1 / distances[near]
        v = v * w[rows[near]]
        labels = y[rows[near]]
        shares.append([v[labels == label].sum() / v.sum() for label in range(3)])
        means.append((v * labels).sum() / v.sum())
    return np.array(shares), np.array(means)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(3, 25),
    k=st.integers(1, 8),
    weights=st.sampled_from(["uniform", "distance"]),
    scale=st.sampled_from([1.0, 1 / 80, 1e-300, 1e300]),
)
def test_votes_carry_the_weights(seed, n, k, weights, scale):
    rng = np.random.default_rng(seed)
    X, Q = rng.integers(0, 4, (n, 2)).astype(float), rng.integers(0, 4, (10, 2)).astype(float)
    w, y = rng.uniform(0.1, 3, n) * rng.integers(0, 2, n), rng.integers(0, 3, n)
    y[:3] = range(3)  # all classes, whatever their weights
    w[0] = 1.0
    k = min(k, np.count_nonzero(w))
    shares, means = by_definition(X, y, w, Q, k, weights)
    model = KNeighborsClassifier(k, weights=weights).fit(X, y, sample_weight=w * scale)
    assert_allclose(model.predict_proba(Q), shares, rtol=1e-12)
    found = KNeighborsRegressor(k, weights=weights).fit(X, y, sample_weight=w * scale).predict(Q)
    assert_allclose(found, means, rtol=1e-12)


@pytest.mark.parametrize("weights", ["uniform", "distance", lambda d: np.exp(-d)])
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_a_row_of_weight_0_is_absent(weights, algorithm):
    rng = np.random.default_rng(1)
    X, y = rng.integers(0, 9, (200, 2)).astype(float), rng.integers(0, 3, 200)
    Q = np.vstack([X, rng.uniform(-2, 10, (40, 2))])
    w = np.where(rng.random(200) < 0.1, 0.5, 0.0)
    w[:80] = 0.0  # whole neighbourhoods without any
    kept = w > 0
    given = {"n_neighbors": 3, "weights": weights, "algorithm": algorithm}
    for Estimator, method in (
        (KNeighborsClassifier, "predict_proba"),
        (KNeighborsRegressor, "predict"),
    ):
        weighted = Estimator(**given).fit(X, y, sample_weight=w)
        without = Estimator(**given).fit(X[kept], y[kept])
        found = getattr(weighted, method)
        assert_array_equal(found(Q), getattr(without, method)(Q))
        # each point without itself
        assert_array_equal(found(None)[kept], getattr(without, method)(None))
        assert_array_equal(found(None)[~kept], getattr(without, method)(X[~kept]))


def test_equal_weights_are_none():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((80, 3)), rng.standard_normal(80)
    expected = KNeighborsRegressor(7, weights="distance").fit(X, y).predict(X + 0.1)
    for weight in (1, 1 / 80, 7e300):
        model = KNeighborsRegressor(7, weights="distance")
        model.fit(X, y, sample_weight=np.full(80, weight))
        assert_array_equal(model.predict(X + 0.1), expected)


def test_by_hand():
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 1, 0]
    model = KNeighborsClassifier(3).fit(X, y, sample_weight=[1, 2, 2, 5])
    assert_array_equal(model.predict_proba([[0.0], [3.0]]), [[1 / 5, 4 / 5], [5 / 9, 4 / 9]])
    assert_array_equal(model.predict_proba(None)[3], [1 / 5, 4 / 5])  # without itself
    means = KNeighborsRegressor(3).fit(X, [8.0, 4.0, 12.0, 0.0], sample_weight=[1, 2, 2, 5])
    assert_allclose(means.predict([[0.0]]), [(8 + 2 * 4 + 2 * 12) / 5])
    absent = KNeighborsClassifier(3).fit(X, y, sample_weight=[1, 2, 0, 5])
    assert_array_equal(absent.predict_proba([[0.0]]), [[6 / 8, 2 / 8]])
    # kneighbors finds points whatever their weights
    assert_array_equal(absent.kneighbors([[0.0]], return_distance=False), [[0, 1, 2]])


def test_ties_of_whole_weights():
    model = KNeighborsClassifier(3).fit([[0.0], [1.0], [2.0]], [1, 1, 0], sample_weight=[1, 2, 3])
    assert model.predict([[0.0]]) == [0]  # 1 + 2 = 3: the first class


def test_too_few_points_have_a_weight():
    model = KNeighborsClassifier(3).fit([[0], [1], [2], [3]], [0, 1, 1, 0], [1, 1, 0, 0.5])
    assert_array_equal(model.predict_proba([[0]]), [[1.5 / 2.5, 1 / 2.5]])
    with pytest.raises(ValueError, match="Expected n_neighbors < the number of points whose"):
        model.predict(None)
    with pytest.raises(ValueError, match="n_neighbors = 4, and there are 3"):
        model.set_params(n_neighbors=4).predict([[0]])
    with pytest.raises(ValueError, match=r"is 0 for every sample|at least one non-zero"):
        KNeighborsClassifier(1).fit([[0], [1]], [0, 1], sample_weight=[0, 0])


def of_blobs():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    return rng.standard_normal((80, 2)) + 3.0 * y[:, np.newaxis], y


@pytest.mark.parametrize("weight", [1 / 80, 1.0])
@pytest.mark.parametrize(
    "meta",
    [
        lambda model: CalibratedClassifierCV(model, cv=4),
        lambda model: VotingClassifier([("one", model), ("other", DecisionTreeClassifier())]),
        lambda model: model,
    ],
)
def test_estimators_that_hand_weights_on(meta, weight):
    X, y = of_blobs()
    w = np.full(80, weight)
    ours = meta(KNeighborsClassifier(3)).fit(X, y, sample_weight=w)
    expected = meta(KNeighborsClassifier(3)).fit(X, y)
    assert_allclose(ours.predict(X), expected.predict(X))
    assert ours.score(X, y) > 0.9


def test_bagging():
    X, y = of_blobs()
    model = BaggingClassifier(KNeighborsClassifier(3), n_estimators=5, random_state=0).fit(X, y)
    drawn = [np.bincount(rows, minlength=80) for rows in model.estimators_samples_]
    votes = [KNeighborsClassifier(3).fit(X, y, w).predict_proba(X) for w in drawn]
    assert_allclose(model.predict_proba(X), np.mean(votes, axis=0))
    assert model.fit(X, y, sample_weight=np.full(80, 1 / 80)).score(X, y) > 0.9


def test_boosting():
    X, y = of_blobs()
    model = AdaBoostClassifier(KNeighborsClassifier(3), n_estimators=5, random_state=0).fit(X, y)
    # the first round: all weights 1/80; the next: larger where that was wrong
    first = KNeighborsClassifier(3).fit(X, y)
    assert_array_equal(model.estimators_[0].predict(X), first.predict(X))
    assert model.score(X, y) > 0.9
    regressor = AdaBoostRegressor(KNeighborsRegressor(3), n_estimators=5, random_state=0)
    assert regressor.fit(X, X[:, 0]).score(X, X[:, 0]) > 0.9


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
