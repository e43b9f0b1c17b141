"""scikit-learn's conventions, each met once by every estimator that has it."""

import importlib
import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from cases import CASES, EXAMPLES, METHODS, QUERIES, W, X
from identical import assert_same_model
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rmodels

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))
NAMES = ["a", "b", "c"]
FRAME = pd.DataFrame(X, columns=NAMES)

every = pytest.mark.parametrize("case", EXAMPLES, ids=str)
everywhere = pytest.mark.parametrize("case", CASES, ids=str)
predicting = pytest.mark.parametrize("case", [c for c in EXAMPLES if c.entry.predicts], ids=str)
transforming = pytest.mark.parametrize(
    "case", [c for c in EXAMPLES if c.entry.task in ("cluster", "transform")], ids=str
)


def theirs(case, **parameters):
    """The estimator of scikit-learn of the same name."""
    if not case.entry.in_sklearn:
        pytest.skip("scikit-learn has none")
    return getattr(importlib.import_module(case.entry.home), case.name)(**parameters)


@everywhere
def test_clone(case):
    model = case.fit()
    cloned = clone(model)
    assert cloned.get_params() == model.get_params() == case.make().get_params()
    assert vars(cloned).keys() == model.get_params().keys()


@everywhere
def test_copies_are_the_same(case):
    model = case.fit()
    assert_same_model(model, pickle.loads(pickle.dumps(model)))
    (elsewhere,) = joblib.Parallel(2)([joblib.delayed(case.make().fit)(X, case.y)])
    assert_same_model(model, elsewhere)


@every
@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_every_way_to_fit_checks_parameters_first_and_leaves_nothing(case, way):
    model = case.make()
    checked = {k for k, v in model._parameter_constraints.items() if v != "no_validation"}
    if not hasattr(model, way):
        pytest.skip(f"{case.name} has no {way}")
    if not checked:
        pytest.skip(f"{case.name} has no parameter that is checked")
    name = max(checked)  # partial_fit may be there by what others say
    model.set_params(**{name: object()})
    before = dict(vars(model))
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {case.name} must be"):
        getattr(model, way)(X, case.y)
    assert vars(model) == before


@every
def test_fits_anew(case):
    model = case.make().fit(X[:50, :2], case.y[:50]).fit(X, case.y)
    assert_same_model(model, case.fit())


@predicting
def test_sample_weight_is_routed(case):
    # before scikit-learn 1.8, no weights reach the score of a pipeline, whatever is in it
    within = make_pipeline if SKLEARN >= (1, 8) else clone
    folds = [(np.arange(60), np.arange(60, 90)), (np.arange(30, 90), np.arange(30))]
    routed = {"params": {"sample_weight": W}, "cv": folds}
    with sklearn.config_context(enable_metadata_routing=True):
        model = case.make().set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        scores = cross_validate(within(model), X, case.y, **routed)["test_score"]
        with pytest.raises(ValueError, match="sample_weight"):
            cross_validate(within(case.make()), X, case.y, **routed)
    for score, (train, test) in zip(scores, folds, strict=True):
        fitted = case.fit(X[train], case.y[train], W[train])
        assert score == fitted.score(X[test], case.y[test], W[test])


@predicting
def test_frames_in_pipelines_and_searches(case):
    pipeline = make_pipeline(StandardScaler(), case.make()).set_output(transform="pandas")
    pipeline.fit(FRAME, case.y)
    assert_array_equal(pipeline[-1].feature_names_in_, NAMES)
    with pytest.raises(ValueError, match="feature names should match"):
        pipeline[-1].predict(FRAME[["c", "b", "a"]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        pipeline[-1].predict(X)
    name, value = next(iter(case.make().get_params().items()))
    grid = {f"{pipeline.steps[-1][0]}__{name}": [value, value]}
    with joblib.parallel_backend("threading", n_jobs=2):
        search = GridSearchCV(pipeline, grid, cv=2).fit(FRAME, case.y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] == scores[1]


@transforming
def test_transformers_name_their_columns(case):
    model = case.fit(FRAME)
    other = theirs(case, **case.make().get_params()).fit(FRAME)
    assert_array_equal(model.get_feature_names_out(), other.get_feature_names_out())
    queries = pd.DataFrame(QUERIES, columns=NAMES)
    ours, expected = (each.transform(queries) for each in (model, other))
    assert type(ours) is type(expected)
    dense = isinstance(ours, np.ndarray)
    arrays = (ours, expected) if dense else (ours.toarray(), expected.toarray())
    assert_allclose(*arrays, atol=1e-7)
    for transformer in (model, other):
        transformer.set_output(transform="pandas")
        if dense:
            found = transformer.transform(queries)
            assert_array_equal(found.columns, model.get_feature_names_out())
        else:
            with pytest.raises(ValueError, match="outputs a scipy sparse matrix"):
                transformer.transform(queries)


@every
def test_frames_of_polars_are_as_those_of_pandas(case):
    model = case.fit(pl.DataFrame(dict(zip(NAMES, X.T, strict=True))))
    assert_array_equal(model.feature_names_in_, NAMES)
    assert_same_model(model, case.fit(FRAME))


@every
@pytest.mark.parametrize("kind", ["U", "S", "list"])
def test_text_of_digits_is_refused_before_work(case, kind):
    def text(A):
        return A.astype(str).tolist() if kind == "list" else A.astype(f"{kind}25")

    said = "Input X.* holds text: dtype='numeric' is not compatible with arrays of bytes/strings"
    known = {"classes": [0, 1]} if case.entry.task == "classify" else {}
    model = case.make()
    for way, given in (("fit", {}), ("partial_fit", known)):
        if hasattr(model, way):
            with pytest.raises(ValueError, match=said):
                getattr(model, way)(text(X), case.y, **given)
    assert vars(model).keys() == model.get_params().keys()
    model = case.fit()
    for method in (*METHODS, "decision_function", "score_samples"):
        if hasattr(model, method):
            with pytest.raises(ValueError, match=said):
                getattr(model, method)(text(QUERIES))


@predicting
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.coo_matrix])
def test_sparse_targets_are_refused_before_work(case, form):
    y = form(np.column_stack([case.y, case.y]))
    da = pytest.importorskip("dask.array", reason="the extra dask is not installed: Dask")
    for rows in (X, rmodels.scan(X), da.from_array(X)):
        with pytest.raises(TypeError, match="Sparse data was passed for y, but dense data is"):
            case.make().fit(rows, y)
