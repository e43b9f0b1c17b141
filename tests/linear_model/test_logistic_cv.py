"""Logistic regression whose penalty is chosen by cross-validation."""

import tracemalloc
import warnings

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV as Peer
from sklearn.metrics import f1_score, get_scorer, log_loss, make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, StratifiedKFold

import rmodels
from rmodels import LogisticRegression, LogisticRegressionCV

NEW = {"l1_ratios": [0], "scoring": "neg_log_loss", "use_legacy_attributes": False}
OLD = NEW | {"use_legacy_attributes": True}


def rows(n_classes=2, n=300):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 4)) * [1.0, 3.0, 0.1, 1.0]
    scores = X @ rng.standard_normal((4, n_classes)) + rng.gumbel(size=(n, n_classes))
    return X, scores.argmax(axis=1), rng.integers(0, 3, n)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "given", [{}, {"l1_ratios": [0.0, 0.7, 1.0], "solver": "saga", "Cs": [10.0, 0.05]}]
)
def test_each_fit_is_that_of_the_other_folds(n_classes, given):
    X, y, w = rows(n_classes)
    names = np.array(["a", "b", "c"])[y]
    model = LogisticRegressionCV(**NEW | {"Cs": 4, "cv": 3} | given).fit(X, names, w)
    ratios, Cs = model.l1_ratios_, model.Cs_
    solver = given.get("solver", "lbfgs")
    assert model.scores_.shape == model.n_iter_.shape == (3, len(ratios), len(Cs))
    for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, names)):
        for r, ratio in enumerate(ratios):
            for c, C in enumerate(Cs):
                one = LogisticRegression(C=C, l1_ratio=ratio, solver=solver)
                one.fit(X[train], names[train], w[train])
                path = model.coefs_paths_[fold, r, c]
                np.testing.assert_allclose(path[:, :-1], one.coef_, rtol=1e-7, atol=1e-9)
                np.testing.assert_allclose(path[:, -1], one.intercept_, rtol=1e-7, atol=1e-9)
                lost = log_loss(names[test], one.predict_proba(X[test]), sample_weight=w[test])
                assert model.scores_[fold, r, c] == pytest.approx(-lost, rel=1e-8)
    means = model.scores_.mean(axis=0)
    r, c = np.unravel_index(means.argmax(), means.shape)
    assert (model.C_, model.l1_ratio_) == (Cs[c], ratios[r])
    best = LogisticRegression(C=Cs[c], l1_ratio=ratios[r], solver=solver).fit(X, names, w)
    np.testing.assert_allclose(model.coef_, best.coef_, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(model.intercept_, best.intercept_, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("given", [{}, {"refit": False}, {"l1_ratios": None}])
@pytest.mark.filterwarnings("ignore:'l1_ratios=None':FutureWarning")
@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.skipif(
    "use_legacy_attributes" not in Peer().get_params(),
    reason="this version of scikit-learn has attributes of one kind",
)
def test_attributes_are_scikit_learns(n_classes, given, legacy):
    X, y, w = rows(n_classes)
    given = NEW | {"Cs": 3, "cv": 3, "use_legacy_attributes": legacy} | given
    given["solver"] = "newton-cholesky"  # theirs comes nearest
    found = LogisticRegressionCV(**given).fit(X, y, w)
    theirs = Peer(**given, tol=1e-10, max_iter=1000).fit(X, y, w)
    for name in ("C_", "l1_ratio_", "Cs_", "l1_ratios_", "coef_", "intercept_", "n_iter_"):
        ours, expected = np.asarray(getattr(found, name)), np.asarray(getattr(theirs, name))
        assert ours.shape == expected.shape, name
        if name != "n_iter_" and expected.dtype != object:
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7, err_msg=name)
    for name in ("scores_", "coefs_paths_"):
        ours, expected = getattr(found, name), getattr(theirs, name)
        if legacy:
            assert list(ours) == list(expected)
            ours, expected = np.array(list(ours.values())), np.array(list(expected.values()))
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6, err_msg=name)
    assert found.score(X, y, sample_weight=w) == pytest.approx(theirs.score(X, y, sample_weight=w))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_batches_lead_to_the_same_in_few_reads(n_classes, tmp_path):
    pd = pytest.importorskip("pandas")
    X, y, w = rows(n_classes, 2000)
    table = pd.DataFrame(X, columns=list("abcd")).assign(y=y, w=w)
    table.to_parquet(tmp_path / "rows.parquet", row_group_size=300)
    given = NEW | {"class_weight": "balanced"}
    whole = LogisticRegressionCV(**given).fit(X, y, w)
    with rmodels.config_context(memory_limit=2**20):
        scan = rmodels.scan(tmp_path / "rows.parquet", columns=list("abcd"))
        model = LogisticRegressionCV(**given).fit(scan, "y", "w")
    np.testing.assert_allclose(model.coefs_paths_, whole.coefs_paths_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(model.scores_, whole.scores_, rtol=1e-9)
    np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-9)
    assert model.C_ == whole.C_
    assert model.n_reads_ <= 25  # of 50 models, their scores, and the last
    by_accuracy = given | {"scoring": "accuracy", "Cs": 2}
    scored = LogisticRegressionCV(**by_accuracy).fit(scan, "y", "w")
    expected = LogisticRegressionCV(**by_accuracy).fit(X, y, w)
    np.testing.assert_allclose(scored.scores_, expected.scores_, rtol=1e-12)
    assert scored.score(scan, "y") == expected.score(X, y)
    with pytest.raises(ValueError, match="needs X as an array"):
        LogisticRegressionCV(**given | {"scoring": "roc_auc"}).fit(scan, "y")


def test_errors_of_a_search_side_by_side_are_raised():
    X, y, _ = rows()
    X[250, 2] = np.nan
    with rmodels.config_context(memory_limit=2**20), pytest.raises(ValueError, match="NaN"):
        LogisticRegressionCV(**NEW).fit(rmodels.scan(X), y)


def test_sparse_rows_and_other_scorers():
    X, y, w = rows()
    thin = sparse.csr_array(np.where(abs(X) > 0.3, X, 0.0))
    scorer = make_scorer(roc_auc_score, response_method="decision_function")
    given = NEW | {"scoring": scorer, "cv": KFold(4), "Cs": 3}
    found = LogisticRegressionCV(**given).fit(thin, y, w)
    expected = LogisticRegressionCV(**given).fit(thin.toarray(), y, w)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.scores_, expected.scores_, rtol=1e-9)

    def plain(model, X, y):
        return model.score(X, y)

    with pytest.warns(UserWarning, match="does not support sample_weight"):
        LogisticRegressionCV(**NEW | {"scoring": plain, "Cs": 2}).fit(X, y, w)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
def test_scores_are_scikit_learns(scoring, n_classes, weighted):
    """Of probabilities that round to 0 and 1, too: scikit-learn takes them as ε and 1 − ε."""
    X, y, w = rows(n_classes)
    X[:, 0] += 40.0 * y
    X[::97, 0] = 500.0 * (y[::97] + 1) % 901.0  # far on a wrong side, but for the last class
    given = NEW | {"Cs": [1e-3, 1.0, 1e6], "cv": 3}
    w = w if weighted else None
    found = LogisticRegressionCV(**given | {"scoring": scoring}).fit(X, y, w)
    scorer = get_scorer(scoring)
    expected = LogisticRegressionCV(**given | {"scoring": scorer}).fit(X, y, w)
    np.testing.assert_allclose(found.scores_, expected.scores_, rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_training_sets_that_overlap(is_sparse, n_classes):
    X, y, w = rows(n_classes, 400)
    X = sparse.csr_array(np.where(abs(X) > 0.5, X, 0.0)) if is_sparse else X
    splits = list(ShuffleSplit(5, train_size=0.4, test_size=0.3, random_state=0).split(X))
    splits.append((np.arange(300), np.arange(200, 400)))
    model = LogisticRegressionCV(**NEW | {"Cs": [0.1, 10.0], "cv": splits}).fit(X, y, w)
    for fold, (train, _) in enumerate(splits):
        one = LogisticRegression(C=10.0).fit(X[train], y[train], w[train])
        path = model.coefs_paths_[fold, 0, 1]
        np.testing.assert_allclose(path[:, :-1], one.coef_, rtol=1e-7, atol=1e-9)


def test_rows_that_train_twice_count_twice():
    X, y, _ = rows()
    n = len(X)
    twice = np.random.default_rng(0).integers(0, n, n)
    splits = [(twice, np.setdiff1d(np.arange(n), twice)), (np.arange(200), np.arange(200, n))]
    model = LogisticRegressionCV(**NEW | {"Cs": [0.1, 1.0], "cv": splits}).fit(X, y)
    one = LogisticRegression().fit(X, y, np.bincount(twice, minlength=n))
    np.testing.assert_allclose(model.coefs_paths_[0, 0, 1, :, :-1], one.coef_, rtol=1e-7)
    with pytest.raises(ValueError, match="names a row twice"):
        LogisticRegressionCV(**NEW | {"cv": splits}).fit(rmodels.scan(np.column_stack([X, y])), 4)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_that_are_scored_twice_count_twice(weighted, scoring):
    X, y, w = rows()
    twice = np.random.default_rng(0).integers(200, 300, 150)
    given = NEW | {"Cs": [0.1, 1.0], "cv": [(np.arange(200), twice)]}
    w = w if weighted else None
    found = LogisticRegressionCV(**given | {"scoring": scoring}).fit(X, y, w)
    expected = LogisticRegressionCV(**given | {"scoring": get_scorer(scoring)}).fit(X, y, w)
    np.testing.assert_allclose(found.scores_, expected.scores_, rtol=1e-12)
    data = rmodels.scan(np.column_stack([X, y]))
    of_scan = LogisticRegressionCV(**given | {"scoring": scoring}).fit(data, 4, w)
    np.testing.assert_allclose(of_scan.scores_, expected.scores_, rtol=1e-9)


@pytest.mark.parametrize("kind", [list, lambda rows: slice(int(rows[0]), int(rows[-1]) + 1)])
@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc"])
def test_splits_name_rows_as_an_index_does(scoring, kind):
    X, y, _ = rows()
    train, test = np.arange(100, len(X)), np.arange(100)
    given = NEW | {"Cs": [0.1, 1.0], "scoring": scoring}
    found = LogisticRegressionCV(**given, cv=[(kind(train), kind(test))]).fit(X, y)
    expected = LogisticRegressionCV(**given, cv=[(train, test)]).fit(X, y)
    np.testing.assert_array_equal(found.coefs_paths_, expected.coefs_paths_)
    np.testing.assert_array_equal(found.scores_, expected.scores_)


def test_no_training_set_is_copied():
    """One has 4/5 of the rows; copied are a sample, and the rows of a fold that are scored."""
    X, y, _ = rows(2, 50_000)
    X = np.column_stack([X] * 25)
    model = LogisticRegressionCV(**NEW | {"Cs": 2})
    tracemalloc.start()
    try:
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < X.nbytes // 2


def test_little_memory_holds_fewer_searches_at_a_time():
    X, y, w = rows(3)
    X = np.column_stack([X, np.random.default_rng(1).standard_normal((len(X), 46))])
    given = NEW | {"Cs": [0.1, 1.0]}
    whole = LogisticRegressionCV(**given).fit(X, y, w)
    with rmodels.config_context(memory_limit=2**20):  # one curvature of 153 coefficients
        model = LogisticRegressionCV(**given).fit(X, y, w)
    assert model.n_reads_ > 2 * whole.n_reads_
    np.testing.assert_allclose(model.coefs_paths_, whole.coefs_paths_, rtol=1e-9, atol=1e-12)


def test_a_class_that_a_fold_lacks():
    X, y, _ = rows(3, 90)
    y = np.sort(y)
    given = NEW | {"cv": KFold(3), "Cs": [0.1, 1.0]}
    model = LogisticRegressionCV(**given).fit(X, y)
    assert np.isfinite(model.scores_).all()
    assert np.isfinite(model.coef_).all()


def test_files(tmp_path):
    X, y, _ = rows(3)
    for given in (NEW, OLD):
        for labels in (y, np.array(["a", "b", "c"])[y]):
            model = LogisticRegressionCV(**given | {"Cs": 2, "cv": 2}).fit(X, labels)
            rmodels.save(model, tmp_path / "m")
            loaded = rmodels.load(tmp_path / "m")
            np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
            if given is OLD:
                for key, value in model.scores_.items():
                    np.testing.assert_array_equal(loaded.scores_[key], value)


def test_warnings_of_defaults():
    X, y, _ = rows()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        LogisticRegressionCV(Cs=2, cv=2).fit(X, y)
    said = [str(each.message) for each in caught if each.category is FutureWarning]
    for text in ("default value for l1_ratios", "'scoring' will change", "use_legacy_attributes"):
        assert any(text in each for each in said)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegressionCV(**NEW | {"Cs": 2, "cv": 2}).fit(X, y)


def test_refuses():
    X, y, _ = rows()
    with pytest.raises(ValueError, match="Cs must be numbers above 0"):
        LogisticRegressionCV(**NEW | {"Cs": [1.0, 0.0]}).fit(X, y)
    with pytest.raises(ValueError, match="at least 2 classes"):
        LogisticRegressionCV(**NEW).fit(X, 0 * y)
    with pytest.raises(ValueError, match="must have the class labels as keys"):
        LogisticRegressionCV(**NEW, class_weight={7: 1.0}).fit(X, y)
    with pytest.raises(ValueError, match="l1_ratios must be an array-like of numbers"):
        LogisticRegressionCV(**NEW | {"l1_ratios": [0.2, 1.2], "solver": "saga"}).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="can be separated"):
        LogisticRegressionCV(**NEW | {"Cs": [np.inf], "cv": 2}).fit(
            [[0.0], [0.1], [3.0], [3.1]], [0, 0, 1, 1]
        )


@pytest.mark.parametrize("frame", ["pandas", "polars"])
def test_a_function_scores_models_and_frames_as_in_a_grid_search(frame):
    library = pytest.importorskip(frame, reason=f"{frame} is not installed")
    X, y, _ = rows()
    X = library.DataFrame(X, schema=[*"abcd"]) if frame == "polars" else library.DataFrame(X)
    X = X.set_axis([*"abcd"], axis=1) if frame == "pandas" else X

    def weighed_by_a_column(model, X, y):
        assert model.n_features_in_ == 4
        return float(((model.predict(X) == y) * np.asarray(X["b"])).sum())

    given = NEW | {"scoring": weighed_by_a_column, "Cs": [0.01, 1.0]}
    model = LogisticRegressionCV(cv=3, **given).fit(X, y)
    grid = GridSearchCV(LogisticRegression(), {"C": given["Cs"]}, cv=3, scoring=weighed_by_a_column)
    found = grid.fit(X, y).cv_results_
    expected = [[found[f"split{fold}_test_score"][c] for c in range(2)] for fold in range(3)]
    np.testing.assert_allclose(model.scores_[:, 0], expected, rtol=1e-12)


def test_masks_of_a_splitter_name_the_same_rows_of_a_scan():
    X, y, _ = rows()
    mask = np.arange(len(X)) % 3 > 0
    given = NEW | {"Cs": 3}
    wanted = LogisticRegressionCV(cv=[(mask, ~mask)], **given).fit(X, y).scores_
    frame = np.column_stack([X, y])
    scan = rmodels.scan(lambda: (frame[i : i + 70] for i in range(0, len(frame), 70)))
    for cv in ([(mask, ~mask)], [(np.flatnonzero(mask), np.flatnonzero(~mask))]):
        found = LogisticRegressionCV(cv=cv, **given).fit(scan, 4).scores_
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_a_scorer_keeps_what_its_maker_said():
    X, y, _ = rows()
    words = np.array(["no", "yes"])[y]
    scores = {}
    for label in ("no", "yes"):
        scorer = make_scorer(f1_score, pos_label=label)
        model = LogisticRegressionCV(cv=3, **NEW | {"Cs": [1.0], "scoring": scorer}).fit(X, words)
        grid = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=3, scoring=scorer)
        expected = grid.fit(X, words).cv_results_
        scores[label] = model.scores_.ravel()
        np.testing.assert_allclose(
            scores[label], [expected[f"split{fold}_test_score"][0] for fold in range(3)]
        )
    assert (scores["no"] != scores["yes"]).all()


def test_weights_that_the_scorer_does_not_ask_for():
    X, y, w = rows()
    with sklearn.config_context(enable_metadata_routing=True):
        asked, not_asked = (
            LogisticRegressionCV(
                **NEW | {"Cs": 2, "scoring": scorer.set_score_request(sample_weight=wanted)}
            ).fit(X, y, sample_weight=w)
            for scorer, wanted in [(get_scorer("accuracy"), True), (get_scorer("accuracy"), False)]
        )
        assert asked.score(X, y, w) != not_asked.score(X, y)
        with pytest.raises(TypeError, match="score got unexpected argument"):
            not_asked.score(X, y, w)
