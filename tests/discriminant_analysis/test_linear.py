"""Linear discriminant analysis: right values, digits, batches, and what it refuses."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg
from sklearn import discriminant_analysis
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_iris

import rmodels
from rmodels import PCA, LinearDiscriminantAnalysis
from rmodels.exceptions import NotCoveredError

RNG = np.random.default_rng(0)
beside_new = pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9),
    reason="before 1.9, scikit-learn divided by n - k with solver='svd'",
)
SETTINGS = [
    {},
    {"store_covariance": True},
    {"solver": "lsqr"},
    {"solver": "eigen"},
    {"solver": "lsqr", "shrinkage": 0.3},
    {"solver": "eigen", "shrinkage": 0.3},
    {"solver": "lsqr", "shrinkage": "auto"},
    {"solver": "eigen", "shrinkage": "auto"},
    {"n_components": 1},
]


def problem(n_classes=3, n=300, d=5, offset=3.0):
    y = RNG.integers(0, n_classes, n)
    X = RNG.standard_normal((n, d)) @ RNG.standard_normal((d, d))
    return X + y[:, np.newaxis] * np.arange(d) + offset, y


def test_a_worked_example():
    model = LinearDiscriminantAnalysis().fit([[0.0], [2.0], [4.0], [6.0]], [0, 0, 1, 1])
    assert_allclose(model.means_, [[1], [5]])
    assert_allclose(model.coef_, [[4]])  # S = 1
    assert_allclose(model.intercept_, [-12])
    assert_allclose(model.decision_function([[3.0], [4.0]]), [0, 4], atol=1e-14)
    assert_allclose(model.predict_proba([[4.0]]), [[1 / (1 + np.exp(4)), 1 / (1 + np.exp(-4))]])
    assert_allclose(model.explained_variance_ratio_, [1])


@beside_new
@pytest.mark.parametrize("parameters", SETTINGS, ids=str)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_equal_to_scikit_learn(parameters, n_classes):
    if n_classes == 2 and parameters.get("n_components"):
        parameters = {}
    X, y = problem(n_classes)
    ours = LinearDiscriminantAnalysis(**parameters).fit(X, y)
    theirs = discriminant_analysis.LinearDiscriminantAnalysis(**parameters).fit(X, y)
    assert_array_equal(ours.predict(X), theirs.predict(X))
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-11)
    for name in ("means_", "priors_", "covariance_", "explained_variance_ratio_"):
        assert hasattr(ours, name) == hasattr(theirs, name)
        if hasattr(theirs, name):
            assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-10, atol=1e-12)
    if n_classes == 2:
        assert_allclose(ours.coef_, theirs.coef_, rtol=1e-10)
        assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-9)
    if parameters.get("solver") != "lsqr":
        assert_allclose(abs(ours.transform(X)), abs(theirs.transform(X)), rtol=1e-8, atol=1e-10)


@beside_new
def test_priors_move_boundaries_and_not_the_covariance():
    X, y = load_iris(return_X_y=True)
    priors = [0.1, 0.1, 0.8]
    proba = [
        LinearDiscriminantAnalysis(solver, priors=priors).fit(X, y).predict_proba(X)
        for solver in ("svd", "lsqr", "eigen")
    ]
    assert_allclose(proba[1], proba[0], atol=1e-11)
    assert_allclose(proba[2], proba[0], atol=1e-11)
    theirs = discriminant_analysis.LinearDiscriminantAnalysis(priors=priors).fit(X, y)
    assert_allclose(proba[0], theirs.predict_proba(X), atol=1e-11)
    model = LinearDiscriminantAnalysis("lsqr", priors=priors).fit(X, y)
    assert_allclose(model.covariance_, LinearDiscriminantAnalysis("lsqr").fit(X, y).covariance_)


@pytest.mark.parametrize("parameters", SETTINGS, ids=str)
def test_an_offset_costs_no_digits(parameters):
    X, y = problem(offset=0.0)
    far = X + 1e6
    near = far - 1e6  # what is left of X there, exactly
    ours, expected = (LinearDiscriminantAnalysis(**parameters).fit(A, y) for A in (far, near))
    assert_allclose(ours.predict_proba(far), expected.predict_proba(near), atol=1e-9)


@pytest.mark.parametrize("shrinkage", [None, 0.4])
def test_batches_are_one_fit(shrinkage):
    X, y = problem()
    w = RNG.random(300)
    whole = LinearDiscriminantAnalysis("lsqr", shrinkage).fit(X, y, w)
    batches = LinearDiscriminantAnalysis("lsqr", shrinkage)
    for part in np.array_split(np.argsort(y, kind="stable"), 5):
        batches.partial_fit(X[part], y[part], [0, 1, 2], w[part])
    for name in ("means_", "covariance_", "coef_", "intercept_", "priors_"):
        assert_allclose(getattr(batches, name), getattr(whole, name), rtol=1e-10)
    scanned = LinearDiscriminantAnalysis("lsqr", shrinkage).fit(rmodels.scan(X), y, w)
    assert_allclose(scanned.coef_, whole.coef_, rtol=1e-10)


def test_weights_are_repeated_rows():
    X, y = problem()
    counts = RNG.integers(1, 4, 300)
    for parameters in SETTINGS:
        weighted = LinearDiscriminantAnalysis(**parameters).fit(X, y, counts)
        repeated = LinearDiscriminantAnalysis(**parameters).fit(
            np.repeat(X, counts, 0), np.repeat(y, counts)
        )
        assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8, atol=1e-10)


def test_directions_in_which_nothing_varies():
    X, y = problem()
    same = np.column_stack([X, X[:, 0], np.ones(300)])
    model, plain = (LinearDiscriminantAnalysis().fit(A, y) for A in (same, X))
    assert_allclose(model.predict_proba(same), plain.predict_proba(X), atol=1e-9)
    with pytest.raises(linalg.LinAlgError):
        LinearDiscriminantAnalysis("eigen").fit(same, y)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"shrinkage": 0.1}, NotImplementedError, "not supported with 'svd'"),
        ({"n_components": 3}, ValueError, "n_components cannot be larger"),
        ({"priors": [0.5, 0.5]}, ValueError, "there are 3 classes"),
        ({"priors": [1.5, -0.5, 0.0]}, ValueError, "must be non-negative"),
        ({"covariance_estimator": LedoitWolf()}, ValueError, "not supported with svd"),
        (
            {"solver": "lsqr", "shrinkage": 0.1, "covariance_estimator": LedoitWolf()},
            ValueError,
            "Only one of the two",
        ),
        (
            {"solver": "lsqr", "covariance_estimator": PCA()},
            ValueError,
            "PCA does not have a covariance_ attribute",
        ),
        ({"solver": "qr"}, ValueError, "The 'solver' parameter"),
    ],
)
def test_refusals(parameters, error, message):
    with pytest.raises(error, match=message):
        LinearDiscriminantAnalysis(**parameters).fit(*problem())


def test_what_cannot_be_answered():
    X, y = problem()
    with pytest.raises(ValueError, match="number of samples must be more than"):
        LinearDiscriminantAnalysis().fit(X[:3], [0, 1, 2])
    with pytest.raises(NotImplementedError, match="'lsqr' solver"):
        LinearDiscriminantAnalysis("lsqr").fit(X, y).transform(X)
    assert not hasattr(LinearDiscriminantAnalysis("lsqr", "auto"), "partial_fit")
    with pytest.warns(UserWarning, match="priors do not sum to 1"):
        model = LinearDiscriminantAnalysis(priors=[1, 1, 2]).fit(X, y)
    assert_allclose(model.priors_, [0.25, 0.25, 0.5])


def test_covariances_of_an_estimator():
    X, y = problem()
    parameters = {"solver": "lsqr", "covariance_estimator": LedoitWolf()}
    ours = LinearDiscriminantAnalysis(**parameters).fit(X, y)
    theirs = discriminant_analysis.LinearDiscriminantAnalysis(**parameters).fit(X, y)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-10)
    for rows, w in ((X, np.ones(300)), (rmodels.scan(X), None)):
        with pytest.raises(NotCoveredError, match="needs the rows in memory"):
            LinearDiscriminantAnalysis(**parameters).fit(rows, y, w)


def test_parts_without_any_weight():
    X, y = problem(2, n=20)
    with pytest.raises(ValueError, match=r"sample_weight is 0 for every sample.* of all so far"):
        LinearDiscriminantAnalysis().partial_fit(X, y, [0, 1], np.zeros(20))
    model = LinearDiscriminantAnalysis().partial_fit(X, y, [0, 1])
    expected = model.predict_proba(X)
    assert_allclose(model.partial_fit(X[:5], y[:5], None, np.zeros(5)).predict_proba(X), expected)
