"""Lasso and elastic net: the coefficients are the minimum, of whatever columns."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso as Theirs

import rmodels
from rmodels import ElasticNet, Lasso, LassoCV, LinearRegression, Ridge, enet_path, lasso_path

BOUND = 1e-12
RNG = np.random.default_rng(0)


def samples(n, d, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    true = np.where(np.arange(d) < 5, 3.0, 0.0)
    return X, X @ true + rng.standard_normal(n)


def centred(X, y, weights=None, fit_intercept=True):
    """Weights of sum 1, and X and y less their means, in extended precision."""
    X, y = X.astype(np.longdouble), y.astype(np.longdouble)
    w = np.ones(len(y), np.longdouble) if weights is None else weights.astype(np.longdouble)
    w = w / w.sum()
    for _ in range(2 * fit_intercept):  # the second step removes the rounding of the first
        X, y = X - w @ X, y - w @ y
    return w, X, y


def miss(X, y, coef, alpha, l1_ratio=1.0, weights=None, fit_intercept=True, positive=False):
    """The largest violation of the conditions of optimality, over the norms of column and y."""
    w, X, y = centred(X, y, weights, fit_intercept)
    coef = coef.astype(np.longdouble)
    g = X.T @ (w * (y - X @ coef)) - alpha * (1 - l1_ratio) * coef
    l1 = np.longdouble(alpha) * l1_ratio
    found = np.where(coef != 0, abs(g - l1 * np.sign(coef)), (g if positive else abs(g)) - l1)
    norms = np.sqrt(w @ X**2)
    return float(np.max(found[norms > 0] / norms[norms > 0]) / np.sqrt(w @ y**2))


def alpha_max(X, y, weights=None):
    w, X, y = centred(X, y, weights)
    return float(abs(X.T @ (w * y)).max())


X, Y = samples(200, 12)
WIDE, WIDE_Y = samples(30, 80)

DATA = {
    "tall": (X, Y),
    "n = d": (X[:12], Y[:12]),
    "wide": (WIDE, WIDE_Y),
    "offset": (X + 1e8, Y),
    "offset of y": (X, Y + 1e8),
    "scaled": (X * np.logspace(-6, 6, 12), Y),
    "small target": (X, Y * 2.0**-40),
    "dependent": (np.hstack([X, X[:, :3], X[:, :1] + X[:, 1:2], np.ones((200, 1))]), Y),
    "correlated": (X @ np.triu(np.ones((12, 12))), Y),
    "two rows": (X[:2], Y[:2]),
    "one column": (X[:, :1], Y),
    "F order": (np.asfortranarray(X), Y),
    "backwards": (X[::-1, ::-1], Y),
}


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
@pytest.mark.parametrize("share", [1.01, 0.5, 1e-3])
@pytest.mark.parametrize("name", DATA)
def test_the_coefficients_are_the_minimum(name, share, l1_ratio, positive, on_engine):
    A, y = DATA[name]
    alpha = share * alpha_max(A, y) / l1_ratio
    model = ElasticNet(alpha, l1_ratio=l1_ratio, positive=positive).fit(A, y)
    assert model.coef_.dtype == np.float64
    assert miss(A, y, model.coef_, alpha, l1_ratio, positive=positive) <= BOUND
    assert (share < 1) or not model.coef_.any()
    assert not positive or (model.coef_ >= 0).all()
    residuals = y - model.predict(A)
    spread = abs(A).max() * abs(model.coef_).sum() + abs(y).max()
    assert abs(residuals.mean()) <= 1e-14 * spread


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("name", ["tall", "wide"])
def test_weights_intercept_and_sparse_rows(name, kind, fit_intercept):
    A, y = DATA[name]
    A = A * (abs(A) > 0.8)
    w = np.random.default_rng(2).integers(0, 4, len(y)).astype(float)
    for alpha in (0.3, 0.01):
        model = Lasso(alpha, fit_intercept=fit_intercept).fit(kind(A), y, w)
        assert miss(A, y, model.coef_, alpha, 1, w, fit_intercept) <= BOUND
        again = Lasso(alpha, fit_intercept=fit_intercept).fit(A, y, 7 * w)
        np.testing.assert_allclose(again.coef_, model.coef_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [400, 3000])
@pytest.mark.parametrize("kind", [np.asarray, np.asfortranarray, sparse.csr_matrix])
def test_working_sets(n, kind):
    """So many columns that only some of them are looked at."""
    A, y = samples(n, 1200, seed=3)
    if kind is sparse.csr_matrix:
        A = A * (abs(A) > 1.5)
    w = np.random.default_rng(4).random(n)
    for share in (0.5, 0.05):
        alpha = share * alpha_max(A, y, w)
        model = Lasso(alpha).fit(kind(A), y, w)
        assert miss(A, y, model.coef_, alpha, 1, w) <= BOUND
        assert model.dual_gap_ <= 1e-12 * np.var(y)
    float32 = Lasso(alpha).fit(A.astype(np.float32), y.astype(np.float32))
    assert float32.coef_.dtype == np.float32


def test_a_working_set_of_most_columns():
    A, y = samples(1500, 1000, seed=5)
    model = Lasso(1e-4).fit(A, y)
    assert np.count_nonzero(model.coef_) > 900
    assert miss(A, y, model.coef_, 1e-4) <= BOUND


def test_float32_is_solved_in_float64():
    A, y = (X + 1e5).astype(np.float32), Y.astype(np.float32)
    model = Lasso(0.1).fit(A, y)
    exact = Lasso(0.1).fit(A.astype(np.float64), y.astype(np.float64))
    assert model.coef_.dtype == np.float32
    np.testing.assert_array_equal(model.coef_, exact.coef_.astype(np.float32))


def test_dual_gap_by_definition():
    for alpha in (0.5, 0.05):
        model = Lasso(alpha).fit(X, Y)
        w, A, y = centred(X, Y)
        r = y - A @ model.coef_.astype(np.longdouble)
        theta = r * min(1, alpha / abs(A.T @ (w * r)).max())
        primal = 0.5 * (w @ r**2) + alpha * abs(model.coef_).sum()
        dual = 0.5 * (w @ y**2 - w @ (y - theta) ** 2)
        assert 0 <= model.dual_gap_ <= 1e-14 * primal
        # the dual is the difference of two sums of squares of the target's size
        assert abs(model.dual_gap_ - (primal - dual)) <= 1e-14 * (primal + w @ y**2)


def test_is_scikit_learns_where_that_converges():
    theirs = Theirs(0.1, tol=1e-14, max_iter=100_000).fit(X, Y)
    model = Lasso(0.1).fit(X, Y)
    np.testing.assert_allclose(model.coef_, theirs.coef_, rtol=1e-11)
    assert model.intercept_ == pytest.approx(theirs.intercept_, rel=1e-11)


def test_without_a_penalty_it_is_least_squares():
    for A, y in (DATA["tall"], DATA["wide"]):
        plain = LinearRegression().fit(A, y)
        np.testing.assert_array_equal(Lasso(0.0).fit(A, y).coef_, plain.coef_)
    positive = LinearRegression(positive=True).fit(X, -Y)
    np.testing.assert_array_equal(Lasso(0.0, positive=True).fit(X, -Y).coef_, positive.coef_)


def test_without_l1_it_is_ridge_regression():
    w = RNG.random(200)
    model = ElasticNet(0.2, l1_ratio=0.0).fit(X, Y, w)
    np.testing.assert_array_equal(model.coef_, Ridge(0.2 * w.sum()).fit(X, Y, w).coef_)
    assert 0 <= model.dual_gap_ < 1e-25
    positive = ElasticNet(0.2, l1_ratio=0.0, positive=True).fit(X, -Y)
    assert miss(X, -Y, positive.coef_, 0.2, 0.0, positive=True) <= BOUND


def test_each_target_on_its_own():
    targets = np.column_stack([Y, X[:, 3] - Y, np.zeros(200)])
    model = Lasso(0.1).fit(X, targets)
    assert model.coef_.shape == (3, 12)
    assert model.sparse_coef_.shape == (3, 12)
    assert len(model.n_iter_) == len(model.dual_gap_) == 3
    for k in range(3):
        alone = Lasso(0.1).fit(X, targets[:, k])
        np.testing.assert_allclose(model.coef_[k], alone.coef_, rtol=1e-12, atol=1e-14)
        assert model.intercept_[k] == pytest.approx(alone.intercept_, abs=1e-13)


def test_one_target_in_two_dimensions():
    model = Lasso(0.1).fit(X, Y[:, np.newaxis])
    assert (model.coef_.shape, model.intercept_.shape) == ((12,), (1,))
    np.testing.assert_array_equal(model.coef_, Lasso(0.1).fit(X, Y).coef_)
    assert model.predict(X).shape == (200,)


def test_warm_start():
    model = Lasso(0.1, warm_start=True).fit(X, Y)
    steps, coef = model.n_iter_, model.coef_
    assert steps > 0
    assert model.fit(X, Y).n_iter_ == 0
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-14)
    far = model.set_params(alpha=0.01).fit(X, Y)
    np.testing.assert_allclose(far.coef_, Lasso(0.01).fit(X, Y).coef_, rtol=1e-11, atol=1e-13)
    with pytest.raises(ValueError, match="warm_start=True needs X and y with the columns"):
        model.fit(X[:, :5], Y)


def test_parameters_that_say_when_to_stop_do_not():
    exact = Lasso(0.01).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        early = Lasso(0.01, max_iter=1, tol=1.0, selection="random").fit(X, Y)
    np.testing.assert_array_equal(early.coef_, exact.coef_)


def test_a_minimum_that_is_missed_is_told():
    """Columns so near to each other that float64's products do not tell them apart."""
    rng = np.random.default_rng(6)
    near = X[:, :1] + 1e-9 * rng.standard_normal((200, 1))
    A = np.hstack([X[:, :1], near])
    y = A @ [1e9, -1e9] + rng.standard_normal(200)
    with pytest.warns(ConvergenceWarning, match=r"are missed by \d\.\de-\d+ of the norms") as seen:
        Lasso(1e-12).fit(A, y)
    assert seen[0].filename == __file__
    with pytest.warns(ConvergenceWarning, match=r"are missed by \d\.\de-\d+ of the norms") as seen:
        lasso_path(A - A.mean(axis=0), y - y.mean(), alphas=[1e-12])
    assert seen[0].filename == __file__


def test_squares_that_overflow():
    with pytest.raises(ValueError, match="non-finite parameter values: X or y holds values so"):
        Lasso(0.1).fit(X * 1e200, Y)


def test_products_of_columns_that_are_given():
    A = X - X.mean(axis=0)
    model = Lasso(0.1, precompute=A.T @ A).fit(A, Y)
    np.testing.assert_allclose(model.coef_, Lasso(0.1).fit(A, Y).coef_, rtol=1e-12)
    with pytest.raises(ValueError, match="Gram matrix passed in via 'precompute'"):
        Lasso(0.1, precompute=A.T @ A + 1.0).fit(A, Y)
    with pytest.raises(ValueError, match="must be of shape"):
        Lasso(0.1, precompute=np.eye(3)).fit(A, Y)
    with pytest.warns(UserWarning, match="Gram matrix was provided but X was centered"):
        Lasso(0.1, precompute=X.T @ X).fit(X + 1, Y)


def test_a_scan_is_the_array():
    table = pd.DataFrame(X + 1e6).add_prefix("x").assign(y=Y)
    scan = rmodels.scan(lambda: (table[i : i + 60] for i in range(0, 200, 60)))
    model = Lasso(0.1).fit(scan, "y")
    assert miss(X + 1e6, Y, model.coef_, 0.1) <= BOUND


@pytest.mark.parametrize("path", [lasso_path, enet_path])
@pytest.mark.parametrize("name", ["tall", "wide"])
def test_paths(path, name):
    A, y = DATA[name]
    l1_ratio = 1.0 if path is lasso_path else 0.5
    alphas, coefs, gaps, steps = path(A, y, alphas=30, return_n_iter=True)
    w, *_ = centred(A, y)
    largest = float(abs(A.T @ (w * y)).max()) / l1_ratio
    np.testing.assert_allclose(alphas, np.geomspace(largest, largest * 1e-3, 30), rtol=1e-12)
    assert coefs.shape == (A.shape[1], 30)
    for alpha, coef in zip(alphas, coefs.T, strict=True):
        assert miss(A, y, coef, alpha, l1_ratio, fit_intercept=False) <= BOUND
    assert (gaps >= 0).all()
    assert gaps.max() <= 1e-14 * np.mean(y**2)
    assert len(steps) == 30
    again = path(A, y, alphas=alphas[::-1].tolist(), coef_init=coefs[:, 3])
    np.testing.assert_array_equal(again[0], alphas)
    np.testing.assert_allclose(again[1], coefs, rtol=1e-9, atol=1e-11)


def test_paths_of_the_estimators_are_scikit_learns():
    for kind in (Lasso, ElasticNet):  # by default l1_ratio is 0.5, also of the lasso
        np.testing.assert_array_equal(kind.path(X, Y, alphas=3)[1], enet_path(X, Y, alphas=3)[1])
        found = kind.path(X, Y, l1_ratio=1.0, alphas=3)[1]
        np.testing.assert_array_equal(found, lasso_path(X, Y, alphas=3)[1])


def test_a_long_path_of_many_columns():
    A, y = samples(100, 3000, seed=7)
    alphas, coefs, _ = lasso_path(A, y, alphas=20, eps=1e-2)
    for alpha, coef in zip(alphas, coefs.T, strict=True):
        assert miss(A, y, coef, alpha, fit_intercept=False) <= BOUND


def test_paths_of_several_targets():
    targets = np.column_stack([Y, X[:, 3] - Y])
    alphas, coefs, _ = enet_path(X, targets, alphas=5)
    assert coefs.shape == (2, 12, 5)
    for k, alpha in enumerate(alphas):
        B = coefs[:, :, k].T
        g = X.T @ (targets - X @ B) / 200 - 0.5 * alpha * B
        norms = np.linalg.norm(B, axis=1)
        active = norms > 0
        ways = B[active] / norms[active, np.newaxis]
        np.testing.assert_allclose(g[active], 0.5 * alpha * ways, atol=1e-12)
        assert (np.linalg.norm(g[~active], axis=1) <= 0.5 * alpha * (1 + 1e-12)).all()
    with pytest.raises(ValueError, match="positive=True is not allowed"):
        enet_path(X, targets, positive=True)


def test_what_paths_refuse():
    with pytest.raises(ValueError, match="Unexpected parameters in params"):
        lasso_path(X, Y, normalize=True)
    with pytest.raises(ValueError, match="not supported for l1_ratio=0"):
        enet_path(X, Y, l1_ratio=0.0, alphas=3)
    with pytest.raises(ValueError, match="selection should be either"):
        lasso_path(X, Y, selection="none")
    with pytest.raises(ValueError, match="coef_init must hold"):
        lasso_path(X, Y, coef_init=[1.0])
    with pytest.warns(FutureWarning, match="'n_alphas' was deprecated"):
        assert len(lasso_path(X, Y, n_alphas=4)[0]) == 4
    with pytest.warns(FutureWarning, match="'alphas=None' is deprecated"):
        assert len(lasso_path(X, Y, alphas=None)[0]) == 100


@pytest.mark.parametrize("precompute", [[], [[1.0]], ((1.0, 0.0), (0.0, 1.0)), {}])
def test_products_that_are_no_array_are_refused(precompute):
    X, y = np.eye(4)[:, :2], np.arange(4.0)
    said = "Precompute should be one of True, False, 'auto' or array-like. Got"
    for call in (
        lambda: Lasso(precompute=precompute).fit(X, y),
        lambda: ElasticNet(precompute=precompute).fit(X, y),
        lambda: LassoCV(precompute=precompute).fit(X, y),
        lambda: lasso_path(X, y, precompute=precompute),
        lambda: enet_path(X, y, precompute=precompute),
    ):
        with pytest.raises(ValueError, match=said):
            call()
