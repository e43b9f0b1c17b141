"""What linear models predict by: Σ w x + b, in one read that checks X."""

import numpy as np
import pytest
import sklearn.linear_model
from scipy import sparse

import rmodels
from rmodels import LinearRegression, LogisticRegression, SGDOneClassSVM

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 11))
SUMS = X @ RNG.normal(size=11) + 1.0
ESTIMATORS = {
    "LinearRegression": SUMS,
    "Ridge": SUMS,
    "Lasso": SUMS,
    "ElasticNetCV": SUMS,
    "RidgeCV": SUMS,
    "SGDRegressor": SUMS,
    "PoissonRegressor": np.exp(SUMS / 8),
    "LogisticRegression": SUMS > 0,
    "RidgeClassifier": SUMS > 0,
    "SGDClassifier": SUMS > 0,
    "Perceptron": SUMS > 0,
    "SGDOneClassSVM": None,
}


def told(model, queries):
    """The sums, or what is predicted by them."""
    return getattr(model, "decision_function", model.predict)(queries)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("dtypes", ["ff", "fd", "df"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_dtypes_are_those_of_scikit_learn(name, dtypes, fit_intercept):
    y = ESTIMATORS[name]
    y = y if y is None or y.dtype == bool else y.astype(dtypes[0])
    found, wanted = (
        told(
            getattr(module, name)(fit_intercept=fit_intercept).fit(X.astype(dtypes[0]), y),
            X.astype(dtypes[1]),
        )
        for module in (rmodels, sklearn.linear_model)
    )
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "coef", [np.array([1, 2]), np.array([1.5, 2], np.float32), np.ones((3, 2))]
)
@pytest.mark.parametrize("intercept", [0.1, np.float32(0.1), np.array(0.1), np.array([0.1])])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_coefficients_that_users_set(coef, intercept, dtype, kind):
    queries = np.array([[1.0, 2.0], [0.5, -1.0]], dtype)
    found, wanted = (
        module.LinearRegression().fit(X[:, :2], SUMS) for module in (rmodels, sklearn.linear_model)
    )
    for model in (found, wanted):
        model.coef_, model.intercept_ = coef, intercept
    found, wanted = found.predict(kind(queries)), wanted.predict(kind(queries))
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_allclose(found, wanted, rtol=4 * np.finfo(found.dtype).eps)


def test_an_intercept_for_each_target_in_a_row():
    model = LinearRegression().fit(X, np.column_stack([SUMS, -SUMS]))
    expected = model.predict(X)
    model.intercept_ = model.intercept_[np.newaxis]
    np.testing.assert_array_equal(model.predict(X), expected)
    np.testing.assert_allclose(model.predict(sparse.csr_array(X)), expected, rtol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("kind", [np.asarray, np.asfortranarray, sparse.csr_array])
def test_a_value_that_is_not_finite_is_an_error_whatever_its_coefficient(name, value, kind):
    model = getattr(rmodels, name)().fit(X, ESTIMATORS[name])
    model.coef_ = np.zeros_like(model.coef_)
    queries = X.copy()
    queries[7, 3] = value
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        told(model, kind(queries))


def test_sums_that_overflow_are_infinite_as_in_scikit_learn():
    model = LinearRegression().fit(X, SUMS)
    model.coef_ = np.full(11, 1e200)
    assert (model.predict(np.full((3, 11), 1e200)) == np.inf).all()


def test_float32_is_rounded_once():
    model = LinearRegression().fit(X.astype(np.float32), SUMS.astype(np.float32))
    queries = (1e3 + X).astype(np.float32)
    exact = queries.astype(np.longdouble) @ model.coef_.astype(np.longdouble) + model.intercept_
    np.testing.assert_allclose(model.predict(queries), exact, rtol=2.0**-24 * (1 + 2.0**-20))


@pytest.mark.parametrize("model", [LinearRegression(), LogisticRegression()])
def test_bits_are_those_of_each_row_alone(model):
    model.fit(X, ESTIMATORS[type(model).__name__])
    whole = told(model, np.asfortranarray(X))
    alone = np.concatenate([told(model, X[i : i + 1]) for i in range(len(X))])
    np.testing.assert_array_equal(whole, alone)


def test_scores_of_one_class_are_decisions_and_the_offset():
    model = SGDOneClassSVM(random_state=0).fit(X)
    np.testing.assert_allclose(
        model.score_samples(X), model.decision_function(X) + model.offset_, rtol=0, atol=1e-13
    )
