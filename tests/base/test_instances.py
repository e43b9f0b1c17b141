"""Where others ask for scikit-learn's own classes, ours are taken, without `patch_sklearn`."""

import importlib
import pickle

import numpy as np
import pytest
import sklearn.linear_model
import sklearn.neighbors
from imblearn.over_sampling import SMOTE
from imblearn.under_sampling import (
    CondensedNearestNeighbour,
    EditedNearestNeighbours,
    NeighbourhoodCleaningRule,
    OneSidedSelection,
)
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_classification
from sklearn.linear_model import RANSACRegressor
from sklearn.manifold import locally_linear_embedding

import rmodels
from rmodels.catalogue import CATALOGUE

HOMES = {
    name: getattr(importlib.import_module(entry.home), name)
    for name, entry in CATALOGUE.items()
    if entry.in_sklearn and entry.task != "function"
}
X, y = make_classification(200, weights=[0.85], random_state=0)
POINTS = np.random.default_rng(0).random((200, 3))


# Those that scikit-learn did not make abstract take no others.
OPEN = [name for name, theirs in HOMES.items() if hasattr(theirs, "register")]


@pytest.mark.parametrize("name", OPEN)
def test_ours_are_instances_that_inherit_nothing(name):
    theirs, ours = HOMES[name], getattr(rmodels, name)
    for model in (ours(), clone(ours()), pickle.loads(pickle.dumps(ours()))):
        assert isinstance(model, theirs)
        assert type(model) is ours
    assert theirs not in ours.__mro__
    assert not isinstance(theirs(), ours)
    assert not isinstance(BaseEstimator(), theirs)


@pytest.mark.parametrize(
    "make",
    [
        lambda home: CondensedNearestNeighbour(
            n_neighbors=home.KNeighborsClassifier(1), random_state=0
        ),
        lambda home: OneSidedSelection(n_neighbors=home.KNeighborsClassifier(1), random_state=0),
        lambda home: NeighbourhoodCleaningRule(n_neighbors=home.NearestNeighbors(n_neighbors=4)),
        lambda home: EditedNearestNeighbours(n_neighbors=home.NearestNeighbors(n_neighbors=4)),
        lambda home: SMOTE(k_neighbors=home.NearestNeighbors(n_neighbors=6), random_state=0),
    ],
)
def test_imbalanced_learn(make):
    ours, theirs = (make(home).fit_resample(X, y) for home in (rmodels, sklearn.neighbors))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(ours[1]) != len(y)


@pytest.mark.parametrize("algorithm", ["auto", "kd_tree", "brute"])
def test_locally_linear_embedding(algorithm):
    given = {"n_neighbors": 8, "n_components": 2, "random_state": 0}
    ours, theirs = (
        locally_linear_embedding(home.NearestNeighbors(algorithm=algorithm).fit(POINTS), **given)
        for home in (rmodels, sklearn.neighbors)
    )
    np.testing.assert_array_equal(ours[0], theirs[0])


@pytest.mark.parametrize(
    "parameters",
    [
        {"algorithm": "kd_tree"},
        {"algorithm": "kd_tree", "p": 3},
        {"algorithm": "ball_tree", "metric": "chebyshev"},
        {"algorithm": "brute", "metric": "cosine"},
        {"metric": "canberra"},
    ],
)
def test_scikit_learn_fits_to_ours(parameters):
    rest = {key: value for key, value in parameters.items() if key != "algorithm"}
    fitted = rmodels.NearestNeighbors(**parameters).fit(POINTS)
    found = sklearn.neighbors.NearestNeighbors(**rest).fit(fitted).kneighbors(POINTS[:9] + 0.01)
    expected = fitted.kneighbors(POINTS[:9] + 0.01)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(found[1], expected[1])


def test_ransac_knows_the_smallest_sample_of_a_linear_regression():
    model = RANSACRegressor(rmodels.LinearRegression(), random_state=0)
    model.fit(POINTS, POINTS @ [1.0, 2.0, 3.0])
    np.testing.assert_allclose(model.estimator_.coef_, [1, 2, 3])
