"""Logistic regression: right values, and what is special."""

import warnings

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn import linear_model as peers
from sklearn.exceptions import ConvergenceWarning

import rmodels
from rmodels import LogisticRegression

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))

LONG = np.longdouble


def rows(n=600, d=5, n_classes=2, seed=0):
    """Return rows and labels of classes that overlap."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    scores = X @ rng.standard_normal((d, n_classes)) + rng.gumbel(size=(n, n_classes))
    return X, scores.argmax(axis=1)


def miss(model, X, y, *, C=1.0, weights=None, l1=0.0):
    """Return the largest violation of optimality over the magnitudes that cancel in it."""
    X = (X.toarray() if sparse.issparse(X) else X).astype(LONG)
    coef, intercept = model.coef_.astype(LONG), model.intercept_.astype(LONG)
    scores = X @ coef.T + intercept
    w = np.ones(len(X)) if weights is None else weights
    if scores.shape[1] == 1:
        s = scores[:, 0]
        r = np.where(y == model.classes_[1], -1 / (1 + np.exp(s)), 1 / (1 + np.exp(-s)))
        r = r[:, np.newaxis]
    else:
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        r = e / e.sum(axis=1, keepdims=True) - (y[:, np.newaxis] == model.classes_)
    r = w[:, np.newaxis] * r
    g = r.T @ X + (1 - l1) / C * coef
    sizes = abs(r).T @ abs(X) + (1 - l1) / C * abs(coef) + l1 / C
    missed = np.where(coef != 0, abs(g + l1 / C * np.sign(coef)), np.maximum(abs(g) - l1 / C, 0))
    found = [np.max(missed / sizes)]
    if model.fit_intercept:
        found.append(np.max(abs(r.sum(axis=0)) / abs(r).sum(axis=0)))
    return float(max(found))


@pytest.mark.parametrize("n_classes", [2, 3, 6])
@pytest.mark.parametrize("C", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_is_the_minimum(n_classes, C, fit_intercept):
    X, y = rows(n_classes=n_classes)
    model = LogisticRegression(C=C, fit_intercept=fit_intercept).fit(X, y)
    assert miss(model, X, y, C=C) < 1e-11


@pytest.mark.parametrize("n_classes", [2, 4])
def test_unscaled_columns(n_classes):
    X, y = rows(n_classes=n_classes)
    X = X * np.geomspace(1e-6, 1e6, X.shape[1])
    assert miss(LogisticRegression().fit(X, y), X, y) < 1e-11


def test_an_offset():
    X, y = rows()
    model = LogisticRegression().fit(X + 1e6, y)
    plain = LogisticRegression().fit(X, y)
    # coefficients are those of rows that were rounded to 1e-10; scores take the offset's digits
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-8)


def test_float32():
    X, y = rows()
    found = LogisticRegression().fit(X.astype(np.float32), y)
    exact = LogisticRegression().fit(X.astype(np.float32).astype(np.float64), y)
    assert found.coef_.dtype == np.float32
    np.testing.assert_array_equal(found.coef_, exact.coef_.astype(np.float32))


def test_nearly_separable_and_separable():
    rng = np.random.default_rng(0)
    x = np.sort(rng.standard_normal(300))
    y = (x > 0).astype(int)
    y[149:151] = y[[150, 149]] if y[149] != y[150] else 1 - y[149:151]
    model = LogisticRegression(C=1e6).fit(x[:, np.newaxis], y)
    assert miss(model, x[:, np.newaxis], y, C=1e6) < 1e-11
    with pytest.warns(ConvergenceWarning, match="can be separated"):
        model = LogisticRegression(C=np.inf).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    assert model.score([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]) == 1.0


@pytest.mark.parametrize("n_classes", [2, 3])
def test_sparse_rows_lead_to_the_same(n_classes):
    X, y = rows(n_classes=n_classes)
    X = np.where(abs(X) > 1, X, 0.0)
    dense, thin = (LogisticRegression().fit(A, y) for A in (X, sparse.csr_array(X)))
    np.testing.assert_allclose(thin.coef_, dense.coef_, rtol=1e-9)
    np.testing.assert_allclose(thin.intercept_, dense.intercept_, rtol=1e-9, atol=1e-12)
    assert miss(thin, X, y) < 1e-11


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("C", [0.02, 1.0])
def test_magnitudes(n_classes, l1_ratio, C):
    X, y = rows(d=12, n_classes=n_classes)
    model = LogisticRegression(C=C, l1_ratio=l1_ratio, solver="saga").fit(X, y)
    assert miss(model, X, y, C=C, l1=l1_ratio) < 1e-11
    if C < 1:
        assert (model.coef_ == 0).any()


@pytest.mark.parametrize("solver", ["lbfgs", "saga"])
def test_many_columns(solver):
    """More coefficients than those whose curvature is kept."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 3200))
    y = (X[:, :5].sum(axis=1) > 0).astype(int)
    l1 = 1.0 if solver == "saga" else 0.0
    model = LogisticRegression(C=0.1, l1_ratio=l1, solver=solver).fit(X, y)
    assert miss(model, X, y, C=0.1, l1=l1) < 1e-11


@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_are_repeated_rows(n_classes):
    X, y = rows(n_classes=n_classes)
    w = np.random.default_rng(1).integers(0, 4, len(X))
    found = LogisticRegression().fit(X, y, w)
    expected = LogisticRegression().fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-9)
    balanced = LogisticRegression(class_weight="balanced").fit(X, y, w)
    counts = np.bincount(y, w)
    factors = counts.sum() / (n_classes * counts)
    np.testing.assert_allclose(
        balanced.coef_, LogisticRegression().fit(X, y, w * factors[y]).coef_, rtol=1e-9
    )


@pytest.mark.parametrize("C", [1.0, np.inf])
def test_classes_sum_to_zero(C):
    X, y = rows(n_classes=4)
    model = LogisticRegression(C=C).fit(X, y)
    size = abs(model.coef_).max()
    assert (abs(model.coef_.sum(axis=0)) <= 1e-13 * size).all()
    assert abs(model.intercept_.sum()) <= 1e-12 * max(1.0, abs(model.intercept_).max())


@pytest.mark.parametrize("given", [{}, {"l1_ratio": 1.0}, {"intercept_scaling": 10.0}])
def test_liblinear_has_a_penalty_on_the_intercept(given):
    X, y = rows()
    ours = LogisticRegression(solver="liblinear", **given).fit(X + 1, y)
    if "l1_ratio" in given and SKLEARN < (1, 8):
        given = {"penalty": "l1"}
    theirs = peers.LogisticRegression(solver="liblinear", tol=1e-12, max_iter=10_000, **given)
    theirs.fit(X + 1, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-3)


def test_few_reads():
    """A sample comes near; one curvature and gradients do the rest."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40_000, 10))
    y = X @ rng.standard_normal(10) > rng.logistic(size=40_000)
    model = LogisticRegression().fit(X, y)
    assert model.n_reads_ <= 6
    assert miss(model, X, y) < 1e-11


def test_scans_and_starts(tmp_path):
    X, y = rows(2000)
    model = LogisticRegression().fit(X, y)
    np.save(tmp_path / "X.npy", X)
    with rmodels.config_context(memory_limit=2**20):
        found = LogisticRegression().fit(rmodels.scan(np.load(tmp_path / "X.npy", "r")), y)
    np.testing.assert_allclose(found.coef_, model.coef_, rtol=1e-9)
    again = LogisticRegression(warm_start=True).fit(X, y)
    again.fit(X, y)
    assert again.n_iter_[0] <= 1
    with pytest.raises(ValueError, match="warm_start"):
        again.fit(X[:, :2], y)


def test_probabilities_keep_their_digits():
    model = LogisticRegression(C=1e3).fit([[0.0], [1.0], [1.5], [3.0]], [0, 1, 0, 1])
    s = float(model.decision_function([[400.0]])[0])
    assert model.predict_log_proba([[400.0]])[0, 0] == pytest.approx(-s, rel=1e-12)
    assert model.predict_proba([[400.0]])[0, 0] == pytest.approx(np.exp(-s), rel=1e-12)


def test_refuses():
    X, y = rows()
    with pytest.raises(ValueError, match="at least 2 classes"):
        LogisticRegression().fit(X, np.zeros(len(X), dtype=int))
    with pytest.raises(ValueError, match="supports only 'l2'"):
        LogisticRegression(l1_ratio=1.0).fit(X, y)
    with pytest.raises(ValueError, match="does not support multiclass"):
        LogisticRegression(solver="liblinear").fit(X, np.arange(len(X)) % 3)
    X[5, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        LogisticRegression().fit(X, y)


def test_no_warning_by_default():
    X, y = rows(n_classes=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression(max_iter=1, tol=1.0).fit(1e3 * X, y)


def test_what_no_curvature_shows_is_told_of():
    """Far from zero without an intercept, curvatures of what tells the classes are rounding."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 20))
    y = X[:, 0] + rng.standard_normal(1000) > 0
    with pytest.warns(ConvergenceWarning, match="the minimum was missed"):
        LogisticRegression(fit_intercept=False).fit(X + 1e8, y)
