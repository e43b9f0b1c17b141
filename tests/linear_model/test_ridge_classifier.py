"""Classification by ridge regression: right values, and what is special."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import RidgeClassifier as PeerClassifier
from sklearn.linear_model import RidgeClassifierCV as PeerClassifierCV
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import StratifiedKFold

import rmodels
from rmodels import Ridge, RidgeClassifier, RidgeClassifierCV

pytestmark = pytest.mark.usefixtures("on_engine")


def rows(n_classes=2, n=120):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 4)) + np.array([0.0, 5.0, -1.0, 0.0])
    scores = X @ rng.standard_normal((4, n_classes)) + rng.standard_normal((n, n_classes))
    scores -= scores.mean(axis=0)
    return X, scores.argmax(axis=1), rng.integers(0, 3, n).astype(float)


def several(n=120):
    X = rows(n=n)[0]
    return X, (X @ [[1.0, 0.0, 0.5], [0.0, 0.2, -0.2], [0.0, 1.0, 0.0], [0.3, 0.0, 0.0]] > 0) * 1


def assert_alike(found, theirs, X, y):
    assert found.coef_.shape == theirs.coef_.shape
    assert np.shape(found.intercept_) == np.shape(theirs.intercept_)
    np.testing.assert_allclose(found.coef_, theirs.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.intercept_, theirs.intercept_, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.classes_, theirs.classes_)
    predicted = found.predict(X)
    np.testing.assert_array_equal(predicted, theirs.predict(X))
    assert predicted.dtype == theirs.predict(X).dtype
    assert found.score(X, y) == theirs.score(X, y)
    np.testing.assert_allclose(
        found.decision_function(X), theirs.decision_function(X), rtol=1e-9, atol=1e-11
    )


def test_by_hand():
    # x about its mean: −1.5 to 1.5, S = 5, c = 2 · 4 / 2: coef = c / (S + α)
    model = RidgeClassifier(alpha=3.0).fit([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"])
    np.testing.assert_allclose(model.coef_, [0.5], rtol=1e-15)
    np.testing.assert_allclose(model.intercept_, [-0.75], rtol=1e-15)
    assert model.predict([[1.4], [1.6]]).tolist() == ["a", "b"]


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("class_weight", [None, {0: 3.0, 1: 0.5}, "balanced"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_equals_scikit_learn(n_classes, class_weight, fit_intercept):
    X, y, _ = rows(n_classes)
    given = {"class_weight": class_weight, "fit_intercept": fit_intercept}
    found = RidgeClassifier(**given).fit(X, y)
    assert_alike(found, PeerClassifier(**given).fit(X, y), X, y)
    found = RidgeClassifierCV(**given).fit(X, y)
    theirs = PeerClassifierCV(**given).fit(X, y)
    assert found.alpha_ == theirs.alpha_
    assert found.best_score_ == pytest.approx(theirs.best_score_, rel=1e-10)
    assert_alike(found, theirs, X, y)


def test_several_labels():
    X, Y = several()
    assert_alike(RidgeClassifier().fit(X, Y), PeerClassifier().fit(X, Y), X, Y)
    found, theirs = (each(cv=3).fit(X, Y) for each in (RidgeClassifierCV, PeerClassifierCV))
    assert found.alpha_ == theirs.alpha_
    assert_alike(found, theirs, X, Y)
    balanced = {"class_weight": "balanced"}
    assert_alike(RidgeClassifier(**balanced).fit(X, Y), PeerClassifier(**balanced).fit(X, Y), X, Y)
    for y in (Y + 1, np.column_stack([Y, np.arange(len(Y)) % 3])):
        with pytest.raises(ValueError, match="Multioutput target data is not supported"):
            RidgeClassifier().fit(X, y)
    with pytest.raises(ValueError, match="For multi-output, class_weight"):
        RidgeClassifier(class_weight={0: 2.0}).fit(X, Y)


def test_of_one_class():
    X, _, _ = rows()
    model = RidgeClassifier().fit(X, ["only"] * len(X))
    assert set(model.predict(X)) == {"only"}
    assert (model.coef_ == 0).all()


@pytest.mark.parametrize("given", [{}, {"cv": 4}, {"scoring": "accuracy"}])
def test_weights_are_repeated_rows(given):
    X, y, w = rows(3)
    many, repeated = np.repeat(X, w.astype(int), axis=0), np.repeat(y, w.astype(int))
    for class_weight in (None, "balanced"):
        found = RidgeClassifier(class_weight=class_weight).fit(X, y, w)
        expected = RidgeClassifier(class_weight=class_weight).fit(many, repeated)
        np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-9)
    found = RidgeClassifierCV(**given).fit(X, y, w)
    expected = Ridge(found.alpha_).fit(X, np.where(y[:, np.newaxis] == range(3), 1.0, -1.0), w)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_of_rows_left_out_are_of_labels(n_classes):
    X, y, w = rows(n_classes)
    w += 1
    names = np.array(["x", "y", "z"])[y]
    found = RidgeClassifierCV([0.5], scoring="accuracy", store_cv_results=True).fit(X, names, w)
    right = []
    for i in range(len(X)):
        kept = np.arange(len(X)) != i
        model = RidgeClassifier(0.5).fit(X[kept], names[kept], w[kept])
        right.append(model.predict(X[[i]])[0] == names[i])
        decided = found.cv_results_[i, :, 0]
        np.testing.assert_allclose(
            np.squeeze(decided), model.decision_function(X[[i]])[0], rtol=1e-9, atol=1e-11
        )
    assert found.best_score_ == pytest.approx(np.average(right, weights=w), rel=1e-12)


def test_scores_of_folds_are_weighted():
    X, y, w = rows()
    folds = StratifiedKFold(3)
    scorer = make_scorer(roc_auc_score, response_method="decision_function")
    for scoring, measure in (("accuracy", None), (scorer, roc_auc_score)):
        found = RidgeClassifierCV([1.0], cv=folds, scoring=scoring).fit(X, y, w)
        scores = []
        for train, test in folds.split(X, y):
            model = RidgeClassifier(1.0).fit(X[train], y[train], w[train])
            if measure is None:
                scores.append(model.score(X[test], y[test], w[test]))
            else:
                scores.append(
                    measure(y[test], model.decision_function(X[test]), sample_weight=w[test])
                )
        assert found.best_score_ == pytest.approx(np.mean(scores), rel=1e-12)


def test_sparse_rows_and_scans():
    X, y, w = rows(3)
    plain = RidgeClassifier().fit(X, y, w)
    for A in (sparse.csr_array(X), rmodels.scan(X)):
        found = RidgeClassifier().fit(A, y, w)
        np.testing.assert_allclose(found.coef_, plain.coef_, rtol=1e-10)
        np.testing.assert_array_equal(found.predict(A), plain.predict(X))
    chosen = RidgeClassifierCV(class_weight="balanced").fit(rmodels.scan(X), y, w)
    expected = RidgeClassifierCV(class_weight="balanced").fit(X, y, w)
    assert chosen.alpha_ == expected.alpha_
    assert chosen.best_score_ == pytest.approx(expected.best_score_, rel=1e-12)
    np.testing.assert_allclose(chosen.coef_, expected.coef_, rtol=1e-10)
    for given in ({"cv": 3}, {"scoring": "accuracy"}, {"store_cv_results": True}):
        with pytest.raises(ValueError, match="needs X as an array"):
            RidgeClassifierCV(**given).fit(rmodels.scan(X), y)


def test_several_labels_of_a_table(tmp_path):
    pd = pytest.importorskip("pandas")
    X, Y = several()
    frame = pd.DataFrame(X, columns=list("abcd")).assign(u=Y[:, 0], v=Y[:, 1], w=Y[:, 2])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    columns = ["u", "v", "w"]
    rows_of = rmodels.scan(tmp_path / "rows.csv", columns=list("abcd"))
    model = RidgeClassifier().fit(rows_of, columns)
    expected = RidgeClassifier().fit(X, Y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
    assert model.score(rows_of, columns) == expected.score(X, Y)
    rmodels.save(model, tmp_path / "m")
    loaded = rmodels.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict(frame[list("abcd")]), expected.predict(X))


def test_refuses():
    X, y, _ = rows()
    with pytest.warns(DataConversionWarning):
        RidgeClassifier().fit(X, y[:, np.newaxis])
    with pytest.raises(ValueError, match="do not correspond"):
        RidgeClassifier(alpha=[1.0, 2.0]).fit(X, y)
    with pytest.raises(ValueError, match="'lbfgs' solver"):
        RidgeClassifier(solver="lbfgs").fit(X, y)
    with pytest.raises(ValueError, match="incompatible"):
        RidgeClassifierCV(cv=3, store_cv_results=True).fit(X, y)
    X[3, 2] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        RidgeClassifier().fit(X, y)


@pytest.mark.parametrize("weight", [-2.0, np.nan, np.inf])
@pytest.mark.parametrize("model", [RidgeClassifier(), rmodels.LogisticRegression()])
def test_weights_of_classes_are_numbers_that_count(model, weight):
    model = clone(model).set_params(class_weight={1: weight})
    with pytest.raises(ValueError, match="class_weight must be finite and at least 0"):
        model.fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
