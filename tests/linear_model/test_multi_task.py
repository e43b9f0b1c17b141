"""Lasso and elastic net of several targets: their coefficients are the minimum, too."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLasso as Theirs
from sklearn.model_selection import KFold

from rmodels import (
    ElasticNetCV,
    Lasso,
    LassoCV,
    LinearRegression,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
)

BOUND = 1e-12


def samples(n, d, t=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    true = rng.standard_normal((d, t)) * (np.arange(d) < 5)[:, np.newaxis]
    return X, X @ true + rng.standard_normal((n, t))


def miss(X, Y, coef, alpha, l1_ratio=1.0, weights=None, fit_intercept=True):
    """The largest violation of the conditions of optimality, over the norms of column and Y."""
    X, Y, B = (each.astype(np.longdouble) for each in (X, Y, coef.T))
    w = np.ones(len(Y), np.longdouble) if weights is None else weights.astype(np.longdouble)
    w = w / w.sum()
    for _ in range(2 * fit_intercept):
        X, Y = X - w @ X, Y - w @ Y
    g = X.T @ (w[:, np.newaxis] * (Y - X @ B)) - alpha * (1 - l1_ratio) * B
    norms = np.sqrt((B * B).sum(axis=1))
    active = norms > 0
    ways = B / np.where(active, norms, 1)[:, np.newaxis]
    pull = np.sqrt((g * g).sum(axis=1))
    rest = np.sqrt(((g - alpha * l1_ratio * ways) ** 2).sum(axis=1))
    found = np.where(active, rest, pull - alpha * l1_ratio)
    size = np.sqrt(w @ X**2)
    return float((found[size > 0] / size[size > 0]).max() / np.sqrt((w @ Y**2).sum()))


X, Y = samples(90, 12)
DATA = {
    "tall": (X, Y),
    "wide": samples(30, 60),
    "offset": (X + 1e7, Y + 1e7),
    "scaled": (X * np.logspace(-4, 4, 12), Y),
    "dependent": (np.hstack([X, X[:, :2], X[:, :1] + X[:, 1:2], np.ones((90, 1))]), Y),
    "correlated": (X @ np.triu(np.ones((12, 12))), Y),
    "one target": (X, Y[:, :1]),
}


@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
@pytest.mark.parametrize("share", [1.01, 0.5, 1e-2])
@pytest.mark.parametrize("name", DATA)
def test_the_coefficients_are_the_minimum(name, share, l1_ratio, on_engine):
    A, targets = DATA[name]
    D, T = A - A.mean(axis=0), targets - targets.mean(axis=0)
    alpha = share * np.linalg.norm(D.T @ T, axis=1).max() / len(T) / l1_ratio
    model = MultiTaskElasticNet(alpha, l1_ratio=l1_ratio).fit(A, targets)
    assert model.coef_.shape == (targets.shape[1], A.shape[1])
    assert miss(A, targets, model.coef_, alpha, l1_ratio) <= BOUND
    assert share < 1 or not model.coef_.any()
    assert 0 <= model.dual_gap_ <= 1e-12 * (T**2).sum() / len(T)
    used = model.coef_.any(axis=0)
    assert (model.coef_[:, used] != 0).all()


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_weights_intercept_and_sparse_rows(kind, fit_intercept):
    A, targets = samples(200, 400, seed=1)
    A = A * (abs(A) > 1)
    w = np.random.default_rng(2).integers(0, 3, 200).astype(float)
    model = MultiTaskLasso(0.3, fit_intercept=fit_intercept).fit(kind(A), targets, w)
    assert model.coef_.any()
    assert miss(A, targets, model.coef_, 0.3, 1, w, fit_intercept) <= BOUND


def test_a_working_set():
    A, targets = samples(300, 3000, seed=3)
    model = MultiTaskLasso(0.5).fit(A, targets)
    assert miss(A, targets, model.coef_, 0.5) <= BOUND


def test_of_one_target_it_is_the_lasso():
    model = MultiTaskLasso(0.1).fit(X, Y[:, :1])
    np.testing.assert_allclose(model.coef_[0], Lasso(0.1).fit(X, Y[:, 0]).coef_, rtol=1e-11)
    ours = MultiTaskLassoCV(alphas=6).fit(X, Y[:, :1])
    expected = LassoCV(alphas=6).fit(X, Y[:, 0])
    np.testing.assert_allclose(ours.mse_path_, expected.mse_path_, rtol=1e-10)
    assert ours.alpha_ == pytest.approx(expected.alpha_, rel=1e-12)


def test_is_scikit_learns_where_that_converges():
    theirs = Theirs(0.1, tol=1e-13, max_iter=100_000).fit(X, Y)
    model = MultiTaskLasso(0.1).fit(X, Y)
    np.testing.assert_allclose(model.coef_, theirs.coef_, rtol=1e-9, atol=1e-11)


def few_rows(seed, n=8, d=30):
    """Many more columns than rows, one of them constant, and targets of unlike sizes."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, d))
    A[:, 0] = 1
    y = A @ rng.standard_normal(d) + rng.standard_normal(n)
    return A, np.column_stack([y, y**2])


@pytest.mark.parametrize("alpha", [10.0, 0.0787, 1e-4])
@pytest.mark.parametrize("seed", [87, 344, 568, 757])
def test_few_rows(seed, alpha, on_engine):
    for train, _ in KFold(3).split(few_rows(seed)[0]):
        A, targets = (part[train] for part in few_rows(seed))
        model = MultiTaskLasso(alpha).fit(A, targets)
        assert miss(A, targets, model.coef_, alpha) <= BOUND
        assert 0 <= model.dual_gap_ <= 1e-12 * targets.var(axis=0).sum()


def test_folds_of_few_rows(on_engine):
    A, targets = few_rows(568)
    model = MultiTaskLassoCV(alphas=5, cv=3).fit(A, targets)
    for i, (train, test) in enumerate(KFold(3).split(A)):
        for alpha, error in zip(model.alphas_, model.mse_path_[:, i], strict=True):
            fitted = MultiTaskLasso(alpha).fit(A[train], targets[train])
            assert miss(A[train], targets[train], fitted.coef_, alpha) <= BOUND
            expected = ((targets[test] - fitted.predict(A[test])) ** 2).mean()
            assert error == pytest.approx(expected, rel=1e-8)


def test_a_fold_whose_minimum_is_missed_is_told():
    """Columns that float64's products do not tell apart, of the rows of one fold only."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((90, 1))
    A = np.hstack([x, x + 1e-9 * rng.standard_normal((90, 1))])
    A[:30, 1] += rng.standard_normal(30)  # other folds train on these
    targets = np.column_stack([A @ [1e9, -1e9], A @ [1.0, 2.0]])
    targets[:30] = rng.standard_normal((30, 2))
    with pytest.warns(ConvergenceWarning, match="on the training rows of a fold: .* are missed by"):
        MultiTaskLassoCV(alphas=[1e-12], cv=3).fit(A, targets)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weights", [None, np.arange(90.0)])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_eps_is_scikit_learns(alpha, weights, fit_intercept):
    given = {"alpha": alpha, "tol": 1e-3, "fit_intercept": fit_intercept}
    w = np.ones(90) if weights is None else weights / weights.mean()
    centred = Y - np.average(Y, axis=0, weights=w) if fit_intercept else Y
    found = MultiTaskLasso(**given).fit(X, Y, weights).eps_
    assert found == pytest.approx(1e-3 * (w @ centred**2).sum(), rel=1e-12)
    if alpha and weights is None:  # for which not every version takes weights
        assert found == pytest.approx(Theirs(**given).fit(X, Y).eps_, rel=1e-12)


def test_path():
    D, T = X - X.mean(axis=0), Y - Y.mean(axis=0)
    for kind in (MultiTaskLasso, MultiTaskElasticNet):
        alphas, coefs, _ = kind.path(D, T, alphas=3)  # scikit-learn's: by default l1_ratio is 0.5
        for alpha, coef in zip(alphas, np.moveaxis(coefs, 2, 0), strict=True):
            fitted = MultiTaskElasticNet(alpha, l1_ratio=0.5).fit(X, Y)
            np.testing.assert_allclose(coef, fitted.coef_, atol=1e-11)
    coef = MultiTaskLasso.path(D, T, alphas=[0.1], l1_ratio=1.0)[1][:, :, 0]
    np.testing.assert_allclose(coef, MultiTaskLasso(0.1).fit(X, Y).coef_, atol=1e-11)


def test_without_a_penalty_it_is_least_squares():
    expected = LinearRegression().fit(X, Y).coef_
    np.testing.assert_array_equal(MultiTaskLasso(0.0).fit(X, Y).coef_, expected)


def test_warm_start():
    model = MultiTaskLasso(0.1, warm_start=True).fit(X, Y)
    assert model.n_iter_ > 0
    assert model.fit(X, Y).n_iter_ == 0


def test_errors_of_rows_left_out():
    model = MultiTaskElasticNetCV(l1_ratio=[0.3, 1.0], alphas=4, cv=3).fit(X, Y)
    assert model.mse_path_.shape == (2, 4, 3)
    for i, (train, test) in enumerate(KFold(3).split(X)):
        for ratio, alphas, found in zip([0.3, 1.0], model.alphas_, model.mse_path_, strict=True):
            for alpha, error in zip(alphas, found[:, i], strict=True):
                fitted = MultiTaskElasticNet(alpha, l1_ratio=ratio).fit(X[train], Y[train])
                expected = ((Y[test] - fitted.predict(X[test])) ** 2).mean()
                assert error == pytest.approx(expected, rel=1e-9)


def test_one_dimension_is_refused():
    for estimator, name in (
        (MultiTaskLasso, "Lasso"),
        (MultiTaskElasticNet, "ElasticNet"),
        (MultiTaskLassoCV, "LassoCV"),
        (MultiTaskElasticNetCV, "ElasticNetCV"),
    ):
        with pytest.raises(ValueError, match=f"For mono-task outputs, use {name}$"):
            estimator().fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="For multi-task outputs, use MultiTaskElasticNetCV"):
        ElasticNetCV().fit(X, Y)
