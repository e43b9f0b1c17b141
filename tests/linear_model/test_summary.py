from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from rmodels import LinearRegression

pytestmark = pytest.mark.usefixtures("on_engine")


def _data(n=120, d=4, targets=None, noise=1.0):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) * [1.0, 10.0, 0.01, 1.0] + [0.0, 50.0, 0.0, -3.0]
    Y = (X / X.std(axis=0)) @ rng.standard_normal(d if targets is None else (d, targets)) + 4.0
    Y += noise * np.abs(X[:, 0] if targets is None else X[:, :1]) * rng.standard_normal(Y.shape)
    return X, Y, rng.random(n) + 0.1


def _theirs(X, y, w, fit_intercept):
    Z = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X
    return sm.WLS(y, Z, np.ones(len(X)) if w is None else w).fit(method="qr")


def _assert_equal(ours, theirs, target=()):
    pairs = {
        "coefficients": theirs.params,
        "standard_errors": theirs.bse,
        "t_values": theirs.tvalues,
        "p_values": theirs.pvalues,
        "confidence_intervals": theirs.conf_int(1 - ours.confidence),
        "covariance": theirs.cov_params(),
        "r2": theirs.rsquared,
        "adjusted_r2": theirs.rsquared_adj,
        "f_value": np.squeeze(theirs.fvalue),
        "f_p_value": np.squeeze(theirs.f_pvalue),
        "residual_std": np.sqrt(theirs.scale),
    }
    for name, expected in pairs.items():
        found = np.asarray(getattr(ours, name))[target]
        np.testing.assert_allclose(found, expected, rtol=1e-8, err_msg=name)
    assert ours.degrees_of_freedom == theirs.df_resid
    assert ours.n_samples == theirs.nobs


def _exact_errors(X, y):
    """Return the standard errors of the coefficients and the intercept by rational arithmetic."""
    rows = [[*map(Fraction, row), Fraction(1)] for row in X.tolist()]
    targets = [Fraction(value) for value in y.tolist()]
    k = len(rows[0])
    table = [  # [ZᵀZ | I | Zᵀy], which Gauss and Jordan turn into [I | (ZᵀZ)⁻¹ | coefficients]
        [sum(z[i] * z[j] for z in rows) for j in range(k)]
        + [Fraction(i == j) for j in range(k)]
        + [sum(z[i] * t for z, t in zip(rows, targets, strict=True))]
        for i in range(k)
    ]
    for column in range(k):
        pivot = table[column] = [value / table[column][column] for value in table[column]]
        for i in set(range(k)) - {column}:
            factor = table[i][column]
            table[i] = [a - factor * b for a, b in zip(table[i], pivot, strict=True)]
    fitted = [sum(a * line[-1] for a, line in zip(z, table, strict=True)) for z in rows]
    squares = sum((t - f) ** 2 for t, f in zip(targets, fitted, strict=True))
    return np.sqrt([float(squares / (len(rows) - k) * table[i][k + i]) for i in range(k)])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_equals_statsmodels(weighted, fit_intercept, confidence):
    X, y, w = _data()
    w = w if weighted else None
    ours = LinearRegression(fit_intercept=fit_intercept).fit(X, y, w)
    found = ours.summary(confidence=confidence)
    assert found.computed_from == "moments"
    _assert_equal(found, _theirs(X, y, w, fit_intercept))


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_robust_errors(kind, weighted, fit_intercept):
    X, y, w = _data()
    w = w if weighted else None
    ours = LinearRegression(fit_intercept=fit_intercept).fit(X, y, w)
    theirs = _theirs(X, y, w, fit_intercept).get_robustcov_results(kind, use_t=True)
    _assert_equal(ours.summary(X, y, w, robust=kind), theirs)


def test_several_targets_and_batches():
    X, Y, w = _data(targets=2)
    model = LinearRegression().partial_fit(X[:50], Y[:50], w[:50])
    model.partial_fit(X[50:], Y[50:], w[50:])
    found = model.summary()
    robust = model.summary(X, Y, w, robust="HC3")
    for j in range(2):
        theirs = _theirs(X, Y[:, j], w, True)
        _assert_equal(found, theirs, j)
        _assert_equal(robust, theirs.get_robustcov_results("HC3", use_t=True), j)


def test_ill_conditioned_moments_use_the_rows():
    X, y, _ = _data()
    X[:, 1] = X[:, 0] + 1e-4 * np.random.default_rng(1).standard_normal(len(X))
    model = LinearRegression().fit(X, y)
    with pytest.raises(ValueError, match=r"too ill-conditioned .* summary\(X, y\)"):
        model.summary()
    with pytest.raises(ValueError, match="too ill-conditioned"):
        model.predict(X, return_std=True)
    found = model.summary(X, y)
    assert found.computed_from == "rows"
    assert 1e4 < model.condition_number_ < 1e5
    # rows by orthogonal transformations lose the digits of κ, 5 of 16, and n = 120 roundings
    np.testing.assert_allclose(found.standard_errors, _exact_errors(X, y), rtol=1e-9)
    np.testing.assert_allclose(found.r2, _theirs(X, y, None, True).rsquared, rtol=1e-9)


def test_small_residuals_use_the_rows():
    X, y, _ = _data(noise=1e-5)
    model = LinearRegression().fit(X, y)
    with pytest.raises(ValueError, match="too ill-conditioned"):
        model.summary()
    found = model.summary(X, y)
    np.testing.assert_allclose(found.standard_errors, _theirs(X, y, None, True).bse, rtol=1e-8)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_standard_deviation_of_predictions(fit_intercept):
    X, y, w = _data()
    model = LinearRegression(fit_intercept=fit_intercept).fit(X, y, w)
    prediction, std = model.predict(X[:7] + 1, return_std=True)
    Z = np.column_stack([X[:7] + 1, np.ones(7)]) if fit_intercept else X[:7] + 1
    theirs = _theirs(X, y, w, fit_intercept).get_prediction(Z)
    expected = theirs.predicted_mean
    np.testing.assert_allclose(prediction, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    np.testing.assert_allclose(std, theirs.se_obs, rtol=1e-8)
    Y = np.column_stack([y, 2 * y])
    both = LinearRegression(fit_intercept=fit_intercept).fit(X, Y, w).predict(X, return_std=True)[1]
    np.testing.assert_allclose(both[:, 1], 2 * both[:, 0], rtol=1e-10)


def test_prints_a_table():
    X, y, _ = _data()
    model = LinearRegression().fit(pd.DataFrame(X, columns=["age", "size", "rate", "dose"]), y)
    lines = str(model.summary()).splitlines()
    assert lines[0] == "120 rows, 115 degrees of freedom, classical errors, from the moments"
    assert [line.split()[0] for line in lines[3:]] == ["age", "size", "rate", "dose", "intercept"]
    assert str(LinearRegression().fit(X, np.column_stack([y, y])).summary()).count("target") == 2


@pytest.mark.parametrize(
    ("parameters", "rows", "arguments", "message"),
    [
        ({"iterations": 5}, 120, {}, "tests least squares"),
        ({"positive": True}, 120, {}, "tests least squares"),
        ({}, 5, {}, "more rows than coefficients"),
        ({}, 120, {"robust": "HC9"}, "HC0, HC1"),
        ({}, 120, {"robust": "HC1"}, "needs the rows"),
        ({}, 120, {"confidence": 95}, "between 0 and 1"),
    ],
)
def test_bad_calls(parameters, rows, arguments, message):
    X, y, _ = _data()
    model = LinearRegression(**parameters).fit(X[:rows], y[:rows])
    with pytest.raises(ValueError, match=message):
        model.summary(**arguments)


@pytest.mark.filterwarnings("ignore:X has rank")
def test_dependent_columns_have_no_errors():
    X, y, _ = _data()
    X[:, 1] = X[:, 0] + X[:, 3]
    with pytest.raises(ValueError, match="combination of others"):
        LinearRegression().fit(X, y).summary(X, y)
