"""Penalties chosen by cross-validation: the errors are those of the minima of each fold."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LassoCV as Theirs
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit

import rmodels
from rmodels import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LogisticRegressionCV,
    MultiTaskElasticNetCV,
    MultiTaskLassoCV,
    RidgeClassifierCV,
    RidgeCV,
    lasso_path,
)

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))


def samples(n, d, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    true = np.where(np.arange(d) < 5, 3.0, 0.0)
    return X, X @ true + noise * rng.standard_normal(n)


def errors(X, y, alphas, splits, weights=None, l1_ratio=1.0, **parameters):
    """Errors on the rows left out, of models fitted to the others: (n_alphas, n_folds)."""
    found = np.empty((len(alphas), len(splits)))
    for i, (train, test) in enumerate(splits):
        w = (None, None) if weights is None else (weights[train], weights[test])
        for k, alpha in enumerate(alphas):
            model = ElasticNet(alpha, l1_ratio=l1_ratio, **parameters).fit(X[train], y[train], w[0])
            found[k, i] = np.average((y[test] - model.predict(X[test])) ** 2, weights=w[1])
    return found


X, Y = samples(83, 7)
W = np.random.default_rng(1).integers(0, 3, 83).astype(float)
ALPHAS = [1.0, 0.1, 0.01]

SPLITTERS = {
    "consecutive": KFold(4),
    "shuffled": KFold(3, shuffle=True, random_state=0),
    "no partition": ShuffleSplit(3, random_state=0),
    "each row": KFold(83),
    "one that holds most": [
        (np.arange(70, 83), np.arange(70)),
        (np.arange(70), np.arange(70, 83)),
    ],
}


@pytest.mark.parametrize("weights", [None, W + 0.1], ids=["", "weighted"])
@pytest.mark.parametrize("splitter", SPLITTERS)
def test_errors_of_rows_left_out(splitter, weights, on_engine):
    cv = SPLITTERS[splitter]
    splits = cv if isinstance(cv, list) else list(cv.split(X))
    model = LassoCV(alphas=ALPHAS, cv=cv).fit(X, Y, weights)
    expected = errors(X, Y, ALPHAS, splits, weights)
    np.testing.assert_allclose(model.mse_path_, expected, rtol=1e-8)
    assert model.alpha_ == ALPHAS[expected.mean(axis=1).argmin()]
    np.testing.assert_array_equal(model.alphas_, ALPHAS)
    final = Lasso(model.alpha_).fit(X, Y, weights)
    np.testing.assert_allclose(model.coef_, final.coef_, rtol=1e-11)
    assert model.intercept_ == pytest.approx(final.intercept_, rel=1e-11)


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("name", ["offset", "exact", "scaled"])
def test_errors_keep_their_digits(name, shuffled):
    A, y = {
        "offset": (X + 1e7, Y + 1e7),
        "exact": samples(83, 7, noise=1e-7),
        "scaled": (X * np.logspace(-6, 6, 7), Y),
    }[name]
    cv = KFold(3, shuffle=shuffled, random_state=0 if shuffled else None)
    alphas = [0.1, 1e-9]
    model = LassoCV(alphas=alphas, cv=cv).fit(A, y)
    expected = errors(A, y, alphas, list(cv.split(A)))
    # the offset leaves nine digits to X, and so to the errors
    np.testing.assert_allclose(model.mse_path_, expected, rtol=1e-7)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("parameters", [{}, {"fit_intercept": False}, {"positive": True}])
def test_more_columns_than_rows(kind, parameters):
    A, y = samples(60, 500, seed=2)
    A = A * (abs(A) > 0.5)
    model = LassoCV(alphas=4, eps=0.05, cv=3, **parameters).fit(kind(A), y)
    expected = errors(A, y, model.alphas_, list(KFold(3).split(A)), **parameters)
    np.testing.assert_allclose(model.mse_path_, expected, rtol=1e-8)


def test_so_many_columns_that_only_some_are_looked_at():
    A, y = samples(300, 8000, seed=3)
    for cv in (KFold(2), KFold(2, shuffle=True, random_state=0)):
        model = LassoCV(alphas=3, eps=0.2, cv=cv).fit(A, y)
        expected = errors(A, y, model.alphas_, list(cv.split(A)))
        np.testing.assert_allclose(model.mse_path_, expected, rtol=1e-8)


def test_grid_and_choice_are_scikit_learns():
    count = "n_alphas" if SKLEARN < (1, 7) else "alphas"
    for weights in (None, W):
        ours = LassoCV(alphas=20).fit(X, Y, weights)
        theirs = Theirs(**{count: 20}, tol=1e-12, max_iter=100_000).fit(X, Y, weights)
        np.testing.assert_allclose(ours.alphas_, theirs.alphas_, rtol=1e-12)
        np.testing.assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-8)
        assert ours.alpha_ == pytest.approx(theirs.alpha_, rel=1e-12)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-10)


def test_several_ratios():
    ratios = [0.2, 0.9, 1.0]
    model = ElasticNetCV(l1_ratio=ratios, alphas=6, cv=3).fit(X, Y)
    assert model.alphas_.shape == (3, 6)
    assert model.mse_path_.shape == (3, 6, 3)
    splits = list(KFold(3).split(X))
    for ratio, alphas, found in zip(ratios, model.alphas_, model.mse_path_, strict=True):
        expected = errors(X, Y, alphas, splits, l1_ratio=ratio)
        np.testing.assert_allclose(found, expected, rtol=1e-8)
    best = np.unravel_index(model.mse_path_.mean(axis=2).argmin(), (3, 6))
    assert (model.l1_ratio_, model.alpha_) == (ratios[best[0]], model.alphas_[best])
    final = ElasticNet(model.alpha_, l1_ratio=model.l1_ratio_).fit(X, Y)
    np.testing.assert_allclose(model.coef_, final.coef_, rtol=1e-11)


def test_without_l1_it_is_ridge_regression():
    alphas = [1.0, 0.1, 0.0]
    model = ElasticNetCV(l1_ratio=0, alphas=alphas, cv=3).fit(X, Y)
    expected = errors(X, Y, alphas, list(KFold(3).split(X)), l1_ratio=0)
    np.testing.assert_allclose(model.mse_path_, expected, rtol=1e-8)
    lasso = LassoCV(alphas=alphas, cv=3).fit(X, Y)
    expected = errors(X, Y, alphas, list(KFold(3).split(X)))
    np.testing.assert_allclose(lasso.mse_path_, expected, rtol=1e-8)


def test_targets_that_do_not_vary():
    model = LassoCV(alphas=3).fit(X, np.full(83, 5.0))
    np.testing.assert_array_equal(model.alphas_, [np.finfo(float).resolution] * 3)
    np.testing.assert_array_equal(model.predict(X), np.full(83, 5.0))


def test_of_a_scan():
    table = pd.DataFrame(X).add_prefix("x").assign(y=Y, w=W)
    scan = rmodels.scan(lambda: (table[i : i + 20] for i in range(0, 83, 20)))
    model, expected = LassoCV(alphas=9).fit(scan, "y", "w"), LassoCV(alphas=9).fit(X, Y, W)
    np.testing.assert_allclose(model.mse_path_, expected.mse_path_, rtol=1e-10)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-10)
    with pytest.raises(ValueError, match="folds are consecutive rows"):
        LassoCV(cv=ShuffleSplit(2)).fit(scan, "y", "w")


def test_groups_are_routed():
    groups = np.arange(83) % 5
    with sklearn.config_context(enable_metadata_routing=True):
        model = LassoCV(alphas=ALPHAS, cv=GroupKFold(5)).fit(X, Y, groups=groups)
    splits = list(GroupKFold(5).split(X, Y, groups))
    np.testing.assert_allclose(model.mse_path_, errors(X, Y, ALPHAS, splits), rtol=1e-8)
    with pytest.raises(ValueError, match="only supported if enable_metadata_routing=True"):
        LassoCV().fit(X, Y, groups=groups)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"alphas\[1\] == -1, must be >= 0.0"):
        LassoCV(alphas=(1, -1)).fit(X, Y)
    with pytest.raises(ValueError, match="For multi-task outputs, use MultiTaskElasticNetCV"):
        ElasticNetCV().fit(X, np.column_stack([Y, Y]))
    with pytest.raises(ValueError, match="not supported for l1_ratio=0"):
        ElasticNetCV(l1_ratio=0).fit(X, Y)
    with pytest.raises(ValueError, match="n_splits=5 greater than the number of samples"):
        LassoCV().fit(X[:4], Y[:4])
    with pytest.raises(ValueError, match="sample_weight is 0 for every sample of a fold"):
        LassoCV(cv=2).fit(X, Y, np.arange(83) < 40)
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        assert LassoCV(alphas=2).fit(X, Y[:, np.newaxis]).coef_.shape == (7,)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (RidgeCV(alphas=[]), "alphas"),
        (RidgeCV(alphas=np.array([]), cv=3), "alphas"),
        (RidgeClassifierCV(alphas=()), "alphas"),
        (LassoCV(alphas=[]), "alphas"),
        (ElasticNetCV(l1_ratio=[]), "l1_ratio"),
        (MultiTaskLassoCV(alphas=[]), "alphas"),
        (MultiTaskElasticNetCV(l1_ratio=[]), "l1_ratio"),
        (LogisticRegressionCV(l1_ratios=[], use_legacy_attributes=False), "l1_ratios"),
    ],
    ids=str,
)
def test_nothing_to_try(model, name):
    X, y = np.eye(12, 2), np.arange(12) % 2
    together = isinstance(model, MultiTaskLassoCV | MultiTaskElasticNetCV)
    y = np.column_stack([y, y]) if together else y
    with pytest.raises(ValueError, match=f"{name} is empty: give at least one number to try"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="alphas is empty"):
        lasso_path(X, np.arange(12.0), alphas=[])
