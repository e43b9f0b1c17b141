import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.linalg import LinAlgWarning

from rmodels import LinearRegression

pytestmark = pytest.mark.usefixtures("on_engine")


def _data(n=300, d=5, targets=None, offset=0.0, dtype=np.float64):
    rng = np.random.default_rng(1)
    X = (rng.standard_normal((n, d)) + offset).astype(dtype)
    shape = d if targets is None else (d, targets)
    Y = (X - offset) @ rng.standard_normal(shape) + 3.0
    Y += rng.standard_normal(Y.shape)
    return X, Y, rng.integers(0, 3, n).astype(float)


def _in_parts(model, bounds, X, y, w=None):
    for first, last in zip([0, *bounds], [*bounds, len(y)], strict=True):
        rows = slice(first, last)
        model.partial_fit(X[rows], y[rows], None if w is None else w[rows])
    return model


def _assert_same(found, expected, tolerance=1e-12):
    for name in ("coef_", "intercept_"):
        a, b = getattr(found, name), getattr(expected, name)
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


@pytest.mark.filterwarnings("ignore:X has rank")
class TestPartialFit:
    @pytest.mark.parametrize("targets", [None, 1, 3])
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("fit_intercept", [False, True])
    @pytest.mark.parametrize("iterations", [None, 20])
    def test_equals_fit(self, targets, weighted, fit_intercept, iterations):
        X, y, w = _data(targets=targets)
        w = w if weighted else None
        if weighted:
            w[0] = 1.0
        parameters = {"fit_intercept": fit_intercept, "iterations": iterations}
        whole = LinearRegression(**parameters, solver="moments").fit(X, y, w)
        parts = _in_parts(LinearRegression(**parameters), [1, 7, 8, 150], X, y, w)
        _assert_same(parts, whole)
        assert parts.rank_ == whole.rank_
        assert parts.solver_ == "moments"
        np.testing.assert_allclose(parts.loss_history_, whole.loss_history_, rtol=1e-12)

    @pytest.mark.parametrize("offset", [1e4, 1e7])
    def test_sorted_rows_far_from_zero(self, offset):
        # chunks whose means differ as much as the rows: rounding the means would show
        X, y, _ = _data(offset=offset)
        order = np.argsort(X[:, 0])
        whole = LinearRegression().fit(X, y)
        parts = _in_parts(LinearRegression(), [10, 100, 200], X[order], y[order])
        np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-12)

    def test_float32(self):
        X, y, _ = _data(dtype=np.float32)
        parts = _in_parts(LinearRegression(), [100], X, y)
        assert parts.coef_.dtype == np.float32
        _assert_same(parts, LinearRegression().fit(X, y), 1e-6)

    def test_sparse(self):
        X, y, _ = _data()
        X[X < 0.5] = 0.0
        parts = _in_parts(LinearRegression(), [100], sparse.csr_array(X), y)
        _assert_same(parts, LinearRegression().fit(X, y))

    def test_positive(self):
        X, y, _ = _data()
        y = y - 4 * X[:, 2]
        whole = LinearRegression(positive=True).fit(X, y)
        parts = _in_parts(LinearRegression(positive=True), [100], X, y)
        _assert_same(parts, whole)
        assert (whole.coef_ == 0).any()

    def test_fit_starts_anew_and_partial_fit_goes_on(self):
        X, y, _ = _data()
        model = LinearRegression().partial_fit(5 * X[::-1], y).fit(X[:100], y[:100])
        _assert_same(model, LinearRegression().fit(X[:100], y[:100]))
        restored = pickle.loads(pickle.dumps(model))
        _assert_same(restored.partial_fit(X[100:], y[100:]), LinearRegression().fit(X, y))

    def test_fewer_rows_than_columns_has_minimum_norm(self):
        X, y, _ = _data(n=4)
        parts = _in_parts(LinearRegression(), [1], X, y)
        _assert_same(parts, LinearRegression().fit(X, y), 1e-10)

    def test_a_batch_without_weight_changes_nothing(self):
        X, y, _ = _data()
        model = LinearRegression().partial_fit(X, y)
        before = model.coef_
        model.partial_fit(3 * X, y, np.zeros(len(X)))
        np.testing.assert_array_equal(model.coef_, before)


@pytest.mark.filterwarnings("ignore:X has rank")
@settings(max_examples=20)
@given(st.sets(st.integers(1, 299)), st.permutations(range(6)))
def test_any_chunks_in_any_order(bounds, order):
    X, y, _ = _data()
    rows = np.arange(len(X)).reshape(6, -1)[order].ravel()
    parts = _in_parts(LinearRegression(), sorted(bounds), X[rows], y[rows])
    _assert_same(parts, LinearRegression().fit(X, y))


class TestErrors:
    def test_ill_conditioned_moments_are_named(self):
        X, y, _ = _data()
        X[:, 1] = X[:, 0] + 1e-6 * X[:, 1]
        with pytest.warns(LinAlgWarning, match="digits of the coefficients"):
            LinearRegression().partial_fit(X, y)

    def test_constant_column_is_named(self):
        X, y, _ = _data()
        X[:, 1] = 7.0
        with pytest.warns(UserWarning, match="rank 4 where 5"):
            model = LinearRegression().partial_fit(X, y)
        assert model.coef_[1] == 0

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda X, y: (X[:, :4], y), "4 features"),
            (lambda X, y: (X, np.column_stack([y, y])), "shape of the batches before"),
            (lambda X, y: (np.where(X > 2, np.nan, X), y), "contains NaN"),
            (lambda X, y: (np.where(X > 2, 1e200, X), y), "squares overflow"),
        ],
    )
    def test_a_bad_batch_changes_nothing(self, change, message):
        X, y, _ = _data()
        model = LinearRegression().partial_fit(X[:100], y[:100])
        before = model.coef_.copy()
        with pytest.raises(ValueError, match=message):
            model.partial_fit(*change(X, y))
        np.testing.assert_array_equal(model.coef_, before)
        _assert_same(model.partial_fit(X[100:], y[100:]), LinearRegression().fit(X, y))

    def test_needs_moments(self):
        X, y, _ = _data()
        with pytest.raises(AttributeError, match="partial_fit") as raised:
            LinearRegression(solver="rows").partial_fit(X, y)
        assert "needs all rows at once" in str(raised.value.__cause__)
        model = LinearRegression(solver="gram").fit(X[:4], y[:4])
        with pytest.raises(ValueError, match="kept no moments"):
            model.set_params(solver="auto").partial_fit(X, y)
