"""scikit-learn's conventions, each met once by every estimator that has it."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import linear_model, neighbors
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rmodels

RNG = np.random.default_rng(0)
X = RNG.standard_normal((90, 3))
W = RNG.integers(1, 4, 90).astype(float)
LABELS = (X @ [1.0, -1.0, 0.5] > 0).astype(int)
PREDICTORS = [
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "LinearRegression",
    "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor",
]
TRANSFORMERS = ["KNeighborsTransformer", "RadiusNeighborsTransformer"]


def _ours(name, **parameters):
    if name.startswith("Radius"):
        parameters = {"radius": 9.0, "weights": "distance"} | parameters
    if name.endswith("Transformer"):
        parameters.pop("weights", None)
    return getattr(rmodels, name)(**parameters)


def _theirs(name):
    return getattr(linear_model if name == "LinearRegression" else neighbors, name)


@pytest.mark.parametrize("name", [*PREDICTORS, *TRANSFORMERS, "NearestNeighbors"])
def test_parameters_are_scikit_learns_and_survive_copies(name):
    theirs = _theirs(name)().get_params()
    ours = getattr(rmodels, name)().get_params()
    assert {key: ours[key] for key in theirs} == theirs
    assert (ours.keys() == theirs.keys()) == (name != "LinearRegression")
    model = _ours(name)
    model.fit(X, LABELS)
    assert clone(model).get_params() == model.get_params()
    assert not [key for key in vars(clone(model)) if key.endswith("_")]
    method = "transform" if name in TRANSFORMERS else "predict"
    method = "kneighbors_graph" if name == "NearestNeighbors" else method
    expected = getattr(model, method)(X[:9])
    elsewhere = joblib.Parallel(2)([joblib.delayed(model.fit)(X, LABELS)])[0]
    for copied in (pickle.loads(pickle.dumps(model)), elsewhere):
        found = getattr(copied, method)(X[:9])
        if method == "predict":
            assert_array_equal(found, expected)
        else:
            assert_array_equal(found.toarray(), expected.toarray())


@pytest.mark.parametrize("name", PREDICTORS)
def test_sample_weight_is_routed(name):
    folds = [(np.arange(60), np.arange(60, 90)), (np.arange(30, 90), np.arange(30))]
    routed = {"params": {"sample_weight": W}, "cv": folds}
    with sklearn.config_context(enable_metadata_routing=True):
        model = _ours(name).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        scores = cross_validate(model, X, LABELS, **routed)["test_score"]
        found = make_pipeline(model).fit(X, LABELS, sample_weight=W).predict(X)
        with pytest.raises(ValueError, match="sample_weight"):
            cross_validate(make_pipeline(_ours(name)), X, LABELS, **routed)
    for score, (train, test) in zip(scores, folds, strict=True):
        fitted = _ours(name).fit(X[train], LABELS[train], W[train])
        assert score == fitted.score(X[test], LABELS[test], W[test])
    assert_array_equal(found, _ours(name).fit(X, LABELS, W).predict(X))


@pytest.mark.parametrize("name", PREDICTORS)
def test_frames_in_pipelines_and_searches(name):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    pipeline = make_pipeline(StandardScaler(), _ours(name)).set_output(transform="pandas")
    pipeline.fit(frame, LABELS)
    assert_array_equal(pipeline[-1].feature_names_in_, ["a", "b", "c"])
    with pytest.raises(ValueError, match="feature names should match"):
        pipeline[-1].predict(frame[["c", "b", "a"]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        pipeline[-1].predict(X)
    step = pipeline.steps[-1][0]
    with joblib.parallel_backend("threading", n_jobs=2):
        search = GridSearchCV(pipeline, {f"{step}__n_jobs": [1, 2]}, cv=2).fit(frame, LABELS)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_name_their_columns(name):
    model = _ours(name).fit(pd.DataFrame(X, columns=["a", "b", "c"]))
    theirs = _theirs(name)(**model.get_params()).fit(X)
    assert_array_equal(model.get_feature_names_out(), theirs.get_feature_names_out())
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    assert_allclose(model.transform(frame).toarray(), theirs.transform(X).toarray(), atol=1e-7)
    for transformer, given in ((model, frame), (theirs, X)):
        transformer.set_output(transform="pandas")
        with pytest.raises(ValueError, match="outputs a scipy sparse matrix"):
            transformer.transform(given)
