import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression as PeerLinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rmodels import LinearRegression
from rmodels.config import config_context

pytestmark = pytest.mark.usefixtures("on_engine")

# Before scikit-learn 1.7 it has no `tol`, and drops what rounding alone leaves.
CUTS = "tol" in PeerLinearRegression().get_params()
UNCUT = {"tol": 0} if CUTS else {}


def _data(n=200, d=6, targets=None, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) + offset
    shape = d if targets is None else (d, targets)
    y = (
        X @ rng.standard_normal(shape)
        + 3
        + 0.5 * rng.standard_normal((n, *shape[1:]) if targets else n)
    )
    return X, y, rng.random(n) + 0.1


def _assert_close(found, expected, tolerance):
    assert np.shape(found) == np.shape(expected)
    scale = np.abs(expected).max(initial=0)
    assert np.abs(np.subtract(found, expected)).max(initial=0) <= tolerance * scale


def _literal(X, y, learning_rate, iterations, weights=None, fit_intercept=True):
    """Gradient descent one step at a time, on one target."""
    weights = np.ones(len(X)) if weights is None else weights
    coef, intercept, losses = np.zeros(X.shape[1]), 0.0, []
    for _ in range(iterations):
        residuals = X @ coef + intercept - y
        coef = coef - learning_rate * (weights * residuals) @ X / weights.sum()
        if fit_intercept:
            intercept -= learning_rate * (weights * residuals).sum() / weights.sum()
        residuals = X @ coef + intercept - y
        losses.append((weights * residuals**2).sum() / weights.sum() / 2)
    return coef, intercept, np.array(losses)


class TestLeastSquares:
    def test_by_hand(self):
        # y = 2 x + 1 through three points
        model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
        assert_allclose(model.coef_, [2.0], rtol=1e-15)
        assert_allclose(model.intercept_, 1.0, rtol=1e-15)
        assert_allclose(model.predict([[3.0]]), [7.0], rtol=1e-15)
        assert model.rank_ == 1
        assert_allclose(model.singular_, [np.sqrt(2)], rtol=1e-15)
        assert model.condition_number_ == pytest.approx(1.0)
        assert model.n_iter_ is None
        assert model.loss_history_.shape == (0,)

    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("targets", [None, 1, 3])
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("solver", ["auto", "moments", "gram", "rows"])
    def test_equals_scikit_learn(self, fit_intercept, targets, weighted, solver):
        X, y, w = _data(targets=targets)
        w = w if weighted else None
        ours = LinearRegression(fit_intercept=fit_intercept, solver=solver)
        theirs = PeerLinearRegression(fit_intercept=fit_intercept, **UNCUT)
        if solver == "gram":  # for fewer rows than columns
            if not CUTS:
                pytest.skip("scikit-learn before 1.7 keeps what centring leaves of a direction")
            X, y, w = X[:5], y[:5], None if w is None else w[:5]
            theirs.set_params(tol=1e-10)
        ours.fit(X, y, w)
        theirs.fit(X, y, w)
        _assert_close(ours.coef_, theirs.coef_, 1e-12)
        _assert_close(ours.intercept_, theirs.intercept_, 1e-12)
        assert ours.rank_ == theirs.rank_
        # of what centring takes away, theirs has the rounding
        least = 1e-12 * theirs.singular_[0] if solver == "gram" else 0.0
        assert_allclose(ours.singular_, theirs.singular_, rtol=1e-10, atol=least)
        assert ours.solver_ == {"auto": "moments"}.get(solver, solver)
        _assert_close(ours.predict(X), theirs.predict(X), 1e-12)

    @pytest.mark.parametrize("offset", [0.0, 1e4, 1e6])
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_offset_and_order(self, offset, order):
        X, y, w = _data(offset=offset)
        X = np.asarray(X, order=order)
        ours = LinearRegression().fit(X, y, w)
        theirs = PeerLinearRegression(**UNCUT).fit(X, y, w)
        # y itself is rounded at offset · 2⁻⁵³
        _assert_close(ours.coef_, theirs.coef_, 1e-12 + 1e-15 * offset)

    @pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
    def test_float32_keeps_its_digits(self, offset):
        X, y, _ = _data(n=500, offset=offset)
        X = X.astype(np.float32)
        y = (X.astype(float) @ np.arange(1.0, 7.0) + 1).astype(np.float64)
        model = LinearRegression().fit(X, y)
        assert model.coef_.dtype == np.float32
        assert_allclose(model.coef_, np.arange(1.0, 7.0), rtol=3e-7)

    def test_fewer_rows_than_columns_has_minimum_norm(self):
        X, y, _ = _data(n=20, d=50)
        model = LinearRegression().fit(X, y)
        assert model.solver_ == "gram"
        assert model.rank_ == 19
        expected = np.linalg.pinv(X - X.mean(axis=0)) @ (y - y.mean())
        _assert_close(model.coef_, expected, 1e-12)

    def test_rank_deficiency_is_named_and_has_minimum_norm(self):
        X, y, _ = _data()
        X = np.column_stack([X, X[:, 0] + X[:, 1], np.full(len(X), 7.0)])
        with pytest.warns(UserWarning, match="rank 6 where 8"):
            model = LinearRegression().fit(X, y)
        assert model.solver_ == "rows"
        assert model.rank_ == 6
        expected = np.linalg.lstsq(X - X.mean(axis=0), y - y.mean(), rcond=1e-12)[0]
        _assert_close(model.coef_, expected, 1e-11)
        assert model.coef_[-1] == 0

    def test_scales_far_apart_lose_no_direction(self):
        X, _, _ = _data(d=2)
        X[:, 1] *= 1e-8
        y = X @ [1.0, 1e8] + 2
        model = LinearRegression().fit(X, y)
        assert model.rank_ == 2
        assert_allclose(model.coef_, [1.0, 1e8], rtol=1e-12)

    @pytest.mark.parametrize("scale", [1e-250, 1e-160, 1e150, 1e200])
    def test_squares_that_overflow_or_underflow(self, scale):
        X, y, _ = _data()
        model = LinearRegression().fit(X * scale, y)
        expected = LinearRegression().fit(X, y)
        _assert_close(model.coef_ * scale, expected.coef_, 1e-12)
        assert model.rank_ == 6

    def test_ill_conditioned_goes_to_the_rows(self):
        x = np.linspace(0, 1, 101)
        X = x[:, np.newaxis] ** np.arange(1, 9)
        coef = np.ones(8)
        model = LinearRegression().fit(X, X @ coef)
        assert model.solver_ == "rows"
        assert_allclose(model.coef_, coef, rtol=1e-7)
        exact = np.linalg.svd((X - X.mean(0)) / np.linalg.norm(X - X.mean(0), axis=0))[1]
        assert_allclose(model.condition_number_, exact[0] / exact[-1], rtol=1e-6)

    def test_positive(self):
        X, y, w = _data(targets=2)
        ours = LinearRegression(positive=True).fit(X, y, w)
        theirs = PeerLinearRegression(positive=True).fit(X, y, w)
        _assert_close(ours.coef_, theirs.coef_, 1e-10)
        _assert_close(ours.intercept_, theirs.intercept_, 1e-10)
        assert (ours.coef_ >= 0).all()
        assert (ours.coef_ == 0).any()
        plain = LinearRegression(solver="rows").fit(X, y, w)
        assert (ours.rank_, ours.solver_, ours.engine_) == (plain.rank_, "rows", "scipy")
        assert_array_equal(ours.singular_, plain.singular_)

    def test_zero_weight_is_no_row(self):
        X, y, w = _data()
        w[::3] = 0
        ours = LinearRegression().fit(X, y, w)
        without = LinearRegression().fit(X[w > 0], y[w > 0], w[w > 0])
        _assert_close(ours.coef_, without.coef_, 1e-13)


class TestGradientDescent:
    @pytest.mark.parametrize("iterations", [0, 1, 2, 10, 1000])
    @pytest.mark.parametrize("solver", ["auto", "moments", "gram", "stream"])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("shape", [(60, 4), (8, 20)])
    def test_equals_the_literal_loop(self, iterations, solver, fit_intercept, weighted, shape):
        X, y, w = _data(*shape)
        w = w if weighted else None
        coef, intercept, losses = _literal(X, y, 0.05, iterations, w, fit_intercept)
        model = LinearRegression(
            learning_rate=0.05, iterations=iterations, solver=solver, fit_intercept=fit_intercept
        ).fit(X, y, w)
        _assert_close(model.coef_, coef, 1e-10)
        _assert_close(model.intercept_, intercept, 1e-10)
        assert model.n_iter_ == iterations
        assert model.loss_history_.shape == (iterations,)
        first = np.average(y**2, weights=w) / 2
        assert np.abs(model.loss_history_ - losses).max(initial=0) <= 1e-13 * first

    @pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
    def test_ways_agree_at_an_offset(self, offset):
        X, y, w = _data(offset=offset)
        found = [
            LinearRegression(iterations=100, solver=solver).fit(X, y, w)
            for solver in ("moments", "gram", "stream")
        ]
        for model in found[1:]:
            _assert_close(model.coef_, found[0].coef_, 1e-10)
            assert model.learning_rate_ == pytest.approx(found[0].learning_rate_, rel=1e-12)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_targets_are_independent(self, dtype):
        X, Y, _ = _data(targets=3)
        X = X.astype(dtype)
        together = LinearRegression(iterations=30, learning_rate=0.1).fit(X, Y)
        assert together.loss_history_.shape == (30, 3)
        for j in range(3):
            alone = LinearRegression(iterations=30, learning_rate=0.1).fit(X, Y[:, j])
            assert_allclose(
                together.coef_[j], alone.coef_, rtol=1e-6 if dtype == np.float32 else 1e-12
            )
            assert_allclose(together.loss_history_[:, j], alone.loss_history_, rtol=1e-10)

    def test_many_steps_are_least_squares(self):
        X, y, _ = _data()
        steps = LinearRegression(iterations=10**7).fit(X, y)
        limit = LinearRegression().fit(X, y)
        _assert_close(steps.coef_, limit.coef_, 1e-10)
        _assert_close(steps.intercept_, limit.intercept_, 1e-10)

    def test_auto_rate_is_one_over_the_largest_eigenvalue(self):
        X, y, _ = _data(offset=2.0)
        Z = np.column_stack([X, np.ones(len(X))])
        largest = np.linalg.eigvalsh(Z.T @ Z / len(Z))[-1]
        model = LinearRegression(iterations=3).fit(X, y)
        assert model.learning_rate_ == pytest.approx(1 / largest, rel=1e-12)
        assert (np.diff(model.loss_history_) < 0).all()

    @pytest.mark.parametrize("solver", ["moments", "stream"])
    def test_diverging_rate_is_named(self, solver):
        X, y, _ = _data()
        Z = np.column_stack([X, np.ones(len(X))])
        stable = 2 / np.linalg.eigvalsh(Z.T @ Z / len(Z))[-1]
        model = LinearRegression(learning_rate=3.0, iterations=20, solver=solver)
        with pytest.warns(ConvergenceWarning, match="largest stable one") as caught:
            model.fit(X, y)
        named = float(str(caught[0].message).split("one is ")[1].split(". ")[0])
        assert named == pytest.approx(stable, rel=1e-5)
        with pytest.raises(ValueError, match=r"overflowed in 5000 iterations.*largest stable one"):
            model.set_params(iterations=5000).fit(X, y)

    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_stream_warns_just_outside(self, fit_intercept):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(300, 4))
        y = X @ [1.0, 2.0, 3.0, 4.0]
        Z = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X
        stable = 2 / np.linalg.eigvalsh(Z.T @ Z / len(Z))[-1]
        model = LinearRegression(
            fit_intercept=fit_intercept,
            iterations=2000,
            learning_rate=1.0008 * stable,
            solver="stream",
        )
        with pytest.warns(ConvergenceWarning, match=f"largest stable one is {stable:.6g}"):
            model.fit(X, y)
        assert model.loss_history_[-1] > model.loss_history_[0]

    def test_rate_just_inside_is_silent(self):
        X, y, _ = _data()
        Z = np.column_stack([X, np.ones(len(X))])
        stable = 2 / np.linalg.eigvalsh(Z.T @ Z / len(Z))[-1]
        LinearRegression(learning_rate=0.999 * stable, iterations=100).fit(X, y)

    def test_stream_does_not_know_the_moments(self):
        X, y, _ = _data()
        model = LinearRegression(learning_rate=0.1, iterations=5, solver="stream").fit(X, y)
        for attribute in ("rank_", "singular_", "condition_number_"):
            with pytest.raises(AttributeError, match="does not form the moments"):
                getattr(model, attribute)

    def test_auto_counts_operations(self):
        rng = np.random.default_rng(0)
        for shape, iterations, rate, expected in [
            ((2000, 10), 1000, 1e-2, "moments"),
            ((20, 300), 1000, 1e-4, "gram"),
            ((500, 400), 1, 1e-4, "stream"),
            ((500, 400), 1, "auto", "moments"),
        ]:
            X = rng.standard_normal(shape)
            model = LinearRegression(iterations=iterations, learning_rate=rate)
            assert model.fit(X, X[:, 0]).solver_ == expected


class TestUse:
    def test_records_the_engine(self, engine):
        assert LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]).engine_ == engine

    @pytest.mark.parametrize("package", ["pandas", "polars"])
    def test_frames(self, package):
        frame = pytest.importorskip(package, reason=f"not installed: {package}").DataFrame
        X, y, _ = _data(d=3)
        table = frame({name: X[:, j] for j, name in enumerate("abc")})
        model = LinearRegression().fit(table, y)
        assert_array_equal(model.feature_names_in_, ["a", "b", "c"])
        assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-12)
        _assert_close(model.predict(table), X @ model.coef_ + model.intercept_, 1e-12)
        with pytest.raises(ValueError, match="feature names"):
            model.predict(table[["a", "b"]])

    def test_pickle_and_clone(self):
        X, y, _ = _data()
        for parameters in ({}, {"iterations": 5}, {"iterations": 5, "solver": "gram"}):
            model = LinearRegression(**parameters).fit(X, y)
            copied = pickle.loads(pickle.dumps(model))
            assert_array_equal(copied.coef_, model.coef_)
            assert_array_equal(copied.loss_history_, model.loss_history_)
            assert_array_equal(copied.singular_, model.singular_)
            assert copied.condition_number_ == model.condition_number_
            assert copied.rank_ == model.rank_
            assert clone(model).get_params() == model.get_params()

    def test_pipeline_and_grid_search(self):
        X, y = load_diabetes(return_X_y=True)
        search = GridSearchCV(
            make_pipeline(StandardScaler(), LinearRegression(iterations=100)),
            {"linearregression__learning_rate": [0.01, 0.1]},
        ).fit(X, y)
        assert search.best_score_ > 0.4
        scores = cross_val_score(LinearRegression(), X, y)
        assert_allclose(scores, cross_val_score(PeerLinearRegression(**UNCUT), X, y), rtol=1e-10)

    def test_input_is_not_changed(self):
        X, y, w = _data()
        before = X.copy(), y.copy(), w.copy()
        for array in (X, y, w):
            array.flags.writeable = False
        for solver in ("moments", "gram", "rows"):
            LinearRegression(solver=solver, copy_X=False).fit(X, y, w)
        LinearRegression(solver="stream", iterations=2, learning_rate=0.1).fit(X, y, w)
        for array, kept in zip((X, y, w), before, strict=True):
            assert_array_equal(array, kept)

    def test_failed_fit_changes_nothing(self):
        X, y, _ = _data()
        model = LinearRegression().fit(X, y)
        before = dict(vars(model))
        X[3, 2] = np.nan
        with pytest.raises(ValueError, match="Input X contains NaN"):
            model.fit(X[:, :4], y)
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[name] is value for name, value in before.items())

    def test_readonly_strided_and_integer_input(self):
        X, y, _ = _data(n=300)
        expected = LinearRegression().fit(np.ascontiguousarray(X[::-2, ::2]), y[::-2])
        model = LinearRegression().fit(X[::-2, ::2], y[::-2])
        assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
        integers = np.arange(12).reshape(6, 2) ** 2
        assert LinearRegression().fit(integers, np.arange(6)).coef_.dtype == np.float64

    @pytest.mark.parametrize("parameters", [{}, {"iterations": 3}])
    @pytest.mark.parametrize(
        ("X", "y", "weights", "message"),
        [
            ([[np.nan], [1.0]], [0, 1], None, "Input X contains NaN"),
            ([[np.inf], [1.0]], [0, 1], None, "Input X contains infinity"),
            ([[0.0], [1.0]], [0, np.nan], None, "Input y contains NaN"),
            ([[0.0], [1.0]], [0, 1, 2], None, "inconsistent numbers of samples"),
            ([0.0, 1.0], [0, 1], None, "Expected 2D array"),
            (np.empty((0, 2)), [], None, "0 sample"),
            (np.empty((2, 0)), [0, 1], None, r"0 feature\(s\)"),
            ([["a"], ["b"]], [0, 1], None, "holds text"),
            ([[0.0], [1.0]], ["a", "b"], None, "could not convert string"),
            ([[0.0], [1.0]], None, None, "requires y"),
            ([[0.0], [1.0]], [0, 1], [1, -1], "Negative values in data"),
            ([[0.0], [1.0]], [0, 1], [0, 0], "non-zero|must be positive"),
            ([[0.0], [1.0]], [0, 1], [1, np.nan], "NaN"),
            (np.array([[1j], [1.0]]), [0, 1], None, "Complex data not supported"),
        ],
    )
    def test_bad_input(self, parameters, X, y, weights, message):
        with pytest.raises(ValueError, match=message):
            LinearRegression(**parameters).fit(X, y, weights)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"iterations": -1}, "iterations"),
            ({"iterations": 1.5}, "iterations"),
            ({"learning_rate": 0.0}, "learning_rate"),
            ({"learning_rate": "fast"}, "learning_rate"),
            ({"solver": "magic"}, "solver"),
            ({"solver": "stream"}, "give the number of iterations"),
            ({"solver": "rows", "iterations": 3}, "set iterations=None"),
            ({"positive": True, "iterations": 3}, "needs iterations=None"),
            ({"positive": True, "solver": "moments"}, "needs solver"),
            ({"n_jobs": 0}, "n_jobs == 0"),
        ],
    )
    def test_bad_parameters(self, parameters, message):
        with pytest.raises(ValueError, match=message):
            LinearRegression(**parameters).fit([[0.0], [1.0]], [0.0, 1.0])

    def test_wrong_columns_and_unfitted(self):
        with pytest.raises(NotFittedError):
            LinearRegression().predict([[0.0]])
        model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
        with pytest.raises(ValueError, match="expecting 1 features"):
            model.predict([[0.0, 1.0]])
        with pytest.raises(ValueError, match="NaN"):
            model.predict([[np.nan]])
        assert not hasattr(LinearRegression(), "loss_history_")
        assert not hasattr(LinearRegression(), "singular_")

    def test_gradient_descent_on_values_whose_squares_overflow(self):
        X, y, _ = _data()
        with pytest.raises(ValueError, match="scale the columns"):
            LinearRegression(iterations=2).fit(X * 1e200, y)


def test_threads_do_not_change_the_result(on_engine):
    X, y, w = _data(n=20_000, d=30)
    found = []
    for n_threads in (1, 2, 3):
        with config_context(n_threads=n_threads):
            found.append(LinearRegression().fit(X, y, w).coef_)
    assert_array_equal(found[1], found[0])
    assert_array_equal(found[2], found[0])
