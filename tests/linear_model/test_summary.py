from fractions import Fraction
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.outliers_influence import variance_inflation_factor

import rmodels
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


def _assert_equal(ours, theirs, target=(), tolerance=1e-8):
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
        np.testing.assert_allclose(found, expected, rtol=tolerance, err_msg=name)
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


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_intervals_of_predictions(fit_intercept):
    X, y, w = _data()
    model = LinearRegression(fit_intercept=fit_intercept).fit(X, y, w)
    Z = np.column_stack([X[:7] + 1, np.ones(7)]) if fit_intercept else X[:7] + 1
    theirs = _theirs(X, y, w, fit_intercept).get_prediction(Z)
    for of in ("observation", "mean"):
        prediction, low, high = model.predict(X[:7] + 1, interval=0.9, interval_of=of)
        expected = theirs.conf_int(obs=of == "observation", alpha=0.1)
        np.testing.assert_allclose(np.column_stack([low, high]), expected, rtol=1e-8)
        np.testing.assert_array_equal(prediction, model.predict(X[:7] + 1))
    _, std, low, high = model.predict(X[:7], return_std=True, interval=0.5)
    quantile = stats.t.ppf(0.75, len(X) - 4 - fit_intercept)
    np.testing.assert_allclose(high - low, 2 * quantile * std, rtol=1e-10)
    Y = np.column_stack([y, 2 * y])
    model = LinearRegression(fit_intercept=fit_intercept).fit(X, Y, w)
    _, low, high = model.predict(X[:7], interval=0.5)
    np.testing.assert_allclose((high - low)[:, 1], 2 * (high - low)[:, 0], rtol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"interval": 1.0}, "interval must be between 0 and 1; got 1.0"),
        ({"interval": 0.9, "interval_of": "all"}, "must be 'observation' or 'mean'; got 'all'"),
    ],
)
def test_intervals_that_there_are_not(arguments, said):
    X, y, _ = _data()
    with pytest.raises(ValueError, match=said):
        LinearRegression().fit(X, y).predict(X, **arguments)
    with pytest.raises(ValueError, match="interval needs least squares"):
        LinearRegression(iterations=3).fit(X, y).predict(X, interval=0.9)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_variance_inflation(fit_intercept):
    X, y, _ = _data()
    X[:, 3] += 3 * X[:, 0]
    found = LinearRegression(fit_intercept=fit_intercept).fit(X, y).summary().variance_inflation
    expected = []
    for i in range(4):  # without an intercept, R² is about 0
        others = np.delete(X, i, axis=1)
        theirs = sm.OLS(X[:, i], sm.add_constant(others) if fit_intercept else others).fit()
        total = theirs.centered_tss if fit_intercept else theirs.uncentered_tss
        expected.append(total / theirs.ssr)
    if fit_intercept:
        Z = np.column_stack([X, np.ones(len(X))])
        np.testing.assert_allclose(expected, [variance_inflation_factor(Z, i) for i in range(4)])
    assert max(expected) > 5
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_as_a_frame():
    X, y, w = _data()
    model = LinearRegression().fit(pd.DataFrame(X, columns=["a", "b", "c", "d"]), y, w)
    found = model.summary()
    frame = found.to_frame()
    assert frame.index.tolist() == ["a", "b", "c", "d", "intercept"]
    columns = ["coefficient", "error", "t", "p", "low", "high", "variance inflation"]
    assert frame.columns.tolist() == columns
    np.testing.assert_array_equal(frame["p"], found.p_values)
    np.testing.assert_array_equal(frame[["low", "high"]], found.confidence_intervals)
    np.testing.assert_array_equal(frame["variance inflation"][:4], found.variance_inflation)
    assert np.isnan(frame.loc["intercept", "variance inflation"])
    both = LinearRegression().fit(X, np.column_stack([y, y])).summary()
    np.testing.assert_array_equal(both.to_frame().loc[1, "error"], both.standard_errors[1])


def test_as_html_and_latex():
    X, y, _ = _data()
    names = ["a_b", "<c>", "50%", "d"]
    found = LinearRegression().fit(pd.DataFrame(X, columns=names), y).summary(confidence=0.9)
    tree = ElementTree.fromstring(f"<div>{found._repr_html_()}</div>")
    assert [each.text for each in tree.findall(".//tbody/tr/th")] == [*names, "intercept"]
    printed = str(found).splitlines()
    for line, row in zip(printed[3:], tree.findall(".//tbody/tr"), strict=True):
        cells = [each.text for each in row.findall("td")]
        *numbers, low, high = cells
        assert line.split()[1:] == [*numbers, f"[{low},", f"{high}]"]
    assert "90% interval" in [each.text for each in tree.findall(".//thead/tr/th")]
    lines = found.to_latex().splitlines()
    assert r"\multicolumn{2}{c}{90\% interval} \\" in lines[2]
    for line, name in zip(lines[4:9], [r"a\_b", "<c>", r"50\%", "d", "intercept"], strict=True):
        assert line.startswith(f"{name} & ")
        assert line.endswith(r" \\")
        assert line.count(" & ") == 6
    both = LinearRegression().fit(X, np.column_stack([y, y])).summary()
    assert both._repr_html_().count("<table>") == both.to_latex().count(r"\begin{tabular}") == 2


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
    model = LinearRegression().fit(X, y)
    for work in (
        lambda: model.summary(X, y),
        model.summary,  # rows would not help
        lambda: model.predict(X, return_std=True),
        lambda: model.predict(X, interval=0.9),
    ):
        with pytest.raises(ValueError, match="combination of others"):
            work()


def _of_categories(n=150, narrow=False):
    """Dummies of all three categories, and a number; y far from 0."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, n)
    size = rng.standard_normal(n)
    X = np.column_stack([kind == 0, kind == 1, kind == 2, size]).astype(float)
    if narrow:  # the moments have too few digits
        X = np.column_stack([X, size + 1e-4 * rng.standard_normal(n)])
    y = 20.0 + np.array([0.0, 1.0, -1.0])[kind] + size + 2.0 * rng.standard_normal(n)
    return X, y, rng.random(n) + 0.1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("narrow", [False, True])
def test_categories_that_add_up_to_a_constant(weighted, narrow):
    X, y, w = _of_categories(narrow=narrow)
    w = w if weighted else None
    model = LinearRegression(fit_intercept=False).fit(X, y, w)
    found = model.summary(X, y, w) if narrow else model.summary()
    assert found.computed_from == ("rows" if narrow else "moments")
    theirs = _theirs(X, y, w, False)
    assert (theirs.k_constant, theirs.df_model) == (1, X.shape[1] - 1)
    _assert_equal(found, theirs, tolerance=1e-6 if narrow else 1e-8)
    assert found.r2 == pytest.approx(model.score(X, y, w), rel=1e-9)
    assert found.r2 < 0.6
    # the same model with an intercept in place of a category has the same tests of all
    for robust in (None, "HC0", "HC3"):
        other = LinearRegression().fit(X[:, 1:], y, w).summary(X[:, 1:], y, w, robust=robust)
        found = model.summary(X, y, w, robust=robust)
        for name in ("r2", "adjusted_r2", "f_value", "f_p_value", "residual_std"):
            assert getattr(found, name) == pytest.approx(getattr(other, name), rel=1e-6), name


@pytest.mark.parametrize("kind", [None, "HC1"])
def test_a_column_of_ones(kind):
    X, y, w = _data()
    X = sm.add_constant(X)
    theirs = _theirs(X, y, w, False)
    if kind is not None:
        theirs = theirs.get_robustcov_results(kind, use_t=True)
    model = LinearRegression(fit_intercept=False).fit(X, y, w)
    _assert_equal(model.summary(X, y, w, robust=kind), theirs)


def test_only_a_column_of_ones():
    y = np.array([1.0, 2.0, 4.0])
    found = LinearRegression(fit_intercept=False).fit(np.ones((3, 1)), y).summary()
    theirs = _theirs(np.ones((3, 1)), y, None, False)
    np.testing.assert_allclose(found.standard_errors, theirs.bse)
    assert (found.r2, theirs.rsquared) == pytest.approx((0, 0), abs=1e-15)
    assert np.isnan([found.f_value, found.f_p_value]).all()  # there is nothing to test


def test_columns_that_are_almost_a_constant():
    X, y, w = _data()
    rng = np.random.default_rng(1)
    X = np.column_stack([X, 1 + 1e-5 * rng.standard_normal(len(X))])
    model = LinearRegression(fit_intercept=False).fit(X, y, w)
    theirs = _theirs(X, y, w, False)
    assert theirs.k_constant == 0
    _assert_equal(model.summary(X, y, w), theirs)


ROBUST = [None, "HC0", "HC1", "HC2", "HC3"]


@pytest.mark.parametrize("n", [30, 5000])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("columns", [4, 40])
def test_exact_fit(n, fit_intercept, columns):
    rng = np.random.default_rng(0)
    columns = min(columns, n // 2)
    X = rng.standard_normal((n, columns)) * 10.0 ** rng.uniform(-4, 4, columns) + 1.0
    y = X @ rng.standard_normal(columns) + 7.0 * fit_intercept
    w = rng.random(n) + 0.1
    model = LinearRegression(fit_intercept=fit_intercept).fit(X, y, w)
    for robust in ROBUST:
        found = model.summary(X, y, w, robust=robust)
        assert (found.standard_errors == 0).all()
        assert np.isinf(found.t_values).all()
        assert (found.p_values == 0).all()
        assert (found.f_value, found.f_p_value, found.residual_std) == (np.inf, 0, 0)
        assert (found.r2, found.adjusted_r2) == (1, 1)
        np.testing.assert_array_equal(found.confidence_intervals.T, [found.coefficients] * 2)
        assert "F inf (p 0)" in str(found)


@pytest.mark.parametrize("seed", range(10))
def test_coefficients_that_an_exact_fit_does_not_need_are_rounding(seed):
    # y = 2 a: the intercept and a slope are 0, and what is computed of them is noise, never t = ∞
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 2)) + 3.0
    y = 2 * X[:, 0]
    parts = LinearRegression().partial_fit(X[:15], y[:15]).partial_fit(X[15:], y[15:])
    for model in (LinearRegression().fit(X, y), parts):
        found = model.summary(X, y)
        assert np.isinf(found.t_values[0])
        assert np.isnan(found.t_values[1:]).all()
        assert np.isnan(found.p_values[1:]).all()
        assert (found.standard_errors == 0).all()


def test_exact_polynomial():
    # y = 1 + x + x² + x³ + x⁴ + x⁵ of whole numbers: NIST's Wampler1, certified with F infinite
    x = np.arange(21.0)
    X = x[:, np.newaxis] ** np.arange(1, 6)
    y = 1 + X.sum(axis=1)
    found = LinearRegression().fit(X, y).summary(X, y)
    np.testing.assert_allclose(found.coefficients, 1, rtol=1e-7)
    assert (found.standard_errors == 0).all()
    assert found.f_value == np.inf


def test_residuals_of_the_ninth_digit_are_residuals():
    X, y, _ = _data(noise=1e-9)
    found = LinearRegression().fit(X, y).summary(X, y)
    np.testing.assert_allclose(found.standard_errors, _theirs(X, y, None, True).bse, rtol=1e-4)


@pytest.mark.parametrize("robust", ROBUST)
@pytest.mark.parametrize("value", [0.0, 0.1, -3e5])
@pytest.mark.parametrize("given", [False, True])
def test_constant_target(robust, value, given):
    X, _, _ = _data()
    y = np.full(len(X), value)
    model = LinearRegression().fit(X, y)
    rows = (X, y) if given or robust else ()
    found = model.summary(*rows, robust=robust)
    np.testing.assert_array_equal(found.coefficients, [0, 0, 0, 0, value])
    assert (found.standard_errors == 0).all()
    assert np.isnan(found.t_values[:4]).all()  # 0 / 0
    np.testing.assert_equal(found.t_values[4], np.sign(value) * np.inf if value else np.nan)
    for each in (found.r2, found.adjusted_r2, found.f_value, found.f_p_value):
        assert np.isnan(each)
    assert found.residual_std == 0
    assert "F nan" in str(found)


def test_constant_target_of_categories():
    X, _, w = _of_categories()
    y = np.full(len(X), 0.3)
    found = LinearRegression(fit_intercept=False).fit(X, y, w).summary()
    np.testing.assert_allclose(found.coefficients, [0.3, 0.3, 0.3, 0], atol=1e-14)
    assert (found.standard_errors == 0).all()
    assert np.isnan([found.r2, found.f_value]).all()


def test_one_target_of_several_is_constant():
    X, Y, w = _data(targets=3)
    Y[:, 1] = 5.0
    found = LinearRegression().fit(X, Y, w).summary()
    for j in (0, 2):
        _assert_equal(found, _theirs(X, Y[:, j], w, True), j)
    assert np.isnan(found.f_value[1])
    assert (found.standard_errors[1] == 0).all()
    assert str(found).count("target") == 3


@pytest.fixture
def lonely():
    """Row 17 is the only one of its category, and row 90 of another."""
    X, y, w = _data()
    X = np.column_stack([X, np.zeros((len(X), 2))])
    X[17, 4] = X[90, 5] = 1.0
    return X, y, w


@pytest.mark.parametrize("kind", ["HC2", "HC3"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_leverage_of_1(kind, fit_intercept, weighted, lonely):
    X, y, w = lonely
    w = w if weighted else None
    model = LinearRegression(fit_intercept=fit_intercept).fit(X, y, w)
    with pytest.warns(UserWarning, match=f"rows 17 and 90 have a leverage of 1: {kind} divides"):
        found = model.summary(X, y, w, robust=kind)
    for each in (found.standard_errors, found.t_values, found.p_values, found.confidence_intervals):
        assert np.isnan(each).all()
    assert np.isnan([found.f_value, found.f_p_value]).all()
    assert found.r2 == model.summary().r2
    one = LinearRegression(fit_intercept=fit_intercept).fit(X[:, :5], y, w)
    with pytest.warns(UserWarning, match="row 17 has a leverage of 1"):
        one.summary(X[:, :5], y, w, robust=kind)
    theirs = _theirs(X, y, w, fit_intercept).get_robustcov_results("HC1", use_t=True)
    found = model.summary(X, y, w, robust="HC1").standard_errors
    np.testing.assert_allclose(found, theirs.bse, rtol=1e-8, atol=1e-12)


def test_a_leverage_of_1_in_batches(lonely):
    X, y, w = lonely
    frame = pd.DataFrame(np.column_stack([X, y, w]), columns=[*"abcdefyw"])
    columns = {"columns": [*"abcdef"]}
    batches = rmodels.scan(lambda: (frame[i : i + 25] for i in range(0, 120, 25)), **columns)
    model = LinearRegression().fit(batches, "y", "w")
    with pytest.warns(UserWarning, match="rows 17 and 90 have a leverage of 1"):
        assert np.isnan(model.summary(batches, "y", "w", robust="HC3").standard_errors).all()


def test_a_leverage_close_to_1_is_none_of_1():
    X, y, w = _data()
    X[5, 0] = 3e4  # leverage 1 − 10⁻⁷
    model = LinearRegression().fit(X, y, w)
    theirs = _theirs(X, y, w, True).get_robustcov_results("HC3", use_t=True)
    found = model.summary(X, y, w, robust="HC3")
    np.testing.assert_allclose(found.standard_errors, theirs.bse, rtol=1e-5)
