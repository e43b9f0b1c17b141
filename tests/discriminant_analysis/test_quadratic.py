"""Quadratic discriminant analysis: right values, digits, and what it refuses."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg
from sklearn import discriminant_analysis
from sklearn.covariance import LedoitWolf

import rmodels
from rmodels import QuadraticDiscriminantAnalysis
from rmodels.config import config_context
from rmodels.exceptions import NotCoveredError

RNG = np.random.default_rng(0)
beside_new = pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9),
    reason="before 1.9, scikit-learn divided by n - 1, and had no solver",
)
SETTINGS = [
    {},
    {"reg_param": 0.2},
    {"solver": "eigen"},
    {"solver": "eigen", "shrinkage": 0.3},
    {"solver": "eigen", "shrinkage": "auto"},
    {"priors": [0.2, 0.3, 0.5]},
]


def problem(n=300, d=4, offset=3.0):
    y = RNG.integers(0, 3, n)
    X = RNG.standard_normal((n, d)) * (1 + y[:, np.newaxis]) + y[:, np.newaxis] + offset
    return X, y


def test_a_worked_example():
    model = QuadraticDiscriminantAnalysis().fit([[0.0], [2.0], [4.0], [12.0]], [0, 0, 1, 1])
    assert_allclose(np.ravel(model.scalings_), [1, 16])
    found = model.decision_function([[3.0]])
    assert_allclose(found, [-0.5 * (25 / 16 + np.log(16)) + 0.5 * 4])


@beside_new
@pytest.mark.parametrize("parameters", SETTINGS, ids=str)
def test_equal_to_scikit_learn(parameters):
    X, y = problem()
    ours = QuadraticDiscriminantAnalysis(store_covariance=True, **parameters).fit(X, y)
    theirs = discriminant_analysis.QuadraticDiscriminantAnalysis(
        store_covariance=True, **parameters
    ).fit(X, y)
    assert_array_equal(ours.predict(X), theirs.predict(X))
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=1e-9, atol=1e-9)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-10)
    assert_allclose(ours.means_, theirs.means_, rtol=1e-12)
    assert_allclose(ours.priors_, theirs.priors_)
    for name in ("covariance_", "scalings_"):
        for found, expected in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("parameters", SETTINGS, ids=str)
def test_an_offset_costs_no_digits(parameters):
    X, y = problem(offset=0.0)
    far = X + 1e6
    near = far - 1e6
    ours, expected = (QuadraticDiscriminantAnalysis(**parameters).fit(A, y) for A in (far, near))
    assert_allclose(ours.predict_proba(far), expected.predict_proba(near), atol=1e-9)


def test_columns_of_different_units_keep_their_digits():
    X, y = problem(offset=0.0)
    units = 2.0 ** np.array([-20, 0, 20, 30])
    ours = QuadraticDiscriminantAnalysis(tol=0).fit(X * units, y)
    expected = QuadraticDiscriminantAnalysis().fit(X, y)
    assert_allclose(ours.predict_proba(X * units), expected.predict_proba(X), atol=1e-6)


def test_a_scan_and_weights():
    X, y = problem()
    counts = RNG.integers(1, 4, 300)
    repeated = np.repeat(X, counts, 0), np.repeat(y, counts)
    for parameters in SETTINGS:
        expected = QuadraticDiscriminantAnalysis(**parameters).fit(*repeated).predict_proba(X)
        for rows in (X, rmodels.scan(X)):
            model = QuadraticDiscriminantAnalysis(**parameters).fit(rows, y, counts)
            assert_allclose(model.predict_proba(X), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"shrinkage": 0.1}, NotImplementedError, "not supported with 'svd'"),
        ({"priors": [0.5, 0.5]}, ValueError, "there are 3 classes"),
        ({"covariance_estimator": LedoitWolf()}, ValueError, "not supported with solver='svd'"),
        ({"reg_param": 2}, ValueError, "reg_param"),
    ],
)
def test_refusals(parameters, error, message):
    with pytest.raises(error, match=message):
        QuadraticDiscriminantAnalysis(**parameters).fit(*problem())


def test_classes_that_have_no_density():
    X, y = problem()
    with pytest.raises(ValueError, match="has to be greater than one"):
        QuadraticDiscriminantAnalysis().fit(X, np.zeros(300))
    with pytest.raises(ValueError, match="only 1 sample in class 7"):
        QuadraticDiscriminantAnalysis().fit(X, np.where(np.arange(300) == 5, 7, y))
    with pytest.raises(ValueError, match="sample_weight is 0 for every sample of class 1"):
        QuadraticDiscriminantAnalysis().fit(X, y, y != 1)
    same = np.column_stack([X, X[:, 0]])
    with pytest.raises(linalg.LinAlgError, match="Increase the value of `reg_param`"):
        QuadraticDiscriminantAnalysis().fit(same, y)
    few = np.concatenate([np.flatnonzero(y == label)[:3] for label in range(3)])
    with pytest.raises(linalg.LinAlgError, match="has 3 samples and 4 features"):
        QuadraticDiscriminantAnalysis().fit(X[few], y[few])
    QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.5).fit(X[few], y[few])
    wide = np.tile(X, 60)  # 3 matrices of 240 columns
    with config_context(memory_limit=2**20), pytest.raises(ValueError, match="memory_limit"):
        QuadraticDiscriminantAnalysis().fit(wide, y)


@beside_new
def test_a_class_with_as_many_rows_as_columns_is_regularised():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 20)), np.arange(40) % 2
    parameters = {"reg_param": 0.1, "store_covariance": True}
    ours = QuadraticDiscriminantAnalysis(**parameters).fit(X, y)
    theirs = discriminant_analysis.QuadraticDiscriminantAnalysis(**parameters).fit(X, y)
    assert_allclose(ours.scalings_, theirs.scalings_, rtol=1e-9)
    assert_allclose(ours.covariance_, theirs.covariance_, rtol=1e-9, atol=1e-11)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    for model in (
        QuadraticDiscriminantAnalysis(),
        discriminant_analysis.QuadraticDiscriminantAnalysis(),
    ):
        with pytest.raises(linalg.LinAlgError, match="has 20 samples and 20 features"):
            model.fit(X, y)
        with pytest.raises(linalg.LinAlgError, match="has 19 samples and 20 features"):
            model.set_params(reg_param=0.1).fit(X[:38], y[:38])
        with pytest.raises(linalg.LinAlgError, match="Increase the value of `shrinkage`"):
            model.set_params(solver="eigen").fit(X, y)
        model.set_params(shrinkage=0.1).fit(X[:38], y[:38])


def test_priors_decide_of_rows_where_every_density_is_0():
    X, y = problem()
    model = QuadraticDiscriminantAnalysis(priors=[0.0, 0.25, 0.75]).fit(X, y)
    far = np.full((1, 4), 1e200)
    assert_allclose(model.predict_proba(far), [[0, 0.25, 0.75]], rtol=1e-15)
    assert model.predict(far).tolist() == [2]
    two = QuadraticDiscriminantAnalysis(priors=[0.25, 0.75]).fit(X, y > 0)
    assert_allclose(two.decision_function(far), np.log(3), rtol=1e-15)


@beside_new
def test_covariances_of_an_estimator():
    X, y = problem()
    parameters = {"solver": "eigen", "covariance_estimator": LedoitWolf()}
    ours = QuadraticDiscriminantAnalysis(**parameters).fit(X, y)
    theirs = discriminant_analysis.QuadraticDiscriminantAnalysis(**parameters).fit(X, y)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-10)
    for rows, w in ((X, np.ones(300)), (rmodels.scan(X), None)):
        with pytest.raises(NotCoveredError, match="needs the rows in memory"):
            QuadraticDiscriminantAnalysis(**parameters).fit(rows, y, w)
