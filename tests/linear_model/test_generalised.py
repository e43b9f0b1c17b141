"""Poisson, Gamma and Tweedie regression: right values, and what is special."""

import warnings

import numpy as np
import pytest
from sklearn import linear_model as peers

import rmodels
from rmodels import GammaRegressor, PoissonRegressor, TweedieRegressor, scan


def rows(seed=0):
    """Return rows, counts and positive numbers."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((400, 4))
    mu = np.exp(X @ [0.4, -0.3, 0.2, 0.0] + 1)
    return X, rng.poisson(mu).astype(float), rng.gamma(2.0, mu / 2)


CASES = [
    (PoissonRegressor, {}),
    (GammaRegressor, {}),
    *[(TweedieRegressor, {"power": power}) for power in (0, 1, 1.5, 1.9, 2, 3)],
    (TweedieRegressor, {"power": 0, "link": "log"}),
    (TweedieRegressor, {"power": 1.5, "link": "identity"}),
]


@pytest.mark.parametrize(("estimator", "given"), CASES)
@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_is_the_minimum(estimator, given, alpha, fit_intercept):
    if given.get("link") == "identity" and not fit_intercept:
        pytest.skip("predictions without an intercept are not all above 0")
    X, counts, numbers = rows()
    y = counts if estimator is PoissonRegressor else numbers
    w = np.random.default_rng(1).integers(0, 3, len(y))
    model = estimator(alpha=alpha, fit_intercept=fit_intercept, **given).fit(X, y, w)
    power = {PoissonRegressor: 1, GammaRegressor: 2}.get(estimator, given.get("power"))
    mu = model.predict(X)
    identity = given.get("link") == "identity" or (power == 0 and "link" not in given)
    r = w * (mu - y) * mu ** (-1.0 * power) * (1 if identity else mu)
    g = r @ X + alpha * w.sum() * model.coef_
    sizes = abs(r) @ abs(X) + alpha * w.sum() * abs(model.coef_)
    assert np.max(abs(g) / sizes) < 1e-11
    if fit_intercept:
        assert abs(r.sum()) < 1e-11 * abs(r).sum()


def test_two_groups_have_their_means():
    X, y = [[0.0], [0.0], [1.0], [1.0]], [1.0, 3.0, 5.0, 7.0]
    for estimator in (PoissonRegressor, GammaRegressor):
        found = estimator(alpha=0.0).fit(X, y).predict([[0.0], [1.0]])
        np.testing.assert_allclose(found, [2.0, 6.0], rtol=1e-11)


@pytest.mark.parametrize(("estimator", "given"), CASES)
def test_score_is_the_share_of_the_deviance(estimator, given, tmp_path):
    X, counts, numbers = rows()
    y = counts if estimator is PoissonRegressor else numbers
    w = np.random.default_rng(1).random(len(y))
    model = estimator(alpha=0.01, **given).fit(X, y)
    theirs = getattr(peers, estimator.__name__)(alpha=0.01, tol=1e-10, max_iter=10_000, **given)
    expected = theirs.fit(X, y).score(X, y, w)
    assert model.score(X, y, w) == pytest.approx(expected, abs=1e-7)
    with rmodels.config_context(memory_limit=2**20):
        assert model.score(scan(X), y, w) == pytest.approx(model.score(X, y, w), rel=1e-12)


def test_targets_that_cannot_be():
    X = [[0.0], [1.0], [2.0]]
    for estimator, y in ((PoissonRegressor, [1.0, -1.0, 2.0]), (GammaRegressor, [1.0, 0.0, 2.0])):
        with pytest.raises(ValueError, match="out of the valid range"):
            estimator().fit(X, y)
        with pytest.raises(ValueError, match="out of the valid range"):
            estimator().fit(scan(np.array(X)), np.array(y))
    assert PoissonRegressor().fit(X, [0.0, 0.0, 1.0]).n_iter_ > 0


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**-20, 2.0**20])
def test_units_of_the_target(unit):
    X, counts, numbers = rows()
    for estimator, y in ((PoissonRegressor, counts), (GammaRegressor, numbers)):
        plain, scaled = (estimator(alpha=0.0).fit(X, y * each) for each in (1.0, unit))
        # each is the minimum to a violation of 1e-11; the Hessian's condition is below 100
        np.testing.assert_allclose(scaled.coef_, plain.coef_, rtol=0, atol=1e-9)
        np.testing.assert_allclose(scaled.intercept_ - np.log(unit), plain.intercept_, atol=1e-9)


def test_an_offset_and_scales():
    X, counts, _ = rows()
    plain = PoissonRegressor(alpha=0.0).fit(X, counts)
    moved = PoissonRegressor(alpha=0.0).fit(X * [1e-6, 1.0, 1e3, 1e6] + 1e3, counts)
    np.testing.assert_allclose(
        moved.coef_ * [1e-6, 1.0, 1e3, 1e6], plain.coef_, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_more_columns_than_rows_have_least_norm(fit_intercept):
    X, _, numbers = rows()
    X, y = np.hstack([X[:6], 3 * X[:6], X[:6] ** 2]), numbers[:6]
    model = GammaRegressor(alpha=0.0, fit_intercept=fit_intercept).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-8)
    A = X - X.mean(axis=0) if fit_intercept else X
    b = np.log(y) - np.log(y).mean() if fit_intercept else np.log(y)
    np.testing.assert_allclose(model.coef_, np.linalg.lstsq(A, b)[0], rtol=1e-6)


def test_a_score_is_of_one_target():
    X, y = np.arange(8.0).reshape(8, 1), np.arange(1.0, 9.0)
    model = PoissonRegressor().fit(X, y)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        model.score(X, np.column_stack([y, y]))


@pytest.mark.parametrize("far", [20.0, 100.0])
@pytest.mark.parametrize("estimator", [PoissonRegressor, GammaRegressor])
def test_a_row_that_a_sample_does_not_know(on_engine, estimator, far):
    """At the sample's minimum the losses of all rows are astronomic: the search begins anew."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 2))
    y = rng.poisson(np.exp(0.5 * X.sum(axis=1))) + 1.0
    X[-1], y[-1] = far, 6.0
    model = estimator(alpha=1e-3).fit(X, y)
    mu = model.predict(X)
    parts = (mu - y) / (mu if estimator is GammaRegressor else 1.0)
    gradient = X.T @ parts / len(y) + 1e-3 * model.coef_
    sizes = abs(X).T @ abs(parts) / len(y) + 1e-3 * abs(model.coef_)
    assert (abs(gradient) <= 1e-11 * sizes).all()


@pytest.mark.usefixtures("on_engine")
@pytest.mark.parametrize(("estimator", "given"), CASES)
@pytest.mark.parametrize("value", [0.1, 0.3, 1.0, 7.77])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_score_of_targets_that_are_one_number(estimator, given, value, dtype):
    X, _, numbers = rows()
    X, same = X[:40].astype(dtype), np.full(40, value)
    w = np.arange(40.0) % 3
    model = estimator(alpha=0.5, **given).fit(X, numbers[:40])
    alike = estimator(alpha=0.5, **given).fit(X, same)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for weights in (None, w):
            assert model.score(X, same, weights) == -np.inf
            assert np.isnan(alike.score(X, same, weights))
        batches = scan(lambda: (X[i : i + 7] for i in range(0, 40, 7)))
        assert model.score(batches, same) == -np.inf
        assert np.isnan(alike.score(batches, same))
        assert np.isfinite(model.score(X, np.where(w > 0, same, same + 1)))
        assert model.score(X, np.where(w > 0, same, same + 1), w) == -np.inf


def test_score_of_counts_that_are_0():
    X, counts, _ = rows()
    model = PoissonRegressor().fit(X, counts)
    assert np.isnan(model.score(X, np.zeros(400)))
    with np.errstate(divide="ignore"):
        assert np.isnan(peers.PoissonRegressor().fit(X, counts).score(X, np.zeros(400)))
