"""Sparse samples, each way: moments by products or by blocks, products of the rows, LSQR."""

import warnings
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from rmodels import LinearRegression, LogisticRegression, PoissonRegressor, Ridge, native, ops
from rmodels.config import config_context
from rmodels.exceptions import NotCoveredError

SMALL = 1 << 20  # memory: the moments of 200 columns and more do not fit
RNG = np.random.default_rng(0)


def _data(n, d, targets=None, density=0.05, scales=False):
    rng = np.random.default_rng(1)
    X = sparse.csr_array(np.where(rng.random((n, d)) < density, rng.random((n, d)), 0.0))
    if scales:
        X = sparse.csr_array(X * np.geomspace(1e-3, 1e3, d))
    truth = RNG.standard_normal(d if targets is None else (d, targets))
    y = X @ (truth / np.geomspace(1e-3, 1e3, d) if scales else truth) + 3.0
    return X, y + 0.1 * RNG.standard_normal(y.shape), RNG.integers(0, 4, n).astype(float)


def _dense_solution(X, y, weights, fit_intercept):
    """Least squares of minimum norm by NumPy: coefficients and intercept."""
    w = np.ones(len(y)) if weights is None else weights
    Z, root = X.toarray(), np.sqrt(w)
    mean = w @ Z / w.sum() if fit_intercept else np.zeros(Z.shape[1])
    offset = w @ y / w.sum() if fit_intercept else 0.0
    D = root[:, np.newaxis] * (Z - mean)
    target = root.reshape(-1, *[1] * (y.ndim - 1)) * (y - offset)
    coef = np.linalg.lstsq(D, target, rcond=1e-12)[0]
    return coef.T, offset - mean @ coef


def multiplies(density):
    """Return what computes moments and products."""
    engine = ops.choose("moments")
    return engine if density == 0.5 or engine == "native" else "scipy"


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("targets", [None, 2])
@pytest.mark.parametrize(
    ("shape", "density", "memory_limit", "solver"),
    [
        ((400, 30), 0.05, 1 << 30, "moments"),
        ((400, 30), 0.5, 1 << 30, "moments"),
        ((30, 300), 0.2, 1 << 30, "gram"),
        ((900, 200), 0.05, SMALL, "krylov"),
        ((200, 900), 0.05, SMALL, "krylov"),
        ((900, 200), 0.05, SMALL, "lsqr"),
        ((200, 900), 0.05, SMALL, "lsqr"),
    ],
)
def test_equals_least_squares_of_the_array(
    fit_intercept, weighted, targets, shape, density, memory_limit, solver
):
    X, y, w = _data(*shape, targets, density)
    w = w if weighted else None
    engine = "reference" if solver == "lsqr" else "auto"
    with config_context(memory_limit=memory_limit, engine=engine):
        model = LinearRegression(fit_intercept=fit_intercept).fit(X, y, w)
    assert model.solver_ == solver
    engines = {"lsqr": "scipy", "krylov": ops.choose("conjugate")}
    assert model.engine_ == engines.get(solver, multiplies(density))
    coef, intercept = _dense_solution(X, y, w, fit_intercept)
    assert_allclose(model.coef_, coef, rtol=1e-9, atol=1e-9 * np.abs(coef).max())
    assert_allclose(model.intercept_, intercept, rtol=1e-9, atol=1e-9)


def test_lsqr_with_columns_of_very_different_scales():
    X, y, w = _data(900, 200, scales=True)
    with config_context(memory_limit=SMALL, engine="reference"):
        model = LinearRegression().fit(X, y, w)
    truth = LinearRegression(solver="rows").fit(X.toarray(), y, w)
    assert model.solver_ == "lsqr"
    assert_allclose(model.coef_, truth.coef_, rtol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lsqr_of_columns_that_depend_on_each_other(fit_intercept):
    X, y, _ = _data(900, 180)
    X = sparse.hstack([X, X[:, :20] + X[:, 20:40], sparse.csr_array((900, 1))]).tocsr()
    with config_context(memory_limit=SMALL):
        model = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    assert model.solver_ == "lsqr"
    # not unique, but its predictions are
    coef, intercept = _dense_solution(X, y, None, fit_intercept)
    assert_allclose(model.predict(X), X @ coef + intercept, rtol=1e-9, atol=1e-9)
    assert model.coef_[-1] == 0
    with pytest.raises(AttributeError, match="solver_='lsqr' does not form the moments"):
        model.rank_  # noqa: B018


def test_lsqr_that_does_not_converge_says_so():
    x = np.linspace(0, 1, 1000)
    X = sparse.csr_array(x[:, np.newaxis] ** np.linspace(1, 30, 200))
    with config_context(memory_limit=SMALL), pytest.warns(ConvergenceWarning, match="LSQR stopped"):
        LinearRegression().fit(X, np.cos(9 * x))


@pytest.mark.skipif(native.load() is None, reason="built without the native engine")
def test_an_engine_asked_for_by_name():
    X, y, _ = _data(900, 200)
    expected = LinearRegression().fit(X, y)
    assert expected.engine_ == "native"
    for engine in ("native", "reference"):
        with config_context(engine=engine):
            model = LinearRegression().fit(X, y)
        assert model.engine_ == engine
        assert_allclose(model.coef_, expected.coef_, rtol=1e-10)
    with (
        config_context(engine="native", memory_limit=SMALL),
        pytest.raises(NotCoveredError, match=r"900 x 200 sparse samples .* memory_limit"),
    ):
        LinearRegression().fit(X, y)


def test_gradient_descent_on_sparse_samples():
    X, y, w = _data(300, 20)
    for shape in (slice(None), slice(15)):
        model = LinearRegression(iterations=50).fit(X[shape], y[shape], w[shape])
        dense = LinearRegression(iterations=50).fit(X[shape].toarray(), y[shape], w[shape])
        assert_allclose(model.coef_, dense.coef_, rtol=1e-10, atol=1e-12)
        assert_allclose(model.loss_history_, dense.loss_history_, rtol=1e-10)
        assert_array_equal(model.solver_, dense.solver_)


@pytest.mark.parametrize("parameters", [{"positive": True}, {"solver": "stream", "iterations": 2}])
def test_what_needs_an_array_says_so(parameters):
    with pytest.raises(TypeError, match="Sparse data was passed"):
        LinearRegression(**parameters).fit(*_data(30, 3)[:2])


@pytest.mark.parametrize("far", [1e5, 1e8, 1e9])
@pytest.mark.parametrize("shape", [(13, 13), (60, 300)])
@pytest.mark.parametrize("make", [LinearRegression, partial(Ridge, 0.5)])
def test_a_column_far_from_zero_costs_no_digits(make, shape, far):
    X, y, _ = _data(*shape, density=0.6)
    Z = X.toarray()
    Z[:, 0] = far + np.random.default_rng(0).random(len(Z))
    ours, expected = make().fit(sparse.csr_array(Z), y), make().fit(Z, y)
    # rounding a number of the far column moves it by 2⁻⁵³ far, beside a spread of 0.3
    within = 1e-9 + 1e3 * 2.0**-53 * far
    assert_allclose(ours.coef_, expected.coef_, rtol=0, atol=within * abs(expected.coef_).max())


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_rows_of_zeros_without_a_word(shape):
    X, y, _ = _data(*shape, density=0.3)
    Z = X.toarray()
    Z[3] = 0.0
    for rows in (Z, sparse.csr_array(Z), np.zeros_like(Z)):
        for model in (LinearRegression(fit_intercept=False), Ridge(0.0, fit_intercept=False)):
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                warnings.simplefilter("ignore", UserWarning)  # of the rank
                coef = model.fit(rows, y).coef_
            dense = np.asarray(rows.todense()) if sparse.issparse(rows) else rows
            assert_allclose(coef, np.linalg.lstsq(dense, y, rcond=1e-12)[0], atol=1e-10)


@pytest.mark.parametrize(
    ("estimator", "memory_limit"),
    [
        (LinearRegression(), 1 << 30),
        (LinearRegression(), SMALL),  # conjugate gradients
        (LogisticRegression(), 1 << 30),
        (PoissonRegressor(), 1 << 30),
    ],
)
def test_entries_in_any_order_and_parts_are_left_as_they_are(estimator, memory_limit):
    X, y, _ = _data(900, 200)
    y = (y > np.median(y)).astype(np.int64) if isinstance(estimator, LogisticRegression) else abs(y)
    rows = np.repeat(np.arange(900), np.diff(X.indptr))
    rows, columns = np.tile(rows, 2), np.tile(X.indices, 2)
    values = np.concatenate([0.25 * X.data, 0.75 * X.data])
    order = np.lexsort([RNG.random(len(rows)), rows])
    parts = values[order], columns[order], 2 * X.indptr
    for part in parts:
        part.flags.writeable = False
    split = sparse.csr_array(parts, shape=X.shape)
    with config_context(memory_limit=memory_limit):
        expected, found = clone(estimator).fit(X, y), clone(estimator).fit(split, y)
    assert_allclose(found.coef_, expected.coef_, rtol=1e-8, atol=1e-9)


def test_indices_of_two_dtypes():
    X, y, _ = _data(400, 30, density=0.05)
    expected = LinearRegression().fit(X, y)
    X.indices = X.indices.astype(np.int64)
    assert X.indptr.dtype == np.int32
    assert_array_equal(LinearRegression().fit(X, y).coef_, expected.coef_)


@pytest.mark.parametrize("make", [LinearRegression, Ridge])
@pytest.mark.parametrize(
    ("shape", "solver"),
    [
        ((400, 30), "moments"),
        ((30, 400), "gram"),
        ((1500, 700), "krylov"),
        ((700, 1500), "krylov"),
    ],
)
def test_matrices_are_as_arrays(make, shape, solver):
    X = _data(*shape, density=0.02 if solver == "krylov" else 0.05)[0]
    y, w = np.cos(np.arange(len(X.indptr) - 1.0)), np.arange(len(X.indptr) - 1) % 4 + 0.5
    expected = make().fit(X, y, w)
    model = make().fit(sparse.csr_matrix(X), y, w)
    assert model.solver_ == expected.solver_ == solver
    assert_array_equal(model.coef_, expected.coef_)
