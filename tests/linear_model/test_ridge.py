import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.exceptions import UndefinedMetricWarning, UnsetMetadataPassedError
from sklearn.linear_model import Ridge as PeerRidge
from sklearn.linear_model import RidgeCV as PeerRidgeCV
from sklearn.metrics import get_scorer, make_scorer, r2_score
from sklearn.model_selection import GroupKFold, KFold, LeaveOneOut, ShuffleSplit, check_cv

import rmodels
from rmodels import LinearRegression, Ridge, RidgeCV
from rmodels.config import config_context

pytestmark = pytest.mark.usefixtures("on_engine")


def _data(n=80, d=6, targets=None, offset=0.0):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) + offset
    Y = (X - offset) @ rng.standard_normal(d if targets is None else (d, targets))
    Y += rng.standard_normal(Y.shape) + 2.0
    return X, Y, rng.random(n) + 0.1


def _assert_close(found, expected, tolerance=1e-11):
    assert np.shape(found) == np.shape(expected)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


class TestRidge:
    def test_by_hand(self):
        # x = −1, 0, 1 about the mean: S = 2, c = 4, coef = c / (S + α)
        model = Ridge(alpha=2.0).fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
        np.testing.assert_allclose(model.coef_, [1.0], rtol=1e-15)
        np.testing.assert_allclose(model.intercept_, 2.0, rtol=1e-15)

    @pytest.mark.parametrize("shape", [(80, 6), (20, 30)])
    @pytest.mark.parametrize("targets", [None, 1, 3])
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("fit_intercept", [False, True])
    @pytest.mark.parametrize("alpha", [1e-6, 1.0, 1e6])
    def test_equals_scikit_learn(self, shape, targets, weighted, fit_intercept, alpha):
        X, y, w = _data(*shape, targets)
        w = w if weighted else None
        ours = Ridge(alpha, fit_intercept=fit_intercept).fit(X, y, w)
        theirs = PeerRidge(alpha, fit_intercept=fit_intercept, solver="svd").fit(X, y, w)
        _assert_close(ours.coef_, theirs.coef_, 1e-10)
        _assert_close(ours.intercept_, theirs.intercept_, 1e-10)
        _assert_close(ours.predict(X), theirs.predict(X), 1e-10)
        assert ours.solver_ == ("gram" if shape[0] < shape[1] else "moments")

    def test_each_target_has_its_penalty(self):
        X, Y, w = _data(targets=3)
        model = Ridge([0.0, 1.0, 50.0]).fit(X, Y, w)
        for j, alpha in enumerate([0.0, 1.0, 50.0]):
            _assert_close(model.coef_[j], Ridge(alpha).fit(X, Y[:, j], w).coef_)

    def test_no_penalty_is_least_squares(self):
        X, y, w = _data()
        _assert_close(Ridge(0.0).fit(X, y, w).coef_, LinearRegression().fit(X, y, w).coef_)

    @pytest.mark.parametrize("spread", [1e-3, 1e-7])
    def test_ill_conditioned_columns(self, spread):
        # against least squares of rows with √α I below them
        X, y, _ = _data()
        X[:, 1] = X[:, 0] + spread * X[:, 1]
        alpha = spread**2
        below = np.vstack([X, np.sqrt(alpha) * np.eye(6)])
        expected = np.linalg.lstsq(below, np.concatenate([y, np.zeros(6)]), rcond=None)[0]
        model = Ridge(alpha, fit_intercept=False).fit(X, y)
        _assert_close(model.coef_, expected, 1e-16 / spread * 50)
        assert model.solver_ == ("moments" if spread == 1e-3 else "rows")

    def test_scales_far_apart(self):
        X, y, _ = _data()
        scales = 10.0 ** np.arange(-6, 6, 2)
        ours = Ridge(1e-3).fit(X * scales, y)
        D = (X - X.mean(axis=0)) * scales
        Q, R = np.linalg.qr(np.vstack([D, np.sqrt(1e-3) * np.eye(6)]))
        expected = np.linalg.solve(R, Q.T @ np.concatenate([y - y.mean(), np.zeros(6)]))
        np.testing.assert_allclose(ours.coef_, expected, rtol=1e-9)

    def test_offset(self):
        X, y, _ = _data(offset=1e6)
        X, origin = np.round(X, 6), 1e6
        _assert_close(Ridge().fit(X, y).coef_, Ridge().fit(X - origin, y).coef_, 1e-9)

    def test_positive(self):
        X, y, w = _data()
        y = y - 5 * X[:, 2]
        ours = Ridge(2.0, positive=True).fit(X, y, w)
        theirs = PeerRidge(2.0, positive=True, tol=1e-14).fit(X, y, w)
        assert (ours.coef_ >= 0).all()
        assert (ours.coef_ == 0).any()
        _assert_close(ours.coef_, theirs.coef_, 1e-6)

    def test_sparse_beyond_the_memory_limit(self, engine):
        rng = np.random.default_rng(0)
        entries = rng.random((400, 300)) < 0.05
        X = sparse.csr_array(np.where(entries, rng.random((400, 300)), 0.0))
        y = X @ rng.standard_normal(300) + 1.0
        expected = Ridge(0.5).fit(X.toarray(), y)
        if engine != "reference":
            with (
                config_context(memory_limit=1 << 20),
                pytest.raises(RuntimeError, match="do not keep memory_limit"),
            ):
                Ridge(0.5).fit(X, y)
            return
        with config_context(memory_limit=1 << 20):
            model = Ridge(0.5).fit(X, y)
        assert model.solver_ == "lsqr"
        _assert_close(model.coef_, expected.coef_, 1e-9)
        _assert_close(model.intercept_, expected.intercept_, 1e-9)

    def test_bad_penalties(self):
        X, Y, _ = _data(targets=3)
        with pytest.raises(ValueError, match="2 != 3"):
            Ridge([1.0, 2.0]).fit(X, Y)
        with pytest.raises(ValueError, match="at least 0"):
            Ridge([1.0, -2.0, 1.0]).fit(X, Y)
        X[3, 2] = np.nan
        with pytest.raises(ValueError, match="contains NaN"):
            Ridge().fit(X, Y)
        with pytest.raises(ValueError, match="contains NaN"):
            RidgeCV(cv=3).fit(X, Y)
        with pytest.raises(ValueError, match="contains NaN"):
            RidgeCV().fit(X[:5], Y[:5])


ALPHAS = np.logspace(-2, 3, 4)


class TestRidgeCV:
    @pytest.mark.parametrize("shape", [(30, 4), (12, 12), (8, 20)])
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("fit_intercept", [False, True])
    @pytest.mark.parametrize("targets", [None, 2])
    def test_leaves_out_each_row(self, shape, weighted, fit_intercept, targets):
        X, y, w = _data(*shape, targets)
        w = w if weighted else np.ones(len(X))
        w[3] = 0.0 if weighted else 1.0
        model = RidgeCV(ALPHAS, fit_intercept=fit_intercept, store_cv_results=True)
        model.fit(X, y, w)
        expected = np.empty((*y.shape, len(ALPHAS)))
        for train, test in LeaveOneOut().split(X):
            for i, alpha in enumerate(ALPHAS):
                other = Ridge(alpha, fit_intercept=fit_intercept).fit(X[train], y[train], w[train])
                expected[test, ..., i] = w[test] * (y[test] - other.predict(X[test])) ** 2
        _assert_close(model.cv_results_, expected, 1e-9)
        scores = -expected.reshape(-1, len(ALPHAS)).mean(axis=0)
        assert model.alpha_ == ALPHAS[scores.argmax()]
        assert model.best_score_ == pytest.approx(scores.max(), rel=1e-9)
        _assert_close(
            model.coef_, Ridge(model.alpha_, fit_intercept=fit_intercept).fit(X, y, w).coef_
        )
        summed = RidgeCV(ALPHAS, fit_intercept=fit_intercept).fit(X, y, w)
        assert summed.best_score_ == pytest.approx(model.best_score_, rel=1e-12)

    @pytest.mark.parametrize("cv", [4, KFold(5, shuffle=True, random_state=0), LeaveOneOut()])
    @pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error"])
    @pytest.mark.parametrize("shape", [(60, 6), (15, 30)])
    def test_folds(self, cv, scoring, shape):
        if isinstance(cv, LeaveOneOut) and scoring is None:
            pytest.skip("R² of one row is not defined")
        X, y, _ = _data(*shape)
        w = None if isinstance(cv, int) else np.linspace(0.5, 2.0, len(X))
        ours = RidgeCV(ALPHAS, cv=cv, scoring=scoring).fit(X, y, w)
        score = get_scorer(scoring or "r2")
        scores = []
        for alpha in ALPHAS:
            of_folds = []
            for train, test in check_cv(cv).split(X):
                on, of = ({} if w is None else {"sample_weight": w[i]} for i in (train, test))
                model = PeerRidge(alpha, solver="svd").fit(X[train], y[train], **on)
                of_folds.append(score(model, X[test], y[test], **of))
            scores.append(np.mean(of_folds))
        assert ours.alpha_ == ALPHAS[np.argmax(scores)]
        assert ours.best_score_ == pytest.approx(max(scores), rel=1e-9)

    @pytest.mark.parametrize("asks", [True, False])
    def test_a_scorer_gets_weights_if_it_asks_for_them(self, asks):
        X, y, w = _data()
        w[:40] *= 50.0
        with sklearn.config_context(enable_metadata_routing=True):
            scorer = make_scorer(r2_score).set_score_request(sample_weight=asks)
            ours = RidgeCV(ALPHAS, cv=4, scoring=scorer).fit(X, y, sample_weight=w)
            theirs = PeerRidgeCV(ALPHAS, cv=4, scoring=scorer).fit(X, y, sample_weight=w)
            default = RidgeCV(ALPHAS, cv=4).fit(X, y, sample_weight=w)
        assert ours.alpha_ == theirs.alpha_
        assert ours.best_score_ == pytest.approx(theirs.best_score_, rel=1e-9)
        assert (ours.best_score_ == default.best_score_) == asks

    def test_a_scorer_may_have_another_name_for_weights(self):
        X, y, w = _data()
        with sklearn.config_context(enable_metadata_routing=True):
            scorer = make_scorer(r2_score).set_score_request(sample_weight="importance")
            given = {"sample_weight": w, "importance": w[::-1].tolist()}
            ours, theirs = (
                Estimator(ALPHAS, cv=KFold(4), scoring=scorer).fit(X, y, **given)
                for Estimator in (RidgeCV, PeerRidgeCV)
            )
        assert ours.alpha_ == theirs.alpha_
        assert ours.best_score_ == pytest.approx(theirs.best_score_, rel=1e-9)

    def test_weights_that_nobody_asks_for(self):
        if "sample_weight" not in get_scorer("r2").get_metadata_routing().score.requests:
            pytest.skip("scikit-learn before 1.7 does not ask whether a scorer wants weights")
        X, y, w = _data()
        with sklearn.config_context(enable_metadata_routing=True):
            for Estimator in (RidgeCV, PeerRidgeCV):
                model = Estimator(ALPHAS, cv=4, scoring="neg_mean_absolute_error")
                with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
                    model.fit(X, y, sample_weight=w)

    def test_a_scorer_without_weights_is_warned_of(self):
        X, y, w = _data()

        def scorer(model, X, y):
            return -abs(model.predict(X) - y).mean()

        with pytest.warns(UserWarning, match="does not support sample_weight"):
            ours = RidgeCV(ALPHAS, cv=4, scoring=scorer).fit(X, y, w)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as scikit-learn's warns from 1.7 on
            theirs = PeerRidgeCV(ALPHAS, cv=4, scoring=scorer).fit(X, y, w)
        assert ours.alpha_ == theirs.alpha_
        assert ours.best_score_ == pytest.approx(theirs.best_score_, rel=1e-9)

    @pytest.mark.parametrize("kind", [np.asarray, list, pd.Series])
    def test_groups(self, kind):
        X, y, w = _data()
        groups = kind(np.random.default_rng(2).integers(0, 7, len(X)))
        with sklearn.config_context(enable_metadata_routing=True):
            ours, theirs = (
                Estimator(ALPHAS, cv=GroupKFold(4)).fit(X, y, sample_weight=w, groups=groups)
                for Estimator in (RidgeCV, PeerRidgeCV)
            )
            for Estimator in (RidgeCV, PeerRidgeCV):
                with pytest.raises(TypeError, match="groups"):
                    Estimator(ALPHAS, cv=4).fit(X, y, groups=groups)
        assert ours.alpha_ == theirs.alpha_
        assert ours.best_score_ == pytest.approx(theirs.best_score_, rel=1e-9)
        for Estimator in (RidgeCV, PeerRidgeCV):  # without routing
            with pytest.raises(ValueError, match="enable_metadata_routing=True"):
                Estimator(ALPHAS, cv=GroupKFold(4)).fit(X, y, groups=groups)
            with pytest.raises(ValueError, match="'groups' parameter should not be None"):
                Estimator(ALPHAS, cv=GroupKFold(4)).fit(X, y)

    @pytest.mark.parametrize("later", [{}, {"cv": 3}])
    def test_stored_results_go_with_the_fit_that_stored_them(self, later):
        X, y, _ = _data()
        model = RidgeCV(store_cv_results=True).fit(X, y)
        assert model.cv_results_.shape == (80, 3)
        model.set_params(store_cv_results=False, **later).fit(X, y)
        assert not hasattr(model, "cv_results_")

    def test_folds_that_are_no_partition(self):
        X, y, _ = _data()
        cv = ShuffleSplit(4, test_size=0.3, random_state=0)
        ours = RidgeCV(ALPHAS, cv=cv).fit(X, y)
        theirs = PeerRidgeCV(ALPHAS, cv=cv).fit(X, y)
        assert ours.alpha_ == theirs.alpha_
        assert ours.best_score_ == pytest.approx(theirs.best_score_, rel=1e-9)

    def test_penalty_for_each_target(self):
        X, Y, _ = _data(targets=3)
        Y[:, 1] = np.random.default_rng(1).standard_normal(len(Y))
        ours = RidgeCV(ALPHAS, alpha_per_target=True).fit(X, Y)
        theirs = PeerRidgeCV(ALPHAS, alpha_per_target=True).fit(X, Y)
        np.testing.assert_array_equal(ours.alpha_, theirs.alpha_)
        assert len(set(ours.alpha_)) > 1
        _assert_close(ours.best_score_, theirs.best_score_, 1e-9)
        _assert_close(ours.coef_, theirs.coef_, 1e-9)

    def test_ill_conditioned_columns(self):
        X, y, _ = _data()
        X[:, 1] = X[:, 0] + 1e-7 * X[:, 1]
        alphas = [1e-13, 1e-12]
        model = RidgeCV(alphas, store_cv_results=True).fit(X, y)
        for i, alpha in enumerate(alphas):
            for test in (0, 40):
                train = np.delete(np.arange(len(X)), test)
                other = Ridge(alpha).fit(X[train], y[train])
                expected = (y[test] - other.predict(X[[test]])[0]) ** 2
                assert model.cv_results_[test, i] == pytest.approx(expected, rel=1e-5)

    @pytest.mark.usefixtures("on_engine")
    @pytest.mark.parametrize("alphas", [(0.1, 1.0, 10.0), (5.0, 2.0)])
    @pytest.mark.parametrize("n_features", [1, 4])
    def test_the_only_row_cannot_be_left_out(self, alphas, n_features):
        rng = np.random.default_rng(0)
        X, Y, one = rng.random((3, n_features)), rng.random((3, 2)), [0.0, 0.7, 0.0]
        for rows, y, w in ((X[:1], Y[:1], None), (X[:1], Y[:1, 0], None), (X, Y, one)):
            with pytest.warns(UndefinedMetricWarning, match="the only row that has a weight"):
                ours = RidgeCV(alphas, store_cv_results=True).fit(rows, y, w)
            with np.errstate(invalid="ignore", divide="ignore"):
                theirs = PeerRidgeCV(alphas).fit(rows, y, w)
            assert ours.alpha_ == theirs.alpha_ == alphas[0]
            assert np.isnan(ours.best_score_)
            heavy = ours.cv_results_ if w is None else ours.cv_results_[1]
            assert np.isnan(heavy).all()
            np.testing.assert_allclose(ours.intercept_, np.array(y)[0 if w is None else 1])
        with pytest.warns(UndefinedMetricWarning, match="the only row that has a weight"):
            model = RidgeCV(alphas).fit(rmodels.scan(X), Y[:, 0], one)
        assert (model.alpha_, np.isnan(model.best_score_)) == (alphas[0], True)
        model = RidgeCV(alphas, fit_intercept=False).fit(X[:1], Y[:1])
        assert np.isfinite(model.best_score_)
