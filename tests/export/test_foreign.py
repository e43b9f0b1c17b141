"""What is skl2onnx's to write: exact, or said to be of float32, or an error with a way out."""

import numpy as np
import pytest
import sklearn.decomposition
from graphs import run
from sklearn.ensemble import BaggingRegressor, IsolationForest, VotingRegressor
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVR

import rmodels
from rmodels import Ridge, to_onnx
from rmodels.exceptions import NotCoveredError

X = np.column_stack([np.arange(100) + 1_700_000_000, np.arange(100) % 7, np.arange(100) % 5])
Y = np.arange(100) % 3


@pytest.mark.parametrize("step", [SelectKBest(k=2), VarianceThreshold(1.0)], ids=repr)
def test_integers_keep_their_digits(step):
    model = make_pipeline(step).fit(X, Y)
    (found,) = run(to_onnx(model, X), {"X": X}).values()
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, model.transform(X))


def test_products_of_float64():
    rows = X - X[0]
    model = make_pipeline(sklearn.decomposition.PCA(2), Ridge()).fit(rows, Y)
    found = run(to_onnx(model, rows), {"X": rows})["prediction"]
    # Sums of three products of numbers up to 100, and of two of their results, here and there.
    np.testing.assert_allclose(found, model.predict(rows), rtol=0, atol=20 * np.spacing(100.0))


def test_steps_of_float32_are_warned_of():
    rows = X / 3
    model = make_pipeline(SVR()).fit(rows, Y)
    with pytest.warns(UserWarning, match="computes SVR in float32: .* 7 digits"):
        to_onnx(model)
    to_onnx(model, dtype=np.float32)  # of rows of float32 nothing is to be said


def test_what_it_cannot_write():
    model = make_pipeline(IsolationForest(n_estimators=2, random_state=0)).fit(X / 3)
    with pytest.raises(NotCoveredError, match=r"IsolationForest of float64.*prepare the rows"):
        to_onnx(model)


@pytest.mark.parametrize(
    "inner",
    [
        lambda nearest: nearest,
        lambda nearest: BaggingRegressor(nearest, 2, random_state=0),
        lambda nearest: VotingRegressor([("nearest", nearest)]),
        lambda nearest: GridSearchCV(nearest, {"n_neighbors": [3, 5]}),
    ],
)
def test_neighbours_that_it_would_weigh_alike(inner):
    rows = np.random.default_rng(0).normal(size=(60, 3))  # no two distances are the same
    nearest = KNeighborsRegressor(weights="distance")
    model = make_pipeline(inner(nearest)).fit(rows, Y[:60])
    with pytest.raises(NotCoveredError, match=r"rmodels\.KNeighborsRegressor has a graph"):
        to_onnx(model)
    for right in (KNeighborsRegressor(), rmodels.KNeighborsRegressor(weights="distance")):
        model = make_pipeline(inner(right)).fit(rows, Y[:60])
        (found,) = run(to_onnx(model), {"X": rows}).values()
        np.testing.assert_allclose(found.ravel(), model.predict(rows), rtol=1e-6)
